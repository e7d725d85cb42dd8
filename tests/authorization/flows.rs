//! Each grant, from the beginning to the end, with a server that behaves.

use std::sync::Arc;

use syncline::authorization::{
    AfterReject, Authorization, AuthorizationState, CredentialRequest, DevicePoll, Grant, OAuth,
    ReauthorizationCause, Refresh, RevokeMode,
};
use syncline::host::HttpRequest;
use syncline::spec::{ClientProof, Domain, EndpointPaths, EndpointsSpec, Org, OrganizationSource};
use syncline::{ErrorKind, Result};

use super::server::{Fault, World, jwt, spec};

fn token(world: &World, oauth: &OAuth) -> Result<String> {
    let credential = world.run(oauth.credential(world.context(), CredentialRequest::new()))?;
    let request = HttpRequest::get(credential.url("/users")?);
    let request = credential.attach(request)?;
    Ok(request.headers["authorization"]
        .to_str()
        .unwrap()
        .to_owned())
}

fn state(world: &World, oauth: &OAuth) -> AuthorizationState {
    world.run(oauth.state(world.context())).unwrap()
}

#[test]
fn a_person_consents_and_tokens_are_refreshed() {
    let world = World::new();
    let oauth = world.oauth(Grant::AuthorizationCode);
    assert_eq!(state(&world, &oauth), AuthorizationState::Unauthorized);
    let error = token(&world, &oauth).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReauthorizationRequired);
    let callback = world.consent(&oauth);
    let done = world
        .run(oauth.complete(world.context(), callback))
        .unwrap();
    assert_eq!(done.organization.as_deref(), Some("org-1"));
    assert!(!done.again);
    assert_eq!(state(&world, &oauth), AuthorizationState::Healthy);
    assert_eq!(token(&world, &oauth).unwrap(), "Bearer access-s-1");
    assert_eq!(token(&world, &oauth).unwrap(), "Bearer access-s-1");
    world.later(3_550);
    assert_eq!(state(&world, &oauth), AuthorizationState::Expiring);
    assert_eq!(token(&world, &oauth).unwrap(), "Bearer access-s-2");
    // Another process has it too.
    let other = world.oauth(Grant::AuthorizationCode);
    assert_eq!(token(&world, &other).unwrap(), "Bearer access-s-2");
    let books = world.server.books();
    assert_eq!(books.token_requests, 2);
    assert!(books.hosts.iter().all(|host| host == "login.example.com"));
}

#[test]
fn a_client_is_let_in_by_itself() {
    for grant in [Grant::ClientCredentials, jwt()] {
        let world = World::new();
        let oauth = world.oauth(grant);
        assert!(!oauth.info().needs_consent);
        assert_eq!(token(&world, &oauth).unwrap(), "Bearer access-s-1");
        world.later(3_599);
        assert_eq!(token(&world, &oauth).unwrap(), "Bearer access-s-2");
        let forms = &world.server.books().forms;
        assert_eq!(forms.len(), 2);
        assert!(forms.iter().all(|form| !form.contains_key("refresh_token")));
        assert_eq!(forms[0]["scope"], "contacts.read contacts.write");
        if let Some(assertion) = forms[0].get("assertion") {
            assert_ne!(*assertion, forms[1]["assertion"]);
        }
    }
}

