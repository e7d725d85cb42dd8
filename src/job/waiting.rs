//! A run in front of its gate.

use std::future::poll_fn;
use std::task::Poll;

use chrono::{DateTime, Utc};

use crate::Result;
use crate::host::{Bug, Context};

use super::RunRequest;
use super::checkpoint::{AsItWas, Checkpoints};
use super::gate::Gate;
use super::incremental::Reading;
use super::intake::{Early, Intake, Stretch};
use super::plan::JobPlan;
use super::sync::SyncJob;

/// What came of the wait.
pub(super) enum Passed {
    /// The run may go on; with what it has read, if it had to wait.
    Open(Option<Box<Waited>>),
    /// It ends here.
    GivenUp,
}

/// What a run did while its gate was shut.
pub(super) struct Waited {
    /// When the gate was opened.
    pub(super) until: DateTime<Utc>,
    reading: Option<Reading>,
    /// `None` if there was nothing to read.
    early: Option<Early>,
    /// How far the job had come, by what the state store knows.
    known: Option<AsItWas>,
}

impl Waited {
    /// What was read, if the run still goes on where that began. A source that was away in front of the run's turn is read anew.
    pub(super) fn still_fits(
        self,
        checkpoints: Option<&Checkpoints>,
    ) -> Option<(Option<Reading>, Early)> {
        let fits = match (checkpoints, &self.known) {
            (Some(now), Some(then)) => now.is_as(then),
            _ => true,
        };
        let early = self.early.filter(|early| fits && !early.has_failed())?;
        Some((self.reading, early))
    }
}

/// Waits for the gate, if there is one, and reads ahead meanwhile.
pub(super) async fn wait(
    context: &Context,
    job: &SyncJob,
    plan: &JobPlan,
    request: &RunRequest,
    checkpoints: Option<&Checkpoints>,
) -> Result<Passed> {
    let Some(gate) = &request.gate else {
        return Ok(Passed::Open(None));
    };
    if !gate.is_shut() || context.cancel().is_cancelled() {
        return Ok(match passed(context, gate).await {
            true => Passed::Open(None),
            false => Passed::GivenUp,
        });
    }
    let reading = reading(context, job, plan, request, checkpoints).await?;
    let is_over = checkpoints.is_some_and(|saved| saved.safe().ended);
    let mut early = (!is_over).then(|| {
        let stretch = first_stretch(checkpoints);
        let reading = reading.as_ref();
        Intake::new(context, &*job.dataset, plan, request, stretch, reading).early()
    });
    let known = checkpoints.map(Checkpoints::as_it_is);
    let opened = match &mut early {
        Some(early) => early.beside(passed(context, gate)).await,
        None => passed(context, gate).await,
    };
    Ok(match opened {
        true => Passed::Open(Some(Box::new(Waited {
            until: context.clock().now(),
            reading,
            early,
            known,
        }))),
        false => Passed::GivenUp,
    })
}

/// Where the run is to begin, by what the state store knows.
fn first_stretch(checkpoints: Option<&Checkpoints>) -> Stretch {
    let begun = checkpoints.map(Checkpoints::begun).unwrap_or_default();
    let again = begun.first();
    let until = again.and_then(|border| border.cursor.clone());
    Stretch {
        from: checkpoints.and_then(|saved| saved.safe().cursor.clone()),
        until: until.filter(|_| !Bug::ReplayRunsOn.is_on()),
        is_last: again.is_none_or(|border| border.ended),
    }
}

/// `false`: the gate was given up, or the run is to stop.
async fn passed(context: &Context, gate: &Gate) -> bool {
    poll_fn(|task| match context.cancel().is_cancelled() {
        true => Poll::Ready(false),
        false => gate.poll(task),
    })
    .await
}

/// The window of an incremental job.
pub(super) async fn reading(
    context: &Context,
    job: &SyncJob,
    plan: &JobPlan,
    request: &RunRequest,
    checkpoints: Option<&Checkpoints>,
) -> Result<Option<Reading>> {
    let (by, range) = (plan.incremental.as_ref(), request.range.as_ref());
    Reading::begin(context, &*job.dataset, by, range, checkpoints).await
}
