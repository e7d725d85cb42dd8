//! What happens in a run, as it happens.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::ErrorKind;
use crate::record::Reason;

/// Something that happened in a run. Holds counts and names, never row values and never secrets.
///
/// This list is stable: an event keeps its [name](Event::name) and the meaning of its fields; others may come. As JSON an event is
/// an object with its name in `event`; times are in seconds.
///
/// | event | when | fields |
/// |---|---|---|
/// | `run_started` | all is open, nothing is read yet | `job`, `epoch`, `resumed`, `resumed_bytes` |
/// | `progress` | a batch went through | `records`, `bytes`, `bytes_total`, `rejected` |
/// | `rejected` | records were refused | `destination`, `reason`, `count` |
/// | `drifted` | the source is not as the job was built on, and the job runs all the same | `dataset`, `changes` |
/// | `committed` | a commit group is closed | `group`, `records` |
/// | `retried` | a call failed and is made again | `call`, `kind`, `tries`, `wait` |
/// | `throttled` | a call waits for its turn | `account`, `wait` |
/// | `circuit_opened` | calls are no longer made for a while | `connection`, `rest` |
/// | `not_scheduled` | a scheduler could not look what is due, or start something; it tries again | `kind`, `tenant`, `job` |
/// | `scheduled_run` | a run that a scheduler started has ended here | `tenant`, `job`, `run`, `fate`, `kind` |
/// | `scheduler_lost` | a scheduler gave no sign of life in time, and others go on with its runs | `scheduler` |
/// | `run_finished` | the run ended, with its report | `job`, `outcome` |
/// | `not_kept` | what is kept beside a run could not be; what happened, happened | `what`, `kind` |
/// | `not_told` | a notice is given up: its address never works, or failed too often | `items`, `tries`, `kind` |
///
/// A run that ends with an error in place of a report did not begin: neither `run_started` nor `run_finished` comes. One that ends
/// before all is open, paused or without its lease, has a report and only `run_finished`. Of one that is dropped or killed no end comes.
///
/// ```
/// use syncline::host::Event;
///
/// let event = Event::RunStarted { job: "nightly", epoch: 3, resumed: 0, resumed_bytes: 0 };
/// assert_eq!(event.name(), "run_started");
/// assert_eq!(serde_json::to_string(&event)?, r#"{"event":"run_started","job":"nightly","epoch":3,"resumed":0,"resumed_bytes":0}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event<'a> {
    /// A run of the job began.
    RunStarted {
        /// The job.
        job: &'a str,
        /// Which run of it, if it saves its state; else 0.
        epoch: u64,
        /// Records that are safe already, where it goes on.
        resumed: u64,
        /// Source bytes that these took.
        resumed_bytes: u64,
    },
    /// A stretch of the source went through the job; the figures are those of the whole run so far.
    Progress {
        /// Records read.
        records: u64,
        /// Source bytes read; 0 if unknown.
        bytes: u64,
        /// Source bytes in all, if known.
        bytes_total: Option<u64>,
        /// Records refused so far, by the destination that refused the most.
        rejected: u64,
    },
    /// Records were refused.
    Rejected {
        /// The destination, or `None` if no destination saw the records.
        destination: Option<&'a str>,
        /// Why.
        #[serde(serialize_with = "code")]
        reason: Reason,
        /// How many.
        count: u64,
    },
    /// The source is not as the job was built on.
    Drifted {
        /// The dataset.
        dataset: &'a str,
        /// How many changes.
        changes: u64,
    },
    /// A commit group is closed.
    Committed {
        /// Its number.
        group: u64,
        /// Records read in it.
        records: u64,
    },
    /// A call failed, and is made again after a wait.
    Retried {
        /// What was called: `prepare`, `open`, `read`, `write`, `commit`, `lookup`, `saved state`, `keep rejects` or `acknowledge`.
        call: &'a str,
        /// How it failed.
        #[serde(serialize_with = "word")]
        kind: ErrorKind,
        /// How often it was tried by now.
        tries: u32,
        /// The wait before the next try.
        #[serde(serialize_with = "seconds")]
        wait: Duration,
    },
    /// A call of an account waits for its turn.
    Throttled {
        /// The account.
        account: &'a str,
        /// How long.
        #[serde(serialize_with = "seconds")]
        wait: Duration,
    },
    /// Calls of a connection are no longer made for a while, since too many failed.
    CircuitOpened {
        /// The connection.
        connection: &'a str,
        /// For how long.
        #[serde(serialize_with = "seconds")]
        rest: Duration,
    },
    /// A scheduler could not look what is due, or start something, and tries again.
    NotScheduled {
        /// How it failed.
        #[serde(serialize_with = "word")]
        kind: ErrorKind,
        /// Whose job, if it was one.
        tenant: Option<&'a str>,
        /// The job.
        job: Option<&'a str>,
    },
    /// A run that a scheduler started has ended here.
    ScheduledRun {
        /// Whose job.
        tenant: &'a str,
        /// The job.
        job: &'a str,
        /// The run.
        run: &'a str,
        /// What became of it: its outcome, or `timed_out`, `interrupted` or `lost`.
        fate: &'a str,
        /// How it failed, if it could not be made, or its end not be saved.
        #[serde(serialize_with = "maybe_word")]
        kind: Option<ErrorKind>,
    },
    /// A scheduler gave no sign of life in time: others go on with its runs.
    SchedulerLost {
        /// What people call it.
        scheduler: &'a str,
    },
    /// The run ended.
    RunFinished {
        /// The job.
        job: &'a str,
        /// How.
        outcome: &'a str,
    },
    /// What is kept beside a run could not be kept: its history, its log, what an audit says of it, what people are to be told. The run itself goes on and is
    /// not failed by that.
    NotKept {
        /// What: `run`, `log`, `audit` or `notice`.
        what: &'a str,
        /// How it failed.
        #[serde(serialize_with = "word")]
        kind: ErrorKind,
    },
    /// A notice to people is given up, since its address never works, or since it failed too often.
    NotTold {
        /// How many things it would have told, each time that something happened counted.
        items: u64,
        /// How often it was tried.
        tries: u32,
        /// How it failed.
        #[serde(serialize_with = "word")]
        kind: ErrorKind,
    },
}

