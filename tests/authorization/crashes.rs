//! A process that dies at any step of a refresh, or of a callback.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use syncline::Result;
use syncline::authorization::{
    Authorization, AuthorizationState, CredentialRequest, Grant, OAuth, ReauthorizationCause,
};
use syncline::host::{HttpRequest, HttpResponse, Transport};
use syncline::memory::{ManualClock, MemoryTransport};
use syncline::testing::{Effects, Ended, Fate, drive};

use super::server::World;

/// A transport that dies in front of the call or behind it.
#[derive(Debug, Clone)]
struct Dying {
    inner: MemoryTransport,
    /// Calls until it dies; none if it does not.
    left: Arc<Mutex<Option<u32>>>,
    behind: bool,
}

#[async_trait]
impl Transport for Dying {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse> {
        let dies = {
            let mut left = self.left.lock().unwrap();
            *left = left.map(|left| left.saturating_sub(1));
            *left == Some(0)
        };
        if dies && !self.behind {
            return std::future::pending().await;
        }
        let answer = self.inner.send(request).await;
        if dies {
            return std::future::pending().await;
        }
        answer
    }
}

/// Runs a future for at most so long, and drops it then: the process dies.
fn until_dead<F: Future>(clock: &ManualClock, future: F) -> Option<F::Output> {
    use syncline::host::Clock as _;
    let dead = clock.sleep(std::time::Duration::from_secs(1));
    match clock.drive(futures::future::select(Box::pin(future), dead))? {
        futures::future::Either::Left((done, _)) => Some(done),
        futures::future::Either::Right(_) => None,
    }
}

/// What the next process finds.
fn next_start(world: &World, what: &str) {
    let before = world.server.books().token_requests;
    let oauth = world.oauth(Grant::AuthorizationCode);
    let got = world.run(oauth.credential(world.context(), CredentialRequest::new()));
    let books = world.server.books();
    let calls = books.token_requests - before;
    drop(books);
    let state = world.run(oauth.state(world.context())).unwrap();
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
}

fn refreshable() -> World {
    let world = World::new();
    world.authorized();
    world.later(3_600);
    world
}

#[test]
fn a_process_dies_at_each_effect_on_the_store() {
    let mut number = 0;
    for fate in [Fate::CrashBefore, Fate::CrashAfter] {
        for at in 1.. {
            let world = refreshable();
            let effects = Effects::scripted([(at, fate)]);
            let oauth = world.oauth_on(
                Grant::AuthorizationCode,
                effects.state(Arc::new(world.state.clone())),
            );
            let got = oauth.credential(world.context(), CredentialRequest::new());
            if let Ended::Done(done) = drive(&world.clock, &effects, got) {
                done.unwrap();
                break;
            }
            number += 1;
            drop(oauth);
            next_start(&world, &format!("{fate:?} {at}"));
        }
    }
    assert!(number >= 6, "{number} deaths");
}

#[test]
fn a_process_dies_around_the_call() {
    for behind in [false, true] {
        let world = refreshable();
        let mut config = world.config(Grant::AuthorizationCode, Arc::new(world.state.clone()));
        config.transport = Arc::new(Dying {
            inner: world.server.transport(),
            left: Arc::new(Mutex::new(Some(1))),
            behind,
        });
        let oauth = OAuth::new(config).unwrap();
        let got = oauth.credential(world.context(), CredentialRequest::new());
        assert!(until_dead(&world.clock, got).is_none());
        next_start(&world, &format!("dead behind the call: {behind}"));
        // In front of it nothing was lost.
        let state = world.run(world.oauth(Grant::AuthorizationCode).state(world.context()));
        assert_eq!(state.unwrap() == AuthorizationState::Healthy, !behind);
    }
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
            let oauth = world.oauth_on(
                Grant::AuthorizationCode,
                effects.state(Arc::new(world.state.clone())),
            );
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
