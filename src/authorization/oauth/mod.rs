//! OAuth 2.0: the calls. What to ask and what follows from an answer is in [`ask`], [`answer`] and the record's own functions, without I/O.

mod answer;
mod ask;
mod config;
mod consent;
mod device;
mod endpoints;
mod jwt;
mod organization;
mod revoke;

use std::fmt;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use oauth2::PkceCodeVerifier;
use url::Url;

use self::answer::{Answer, read_tokens};
use self::ask::{Client, scope};
use self::consent::Pending;
use self::endpoints::Endpoints;
use super::record::{ACCESS, CredentialRecord, REFRESH, Renewable, Renewal, Tokens};
use super::refresh::{Current, Renew};
use super::{
    AfterReject, Authorization, AuthorizationInfo, AuthorizationState, Credential,
    CredentialRequest, ReauthorizationCause,
};
use crate::host::{Context, Expected, HttpRequest, within};
use crate::spec::{AllowedHosts, EndpointsSpec, Org};
use crate::{Error, ErrorKind, Result, Secret, Tenant};

pub use config::{Grant, OAuthConfig};
pub use consent::{Callback, connection_of};
pub use device::{DeviceConsent, DevicePoll};
pub use jwt::{JwtSpec, Signer};
pub use revoke::{Revocation, RevokeMode};

/// Asks a person to consent.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BeginRequest {
    /// The session of the person, as the host knows it: only a callback of the same session is taken.
    pub session: Secret,
    /// Where the outside system's server sends the browser back to. It must be registered there.
    pub redirect: Url,
}

impl BeginRequest {
    /// For the person of this session, who comes back there.
    pub fn new(session: impl Into<String>, redirect: Url) -> Self {
        BeginRequest {
            session: Secret::new(session),
            redirect,
        }
    }
}

/// Where to send a person to consent. `Debug` shows no query.
#[non_exhaustive]
pub struct Consent {
    /// The address, on a host of the outside system.
    pub url: Url,
}

impl fmt::Debug for Consent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consent")
            .field("host", &self.url.host_str())
            .finish_non_exhaustive()
    }
}

/// What was authorized.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Authorized {
    /// The organisation that consented, in the outside system's own words, if it tells.
    pub organization: Option<String>,
    /// Its kind.
    pub org: Org,
    /// What was granted; empty if the system does not tell.
    pub scopes: Vec<String>,
    /// Whether it was authorized before.
    pub again: bool,
}

/// An [`Authorization`] by OAuth 2.0. Cheap to clone; clones share what they know.
///
/// One for each connection and process. What it knows is in the [`CredentialStore`](super::CredentialStore), so all processes that share
/// that use the same tokens, and refresh each once.
///
/// ```
/// # futures::executor::block_on(async {
/// use std::sync::Arc;
/// use syncline::authorization::{
///     Authorization, BeginRequest, Callback, CredentialRequest, CredentialStore, Grant, OAuth, OAuthConfig,
/// };
/// use syncline::host::{Context, HttpResponse};
/// use syncline::memory::{MemoryCipher, MemoryState, MemoryTransport};
/// use syncline::spec::{Domain, EndpointPaths, EndpointsSpec, OAuthSpec, Org, OrgHosts};
/// use syncline::{Secret, Tenant};
///
/// let server = MemoryTransport::new(|request| {
///     let tokens = r#"{"access_token": "a1", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "r1"}"#;
///     Ok(HttpResponse::of(request, 200, tokens))
/// });
/// let hosts = OrgHosts::new(Domain::parse("login.example.com")?);
/// let paths = EndpointPaths::new("/token").with_authorize("/authorize");
/// let spec = OAuthSpec::new(hosts, EndpointsSpec::Paths(paths));
/// let store = CredentialStore::new(Tenant::new("acme")?, Arc::new(MemoryState::new()), Arc::new(MemoryCipher::new()));
/// let config = OAuthConfig::new("crm", spec, Org::Production, Grant::AuthorizationCode, "our-client", Arc::new(server), store)
///     .with_client_secret(Secret::new("hunter2"));
/// let crm = OAuth::new(config)?;
///
/// let context = Context::new();
/// let back = "https://host.example.com/callback".parse().unwrap();
/// let consent = crm.begin(&context, BeginRequest::new("session-of-ada", back)).await?;
/// // The person consents there, and the browser comes back.
/// let state = consent.url.query_pairs().find(|pair| pair.0 == "state").unwrap().1.into_owned();
/// let callback = Callback::from_query("session-of-ada", &format!("code=c1&state={state}"))?;
/// crm.complete(&context, callback.clone()).await?;
/// assert!(crm.credential(&context, CredentialRequest::new()).await?.expires_at().is_some());
/// // Once only.
/// assert!(crm.complete(&context, callback).await.is_err());
/// # Ok::<(), syncline::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct OAuth(Arc<Inner>);

