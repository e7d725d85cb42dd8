//! Callbacks that nobody waits for, or that come from somebody else.

use std::sync::Arc;

use syncline::authorization::{
    BeginRequest, Callback, CredentialStore, Grant, OAuth, connection_of,
};
use syncline::host::{StateKind, StateStore as _};
use syncline::spec::{EndpointsSpec, Org};
use syncline::{Error, ErrorKind, Secret, Tenant};

use super::server::World;

/// A callback is refused, and its code goes nowhere.
fn refused(world: &World, oauth: &OAuth, callback: Callback) -> Error {
    let before = world.server.books().token_requests;
    let error = world
        .run(oauth.complete(world.context(), callback))
        .unwrap_err();
    assert_eq!(world.server.books().token_requests, before);
    error
}

fn mismatched(world: &World, oauth: &OAuth, callback: Callback) {
    let error = refused(world, oauth, callback);
    assert_eq!(error.kind(), ErrorKind::StateMismatch, "{error}");
}

#[test]
fn a_callback_counts_once() {
    let world = World::new();
    let oauth = world.oauth(Grant::AuthorizationCode);
    let callback = world.consent(&oauth);
    world
        .run(oauth.complete(world.context(), callback.clone()))
        .unwrap();
    mismatched(&world, &oauth, callback);
}

#[test]
fn of_two_callbacks_at_once_one_is_first() {
    let world = World::new();
    let (here, there) = (
        world.oauth(Grant::AuthorizationCode),
        world.oauth(Grant::AuthorizationCode),
    );
    let callback = world.consent(&here);
    let context = world.context();
    let (one, other) = world.run(futures::future::join(
        here.complete(context, callback.clone()),
        there.complete(context, callback),
    ));
    assert_eq!(u8::from(one.is_ok()) + u8::from(other.is_ok()), 1);
    assert_eq!(world.server.books().token_requests, 1);
}

#[test]
fn a_callback_is_of_whoever_asked() {
    let world = World::new();
    let oauth = world.oauth(Grant::AuthorizationCode);
    let callback = world.consent(&oauth);
    let with = |change: &dyn Fn(&mut Callback)| {
        let mut callback = callback.clone();
        change(&mut callback);
        callback
    };
    let changes: [&dyn Fn(&mut Callback); 6] = [
        &|callback| callback.session = Secret::new("another session"),
        &|callback| callback.session = Secret::new(""),
        &|callback| callback.state = Secret::new("guessed"),
        &|callback| callback.state = Secret::new(""),
        &|callback| callback.issuer = Some("https://evil.example".into()),
        &|callback| callback.issuer = Some("https://login.example.com/".into()),
    ];
    for change in changes {
        mismatched(&world, &oauth, with(change));
    }
    // Another tenant, which has a connection of this name too.
    let mut config = world.config(Grant::AuthorizationCode, Arc::new(world.state.clone()));
    let tenant = Tenant::new("evil").unwrap();
    let state = Arc::new(world.state.clone());
    config.store = CredentialStore::new(tenant, state, Arc::new(world.cipher.clone()));
    mismatched(&world, &OAuth::new(config).unwrap(), callback.clone());
    // Another connection of the same tenant, and another kind of organisation.
    let mut config = world.config(Grant::AuthorizationCode, Arc::new(world.state.clone()));
    config.connection = "erp".into();
    mismatched(&world, &OAuth::new(config).unwrap(), callback.clone());
    // All that harmed nothing.
    let store = world.store(Arc::new(world.state.clone()));
    assert_eq!(world.run(connection_of(&store, &callback)).unwrap(), "crm");
    let issuer = with(&|callback| callback.issuer = Some("https://login.example.com".into()));
    world.run(oauth.complete(world.context(), issuer)).unwrap();
    assert!(world.run(connection_of(&store, &callback)).is_err());
}

#[test]
fn a_callback_of_another_kind_of_organisation_is_refused() {
    let world = World::new();
    let production = world.oauth(Grant::AuthorizationCode);
    let callback = world.consent(&production);
    let mut config = world.config(Grant::AuthorizationCode, Arc::new(world.state.clone()));
    config.org = Org::Sandbox;
    mismatched(&world, &OAuth::new(config).unwrap(), callback);
}