impl Event<'_> {
    /// Its name, in lower case with `_`.
    pub fn name(&self) -> &'static str {
        match self {
            Event::RunStarted { .. } => "run_started",
            Event::Progress { .. } => "progress",
            Event::Rejected { .. } => "rejected",
            Event::Drifted { .. } => "drifted",
            Event::Committed { .. } => "committed",
            Event::Retried { .. } => "retried",
            Event::Throttled { .. } => "throttled",
            Event::CircuitOpened { .. } => "circuit_opened",
            Event::NotScheduled { .. } => "not_scheduled",
            Event::ScheduledRun { .. } => "scheduled_run",
            Event::SchedulerLost { .. } => "scheduler_lost",
            Event::RunFinished { .. } => "run_finished",
            Event::NotKept { .. } => "not_kept",
            Event::NotTold { .. } => "not_told",
        }
    }
}

fn code<S: Serializer>(reason: &Reason, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(reason.code())
}

fn word<S: Serializer>(kind: &ErrorKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.word())
}

fn maybe_word<S: Serializer>(kind: &Option<ErrorKind>, serializer: S) -> Result<S::Ok, S::Error> {
    kind.map(ErrorKind::word).serialize(serializer)
}

fn seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

/// Is told what happens in a run, on the run's own thread; it must not block.
pub trait Observer: fmt::Debug + Send + Sync {
    /// Something happened.
    fn observe(&self, event: &Event<'_>);
}

/// Takes no notice.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ignore;

impl Observer for Ignore {
    fn observe(&self, _: &Event<'_>) {}
}
