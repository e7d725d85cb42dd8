//! When and how something runs, and who hears of it.

use serde::{Deserialize, Serialize};

use super::{Recurrence, ScheduleSpec};
use crate::error::Problem;

/// When and how a job or a chain runs.
///
/// Where a job runs as a link of a chain, or since another one needs it [first](super::JobSpec::first), that one says when and how it is tried again: of its own
/// settings only what counts as a success and who is to hear of it matter then.
///
/// ```
/// use syncline::spec::{MissedRuns, NotifySpec, RunSettings, WhileRunning};
///
/// let settings = RunSettings::new("every weekday at 06:30 Europe/Berlin".parse()?)
///     .with_while_running(WhileRunning::Queue)
///     .with_notify(NotifySpec::default().on_failure(["ops@example.com"]));
/// assert_eq!(settings.missed, MissedRuns::Latest);
/// let text = serde_json::to_string(&settings)?;
/// assert_eq!(serde_json::from_str::<RunSettings>(&text)?, settings);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RunSettings {
    /// When it runs; only when somebody says so if nothing is said.
    #[serde(default = "on_demand", skip_serializing_if = "is_on_demand")]
    pub schedule: ScheduleSpec,
    /// What becomes of a run that is due while another one goes on.
    #[serde(default, skip_serializing_if = "is_default")]
    pub while_running: WhileRunning,
    /// What becomes of runs that were due while nobody was there to start them.
    #[serde(default, skip_serializing_if = "is_default")]
    pub missed: MissedRuns,
    /// Seconds after which a run is stopped, and has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
    /// How often a run that failed is tried again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retry: RunRetry,
    /// Whose run starts first where not all can: the higher one, but whoever waits is put higher and higher.
    #[serde(default, skip_serializing_if = "is_default")]
    pub priority: Priority,
    /// What a run must have done to count as one that did not fail.
    #[serde(default, skip_serializing_if = "is_default")]
    pub success: RunCondition,
    /// Who is to hear of it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub notify: NotifySpec,
}

fn on_demand() -> ScheduleSpec {
    ScheduleSpec::new(Recurrence::OnDemand)
}

fn is_on_demand(schedule: &ScheduleSpec) -> bool {
    *schedule == on_demand()
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Default for RunSettings {
    /// On demand.
    fn default() -> Self {
        RunSettings::new(on_demand())
    }
}

impl RunSettings {
    /// Runs by this schedule, with the strict policies.
    pub fn new(schedule: ScheduleSpec) -> Self {
        RunSettings {
            schedule,
            while_running: WhileRunning::default(),
            missed: MissedRuns::default(),
            timeout: None,
            retry: RunRetry::default(),
            priority: Priority::default(),
            success: RunCondition::default(),
            notify: NotifySpec::default(),
        }
    }

    /// The same, doing this when a run is due while another one goes on.
    #[must_use]
    pub fn with_while_running(mut self, policy: WhileRunning) -> Self {
        self.while_running = policy;
        self
    }

    /// The same, doing this with runs that were missed.
    #[must_use]
    pub fn with_missed(mut self, policy: MissedRuns) -> Self {
        self.missed = policy;
        self
    }

    /// The same, stopping a run after so many seconds.
    #[must_use]
    pub fn with_timeout(mut self, seconds: u32) -> Self {
        self.timeout = Some(seconds);
        self
    }

    /// The same, trying again so.
    #[must_use]
    pub fn with_retry(mut self, retry: RunRetry) -> Self {
        self.retry = retry;
        self
    }

    /// The same, with this priority.
    #[must_use]
    pub fn with_priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// The same, asking this of a run.
    #[must_use]
    pub fn with_success(mut self, condition: RunCondition) -> Self {
        self.success = condition;
        self
    }

    /// The same, telling these.
    #[must_use]
    pub fn with_notify(mut self, notify: NotifySpec) -> Self {
        self.notify = notify;
        self
    }

    /// Whether nothing is said.
    pub(crate) fn is_silent(&self) -> bool {
        *self == RunSettings::default()
    }

    /// What is wrong with it, each with its path below this one. Whether its schedule can be compiled only the schedule knows.
    pub fn problems(&self, path: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut tell =
            |at: &str, message: &str| problems.push(Problem::new(format!("{path}.{at}"), message));
        if self.timeout == Some(0) {
            tell(
                "timeout",
                "a run takes time; give 1 second at least, or leave it out",
            );
        }
        match self.missed {
            MissedRuns::All { most: 0 } => tell("missed.all.most", "give 1 at least, or `none`"),
            MissedRuns::All { most } if most > MissedRuns::MOST => tell(
                "missed.all.most",
                "give 100 at most; what lies further back is left out",
            ),
            _ => {}
        }
        if self
            .success
            .rejects_percent
            .is_some_and(|percent| percent > 100)
        {
            tell("success.rejects_percent", "give a number from 0 to 100");
        }
        for (list, addresses) in self.notify.lists() {
            for (at, address) in addresses.iter().enumerate() {
                if address.trim().is_empty() || address.chars().any(char::is_control) {
                    tell(
                        &format!("notify.{list}[{at}]"),
                        "give an address to which the host delivers",
                    );
                }
            }
        }
        problems
    }
}

/// What becomes of a run that is due while another one of the same job goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WhileRunning {
    /// It is left out.
    #[default]
    Skip,
    /// It starts behind it; of several the latest.
    Queue,
    /// The one that goes on is stopped, and it starts then.
    Cancel,
}

