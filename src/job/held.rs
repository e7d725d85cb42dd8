//! Rows that are held back, because a self lookup may reject them once all rows are known.
//!
//! Whether a row may stay depends on which others stay: its parent may be one of them. So the rows
//! are tried out on a dry run of the destination. Rows whose parent is not there are taken out, with
//! the rows that hang on them, until those that are left hold together. That is the largest set that
//! does, so the order of the rows does not matter.

use std::collections::{BTreeMap, HashMap, HashSet};

use arrow_array::{ArrayRef, BooleanArray};

use crate::Result;
use crate::destination::{Destination, OpenRequest, RowOutcome};
use crate::host::Context;
use crate::mapping::{LookupState, Mapped, MappingPlan};
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
            let names = report.ids.ok_or_else(|| {
                crate::Error::contract("a writer must answer with the identity of every row")
                    .with("destination", plan.object())
            })?;
            trace.add(i, &report.outcomes, &texts(&names));
            ids.push(names);
        }
        let mut refused = BTreeMap::new();
        for (k, lookup) in plan.self_lookups().enumerate() {
            let door = writer.lookup(context, lookup.request.clone()).await?;
            let mut found = Vec::with_capacity(self.batches.len());
            let mut children: HashMap<String, Vec<Row>> = HashMap::new();
            for (i, mapped) in self.batches.iter().enumerate() {
                let keys = mapped.self_keys[k].clone();
                let (states, values) = look_up(context, lookup, &*door, keys).await?;
                for (row, (state, value)) in states.iter().zip(texts(&values)).enumerate() {
                    let known = mapped.states[lookup.place][row];
                    let refusal = match state {
                        LookupState::Unresolved if known == LookupState::Pending => {
                            (lookup.dangling == Dangling::Reject).then(|| lookup.no_match())
                        }
                        LookupState::Ambiguous => (lookup.multi_match == MultiMatch::Reject)
                            .then(|| lookup.several_match()),
                        _ => None,
                    };
                    if let Some(refusal) = refusal {
                        refused.entry((i, row)).or_insert(refusal);
                    } else if let Some(parent) = value {
                        children.entry(parent).or_default().push((i, row));
                    }
                }
                found.push(Found {
                    ids: ArrayRef::clone(&ids[i]),
                    values,
                });
            }
            if lookup.cycles == Cycles::Reject {
                for row in
                    trace.standing(&cycles::members(context, lookup, &mut *writer, &found).await?)
                {
                    let message = "the record would be its own ancestor";
                    refused.entry(row).or_insert_with(|| {
                        Refusal::new(Reason::Cycle, message).of(&lookup.field.name)
                    });
                }
            }
            if lookup.dangling == Dangling::Reject {
                trace.cascade(&children, &mut refused, || lookup.no_match());
            }
        }
        writer.abort(context).await?;
        Ok(refused)
    }
}

/// Which records the trial made, and by which rows.
#[derive(Default)]
struct Trace {
    /// The rows of each record, in source order.
    rows: HashMap<String, Vec<Row>>,
    /// The records that were not there before.
    made: HashSet<String>,
    id_of: HashMap<Row, String>,
}

impl Trace {
    fn add(&mut self, batch: usize, outcomes: &[RowOutcome], ids: &[Option<String>]) {
        for (row, (outcome, id)) in outcomes.iter().zip(ids).enumerate() {
            let Some(id) = id else { continue };
            if *outcome == RowOutcome::Inserted {
                self.made.insert(id.clone());
            }
            self.rows.entry(id.clone()).or_default().push((batch, row));
            self.id_of.insert((batch, row), id.clone());
        }
    }

    /// The last row of each of these records: the one that stands.
    fn standing(&self, ids: &HashSet<String>) -> Vec<Row> {
        ids.iter()
            .filter_map(|id| self.rows.get(id)?.last().copied())
            .collect()
    }

    /// A record that no row makes any more is gone, and the rows that refer to it go with it: a whole
    /// chain at once, where one trial for each link would be slow.
    fn cascade(
        &self,
        children: &HashMap<String, Vec<Row>>,
        refused: &mut BTreeMap<Row, Refusal>,
        refusal: impl Fn() -> Refusal,
    ) {
        let mut queue: Vec<Row> = refused.keys().copied().collect();
        while let Some(row) = queue.pop() {
            let Some(id) = self.id_of.get(&row).filter(|id| self.made.contains(*id)) else {
                continue;
            };
            if !self.rows[id].iter().all(|row| refused.contains_key(row)) {
                continue;
            }
            for &child in children.get(id).into_iter().flatten() {
                if let std::collections::btree_map::Entry::Vacant(entry) = refused.entry(child) {
                    entry.insert(refusal());
                    queue.push(child);
                }
            }
        }
    }
}
