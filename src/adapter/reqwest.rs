//! Calls over HTTP by the crate `reqwest`.

use std::error::Error as StdError;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ::reqwest::dns::{Addrs, Name, Resolve, Resolving};
use ::reqwest::{Client, Response, redirect, retry};
use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use http::{Method, header};
use url::{Host, Url};

use crate::host::{AddressPolicy, HttpRequest, HttpResponse, Redirects, Transport};
use crate::{Error, ErrorKind, Result, Retry};

/// A [`Transport`] by the crate `reqwest`, with TLS by rustls and the certificates of the machine. A runtime of tokio must be there.
///
/// Names are resolved here, and addresses that the request's [policy](AddressPolicy) does not allow are taken out before a connection is
/// made: so it does not matter where the name leads a moment later. There is no proxy, which would resolve names itself. Redirects are
/// followed for `GET` and `HEAD` only, and never with a secret.
///
/// Clones share their connections.
///
/// ```no_run
/// # async fn call() -> syncline::Result<()> {
/// use syncline::adapter::ReqwestTransport;
/// use syncline::host::{HttpRequest, Transport};
///
/// let transport = ReqwestTransport::new()?;
/// let answer = transport.send(HttpRequest::get("https://api.example.com/health".parse().unwrap())).await?;
/// assert!(answer.is_success());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ReqwestTransport {
    public: Client,
    loopback: Client,
    any: Client,
}

impl ReqwestTransport {
    /// A transport without connections yet.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io) if TLS cannot be set up on this machine.
    pub fn new() -> Result<Self> {
        let client = |policy| {
            Client::builder()
                .redirect(redirect::Policy::none())
                .retry(retry::never())
                .referer(false)
                .no_proxy()
                .dns_resolver(Filtered(policy))
                .build()
                .map_err(|_| {
                    let message =
                        "the HTTP client cannot be set up; look at the machine's certificates";
                    Error::new(ErrorKind::Io, message)
                })
        };
        Ok(ReqwestTransport {
            public: client(AddressPolicy::Public)?,
            loopback: client(AddressPolicy::Loopback)?,
            any: client(AddressPolicy::Any)?,
        })
    }

    /// Sends to one place, which is checked where it needs no resolving.
    async fn send_to(&self, request: &HttpRequest, url: &Url) -> Result<Response> {
        let client = match request.addresses {
            AddressPolicy::Any => &self.any,
            AddressPolicy::Loopback => &self.loopback,
            AddressPolicy::Public => &self.public,
        };
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            _ => None,
        };
        if literal.is_some_and(|address| !request.addresses.allows(address)) {
            return Err(not_allowed(url));
        }
        let send = client
            .request(request.method.clone(), url.clone())
            .headers(request.headers.clone())
            .body(request.body.clone())
            .send();
        let answer = within(request.timeout, send).await?;
        answer.map_err(|error| failed(&error, url))
    }
}

/// Where an answer leads, if it leads anywhere.
fn next(request: &HttpRequest, from: &Url, answer: &Response) -> Option<Url> {
    let may = request.method == Method::GET || request.method == Method::HEAD;
    let leads = matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let place = answer.headers().get(header::LOCATION)?.to_str().ok()?;
    let to = from.join(place).ok()?;
    // TLS is never left again.
    let safe = to.scheme() == "https" || to.scheme() == from.scheme();
    let plain = to.username().is_empty() && to.password().is_none();
    (may && leads && safe && plain).then_some(to)
}

#[async_trait]
impl Transport for ReqwestTransport {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse> {
        let mut left = match request.redirects() {
            Redirects::Follow(most) => most,
            _ => 0,
        };
        let mut url = request.url.clone();
        let answer = loop {
            let answer = self.send_to(&request, &url).await?;
            match next(&request, &url, &answer) {
                Some(to) if left > 0 => {
                    left -= 1;
                    url = to;
                }
                _ => break answer,
            }
        };
        let (status, headers) = (answer.status(), answer.headers().clone());
        let time = request.timeout;
        let body = stream::try_unfold((answer, url), move |(mut answer, url)| async move {
            let piece = within(time, answer.chunk()).await?;
            let piece = piece.map_err(|error| failed(&error, &url))?;
            Ok(piece.map(|piece| (piece, (answer, url))))
        });
        Ok(HttpResponse::new(&request, status, headers, body.boxed()))
    }
}

async fn within<T>(time: Duration, work: impl Future<Output = T>) -> Result<T> {
    tokio::time::timeout(time, work).await.map_err(|_| {
        let message =
            "no answer came in time; see whether the other side is up, or allow more time";
        Error::new(ErrorKind::Timeout, message)
            .with("seconds", time.as_secs_f64())
            .retrying(Retry::Now)
    })
}

/// The host is named, and nothing else of the URL.
fn not_allowed(url: &Url) -> Error {
    let message = "the name leads to an address that requests may not go to, and nothing was sent; if it is right, the host application must allow it";
    let host = url.host_str().unwrap_or_default();
    Error::new(ErrorKind::HostNotAllowed, message).with("host", host)
}

/// What of an error may be said: its own text may hold the URL, and what a server wrote.
fn failed(error: &::reqwest::Error, url: &Url) -> Error {
    let mut source: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(below) = source {
        if below.is::<NotAllowed>() {
            return not_allowed(url);
        }
        source = below.source();
    }
    let (kind, message) = if error.is_timeout() {
        (
            ErrorKind::Timeout,
            "no answer came in time; see whether the other side is up",
        )
    } else if error.is_connect() {
        (
            ErrorKind::Io,
            "no connection could be made; see whether the other side is up, and its certificate good",
        )
    } else {
        (ErrorKind::Io, "the call broke off; try again")
    };
    let host = url.host_str().unwrap_or_default();
    Error::new(kind, message)
        .with("host", host)
        .retrying(Retry::Now)
}

/// Resolves names, and gives out only addresses that are allowed.
#[derive(Debug, Clone, Copy)]
struct Filtered(AddressPolicy);

/// None of the addresses is allowed.
#[derive(Debug)]
struct NotAllowed;

impl fmt::Display for NotAllowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no address that is allowed")
    }
}

impl StdError for NotAllowed {}

/// The addresses that a connection may be made to.
fn filtered(
    policy: AddressPolicy,
    found: impl Iterator<Item = SocketAddr>,
) -> std::result::Result<Vec<SocketAddr>, NotAllowed> {
    let mut any = false;
    let allowed: Vec<_> = found
        .inspect(|_| any = true)
        .filter(|address| policy.allows(address.ip()))
        .collect();
    if any && allowed.is_empty() {
        return Err(NotAllowed);
    }
    Ok(allowed)
}

impl Resolve for Filtered {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.0;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let addresses: Addrs = Box::new(filtered(policy, found)?.into_iter());
            Ok(addresses)
        })
    }
}

impl fmt::Debug for ReqwestTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReqwestTransport")
    }
}

#[cfg(test)]
mod tests;