#[test]
fn a_callback_comes_within_ten_minutes() {
    let world = World::new();
    let oauth = world.oauth(Grant::AuthorizationCode);
    let (early, late) = (world.consent(&oauth), world.consent(&oauth));
    world.later(599);
    world.run(oauth.complete(world.context(), early)).unwrap();
    world.later(1);
    mismatched(&world, &oauth, late);
    // It is swept away when somebody else begins.
    world.consent(&oauth);
    let tenant = Tenant::new("acme").unwrap();
    let keys = world
        .run(world.state.list(&tenant, StateKind::Consent, None, 10))
        .unwrap();
    assert_eq!(keys.len(), 1);
}

#[test]
fn a_server_that_says_that_it_names_itself_must() {
    let world = World::new();
    let mut config = world.config(Grant::AuthorizationCode, Arc::new(world.state.clone()));
    if let EndpointsSpec::Paths(paths) = &mut config.spec.endpoints {
        paths.issuer = Some("/eu".into());
    }
    let oauth = OAuth::new(config).unwrap();
    let callback = world.consent(&oauth);
    mismatched(&world, &oauth, callback.clone());
    let named = |issuer: &str| {
        let mut callback = callback.clone();
        callback.issuer = Some(issuer.into());
        callback
    };
    mismatched(&world, &oauth, named("https://login.example.com"));
    let done = oauth.complete(world.context(), named("https://login.example.com/eu"));
    world.run(done).unwrap();
}

#[test]
fn who_does_not_consent_has_used_up_the_state() {
    let world = World::new();
    let oauth = world.oauth(Grant::AuthorizationCode);
    for (error, said) in [
        ("access_denied", "access_denied"),
        ("<b>hunter2</b>", "a code that the protocol does not have"),
    ] {
        let mut callback = world.consent(&oauth);
        callback.error = Some(error.into());
        let refusal = refused(&world, &oauth, callback.clone());
        assert_eq!(refusal.kind(), ErrorKind::ReauthorizationRequired);
        assert!(refusal.to_string().contains(said), "{refusal}");
        callback.error = None;
        mismatched(&world, &oauth, callback);
    }
    let mut callback = world.consent(&oauth);
    callback.code = None;
    mismatched(&world, &oauth, callback);
}

#[test]
fn callbacks_that_are_none_are_refused() {
    for query in [
        "",
        "code=a",
        "state=a&state=b",
        "code=a&code=b&state=c",
        "?iss=a&iss=b&state=c",
    ] {
        let error = Callback::from_query("session", query).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StateMismatch, "{query}");
    }
    let callback = Callback::from_query("session", "?state=a%20b&code=c%2Bd&other=e").unwrap();
    assert_eq!(
        (callback.state.expose(), callback.code.unwrap().expose()),
        ("a b", "c+d")
    );
}

#[test]
fn each_consent_has_a_state_and_a_verifier_of_its_own() {
    let world = World::new();
    let oauth = world.oauth(Grant::AuthorizationCode);
    let mut seen = std::collections::HashSet::new();
    for _ in 0..100 {
        let redirect = "https://host.example.com/callback".parse().unwrap();
        let begun = oauth.begin(world.context(), BeginRequest::new("session", redirect));
        let url = world.run(begun).unwrap().url;
        for (name, value) in url.query_pairs() {
            if name == "state" || name == "code_challenge" {
                assert_eq!(value.len(), 43);
                assert!(seen.insert(value.into_owned()));
            }
        }
    }
}

#[test]
fn a_connector_does_not_set_what_is_the_protocols() {
    let world = World::new();
    let mut config = world.config(Grant::AuthorizationCode, Arc::new(world.state.clone()));
    config.spec = config.spec.with_authorize("access_type", "offline");
    let oauth = OAuth::new(config.clone()).unwrap();
    world.consent(&oauth);
    for name in ["state", "code_challenge_method", "redirect_uri"] {
        let mut config = config.clone();
        config.spec = config.spec.with_authorize(name, "plain");
        let oauth = OAuth::new(config).unwrap();
        let redirect = "https://host.example.com/callback".parse().unwrap();
        let begun = oauth.begin(world.context(), BeginRequest::new("session", redirect));
        assert_eq!(world.run(begun).unwrap_err().kind(), ErrorKind::Invalid);
    }
}
