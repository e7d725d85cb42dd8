//! How an outside system speaks OAuth 2.0, as its connector declares it.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::OrgHosts;

/// How our client proves itself to the authorization server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClientProof {
    /// Id and secret in the header `authorization`.
    #[default]
    Basic,
    /// Id and secret in the form.
    Form,
    /// It has no secret.
    Public,
}

/// Where the endpoints of the authorization server are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EndpointsSpec {
    /// The server describes itself (RFC 8414), at `/.well-known/oauth-authorization-server` or `/.well-known/openid-configuration`: the
    /// path of that document.
    Discovered(String),
    /// At these paths of the organisation's login host.
    Paths(EndpointPaths),
}

/// Paths of endpoints; each begins with `/`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct EndpointPaths {
    /// Where people consent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorize: Option<String>,
    /// Where tokens are given.
    pub token: String,
    /// Where they are revoked (RFC 7009).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoke: Option<String>,
    /// Where devices ask (RFC 8628).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The server names itself, as this path of its host, in each callback (RFC 9207): one that does not is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
}

impl EndpointPaths {
    /// A server that gives tokens here.
    pub fn new(token: impl Into<String>) -> Self {
        EndpointPaths {
            token: token.into(),
            ..Self::default()
        }
    }

    /// People consent here.
    #[must_use]
    pub fn with_authorize(mut self, path: impl Into<String>) -> Self {
        self.authorize = Some(path.into());
        self
    }

    /// Tokens are revoked here.
    #[must_use]
    pub fn with_revoke(mut self, path: impl Into<String>) -> Self {
        self.revoke = Some(path.into());
        self
    }

    /// Devices ask here.
    #[must_use]
    pub fn with_device(mut self, path: impl Into<String>) -> Self {
        self.device = Some(path.into());
        self
    }

    /// The server names itself in callbacks: its host with this path, which may be empty.
    #[must_use]
    pub fn with_issuer(mut self, path: impl Into<String>) -> Self {
        self.issuer = Some(path.into());
        self
    }
}

/// Where an answer says which organisation consented.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OrganizationSource {
    /// Nowhere: whoever authorizes again may be somebody else.
    #[default]
    Unknown,
    /// In the answer with the tokens, at this JSON pointer, such as `/team/id`.
    Token(String),
    /// In the answer of a path of the API, at a JSON pointer.
    Call {
        /// The path.
        path: String,
        /// The pointer to the organisation's id.
        organization: String,
        /// The pointer to a boolean that tells a sandbox from a production organisation. The wrong one is refused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sandbox: Option<String>,
    },
}

/// How an outside system speaks OAuth 2.0.
///
/// ```
/// use syncline::spec::{Domain, EndpointPaths, EndpointsSpec, OAuthSpec, OrgHosts, OrganizationSource};
///
/// let hosts = OrgHosts::new(Domain::parse("login.example.com")?);
/// let paths = EndpointPaths::new("/oauth/token").with_authorize("/oauth/authorize").with_revoke("/oauth/revoke");
/// let spec = OAuthSpec::new(hosts, EndpointsSpec::Paths(paths))
///     .with_scopes(["contacts.read", "offline_access"])
///     .with_organization(OrganizationSource::Token("/org_id".into()));
/// let text = serde_json::to_string(&spec).unwrap();
/// assert_eq!(serde_json::from_str::<OAuthSpec>(&text).unwrap(), spec);
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct OAuthSpec {
    /// The system's hosts.
    pub hosts: OrgHosts,
    /// Where its endpoints are.
    pub endpoints: EndpointsSpec,
    /// How our client proves itself.
    #[serde(default)]
    pub client: ClientProof,
    /// What is asked for. A server that grants less of it is refused.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Scopes that are asked for, and that a server never lists among what it granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unlisted_scopes: Vec<String>,
    /// More to say where people are sent to consent, such as `access_type=offline`. The names of the protocol's own parameters are refused.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub authorize_with: IndexMap<String, String>,
    /// Which organisation consented.
    #[serde(default)]
    pub organization: OrganizationSource,
    /// The JSON pointer, in the answer with the tokens, to the URL of the organisation's API: `/instance_url`. It must be one of `hosts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
}

impl OAuthSpec {
    /// A system with these hosts and endpoints.
    pub fn new(hosts: OrgHosts, endpoints: EndpointsSpec) -> Self {
        OAuthSpec {
            hosts,
            endpoints,
            client: ClientProof::default(),
            scopes: Vec::new(),
            unlisted_scopes: Vec::new(),
            authorize_with: IndexMap::new(),
            organization: OrganizationSource::default(),
            base: None,
        }
    }

    /// Our client proves itself so.
    #[must_use]
    pub fn with_client(mut self, client: ClientProof) -> Self {
        self.client = client;
        self
    }

    /// Asks for these scopes.
    #[must_use]
    pub fn with_scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Asks for these scopes too, which the server never lists.
    #[must_use]
    pub fn with_unlisted_scopes<S: Into<String>>(
        mut self,
        scopes: impl IntoIterator<Item = S>,
    ) -> Self {
        self.unlisted_scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Says this too where people are sent.
    #[must_use]
    pub fn with_authorize(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.authorize_with.insert(name.into(), value.into());
        self
    }

    /// The organisation is told there.
    #[must_use]
    pub fn with_organization(mut self, source: OrganizationSource) -> Self {
        self.organization = source;
        self
    }

    /// The API is where this pointer leads.
    #[must_use]
    pub fn with_base(mut self, pointer: impl Into<String>) -> Self {
        self.base = Some(pointer.into());
        self
    }
}