struct Inner {
    info: AuthorizationInfo,
    config: OAuthConfig,
    client: Client,
    hosts: AllowedHosts,
    current: Current,
    endpoints: OnceLock<Endpoints>,
}

impl OAuth {
    /// With this configuration. Nothing is called yet.
    ///
    /// # Errors
    /// [`HostNotAllowed`](ErrorKind::HostNotAllowed) if the organisation's host is not one of the connector's;
    /// [`Unsupported`](ErrorKind::Unsupported) if it has none of this kind; [`Invalid`](ErrorKind::Invalid) paths.
    pub fn new(config: OAuthConfig) -> Result<Self> {
        let hosts = config.spec.hosts.allow(&config.org)?;
        let endpoints = OnceLock::new();
        if let EndpointsSpec::Paths(paths) = &config.spec.endpoints {
            let _ = endpoints.set(Endpoints::declared(paths, &hosts)?);
        }
        let info = config.info();
        let client = Client {
            id: config.client_id.clone(),
            secret: config.client_secret.clone(),
            proof: config.spec.client,
        };
        let current = Current::new(
            config.store.clone(),
            config.connection.clone(),
            config.terms,
        );
        Ok(OAuth(Arc::new(Inner {
            info,
            config,
            client,
            hosts,
            current,
            endpoints,
        })))
    }

