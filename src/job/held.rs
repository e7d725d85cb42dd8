//! Rows that are held back, because a self lookup may reject them once all rows are known.
//!
//! Whether a row may stay depends on which others stay: its parent may be one of them, and so may the
//! row whose place it took. So the rows are tried out on a dry run of the destination, again and again,
//! until those that are left hold together. Each trial takes out the rows of one kind only, those first
//! whose going can do others good:
//!
//! 1. rows without a parent that took the place of another row, or kept one from being written;
//! 2. the other rows without a parent, with the rows that hang on them;
//! 3. rows with several parents;
//! 4. rows on a cycle.
//!
//! What is taken out depends on the records alone, so the order of the rows does not matter.

use std::collections::{BTreeMap, HashMap, HashSet};

use arrow_array::{ArrayRef, BooleanArray};

use crate::Result;
use crate::destination::{Destination, OpenRequest, RowOutcome, WriteReport};
use crate::host::Context;
use crate::mapping::{LookupState, Mapped, MappingPlan, SelfLookupPlan};
use crate::record::{Reason, Refusal, Reject};
use crate::spec::{Cycles, Dangling, MultiMatch};

use super::cycles;
use super::pending::{Found, look_up, texts};
use super::stage::reject;

/// The mapped batches of a run, in source order.
#[derive(Default)]
pub(super) struct Held {
    batches: Vec<Mapped>,
}

/// The rows that may be written, and those that may not.
pub(super) struct Judged {
    pub(super) accepted: Vec<Mapped>,
    pub(super) rejects: Vec<Reject>,
}

/// A row: its batch, its number there.
type Row = (usize, usize);

impl Held {
    pub(super) fn push(&mut self, mapped: Mapped) {
        if !mapped.batch.is_empty() {
            self.batches.push(mapped);
        }
    }

    pub(super) async fn judge(
        mut self,
        context: &Context,
        plan: &MappingPlan,
        destination: &dyn Destination,
        opened: &OpenRequest,
    ) -> Result<Judged> {
        let mut rejects = Vec::new();
        loop {
            let refused = self.try_out(context, plan, destination, opened).await?;
            if refused.is_empty() {
                break;
            }
            for (&(batch, row), refusal) in &refused {
                rejects.push(reject(&self.batches[batch], row, refusal.clone()));
            }
            let mut kept = Vec::with_capacity(self.batches.len());
            for (i, mapped) in self.batches.into_iter().enumerate() {
                let keep: BooleanArray = (0..mapped.batch.len())
                    .map(|row| Some(!refused.contains_key(&(i, row))))
                    .collect();
                kept.push(mapped.filter(&keep)?);
            }
            self.batches = kept;
        }
        rejects.sort_by_key(|reject| reject.position.record);
        Ok(Judged {
            accepted: self.batches,
            rejects,
        })
    }

    /// Writes the rows to a dry run and answers with those that cannot stay.
    async fn try_out(
        &self,
        context: &Context,
        plan: &MappingPlan,
        destination: &dyn Destination,
        opened: &OpenRequest,
    ) -> Result<BTreeMap<Row, Refusal>> {
        let trial = opened.clone().with_dry_run(true);
        let mut writer = destination.open(context, trial).await?.writer;
        let mut ids: Vec<ArrayRef> = Vec::with_capacity(self.batches.len());
        let mut trace = Trace::default();
        for (i, mapped) in self.batches.iter().enumerate() {
            let report = writer.write(context, mapped.batch.clone()).await?;
            let names = report.ids.clone().ok_or_else(|| {
                crate::Error::contract("a writer must answer with the identity of every row")
                    .with("destination", plan.object())
            })?;
            trace.add(i, &report, &texts(&names));
            ids.push(names);
        }
        let mut found = Vec::new();
        for (k, lookup) in plan.self_lookups().enumerate() {
            let door = writer.lookup(context, lookup.request.clone()).await?;
            let mut parents = Parents {
                lookup,
                rows: Vec::new(),
                alone: Vec::new(),
                several: Vec::new(),
            };
            for (i, mapped) in self.batches.iter().enumerate() {
                let keys = mapped.self_keys[k].clone();
                let (states, values) = look_up(context, lookup, &*door, keys).await?;
                for (row, state) in states.iter().enumerate() {
                    match state {
                        LookupState::Unresolved
                            if mapped.states[lookup.place][row] == LookupState::Pending =>
                        {
                            parents.alone.push((i, row));
                        }
                        LookupState::Ambiguous => parents.several.push((i, row)),
                        _ => {}
                    }
                }
                parents.rows.push(Found {
                    ids: ArrayRef::clone(&ids[i]),
                    values,
                });
            }
            found.push(parents);
        }
        let mut refused = trace.without_parent(&found);
        if refused.is_empty() {
            refused = several_parents(&found);
        }
        if refused.is_empty() {
            for parents in found
                .iter()
                .filter(|parents| parents.lookup.cycles == Cycles::Reject)
            {
                let on_cycle =
                    cycles::members(context, parents.lookup, &mut *writer, &parents.rows).await?;
                trace.on_cycles(parents, &on_cycle, &mut refused);
            }
        }
        writer.abort(context).await?;
        Ok(refused)
    }
}

