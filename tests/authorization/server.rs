//! An authorization server in this process: it follows the protocol, counts what it is asked, and misbehaves on order.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use syncline::authorization::{
    Authorization, BeginRequest, Callback, CredentialStore, Grant, JwtSpec, OAuth, OAuthConfig,
    Signer,
};
use syncline::host::{Context, HttpRequest, HttpResponse, StateStore};
use syncline::memory::{ManualClock, MemoryCipher, MemoryState, MemoryTransport, SeededEntropy};
use syncline::spec::{
    ClientProof, CustomDomains, Domain, EndpointPaths, EndpointsSpec, OAuthSpec, Org, OrgHosts,
    OrganizationSource,
};
use syncline::{Error, ErrorKind, Result, Retry, Secret, Tenant};

pub(crate) const SCOPES: [&str; 2] = ["contacts.read", "contacts.write"];

/// What the server does with a token request that it should grant.
#[derive(Debug, Clone, Default)]
pub(crate) enum Fault {
    /// Grants it.
    #[default]
    None,
    /// Answers this, and grants nothing.
    Answer(u16, String),
    /// Answers this with headers.
    Headers(u16, Vec<(&'static str, String)>, String),
    /// Grants it, and answers with these fields changed; null removes one.
    Fields(Vec<(&'static str, serde_json::Value)>),
    /// Grants it, and the answer is lost.
    LostAnswer,
    /// No answer, and nothing done.
    Unreachable,
}

#[derive(Default)]
pub(crate) struct Books {
    /// Refresh tokens that work, each with its family, and those that were used.
    refresh: HashMap<String, u64>,
    used: HashMap<String, u64>,
    pub(crate) access: Vec<String>,
    pub(crate) issued: u64,
    pub(crate) codes: BTreeMap<String, String>,
    /// How often each refresh token was shown.
    pub(crate) shown: BTreeMap<String, u64>,
    pub(crate) token_requests: u64,
    pub(crate) revoked: Vec<String>,
    /// Hosts that a credential was sent to.
    pub(crate) hosts: Vec<String>,
    pub(crate) forms: Vec<BTreeMap<String, String>>,
    pub(crate) fault: Fault,
    /// For the device grant: how often a poll is too early.
    pub(crate) pending_polls: u64,
    pub(crate) organization: String,
    pub(crate) lifetime: u64,
    pub(crate) rotates: bool,
    /// What tells this run's secrets from another's.
    pub(crate) seed: String,
}

#[derive(Clone)]
pub(crate) struct Server(Arc<Mutex<Books>>);

impl Server {
    pub(crate) fn new() -> Self {
        Server(Arc::new(Mutex::new(Books {
            organization: "org-1".into(),
            lifetime: 3_600,
            rotates: true,
            seed: "s".into(),
            ..Books::default()
        })))
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap()
    }

    pub(crate) fn fault(&self, fault: Fault) {
        self.books().fault = fault;
    }

    pub(crate) fn transport(&self) -> MemoryTransport {
        let server = self.clone();
        MemoryTransport::new(move |request| server.answer(request))
    }

    pub(crate) fn answer(&self, request: &HttpRequest) -> Result<HttpResponse> {
        let mut books = self.books();
        if request.carries_secret() {
            books.hosts.push(request.url.host_str().unwrap().to_owned());
        }
        match request.url.path() {
            "/token" => books.token(request),
            "/revoke" => books.revoke(request),
            "/device" => books.device(request),
            "/me" => {
                let id = &books.organization;
                let body = serde_json::json!({"org": {"id": id}, "sandbox": false});
                Ok(HttpResponse::of(request, 200, body.to_string()))
            }
            _ => Ok(HttpResponse::of(request, 404, "no such page")),
        }
    }
}

fn form(request: &HttpRequest) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(&request.body)
        .into_owned()
        .collect()
}

fn json(request: &HttpRequest, status: u16, body: &serde_json::Value) -> Result<HttpResponse> {
    Ok(HttpResponse::of(request, status, body.to_string()))
}

fn refuse(request: &HttpRequest, code: &str) -> Result<HttpResponse> {
    json(
        request,
        400,
        &serde_json::json!({"error": code, "error_description": "no"}),
    )
}

pub(crate) fn unreachable() -> Error {
    Error::new(ErrorKind::Io, "the network is down").retrying(Retry::Now)
}

impl Books {
    fn token(&mut self, request: &HttpRequest) -> Result<HttpResponse> {
        self.token_requests += 1;
        let form = form(request);
        self.forms.push(form.clone());
        if let Some(token) = form.get("refresh_token") {
            *self.shown.entry(token.clone()).or_default() += 1;
        }
        let fault = self.fault.clone();
        match &fault {
            Fault::Unreachable => return Err(unreachable()),
            Fault::Answer(status, body) => {
                return Ok(HttpResponse::of(request, *status, body.clone()));
            }
            Fault::Headers(status, headers, body) => {
                let mut answer = HttpResponse::of(request, *status, body.clone());
                for (name, value) in headers {
                    answer.headers.insert(*name, value.parse().unwrap());
                }
                return Ok(answer);
            }
            _ => {}
        }
        let family = match form["grant_type"].as_str() {
            "authorization_code" => {
                let verifier = self.codes.remove(&form["code"]);
                if verifier.is_none_or(|challenge| challenge != s256(&form["code_verifier"])) {
                    return refuse(request, "invalid_grant");
                }
                self.issued + 1
            }
            "urn:ietf:params:oauth:grant-type:device_code" if self.pending_polls > 0 => {
                self.pending_polls -= 1;
                return refuse(request, "authorization_pending");
            }
            "refresh_token" => {
                let shown = &form["refresh_token"];
                let Some(family) = self.refresh.get(shown).copied() else {
                    // One that was used already: somebody stole it, so the whole family is revoked.
                    if let Some(family) = self.used.get(shown).copied() {
                        self.refresh.retain(|_, of| *of != family);
                    }
                    return refuse(request, "invalid_grant");
                };
                if self.rotates {
                    self.refresh.remove(shown);
                    self.used.insert(shown.clone(), family);
                }
                family
            }
            "urn:ietf:params:oauth:grant-type:device_code" => self.issued + 1,
            "urn:ietf:params:oauth:grant-type:jwt-bearer" => {
                assert_eq!(form["assertion"].split('.').count(), 3);
                0
            }
            _ => 0,
        };
        self.issued += 1;
        let (access, refresh) = (
            format!("access-{}-{}", self.seed, self.issued),
            format!("refresh-{}-{}", self.seed, self.issued),
        );
        self.access.push(access.clone());
        let mut body = serde_json::json!({
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": self.lifetime,
            "scope": SCOPES.join(" "),
        });
        if family > 0 && (self.rotates || form["grant_type"] != "refresh_token") {
            self.refresh.insert(refresh.clone(), family);
            body["refresh_token"] = refresh.into();
        }
        if let Fault::Fields(fields) = &fault {
            for (name, value) in fields {
                match value {
                    serde_json::Value::Null => {
                        body.as_object_mut().unwrap().remove(*name);
                    }
                    value => body[*name] = value.clone(),
                }
            }
        }
        if matches!(fault, Fault::LostAnswer) {
            return Err(unreachable());
        }
        json(request, 200, &body)
    }

    fn revoke(&mut self, request: &HttpRequest) -> Result<HttpResponse> {
        if let Fault::Answer(status, body) = &self.fault {
            return Ok(HttpResponse::of(request, *status, body.clone()));
        }
        let token = form(request).remove("token").unwrap();
        self.refresh.remove(&token);
        self.access.retain(|access| *access != token);
        self.revoked.push(token);
        Ok(HttpResponse::of(request, 200, ""))
    }

    fn device(&mut self, request: &HttpRequest) -> Result<HttpResponse> {
        match &self.fault {
            Fault::Answer(status, body) => {
                return Ok(HttpResponse::of(request, *status, body.clone()));
            }
            Fault::Unreachable => return Err(unreachable()),
            _ => {}
        }
        let body = serde_json::json!({
            "device_code": format!("device-{}", self.seed),
            "user_code": "WDJB-MJHT",
            "verification_uri": "https://login.example.com/activate",
            "expires_in": 900,
        });
        json(request, 200, &body)
    }
}

/// The challenge of a verifier, by another implementation than the one under test.
fn s256(verifier: &str) -> String {
    let verifier = oauth2::PkceCodeVerifier::new(verifier.to_owned());
    oauth2::PkceCodeChallenge::from_code_verifier_sha256(&verifier)
        .as_str()
        .to_owned()
}

#[derive(Debug)]
pub(crate) struct TestSigner;

#[async_trait::async_trait]
impl Signer for TestSigner {
    fn algorithm(&self) -> &str {
        "ES256"
    }

    fn key_id(&self) -> Option<&str> {
        Some("key-1")
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        Ok(message.iter().rev().copied().take(64).collect())
    }
}

/// All that outlives a process.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) clock: ManualClock,
    pub(crate) state: MemoryState,
    pub(crate) cipher: MemoryCipher,
    context: Context,
    /// What the last connection that was opened is let in by.
    pub(crate) lent: Arc<Mutex<Option<Arc<dyn Authorization>>>>,
}

impl World {
    pub(crate) fn new() -> Self {
        let clock = ManualClock::new("2025-01-31T00:00:00Z".parse().unwrap());
        let context = Context::new()
            .with_clock(Arc::new(clock.clone()))
            .with_entropy(Arc::new(SeededEntropy::new(7)));
        World {
            server: Server::new(),
            clock,
            context,
            state: MemoryState::new(),
            cipher: MemoryCipher::new(),
            lent: Arc::default(),
        }
    }

    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    pub(crate) fn run<F: Future>(&self, future: F) -> F::Output {
        self.clock.drive(future).expect("it comes to its end")
    }

    pub(crate) fn store(&self, state: Arc<dyn StateStore>) -> CredentialStore {
        let tenant = Tenant::new("acme").unwrap();
        CredentialStore::new(tenant, state, Arc::new(self.cipher.clone()))
    }

    /// A process that has this connection.
    pub(crate) fn oauth(&self, grant: Grant) -> OAuth {
        self.oauth_on(grant, Arc::new(self.state.clone()))
    }

    pub(crate) fn oauth_on(&self, grant: Grant, state: Arc<dyn StateStore>) -> OAuth {
        OAuth::new(self.config(grant, state)).unwrap()
    }

    pub(crate) fn config(&self, grant: Grant, state: Arc<dyn StateStore>) -> OAuthConfig {
        let transport = Arc::new(self.server.transport());
        let store = self.store(state);
        let client = format!("client-secret-{}", self.server.books().seed);
        OAuthConfig::new(
            "crm",
            spec(),
            Org::Production,
            grant,
            "client",
            transport,
            store,
        )
        .with_client_secret(Secret::new(client))
    }

    /// Lets a person consent, up to the callback.
    pub(crate) fn consent(&self, oauth: &OAuth) -> Callback {
        let redirect = "https://host.example.com/callback".parse().unwrap();
        let begun = oauth.begin(self.context(), BeginRequest::new("session", redirect));
        self.callback(&self.run(begun).unwrap().url)
    }

    /// The callback of a person who was sent there, and consents.
    pub(crate) fn callback(&self, url: &url::Url) -> Callback {
        let query: HashMap<String, String> = url.query_pairs().into_owned().collect();
        let mut books = self.server.books();
        let code = format!("code-{}-{}-{}", books.seed, books.issued, books.codes.len());
        assert_eq!(query["code_challenge_method"], "S256");
        let challenge = query["code_challenge"].clone();
        books.codes.insert(code.clone(), challenge);
        let query = format!("code={code}&state={}", query["state"]);
        Callback::from_query("session", &query).unwrap()
    }

    /// A connection that a person has authorized.
    pub(crate) fn authorized(&self) -> OAuth {
        let oauth = self.oauth(Grant::AuthorizationCode);
        let callback = self.consent(&oauth);
        self.run(oauth.complete(self.context(), callback)).unwrap();
        oauth
    }

    pub(crate) fn later(&self, seconds: i64) {
        self.clock.advance(chrono::TimeDelta::seconds(seconds));
    }
}

pub(crate) fn spec() -> OAuthSpec {
    let domain = |text: &str| Domain::parse(text).unwrap();
    let hosts = OrgHosts::new(domain("login.example.com"))
        .with_sandbox(domain("test.example.com"))
        .with_custom(CustomDomains::Under(vec![domain("my.example.com")]))
        .with_api(vec![domain("api.example.com")]);
    let paths = EndpointPaths::new("/token")
        .with_authorize("/authorize")
        .with_revoke("/revoke")
        .with_device("/device");
    OAuthSpec::new(hosts, EndpointsSpec::Paths(paths))
        .with_client(ClientProof::Form)
        .with_scopes(SCOPES)
        .with_base("/instance_url")
        .with_organization(OrganizationSource::Call {
            path: "/me".into(),
            organization: "/org/id".into(),
            sandbox: Some("/sandbox".into()),
        })
}

pub(crate) fn jwt() -> Grant {
    Grant::JwtBearer(JwtSpec::new(
        "client",
        "user@example.com",
        Arc::new(TestSigner),
    ))
}
