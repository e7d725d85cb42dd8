//! What a server may do wrong, for each grant: every fault ends in an error of the right kind, no call goes elsewhere, and nothing loops.

use std::sync::Arc;

use serde_json::{Value, json};
use syncline::authorization::{
    Authorization, AuthorizationState, CredentialRequest, DevicePoll, Grant, OAuth,
};
use syncline::{Error, ErrorKind};

use super::server::{Fault, World, jwt};

/// What must come of a fault.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Then {
    /// A person must act, and no call is made before.
    Person,
    /// It passes: the same connection works when the server does.
    Passes,
    /// Nothing is wrong.
    Fine,
}

struct Case {
    name: &'static str,
    fault: Fault,
    kind: Option<ErrorKind>,
    then: Then,
}

fn case(name: &'static str, fault: Fault, kind: ErrorKind, then: Then) -> Case {
    Case {
        name,
        fault,
        kind: Some(kind),
        then,
    }
}

fn answer(status: u16, body: &str) -> Fault {
    Fault::Answer(status, body.into())
}

fn field(name: &'static str, value: Value) -> Fault {
    Fault::Fields(vec![(name, value)])
}

fn leads_to(status: u16, place: &str) -> Fault {
    Fault::Headers(status, vec![("location", place.into())], String::new())
}