/// What the server has refused for good is asked for again only when somebody says so.
#[test]
fn a_client_that_was_mended_or_revoked_is_authorized_again() {
    for grant in [Grant::ClientCredentials, jwt()] {
        let world = World::new();
        let oauth = world.oauth(grant);
        token(&world, &oauth).unwrap();
        let asked = || world.server.books().token_requests;
        for refused in [
            r#"{"error": "invalid_client"}"#,
            r#"{"error": "invalid_scope"}"#,
        ] {
            world.later(3_600);
            world.server.fault(Fault::Answer(400, refused.into()));
            for _ in 0..2 {
                let error = token(&world, &oauth).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::ReauthorizationRequired, "{error}");
            }
            let before = asked();
            let error = world.run(oauth.authorize(world.context())).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ReauthorizationRequired, "{error}");
            world.server.fault(Fault::None);
            // Mended, and nobody has said so.
            token(&world, &oauth).unwrap_err();
            assert_eq!(asked(), before + 1);
            let done = world.run(oauth.authorize(world.context())).unwrap();
            assert!(done.again, "{done:?}");
            token(&world, &oauth).unwrap();
            assert_eq!(asked(), before + 2);
        }
        world
            .run(oauth.revoke(world.context(), RevokeMode::Force))
            .unwrap();
        token(&world, &oauth).unwrap_err();
        // Into another organisation no connection is authorized again.
        world.server.books().organization = "org-2".into();
        let error = world.run(oauth.authorize(world.context())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OtherOrganization, "{error}");
        world.server.books().organization = "org-1".into();
        world.run(oauth.authorize(world.context())).unwrap();
        token(&world, &oauth).unwrap();
    }
    let world = World::new();
    let oauth = world.oauth(Grant::AuthorizationCode);
    let error = world.run(oauth.authorize(world.context())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn a_person_consents_on_another_device() {
    let world = World::new();
    let oauth = world.oauth(Grant::DeviceCode);
    world.server.books().pending_polls = 2;
    let context = world.context();
    let mut consent = world.run(oauth.begin_device(context)).unwrap();
    assert_eq!(consent.user_code, "WDJB-MJHT");
    let mut polls = 0;
    let done = loop {
        polls += 1;
        match world.run(oauth.poll_device(context, &mut consent)).unwrap() {
            DevicePoll::Pending(wait) => world.later(i64::try_from(wait.as_secs()).unwrap()),
            DevicePoll::Done(done) => break done,
            _ => unreachable!(),
        }
    };
    assert_eq!((polls, done.organization.as_deref()), (3, Some("org-1")));
    world.later(3_600);
    assert_eq!(token(&world, &oauth).unwrap(), "Bearer access-s-2");
}

#[test]
fn how_the_client_proves_itself() {
    for (proof, in_form) in [
        (ClientProof::Basic, false),
        (ClientProof::Form, true),
        (ClientProof::Public, false),
    ] {
        let world = World::new();
        let mut config = world.config(Grant::ClientCredentials, Arc::new(world.state.clone()));
        config.spec.client = proof;
        let oauth = OAuth::new(config).unwrap();
        token(&world, &oauth).unwrap();
        let form = &world.server.books().forms[0];
        assert_eq!(form.contains_key("client_secret"), in_form, "{proof:?}");
        assert_eq!(form.contains_key("client_id"), proof != ClientProof::Basic);
    }
}

#[test]
fn the_organisation_of_each_kind_has_its_own_host() {
    for (org, host) in [
        (Org::Production, "login.example.com"),
        (Org::Sandbox, "test.example.com"),
        (
            Org::CustomDomain(Domain::parse("acme.my.example.com").unwrap()),
            "acme.my.example.com",
        ),
    ] {
        let world = World::new();
        let mut config = world.config(Grant::AuthorizationCode, Arc::new(world.state.clone()));
        config.org = org.clone();
        let oauth = OAuth::new(config).unwrap();
        let callback = world.consent(&oauth);
        let done = world.run(oauth.complete(world.context(), callback));
        // The server says that it is no sandbox.
        assert_eq!(done.is_err(), org == Org::Sandbox);
        let books = world.server.books();
        assert!(books.hosts.iter().all(|to| to == host), "{:?}", books.hosts);
    }
}

#[test]
fn the_api_may_be_elsewhere_if_it_is_allowed() {
    let world = World::new();
    let oauth = world.oauth(Grant::AuthorizationCode);
    let callback = world.consent(&oauth);
    let at = |url: &str| Fault::Fields(vec![("instance_url", url.into())]);
    world.server.fault(at("https://eu.api.example.com"));
    world
        .run(oauth.complete(world.context(), callback))
        .unwrap();
    let credential = oauth.credential(world.context(), CredentialRequest::new());
    let credential = world.run(credential).unwrap();
    assert_eq!(
        credential.url("/v1").unwrap().as_str(),
        "https://eu.api.example.com/v1"
    );

    let callback = world.consent(&oauth);
    world
        .server
        .fault(at("https://api.example.com.evil.example"));
    let error = world
        .run(oauth.complete(world.context(), callback))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::HostNotAllowed);
    let hosts = &world.server.books().hosts;
    assert!(
        hosts.iter().all(|host| host.ends_with("example.com")),
        "{hosts:?}"
    );
}

