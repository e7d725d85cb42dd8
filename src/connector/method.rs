//! How customers authorize.

use std::collections::BTreeMap;

use super::ConfigField;
use crate::authorization::KeyMethod;
use crate::error::Problem;
use crate::spec::{OAuthSpec, Org, OrgHosts};
use crate::{Error, Result, Secret};

/// One way to authorize.
///
/// ```
/// use syncline::connector::{AuthMethod, KeyForm};
/// use syncline::spec::{Domain, OrgHosts};
///
/// let hosts = OrgHosts::new(Domain::parse("api.example.com")?);
/// let key = AuthMethod::key("access_key", "Access key", KeyForm::Header("accesskey".into()), hosts);
/// assert_eq!(key.secrets(), ["key"]);
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AuthMethod {
    /// Its name in a spec.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// What is done.
    pub way: AuthWay,
}

/// What is done to authorize.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum AuthWay {
    /// Nothing.
    Open,
    /// The customer has a key.
    Key {
        /// How it is shown.
        form: KeyForm,
        /// Where it may go.
        hosts: OrgHosts,
    },
    /// OAuth 2.0.
    OAuth {
        /// How the system speaks it.
        spec: Box<OAuthSpec>,
        /// How tokens are had.
        grant: OAuthGrant,
        /// Whose client it is.
        client: ClientSource,
    },
}

/// How a key is shown. What customers give for it has the names in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyForm {
    /// In a header of this name (`key`).
    Header(String),
    /// In the query under this name (`key`).
    Query(String),
    /// As a bearer token (`token`).
    Bearer,
    /// As user name and password (`user`, `password`).
    Basic,
    /// By signing requests (`id`, `secret`).
    AccessKey,
    /// In headers, each given under its own name.
    Headers(Vec<String>),
}

impl KeyForm {
    /// The names of what customers give.
    pub fn secrets(&self) -> Vec<&str> {
        match self {
            KeyForm::Header(_) | KeyForm::Query(_) => vec!["key"],
            KeyForm::Bearer => vec!["token"],
            KeyForm::Basic => vec!["user", "password"],
            KeyForm::AccessKey => vec!["id", "secret"],
            KeyForm::Headers(names) => names.iter().map(String::as_str).collect(),
        }
    }

    /// The key, from what a customer gave.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) with the names of what is missing.
    pub fn with(&self, secrets: &BTreeMap<String, Secret>) -> Result<KeyMethod> {
        let names = self.secrets();
        let missing = names.iter().filter(|name| !secrets.contains_key(**name));
        let missing: Vec<Problem> = missing
            .map(|name| Problem::new(*name, "this is needed; give it"))
            .collect();
        if !missing.is_empty() {
            return Err(Error::invalid("the key is not whole", missing));
        }
        let given = |at: usize| {
            let secret = names.get(at).and_then(|name| secrets.get(*name));
            secret.cloned().unwrap_or_else(|| Secret::new(""))
        };
        Ok(match self {
            KeyForm::Header(name) => KeyMethod::header(name, given(0)),
            KeyForm::Query(name) => KeyMethod::query(name, given(0)),
            KeyForm::Bearer => KeyMethod::Bearer(given(0)),
            KeyForm::Basic => KeyMethod::basic(given(0).expose(), given(1)),
            KeyForm::AccessKey => KeyMethod::access_key(given(0).expose(), given(1)),
            KeyForm::Headers(names) => {
                let headers = names.iter().enumerate();
                KeyMethod::Headers(
                    headers
                        .map(|(at, name)| (name.clone(), given(at)))
                        .collect(),
                )
            }
        })
    }
}

/// How tokens are had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OAuthGrant {
    /// A person consents in a browser.
    AuthorizationCode,
    /// A person consents on another device.
    DeviceCode,
    /// The client is let in by itself.
    ClientCredentials,
    /// The host's client signs for a user; the host [registers](super::OAuthClient::with_jwt) with what.
    JwtBearer,
}

impl OAuthGrant {
    /// Whether a person consents.
    pub fn asks_a_person(self) -> bool {
        matches!(self, OAuthGrant::AuthorizationCode | OAuthGrant::DeviceCode)
    }
}

/// Whose client authorizes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientSource {
    /// The host's own, which it [registers](super::Registry::with_client).
    #[default]
    Host,
    /// One that each customer makes at the outside system.
    Customer {
        /// The config field of its id.
        id: String,
        /// The config field of its secret; none for a public client.
        secret: Option<String>,
    },
}

impl ClientSource {
    pub(super) fn problems(&self, config: &[ConfigField], path: &str) -> Vec<Problem> {
        let ClientSource::Customer { id, secret } = self else {
            return Vec::new();
        };
        let field = |name: &String| config.iter().find(|field| field.name == *name);
        let mut problems = Vec::new();
        if !field(id).is_some_and(|field| !field.is_secret() && field.required) {
            let message = "name a required config field that is no secret";
            problems.push(Problem::new(format!("{path}.id"), message));
        }
        let wrong = |name: &String| !field(name).is_some_and(ConfigField::is_secret);
        if secret.as_ref().is_some_and(wrong) {
            let message = "name a config field that is a secret";
            problems.push(Problem::new(format!("{path}.secret"), message));
        }
        problems
    }
}

impl AuthMethod {
    /// Nothing is asked.
    pub fn open() -> Self {
        AuthMethod {
            name: "open".into(),
            title: "No authorization".into(),
            way: AuthWay::Open,
        }
    }

    /// By a key that goes to these hosts.
    pub fn key(
        name: impl Into<String>,
        title: impl Into<String>,
        form: KeyForm,
        hosts: OrgHosts,
    ) -> Self {
        AuthMethod {
            name: name.into(),
            title: title.into(),
            way: AuthWay::Key { form, hosts },
        }
    }

    /// By OAuth, with the host's own client.
    pub fn oauth(
        name: impl Into<String>,
        title: impl Into<String>,
        spec: OAuthSpec,
        grant: OAuthGrant,
    ) -> Self {
        AuthMethod {
            name: name.into(),
            title: title.into(),
            way: AuthWay::OAuth {
                spec: Box::new(spec),
                grant,
                client: ClientSource::Host,
            },
        }
    }

    /// The same, if it is OAuth with a client of this source.
    #[must_use]
    pub fn with_client(mut self, source: ClientSource) -> Self {
        if let AuthWay::OAuth { client, .. } = &mut self.way {
            *client = source;
        }
        self
    }

    /// The names of the secrets that customers give for it.
    pub fn secrets(&self) -> Vec<&str> {
        match &self.way {
            AuthWay::Key { form, .. } => form.secrets(),
            AuthWay::Open | AuthWay::OAuth { .. } => Vec::new(),
        }
    }

    /// Whether an organisation of this kind can be authorized so.
    pub(super) fn problems(&self, org: &Org) -> Vec<Problem> {
        let hosts = match &self.way {
            AuthWay::Open if *org == Org::Production => return Vec::new(),
            // It has no hosts that could be told apart.
            AuthWay::Open => {
                let message = "the connector has no organisations of this kind";
                return vec![Problem::new("org", message)];
            }
            AuthWay::Key { hosts, .. } => hosts,
            AuthWay::OAuth { spec, .. } => &spec.hosts,
        };
        let allowed = hosts.allow(org);
        allowed
            .err()
            .map(|error| Problem::new("org", error.to_string()))
            .into_iter()
            .collect()
    }
}
