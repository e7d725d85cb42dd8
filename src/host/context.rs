//! Everything that a run may use, in one value.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{
    CancelToken, Clock, Entropy, Executor, Ignore, Inline, Observer, SystemClock, SystemEntropy,
};

/// The host's ports, cheap to clone. The default uses the machine's clock, one thread and no observer.
///
/// ```
/// use std::sync::Arc;
/// use syncline::host::{Context, SeededEntropy, ThreadPool};
///
/// let context = Context::new()
///     .with_executor(Arc::new(ThreadPool::new(2)?))
///     .with_entropy(Arc::new(SeededEntropy::new(7)));
/// assert_eq!(context.executor().parallelism(), 2);
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Context {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    executor: Arc<dyn Executor>,
    observer: Arc<dyn Observer>,
    cancel: CancelToken,
    actor: Option<Arc<str>>,
    /// In nanoseconds. Clones share it, since it moves from batch to batch of one read.
    deadline: Option<Arc<AtomicU64>>,
}

impl Default for Context {
    fn default() -> Self {
        Context {
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            executor: Arc::new(Inline),
            observer: Arc::new(Ignore),
            cancel: CancelToken::new(),
            actor: None,
            deadline: None,
        }
    }
}

impl Context {
    /// The default ports.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the time from `clock`.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Draws ids from `entropy`.
    #[must_use]
    pub fn with_entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.entropy = entropy;
        self
    }

    /// Computes on `executor`.
    #[must_use]
    pub fn with_executor(mut self, executor: Arc<dyn Executor>) -> Self {
        self.executor = executor;
        self
    }

    /// Tells `observer` what happens.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// Stops when `token` is set.
    #[must_use]
    pub fn with_cancel(mut self, token: CancelToken) -> Self {
        self.cancel = token;
        self
    }

    /// On behalf of this person, or program, in the host's own words: who started a run and who changed something is kept with it.
    ///
    /// ```
    /// use syncline::host::Context;
    ///
    /// assert_eq!(Context::new().with_actor("ada@example.com").actor(), Some("ada@example.com"));
    /// ```
    #[must_use]
    pub fn with_actor(mut self, name: impl Into<Arc<str>>) -> Self {
        self.actor = Some(name.into());
        self
    }

    /// For a call that is waited for until then, by [`monotonic`](Clock::monotonic).
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(Arc::new(AtomicU64::new(nanoseconds(deadline))));
        self
    }

    /// Moves the deadline of this context and of its clones, if it was given one.
    pub(crate) fn move_deadline(&self, to: Duration) {
        if let Some(deadline) = &self.deadline {
            deadline.store(nanoseconds(to), Ordering::Relaxed);
        }
    }

    /// Until when the call is waited for to which this context was given, by [`monotonic`](Clock::monotonic); for a read, the batch
    /// that was asked for last. `None` if nobody said.
    ///
    /// ```
    /// use std::time::Duration;
    /// use syncline::host::Context;
    ///
    /// let context = Context::new();
    /// assert_eq!(context.deadline(), None);
    /// let soon = context.clock().monotonic() + Duration::from_secs(5);
    /// assert_eq!(context.with_deadline(soon).deadline(), Some(soon));
    /// ```
    pub fn deadline(&self) -> Option<Duration> {
        let deadline = self.deadline.as_ref()?.load(Ordering::Relaxed);
        (deadline < u64::MAX).then(|| Duration::from_nanos(deadline))
    }

    /// The clock.
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// The entropy.
    pub fn entropy(&self) -> &dyn Entropy {
        &*self.entropy
    }

    /// The executor.
    pub fn executor(&self) -> &dyn Executor {
        &*self.executor
    }

    /// A handle of the executor that a stream can own.
    pub fn executor_handle(&self) -> Arc<dyn Executor> {
        Arc::clone(&self.executor)
    }

    /// The observer.
    pub fn observer(&self) -> &dyn Observer {
        &*self.observer
    }

    /// A handle of the observer, for another one that hands on what it hears.
    pub fn observer_handle(&self) -> Arc<dyn Observer> {
        Arc::clone(&self.observer)
    }

    /// On whose behalf this is done; `None` if nobody said.
    pub fn actor(&self) -> Option<&str> {
        self.actor.as_deref()
    }

    /// The cancel token.
    pub fn cancel(&self) -> &CancelToken {
        &self.cancel
    }
}

/// Beyond five hundred years: never.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
