//! What is answered.

use std::fmt;

use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::{HeaderMap, StatusCode};

use super::HttpRequest;
use crate::host::ByteStream;
use crate::{Error, ErrorKind, Result};

/// An answer, whose body is still to be read. `Debug` shows its status only.
#[non_exhaustive]
pub struct HttpResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    body: ByteStream,
}

impl HttpResponse {
    /// The answer to a request. Its body ends with an error behind the [most bytes](HttpRequest::max_body) that the request takes.
    pub fn new(
        request: &HttpRequest,
        status: StatusCode,
        headers: HeaderMap,
        body: ByteStream,
    ) -> Self {
        let most = request.max_body;
        let mut read = 0_u64;
        let body = body.map(move |piece| {
            let piece = piece?;
            read = read.saturating_add(piece.len() as u64);
            if read <= most {
                return Ok(piece);
            }
            let message =
                "the answer is longer than it may be; ask for less at a time, or allow more bytes";
            Err(Error::new(ErrorKind::LimitExceeded, message).with("bytes at most", most))
        });
        // Behind an error nothing follows.
        let body = body.scan(false, |failed, piece| {
            let over = std::mem::replace(failed, piece.is_err());
            std::future::ready((!over).then_some(piece))
        });
        HttpResponse {
            status,
            headers,
            body: body.boxed(),
        }
    }

    /// An answer whose body is there already; a status that is none counts as 500.
    pub fn of(request: &HttpRequest, status: u16, body: impl Into<Bytes>) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body: Bytes = body.into();
        let body = stream::once(std::future::ready(Ok(body))).boxed();
        HttpResponse::new(request, status, HeaderMap::new(), body)
    }

    /// The same, with this header.
    #[must_use]
    pub fn with_header(mut self, name: http::HeaderName, value: http::HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Whether the status is one of 200 to 299.
    pub fn is_success(&self) -> bool {
        self.status.is_success()
    }

    /// The body as it comes.
    pub fn into_stream(self) -> ByteStream {
        self.body
    }

    /// The whole body.
    ///
    /// # Errors
    /// [`LimitExceeded`](ErrorKind::LimitExceeded) if it is longer than the request takes, and what the transport reports.
    pub async fn bytes(self) -> Result<Bytes> {
        let mut whole = BytesMut::new();
        let mut body = self.body;
        while let Some(piece) = body.try_next().await? {
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use super::*;

    #[test]
    fn a_body_ends_where_it_is_too_long() {
        let request = HttpRequest::get("https://a.example.com/".parse().unwrap()).with_max_body(5);
        let pieces = |pieces: &[&'static str]| -> ByteStream {
            let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Bytes::from(*piece))).collect();
            stream::iter(pieces).boxed()
        };
        let answer = |body| HttpResponse::new(&request, StatusCode::OK, HeaderMap::new(), body);
        assert_eq!(
            block_on(answer(pieces(&["abc", "de"])).bytes()).unwrap(),
            "abcde"
        );
        let long = pieces(&["abc", "def", "ghi"]);
        let long: Vec<_> = block_on(answer(long).into_stream().collect());
        assert_eq!(long.len(), 2);
        let kind = long[1].as_ref().unwrap_err().kind();
        assert_eq!(kind, ErrorKind::LimitExceeded);
    }
}
