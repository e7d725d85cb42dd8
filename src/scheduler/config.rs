//! What a scheduler is made of.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::provider::JobProvider;
use super::timetables::Timetables;
use crate::job::LeaseTerms;

/// What a [`Scheduler`](super::Scheduler) is made of.
#[derive(Clone)]
#[non_exhaustive]
pub struct SchedulerConfig {
    /// When jobs run, in the store that all schedulers share.
    pub timetables: Timetables,
    /// Has the jobs.
    pub provider: Arc<dyn JobProvider>,
    /// What people call this process.
    pub name: String,
    /// How many runs go on at once.
    pub limits: RunLimits,
    /// After how long without a sign of life it counts as dead, so that others go on with its runs.
    pub terms: LeaseTerms,
    /// How often it looks what is due. 1 second.
    pub look_every: Duration,
    /// How often a run looks whether it is to stop. 10 seconds.
    pub heed_every: Duration,
    /// How long runs may go on when the scheduler is to stop, before they are stopped too; others go on with them then. 30 seconds. Those that do not stop are dropped
    /// a minute later.
    pub drain: Duration,
    /// How many timetables are looked at each time whether the index has them, due or not, and whether a wrong clock decided something of them. 8.
    pub repair: usize,
}

impl SchedulerConfig {
    /// A scheduler of this name with the default limits and times.
    pub fn new(
        name: impl Into<String>,
        timetables: Timetables,
        provider: Arc<dyn JobProvider>,
    ) -> Self {
        SchedulerConfig {
            timetables,
            provider,
            name: name.into(),
            limits: RunLimits::default(),
            terms: LeaseTerms::default(),
            look_every: Duration::from_secs(1),
            heed_every: Duration::from_secs(10),
            drain: Duration::from_secs(30),
            repair: 8,
        }
    }

    /// The same, with these limits.
    #[must_use]
    pub fn with_limits(mut self, limits: RunLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The same, dead after this.
    #[must_use]
    pub fn with_terms(mut self, terms: LeaseTerms) -> Self {
        self.terms = terms;
        self
    }

    /// The same, looking so often what is due.
    #[must_use]
    pub fn with_look_every(mut self, time: Duration) -> Self {
        self.look_every = time;
        self
    }

    /// The same, whose runs look so often whether they are to stop.
    #[must_use]
    pub fn with_heed_every(mut self, time: Duration) -> Self {
        self.heed_every = time;
        self
    }

    /// The same, whose runs may go on so long when it is to stop.
    #[must_use]
    pub fn with_drain(mut self, time: Duration) -> Self {
        self.drain = time;
        self
    }

    /// The same, looking at so many timetables each time.
    #[must_use]
    pub fn with_repair(mut self, timetables: usize) -> Self {
        self.repair = timetables;
        self
    }
}

impl fmt::Debug for SchedulerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SchedulerConfig")
            .field("name", &self.name)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// How many runs go on at once.
///
/// ```
/// use syncline::scheduler::RunLimits;
///
/// let limits = RunLimits::default().with_at_once(32).with_of_connection(Some(1));
/// assert_eq!(limits.of_tenant, Some(4));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunLimits {
    /// In this process: so many processes of a host have so many times as many. 8.
    pub at_once: usize,
    /// Of one tenant, over all processes. 4.
    pub of_tenant: Option<u16>,
    /// With one connection of a tenant, over all processes. 2.
    pub of_connection: Option<u16>,
}

impl Default for RunLimits {
    fn default() -> Self {
        RunLimits {
            at_once: 8,
            of_tenant: Some(4),
            of_connection: Some(2),
        }
    }
}

impl RunLimits {
    /// So many in this process.
    #[must_use]
    pub fn with_at_once(mut self, runs: usize) -> Self {
        self.at_once = runs;
        self
    }

    /// So many of one tenant; `None` for any number.
    #[must_use]
    pub fn with_of_tenant(mut self, runs: Option<u16>) -> Self {
        self.of_tenant = runs;
        self
    }

    /// So many with one connection; `None` for any number.
    #[must_use]
    pub fn with_of_connection(mut self, runs: Option<u16>) -> Self {
        self.of_connection = runs;
        self
    }
}
