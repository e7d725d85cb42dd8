//! The requests of the protocol. Pure.

use http::{HeaderValue, header};
use oauth2::basic::BasicClient;
use oauth2::{
    AuthUrl, ClientId, CsrfToken, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope,
};
use url::Url;
use url::form_urlencoded::byte_serialize;

use super::endpoints::Endpoints;
use crate::authorization::keys::basic;
use crate::host::{AddressPolicy, HttpRequest};
use crate::spec::{ClientProof, OAuthSpec};
use crate::{Error, ErrorKind, Result, Secret};

/// The most bytes that an answer of an authorization server may have.
const MOST: u64 = 64 << 10;

/// Our client, as the authorization server knows it.
#[derive(Debug, Clone)]
pub(super) struct Client {
    pub(super) id: String,
    pub(super) secret: Option<Secret>,
    pub(super) proof: ClientProof,
}

/// One of the fields of a form.
type Field<'a> = (&'a str, &'a str);

impl Client {
    /// Posts a form as this client.
    pub(super) fn post(&self, url: &Url, fields: &[Field<'_>]) -> Result<HttpRequest> {
        let mut fields = fields.to_vec();
        let mut proof = None;
        match (self.proof, &self.secret) {
            (ClientProof::Public, _) | (_, None) => fields.push(("client_id", &self.id)),
            (ClientProof::Form, Some(secret)) => {
                fields.push(("client_id", &self.id));
                fields.push(("client_secret", secret.expose()));
            }
            (ClientProof::Basic, Some(secret)) => {
                // As RFC 6749 says in 2.3.1: both are encoded as in a form first.
                let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
                proof = Some(basic(&encode(&self.id), &encode(secret.expose())));
            }
        }
        let mut request = HttpRequest::post_secret_form(url.clone(), fields)
            .with_header(header::ACCEPT, HeaderValue::from_static("application/json"))
            .with_max_body(MOST)
            .with_addresses(addresses(url));
        if let Some(proof) = proof {
            request = request.with_secret_header("authorization", &proof)?;
        }
        Ok(request)
    }
}

/// Reads what an authorization server says to everyone.
pub(super) fn get(url: Url) -> HttpRequest {
    let addresses = addresses(&url);
    HttpRequest::get(url)
        .with_max_body(MOST)
        .with_addresses(addresses)
}

/// Of the URLs that are allowed only those of this machine have no TLS.
fn addresses(url: &Url) -> AddressPolicy {
    match url.scheme() {
        "http" => AddressPolicy::Loopback,
        _ => AddressPolicy::Public,
    }
}

/// What is asked for, in the protocol's form.
pub(super) fn scope(spec: &OAuthSpec) -> String {
    let scopes: Vec<&str> = spec
        .scopes
        .iter()
        .chain(&spec.unlisted_scopes)
        .map(String::as_str)
        .collect();
    scopes.join(" ")
}

/// Parameters that nobody else may set.
const OWN: [&str; 8] = [
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
    "nonce",
];

/// Where a person consents. The verifier's challenge is S256.
pub(super) fn consent_url(
    endpoints: &Endpoints,
    spec: &OAuthSpec,
    client: &Client,
    redirect: &Url,
    state: &Secret,
    verifier: &PkceCodeVerifier,
) -> Result<Url> {
    let Some(url) = endpoints.authorize.clone() else {
        let message = "the connector has no endpoint where people consent; use another grant";
        return Err(Error::new(ErrorKind::Unsupported, message));
    };
    if let Some(name) = spec
        .authorize_with
        .keys()
        .find(|name| OWN.contains(&name.as_str()))
    {
        let message = "the connector may not set this parameter; take it out of `authorize_with`";
        return Err(Error::new(ErrorKind::Invalid, message).with("parameter", name));
    }
    let oauth = BasicClient::new(ClientId::new(client.id.clone()))
        .set_auth_uri(AuthUrl::from_url(url))
        .set_redirect_uri(RedirectUrl::from_url(redirect.clone()));
    let scopes = spec.scopes.iter().chain(&spec.unlisted_scopes);
    let mut consent = oauth
        .authorize_url(|| CsrfToken::new(state.expose().to_owned()))
        .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(verifier))
        .add_scopes(scopes.map(|scope| Scope::new(scope.clone())));
    for (name, value) in &spec.authorize_with {
        consent = consent.add_extra_param(name, value);
    }
    Ok(consent.url().0)
}
