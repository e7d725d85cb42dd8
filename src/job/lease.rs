//! One runner for each job, over all processes and machines that share a state store.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, PoisonError};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::host::sync::{Mutex, MutexGuard};
use crate::host::{
    Bug, Context, Expected, Saved, StateKey, StateKind, StateStore, StateVersion, Swap, unique,
};
use crate::name::Tenant;
use crate::policy::{Patience, RetryPolicy, Timeouts};
use crate::{Error, ErrorKind, Result, Retry};

/// The newest format of a saved lease.
const FORMAT: u8 = 1;

/// How long a lease lasts, and how long before its end its holder stops to write.
///
/// ```
/// use std::time::Duration;
/// use syncline::job::LeaseTerms;
///
/// let terms = LeaseTerms::default().with_write_timeout(Duration::from_secs(5));
/// assert_eq!(terms.ttl, Duration::from_secs(90));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseTerms {
    /// How long it lasts from its last renewal on; it is renewed when a third has passed. Its store has a twelfth to answer each call, so
    /// one that is not answered is made again in time. 90 seconds.
    pub ttl: Duration,
    /// The longest that an opening, write, patch, delete or commit takes to land at a destination once it was sent, though nobody may wait for it
    /// any more. 30 seconds. A run [under a lease](super::RunRequest::with_lease) waits no longer than this for any of them, or for its
    /// reject ledger, whatever its [timeouts](crate::policy::Timeouts) say. Where commits take longer, lengthen this and `ttl`.
    pub write_timeout: Duration,
    /// The longest that a runner may stand still between its look at the lease and a write, and what its clock may be
    /// slower than another one's over the whole of the lease. 10 seconds.
    pub margin: Duration,
}

impl Default for LeaseTerms {
    fn default() -> Self {
        LeaseTerms {
            ttl: Duration::from_secs(90),
            write_timeout: Duration::from_secs(30),
            margin: Duration::from_secs(10),
        }
    }
}

impl LeaseTerms {
    /// Lasts this long.
    #[must_use]
    pub fn with_ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Openings, writes, patches, deletes and commits land within this time.
    #[must_use]
    pub fn with_write_timeout(mut self, timeout: Duration) -> Self {
        self.write_timeout = timeout;
        self
    }

    /// Keeps this margin.
    #[must_use]
    pub fn with_margin(mut self, margin: Duration) -> Self {
        self.margin = margin;
        self
    }

    /// What must be left of a lease for a write.
    fn reserve(&self) -> Duration {
        if Bug::NoLeaseMargin.is_on() {
            return Duration::ZERO;
        }
        self.write_timeout.saturating_add(self.margin)
    }

    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) if no lease can be held so.
    pub(crate) fn check(&self) -> Result<()> {
        // A renewal comes after a third, and has the sixth up to the half: time for one that is not answered, and another.
        if self.reserve() < self.ttl / 2 {
            return Ok(());
        }
        let message = "a lease must last more than twice as long as write timeout and margin together; lengthen `ttl`, or shorten these";
        Err(Error::new(ErrorKind::Invalid, message).during("acquire lease"))
    }
}

/// Whose lease, and where it is kept.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LeaseRequest {
    /// Whom the job belongs to.
    pub tenant: Tenant,
    /// The job.
    pub job: String,
    /// Where leases are kept; the store of the job's checkpoints, or any other that all its runners share.
    pub store: Arc<dyn StateStore>,
    /// What people call this runner, such as the name of its machine: it stands in the errors of others.
    pub runner: String,
    /// How long, and how careful.
    pub terms: LeaseTerms,
}

impl LeaseRequest {
    /// The lease of a job, with the default terms.
    pub fn new(tenant: Tenant, job: impl Into<String>, store: Arc<dyn StateStore>) -> Self {
        LeaseRequest {
            tenant,
            job: job.into(),
            store,
            runner: "a runner without a name".into(),
            terms: LeaseTerms::default(),
        }
    }

    /// Names the runner.
    #[must_use]
    pub fn with_runner(mut self, runner: impl Into<String>) -> Self {
        self.runner = runner.into();
        self
    }

    /// With these terms.
    #[must_use]
    pub fn with_terms(mut self, terms: LeaseTerms) -> Self {
        self.terms = terms;
        self
    }
}

/// What is saved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedLease {
    /// Goes up with each holder, for ever: a released lease stays.
    epoch: u64,
    /// Drawn by the holder, so that it knows its own lease again.
    holder: String,
    runner: String,
    /// Goes up with each attempt to write it, so that no two have the same bytes.
    beat: u64,
    released: bool,
    ttl_ms: u64,
    write_timeout_ms: u64,
}

