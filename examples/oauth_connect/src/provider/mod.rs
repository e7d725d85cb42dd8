//! The pretended Acme CRM: an authorization server and an API on a port of this machine, so that the example runs without an
//! account anywhere. It is strict where real ones are: a code is for one use, its verifier must fit, refresh tokens rotate.

pub(crate) mod data;
mod grants;
mod oauth;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use syncline::Result;
use syncline::spec::{
    CustomDomains, Domain, EndpointPaths, EndpointsSpec, OAuthSpec, OrgHosts, OrganizationSource,
    Origin,
};
use tokio::net::TcpListener;

use self::grants::Grants;

/// The id of our client there.
pub(crate) const CLIENT: &str = "syncline-example";
/// What is asked for.
const SCOPE: &str = "crm.read";

/// Which of the two instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Instance {
    Production,
    Sandbox,
}

/// One instance of Acme CRM. Clones are the same one.
#[derive(Clone)]
pub struct Provider(Arc<Inner>);

struct Inner {
    instance: Instance,
    origin: Origin,
    /// The one address that it sends browsers back to.
    redirect: String,
    client_secret: String,
    page_delay: Duration,
    grants: Mutex<Grants>,
}

impl Provider {
    /// An instance that listens here, once it is [served](Self::serve).
    pub(crate) fn new(
        instance: Instance,
        port: u16,
        redirect: &str,
        client_secret: &str,
        page_delay: Duration,
    ) -> Self {
        Provider(Arc::new(Inner {
            instance,
            origin: Origin::loopback(port),
            redirect: redirect.to_owned(),
            client_secret: client_secret.to_owned(),
            page_delay,
            grants: Mutex::default(),
        }))
    }

    /// Answers until the task is dropped.
    pub(crate) async fn serve(self, listener: TcpListener) -> std::io::Result<()> {
        let routes = Router::new()
            .route("/style.css", get(crate::pages::style))
            .route("/favicon.ico", get(StatusCode::NO_CONTENT))
            .route("/oauth/authorize", get(oauth::ask).post(oauth::answer))
            .route("/oauth/token", post(oauth::token))
            .route("/oauth/revoke", post(oauth::revoke))
            .route("/api/me", get(me))
            .route("/api/objects", get(objects))
            .route("/api/objects/{name}", get(records));
        axum::serve(listener, routes.with_state(self)).await
    }

    /// Has every access token end now, as if its time were over.
    pub fn end_access_tokens(&self) {
        self.grants().end_access_tokens();
    }

    /// Takes every grant back, as an administrator may do on the pages of the system.
    pub fn take_grants_back(&self) {
        *self.grants() = Grants::default();
    }

    /// How often a token was refreshed.
    pub fn refreshes(&self) -> u64 {
        self.grants().refreshes()
    }

    /// How many grants there are.
    pub fn granted(&self) -> usize {
        self.grants().len()
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.0.origin
    }

    fn title(&self) -> &'static str {
        match self.0.instance {
            Instance::Production => "Acme CRM",
            Instance::Sandbox => "Acme CRM (sandbox)",
        }
    }

    fn grants(&self) -> MutexGuard<'_, Grants> {
        self.0.grants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the request shows an access token that is good.
    fn lets_in(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(header::AUTHORIZATION);
        let token = shown.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        token.is_some_and(|token| self.grants().lets_in(token))
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Provider").field(&self.0.instance).finish()
    }
}

/// How Acme CRM speaks OAuth, as its connector declares it.
pub(crate) fn oauth_of(production: &Provider, sandbox: &Provider) -> Result<OAuthSpec> {
    let hosts = OrgHosts::new(production.origin().clone())
        .with_sandbox(sandbox.origin().clone())
        .with_custom(CustomDomains::Under(vec![Domain::parse(
            "my.acme-crm.example",
        )?]));
    let paths = EndpointPaths::new("/oauth/token")
        .with_authorize("/oauth/authorize")
        .with_revoke("/oauth/revoke")
        .with_issuer("");
    let me = OrganizationSource::Call {
        path: "/api/me".into(),
        organization: "/organization".into(),
        sandbox: Some("/sandbox".into()),
    };
    Ok(OAuthSpec::new(hosts, EndpointsSpec::Paths(paths))
        .with_scopes([SCOPE])
        .with_organization(me))
}

/// Which organisation the token is of.
async fn me(State(provider): State<Provider>, headers: HeaderMap) -> Response {
    if !provider.lets_in(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let (organization, sandbox) = match provider.0.instance {
        Instance::Production => ("Blue Heron Ltd", false),
        Instance::Sandbox => ("Blue Heron Ltd, sandbox", true),
    };
    json(&json!({"organization": organization, "sandbox": sandbox}))
}

/// What objects there are.
async fn objects(State(provider): State<Provider>, headers: HeaderMap) -> Response {
    if !provider.lets_in(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    json(&data::described())
}

/// A page of an object's records.
async fn records(
    State(provider): State<Provider>,
    Path(name): Path<String>,
    Query(query): Query<std::collections::HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    if !provider.lets_in(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let number = |name: &str, default: usize| {
        let given = query.get(name);
        given.map_or(Some(default), |text| text.parse().ok())
    };
    let (Some(after), Some(limit)) = (number("after", 0), number("limit", 25)) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    tokio::time::sleep(provider.0.page_delay).await;
    match data::page(provider.0.instance, &name, after, limit.clamp(1, 200)) {
        Some(page) => json(&page),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn json(value: &serde_json::Value) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (kind, value.to_string()).into_response()
}
