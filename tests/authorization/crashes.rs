//! A process that dies at any step of a refresh, or of a callback.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use syncline::authorization::{
    AfterReject, Authorization, AuthorizationState, BeginRequest, CredentialRequest,
    CredentialStore, Grant, OAuth, ReauthorizationCause, RevokeMode,
};
use syncline::host::{Clock as _, HttpRequest};
use syncline::testing::{Effects, Ended, Fate, drive};
use syncline::{ErrorKind, Result};

use super::server::World;

/// A process whose store and network are disturbed.
fn disturbed(world: &World, effects: &Effects) -> OAuth {
    let state = effects.state(Arc::new(world.state.clone()));
    let mut config = world.config(Grant::AuthorizationCode, state);
    config.transport = effects.transport(Arc::new(world.server.transport()));
    OAuth::new(config).unwrap()
}

/// What the next process finds: whether there is a token, or a person must act.
fn next_start(world: &World, what: &str) -> bool {
    let before = world.server.books().token_requests;
    let oauth = world.oauth(Grant::AuthorizationCode);
    let got = world.run(oauth.credential(world.context(), CredentialRequest::new()));
    let books = world.server.books();
    let calls = books.token_requests - before;
    drop(books);
    let state = world.run(oauth.state(world.context())).unwrap();
    let valid = got.is_ok();
    match got {
        Ok(credential) => {
            let request = HttpRequest::get(credential.url("/users").unwrap());
            let request = credential.attach(request).unwrap();
            let bearer = request.headers["authorization"].to_str().unwrap();
            let newest = world.server.books().access.last().unwrap().clone();
            assert_eq!(bearer, format!("Bearer {newest}"), "{what}");
        }
        Err(error) => {
            let cause = ReauthorizationCause::RefreshRefused;
            assert_eq!(
                state,
                AuthorizationState::ReauthorizationRequired(cause),
                "{what}: {error}"
            );
            // No loop: nothing is asked any more.
            world.later(4_000);
            let asked = world.server.books().token_requests;
            world
                .run(oauth.credential(world.context(), CredentialRequest::new()))
                .unwrap_err();
            assert_eq!(world.server.books().token_requests, asked, "{what}");
        }
    }
    assert!(calls <= 2, "{what}: {calls} calls");
    assert!(
        world.server.books().shown.values().all(|times| *times <= 2),
        "{what}"
    );
    valid
}

fn refreshable() -> World {
    let world = World::new();
    world.authorized();
    world.later(3_600);
    world
}

#[test]
fn a_process_dies_at_each_effect_of_a_refresh() {
    let (mut number, mut lost) = (0, 0);
    for fate in [Fate::CrashBefore, Fate::CrashAfter] {
        for at in 1.. {
            let world = refreshable();
            let effects = Effects::scripted([(at, fate)]);
            let oauth = disturbed(&world, &effects);
            let got = oauth.credential(world.context(), CredentialRequest::new());
            if let Ended::Done(done) = drive(&world.clock, &effects, got) {
                done.unwrap();
                break;
            }
            number += 1;
            drop(oauth);
            let valid = next_start(&world, &format!("{fate:?} {at}"));
            lost += u32::from(!valid);
        }
    }
    assert!(number >= 6, "{number} deaths");
    // Behind the call, and in front of the swap that saves what it brought.
    assert_eq!(lost, 2);
}

#[test]
fn a_store_that_fails_loses_no_token() {
    let mut failed = 0;
    for fate in [Fate::Fail(true), Fate::FailAfter(true)] {
        for at in 1.. {
            let world = refreshable();
            let effects = Effects::scripted([(at, fate)]);
            let oauth = world.oauth_on(
                Grant::AuthorizationCode,
                effects.state(Arc::new(world.state.clone())),
            );
            let got = world.run(oauth.credential(world.context(), CredentialRequest::new()));
            let reached = effects.trace().iter().any(|effect| effect.number == at);
            if got.is_err() {
                // A failure before the call leaves all as it was, but for a claim at most.
                assert_eq!(world.server.books().token_requests, 1, "{fate:?} {at}");
                let oauth = world.oauth(Grant::AuthorizationCode);
                world
                    .run(oauth.credential(world.context(), CredentialRequest::new()))
                    .unwrap();
            }
            assert_eq!(world.server.books().token_requests, 2, "{fate:?} {at}");
            if !reached {
                break;
            }
            failed += 1;
        }
    }
    assert!(failed >= 6, "{failed} failures");
}

#[test]
fn a_process_dies_amid_a_callback() {
    for fate in [Fate::CrashBefore, Fate::CrashAfter] {
        for at in 1.. {
            let world = World::new();
            let callback = world.consent(&world.oauth(Grant::AuthorizationCode));
            let effects = Effects::scripted([(at, fate)]);
            let oauth = disturbed(&world, &effects);
            let done = oauth.complete(world.context(), callback.clone());
            if let Ended::Done(done) = drive(&world.clock, &effects, done) {
                done.unwrap();
                break;
            }
            // The callback counts once at most, and a person can always begin again.
            let again = world.oauth(Grant::AuthorizationCode);
            let _ = world.run(again.complete(world.context(), callback.clone()));
            assert!(
                world
                    .run(again.complete(world.context(), callback))
                    .is_err()
            );
            assert!(world.server.books().token_requests <= 2);
            let callback = world.consent(&again);
            world
                .run(again.complete(world.context(), callback))
                .unwrap();
        }
    }
}

