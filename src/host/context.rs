//! Everything that a run may use, in one value.

use std::sync::Arc;

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
}

impl Default for Context {
    fn default() -> Self {
        Context {
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            executor: Arc::new(Inline),
            observer: Arc::new(Ignore),
            cancel: CancelToken::new(),
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

    /// The cancel token.
    pub fn cancel(&self) -> &CancelToken {
        &self.cancel
    }
}