/// What becomes of runs that were due while nobody was there to start them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum MissedRuns {
    /// They are left out. A run that has not begun within a minute is missed, also if it had no place.
    None,
    /// The latest of them starts.
    #[default]
    Latest,
    /// They start one after the other, in order; of more than this the latest.
    All {
        /// How many, 100 at most.
        most: u16,
    },
}

impl MissedRuns {
    /// The most that one may ask for.
    pub(crate) const MOST: u16 = 100;
}

/// How often a run that failed is tried again. A try goes on where the one before broke off.
///
/// ```
/// use syncline::spec::RunRetry;
///
/// let retry = RunRetry::times(3).with_wait(60);
/// let waits: Vec<u32> = (1..=3).map(|failed| retry.wait_after(failed)).collect();
/// assert_eq!(waits, [60, 120, 240]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RunRetry {
    /// How often at most, behind the first time.
    pub times: u16,
    /// Seconds before the first of them; each further one waits twice as long, but an hour at most.
    #[serde(default = "minute")]
    pub wait: u32,
}

fn minute() -> u32 {
    60
}

impl Default for RunRetry {
    fn default() -> Self {
        RunRetry::times(0)
    }
}

impl RunRetry {
    /// So often, a minute after the first failure.
    pub fn times(times: u16) -> Self {
        RunRetry {
            times,
            wait: minute(),
        }
    }

    /// The same, so many seconds after the first failure.
    #[must_use]
    pub fn with_wait(mut self, seconds: u32) -> Self {
        self.wait = seconds;
        self
    }

    /// Seconds to wait after so many failures, one at least.
    pub fn wait_after(&self, failures: u32) -> u32 {
        const HOUR: u32 = 3_600;
        let factor = 1_u32
            .checked_shl(failures.saturating_sub(1))
            .unwrap_or(u32::MAX);
        self.wait.saturating_mul(factor).min(HOUR.max(self.wait))
    }
}

/// Whose run starts first where not all can.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Priority {
    /// Behind the others.
    Low,
    /// As most.
    #[default]
    Normal,
    /// In front of the others.
    High,
}

