//! Refused records on their way to the ledger.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Result;
use crate::host::{Context, Event, RejectSegment};
use crate::record::Reject;

use super::RunRequest;

/// Sends refused records to the ledger and tells the observer.
pub(super) async fn refuse(
    context: &Context,
    request: &RunRequest,
    destination: Option<&Arc<str>>,
    columns: &Arc<[String]>,
    group: u64,
    rejects: Vec<Reject>,
) -> Result<()> {
    if rejects.is_empty() {
        return Ok(());
    }
    let mut counts = BTreeMap::new();
    for reject in &rejects {
        *counts.entry(reject.refusal.reason).or_insert(0) += 1;
    }
    for (reason, count) in counts {
        let destination = destination.map(|name| &**name);
        context.observer().observe(&Event::Rejected {
            destination,
            reason,
            count,
        });
    }
    let segment = RejectSegment::new(destination.cloned(), Arc::clone(columns), rejects);
    let epoch = match &request.state {
        Some(_) => request.epoch,
        None => 0,
    };
    let segment = segment
        .with_group(group, epoch)
        .in_partition(request.partition())
        .with_job_version(request.job_version.clone());
    request.rejects.append(segment).await
}
