//! Mappings, bound to what they look up.

use std::sync::Arc;

use crate::Result;
use crate::host::Context;
use crate::lookup::Lookup;
use crate::mapping::{Mapped, Mapper};
use crate::record::Batch;

use super::plan::JobPlan;
use super::stage::Stage;

/// A destination's mapping.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    pub(super) write: Mapper,
    /// What deletes of the source are found by. It has a part of the rules of `write`, and so no lookup that this has not.
    pub(super) find: Option<Mapper>,
}

impl Bound {
    /// `None` for deletes of which nothing is looked for.
    pub(super) async fn map(
        &self,
        context: &Context,
        batch: &Batch,
        deletes: bool,
    ) -> Result<Option<Mapped>> {
        let mapper = match deletes {
            true => self.find.as_ref(),
            false => Some(&self.write),
        };
        match mapper {
            Some(mapper) => mapper.map(context, batch).await.map(Some),
            None => Ok(None),
        }
    }
}

/// Binds each destination's mapping to its lookups: to the writer of the earlier destination that
/// writes the object, if there is one, else to the connection.
pub(super) async fn bind(
    context: &Context,
    plan: &JobPlan,
    stages: &mut [Stage],
) -> Result<Vec<Bound>> {
    let mut bound = Vec::with_capacity(plan.targets.len());
    for target in &plan.targets {
        let mut mappers = Vec::new();
        for mapping in [Some(&target.mapping), target.finding.as_ref()]
            .into_iter()
            .flatten()
        {
            let mut lookups: Vec<Arc<dyn Lookup>> = Vec::new();
            for request in mapping.lookups() {
                let place = target
                    .mapping
                    .lookups()
                    .iter()
                    .position(|other| other == request);
                let writer =
                    place.and_then(|place| target.written_by.get(place).copied().flatten());
                lookups.push(match writer.and_then(|writer| stages.get_mut(writer)) {
                    Some(stage) => stage.lookup(context, request.clone()).await?,
                    None => target.connection.lookup(context, request.clone()).await?,
                });
            }
            mappers.push(mapping.bind(lookups)?);
        }
        let mut mappers = mappers.into_iter();
        bound.extend(mappers.next().map(|write| Bound {
            write,
            find: mappers.next(),
        }));
    }
    Ok(bound)
}
