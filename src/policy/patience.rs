//! What the wrappers share: the clock, the policies, and what was spent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::host::{Bug, Context, Event, within};
use crate::{Error, Result};

use super::layer::unanswered;
use super::timeouts::Call;
use super::{RetryPolicy, Timeouts};

/// Bounds in time what leaves the process, and tries again what failed: one for each run, since it counts what it spent. Clones
/// share that.
///
/// It wraps contracts: what is wrapped behaves as before, but no call of it takes longer than its timeout, and one that failed
/// is tried again where that cannot do harm:
///
/// - A read goes on from its last cursor; records that had come already do not come again. Where there is no cursor to go on from,
///   only the first batch is tried again.
/// - A write that is repeated must come to the same: it is by key, with no field that is written
///   [on update only](crate::spec::WriteOn::Update), or the writer knows the
///   [batch](crate::destination::DestinationCapabilities::dedups_batches), or the policy
///   [allows it](super::UnansweredInserts).
/// - A commit, a patch, a lookup, an acknowledgement and an opening may be repeated by their contracts.
/// - A swap of state may find, at the second try, that the first was done: that is no conflict. So no two writers may
///   ever put the same bytes under a key.
/// - Refused records are appended once: a ledger cannot tell a repeated segment.
///
/// ```
/// use std::sync::Arc;
/// use syncline::host::{Context, StateKey, StateKind, StateStore};
/// use syncline::Tenant;
/// use syncline::memory::MemoryState;
/// use syncline::policy::{Patience, RetryPolicy, Timeouts};
///
/// let patience = Patience::new(&Context::new(), RetryPolicy::default(), Timeouts::default());
/// let store = patience.state(Arc::new(MemoryState::new()));
/// let key = StateKey::new(&Tenant::new("acme")?, StateKind::Checkpoint, ["nightly"])?;
/// assert!(futures::executor::block_on(store.get(&key))?.is_none());
/// assert_eq!(patience.retries(), 0);
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Patience(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    context: Context,
    retry: RetryPolicy,
    timeouts: Timeouts,
    retries: AtomicU64,
    given_up: AtomicU64,
}

/// How often the wait for a retry looks at the cancel token.
const STEP: Duration = Duration::from_secs(1);

impl Patience {
    /// With these policies, by the clock and the entropy of this context.
    pub fn new(context: &Context, retry: RetryPolicy, timeouts: Timeouts) -> Self {
        Patience(Arc::new(Inner {
            context: context.clone(),
            retry,
            timeouts,
            retries: AtomicU64::new(0),
            given_up: AtomicU64::new(0),
        }))
    }

    /// How often anything was tried again.
    pub fn retries(&self) -> u64 {
        self.0.retries.load(Ordering::Relaxed)
    }

    /// How many calls were given up, each of which may still be done.
    pub fn given_up(&self) -> u64 {
        self.0.given_up.load(Ordering::Relaxed)
    }

    pub(super) fn retry(&self) -> &RetryPolicy {
        &self.0.retry
    }

    /// A context in which calls can be told how long they are waited for.
    pub(super) fn context(context: &Context) -> Context {
        context.clone().with_deadline(Duration::MAX)
    }

    /// Waits for an answer as long as the call may take, and tells its context.
    pub(super) async fn once<T>(
        &self,
        call: Call,
        context: Option<&Context>,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let time = self.0.timeouts.of(call);
        if let Some(context) = context {
            let now = context.clock().monotonic();
            context.move_deadline(now.saturating_add(time));
        }
        let time = match Bug::TimeoutIgnored.is_on() {
            true => Duration::MAX,
            false => time,
        };
        match within(self.0.context.clock(), time, work).await {
            Some(answer) => answer,
            None => {
                self.0.given_up.fetch_add(1, Ordering::Relaxed);
                Err(unanswered(time).during(call.word()))
            }
        }
    }

    /// The tries of one call, the first of which is under way.
    pub(super) fn tries(&self, call: Call) -> Tries<'_> {
        Tries {
            patience: self,
            call,
            failed: 0,
        }
    }

    /// Calls until an answer comes.
    pub(super) async fn call<T, F>(
        &self,
        call: Call,
        context: Option<&Context>,
        mut work: impl FnMut() -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let mut tries = self.tries(call);
        loop {
            match self.once(call, context, work()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => tries.fail(error).await?,
            }
        }
    }

    /// Takes one retry out of what the run may spend.
    fn spend(&self) -> bool {
        let budget = self.0.retry.budget;
        let spend = |spent: u64| (spent < budget).then(|| spent + 1);
        let order = Ordering::Relaxed;
        self.0.retries.fetch_update(order, order, spend).is_ok()
    }
}

/// The tries of one call.
#[derive(Debug)]
pub(super) struct Tries<'a> {
    patience: &'a Patience,
    call: Call,
    failed: u32,
}

impl Tries<'_> {
    /// Whether a try has failed.
    pub(super) fn has_failed(&self) -> bool {
        self.failed > 0
    }

    /// A try failed. Waits until the next may begin; gives the error back if there is none.
    pub(super) async fn fail(&mut self, error: Error) -> Result<()> {
        self.failed = self.failed.saturating_add(1);
        let Inner { context, retry, .. } = &*self.patience.0;
        let Some(mut left) = retry.wait(&error, self.failed, context.entropy()) else {
            return Err(match self.failed {
                1 => error,
                tries => error.with("tries", tries),
            });
        };
        if !self.patience.spend() && !Bug::RetriesWithoutEnd.is_on() {
            return Err(error.with("retries of the run", retry.budget));
        }
        context.observer().observe(&Event::Retried {
            call: self.call.word(),
            kind: error.kind(),
            tries: self.failed,
            wait: left,
        });
        while !left.is_zero() {
            if context.cancel().is_cancelled() {
                return Err(error);
            }
            let pause = left.min(STEP);
            context.clock().sleep(pause).await;
            left -= pause;
        }
        Ok(())
    }
}
