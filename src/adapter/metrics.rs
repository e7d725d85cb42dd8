//! Counters and histograms of runs for the crate `metrics`.

use std::sync::atomic::{AtomicU64, Ordering};

use ::metrics::{Label, counter, histogram};

use crate::host::{Event, Observer};

/// Counts what happens in a run by the crate `metrics`; one observer for each run at a time, with labels that the host chooses, such as tenant and job.
///
/// | metric | kind | labels besides | counts |
/// |---|---|---|---|
/// | `syncline_runs_total` | counter | `outcome` | runs that ended |
/// | `syncline_records_read_total` | counter | | records read |
/// | `syncline_bytes_read_total` | counter | | source bytes read |
/// | `syncline_records_rejected_total` | counter | `reason`, `destination` (empty in front of all) | records refused |
/// | `syncline_groups_committed_total` | counter | | commit groups closed |
/// | `syncline_drift_changes_total` | counter | `dataset` | changes of a source against what its job was built on |
/// | `syncline_retries_total` | counter | `call`, `kind` | calls made again |
/// | `syncline_throttled_seconds` | histogram | `account` | waits for a turn |
/// | `syncline_not_scheduled_total` | counter | `kind` | times that a scheduler could not look, or start something |
/// | `syncline_not_kept_total` | counter | `what` | what is kept beside runs and could not be |
/// | `syncline_not_told_total` | counter | `kind` | things that people were to be told, in notices that were given up |
/// | `syncline_scheduled_runs_total` | counter | `fate` | runs that a scheduler started and that have ended here |
/// | `syncline_schedulers_lost_total` | counter | | times that a scheduler gave no sign of life in time |
/// | `syncline_circuits_opened_total` | counter | `connection` | circuits opened |
///
/// Labels hold names of jobs, objects and connections, never row values.
///
/// ```
/// use std::sync::Arc;
/// use syncline::adapter::MetricsObserver;
/// use syncline::host::Context;
///
/// let observer = MetricsObserver::new([("tenant", "acme"), ("job", "nightly")]);
/// let context = Context::new().with_observer(Arc::new(observer));
/// # let _ = context;
/// ```
#[derive(Debug)]
pub struct MetricsObserver {
    labels: Vec<Label>,
    /// How far the counters are with the run.
    records: AtomicU64,
    bytes: AtomicU64,
}

impl MetricsObserver {
    /// With these labels on every metric.
    pub fn new<K, V>(labels: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<String>,
        V: Into<String>,
    {
        let label = |(name, value): (K, V)| Label::new(name.into(), value.into());
        MetricsObserver {
            labels: labels.into_iter().map(label).collect(),
            records: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    fn with<const N: usize>(&self, more: [(&'static str, &str); N]) -> Vec<Label> {
        let more = more.map(|(name, value)| Label::new(name, value.to_owned()));
        self.labels.iter().cloned().chain(more).collect()
    }
}

/// How much a figure of the whole run has grown.
fn growth(last: &AtomicU64, now: u64) -> u64 {
    now.saturating_sub(last.swap(now, Ordering::Relaxed))
}

impl Observer for MetricsObserver {
    fn observe(&self, event: &Event<'_>) {
        match *event {
            Event::RunStarted {
                resumed,
                resumed_bytes,
                ..
            } => {
                self.records.store(resumed, Ordering::Relaxed);
                self.bytes.store(resumed_bytes, Ordering::Relaxed);
            }
            Event::Progress { records, bytes, .. } => {
                let (records, bytes) = (growth(&self.records, records), growth(&self.bytes, bytes));
                counter!("syncline_records_read_total", self.with([])).increment(records);
                counter!("syncline_bytes_read_total", self.with([])).increment(bytes);
            }
            Event::Rejected {
                destination,
                reason,
                count,
            } => {
                let destination = destination.unwrap_or_default();
                let labels = self.with([("reason", reason.code()), ("destination", destination)]);
                counter!("syncline_records_rejected_total", labels).increment(count);
            }
            Event::Drifted { dataset, changes } => {
                let labels = self.with([("dataset", dataset)]);
                counter!("syncline_drift_changes_total", labels).increment(changes);
            }
            Event::Committed { .. } => {
                counter!("syncline_groups_committed_total", self.with([])).increment(1);
            }
            Event::Retried { call, kind, .. } => {
                let labels = self.with([("call", call), ("kind", kind.word())]);
                counter!("syncline_retries_total", labels).increment(1);
            }
            Event::Throttled { account, wait } => {
                let labels = self.with([("account", account)]);
                histogram!("syncline_throttled_seconds", labels).record(wait.as_secs_f64());
            }
            Event::CircuitOpened { connection, .. } => {
                let labels = self.with([("connection", connection)]);
                counter!("syncline_circuits_opened_total", labels).increment(1);
            }
            Event::RunFinished { outcome, .. } => {
                let labels = self.with([("outcome", outcome)]);
                counter!("syncline_runs_total", labels).increment(1);
            }
            Event::NotScheduled { kind, .. } => {
                let labels = self.with([("kind", kind.word())]);
                counter!("syncline_not_scheduled_total", labels).increment(1);
            }
            Event::ScheduledRun { fate, .. } => {
                let labels = self.with([("fate", fate)]);
                counter!("syncline_scheduled_runs_total", labels).increment(1);
            }
            Event::SchedulerLost { .. } => {
                counter!("syncline_schedulers_lost_total", self.with([])).increment(1);
            }
            Event::NotKept { what, .. } => {
                let labels = self.with([("what", what)]);
                counter!("syncline_not_kept_total", labels).increment(1);
            }
            Event::NotTold { items, kind, .. } => {
                let labels = self.with([("kind", kind.word())]);
                counter!("syncline_not_told_total", labels).increment(items);
            }
        }
    }
}
