//! A transport that asks a function.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::Result;
use crate::host::{HttpRequest, HttpResponse, Transport};

type Handler = dyn Fn(&HttpRequest) -> Result<HttpResponse> + Send + Sync;

/// A [`Transport`] whose answers a function gives: a server in the same process. Clones share it.
///
/// It follows no redirect and waits for nothing.
///
/// ```
/// use syncline::host::{HttpRequest, HttpResponse, Transport};
/// use syncline::memory::MemoryTransport;
///
/// let transport = MemoryTransport::new(|request| Ok(HttpResponse::of(request, 200, request.url.path().to_owned())));
/// let request = HttpRequest::get("https://api.example.com/users".parse().unwrap());
/// let body = futures::executor::block_on(async { transport.send(request).await?.bytes().await })?;
/// assert_eq!(body, "/users");
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Clone)]
pub struct MemoryTransport(Arc<Handler>);

impl MemoryTransport {
    /// `answer` answers every request.
    pub fn new(
        answer: impl Fn(&HttpRequest) -> Result<HttpResponse> + Send + Sync + 'static,
    ) -> Self {
        MemoryTransport(Arc::new(answer))
    }
}

#[async_trait]
impl Transport for MemoryTransport {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse> {
        (self.0)(&request)
    }
}

impl fmt::Debug for MemoryTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryTransport")
    }
}