/// What a run must have done. All of it must hold.
///
/// ```
/// use syncline::spec::{Ended, RunCondition};
///
/// let condition = RunCondition::new(Ended::Written).with_records(1_000).with_rejects(5).with_watermark(86_400);
/// let text = r#"{"ended":"written","at_least":1000,"rejects_percent":5,"watermark_within":86400}"#;
/// assert_eq!(serde_json::to_string(&condition)?, text);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RunCondition {
    /// How it must have ended.
    #[serde(default)]
    pub ended: Ended,
    /// How many records it must have read at least.
    #[serde(default)]
    pub at_least: u64,
    /// Of a hundred records, how many it may have refused at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 100)))]
    pub rejects_percent: Option<u8>,
    /// How many seconds older than the end of the run its watermark may be at most: a source that brings nothing new any more is noticed. Only
    /// the run of an incremental job whose cursor field is a `date` or `datetime` can meet it; a day is as new as its last moment in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watermark_within: Option<u32>,
}

/// How a run must have ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ended {
    /// With all records written, or all but some that were refused.
    #[default]
    Written,
    /// With all records written.
    Whole,
    /// In any way.
    Anyhow,
}

impl RunCondition {
    /// A run that ended so.
    pub fn new(ended: Ended) -> Self {
        RunCondition {
            ended,
            ..Self::default()
        }
    }

    /// The same, with so many records at least.
    #[must_use]
    pub fn with_records(mut self, at_least: u64) -> Self {
        self.at_least = at_least;
        self
    }

    /// The same, with at most so many refused of a hundred.
    #[must_use]
    pub fn with_rejects(mut self, percent: u8) -> Self {
        self.rejects_percent = Some(percent);
        self
    }

    /// The same, with a watermark that is so many seconds old at most.
    #[must_use]
    pub fn with_watermark(mut self, seconds: u32) -> Self {
        self.watermark_within = Some(seconds);
        self
    }
}

/// Who is to hear of runs and changes, as addresses that the host delivers to: mail addresses, channels, whatever it knows. A workspace that was given
/// [`Notifications`](crate::host::Notifications) [tells them](crate::workspace::Notices).
///
/// ```
/// use syncline::spec::NotifySpec;
///
/// let notify = NotifySpec::default().on_failure(["ops@example.com", "#data"]).on_success(["ada@example.com"]);
/// assert_eq!(serde_json::to_string(&notify)?, r##"{"success":["ada@example.com"],"failure":["ops@example.com","#data"]}"##);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct NotifySpec {
    /// When all records were written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub success: Vec<String>,
    /// When some were refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partial_success: Vec<String>,
    /// When a run failed, and will not be tried again by a scheduler.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failure: Vec<String>,
    /// When somebody changed what runs, or when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
}

impl NotifySpec {
    /// The same, telling these of successes.
    #[must_use]
    pub fn on_success<S: Into<String>>(mut self, to: impl IntoIterator<Item = S>) -> Self {
        self.success = to.into_iter().map(Into::into).collect();
        self
    }

    /// The same, telling these of runs that refused records.
    #[must_use]
    pub fn on_partial_success<S: Into<String>>(mut self, to: impl IntoIterator<Item = S>) -> Self {
        self.partial_success = to.into_iter().map(Into::into).collect();
        self
    }

    /// The same, telling these of failures.
    #[must_use]
    pub fn on_failure<S: Into<String>>(mut self, to: impl IntoIterator<Item = S>) -> Self {
        self.failure = to.into_iter().map(Into::into).collect();
        self
    }

    /// The same, telling these of changes.
    #[must_use]
    pub fn on_changes<S: Into<String>>(mut self, to: impl IntoIterator<Item = S>) -> Self {
        self.changes = to.into_iter().map(Into::into).collect();
        self
    }

    fn lists(&self) -> [(&'static str, &[String]); 4] {
        [
            ("success", &self.success),
            ("partial_success", &self.partial_success),
            ("failure", &self.failure),
            ("changes", &self.changes),
        ]
    }
}