fn cases() -> Vec<Case> {
    use ErrorKind::{
        BadTokenAnswer, HostNotAllowed, InsufficientScope, Io, LimitExceeded,
        ReauthorizationRequired,
    };
    use Then::{Fine, Passes, Person};
    let code = |code: &str| answer(400, &json!({"error": code}).to_string());
    let busy = |wait: &str| Fault::Headers(503, vec![("retry-after", wait.into())], "busy".into());
    let mut cases = vec![
        case("500", answer(500, "oops"), Io, Passes),
        case("502", answer(502, "<html>bad gateway</html>"), Io, Passes),
        case("503", answer(503, ""), Io, Passes),
        case("503 with a wait", busy("7"), Io, Passes),
        case(
            "503 with a date",
            busy("Fri, 31 Jan 2025 00:00:09 GMT"),
            Io,
            Passes,
        ),
        case("503 with a year to wait", busy("31536000"), Io, Passes),
        case("503 with nonsense to wait", busy("soon"), Io, Passes),
        case(
            "429",
            answer(429, r#"{"error": "invalid_grant"}"#),
            Io,
            Passes,
        ),
        case("408", answer(408, ""), Io, Passes),
        case("no network", Fault::Unreachable, Io, Passes),
        case(
            "temporarily_unavailable",
            code("temporarily_unavailable"),
            Io,
            Passes,
        ),
        case("server_error", code("server_error"), Io, Passes),
        case(
            "301",
            leads_to(301, "https://evil.example/token"),
            BadTokenAnswer,
            Passes,
        ),
        case("302", leads_to(302, "/login"), BadTokenAnswer, Passes),
        case(
            "307",
            leads_to(307, "https://evil.example/token"),
            BadTokenAnswer,
            Passes,
        ),
        case(
            "308",
            leads_to(308, "https://169.254.169.254/"),
            BadTokenAnswer,
            Passes,
        ),
        case(
            "a page",
            answer(200, "<html>please log in</html>"),
            BadTokenAnswer,
            Passes,
        ),
        case("nothing", answer(200, ""), BadTokenAnswer, Passes),
        case("204", answer(204, ""), BadTokenAnswer, Passes),
        case("null", answer(200, "null"), BadTokenAnswer, Passes),
        case("a list", answer(200, "[]"), BadTokenAnswer, Passes),
        case("an empty object", answer(200, "{}"), BadTokenAnswer, Passes),
        case(
            "cut off",
            answer(200, r#"{"access_token": "a", "token_ty"#),
            BadTokenAnswer,
            Passes,
        ),
        case(
            "bytes",
            answer(200, "\u{0}\u{1}\u{2}"),
            BadTokenAnswer,
            Passes,
        ),
        case(
            "403 without a code",
            answer(403, "forbidden"),
            BadTokenAnswer,
            Passes,
        ),
        case("404", answer(404, "not found"), BadTokenAnswer, Passes),
        case(
            "a code that is a number",
            answer(400, r#"{"error": 7}"#),
            BadTokenAnswer,
            Passes,
        ),
        case(
            "a code that nobody knows",
            code("hunter2"),
            BadTokenAnswer,
            Passes,
        ),
        case(
            "invalid_request",
            code("invalid_request"),
            BadTokenAnswer,
            Passes,
        ),
        case(
            "invalid_client",
            answer(401, r#"{"error": "invalid_client"}"#),
            ReauthorizationRequired,
            Person,
        ),
        case(
            "unauthorized_client",
            code("unauthorized_client"),
            ReauthorizationRequired,
            Person,
        ),
        case(
            "unsupported_grant_type",
            code("unsupported_grant_type"),
            ReauthorizationRequired,
            Person,
        ),
        case(
            "invalid_scope",
            code("invalid_scope"),
            ReauthorizationRequired,
            Person,
        ),
        case(
            "invalid_grant",
            code("invalid_grant"),
            ReauthorizationRequired,
            Person,
        ),
        case(
            "invalid_grant with 200",
            answer(200, r#"{"error": "invalid_grant"}"#),
            ReauthorizationRequired,
            Person,
        ),
        case(
            "a long answer",
            answer(200, &format!("{{\"a\": \"{}\"}}", "a".repeat(100_000))),
            LimitExceeded,
            Passes,
        ),
        case(
            "a deep answer",
            answer(200, &"[".repeat(60_000)),
            BadTokenAnswer,
            Passes,
        ),
        case(
            "no type",
            field("token_type", Value::Null),
            BadTokenAnswer,
            Passes,
        ),
        case(
            "type mac",
            field("token_type", json!("mac")),
            BadTokenAnswer,
            Passes,
        ),
        case(
            "type DPoP",
            field("token_type", json!("DPoP")),
            BadTokenAnswer,
            Passes,
        ),
        case(
            "a type that is a number",
            field("token_type", json!(1)),
            BadTokenAnswer,
            Passes,
        ),
        case(
            "no token",
            field("access_token", Value::Null),
            BadTokenAnswer,
            Passes,
        ),
        case(
            "an empty token",
            field("access_token", json!("")),
            BadTokenAnswer,
            Passes,
        ),
        case(
            "a token that is a number",
            field("access_token", json!(42)),
            BadTokenAnswer,
            Passes,
        ),
        case(
            "a token with a line break",
            field("access_token", json!("a\r\nx-evil: 1")),
            BadTokenAnswer,
            Passes,
        ),
        case(
            "a token beyond ASCII",
            field("access_token", json!("é")),
            BadTokenAnswer,
            Passes,
        ),
        case(
            "a refresh token with a line break",
            field("refresh_token", json!("a\nb")),
            BadTokenAnswer,
            Passes,
        ),
        case(
            "less scope",
            field("scope", json!("contacts.read")),
            InsufficientScope,
            Person,
        ),
        case(
            "another scope",
            field("scope", json!("contacts.reads contacts.writes")),
            InsufficientScope,
            Person,
        ),
        case(
            "an empty scope",
            field("scope", json!("")),
            InsufficientScope,
            Person,
        ),
        case(
            "scope as a list",
            field("scope", json!(["contacts.read"])),
            BadTokenAnswer,
            Passes,
        ),
        case(
            "an API elsewhere",
            field("instance_url", json!("https://evil.example")),
            HostNotAllowed,
            Passes,
        ),
        case(
            "an API at an address",
            field("instance_url", json!("https://169.254.169.254")),
            HostNotAllowed,
            Passes,
        ),
        case(
            "an API without TLS",
            field("instance_url", json!("http://api.example.com")),
            HostNotAllowed,
            Passes,
        ),
        case(
            "an API with a user",
            field(
                "instance_url",
                json!("https://api.example.com@evil.example"),
            ),
            HostNotAllowed,
            Passes,
        ),
        case(
            "an API that is a number",
            field("instance_url", json!(7)),
            BadTokenAnswer,
            Passes,
        ),
    ];
    for (name, time) in [
        ("ends in 0 s", json!(0)),
        ("ends in -1 s", json!(-1)),
        ("ends in 1e30 s", json!(1e30)),
        ("ends in 1.5 s", json!(1.5)),
        ("ends in text", json!("3600")),
        ("ends in no text", json!("")),
        ("ends in true", json!(true)),
        ("ends in a list", json!([3600])),
        ("ends in u64::MAX s", json!(u64::MAX)),
    ] {
        cases.push(case(
            name,
            field("expires_in", time),
            BadTokenAnswer,
            Passes,
        ));
    }
    for (name, fault) in [
        ("no end", field("expires_in", Value::Null)),
        ("type BEARER", field("token_type", json!("BEARER"))),
        ("no scope", field("scope", Value::Null)),
        (
            "more scope",
            field("scope", json!("admin contacts.write contacts.read")),
        ),
        (
            "scope with commas",
            field("scope", json!("contacts.read,contacts.write")),
        ),
        ("more fields", field("id_token", json!({"a": [1, 2]}))),
        (
            "an API that is allowed",
            field("instance_url", json!("https://eu.api.example.com")),
        ),
    ] {
        cases.push(Case {
            name,
            fault,
            kind: None,
            then: Fine,
        });
    }
    cases
}

/// How a grant gets its first tokens, or the next.
type Get = fn(&World, &OAuth) -> Result<(), Error>;

fn ask(world: &World, oauth: &OAuth) -> Result<(), Error> {
    let credential = oauth.credential(world.context(), CredentialRequest::new());
    world.run(credential).map(|_| ())
}

fn by_code(world: &World, oauth: &OAuth) -> Result<(), Error> {
    let callback = world.consent(oauth);
    world
        .run(oauth.complete(world.context(), callback))
        .map(|_| ())
}

fn by_device(world: &World, oauth: &OAuth) -> Result<(), Error> {
    let fault = std::mem::take(&mut world.server.books().fault);
    let mut consent = world.run(oauth.begin_device(world.context()))?;
    world.server.fault(fault);
    match world.run(oauth.poll_device(world.context(), &mut consent))? {
        DevicePoll::Done(_) => Ok(()),
        // A server that is busy is asked again.
        _ => Err(super::server::unreachable()),
    }
}

/// A grant, set up so that `get` makes a token request.
struct Tried {
    name: &'static str,
    make: fn(&World) -> OAuth,
    get: Get,
    /// Whether it is a person who gets them, so that a person may simply do it again.
    by_person: bool,
}

const GRANTS: [Tried; 5] = [
    Tried {
        name: "code",
        make: |world| world.oauth(Grant::AuthorizationCode),
        get: by_code,
        by_person: true,
    },
    Tried {
        name: "device",
        make: |world| world.oauth(Grant::DeviceCode),
        get: by_device,
        by_person: true,
    },
    Tried {
        name: "refresh",
        make: |world| {
            let oauth = world.authorized();
            world.later(3_600);
            oauth
        },
        get: ask,
        by_person: false,
    },
    Tried {
        name: "client credentials",
        make: |world| world.oauth(Grant::ClientCredentials),
        get: ask,
        by_person: false,
    },
    Tried {
        name: "jwt bearer",
        make: |world| world.oauth(jwt()),
        get: ask,
        by_person: false,
    },
];

#[test]
fn every_fault_of_a_server_ends_well() {
    let cases = cases();
    assert!(cases.len() >= 30, "{}", cases.len());
    for grant in &GRANTS {
        for case in &cases {
            let world = World::new();
            let oauth = (grant.make)(&world);
            let before = world.server.books().token_requests;
            world.server.fault(case.fault.clone());
            let got = (grant.get)(&world, &oauth);
            let what = format!("{}: {}: {got:?}", grant.name, case.name);
            match (&case.kind, &got) {
                (None, got) => assert!(got.is_ok(), "{what}"),
                (Some(kind), Err(error)) => {
                    // A device is told of a limit or a bad answer as others are, and of a busy server by a longer wait.
                    assert_eq!(error.kind(), *kind, "{what}");
                    let text = format!("{error} {error:?}");
                    for secret in [
                        "hunter2",
                        "access-s",
                        "refresh-s",
                        "client-secret",
                        "evil.example/",
                    ] {
                        assert!(!text.contains(secret), "{what}");
                    }
                }
                (Some(_), Ok(())) => panic!("{what}"),
            }
            assert!(world.server.books().token_requests <= before + 1, "{what}");
            let hosts = world.server.books().hosts.clone();
            assert!(
                hosts.iter().all(|host| host.ends_with("example.com")),
                "{hosts:?}"
            );
            world.server.fault(Fault::None);
            match case.then {
                Then::Fine => {}
                Then::Passes => {
                    // Not at once: a server that is ill is not asked again and again.
                    if !grant.by_person {
                        let asked = world.server.books().token_requests;
                        (grant.get)(&world, &oauth).unwrap_err();
                        assert_eq!(world.server.books().token_requests, asked, "{what}");
                    }
                    world.later(301);
                    let again = (grant.get)(&world, &oauth);
                    // A refresh token that is nonsense replaced the one that worked.
                    let lost = case.name.starts_with("a refresh token") && grant.name == "refresh";
                    assert_eq!(again.is_ok(), !lost, "{what}: {again:?}");
                }
                Then::Person if grant.by_person => (grant.get)(&world, &oauth).unwrap(),
                Then::Person => {
                    let asked = world.server.books().token_requests;
                    for _ in 0..3 {
                        world.later(400);
                        let again = (grant.get)(&world, &oauth).unwrap_err();
                        assert_eq!(again.kind(), ErrorKind::ReauthorizationRequired, "{what}");
                    }
                    assert_eq!(world.server.books().token_requests, asked, "{what}");
                    let state = world.run(oauth.state(world.context())).unwrap();
                    assert!(
                        matches!(state, AuthorizationState::ReauthorizationRequired(_)),
                        "{what}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_lost_answer_ends_in_at_most_two_calls() {
    let world = World::new();
    let oauth = world.authorized();
    world.later(3_600);
    world.server.fault(Fault::LostAnswer);
    let error = ask(&world, &oauth).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    world.server.fault(Fault::None);
    world.later(2);
    let error = ask(&world, &oauth).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReauthorizationRequired);
    world.later(4_000);
    ask(&world, &oauth).unwrap_err();
    assert_eq!(world.server.books().shown["refresh-s-1"], 2);
    by_code(&world, &oauth).unwrap();
    ask(&world, &oauth).unwrap();
}

#[test]
fn tokens_that_end_soon_are_refreshed_every_thirty_seconds_at_most() {
    let world = World::new();
    world.server.books().lifetime = 1;
    let oauth = world.authorized();
    let mut got = 0;
    for _ in 0..120 {
        got += u32::from(ask(&world, &oauth).is_ok());
        world.later(1);
    }
    assert!(got > 0);
    assert!(world.server.books().token_requests <= 5);
}

#[test]
fn what_is_wrong_with_a_device_request_is_said() {
    for (fault, kind) in [
        (answer(503, ""), ErrorKind::Io),
        (Fault::Unreachable, ErrorKind::Io),
        (answer(200, "{}"), ErrorKind::BadTokenAnswer),
        (answer(200, "page"), ErrorKind::BadTokenAnswer),
        (answer(302, ""), ErrorKind::BadTokenAnswer),
        (
            answer(400, r#"{"error": "unauthorized_client"}"#),
            ErrorKind::ReauthorizationRequired,
        ),
        (
            answer(
                200,
                r#"{"device_code": "d", "user_code": "u", "verification_uri": "javascript:alert(1)", "expires_in": 9}"#,
            ),
            ErrorKind::BadTokenAnswer,
        ),
        (
            answer(
                200,
                r#"{"device_code": "d", "user_code": "u", "verification_uri": "https://a.example", "expires_in": -9}"#,
            ),
            ErrorKind::BadTokenAnswer,
        ),
    ] {
        let world = World::new();
        let oauth = world.oauth(Grant::DeviceCode);
        world.server.fault(fault.clone());
        let error = world.run(oauth.begin_device(world.context())).unwrap_err();
        assert_eq!(error.kind(), kind, "{fault:?}");
    }
    for (code, kind) in [
        ("access_denied", Some(ErrorKind::ReauthorizationRequired)),
        ("expired_token", Some(ErrorKind::ReauthorizationRequired)),
        ("slow_down", None),
        ("authorization_pending", None),
    ] {
        let world = World::new();
        let oauth = world.oauth(Grant::DeviceCode);
        let mut consent = world.run(oauth.begin_device(world.context())).unwrap();
        world
            .server
            .fault(answer(400, &json!({"error": code}).to_string()));
        let polled = world.run(oauth.poll_device(world.context(), &mut consent));
        assert_eq!(polled.as_ref().err().map(Error::kind), kind, "{code}");
        if let Ok(DevicePoll::Pending(wait)) = polled {
            assert_eq!(wait.as_secs(), if code == "slow_down" { 10 } else { 5 });
        }
        world.later(901);
        let late = world
            .run(oauth.poll_device(world.context(), &mut consent))
            .unwrap_err();
        assert_eq!(late.kind(), ErrorKind::ReauthorizationRequired);
    }
}

#[test]
fn a_server_that_never_answers_is_given_up() {
    #[derive(Debug)]
    struct Silent;
    #[async_trait::async_trait]
    impl syncline::host::Transport for Silent {
        async fn send(
            &self,
            _: syncline::host::HttpRequest,
        ) -> syncline::Result<syncline::host::HttpResponse> {
            std::future::pending().await
        }
    }
    let world = World::new();
    let mut config = world.config(Grant::ClientCredentials, Arc::new(world.state.clone()));
    config.transport = Arc::new(Silent);
    let oauth = OAuth::new(config).unwrap();
    let error = ask(&world, &oauth).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    world.later(400);
    ask(&world, &world.oauth(Grant::ClientCredentials)).unwrap();
}