/// What a trial found for one self lookup.
struct Parents<'a> {
    lookup: &'a SelfLookupPlan,
    /// For each batch, its records and their parents.
    rows: Vec<Found>,
    /// Rows whose key no record has.
    alone: Vec<Row>,
    /// Rows whose key several records have.
    several: Vec<Row>,
}

fn several_parents(found: &[Parents<'_>]) -> BTreeMap<Row, Refusal> {
    let mut refused = BTreeMap::new();
    for parents in found
        .iter()
        .filter(|parents| parents.lookup.multi_match == MultiMatch::Reject)
    {
        for &row in &parents.several {
            refused
                .entry(row)
                .or_insert_with(|| parents.lookup.several_match());
        }
    }
    refused
}

/// Which records the trial made, and by which rows.
#[derive(Default)]
struct Trace {
    /// The rows of each record, in source order.
    rows: HashMap<String, Vec<Row>>,
    /// The records that were not there before.
    made: HashSet<String>,
    id_of: HashMap<Row, String>,
    /// Whether a row was refused that another row may have kept out.
    kept_out: bool,
}

impl Trace {
    fn add(&mut self, batch: usize, report: &WriteReport, ids: &[Option<String>]) {
        let by_another = |reason| {
            matches!(
                reason,
                Reason::DuplicateKey | Reason::NotUnique | Reason::MultiMatch
            )
        };
        self.kept_out |= report
            .refusals
            .iter()
            .any(|(_, refusal)| by_another(refusal.reason));
        for (row, (outcome, id)) in report.outcomes.iter().zip(ids).enumerate() {
            let Some(id) = id else { continue };
            if *outcome == RowOutcome::Inserted {
                self.made.insert(id.clone());
            }
            self.rows.entry(id.clone()).or_default().push((batch, row));
            self.id_of.insert((batch, row), id.clone());
        }
    }

    /// The rows of the record that a row wrote.
    fn rows_beside(&self, row: &Row) -> &[Row] {
        let rows = self.id_of.get(row).and_then(|id| self.rows.get(id));
        rows.map_or(&[], Vec::as_slice)
    }

    /// Rows without a parent: if the going of some can do others good, those alone.
    fn without_parent(&self, found: &[Parents<'_>]) -> BTreeMap<Row, Refusal> {
        let mut refused = BTreeMap::new();
        let strict = || {
            found
                .iter()
                .filter(|parents| parents.lookup.dangling == Dangling::Reject)
        };
        for parents in strict() {
            for &row in &parents.alone {
                refused
                    .entry(row)
                    .or_insert_with(|| parents.lookup.no_match());
            }
        }
        let in_the_way: BTreeMap<Row, Refusal> = (refused.iter())
            .filter(|(row, _)| self.rows_beside(row).len() > 1)
            .map(|(row, refusal)| (*row, refusal.clone()))
            .collect();
        if !in_the_way.is_empty() {
            return in_the_way;
        }
        if !self.kept_out {
            for parents in strict() {
                self.cascade(parents, &mut refused);
            }
        }
        refused
    }

    /// A record that no row makes any more is gone, and the rows that refer to it go with it: a whole
    /// chain at once, where one trial for each link would be slow.
    fn cascade(&self, parents: &Parents<'_>, refused: &mut BTreeMap<Row, Refusal>) {
        // A row with several parents does not hang on the one that it would take.
        let several: HashSet<&Row> = parents.several.iter().collect();
        let mut children: HashMap<String, Vec<Row>> = HashMap::new();
        for (i, rows) in parents.rows.iter().enumerate() {
            for (row, parent) in texts(&rows.values).into_iter().enumerate() {
                if let (Some(parent), false) = (parent, several.contains(&(i, row))) {
                    children.entry(parent).or_default().push((i, row));
                }
            }
        }
        let mut queue: Vec<Row> = refused.keys().copied().collect();
        while let Some(row) = queue.pop() {
            let Some(id) = self.id_of.get(&row).filter(|id| self.made.contains(*id)) else {
                continue;
            };
            for &child in children.get(id).into_iter().flatten() {
                // A child that shares its record with other rows is for the next trial.
                if self.rows_beside(&child).len() == 1 && !refused.contains_key(&child) {
                    refused.insert(child, parents.lookup.no_match());
                    queue.push(child);
                }
            }
        }
    }

    /// The rows that link a record onto a cycle. Of a record with several rows the last one stands;
    /// earlier rows with the same parent would only close the same cycle in the next trial.
    fn on_cycles(
        &self,
        parents: &Parents<'_>,
        members: &HashSet<String>,
        refused: &mut BTreeMap<Row, Refusal>,
    ) {
        let above: Vec<Vec<Option<String>>> = parents
            .rows
            .iter()
            .map(|rows| texts(&rows.values))
            .collect();
        let parent =
            |&(batch, row): &Row| above.get(batch).and_then(|rows| rows.get(row)?.as_ref());
        for rows in members.iter().filter_map(|id| self.rows.get(id)) {
            let link = rows.last().and_then(parent);
            for row in rows
                .iter()
                .filter(|row| link.is_some() && parent(row) == link)
            {
                let message = "the record would be its own ancestor";
                let refusal =
                    || Refusal::new(Reason::Cycle, message).of(&parents.lookup.field.name);
                refused.entry(*row).or_insert_with(refusal);
            }
        }
    }
}
