//! Many tasks and processes that want a token at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::join_all;
use syncline::Result;
use syncline::Tenant;
use syncline::authorization::{Authorization, CredentialRequest, Grant};
use syncline::host::{
    Clock, Expected, StateKey, StateKind, StateStore, StateVersion, Stored, Swap, SystemClock,
};
use syncline::memory::{ManualClock, MemoryState};

use super::server::World;

/// A client of a store that takes its time for each call, another one each time.
#[derive(Debug)]
struct Slow {
    store: MemoryState,
    clock: ManualClock,
    calls: AtomicU64,
}

impl Slow {
    async fn wait(&self) {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let time = call.wrapping_mul(2_654_435_761) % 50;
        self.clock.sleep(Duration::from_millis(time)).await;
    }
}

#[async_trait]
impl StateStore for Slow {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>> {
        self.wait().await;
        let found = self.store.get(key).await;
        self.wait().await;
        found
    }

    async fn put(&self, key: &StateKey, bytes: Bytes, expected: Expected) -> Result<Swap> {
        self.wait().await;
        let put = self.store.put(key, bytes, expected).await;
        self.wait().await;
        put
    }

    async fn delete(&self, key: &StateKey, expected: StateVersion) -> Result<bool> {
        self.wait().await;
        self.store.delete(key, expected).await
    }

    async fn list(
        &self,
        tenant: &Tenant,
        kind: StateKind,
        start_after: Option<&StateKey>,
        limit: usize,
    ) -> Result<Vec<StateKey>> {
        self.store.list(tenant, kind, start_after, limit).await
    }
}

#[test]
fn a_thousand_tasks_over_eight_clients_refresh_each_generation_once() {
    let world = World::new();
    world.authorized();
    let clients: Vec<_> = (0..8)
        .map(|client| {
            let slow = Slow {
                store: world.state.clone(),
                clock: world.clock.clone(),
                calls: AtomicU64::new(client * 1_000),
            };
            world.oauth_on(Grant::AuthorizationCode, Arc::new(slow))
        })
        .collect();
    for generation in 2..=5 {
        world.later(3_700);
        let context = world.context();
        let tasks =
            (0..1_000).map(|task| clients[task % 8].credential(context, CredentialRequest::new()));
        let credentials = world.run(join_all(tasks));
        for credential in credentials {
            assert_eq!(credential.unwrap().generation(), generation);
        }
    }
    let books = world.server.books();
    // Each refresh token was shown once, and none was taken for stolen.
    assert!(
        books.shown.values().all(|times| *times == 1),
        "{:?}",
        books.shown
    );
    assert_eq!((books.shown.len(), books.token_requests), (4, 5));
}

#[test]
fn threads_refresh_each_generation_once() {
    let world = World::new();
    world.authorized();
    world.later(3_700);
    // On the machine's clock, whose time is later still.
    let context = world.context().clone().with_clock(Arc::new(SystemClock));
    let clients: Vec<_> = (0..8)
        .map(|_| world.oauth(Grant::AuthorizationCode))
        .collect();
    std::thread::scope(|scope| {
        for client in &clients {
            let context = context.clone();
            scope.spawn(move || {
                let tasks = (0..125).map(|_| client.credential(&context, CredentialRequest::new()));
                for credential in futures::executor::block_on(join_all(tasks)) {
                    assert_eq!(credential.unwrap().generation(), 2);
                }
            });
        }
    });
    assert_eq!(world.server.books().token_requests, 2);
}

#[test]
fn rejected_at_once_by_many_is_refreshed_once() {
    let world = World::new();
    let oauth = world.authorized();
    let context = world.context();
    let first = world
        .run(oauth.credential(context, CredentialRequest::new()))
        .unwrap();
    world.later(60);
    let clients: Vec<_> = (0..8)
        .map(|_| world.oauth(Grant::AuthorizationCode))
        .collect();
    let tasks = (0..400).map(|task| clients[task % 8].rejected(context, &first));
    for after in world.run(join_all(tasks)) {
        assert_eq!(
            after.unwrap(),
            syncline::authorization::AfterReject::TryAgain
        );
    }
    assert_eq!(world.server.books().token_requests, 2);
}

#[test]
fn who_has_a_token_that_is_good_does_not_wait_for_a_refresh() {
    let world = World::new();
    let oauth = world.authorized();
    world.later(3_570);
    // Another process has begun to refresh, and stands still.
    let slow = Slow {
        store: world.state.clone(),
        clock: world.clock.clone(),
        calls: AtomicU64::new(0),
    };
    let other = world.oauth_on(Grant::AuthorizationCode, Arc::new(slow));
    let context = world.context();
    let mut refreshing = Box::pin(other.credential(context, CredentialRequest::new()));
    let mut task = std::task::Context::from_waker(std::task::Waker::noop());
    for _ in 0..3 {
        assert!(refreshing.as_mut().poll(&mut task).is_pending());
        world.clock.leap();
    }
    let here = world
        .run(oauth.credential(context, CredentialRequest::new()))
        .unwrap();
    assert!(here.generation() <= 2);
    world.run(refreshing).unwrap();
    assert_eq!(world.server.books().token_requests, 2);
}
