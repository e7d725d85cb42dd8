//! What must come out, by a model that knows nothing of batches, groups or crashes.

use std::collections::BTreeMap;

use super::world::{Parent, Store, Target, Workload};

/// What becomes of a row in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The source itself refused it.
    Refused,
    Filtered,
    Rejected,
    Written,
}

/// What one destination must come to.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) fates: Vec<Fate>,
    /// Key, `n`, key of the parent; sorted.
    pub(crate) records: Vec<(String, i64, String)>,
}

impl Model {
    pub(crate) fn count(&self, fate: Fate) -> u64 {
        self.fates.iter().filter(|&&other| other == fate).count() as u64
    }
}

/// The models of all destinations, in order.
pub(crate) fn models(workload: &Workload) -> Vec<Model> {
    let mut models: Vec<Model> = Vec::new();
    for target in &workload.targets {
        let earlier = |name: &str| {
            let at = workload.targets.iter().position(|t| t.object == name);
            at.map(|at| &models[at])
        };
        let mut fates: Vec<Fate> = Vec::new();
        let mut seen: Vec<&str> = Vec::new();
        for (n, (key, parent)) in workload.rows.iter().enumerate() {
            let left_out = [workload.without, target.without].contains(&Some(n as i64));
            let in_file = matches!(target.store, Store::Parts | Store::Whole);
            let unknown = |parent: &str, model: &Model| {
                let mut before = workload.rows.iter().zip(&model.fates).take(n + 1);
                !before.any(|((key, _), fate)| *key == Some(parent) && *fate == Fate::Written)
            };
            let lost = match (target.parent, parent) {
                (Parent::Of(other), Some(parent)) => {
                    earlier(other).is_some_and(|model| unknown(parent, model))
                }
                _ => false,
            };
            fates.push(if workload.refused.contains(&(n as u64)) {
                Fate::Refused
            } else if left_out {
                Fate::Filtered
            } else if lost
                || (key.is_none() && !in_file)
                || (target.keep_first && key.is_some_and(|key| seen.contains(&key)))
            {
                Fate::Rejected
            } else {
                seen.extend(key);
                Fate::Written
            });
        }
        if target.parent == Parent::SelfReject {
            reject_orphans(workload, &mut fates);
        }
        let records = records(workload, target, &fates);
        models.push(Model { fates, records });
    }
    models
}

/// Rows without a parent go, and those whose parents they were, until all have one.
fn reject_orphans(workload: &Workload, fates: &mut [Fate]) {
    loop {
        let written = |key: &str, fates: &[Fate]| {
            let mut rows = workload.rows.iter().zip(fates);
            rows.any(|((other, _), fate)| *other == Some(key) && *fate == Fate::Written)
        };
        let orphan = (0..fates.len()).find(|&n| {
            let parent = workload.rows[n].1;
            fates[n] == Fate::Written && parent.is_some_and(|parent| !written(parent, fates))
        });
        match orphan {
            Some(n) => fates[n] = Fate::Rejected,
            None => return,
        }
    }
}

fn records(workload: &Workload, target: &Target, fates: &[Fate]) -> Vec<(String, i64, String)> {
    let rows = workload.rows.iter().zip(fates).enumerate();
    let rows = rows.filter(|(_, (_, fate))| **fate == Fate::Written);
    let mut records: Vec<(String, i64, Option<&str>)> = Vec::new();
    let mut by_key: BTreeMap<&str, usize> = BTreeMap::new();
    for (n, ((key, parent), _)) in rows {
        let key = key.unwrap_or_default();
        let record = (key.to_owned(), n as i64, *parent);
        match by_key.get(key) {
            Some(&at) if target.upsert => records[at] = record,
            _ => {
                by_key.insert(key, records.len());
                records.push(record);
            }
        }
    }
    let count = |key: &str| records.iter().filter(|record| record.0 == key).count();
    let parent_of = |parent: Option<&str>| match (target.parent, parent) {
        (Parent::Unmapped, _) | (_, None) => String::new(),
        (Parent::SelfNull, Some(parent)) if count(parent) != 1 => String::new(),
        (_, Some(parent)) => parent.to_owned(),
    };
    let mut records: Vec<_> = records
        .iter()
        .map(|(key, n, parent)| (key.clone(), *n, parent_of(*parent)))
        .collect();
    records.sort();
    records
}
