//! A host with one connection.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::Value;
use syncline::adapter::ReqwestTransport;
use syncline::authorization::{
    Authorization as _, AuthorizationState, CredentialRequest, CredentialStore, Grant, OAuth,
    OAuthConfig,
};
use syncline::host::{AddressPolicy, Context, HttpRequest, HttpResponse, StateStore, Transport};
use syncline::memory::MemoryState;
use syncline::spec::{
    ClientProof, EndpointsSpec, OAuthSpec, Org, OrgHosts, OrganizationSource, Origin,
};
use syncline::{Result, Secret, Tenant};

use super::clock::FastClock;
use super::own_cipher::XChaCha;

pub(crate) const CLIENT_SECRET: &str = "a-secret-of-the-client";

/// The real transport, which counts what it sends to each path.
#[derive(Debug, Clone)]
pub(crate) struct Counting {
    transport: ReqwestTransport,
    sent: Arc<Mutex<BTreeMap<String, u64>>>,
}

#[async_trait]
impl Transport for Counting {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse> {
        let path = request.url.path().to_owned();
        *self.sent.lock().unwrap().entry(path).or_default() += 1;
        self.transport.send(request).await
    }
}

impl Counting {
    pub(crate) fn new() -> Self {
        Counting {
            transport: ReqwestTransport::new().unwrap(),
            sent: Arc::default(),
        }
    }

    /// How often something was asked of this path.
    pub(crate) fn to(&self, path: &str) -> u64 {
        self.sent.lock().unwrap().get(path).copied().unwrap_or(0)
    }
}

pub(crate) struct World {
    pub(crate) clock: Arc<FastClock>,
    pub(crate) transport: Counting,
    pub(crate) state: Arc<dyn StateStore>,
    pub(crate) context: Context,
    pub(crate) spec: OAuthSpec,
}

impl World {
    /// With these servers, which tell their endpoints themselves, and whose API tells the organisation.
    pub(crate) fn new(production: Origin, sandbox: Option<Origin>) -> Self {
        let mut hosts = OrgHosts::new(production);
        hosts.sandbox = sandbox;
        let discovered = EndpointsSpec::Discovered("/.well-known/openid-configuration".into());
        let spec = OAuthSpec::new(hosts, discovered)
            .with_client(ClientProof::Form)
            .with_scopes(["openid", "offline_access", "read"])
            .with_authorize("prompt", "consent")
            .with_organization(OrganizationSource::Call {
                path: "/api/organization".into(),
                organization: "/id".into(),
                sandbox: Some("/sandbox".into()),
            });
        Self::of(spec, FastClock::real())
    }

    pub(crate) fn of(spec: OAuthSpec, clock: FastClock) -> Self {
        let clock = Arc::new(clock);
        World {
            context: Context::new().with_clock(clock.clone()),
            clock,
            transport: Counting::new(),
            state: Arc::new(MemoryState::new()),
            spec,
        }
    }

    pub(crate) fn store(&self) -> CredentialStore {
        let cipher = Arc::new(XChaCha::new(&[7; 32]));
        CredentialStore::new(Tenant::new("acme").unwrap(), self.state.clone(), cipher)
    }

    pub(crate) fn config(&self, org: Org, grant: Grant) -> OAuthConfig {
        let client = match grant {
            Grant::ClientCredentials => "robot",
            _ => "crm",
        };
        let transport = Arc::new(self.transport.clone());
        OAuthConfig::new(
            "crm",
            self.spec.clone(),
            org,
            grant,
            client,
            transport,
            self.store(),
        )
        .with_client_secret(Secret::new(CLIENT_SECRET))
    }

    pub(crate) fn oauth(&self) -> OAuth {
        OAuth::new(self.config(Org::Production, Grant::AuthorizationCode)).unwrap()
    }

    pub(crate) async fn state_of(&self, oauth: &OAuth) -> AuthorizationState {
        oauth.state(&self.context).await.unwrap()
    }

    /// The refresh token that is kept.
    pub(crate) async fn refresh_token(&self) -> Secret {
        let found = self.store().load("crm").await.unwrap().unwrap();
        found.record.secrets["refresh"].clone()
    }

    /// Asks the API with the connection's credential: the status, and what was said.
    pub(crate) async fn ask_api(&self, oauth: &OAuth) -> Result<(u16, Value)> {
        let request = CredentialRequest::new();
        let credential = oauth.credential(&self.context, request).await?;
        let request = HttpRequest::get(credential.url("/api/organization")?);
        Ok(self.send(credential.attach(request)?).await)
    }

    /// Sends a request as it is: the status, and the answer if it is JSON.
    pub(crate) async fn send(&self, request: HttpRequest) -> (u16, Value) {
        let request = request.with_addresses(AddressPolicy::Loopback);
        let answer = self.transport.send(request).await.unwrap();
        let status = answer.status.as_u16();
        let body = answer.bytes().await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// Asks the server for tokens by hand, as somebody would who has stolen the refresh token.
    pub(crate) async fn refresh_by_hand(&self, address: &str, token: &Secret) -> (u16, Value) {
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token.expose()),
            ("client_id", "crm"),
            ("client_secret", CLIENT_SECRET),
        ];
        let url = format!("{address}/token").parse().unwrap();
        self.send(HttpRequest::post_secret_form(url, fields)).await
    }
}
