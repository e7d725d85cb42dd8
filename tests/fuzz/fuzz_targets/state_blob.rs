//! Any bytes as saved state: opened or refused with a reason, and no change of what was sealed goes unseen. Any names as a key: its
//! path gives it back. Any payload as a lease: read, or refused as corrupt.
#![no_main]
#![allow(clippy::expect_used)]

use std::sync::Arc;

use futures::executor::block_on;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use syncline::host::{Context, Expected, Saved, StateKey, StateKind, StateStore};
use syncline::job::{Lease, LeaseRequest};
use syncline::memory::{ManualClock, MemoryState};
use syncline::{ErrorKind, Tenant};

fn refused(kind: ErrorKind) {
    assert!(
        matches!(kind, ErrorKind::CorruptState | ErrorKind::NewerState),
        "{kind:?}"
    );
}

/// The bytes as they are.
fn opened(key: &StateKey, bytes: &[u8]) {
    match Saved::open(key, 3, &bytes.to_vec().into()) {
        Ok(saved) => {
            assert!(saved.version() <= 3);
            if let Err(error) = saved.payload::<Value>() {
                refused(error.kind());
            }
        }
        Err(error) => refused(error.kind()),
    }
}

/// A sealed payload, one byte of which is changed.
fn changed(key: &StateKey, payload: &Value, at: u8, by: u8) {
    let sealed = Saved::seal(key, 1, payload).expect("JSON is sealed");
    let saved = Saved::open(key, 1, &sealed).expect("what was sealed is opened");
    assert_eq!(saved.payload::<Value>().expect("it is JSON"), *payload);
    let mut bytes = sealed.to_vec();
    let at = usize::from(at) % bytes.len();
    if let Some(byte) = bytes.get_mut(at).filter(|_| by != 0) {
        *byte ^= by;
        refused(
            Saved::open(key, 1, &bytes.into())
                .expect_err("a changed byte is seen")
                .kind(),
        );
    }
}

/// A payload in the place of a lease.
fn leased(tenant: &Tenant, payload: &Value) {
    let key = StateKey::new(tenant, StateKind::Lease, ["job"]).expect("a key");
    let bytes = Saved::seal(&key, 1, payload).expect("JSON is sealed");
    let store = Arc::new(MemoryState::new());
    let _ = block_on(store.put(&key, bytes, Expected::Absent)).expect("memory takes it");
    let clock = ManualClock::new(chrono::DateTime::UNIX_EPOCH);
    let context = Context::new().with_clock(Arc::new(clock.clone()));
    let lease = Lease::acquire(&context, LeaseRequest::new(tenant.clone(), "job", store));
    if let Some(Err(error)) = clock.drive(lease) {
        assert!(
            matches!(error.kind(), ErrorKind::CorruptState | ErrorKind::Contract),
            "{error}"
        );
    }
}

fuzz_target!(|bytes: &[u8]| {
    let tenant = Tenant::new("acme").expect("a tenant");
    let key = StateKey::new(&tenant, StateKind::Checkpoint, ["job"]).expect("a key");
    opened(&key, bytes);
    let [at, by, rest @ ..] = bytes else {
        return;
    };
    if let Ok(payload) = serde_json::from_slice(rest) {
        changed(&key, &payload, *at, *by);
        leased(&tenant, &payload);
    }
    if let Ok(text) = std::str::from_utf8(rest) {
        if let Ok(key) = StateKey::from_path(text) {
            assert_eq!(key.path(), text);
        }
        if let Ok(key) = StateKey::new(&tenant, StateKind::Checkpoint, text.split('\n')) {
            let again = StateKey::from_path(key.path()).expect("a path is of its key");
            assert!(
                again
                    .parts()
                    .iter()
                    .map(String::as_str)
                    .eq(text.split('\n'))
            );
        }
    }
});
