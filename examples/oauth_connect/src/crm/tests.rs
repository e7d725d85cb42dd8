//! The connector keeps the contracts that it implements: the kit says so, clause by clause.

use std::sync::Arc;

use futures::executor::block_on;
use syncline::connection::Connection;
use syncline::connector::ConnectRequest;
use syncline::host::{Context, HttpRequest, HttpResponse};
use syncline::memory::{MemoryAuthorization, MemoryTransport};
use syncline::spec::{EndpointPaths, EndpointsSpec, OAuthSpec, Org, OrgHosts, Origin};
use syncline::testing::conformance::{CONNECTION, ConnectionFixture, DATASET, DatasetFixture};
use syncline::{ErrorKind, Result};

use super::{Account, Api, Connector, Crm, Dataset, Objects, Records, Shape};
use crate::provider::{Instance, data};

fn hosts() -> OrgHosts {
    OrgHosts::new(Origin::loopback(1))
}

/// The sandbox, without a network.
fn answer(request: &HttpRequest) -> Result<HttpResponse> {
    Ok(match answer_text(request) {
        Some(json) => HttpResponse::of(request, 200, json),
        None => HttpResponse::of(request, 404, ""),
    })
}

fn answer_text(request: &HttpRequest) -> Option<String> {
    let query = |name: &str| {
        let pair = request.url.query_pairs().find(|(known, _)| known == name)?;
        pair.1.parse::<usize>().ok()
    };
    let (after, limit) = (query("after").unwrap_or(0), query("limit").unwrap_or(25));
    let answer = match request.url.path() {
        "/api/objects" => data::described(),
        path => {
            let object = path.strip_prefix("/api/objects/")?;
            data::page(Instance::Sandbox, object, after, limit)?
        }
    };
    Some(answer.to_string())
}

fn account(answer: fn(&HttpRequest) -> Result<HttpResponse>) -> Account {
    let hosts = hosts().allow(&Org::Production).unwrap();
    let authorization = Arc::new(MemoryAuthorization::new(hosts));
    Account {
        info: syncline::connection::ConnectionInfo::new("acme"),
        api: Api::new(authorization, Arc::new(MemoryTransport::new(answer))),
        objects: Objects::Described("/api/objects".into()),
        page_size: 7,
    }
}

#[test]
fn its_connections_keep_their_word() {
    // Who looks something up among bad records is told of them, in place of an answer.
    let mended = |request: &HttpRequest| {
        let text = answer_text(request).unwrap_or_default();
        let text = text.replace("call her instead", "hana@example.com");
        let text = text.replace("31.1.1990", "1990-01-31");
        Ok(HttpResponse::of(request, 200, text))
    };
    let fresh = || async { Ok(ConnectionFixture::new(account(mended))) };
    let report = block_on(CONNECTION.run(&Context::new(), fresh));
    report.assert_conforms(&[]);
}

#[test]
fn its_datasets_keep_their_word() {
    for shape in Shape::described(&data::described(), 2).unwrap() {
        let open = || {
            let (api, shape) = (account(answer).api, shape.clone());
            move || Arc::new(Records::new(api.clone(), shape.clone())) as Arc<dyn Dataset>
        };
        let fresh = || async { Ok(DatasetFixture::new(open())) };
        let report = block_on(DATASET.run(&Context::new(), fresh));
        report.assert_conforms(&[
            ("DS-09", "the system's answers are no text"),
            ("DS-10", "it cannot be asked for a stretch of time"),
            ("DS-11", "it has no clock of its own"),
            ("DS-13", "the records are whatever it answers"),
        ]);
    }
}

#[test]
fn what_a_system_answers_is_told_apart() {
    let kind = |answer| {
        block_on(account(answer).check(&Context::new()))
            .unwrap_err()
            .kind()
    };
    let says = [
        kind(|request| Ok(HttpResponse::of(request, 401, "no"))),
        kind(|request| Ok(HttpResponse::of(request, 503, "later"))),
        kind(|request| Ok(HttpResponse::of(request, 200, "<html>"))),
        kind(|request| Ok(HttpResponse::of(request, 200, r#"{"objects": 1}"#))),
    ];
    use ErrorKind::{Io, Malformed, ReauthorizationRequired};
    assert_eq!(says, [ReauthorizationRequired, Io, Malformed, Malformed]);
}

#[test]
fn it_needs_an_authorization() {
    let paths = EndpointPaths::new("/token");
    let oauth = OAuthSpec::new(hosts(), EndpointsSpec::Paths(paths));
    let crm = Crm::new("crm", "CRM", oauth, Objects::Declared(vec![]));
    let request = ConnectRequest::new("1", "acme", Arc::new(MemoryTransport::new(answer)));
    let refused = block_on(crm.connect(&Context::new(), request));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Contract);
}
