//! What happens in a run as events of the crate `tracing`.

use ::tracing::{debug, info, warn};

use crate::ErrorKind;
use crate::host::{Event, Observer};

/// Hands each [event](Event) of a run to the crate `tracing`, with the target `syncline`, the event's name as message, and its fields under their
/// own names; times in seconds. No row value and no secret is ever in one.
///
/// | level | events |
/// |---|---|
/// | info | `run_started`, `run_finished`, `throttled`, `scheduled_run`: a warning if it names an error |
/// | warn | `rejected`, `drifted`, `retried`, `circuit_opened`, `not_scheduled`, `scheduler_lost`, `not_kept`, `not_told` |
/// | debug | `progress`, `committed` |
///
/// ```
/// use std::sync::Arc;
/// use syncline::adapter::TracingObserver;
/// use syncline::host::Context;
///
/// let context = Context::new().with_observer(Arc::new(TracingObserver));
/// # let _ = context;
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct TracingObserver;

impl Observer for TracingObserver {
    fn observe(&self, event: &Event<'_>) {
        let name = event.name();
        match *event {
            Event::RunStarted {
                job,
                epoch,
                resumed,
                resumed_bytes,
            } => info!(target: "syncline", job, epoch, resumed, resumed_bytes, "{name}"),
            Event::Progress {
                records,
                bytes,
                bytes_total,
                rejected,
            } => {
                debug!(target: "syncline", records, bytes, bytes_total, rejected, "{name}");
            }
            Event::Rejected {
                destination,
                reason,
                count,
            } => {
                let reason = reason.code();
                warn!(target: "syncline", destination, reason, count, "{name}");
            }
            Event::Drifted { dataset, changes } => {
                warn!(target: "syncline", dataset, changes, "{name}");
            }
            Event::Committed { group, records } => {
                debug!(target: "syncline", group, records, "{name}");
            }
            Event::Retried {
                call,
                kind,
                tries,
                wait,
            } => {
                let (kind, wait) = (kind.word(), wait.as_secs_f64());
                warn!(target: "syncline", call, kind, tries, wait, "{name}");
            }
            Event::Throttled { account, wait } => {
                let wait = wait.as_secs_f64();
                info!(target: "syncline", account, wait, "{name}");
            }
            Event::CircuitOpened { connection, rest } => {
                let rest = rest.as_secs_f64();
                warn!(target: "syncline", connection, rest, "{name}");
            }
            Event::RunFinished { job, outcome } => {
                info!(target: "syncline", job, outcome, "{name}");
            }
            Event::NotScheduled { kind, tenant, job } => {
                let kind = kind.word();
                warn!(target: "syncline", kind, tenant, job, "{name}");
            }
            Event::ScheduledRun {
                tenant,
                job,
                run,
                fate,
                kind,
            } => {
                let kind = kind.map(ErrorKind::word);
                match kind {
                    Some(kind) => warn!(target: "syncline", tenant, job, run, fate, kind, "{name}"),
                    None => info!(target: "syncline", tenant, job, run, fate, "{name}"),
                }
            }
            Event::SchedulerLost { scheduler } => {
                warn!(target: "syncline", scheduler, "{name}");
            }
            Event::NotKept { what, kind } => {
                let kind = kind.word();
                warn!(target: "syncline", what, kind, "{name}");
            }
            Event::NotTold { items, tries, kind } => {
                let kind = kind.word();
                warn!(target: "syncline", items, tries, kind, "{name}");
            }
        }
    }
}
