//! A lease that several threads renew, and one that is given back meanwhile.

use std::sync::Arc;

use loom::future::block_on;
use syncline::host::{CancelToken, Context};
use syncline::job::{Lease, LeaseRequest};
use syncline::memory::{ManualClock, MemoryState};
use syncline::{ErrorKind, Tenant};

use super::bounded;

struct Scene {
    context: Context,
    store: Arc<MemoryState>,
}

impl Scene {
    fn new() -> Self {
        let clock = ManualClock::new(chrono::DateTime::UNIX_EPOCH);
        Scene {
            context: Context::new().with_clock(Arc::new(clock)),
            store: Arc::new(MemoryState::new()),
        }
    }

    fn acquire(&self) -> syncline::Result<Lease> {
        let tenant = Tenant::new("acme").unwrap();
        let request = LeaseRequest::new(tenant, "nightly", self.store.clone());
        block_on(Lease::acquire(&self.context, request))
    }
}

#[test]
fn renewals_beside_each_other_never_lose_the_lease() {
    bounded(|| {
        let scene = Scene::new();
        let lease = Arc::new(scene.acquire().unwrap());
        let (beside, context) = (lease.clone(), scene.context.clone());
        let other = loom::thread::spawn(move || block_on(beside.renew(&context)).unwrap());
        block_on(lease.renew(&scene.context)).unwrap();
        assert!(lease.may_write(&scene.context).is_ok());
        other.join().unwrap();
        // Whatever each of them took for the newest version, the next one finds its way.
        block_on(lease.renew(&scene.context)).unwrap();
        let lease = Arc::into_inner(lease).unwrap();
        block_on(lease.release()).unwrap();
        assert_eq!(scene.acquire().unwrap().epoch(), 2);
    });
}

#[test]
fn of_two_runners_one_has_the_lease() {
    bounded(|| {
        let mut scene = Scene::new();
        block_on(scene.acquire().unwrap().release()).unwrap();
        // Whoever finds that the other one has it would wait until it runs out.
        let stop = CancelToken::new();
        stop.cancel();
        scene.context = scene.context.with_cancel(stop);
        let scene = Arc::new(scene);
        let beside = scene.clone();
        let other = loom::thread::spawn(move || beside.acquire());
        let own = scene.acquire();
        let both = [own, other.join().unwrap()];
        let held: Vec<&Lease> = both.iter().flatten().collect();
        assert_eq!(held.len(), 1, "{both:?}");
        let lost = both.iter().find_map(|lease| lease.as_ref().err()).unwrap();
        assert_eq!(held[0].epoch(), 2);
        assert!(
            matches!(lost.kind(), ErrorKind::Conflict | ErrorKind::Cancelled),
            "{lost}"
        );
    });
}
