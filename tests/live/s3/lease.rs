//! A lease that is kept on the server, by real clocks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use syncline::host::{Context, StateStore};
use syncline::job::{Lease, LeaseRequest, LeaseTerms};
use syncline::{ErrorKind, Tenant};

use super::server::{server, state};

/// Short, and still longer than a busy machine takes for a call.
pub(crate) fn terms() -> LeaseTerms {
    LeaseTerms::default()
        .with_ttl(Duration::from_secs(3))
        .with_write_timeout(Duration::from_millis(800))
        .with_margin(Duration::from_millis(400))
}

fn request(store: &Arc<dyn StateStore>) -> LeaseRequest {
    let tenant = Tenant::new("leases").unwrap();
    LeaseRequest::new(tenant, "nightly", Arc::clone(store)).with_terms(terms())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_runner_at_a_time() {
    let store: Arc<dyn StateStore> = Arc::new(state(&server().address));
    let context = Context::new();
    let first = Lease::acquire(&context, request(&store)).await.unwrap();
    // As long as it works it is renewed, and another one is told so.
    let (worked, other) = futures::join!(
        first.hold(&context, tokio::time::sleep(Duration::from_secs(4))),
        Lease::acquire(&context, request(&store)),
    );
    worked.unwrap();
    assert_eq!(other.unwrap_err().kind(), ErrorKind::Conflict);
    first.release().await.unwrap();

    // What was released is taken at once; what was left alone when its time is over.
    let second = Lease::acquire(&context, request(&store)).await.unwrap();
    assert_eq!(second.epoch(), 2);
    let waits = Instant::now();
    let third = Lease::acquire(&context, request(&store)).await.unwrap();
    assert_eq!(third.epoch(), 3);
    assert!(waits.elapsed() >= terms().ttl + terms().write_timeout);
    let late = second.renew(&context).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Conflict);
    third.renew(&context).await.unwrap();
    let late = second.hold(&context, async { "wrote" }).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Conflict);
}