    /// How the authorization is now. Nothing is called.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn state(&self, context: &Context) -> Result<AuthorizationState> {
        let current = &self.0.current;
        let loaded = current.store().load(current.connection()).await?;
        let record = loaded.as_ref().map(|loaded| &loaded.record);
        let now = context.clock().now();
        Ok(match self.0.renewable() {
            Renewable::ByRefreshToken => AuthorizationState::of_consent(record, now),
            Renewable::ByAskingAgain => AuthorizationState::of(record, now),
        })
    }

    /// Gets tokens by a grant that asks nobody, whatever became of the ones before: for the first time, or after the client's secret, its
    /// key or its rights were mended, or the connection was revoked. A credential that is asked for gets the first ones by itself; but what the
    /// server has refused it does not ask for again.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) if the grant asks a person,
    /// [`ReauthorizationRequired`](ErrorKind::ReauthorizationRequired) if the server refuses still, and those of
    /// [`complete`](OAuth::complete). After any of them what was known before still is.
    pub async fn authorize(&self, context: &Context) -> Result<Authorized> {
        let done = self.0.authorize(context).await;
        done.map_err(|error| error.during("authorize"))
    }

    /// Begins to ask a person: for the first time, or again. What was authorized before stays until they have consented.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) if the grant asks nobody, and those of the stores and of discovery.
    pub async fn begin(&self, context: &Context, request: BeginRequest) -> Result<Consent> {
        let inner = &*self.0;
        if !matches!(inner.config.grant, Grant::AuthorizationCode) {
            let message = "this grant sends nobody anywhere; begin with a device, or authorize the client by itself";
            return Err(Error::new(ErrorKind::Unsupported, message).during("begin authorization"));
        }
        let endpoints = inner.endpoints(context).await?;
        let now = context.clock().now();
        let store = inner.current.store();
        consent::sweep(store, now, 20).await?;
        let (state, verifier) = (consent::drawn(context), consent::drawn(context));
        let url = ask::consent_url(
            endpoints,
            &inner.config.spec,
            &inner.client,
            &request.redirect,
            &state,
            &PkceCodeVerifier::new(verifier.expose().to_owned()),
        )?;
        let pending = Pending::new(
            inner.current.connection().to_owned(),
            inner.config.org.clone(),
            endpoints.issuer.clone(),
            request.redirect,
            verifier,
            &request.session,
            now,
        );
        consent::keep(context, store, &state, &pending).await?;
        Ok(Consent { url })
    }

    /// Takes the callback of a person who was asked, and gets the tokens: once.
    ///
    /// # Errors
    /// [`StateMismatch`](ErrorKind::StateMismatch) if nothing like it is waited for; then nothing was sent.
    /// [`ReauthorizationRequired`](ErrorKind::ReauthorizationRequired) if the person or the server refused,
    /// [`OtherOrganization`](ErrorKind::OtherOrganization) if they consented for another one,
    /// [`InsufficientScope`](ErrorKind::InsufficientScope) if to less than is needed,
    /// [`BadTokenAnswer`](ErrorKind::BadTokenAnswer) and [`HostNotAllowed`](ErrorKind::HostNotAllowed) if the answer cannot be right. After
    /// any of them what was authorized before still is.
    pub async fn complete(&self, context: &Context, callback: Callback) -> Result<Authorized> {
        let done = self.0.complete(context, callback).await;
        done.map_err(|error| error.during("complete authorization"))
    }
}

impl Inner {
    /// The endpoints, which the server is asked for once.
    async fn endpoints(&self, context: &Context) -> Result<&Endpoints> {
        if let Some(endpoints) = self.endpoints.get() {
            return Ok(endpoints);
        }
        let EndpointsSpec::Discovered(path) = &self.config.spec.endpoints else {
            return Err(Error::contract(
                "endpoints are neither declared nor discovered",
            ));
        };
        let url = self.hosts.home().url(path)?;
        let answer = self.send(context, ask::get(url.clone())).await?;
        let now = context.clock().now();
        // What it says as an object is not looked at here but as a whole.
        answer
            .object(now)
            .map_err(|refusal| refusal.error().during("discover endpoints"))?;
        let found = Endpoints::discovered(&answer.body, &url, &self.hosts)?;
        Ok(self.endpoints.get_or_init(|| found))
    }

    /// What a consent that is begun here is for.
    fn asked_for(&self) -> (Tenant, String, Org) {
        let (store, connection) = (self.current.store(), self.current.connection());
        let tenant = store.tenant().clone();
        (tenant, connection.to_owned(), self.config.org.clone())
    }

    /// Sends one request and reads the answer whole, in the time that there is.
    async fn send(&self, context: &Context, request: HttpRequest) -> Result<Answer> {
        // All of them carry a secret, or lead to where secrets are sent.
        self.hosts.check_url(&request.url)?;
        let time = self.current.terms().timeout;
        let call = async {
            let response = self
                .config
                .transport
                .send(request.with_timeout(time))
                .await?;
            let (status, headers) = (response.status, response.headers.clone());
            let body = response.bytes().await?;
            Ok(Answer {
                status,
                headers,
                body,
            })
        };
        let answer = within(context.clock(), time, call).await;
        answer.unwrap_or_else(|| Err(super::refresh::unanswered()))
    }

