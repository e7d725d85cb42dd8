//! Self lookups that wait for the end of the run.
//!
//! Every row with a self lookup is written with null first. When all rows of the run are there, the
//! keys are looked up in the object as it is then, and what is found is patched in: so the result
//! does not depend on the order of the rows, and a child may come before its parent.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_select::filter::filter;

use crate::Result;
use crate::destination::{Patch, Writer};
use crate::host::{Bug, Context};
use crate::lookup::{Lookup, LookupKeys, Match};
use crate::mapping::{LookupState, Mapped, MappingPlan, SelfLookupPlan};
use crate::spec::{Cycles, MultiMatch};

use super::cycles;
use super::report::LookupCounts;
use super::states::States;

/// The rows of a run that wait, for each self lookup of a destination.
pub(super) struct Pending {
    lookups: Vec<Vec<Waiting>>,
}

/// Rows of one batch that wait.
struct Waiting {
    sequences: Vec<u64>,
    ids: ArrayRef,
    keys: LookupKeys,
}

/// Rows of one batch with what was found for them.
pub(super) struct Found {
    pub(super) ids: ArrayRef,
    /// In the identity's type; null where nothing is to be written.
    pub(super) values: ArrayRef,
}

impl Pending {
    pub(super) fn new(plan: &MappingPlan) -> Self {
        Pending {
            lookups: plan.self_lookups().map(|_| Vec::new()).collect(),
        }
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.lookups.iter().all(Vec::is_empty)
    }

    /// Remembers the rows of a batch that were written and wait.
    pub(super) fn push(
        &mut self,
        mapped: &Mapped,
        ids: &ArrayRef,
        written: &BooleanArray,
    ) -> Result<()> {
        for (waiting, keys) in self.lookups.iter_mut().zip(&mapped.self_keys) {
            let keyed = |row: usize| {
                written.value(row) && keys.columns.iter().all(|column| column.is_valid(row))
            };
            let keep: BooleanArray = (0..written.len()).map(|row| Some(keyed(row))).collect();
            if keep.true_count() == 0 {
                continue;
            }
            let columns = keys.columns.iter().map(|column| filter(column, &keep));
            waiting.push(Waiting {
                sequences: keep
                    .values()
                    .set_indices()
                    .map(|row| mapped.batch.origins.sequence(row))
                    .collect(),
                ids: filter(ids, &keep)?,
                keys: LookupKeys::new(columns.collect::<Result<_, _>>()?),
            });
        }
        Ok(())
    }

    /// The records of these identities are gone, and nothing is to be set in them.
    pub(super) fn forget(&mut self, gone: &ArrayRef) -> Result<()> {
        if self.is_empty() || Bug::DeleteLeavesLink.is_on() {
            return Ok(());
        }
        let gone: HashSet<String> = texts(gone).into_iter().flatten().collect();
        for rows in self.lookups.iter_mut().flatten() {
            let stays = texts(&rows.ids)
                .into_iter()
                .map(|id| Some(id.is_none_or(|id| !gone.contains(&id))));
            let stays: BooleanArray = stays.collect();
            if stays.true_count() == stays.len() {
                continue;
            }
            let columns = rows
                .keys
                .columns
                .iter()
                .map(|column| filter(column, &stays));
            rows.keys = LookupKeys::new(columns.collect::<Result<_, _>>()?);
            rows.ids = filter(&rows.ids, &stays)?;
            let mut keep = stays.values().iter();
            rows.sequences.retain(|_| keep.next() == Some(true));
        }
        Ok(())
    }

