//! Every order in which threads can take their turns, tried by a model checker: `.ci/models` runs them.
#![cfg(loom)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod executor;
mod lease;

use loom::model::Builder;
use loom::sync::atomic::{AtomicU64, Ordering};
use syncline::host::CancelToken;

/// Orders with at most so many switches that no thread asked for: enough for the mistakes that are made, and not for ever.
fn bounded(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

#[test]
fn who_sees_the_token_set_sees_what_was_done_before() {
    loom::model(|| {
        let token = CancelToken::new();
        let done = loom::sync::Arc::new(AtomicU64::new(0));
        let (elsewhere, work) = (token.clone(), done.clone());
        let other = loom::thread::spawn(move || {
            work.store(7, Ordering::Relaxed);
            elsewhere.cancel();
        });
        if token.is_cancelled() {
            assert_eq!(done.load(Ordering::Relaxed), 7);
        }
        other.join().unwrap();
        assert!(token.is_cancelled());
    });
}