#[test]
fn another_organisation_is_refused_and_what_was_there_stays() {
    let world = World::new();
    let oauth = world.authorized();
    let callback = world.consent(&oauth);
    world.server.books().organization = "org-2".into();
    let error = world
        .run(oauth.complete(world.context(), callback))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OtherOrganization);
    assert!(!error.to_string().contains("org-2"));
    assert_eq!(token(&world, &oauth).unwrap(), "Bearer access-s-1");
    world.server.books().organization = "org-1".into();
    let callback = world.consent(&oauth);
    let done = world
        .run(oauth.complete(world.context(), callback))
        .unwrap();
    assert!(done.again);
    assert_eq!(token(&world, &oauth).unwrap(), "Bearer access-s-3");
}

#[test]
fn a_connection_of_production_does_not_become_one_of_a_sandbox() {
    let world = World::new();
    world.authorized();
    let mut config = world.config(Grant::AuthorizationCode, Arc::new(world.state.clone()));
    config.org = Org::CustomDomain(Domain::parse("acme.my.example.com").unwrap());
    let oauth = OAuth::new(config).unwrap();
    let callback = world.consent(&oauth);
    let error = world
        .run(oauth.complete(world.context(), callback))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OtherOrganization);
    // Nor are the tokens of production shown there: not to the API, not to be refreshed, not to be revoked.
    let sent = || {
        let hosts = world.server.books().hosts.clone();
        hosts.iter().filter(|host| host.starts_with("acme")).count()
    };
    // The code, and the call that tells the organisation.
    assert_eq!(sent(), 2);
    for _ in 0..2 {
        let error = token(&world, &oauth).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OtherOrganization, "{error}");
        world.later(3_600);
    }
    let context = world.context();
    let revoked = world.run(oauth.revoke(context, RevokeMode::Confirmed));
    assert_eq!(revoked.unwrap_err().kind(), ErrorKind::OtherOrganization);
    let revoked = world.run(oauth.revoke(context, RevokeMode::Force)).unwrap();
    assert!(!revoked.confirmed);
    assert_eq!(sent(), 2);
    assert_eq!(world.server.books().revoked, [""; 0]);
}

/// Nothing of an older grant is left, and it is known that there was one.
#[test]
fn who_consents_again_begins_anew() {
    let world = World::new();
    let mut config = world.config(Grant::AuthorizationCode, Arc::new(world.state.clone()));
    config.spec.organization = OrganizationSource::Unknown;
    let oauth = OAuth::new(config).unwrap();
    let url = || {
        let credential = oauth.credential(world.context(), CredentialRequest::new());
        let url = world.run(credential).unwrap().url("/v1").unwrap();
        url.host_str().unwrap().to_owned()
    };
    for (base, again, host) in [
        (
            "https://eu.api.example.com".into(),
            false,
            "eu.api.example.com",
        ),
        (serde_json::Value::Null, true, "login.example.com"),
    ] {
        let callback = world.consent(&oauth);
        world
            .server
            .fault(Fault::Fields(vec![("instance_url", base)]));
        let done = world.run(oauth.complete(world.context(), callback));
        assert_eq!((done.unwrap().again, &*url()), (again, host));
    }
}

#[test]
fn tokens_are_deleted_when_the_server_has_revoked_them() {
    let world = World::new();
    let oauth = world.authorized();
    let context = world.context();
    for (status, body) in [
        (503, ""),
        (400, r#"{"error": "unsupported_token_type"}"#),
        (302, ""),
    ] {
        world.server.fault(Fault::Answer(status, body.into()));
        let error = world
            .run(oauth.revoke(context, RevokeMode::Confirmed))
            .unwrap_err();
        assert_eq!(error.operation(), Some("revoke"));
        assert_eq!(
            state(&world, &oauth),
            AuthorizationState::Healthy,
            "{status}"
        );
    }
    world.server.fault(Fault::None);
    let done = world
        .run(oauth.revoke(context, RevokeMode::Confirmed))
        .unwrap();
    assert!(done.confirmed);
    assert_eq!(world.server.books().revoked, ["refresh-s-1", "access-s-1"]);
    assert_eq!(state(&world, &oauth), AuthorizationState::Revoked);
    let error = token(&world, &oauth).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReauthorizationRequired);
    // To be authorized again is fine.
    let callback = world.consent(&oauth);
    world.run(oauth.complete(context, callback)).unwrap();
    world.server.fault(Fault::Answer(503, String::new()));
    let done = world.run(oauth.revoke(context, RevokeMode::Force)).unwrap();
    assert!(!done.confirmed);
    assert_eq!(state(&world, &oauth), AuthorizationState::Revoked);
}