    /// Looks everything up in the object as it is now, and patches it.
    pub(super) async fn resolve(
        self,
        context: &Context,
        plan: &MappingPlan,
        writer: &mut dyn Writer,
        states: &mut States,
        counts: &mut indexmap::IndexMap<String, LookupCounts>,
    ) -> Result<()> {
        for (waiting, plan) in self.lookups.into_iter().zip(plan.self_lookups()) {
            if waiting.is_empty() {
                continue;
            }
            let lookup = writer.lookup(context, plan.request.clone()).await?;
            let mut found = Vec::with_capacity(waiting.len());
            for rows in waiting {
                let stands: BooleanArray = rows
                    .sequences
                    .iter()
                    .map(|&row| Some(states.stands(row)))
                    .collect();
                let ids = filter(&rows.ids, &stands)?;
                let columns = rows
                    .keys
                    .columns
                    .iter()
                    .map(|column| filter(column, &stands));
                let keys = LookupKeys::new(columns.collect::<Result<_, _>>()?);
                let (matches, values) = look_up(context, plan, &*lookup, keys).await?;
                for found in matches {
                    states.settle(counts, plan.place, found);
                }
                found.push(Found { ids, values });
            }
            if plan.cycles == Cycles::Null {
                let on_cycle = cycles::members(context, plan, writer, &found).await?;
                for rows in &mut found {
                    rows.values = cycles::without(rows, &on_cycle)?;
                }
            }
            for rows in found {
                patch(context, plan, writer, rows).await?;
            }
        }
        Ok(())
    }
}

/// The state of each key, and the identity to write for it.
pub(super) async fn look_up(
    context: &Context,
    plan: &SelfLookupPlan,
    lookup: &dyn Lookup,
    keys: LookupKeys,
) -> Result<(Vec<LookupState>, ArrayRef)> {
    let matches = lookup.resolve(context, keys).await?;
    let state = |found: &Match| match found {
        Match::One => LookupState::Resolved,
        Match::Many => LookupState::Ambiguous,
        Match::None => LookupState::Unresolved,
        Match::Empty => LookupState::Empty,
    };
    let states: Vec<LookupState> = matches.found.iter().map(state).collect();
    let takes_first = matches!(plan.multi_match, MultiMatch::Any | MultiMatch::First { .. });
    let hide: BooleanArray = states
        .iter()
        .map(|state| {
            let keep = *state == LookupState::Resolved
                || (takes_first && *state == LookupState::Ambiguous);
            Some(!keep)
        })
        .collect();
    Ok((
        states,
        arrow_select::nullif::nullif(&matches.values, &hide)?,
    ))
}

async fn patch(
    context: &Context,
    plan: &SelfLookupPlan,
    writer: &mut dyn Writer,
    rows: Found,
) -> Result<()> {
    // An identity that the field cannot hold, an empty text, refers to nothing.
    let converted = plan.convert.convert(&rows.values)?.column;
    let given: BooleanArray = (0..converted.len())
        .map(|row| Some(converted.is_valid(row)))
        .collect();
    if given.true_count() == 0 {
        return Ok(());
    }
    let field = arrow_schema::Field::new(&plan.field.name, plan.field.field_type.data_type(), true);
    let schema = Arc::new(arrow_schema::Schema::new(vec![field]));
    let values = RecordBatch::try_new(schema, vec![filter(&converted, &given)?])?;
    writer
        .patch(context, Patch::new(filter(&rows.ids, &given)?, values))
        .await
}

/// Identities as text, by which links are followed.
pub(super) fn texts(ids: &ArrayRef) -> Vec<Option<String>> {
    let text = |row: usize| {
        let mut text = Vec::new();
        let given = crate::record::format::value(ids, row, &mut text);
        given.then(|| String::from_utf8_lossy(&text).into_owned())
    };
    (0..ids.len()).map(text).collect()
}

/// The links that rows set: child to parent, both as text.
pub(super) fn links(rows: &[Found]) -> HashMap<String, Option<String>> {
    let mut links = HashMap::new();
    for rows in rows {
        for (child, parent) in texts(&rows.ids).into_iter().zip(texts(&rows.values)) {
            if let Some(child) = child {
                links.insert(child, parent);
            }
        }
    }
    links
}
