//! Calls that were recorded once, and are answered again from the record.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use http::{HeaderName, HeaderValue};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::host::{HttpRequest, HttpResponse, Transport};
use crate::{Error, Result};

/// A call and its answer. Of the request there is what tells it from others, and nothing that can hold a secret: no header, and
/// neither query nor body of one that [carries a secret](HttpRequest::carries_secret).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Exchange {
    /// The method.
    pub method: String,
    /// The URL.
    pub url: String,
    /// The body, if it is text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// The status that was answered.
    pub status: u16,
    /// The headers of the answer.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub headers: IndexMap<String, String>,
    /// The body of the answer.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub answer: String,
}

impl Exchange {
    /// An answer to a call without a body.
    pub fn new(
        method: impl Into<String>,
        url: impl Into<String>,
        status: u16,
        answer: impl Into<String>,
    ) -> Self {
        Exchange {
            method: method.into(),
            url: url.into(),
            body: String::new(),
            status,
            headers: IndexMap::new(),
            answer: answer.into(),
        }
    }

    /// The call that a request is.
    fn of(request: &HttpRequest) -> Self {
        let mut url = request.url.clone();
        let mut body = String::from_utf8_lossy(&request.body).into_owned();
        if request.carries_secret() {
            url.set_query(None);
            body = String::new();
        }
        let mut exchange = Exchange::new(request.method.as_str(), url, 0, "");
        exchange.body = body;
        exchange
    }

    fn is_call(&self, other: &Exchange) -> bool {
        (&self.method, &self.url, &self.body) == (&other.method, &other.url, &other.body)
    }
}

/// A [`Transport`] that answers from a transcript, in its order, or makes one.
///
/// Answers are recorded as they are: those of an authorization server hold tokens, and belong into no transcript.
///
/// ```
/// # futures::executor::block_on(async {
/// use syncline::host::{HttpRequest, HttpResponse, Transport};
/// use syncline::memory::{MemoryTransport, RecordedTransport};
///
/// let live = MemoryTransport::new(|request| Ok(HttpResponse::of(request, 200, "42")));
/// let recording = RecordedTransport::record(live);
/// let request = HttpRequest::get("https://api.example.com/answer".parse().unwrap());
/// recording.send(request.clone()).await?;
///
/// let replayed = RecordedTransport::replay(recording.transcript());
/// assert_eq!(replayed.send(request.clone()).await?.bytes().await?, "42");
/// // There was no second call.
/// assert!(replayed.send(request).await.is_err());
/// # Ok::<(), syncline::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct RecordedTransport {
    live: Option<Arc<dyn Transport>>,
    /// The exchanges, and how many of them were replayed.
    transcript: Arc<Mutex<(Vec<Exchange>, usize)>>,
}

impl RecordedTransport {
    /// Answers from this transcript: each call must be the next one in it.
    pub fn replay(transcript: Vec<Exchange>) -> Self {
        RecordedTransport {
            live: None,
            transcript: Arc::new(Mutex::new((transcript, 0))),
        }
    }

    /// Lets a transport answer, and writes down what it says.
    pub fn record(live: impl Transport + 'static) -> Self {
        RecordedTransport {
            live: Some(Arc::new(live)),
            transcript: Arc::default(),
        }
    }

    /// What was said so far, or is to be said.
    pub fn transcript(&self) -> Vec<Exchange> {
        self.kept().0.clone()
    }

    /// No panic can leave it half changed.
    fn kept(&self) -> MutexGuard<'_, (Vec<Exchange>, usize)> {
        self.transcript
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn recorded(&self, live: &dyn Transport, request: HttpRequest) -> Result<HttpResponse> {
        let mut exchange = Exchange::of(&request);
        // The bound is that of whoever reads the answer again.
        let whole = request.clone().with_max_body(u64::MAX);
        let answer = live.send(whole).await?;
        exchange.status = answer.status.as_u16();
        for (name, value) in &answer.headers {
            if let Ok(value) = value.to_str() {
                exchange.headers.insert(name.to_string(), value.to_owned());
            }
        }
        exchange.answer = String::from_utf8_lossy(&answer.bytes().await?).into_owned();
        let again = said(&request, &exchange);
        self.kept().0.push(exchange);
        Ok(again)
    }
}

/// The answer of an exchange.
fn said(request: &HttpRequest, exchange: &Exchange) -> HttpResponse {
    let mut answer = HttpResponse::of(request, exchange.status, exchange.answer.clone());
    for (name, value) in &exchange.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            answer.headers.insert(name, value);
        }
    }
    answer
}

#[async_trait]
impl Transport for RecordedTransport {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse> {
        if let Some(live) = &self.live {
            return self.recorded(&**live, request).await;
        }
        let mut kept = self.kept();
        let (transcript, at) = &mut *kept;
        match transcript.get(*at) {
            Some(next) if next.is_call(&Exchange::of(&request)) => {
                *at += 1;
                Ok(said(&request, next))
            }
            next => {
                let message = "the transcript has another call here, or has ended; record it anew";
                let error = Error::contract(message).with("call", *at);
                Err(match next {
                    Some(next) => error.with("method", &next.method).with("url", &next.url),
                    None => error,
                })
            }
        }
    }
}

impl fmt::Debug for RecordedTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedTransport")
            .field("calls", &self.kept().0.len())
            .finish_non_exhaustive()
    }
}
