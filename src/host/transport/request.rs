//! What is sent.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use url::Url;

use super::AddressPolicy;
use crate::{Error, ErrorKind, Result, Secret};

/// What a transport does about an answer that leads elsewhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Redirects {
    /// The answer is the answer.
    #[default]
    Never,
    /// At most so many are followed, `https` only, under the same [`AddressPolicy`].
    Follow(u8),
}

/// A request, with all that a transport must keep to.
///
/// `Debug` shows neither the query nor the values of headers nor the body.
///
/// ```
/// use syncline::host::{HttpRequest, Redirects};
/// use syncline::Secret;
///
/// let request = HttpRequest::get("https://api.example.com/users?key=hunter2".parse().unwrap())
///     .with_redirects(Redirects::Follow(3));
/// assert_eq!(request.redirects(), Redirects::Follow(3));
/// // Once it carries a secret, it goes where it was sent and nowhere else.
/// let request = request.with_secret_header("accesskey", &Secret::new("hunter2"))?;
/// assert_eq!(request.redirects(), Redirects::Never);
/// assert!(!format!("{request:?}").contains("hunter2"));
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// The headers. Those that hold a secret are marked as sensitive.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Which addresses it may go to. Public ones only.
    pub addresses: AddressPolicy,
    /// The most bytes that the body of the answer may have. 64 MiB.
    pub max_body: u64,
    /// How long to wait for the head of the answer, and each time for more of its body. 30 seconds.
    pub timeout: Duration,
    redirects: Redirects,
    secret: bool,
}

impl HttpRequest {
    /// A request without a body.
    pub fn new(method: Method, url: Url) -> Self {
        HttpRequest {
            method,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            addresses: AddressPolicy::default(),
            max_body: 64 << 20,
            timeout: Duration::from_secs(30),
            redirects: Redirects::Never,
            secret: false,
        }
    }

    /// A `GET`.
    pub fn get(url: Url) -> Self {
        Self::new(Method::GET, url)
    }

    /// A `POST` of these bytes.
    pub fn post(url: Url, body: impl Into<Bytes>) -> Self {
        let mut request = Self::new(Method::POST, url);
        request.body = body.into();
        request
    }

    /// A `POST` of a form that holds secrets.
    pub fn post_secret_form<'a>(
        url: Url,
        fields: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        let mut request = Self::post(url, body).with_header(http::header::CONTENT_TYPE, form);
        request.secret = true;
        request
    }

    /// With this header, in place of an older one of its name.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.secret |= value.is_sensitive();
        self.headers.insert(name, value);
        self
    }

    /// With a header that holds a secret.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) if this is no name of a header, or the secret has characters that none can have.
    pub fn with_secret_header(self, name: &str, value: &Secret) -> Result<Self> {
        let (name, value) = secret_header(name, value.expose())?;
        Ok(self.with_header(name, value))
    }

    /// With a secret in its query. Use a header where the other side takes one: queries are written to logs.
    #[must_use]
    pub fn with_secret_query(mut self, name: &str, value: &Secret) -> Self {
        self.url.query_pairs_mut().append_pair(name, value.expose());
        self.secret = true;
        self
    }

    /// Follows redirects, as long as the request carries no secret.
    #[must_use]
    pub fn with_redirects(mut self, redirects: Redirects) -> Self {
        self.redirects = redirects;
        self
    }

    /// May go to these addresses.
    #[must_use]
    pub fn with_addresses(mut self, addresses: AddressPolicy) -> Self {
        self.addresses = addresses;
        self
    }

    /// Takes an answer of at most so many bytes.
    #[must_use]
    pub fn with_max_body(mut self, bytes: u64) -> Self {
        self.max_body = bytes;
        self
    }

    /// Waits no longer than this.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// What to do about redirects: never follow one if the request carries a secret.
    pub fn redirects(&self) -> Redirects {
        match self.secret {
            true => Redirects::Never,
            false => self.redirects,
        }
    }

    /// Whether it carries a secret, in its query, a header or its body.
    pub fn carries_secret(&self) -> bool {
        self.secret
    }
}

/// A header that no `Debug` shows.
pub(crate) fn secret_header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue)> {
    let invalid = |what: &'static str| {
        let message = "this can be no header; look at how the key was copied";
        Error::new(ErrorKind::Invalid, message).with("because", what)
    };
    let name = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| invalid("its name has characters that no name has"))?;
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| invalid("its value has line breaks, or characters beyond ASCII"))?;
    value.set_sensitive(true);
    Ok((name, value))
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("host", &self.url.host_str())
            .field("path", &self.url.path())
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("addresses", &self.addresses)
            .field("redirects", &self.redirects())
            .finish_non_exhaustive()
    }
}