/// The right to run a job: at any time one runner has it.
///
/// [`hold`](Lease::hold) runs a future and renews the lease beside it. The lease's [`epoch`](Lease::epoch) is higher than that of every
/// holder before: a run that is [given](super::RunRequest::with_epoch) it fences them at its checkpoint, and at destinations that
/// fence.
///
/// **The rule for destinations that do not fence.** No message can stop a write that is under way, so time must:
///
/// 1. A holder counts its lease from the moment *before* it asked for it. It begins no write, and goes on with none,
///    unless more than write timeout and margin are left. `hold` looks before every step of what it runs.
/// 2. A successor does not believe clocks of others. It waits, by its own clock, until the lease has stood unchanged for the
///    holder's whole time *and* write timeout, counted from the moment *after* it first saw it. A lease that was released it takes at
///    once.
/// 3. So the last write of the old holder has landed before the first of the new one is sent, as long as a write, patch, delete or
///    commit takes no longer than the write timeout, a runner does not stand still for longer than the margin *between its look and its
///    write*, and clocks do not run apart by more than the margin in one lease. However long it stands still elsewhere, it sees
///    afterwards that its time is over.
///
/// A holder trusts the larger of what its two clocks say has passed: the one that never jumps, and the
/// calendar's, which goes on while a machine is suspended. Only a machine that is suspended and whose calendar is set back meanwhile
/// deceives it.
///
/// What the rule cannot give, fencing does: a holder that is late in spite of all cannot move saved state, because its
/// compare-and-swap fails.
///
/// ```
/// # futures::executor::block_on(async {
/// use std::sync::Arc;
/// use syncline::host::Context;
/// use syncline::job::{Lease, LeaseRequest};
/// use syncline::memory::MemoryState;
/// use syncline::{ErrorKind, Tenant};
///
/// let context = Context::new();
/// let request = LeaseRequest::new(Tenant::new("acme")?, "nightly", Arc::new(MemoryState::new()));
/// let lease = Lease::acquire(&context, request.clone()).await?;
/// assert_eq!(lease.epoch(), 1);
/// let sum = lease.hold(&context, async { 1 + 1 }).await?;
/// assert_eq!(sum, 2);
/// lease.release().await?;
/// assert_eq!(Lease::acquire(&context, request).await?.epoch(), 2);
/// # Ok::<(), syncline::Error>(())
/// # }).unwrap();
/// ```
pub struct Lease {
    request: LeaseRequest,
    key: StateKey,
    holder: String,
    epoch: u64,
    held: Mutex<Held>,
}

/// What the last renewal left.
#[derive(Debug, Clone)]
struct Held {
    version: StateVersion,
    /// The number of the last attempt to write it.
    beat: u64,
    since: Moment,
}

/// A moment on both clocks.
#[derive(Debug, Clone, Copy)]
struct Moment {
    calendar: DateTime<Utc>,
    monotonic: Duration,
}

impl Moment {
    fn now(context: &Context) -> Self {
        Moment {
            calendar: context.clock().now(),
            monotonic: context.clock().monotonic(),
        }
    }

    /// The time since then, the longer of the two.
    fn passed(self, now: Moment) -> Duration {
        let calendar = now.calendar.signed_duration_since(self.calendar);
        let monotonic = now.monotonic.saturating_sub(self.monotonic);
        monotonic.max(calendar.to_std().unwrap_or_default())
    }
}

/// What stands under the key of a lease.
struct Found {
    version: StateVersion,
    saved: SavedLease,
}

impl Lease {
    /// Takes the lease of a job. Where one stands that was not released, waits until it is renewed, which is an error, or
    /// until its time is over, which takes its whole time and the write timeout of its holder.
    ///
    /// # Errors
    /// [`Conflict`](ErrorKind::Conflict), with the time after which to try again, if another runner has it;
    /// [`Cancelled`](ErrorKind::Cancelled) while waiting; [`Invalid`](ErrorKind::Invalid) terms; state that cannot be read; and the
    /// store's own errors.
    pub async fn acquire(context: &Context, mut request: LeaseRequest) -> Result<Self> {
        request.terms.check()?;
        // One that is never answered must leave time for the next.
        let timeouts = Timeouts::all(request.terms.ttl / 12);
        let patience = Patience::new(context, RetryPolicy::never(), timeouts);
        request.store = patience.state(request.store);
        let key = StateKey::new(&request.tenant, StateKind::Lease, [&*request.job])?;
        let holder = unique(context.entropy());
        let (epoch, expected) = match find(&*request.store, &key).await? {
            None => (1, Expected::Absent),
            Some(found) => {
                if !found.saved.released {
                    outwait(context, &*request.store, &key, &found).await?;
                }
                let epoch = found.saved.epoch.checked_add(1).ok_or_else(|| {
                    Error::contract("the epochs of a lease are used up").with("key", &key)
                })?;
                (epoch, Expected::Version(found.version))
            }
        };
        let since = Moment::now(context);
        let lease = Lease {
            request,
            key,
            holder,
            epoch,
            held: Mutex::new(Held {
                version: StateVersion::new(""),
                beat: 0,
                since,
            }),
        };
        let version = lease.put(0, false, expected).await?;
        lease.held().version = version;
        Ok(lease)
    }

