//! Calls over HTTP.

mod address;
mod request;
mod response;

use std::fmt;

use async_trait::async_trait;

use crate::Result;

pub use address::AddressPolicy;
pub(crate) use request::secret_header;
pub use request::{HttpRequest, Redirects};
pub use response::HttpResponse;

/// Sends requests over HTTP. The feature `reqwest` has one that is ready, `adapter::ReqwestTransport`.
///
/// **Contract.**
/// - Any answer is `Ok`, whatever its status. An error says that there is no answer, and [whether a retry can help](crate::Error::retry).
/// - [`HttpRequest::redirects`] is followed to the letter: under [`Redirects::Never`], which every request with a credential has, an
///   answer of 3xx is the answer.
/// - [`HttpRequest::addresses`] is checked on the address that the connection is really made to, not on one that was looked up before: a
///   name may lead elsewhere a moment later. A request that must not go there is [`HostNotAllowed`](crate::ErrorKind::HostNotAllowed),
///   and nothing of it was sent.
/// - The body comes as a stream, and no more of it than [`HttpRequest::max_body`]: [`HttpResponse::new`] sees to that.
/// - After [`HttpRequest::timeout`] there is an error of the kind [`Timeout`](crate::ErrorKind::Timeout); it bounds the time to the head
///   of the answer, and each wait for more of its body.
/// - No error holds a URL's query, a header's value or a body: there are secrets in them. Dropping the future cancels the call.
///
/// ```
/// # futures::executor::block_on(async {
/// use syncline::host::{HttpRequest, HttpResponse, Transport};
/// use syncline::memory::MemoryTransport;
///
/// let transport = MemoryTransport::new(|request| {
///     let status = if request.url.path() == "/health" { 200 } else { 404 };
///     Ok(HttpResponse::of(request, status, "up"))
/// });
/// let answer = transport.send(HttpRequest::get("https://api.example.com/health".parse().unwrap())).await?;
/// assert!(answer.is_success());
/// assert_eq!(answer.bytes().await?, "up");
/// # Ok::<(), syncline::Error>(())
/// # }).unwrap();
/// ```
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync {
    /// Sends a request and waits for the head of the answer.
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse>;
}