#[test]
fn a_check_uses_nothing_up() {
    let world = World::new();
    let oauth = world.authorized();
    let check = CredentialRequest::new().with_refresh(Refresh::Never);
    world.later(3_550);
    // It is about to end, and good all the same.
    world.run(oauth.credential(world.context(), check)).unwrap();
    world.later(100);
    world
        .run(oauth.credential(world.context(), check))
        .unwrap_err();
    assert_eq!(world.server.books().token_requests, 1);
}

#[test]
fn a_rejected_token_is_replaced_once() {
    let world = World::new();
    let oauth = world.authorized();
    let context = world.context();
    let credential = || {
        world
            .run(oauth.credential(context, CredentialRequest::new()))
            .unwrap()
    };
    let first = credential();
    world.later(60);
    let rejected = |credential| world.run(oauth.rejected(context, &credential)).unwrap();
    assert_eq!(rejected(first.clone()), AfterReject::TryAgain);
    let second = credential();
    assert_eq!((first.generation(), second.generation()), (1, 2));
    // Who comes late with the first one is told of the second.
    assert_eq!(rejected(first), AfterReject::TryAgain);
    // A new one that is rejected is no reason for another.
    assert_eq!(rejected(second.clone()), AfterReject::GiveUp);
    assert_eq!(world.server.books().token_requests, 2);
    world.later(60);
    world
        .server
        .fault(Fault::Answer(400, r#"{"error": "invalid_grant"}"#.into()));
    assert_eq!(rejected(second), AfterReject::GiveUp);
    let cause = ReauthorizationCause::RefreshRefused;
    assert_eq!(
        state(&world, &oauth),
        AuthorizationState::ReauthorizationRequired(cause)
    );
}

#[test]
fn without_a_refresh_token_a_person_must_come_again() {
    let world = World::new();
    let oauth = world.oauth(Grant::AuthorizationCode);
    let callback = world.consent(&oauth);
    world.server.fault(Fault::Fields(vec![(
        "refresh_token",
        serde_json::Value::Null,
    )]));
    world
        .run(oauth.complete(world.context(), callback))
        .unwrap();
    world.later(3_590);
    token(&world, &oauth).unwrap();
    world.later(20);
    let error = token(&world, &oauth).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReauthorizationRequired);
    assert_eq!(world.server.books().token_requests, 1);
}

#[test]
fn a_refresh_token_that_does_not_come_again_is_kept() {
    let world = World::new();
    let oauth = world.authorized();
    world.server.books().rotates = false;
    for generation in 2..5 {
        world.later(3_600);
        assert_eq!(
            token(&world, &oauth).unwrap(),
            format!("Bearer access-s-{generation}")
        );
    }
    assert_eq!(world.server.books().shown["refresh-s-1"], 3);
}

#[test]
fn a_server_may_describe_itself() {
    let world = World::new();
    let mut config = world.config(Grant::ClientCredentials, Arc::new(world.state.clone()));
    config.spec.endpoints = EndpointsSpec::Discovered("/.well-known/openid-configuration".into());
    let server = world.server.transport();
    let asked = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let count = Arc::clone(&asked);
    config.transport = Arc::new(syncline::memory::MemoryTransport::new(move |request| {
        if request.url.path() == "/.well-known/openid-configuration" {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let body = r#"{"issuer": "https://login.example.com", "token_endpoint": "https://login.example.com/token"}"#;
            return Ok(syncline::host::HttpResponse::of(request, 200, body));
        }
        use syncline::host::Transport as _;
        futures::executor::block_on(server.send(request.clone()))
    }));
    let oauth = OAuth::new(config).unwrap();
    token(&world, &oauth).unwrap();
    world.later(3_600);
    token(&world, &oauth).unwrap();
    assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[test]
fn paths_of_a_connector_are_paths() {
    for path in [
        "token",
        "//evil.example/token",
        "@evil.example/token",
        ".evil.example/token",
        ":80/token",
        "",
    ] {
        let world = World::new();
        let mut config = world.config(Grant::ClientCredentials, Arc::new(world.state.clone()));
        config.spec = spec();
        config.spec.endpoints = EndpointsSpec::Paths(EndpointPaths::new(path));
        let made = OAuth::new(config);
        if path == "//evil.example/token" {
            // A path that begins with two slashes, on our host.
            let oauth = made.unwrap();
            let _ = token(&world, &oauth);
            assert!(
                world
                    .server
                    .books()
                    .hosts
                    .iter()
                    .all(|host| host == "login.example.com")
            );
        } else {
            assert_eq!(made.unwrap_err().kind(), ErrorKind::Invalid, "{path}");
        }
    }
}
