//! Keys that last until somebody changes them.

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{AfterReject, Authorization, AuthorizationInfo, Credential, CredentialRequest};
use crate::host::Context;
use crate::spec::AllowedHosts;
use crate::{Error, ErrorKind, Result, Secret};

/// How a key is shown.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum KeyMethod {
    /// An API key in a header of this name.
    Header(String, Secret),
    /// An API key in the query, under this name.
    Query(String, Secret),
    /// A bearer token in the header `authorization`.
    Bearer(Secret),
    /// A user name and a password.
    Basic(String, Secret),
    /// An access key and its secret, which signs requests.
    AccessKey(String, Secret),
    /// Headers of these names.
    Headers(Vec<(String, Secret)>),
}

impl KeyMethod {
    /// An API key in a header.
    pub fn header(name: impl Into<String>, key: Secret) -> Self {
        KeyMethod::Header(name.into(), key)
    }

    /// An API key in the query.
    pub fn query(name: impl Into<String>, key: Secret) -> Self {
        KeyMethod::Query(name.into(), key)
    }

    /// A user name and a password.
    pub fn basic(user: impl Into<String>, password: Secret) -> Self {
        KeyMethod::Basic(user.into(), password)
    }

    /// An access key and its secret.
    pub fn access_key(id: impl Into<String>, secret: Secret) -> Self {
        KeyMethod::AccessKey(id.into(), secret)
    }

    fn name(&self) -> &'static str {
        match self {
            KeyMethod::Header(..) | KeyMethod::Query(..) => "api key",
            KeyMethod::Bearer(_) => "bearer token",
            KeyMethod::Basic(..) => "user and password",
            KeyMethod::AccessKey(..) => "access key",
            KeyMethod::Headers(_) => "headers",
        }
    }
}

/// An [`Authorization`] by a key that the host has: nothing is called, nothing expires. When the key was changed, the host makes a new one.
///
/// ```
/// use syncline::Secret;
/// use syncline::authorization::{Authorization, KeyAuthorization, KeyMethod};
/// use syncline::spec::{Domain, Org, OrgHosts};
///
/// let hosts = OrgHosts::new(Domain::parse("api.example.com")?).allow(&Org::Production)?;
/// let method = KeyMethod::basic("ada", Secret::new("hunter2"));
/// let authorization = KeyAuthorization::new(method, hosts)?;
/// assert_eq!(authorization.info().method, "user and password");
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct KeyAuthorization {
    info: AuthorizationInfo,
    credential: Credential,
}

impl KeyAuthorization {
    /// Shows a key to these hosts.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) if the key is empty, or cannot be shown in this way.
    pub fn new(method: KeyMethod, hosts: AllowedHosts) -> Result<Self> {
        let info = AuthorizationInfo::new(method.name());
        let credential = show(method, hosts).map_err(|error| error.during("authorize"))?;
        Ok(KeyAuthorization { info, credential })
    }
}

fn show(method: KeyMethod, hosts: AllowedHosts) -> Result<Credential> {
    let invalid = |message: &'static str| Err(Error::new(ErrorKind::Invalid, message));
    let empty = match &method {
        KeyMethod::Headers(headers) => {
            headers.is_empty() || headers.iter().any(|(_, value)| value.is_empty())
        }
        KeyMethod::Header(_, key)
        | KeyMethod::Query(_, key)
        | KeyMethod::Bearer(key)
        | KeyMethod::Basic(_, key)
        | KeyMethod::AccessKey(_, key) => key.is_empty(),
    };
    if empty {
        return invalid("the key is empty; give the one that the outside system shows");
    }
    match method {
        KeyMethod::Header(name, key) => Credential::headers(hosts, [(name.as_str(), &key)]),
        KeyMethod::Query(name, key) => Ok(Credential::query(hosts, name, key)),
        KeyMethod::Bearer(key) => Credential::bearer(hosts, &key),
        KeyMethod::Basic(user, _) if user.contains(':') => {
            invalid("a user name has no `:`; split it from the password")
        }
        KeyMethod::Basic(user, password) => {
            Credential::headers(hosts, [("authorization", &basic(&user, password.expose()))])
        }
        KeyMethod::AccessKey(id, secret) => Ok(Credential::access_key(hosts, id, secret)),
        KeyMethod::Headers(headers) => {
            let headers = headers.iter().map(|(name, value)| (name.as_str(), value));
            Credential::headers(hosts, headers)
        }
    }
}

/// The value of the header `authorization` for a user name and a password.
pub(super) fn basic(user: &str, password: &str) -> Secret {
    let both = Secret::new(format!("{user}:{password}"));
    Secret::new(format!("Basic {}", STANDARD.encode(both.expose())))
}

#[async_trait]
impl Authorization for KeyAuthorization {
    fn info(&self) -> &AuthorizationInfo {
        &self.info
    }

    async fn credential(&self, _: &Context, _: CredentialRequest) -> Result<Credential> {
        Ok(self.credential.clone())
    }

    async fn rejected(&self, _: &Context, _: &Credential) -> Result<AfterReject> {
        Ok(AfterReject::GiveUp)
    }
}