    async fn complete(&self, context: &Context, callback: Callback) -> Result<Authorized> {
        let endpoints = self.endpoints(context).await?;
        let now = context.clock().now();
        let (store, connection) = (self.current.store(), self.current.connection());
        let sends = endpoints.sends_issuer;
        let pending = consent::take(store, connection, &callback, sends, now).await?;
        if pending.org != self.config.org || pending.issuer != endpoints.issuer {
            return Err(consent::mismatch("it is of another kind of organisation"));
        }
        let code = match (callback.error, callback.code) {
            (None, Some(code)) => code,
            (None, None) => return Err(consent::mismatch("it has no code")),
            (Some(error), _) => return Err(refused(&error)),
        };
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.expose()),
            ("redirect_uri", pending.redirect.as_str()),
            ("code_verifier", pending.verifier.expose()),
        ];
        let request = self.client.post(&endpoints.token, &fields)?;
        let answer = self.send(context, request).await?;
        let tokens = self.granted(&answer, context)?;
        self.keep(context, tokens).await
    }

    async fn authorize(&self, context: &Context) -> Result<Authorized> {
        if self.renewable() == Renewable::ByRefreshToken {
            let message = "this grant asks a person; begin in a browser, or with a device";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let request = self.ask(context, &CredentialRecord::new()).await?;
        let answer = self.send(context, request).await?;
        let tokens = self.granted(&answer, context)?;
        self.keep(context, tokens).await
    }

    /// Tokens that are what was asked for.
    fn granted(&self, answer: &Answer, context: &Context) -> Result<Tokens> {
        match self.read(answer, context) {
            Renewal::Got(tokens) => Ok(tokens),
            Renewal::TooLittle(_, error) | Renewal::Bad(_, error) | Renewal::Later(error) => {
                Err(error)
            }
            // There was no refresh token yet: it is the code.
            Renewal::Refused(ReauthorizationCause::RefreshRefused) => Err(refused("invalid_grant")),
            Renewal::Refused(cause) => Err(cause.error()),
        }
    }

    fn read(&self, answer: &Answer, context: &Context) -> Renewal {
        let now = context.clock().now();
        let by_person = self.renewable() == Renewable::ByRefreshToken;
        read_tokens(answer, &self.config.spec, &self.hosts, by_person, now)
    }

    /// Keeps what a person consented to, if it is the organisation that it was.
    async fn keep(&self, context: &Context, mut tokens: Tokens) -> Result<Authorized> {
        tokens.organization = self.identify(context, &tokens).await?;
        tokens.org = Some(self.config.org.clone());
        let (store, connection) = (self.current.store(), self.current.connection());
        loop {
            let loaded = store.load(connection).await?;
            let again = loaded
                .as_ref()
                .is_some_and(|loaded| loaded.record.generation > 0);
            let (mut record, expected) = match loaded {
                None => (CredentialRecord::new(), Expected::Absent),
                Some(loaded) => (loaded.record, Expected::Version(loaded.version)),
            };
            organization::same(&record, &tokens)?;
            // Nothing of an older grant belongs to this one. Who is about to refresh it comes too late.
            record.secrets.clear();
            record.scopes.clear();
            record.base = None;
            record.claim = None;
            record.take(tokens.clone(), context.clock().now());
            let swapped = store.swap(context, connection, &record, expected).await?;
            if swapped.is_none() {
                continue;
            }
            self.current.forget();
            return Ok(Authorized {
                organization: record.organization,
                org: self.config.org.clone(),
                scopes: record.scopes,
                again,
            });
        }
    }

    async fn ask(&self, context: &Context, record: &CredentialRecord) -> Result<HttpRequest> {
        let endpoints = self.endpoints(context).await?;
        let scope = scope(&self.config.spec);
        let assertion;
        let mut fields = match &self.config.grant {
            Grant::ClientCredentials => vec![("grant_type", "client_credentials")],
            Grant::JwtBearer(spec) => {
                assertion = spec.assertion(context, endpoints.token.as_str()).await?;
                let bearer = "urn:ietf:params:oauth:grant-type:jwt-bearer";
                vec![("grant_type", bearer), ("assertion", assertion.expose())]
            }
            Grant::AuthorizationCode | Grant::DeviceCode => {
                let Some(refresh) = record.secrets.get(REFRESH) else {
                    return Err(ReauthorizationCause::NoRefreshToken.error());
                };
                let fields = [
                    ("grant_type", "refresh_token"),
                    ("refresh_token", refresh.expose()),
                ];
                return self.client.post(&endpoints.token, &fields);
            }
        };
        if !scope.is_empty() {
            fields.push(("scope", &scope));
        }
        self.client.post(&endpoints.token, &fields)
    }

    /// Asks for the next token; an error says that nothing is known.
    async fn next(&self, context: &Context, record: &CredentialRecord) -> Result<Renewal> {
        let request = self.ask(context, record).await?;
        let answer = self.send(context, request).await?;
        let mut tokens = match self.read(&answer, context) {
            Renewal::Got(tokens) => tokens,
            other => return Ok(other),
        };
        tokens.org = Some(self.config.org.clone());
        let by_client = self.renewable() == Renewable::ByAskingAgain;
        if by_client && record.organization.is_none() {
            tokens.organization = self.identify(context, &tokens).await?;
        }
        Ok(match organization::same(record, &tokens) {
            Ok(()) => Renewal::Got(tokens),
            Err(error) => Renewal::Bad(None, error),
        })
    }
}

