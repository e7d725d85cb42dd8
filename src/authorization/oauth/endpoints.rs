//! Where to ask: declared, or told by the server itself (RFC 8414).

use serde::Deserialize;
use url::Url;

use crate::spec::{AllowedHosts, EndpointPaths};
use crate::{Error, ErrorKind, Result};

/// The endpoints of an authorization server, all on hosts that are allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoints {
    pub(super) authorize: Option<Url>,
    pub(super) token: Url,
    pub(super) revoke: Option<Url>,
    pub(super) device: Option<Url>,
    /// What the server calls itself.
    pub(super) issuer: String,
    /// Whether it does so in each callback.
    pub(super) sends_issuer: bool,
}

/// What a server says of itself.
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: Option<String>,
    token_endpoint: String,
    revocation_endpoint: Option<String>,
    device_authorization_endpoint: Option<String>,
    #[serde(default)]
    code_challenge_methods_supported: Vec<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl Endpoints {
    /// Those that a connector declares.
    pub(super) fn declared(paths: &EndpointPaths, hosts: &AllowedHosts) -> Result<Self> {
        let home = hosts.home();
        let url = |path: &Option<String>| path.as_deref().map(|path| home.url(path)).transpose();
        let issuer = paths.issuer.as_deref();
        Ok(Endpoints {
            authorize: url(&paths.authorize)?,
            token: home.url(&paths.token)?,
            revoke: url(&paths.revoke)?,
            device: url(&paths.device)?,
            issuer: format!("{home}{}", issuer.unwrap_or_default()),
            sends_issuer: issuer.is_some(),
        })
    }

    /// Those that the document at `url` names. It must be the document of who it says it is, and name only allowed hosts.
    pub(super) fn discovered(bytes: &[u8], url: &Url, hosts: &AllowedHosts) -> Result<Self> {
        let refused = |because: &'static str| {
            let message = "what the authorization server says of itself cannot be right; ask whoever runs it, or declare its endpoints";
            Error::new(ErrorKind::BadTokenAnswer, message)
                .during("discover endpoints")
                .with("because", because)
        };
        let metadata: Metadata = serde_json::from_slice(bytes)
            .map_err(|_| refused("it is no JSON, or has no issuer and token endpoint"))?;
        let issuer = hosts.check(&metadata.issuer)?;
        // The document stands at a place that follows from its issuer, so nobody can speak for somebody else.
        let path = issuer.path().trim_end_matches('/');
        let places = [
            format!("/.well-known/oauth-authorization-server{path}"),
            format!("{path}/.well-known/openid-configuration"),
        ];
        let same_origin = issuer.origin() == url.origin();
        if !same_origin || !places.iter().any(|place| place == url.path()) {
            return Err(refused("it is of another issuer"));
        }
        let url = |endpoint: &Option<String>| {
            let checked = endpoint.as_deref().map(|endpoint| hosts.check(endpoint));
            checked
                .transpose()
                .map_err(|error| error.during("discover endpoints"))
        };
        let authorize = url(&metadata.authorization_endpoint)?;
        let methods = &metadata.code_challenge_methods_supported;
        if authorize.is_some() && !methods.iter().any(|method| method == "S256") {
            return Err(refused("it does not offer PKCE with S256"));
        }
        Ok(Endpoints {
            authorize,
            token: hosts.check(&metadata.token_endpoint)?,
            revoke: url(&metadata.revocation_endpoint)?,
            device: url(&metadata.device_authorization_endpoint)?,
            issuer: metadata.issuer,
            sends_issuer: metadata.authorization_response_iss_parameter_supported,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::spec::{Domain, Org, OrgHosts};

    fn hosts() -> AllowedHosts {
        let domain = |text| Domain::parse(text).unwrap();
        let hosts =
            OrgHosts::new(domain("login.example.com")).with_api(vec![domain("api.example.com")]);
        hosts.allow(&Org::Production).unwrap()
    }

    fn discovered(change: impl Fn(&mut serde_json::Value)) -> Result<Endpoints> {
        let mut document = json!({
            "issuer": "https://login.example.com/eu",
            "authorization_endpoint": "https://login.example.com/eu/authorize",
            "token_endpoint": "https://eu.api.example.com/token",
            "revocation_endpoint": "https://login.example.com/eu/revoke",
            "code_challenge_methods_supported": ["plain", "S256"],
            "authorization_response_iss_parameter_supported": true,
            "scopes_supported": ["a"],
        });
        change(&mut document);
        let url = "https://login.example.com/.well-known/oauth-authorization-server/eu";
        Endpoints::discovered(
            document.to_string().as_bytes(),
            &url.parse().unwrap(),
            &hosts(),
        )
    }

    #[test]
    fn a_server_may_describe_itself_and_nobody_else() {
        let endpoints = discovered(|_| {}).unwrap();
        assert_eq!(endpoints.token.as_str(), "https://eu.api.example.com/token");
        assert!(endpoints.sends_issuer);
        let cases: [(&str, serde_json::Value, ErrorKind); 9] = [
            (
                "issuer",
                json!("https://login.example.com"),
                ErrorKind::BadTokenAnswer,
            ),
            (
                "issuer",
                json!("https://evil.example/eu"),
                ErrorKind::HostNotAllowed,
            ),
            ("issuer", json!(3), ErrorKind::BadTokenAnswer),
            (
                "token_endpoint",
                json!("https://evil.example/token"),
                ErrorKind::HostNotAllowed,
            ),
            (
                "token_endpoint",
                json!("http://login.example.com/token"),
                ErrorKind::HostNotAllowed,
            ),
            ("token_endpoint", json!("/token"), ErrorKind::HostNotAllowed),
            (
                "revocation_endpoint",
                json!("https://169.254.169.254/"),
                ErrorKind::HostNotAllowed,
            ),
            (
                "code_challenge_methods_supported",
                json!(["plain"]),
                ErrorKind::BadTokenAnswer,
            ),
            (
                "code_challenge_methods_supported",
                json!([]),
                ErrorKind::BadTokenAnswer,
            ),
        ];
        for (name, value, kind) in cases {
            let error = discovered(|document| document[name] = value.clone()).unwrap_err();
            assert_eq!(error.kind(), kind, "{name}: {value}: {error}");
        }
    }
}