    /// Higher than that of every holder before.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// What is left of it, unless it is renewed; zero when it is over.
    pub fn remaining(&self, context: &Context) -> Duration {
        let passed = self.held().since.passed(Moment::now(context));
        self.request.terms.ttl.saturating_sub(passed)
    }

    /// Whether a write may be begun.
    ///
    /// # Errors
    /// [`Conflict`](ErrorKind::Conflict) if no more than write timeout and margin are left.
    pub fn may_write(&self, context: &Context) -> Result<()> {
        if self.remaining(context) > self.request.terms.reserve() {
            return Ok(());
        }
        let message =
            "the lease was not renewed in time, and another runner may take it; the run must end";
        Err(Error::new(ErrorKind::Conflict, message)
            .during("hold lease")
            .with("job", &self.request.job)
            .with("epoch", self.epoch))
    }

    /// Renews it: its time begins anew.
    ///
    /// # Errors
    /// [`Conflict`](ErrorKind::Conflict) if another runner has it, and the store's own: then it may or may not be renewed, and another
    /// try is fine.
    pub async fn renew(&self, context: &Context) -> Result<()> {
        let since = Moment::now(context);
        let (beat, version) = self.next_beat();
        let version = self.put(beat, false, Expected::Version(version)).await?;
        let mut held = self.held();
        held.version = version;
        held.since = since;
        Ok(())
    }

    /// Runs `work`, and renews the lease beside it. `work` is dropped, which is a crash to it, at the first step before which
    /// the lease has too little time left.
    ///
    /// # Errors
    /// [`Conflict`](ErrorKind::Conflict) if the lease was lost.
    pub async fn hold<F: Future>(&self, context: &Context, work: F) -> Result<F::Output> {
        let mut renewing = pin!(self.keep_renewing(context));
        let mut work = pin!(work);
        poll_fn(|task| {
            if let Poll::Ready(lost) = renewing.as_mut().poll(task) {
                return Poll::Ready(Err(lost));
            }
            match self.may_write(context) {
                Ok(()) => work.as_mut().poll(task).map(Ok),
                Err(lost) => Poll::Ready(Err(lost)),
            }
        })
        .await
    }

    /// Gives it back, so that the next runner need not wait. Only when each write was answered: one that was given up may still
    /// land, and then the lease is better left to run out.
    ///
    /// # Errors
    /// [`Conflict`](ErrorKind::Conflict) if another runner has it, and the store's own.
    pub async fn release(self) -> Result<()> {
        let (beat, version) = self.next_beat();
        self.put(beat, true, Expected::Version(version)).await?;
        Ok(())
    }

    /// Gives it back and leaves nothing of it: for a name that nobody uses again, since epochs begin anew.
    ///
    /// # Errors
    /// [`Conflict`](ErrorKind::Conflict) if another runner has it, and the store's own.
    pub async fn forget(self) -> Result<()> {
        let (_, version) = self.next_beat();
        match self.request.store.delete(&self.key, version).await? {
            true => Ok(()),
            false => Err(self.lost(None)),
        }
    }

    /// Ends only with the error that lost the lease.
    async fn keep_renewing(&self, context: &Context) -> Error {
        let ttl = self.request.terms.ttl;
        let until_due = || (ttl / 3).saturating_sub(ttl - self.remaining(context));
        let mut pause = until_due();
        if Bug::HeartbeatLost.is_on() {
            std::future::pending::<()>().await;
        }
        loop {
            context.clock().sleep(pause).await;
            pause = match self.renew(context).await {
                Ok(()) => until_due(),
                Err(error) if error.kind() == ErrorKind::Conflict => return error,
                // The store may come back in time.
                Err(error) => match self.may_write(context) {
                    Ok(()) => ttl / 24,
                    Err(lost) => return lost.because(error),
                },
            };
        }
    }