/// The server, or the person, said no.
fn refused(code: &str) -> Error {
    let code = serde_json::Value::String(code.to_owned());
    let code = serde_json::from_value(code).map(|code| answer::word(&code));
    let message = "consent was not given, or came too late; begin again";
    Error::new(ErrorKind::ReauthorizationRequired, message).with(
        "because",
        code.unwrap_or("a code that the protocol does not have"),
    )
}

#[async_trait]
impl Renew for Inner {
    fn renewable(&self) -> Renewable {
        match self.config.grant {
            Grant::AuthorizationCode | Grant::DeviceCode => Renewable::ByRefreshToken,
            Grant::ClientCredentials | Grant::JwtBearer(_) => Renewable::ByAskingAgain,
        }
    }

    async fn renew(&self, context: &Context, record: &CredentialRecord) -> Renewal {
        match self.next(context, record).await {
            Ok(renewal) => renewal,
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::BadTokenAnswer
                        | ErrorKind::HostNotAllowed
                        | ErrorKind::OtherOrganization
                ) =>
            {
                Renewal::Bad(None, error)
            }
            Err(error) => Renewal::Later(error),
        }
    }

    fn belongs(&self, record: &CredentialRecord) -> Result<()> {
        organization::of_kind(record, &self.config.org)
    }

    fn credential(&self, record: &CredentialRecord) -> Result<Credential> {
        let access = record.secrets.get(ACCESS);
        let access = access.ok_or_else(|| ReauthorizationCause::NeverAuthorized.error())?;
        let credential = Credential::bearer(self.hosts.clone(), access)?
            .with_generation(record.generation)
            .with_expiry(record.expires_at);
        match &record.base {
            None => Ok(credential),
            Some(base) => credential.with_base(self.hosts.check(base)?),
        }
    }
}

#[async_trait]
impl Authorization for OAuth {
    fn info(&self) -> &AuthorizationInfo {
        &self.0.info
    }

    async fn credential(
        &self,
        context: &Context,
        request: CredentialRequest,
    ) -> Result<Credential> {
        let inner = &*self.0;
        inner.current.credential(context, &request, inner).await
    }

    async fn rejected(&self, context: &Context, credential: &Credential) -> Result<AfterReject> {
        let inner = &*self.0;
        inner.current.rejected(context, credential, inner).await
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.config.fmt(f)
    }
}

impl fmt::Debug for OAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OAuth").field(&self.0.config).finish()
    }
}
