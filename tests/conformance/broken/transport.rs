//! Transports that do not keep their contract.

use async_trait::async_trait;
use syncline::host::{AddressPolicy, HttpRequest, HttpResponse, Redirects, Transport};
use syncline::testing::conformance::{TRANSPORT, TransportFixture, kit_answer};
use syncline::{Error, ErrorKind, Result};

use super::{Broken, broken};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    FailsOnServerErrors,
    LosesHeaders,
    FollowsAlways,
    FollowsWithASecret,
    BoundsNothing,
    GoesAnywhere,
    NamesTheUrl,
}

#[derive(Debug)]
struct Wire(Flaw);

#[async_trait]
impl Transport for Wire {
    async fn send(&self, mut request: HttpRequest) -> Result<HttpResponse> {
        if request.addresses != AddressPolicy::Loopback && self.0 != Flaw::GoesAnywhere {
            let error = Error::new(ErrorKind::HostNotAllowed, "not there");
            return Err(match self.0 {
                Flaw::NamesTheUrl => error.with("url", &request.url),
                _ => error,
            });
        }
        match self.0 {
            Flaw::LosesHeaders => request.headers.clear(),
            Flaw::BoundsNothing => request.max_body = u64::MAX,
            _ => {}
        }
        let answer = kit_answer(&request);
        if self.0 == Flaw::FailsOnServerErrors && answer.status.is_server_error() {
            return Err(Error::new(ErrorKind::Io, "the server failed"));
        }
        // This one looks at what was set, whatever the request carries.
        let asked = format!("{:?}", request.redirects());
        let follows = match self.0 {
            Flaw::FollowsAlways => !request.carries_secret(),
            Flaw::FollowsWithASecret => request.carries_secret(),
            _ => asked != format!("{:?}", Redirects::Never),
        };
        if answer.status.as_u16() == 302 && follows {
            request.url.set_path("/here");
            return Ok(kit_answer(&request));
        }
        Ok(answer)
    }
}

pub(super) fn broken_transports() -> Vec<Broken> {
    let all = [
        ("TR-01", Flaw::FailsOnServerErrors),
        ("TR-02", Flaw::LosesHeaders),
        ("TR-03", Flaw::FollowsAlways),
        ("TR-04", Flaw::FollowsWithASecret),
        ("TR-05", Flaw::BoundsNothing),
        ("TR-06", Flaw::GoesAnywhere),
        ("TR-07", Flaw::NamesTheUrl),
    ];
    all.into_iter()
        .map(|(clause, flaw)| {
            broken(&TRANSPORT, clause, flaw, &[], move || {
                let base = "http://127.0.0.1:1/".parse().unwrap();
                TransportFixture::new(Wire(flaw), base, AddressPolicy::Loopback)
                    .with_forbidden(AddressPolicy::Public)
            })
        })
        .collect()
}
