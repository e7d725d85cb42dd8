//! What is asked of a transport.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderName, HeaderValue, header};
use url::Url;

use super::clause::{Checked, Finding, OrBroken as _, clause, must, opaque, same};
use super::{Capability, Fixture, Suite};
use crate::host::{AddressPolicy, Context, HttpRequest, HttpResponse, Redirects, Transport};
use crate::{ErrorKind, Result, Secret};

/// A transport, and a server that answers with [`kit_answer`].
pub struct TransportFixture {
    transport: Arc<dyn Transport>,
    base: Url,
    addresses: AddressPolicy,
    forbidden: Option<AddressPolicy>,
}

opaque!(TransportFixture);

impl TransportFixture {
    /// The server is at `base`, which is an address that this policy allows.
    pub fn new(transport: impl Transport + 'static, base: Url, addresses: AddressPolicy) -> Self {
        TransportFixture {
            transport: Arc::new(transport),
            base,
            addresses,
            forbidden: None,
        }
    }

    /// This policy does not allow the server's address. For transports that know addresses, as all should that leave the process.
    #[must_use]
    pub fn with_forbidden(mut self, addresses: AddressPolicy) -> Self {
        self.forbidden = Some(addresses);
        self
    }

    fn get(&self, path: &str) -> std::result::Result<HttpRequest, Finding> {
        let url = self.base.join(path);
        let url = url.map_err(|_| Finding::NotReached("the base is none".into()))?;
        Ok(HttpRequest::get(url).with_addresses(self.addresses))
    }
}

#[async_trait]
impl Fixture for TransportFixture {
    fn subject(&self) -> String {
        format!("{:?}", self.transport)
    }

    async fn declares(&self, _: &Context) -> Result<BTreeSet<Capability>> {
        Ok(self
            .forbidden
            .map(|_| Capability::Addresses)
            .into_iter()
            .collect())
    }
}

const MARK: HeaderName = HeaderName::from_static("x-kit");

/// What the server of a [`TransportFixture`] answers: `/status/404` and others their status; `/redirect` leads to `/here`; `/long` has 1,000
/// bytes; all else repeats method, header `x-kit` and body.
pub fn kit_answer(request: &HttpRequest) -> HttpResponse {
    let path = request.url.path();
    if let Some(status) = path.strip_prefix("/status/") {
        return HttpResponse::of(request, status.parse().unwrap_or(400), "");
    }
    match path {
        "/redirect" => HttpResponse::of(request, 302, "")
            .with_header(header::LOCATION, HeaderValue::from_static("/here")),
        "/long" => HttpResponse::of(request, 200, "a".repeat(1_000)),
        _ => {
            let mark = request
                .headers
                .get(MARK)
                .and_then(|mark| mark.to_str().ok());
            let body = String::from_utf8_lossy(&request.body);
            let echo = format!("{} {} {body}", request.method, mark.unwrap_or_default());
            let mark = HeaderValue::from_static("answered");
            HttpResponse::of(request, 200, echo).with_header(MARK, mark)
        }
    }
}

/// The contract of a [`Transport`].
pub static TRANSPORT: Suite<TransportFixture> = Suite {
    name: "transport",
    clauses: &[
        clause!(
            "TR-01",
            None,
            "Every status is an answer.",
            "What a server says about a failure would be lost.",
            every_status
        ),
        clause!(
            "TR-02",
            None,
            "Method, headers and body arrive as they are, both ways.",
            "Servers would be asked for something else.",
            as_it_is
        ),
        clause!(
            "TR-03",
            None,
            "No redirect is followed unless the request asks for it.",
            "Whoever answers would choose where a request goes.",
            no_redirect
        ),
        clause!(
            "TR-04",
            None,
            "A request with a secret follows no redirect, whatever it was set to.",
            "The secret would go where an answer leads.",
            no_redirect_with_a_secret
        ),
        clause!(
            "TR-05",
            None,
            "No more of a body comes than the request takes.",
            "One answer would fill the memory.",
            bounded
        ),
        clause!(
            "TR-06",
            Some(Capability::Addresses),
            "A request does not go to an address that its policy forbids.",
            "A customer's domain would lead into the host's own network.",
            addresses_are_minded
        ),
        clause!(
            "TR-07",
            None,
            "No error holds the query or a secret header.",
            "Keys would be in logs.",
            errors_are_silent
        ),
    ],
};

