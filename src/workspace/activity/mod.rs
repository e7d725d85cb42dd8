//! What happened in a workspace: runs, their logs, changes.
//!
//! Keys go by time, the newest first, since a [state store](crate::host::StateStore) lists keys upwards only: an id begins with the time that
//! is left until the year 10889. A run has its record, and beside it a key that leads to it from its job.

mod audit;
mod diff;
mod log;
mod query;
mod record;
mod recorder;
mod rejects;
mod retention;
mod statistics;

use chrono::{DateTime, Utc};

use super::Workspace;
use crate::Result;
use crate::host::{Context, StateKey, StateKind, unique};

pub(super) use audit::Attempt;
pub use audit::{AuditAction, AuditEntry, AuditPage, AuditQuery, AuditStanding, AuditSubject};
pub use log::{LogEntry, RunLog};
pub use query::{RunPage, RunQuery};
pub(super) use record::Came;
pub use record::{RunCounts, RunProgress, RunRecord, RunStatus, RunStep, RunSubject, RunWindow};
pub(super) use recorder::Recorder;
pub use rejects::{RejectsAs, RejectsFile};
pub use retention::{RetentionPolicy, Swept};
pub use statistics::{
    Anomaly, AnomalyKind, AnomalyPolicy, DayStatistics, JobStatistics, RunStatistics,
};

/// What happened in a [`Workspace`]: the history of its runs, their logs, statistics over them, and who changed what.
///
/// Each run through [`Jobs::run`](super::Jobs::run) or [`Chains::run`](super::Chains::run) is in the history, from the moment when it begins. Whoever looks, in whichever process,
/// sees how far it has come, a few seconds late.
///
/// ```
/// # futures::executor::block_on(async {
/// # use std::sync::Arc;
/// # use syncline::Tenant;
/// # use syncline::host::{Context, HttpResponse};
/// # use syncline::memory::{MemoryCipher, MemoryConnection, MemoryRejects, MemoryState, MemoryTransport};
/// # use syncline::record::{Field, FieldType};
/// # use syncline::spec::{DatasetSpec, DestinationSpec, FieldMapping, Identity, JobSpec, MappingSpec, ObjectSpec, SourceSpec, WriteMode};
/// # use syncline::workspace::{Workspace, WorkspaceConfig};
/// # let email = || vec![Field::new("email", FieldType::Email)];
/// # let home = MemoryConnection::new("home")
/// #     .with_object(&ObjectSpec::new("user", Identity::Generated, email()))?
/// #     .with_object(&ObjectSpec::new("person", Identity::Generated, email()))?;
/// # let transport = MemoryTransport::new(|request| Ok(HttpResponse::of(request, 404, "")));
/// # let (state, cipher) = (Arc::new(MemoryState::new()), Arc::new(MemoryCipher::new()));
/// # let workspace = Workspace::new(WorkspaceConfig::new(Tenant::new("acme")?, state, cipher, Arc::new(transport), Arc::new(home)));
/// # let mapping = MappingSpec::new(vec![FieldMapping::direct("email", "email")]);
/// # let person = DestinationSpec::new("person", WriteMode::upsert(["email"]), mapping);
/// # let spec = JobSpec::new("people", DatasetSpec::new(SourceSpec::Object("user".into())), vec![], vec![person]);
/// use syncline::job::RunRequest;
/// use syncline::workspace::{AuditQuery, RunQuery, RunStatus};
///
/// let context = Context::new().with_actor("ada@example.com");
/// let job = workspace.jobs().create(&context, spec).await?;
/// workspace.jobs().run(&context, &job.id, RunRequest::new(Arc::new(MemoryRejects::new()))).await?;
///
/// let page = workspace.activity().runs(&context, &RunQuery::new().of_job(&job.id)).await?;
/// assert_eq!(page.runs[0].status, RunStatus::Success);
/// assert_eq!(page.runs[0].actor.as_deref(), Some("ada@example.com"));
/// let log = workspace.activity().log(&context, &page.runs[0].id).await?;
/// assert_eq!(log.entries[0].event, "run_started");
///
/// let changes = workspace.activity().audit(&context, &AuditQuery::new()).await?;
/// assert_eq!(changes.entries[0].name, "people");
/// # Ok::<(), syncline::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Activity<'a>(pub(super) &'a Workspace);

/// Milliseconds from 1970 on up to which ids go by time.
const END: i64 = (1 << 48) - 1;
/// The letters of an id that stand for its time.
const TIME: usize = 12;

/// What the ids of this time begin with. Later ones are less.
fn time_of(at: DateTime<Utc>) -> String {
    format!("{:012x}", END - at.timestamp_millis().clamp(0, END))
}

/// An id of now.
pub(super) fn new_id(context: &Context) -> String {
    let at = context.clock().now();
    format!("{}{}", time_of(at), unique(context.entropy()))
}

/// Whether somebody may have made it up.
fn is_id(id: &str) -> bool {
    id.len() == TIME + 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Where a run's record is, and the key that leads to it from its job or chain.
fn run_keys(workspace: &Workspace, record: &RunRecord) -> Result<[StateKey; 2]> {
    let of_subject = [record.subject.word(), &record.job, &record.id];
    Ok([
        run_key(workspace, &record.id)?,
        workspace.key(StateKind::Run, of_subject)?,
    ])
}

fn run_key(workspace: &Workspace, id: &str) -> Result<StateKey> {
    workspace.key(StateKind::Run, ["run", id])
}

fn log_key(workspace: &Workspace, id: &str) -> Result<StateKey> {
    workspace.key(StateKind::Log, [id])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_the_less() {
        let times = [
            "1969-01-01T00:00:00Z",
            "2025-01-31T06:00:00Z",
            "2025-01-31T06:00:00.001Z",
            "9999-12-31T00:00:00Z",
        ];
        let ids: Vec<String> = times
            .iter()
            .map(|at| time_of(at.parse().unwrap()))
            .collect();
        assert!(ids.windows(2).all(|pair| pair[0] > pair[1]), "{ids:?}");
        assert!(ids.iter().all(|id| id.len() == TIME));
    }
}
