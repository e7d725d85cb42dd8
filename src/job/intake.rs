//! What a run reads, as a stream of batches that are ready for its destinations.
//!
//! As a rule a batch is prepared and mapped in one task, a few batches ahead. A run whose gate is shut may map nothing yet: it prepares
//! as many as have room, and maps them when it may.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};

use crate::Result;
use crate::dataset::{Dataset, ReadRequest};
use crate::host::{Context, Executor, run_on};
use crate::mapping::Preparation;
use crate::record::Cursor;

use super::RunRequest;
use super::admit::{Admitted, admitted};
use super::ahead::Ahead;
use super::bind::Bound;
use super::flight::{Charge, Flight, held_by};
use super::gate::Gate;
use super::incremental::Reading;
use super::plan::JobPlan;
use super::ready::{Ready, prepared};

/// What is read in one go.
pub(super) struct Stretch {
    pub(super) from: Option<Cursor>,
    /// `None` is the end of the source.
    pub(super) until: Option<Cursor>,
    /// Whether the source has no more behind it.
    pub(super) is_last: bool,
}

/// The batches of a stretch, in source order.
pub(super) struct Intake {
    context: Context,
    executor: Arc<dyn Executor>,
    preparation: Arc<Preparation>,
    flight: Flight,
    /// How many batches may be in flight as a rule.
    most: usize,
    batches: BoxStream<'static, Result<(Admitted, Charge)>>,
}

impl Intake {
    pub(super) fn new(
        context: &Context,
        dataset: &dyn Dataset,
        plan: &JobPlan,
        request: &RunRequest,
        stretch: Stretch,
        reading: Option<&Reading>,
    ) -> Self {
        let read = ReadRequest::new()
            .with_fields(plan.fields.clone())
            .with_raw(plan.raw.clone())
            .with_batch_rows(request.batch_rows)
            .between(stretch.from, stretch.until)
            .within(reading.map(Reading::bounds));
        let executor = context.executor_handle();
        let ahead = executor.ahead();
        // One is being written. Where nothing runs beside the run, nothing is read beside it.
        let most = if ahead == 1 { 1 } else { ahead + 1 };
        let flight = Flight::new(request.memory, most);
        let batches = flight.gate(dataset.read(context, read)).boxed();
        let batches = match &request.source_read {
            Some(gate) if stretch.is_last => telling_its_end(batches, gate.clone()),
            _ => batches,
        };
        let charging = flight.clone();
        let charge = move |admitted: Result<Admitted>| {
            let admitted = admitted?;
            let charge = charging.charge(held_by(&admitted.batch));
            Ok((admitted, charge))
        };
        let batches = admitted(batches, reading.map(Reading::admission));
        Intake {
            context: context.clone(),
            executor,
            preparation: Arc::clone(&plan.preparation),
            flight,
            most,
            batches: batches.map(charge).boxed(),
        }
    }

    /// Prepares and maps, a few batches ahead.
    pub(super) fn mapped(self, mappers: Arc<[Bound]>) -> Ahead<Ready> {
        let Intake {
            context,
            executor,
            preparation,
            batches,
            ..
        } = self;
        let ahead = executor.ahead();
        // A lookup that asks somebody else must be awaited here, by the run itself.
        let computes_only = computes_only(&mappers);
        let ready = batches.map(move |admitted| {
            let (context, preparation) = (context.clone(), Arc::clone(&preparation));
            let mappers = Arc::clone(&mappers);
            let work = async move {
                let (admitted, charge) = admitted?;
                let ready = prepared(&preparation, admitted, charge)?;
                ready.mapped(&context, &mappers).await
            };
            done(Arc::clone(&executor), computes_only, work)
        });
        Ahead::new(ready.buffered(ahead).boxed())
    }

    /// Prepares as many batches as have room.
    pub(super) fn early(self) -> Early {
        let Intake {
            context,
            executor,
            preparation,
            flight,
            most,
            batches,
        } = self;
        flight.set_most(usize::MAX);
        let ahead = executor.ahead();
        let beside = Arc::clone(&executor);
        let batches = batches.map(move |admitted| {
            let preparation = Arc::clone(&preparation);
            let work = async move {
                let (admitted, charge) = admitted?;
                prepared(&preparation, admitted, charge).map(Ready::early)
            };
            let executor = Arc::clone(&beside);
            async move { run_on(&*executor, work).await? }
        });
        Early {
            context,
            executor,
            flight,
            most,
            batches: Ahead::new(batches.buffered(ahead).boxed()),
        }
    }
}

fn computes_only(mappers: &[Bound]) -> bool {
    mappers.iter().all(|bound| bound.write.in_memory())
}

/// Work on a batch: on the executor, if it computes and waits for nothing.
async fn done<T: Send + 'static>(
    executor: Arc<dyn Executor>,
    computes_only: bool,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    if computes_only {
        run_on(&*executor, work).await?
    } else {
        work.await
    }
}

/// The batches; when there are no more, and none failed, the gate is opened.
fn telling_its_end<T: Send + 'static>(
    batches: BoxStream<'static, Result<T>>,
    gate: Gate,
) -> BoxStream<'static, Result<T>> {
    let step = |(mut batches, gate): (BoxStream<'static, Result<T>>, Option<Gate>)| async move {
        match (batches.next().await, gate) {
            (Some(Ok(batch)), gate) => Some((Ok(batch), (batches, gate))),
            (Some(Err(error)), _) => Some((Err(error), (batches, None))),
            (None, gate) => {
                if let Some(gate) = gate {
                    gate.open();
                }
                None
            }
        }
    };
    stream::unfold((batches, Some(gate)), step).boxed()
}

/// Batches that are read before their run may map them.
pub(super) struct Early {
    context: Context,
    executor: Arc<dyn Executor>,
    flight: Flight,
    most: usize,
    batches: Ahead<Ready>,
}

impl Early {
    /// Reads on while this goes on.
    pub(super) async fn beside<O>(&mut self, work: impl Future<Output = O>) -> O {
        self.batches.beside(work).await
    }

    /// Whether reading broke off.
    pub(super) fn has_failed(&self) -> bool {
        self.batches.has_failed()
    }

    /// Maps them, a few ahead.
    pub(super) fn mapped(self, mappers: Arc<[Bound]>) -> Ahead<Ready> {
        let Early {
            context,
            executor,
            flight,
            most,
            batches,
        } = self;
        flight.set_most(most);
        let ahead = executor.ahead();
        let computes_only = computes_only(&mappers);
        let ready = batches.into_stream().map(move |batch| {
            let (context, mappers) = (context.clone(), Arc::clone(&mappers));
            let work = async move { batch?.mapped(&context, &mappers).await };
            done(Arc::clone(&executor), computes_only, work)
        });
        Ahead::new(ready.buffered(ahead).boxed())
    }
}