    /// The number of the next attempt to write it, and what it is to replace.
    fn next_beat(&self) -> (u64, StateVersion) {
        let mut held = self.held();
        held.beat = held.beat.saturating_add(1);
        (held.beat, held.version.clone())
    }

    /// Writes the lease, as a beat that was never written before: if it is found there, this attempt was done, and its answer
    /// was lost. An older beat of ours is what an attempt before left, whose answer was lost.
    async fn put(&self, beat: u64, released: bool, mut expected: Expected) -> Result<StateVersion> {
        let bytes = self.saved(beat, released)?;
        for _ in 0..2 {
            let put = self
                .request
                .store
                .put(&self.key, bytes.clone(), expected.clone());
            let failed = match put.await {
                Ok(Swap::Done(version)) => return Ok(version),
                Ok(Swap::Conflict) => None,
                Err(error) => Some(error),
            };
            match (find(&*self.request.store, &self.key).await, failed) {
                (Ok(Some(found)), _)
                    if found.saved.holder == self.holder && found.saved.beat >= beat =>
                {
                    return Ok(found.version);
                }
                // Nothing came between: it was not done.
                (Ok(found), Some(error)) if is(&expected, found.as_ref()) => return Err(error),
                (Ok(Some(found)), _) if found.saved.holder == self.holder => {
                    expected = Expected::Version(found.version);
                }
                (Ok(other), _) => return Err(self.lost(other.map(|other| other.saved))),
                (Err(_), Some(error)) | (Err(error), None) => return Err(error),
            }
        }
        Err(self.lost(None))
    }

    fn saved(&self, beat: u64, released: bool) -> Result<Bytes> {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let saved = SavedLease {
            epoch: self.epoch,
            holder: self.holder.clone(),
            runner: self.request.runner.clone(),
            beat,
            released,
            ttl_ms: milliseconds(self.request.terms.ttl),
            write_timeout_ms: milliseconds(self.request.terms.write_timeout),
        };
        Saved::seal(&self.key, FORMAT, &saved)
    }

    fn lost(&self, other: Option<SavedLease>) -> Error {
        match other {
            Some(other) => taken(&self.key, &other),
            None => {
                let message =
                    "the lease is not what this runner left in its store; the run must end";
                Error::new(ErrorKind::Conflict, message).with("key", &self.key)
            }
        }
        .during("hold lease")
    }

    /// No panic can leave it half changed.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("key", &self.key)
            .field("runner", &self.request.runner)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}

/// Whether this is what was expected.
fn is(expected: &Expected, found: Option<&Found>) -> bool {
    match expected {
        Expected::Absent => found.is_none(),
        Expected::Version(version) => found.is_some_and(|found| found.version == *version),
    }
}

async fn find(store: &dyn StateStore, key: &StateKey) -> Result<Option<Found>> {
    let Some(stored) = store.get(key).await? else {
        return Ok(None);
    };
    let saved = Saved::open(key, FORMAT, &stored.bytes)?.payload()?;
    Ok(Some(Found {
        version: stored.version,
        saved,
    }))
}

fn taken(key: &StateKey, by: &SavedLease) -> Error {
    let message = "another runner has the lease of this job; wait until it has ended";
    Error::new(ErrorKind::Conflict, message)
        .with("key", key)
        .with("runner", &by.runner)
        .with("epoch", by.epoch)
        .retrying(Retry::After(Duration::from_millis(by.ttl_ms)))
}

/// Waits until a lease has stood unchanged for so long that its holder can have no write under way.
async fn outwait(
    context: &Context,
    store: &dyn StateStore,
    key: &StateKey,
    found: &Found,
) -> Result<()> {
    let by = &found.saved;
    let mut left = Duration::from_millis(by.ttl_ms.saturating_add(by.write_timeout_ms));
    // A holder that lives is heard of soon.
    let step = (left / 8).max(Duration::from_millis(1));
    while !left.is_zero() {
        if context.cancel().is_cancelled() {
            let message =
                "cancelled while waiting for the lease of a runner that may still be there";
            return Err(Error::new(ErrorKind::Cancelled, message).during("acquire lease"));
        }
        let pause = step.min(left);
        context.clock().sleep(pause).await;
        left -= pause;
        match find(store, key).await? {
            Some(now) if now.version == found.version => {}
            // Also when it was released: somebody else may be first, and trying again is quick.
            now => {
                let by = now.map_or_else(|| by.clone(), |now| now.saved);
                let again = Duration::from_millis(if by.released { 0 } else { by.ttl_ms });
                return Err(taken(key, &by)
                    .during("acquire lease")
                    .retrying(Retry::After(again)));
            }
        }
    }
    Ok(())
}
