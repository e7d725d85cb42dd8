//! Leaving alone what does not answer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::layer::{self, Layer, Pass};
use crate::connection::Connection;
use crate::dataset::Dataset;
use crate::host::{Context, Event};
use crate::{Error, ErrorKind, Result, Retry};

/// When calls are no longer made, since they fail.
///
/// ```
/// use std::time::Duration;
/// use syncline::policy::BreakerPolicy;
///
/// let policy = BreakerPolicy::default().with_failures(3).with_rest(Duration::from_secs(5), Duration::from_secs(60));
/// assert_eq!((policy.failures, policy.rest.as_secs()), (3, 5));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreakerPolicy {
    /// Failures of one kind in a row that open the circuit. 5.
    pub failures: u32,
    /// How long no call is made then. It doubles with each trial that fails. 30 seconds.
    pub rest: Duration,
    /// What it doubles up to. 10 minutes.
    pub longest_rest: Duration,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        BreakerPolicy {
            failures: 5,
            rest: Duration::from_secs(30),
            longest_rest: Duration::from_secs(600),
        }
    }
}

impl BreakerPolicy {
    /// The same, opening after so many failures in a row; 0 counts as 1.
    #[must_use]
    pub fn with_failures(mut self, failures: u32) -> Self {
        self.failures = failures.max(1);
        self
    }

    /// The same, resting so long at first and at most.
    #[must_use]
    pub fn with_rest(mut self, rest: Duration, longest: Duration) -> Self {
        (self.rest, self.longest_rest) = (rest, longest.max(rest));
        self
    }
}

/// A circuit breaker in front of one connection: after some failures of a kind in a row no call is made for a while, and each
/// is answered [`CircuitOpen`](ErrorKind::CircuitOpen) at once; then one is tried, and decides. Clones share it, and so may the
/// jobs of one process.
///
/// Failures that count are [`Io`](ErrorKind::Io) and [`Timeout`](ErrorKind::Timeout), each by itself; a call that its run gave up since
/// no answer came [in time](super::Timeouts) is one of the latter. Any other error is an answer: who gives it is alive.
///
/// ```
/// # futures::executor::block_on(async {
/// use syncline::host::Context;
/// use syncline::policy::{Breaker, BreakerPolicy};
/// use syncline::{Error, ErrorKind};
///
/// let breaker = Breaker::new("crm-7", BreakerPolicy::default().with_failures(2));
/// let down = || async { Err::<(), _>(Error::new(ErrorKind::Io, "connection refused")) };
/// for _ in 0..2 {
///     assert_eq!(breaker.call(&Context::new(), down()).await.unwrap_err().kind(), ErrorKind::Io);
/// }
/// assert_eq!(breaker.call(&Context::new(), down()).await.unwrap_err().kind(), ErrorKind::CircuitOpen);
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct Breaker(Arc<Inner>);

/// What the call is known by that decides whether the circuit closes.
const TRIAL: u64 = 1;

#[derive(Debug)]
struct Inner {
    name: String,
    policy: BreakerPolicy,
    circuit: Mutex<Circuit>,
}

/// Times are those of the clock that never jumps.
#[derive(Debug, Default)]
struct Circuit {
    /// What failed last, and how often in a row.
    failing: Option<(ErrorKind, u32)>,
    /// How often it was opened since the last answer.
    opened: u32,
    /// No call before this.
    until: Option<Duration>,
}

impl Breaker {
    /// In front of a connection of this name.
    pub fn new(name: impl Into<String>, policy: BreakerPolicy) -> Self {
        Breaker(Arc::new(Inner {
            name: name.into(),
            policy,
            circuit: Mutex::default(),
        }))
    }

    /// Makes one call, unless the circuit is open.
    ///
    /// # Errors
    /// [`CircuitOpen`](ErrorKind::CircuitOpen), and then the call is not made; those of the call.
    pub async fn call<T>(
        &self,
        context: &Context,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        layer::guarded(&*self.0, context, call).await
    }

    /// The connection behind this breaker, with all that is opened through it.
    pub fn connection(&self, connection: Arc<dyn Connection>) -> Arc<dyn Connection> {
        layer::connection(&self.layer(), connection)
    }

    /// The dataset behind this breaker.
    pub fn dataset(&self, dataset: Arc<dyn Dataset>) -> Arc<dyn Dataset> {
        layer::dataset(&self.layer(), dataset)
    }

    fn layer(&self) -> Arc<dyn Layer> {
        Arc::clone(&self.0) as _
    }
}

impl Inner {
    /// No panic can leave it half changed.
    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Books how a call ended.
    fn book(&self, context: &Context, pass: Pass, failure: Option<ErrorKind>) {
        let counted = |kind: &ErrorKind| matches!(kind, ErrorKind::Io | ErrorKind::Timeout);
        let kind = failure.filter(counted);
        let mut circuit = self.circuit();
        let Some(kind) = kind else {
            *circuit = Circuit::default();
            return;
        };
        if circuit.until.is_some() && pass.id != Some(TRIAL) {
            // It was made before the circuit opened, and tells nothing new.
            return;
        }
        let failures = match circuit.failing {
            Some((last, failures)) if last == kind => failures.saturating_add(1),
            _ => 1,
        };
        circuit.failing = Some((kind, failures));
        // A trial that fails in another way has failed all the same.
        if failures < self.policy.failures && pass.id.is_none() {
            return;
        }
        let doubled = 2_u32.checked_pow(circuit.opened);
        let rest = doubled.and_then(|times| self.policy.rest.checked_mul(times));
        let rest = rest.map_or(self.policy.longest_rest, |rest| {
            rest.min(self.policy.longest_rest)
        });
        circuit.opened = circuit.opened.saturating_add(1);
        circuit.until = Some(context.clock().monotonic().saturating_add(rest));
        drop(circuit);
        let connection = &self.name;
        context
            .observer()
            .observe(&Event::CircuitOpened { connection, rest });
    }
}

#[async_trait]
impl Layer for Inner {
    async fn enter(&self, context: &Context) -> Result<Pass> {
        let now = context.clock().monotonic();
        let mut circuit = self.circuit();
        if let Some(until) = circuit.until {
            if let Some(rest) = until.checked_sub(now).filter(|rest| !rest.is_zero()) {
                let message = "the other side has failed too often in a row, so this call was not made; see whether it is up";
                return Err(Error::new(ErrorKind::CircuitOpen, message)
                    .with("connection", &self.name)
                    .with("seconds", rest.as_secs_f64().ceil())
                    .retrying(Retry::After(rest)));
            }
            // This call is the trial. If its run dies, another one comes after the same time.
            circuit.until = Some(now.saturating_add(self.policy.rest));
            return Ok(Pass {
                id: Some(TRIAL),
                time: None,
            });
        }
        Ok(Pass::default())
    }

    async fn leave(&self, context: &Context, pass: Pass, failure: Option<&Error>) {
        self.book(context, pass, failure.map(Error::kind));
    }

    fn dropped(&self, context: &Context, pass: Pass, late: bool) {
        // What was dropped for another reason tells nothing.
        if late {
            self.book(context, pass, Some(ErrorKind::Timeout));
        }
    }
}