async fn every_status(_: &Context, fixture: &TransportFixture) -> Checked {
    for status in [200, 204, 400, 401, 404, 429, 500, 503] {
        let request = fixture.get(&format!("/status/{status}"))?;
        let answer = fixture.transport.send(request).await;
        let answer = answer.or_broken(&format!("status {status}"))?;
        same("the status", &answer.status.as_u16(), &status)?;
    }
    Ok(())
}

async fn as_it_is(_: &Context, fixture: &TransportFixture) -> Checked {
    let mut request = fixture.get("/echo")?;
    request.method = http::Method::PUT;
    request.body = "a body".into();
    let request = request.with_header(MARK, HeaderValue::from_static("a mark"));
    let answer = fixture.transport.send(request).await.or_broken("put")?;
    let mark = answer.headers.get(MARK).cloned();
    same(
        "the header",
        &mark,
        &Some(HeaderValue::from_static("answered")),
    )?;
    let body = answer.bytes().await.or_broken("the body")?;
    same("what arrived", &&body[..], &&b"PUT a mark a body"[..])
}

async fn led(fixture: &TransportFixture, request: HttpRequest) -> Checked {
    let answer = fixture.transport.send(request).await.or_broken("get")?;
    same("the status", &answer.status.as_u16(), &302)
}

async fn no_redirect(_: &Context, fixture: &TransportFixture) -> Checked {
    led(fixture, fixture.get("/redirect")?).await
}

async fn no_redirect_with_a_secret(_: &Context, fixture: &TransportFixture) -> Checked {
    let request = fixture
        .get("/redirect")?
        .with_redirects(Redirects::Follow(5));
    let request = request.with_secret_header("x-key", &Secret::new("hunter2"))?;
    led(fixture, request).await
}

async fn bounded(_: &Context, fixture: &TransportFixture) -> Checked {
    let long = |most| Ok::<_, Finding>(fixture.get("/long")?.with_max_body(most));
    let fits = fixture.transport.send(long(1_000)?).await?.bytes().await;
    same("what fits", &fits.or_broken("what fits")?.len(), &1_000)?;
    let cut = fixture.transport.send(long(999)?).await?.bytes().await;
    let kind = cut.err().map(|error| error.kind());
    same("what does not", &kind, &Some(ErrorKind::LimitExceeded))
}

async fn addresses_are_minded(_: &Context, fixture: &TransportFixture) -> Checked {
    let policy = fixture.forbidden.unwrap_or_default();
    let request = fixture.get("/echo")?.with_addresses(policy);
    let answer = fixture.transport.send(request).await;
    let kind = answer.err().map(|error| error.kind());
    same("the answer", &kind, &Some(ErrorKind::HostNotAllowed))
}

async fn errors_are_silent(_: &Context, fixture: &TransportFixture) -> Checked {
    let canary = Secret::new("c4n4ry");
    let request = fixture.get("/long")?.with_secret_query("key", &canary);
    let request = request.with_secret_header("x-key", &canary)?;
    let mut requests = vec![request.clone().with_max_body(10)];
    requests.extend(
        fixture
            .forbidden
            .map(|policy| request.with_addresses(policy)),
    );
    for request in requests {
        let failed = match fixture.transport.send(request).await {
            Ok(answer) => answer.bytes().await.err(),
            Err(error) => Some(error),
        };
        let said = failed
            .map(|error| format!("{error} {error:?}"))
            .unwrap_or_default();
        must(!said.contains("c4n4ry"), || "an error does".into())?;
    }
    Ok(())
}