/// Authorized by a person, used, refreshed, rejected, revoked and authorized once more.
async fn life(world: &World, oauth: &OAuth) -> Result<()> {
    let context = world.context();
    authorize(world, oauth).await?;
    oauth.credential(context, CredentialRequest::new()).await?;
    world.clock.sleep(Duration::from_secs(3_600)).await;
    let credential = oauth.credential(context, CredentialRequest::new()).await?;
    world.clock.sleep(Duration::from_secs(60)).await;
    let after = oauth.rejected(context, &credential).await?;
    assert_eq!(after, AfterReject::TryAgain);
    let done = oauth.revoke(context, RevokeMode::Confirmed).await?;
    assert!(done.confirmed);
    authorize(world, oauth).await
}

async fn authorize(world: &World, oauth: &OAuth) -> Result<()> {
    let redirect = "https://host.example.com/callback".parse().unwrap();
    let begun = oauth.begin(world.context(), BeginRequest::new("session", redirect));
    let callback = world.callback(&begun.await?.url);
    oauth.complete(world.context(), callback).await?;
    Ok(())
}

#[test]
fn a_process_dies_at_each_effect_of_a_whole_life() {
    let mut ends = BTreeMap::new();
    for fate in [Fate::CrashBefore, Fate::CrashAfter] {
        for at in 1.. {
            let world = World::new();
            let effects = Effects::scripted([(at, fate)]);
            let oauth = disturbed(&world, &effects);
            if let Ended::Done(done) = drive(&world.clock, &effects, life(&world, &oauth)) {
                done.unwrap();
                break;
            }
            drop(oauth);
            let what = format!("{fate:?} {at}");
            // Whoever comes next, and late: no token lasts.
            world.later(7_200);
            let oauth = world.oauth(Grant::AuthorizationCode);
            let asked = || world.server.books().token_requests;
            let (before, context) = (asked(), world.context());
            let got = world.run(oauth.credential(context, CredentialRequest::new()));
            assert!(asked() <= before + 1, "{what}");
            let state = world.run(oauth.state(context)).unwrap();
            if let Err(error) = &got {
                assert_eq!(error.kind(), ErrorKind::ReauthorizationRequired, "{what}");
                let (before, ask) = (asked(), CredentialRequest::new());
                world.later(7_200);
                world.run(oauth.credential(context, ask)).unwrap_err();
                assert_eq!(asked(), before, "{what}");
            }
            *ends.entry((got.is_ok(), state.word())).or_insert(0) += 1;
            // A person can always act, and what they act upon can be revoked.
            world.run(authorize(&world, &oauth)).unwrap();
            assert_eq!(next_state(&world), AuthorizationState::Healthy, "{what}");
            let revoked = world.run(oauth.revoke(context, RevokeMode::Confirmed));
            assert!(revoked.unwrap().confirmed, "{what}");
            assert_eq!(next_state(&world), AuthorizationState::Revoked, "{what}");
        }
    }
    println!("{ends:?}");
    let number = |valid, state| ends.get(&(valid, state)).copied().unwrap_or(0);
    // Each refresh loses its token in two ways: behind its call, and in front of the swap that saves what it brought. And who dies
    // amid a revocation leaves tokens that are revoked: behind the first call, at both sides of the second, in front of the swap.
    assert_eq!(number(false, "reauthorization_required"), 2 * 2 + 4);
    assert!(
        number(true, "healthy") > 10 && number(false, "unauthorized") > 10,
        "{ends:?}"
    );
    assert!(number(false, "revoked") > 10, "{ends:?}");
    assert_eq!(ends.len(), 4, "{ends:?}");
}

fn next_state(world: &World) -> AuthorizationState {
    let oauth = world.oauth(Grant::AuthorizationCode);
    world.run(oauth.state(world.context())).unwrap()
}

#[test]
fn a_cipher_that_fails_loses_no_token() {
    for at in 1..4 {
        let world = World::new();
        world.authorized();
        world.later(3_600);
        let effects = Effects::scripted([(at, Fate::Fail(true))]);
        let mut config = world.config(Grant::AuthorizationCode, Arc::new(world.state.clone()));
        let cipher = effects.cipher(Arc::new(world.cipher.clone()));
        let tenant = syncline::Tenant::new("acme").unwrap();
        config.store = CredentialStore::new(tenant, Arc::new(world.state.clone()), cipher);
        let oauth = OAuth::new(config).unwrap();
        let got = oauth.credential(world.context(), CredentialRequest::new());
        let got = world.run(got);
        // Whoever had the new token in hand could not keep it: then a person must act, and it says so.
        let cause = ReauthorizationCause::RefreshRefused;
        let lost = AuthorizationState::ReauthorizationRequired(cause);
        world.later(60);
        let again = world.oauth(Grant::AuthorizationCode);
        let next = world.run(again.credential(world.context(), CredentialRequest::new()));
        let state = world.run(again.state(world.context())).unwrap();
        assert!(next.is_ok() || state == lost, "at {at}: {got:?}, {next:?}");
        assert!(
            world.server.books().shown.values().all(|times| *times <= 2),
            "at {at}"
        );
    }
}
