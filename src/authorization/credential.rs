//! What a request shows to an outside system.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use http::{HeaderName, HeaderValue};
use url::Url;

use crate::host::{AddressPolicy, HttpRequest, secret_header};
use crate::spec::AllowedHosts;
use crate::{Error, ErrorKind, Result, Secret};

/// What a request shows to be let in, and the hosts that it may be shown to. Cheap to clone; `Debug` shows no secret.
#[derive(Clone)]
pub struct Credential(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    hosts: AllowedHosts,
    base: Option<Url>,
    generation: u64,
    expires_at: Option<DateTime<Utc>>,
    proof: Proof,
}

#[derive(Clone)]
enum Proof {
    Nothing,
    Headers(Vec<(HeaderName, HeaderValue)>),
    Query(String, Secret),
    AccessKey(String, Secret),
}

impl Credential {
    fn new(hosts: AllowedHosts, proof: Proof) -> Self {
        Credential(Arc::new(Inner {
            hosts,
            base: None,
            generation: 0,
            expires_at: None,
            proof,
        }))
    }

    /// For a system that lets everyone in.
    pub fn nothing(hosts: AllowedHosts) -> Self {
        Self::new(hosts, Proof::Nothing)
    }

    /// Shown in these headers.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) if this is no name of a header, or a secret has characters that none can have.
    pub fn headers<'a>(
        hosts: AllowedHosts,
        headers: impl IntoIterator<Item = (&'a str, &'a Secret)>,
    ) -> Result<Self> {
        let headers = headers
            .into_iter()
            .map(|(name, value)| secret_header(name, value.expose()));
        Ok(Self::new(
            hosts,
            Proof::Headers(headers.collect::<Result<_>>()?),
        ))
    }

    /// A bearer token, in the header `authorization`.
    ///
    /// # Errors
    /// As [`headers`](Credential::headers).
    pub fn bearer(hosts: AllowedHosts, token: &Secret) -> Result<Self> {
        let value = Secret::new(format!("Bearer {}", token.expose()));
        Self::headers(hosts, [("authorization", &value)])
    }

    /// Shown in the query, under this name.
    pub fn query(hosts: AllowedHosts, name: impl Into<String>, key: Secret) -> Self {
        Self::new(hosts, Proof::Query(name.into(), key))
    }

    /// An access key with its secret, with which whoever sends the request signs it.
    pub fn access_key(hosts: AllowedHosts, id: impl Into<String>, secret: Secret) -> Self {
        Self::new(hosts, Proof::AccessKey(id.into(), secret))
    }

    /// Of this generation: each new one counts one more.
    #[must_use]
    pub fn with_generation(self, generation: u64) -> Self {
        self.map(|inner| inner.generation = generation)
    }

    /// Which ends then.
    #[must_use]
    pub fn with_expiry(self, at: Option<DateTime<Utc>>) -> Self {
        self.map(|inner| inner.expires_at = at)
    }

    /// Where the API of the organisation is, if that is not its home.
    ///
    /// # Errors
    /// [`HostNotAllowed`](ErrorKind::HostNotAllowed) if the credential may not go there.
    pub fn with_base(self, base: Url) -> Result<Self> {
        self.0.hosts.check_url(&base)?;
        Ok(self.map(|inner| inner.base = Some(base)))
    }

    fn map(self, change: impl FnOnce(&mut Inner)) -> Self {
        let mut inner = Arc::unwrap_or_clone(self.0);
        change(&mut inner);
        Credential(Arc::new(inner))
    }

    /// Shows it in a request, which then follows no redirect.
    ///
    /// # Errors
    /// [`HostNotAllowed`](ErrorKind::HostNotAllowed) if the request would go to a host that is not the connection's: the request is lost
    /// and nothing of the credential was in it. [`Unsupported`](ErrorKind::Unsupported) for an access key, which only
    /// [signs](Credential::signing_key).
    pub fn attach(&self, mut request: HttpRequest) -> Result<HttpRequest> {
        let inner = &*self.0;
        inner.hosts.check_url(&request.url)?;
        // Of the hosts that are allowed only a server on this machine has no TLS.
        if request.url.scheme() == "http" {
            request.addresses = AddressPolicy::Loopback;
        }
        match &inner.proof {
            Proof::Nothing => Ok(request),
            Proof::Headers(headers) => {
                Ok(headers.iter().fold(request, |request, (name, value)| {
                    request.with_header(name.clone(), value.clone())
                }))
            }
            Proof::Query(name, key) => Ok(request.with_secret_query(name, key)),
            Proof::AccessKey(..) => {
                let message = "an access key is in no request; sign the request with it";
                Err(Error::new(ErrorKind::Unsupported, message).during("attach credential"))
            }
        }
    }

    /// The address of a path of the API, or a URL that an answer named, checked.
    ///
    /// # Errors
    /// [`HostNotAllowed`](ErrorKind::HostNotAllowed) if it leads to a host that is not the connection's;
    /// [`Invalid`](ErrorKind::Invalid) if it is neither a path nor a URL.
    pub fn url(&self, path_or_url: &str) -> Result<Url> {
        if !path_or_url.starts_with('/') {
            return self.0.hosts.check(path_or_url);
        }
        match &self.0.base {
            None => self.0.hosts.home().url(path_or_url),
            Some(base) => {
                let origin = base.origin().ascii_serialization();
                self.0.hosts.check(&format!("{origin}{path_or_url}"))
            }
        }
    }

    /// The access key and its secret, if it is one.
    pub fn signing_key(&self) -> Option<(&str, &Secret)> {
        match &self.0.proof {
            Proof::AccessKey(id, secret) => Some((id, secret)),
            _ => None,
        }
    }

    /// The hosts that it may go to.
    pub fn hosts(&self) -> &AllowedHosts {
        &self.0.hosts
    }

    /// Where the API is, if that is not the home of the hosts.
    pub fn base(&self) -> Option<&Url> {
        self.0.base.as_ref()
    }

    /// Which one it is.
    pub fn generation(&self) -> u64 {
        self.0.generation
    }

    /// When it ends, if that is known.
    pub fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.0.expires_at
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.0.proof {
            Proof::Nothing => "nothing",
            Proof::Headers(_) => "headers",
            Proof::Query(..) => "query",
            Proof::AccessKey(..) => "access key",
        };
        f.debug_struct("Credential")
            .field("kind", &kind)
            .field("generation", &self.0.generation)
            .field("expires_at", &self.0.expires_at)
            .finish_non_exhaustive()
    }
}
