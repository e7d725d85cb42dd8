//! Whose run starts next, where not all can. No I/O.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::Tenant;
use crate::spec::Priority;

/// The most runs of a tenant that wait here; the others wait in the index.
const MOST_OF_TENANT: usize = 16;
/// The most runs that wait here at all, but for one of each tenant.
const MOST: usize = 4_096;
/// By how much a priority puts a run forward, in seconds. So whoever waits longer than twice this goes in front of everybody who comes.
const AHEAD: i64 = 600;

/// A run that may start.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate {
    /// When it was due, put forward by its priority.
    rank: i64,
    pub(super) job: String,
}

impl Candidate {
    pub(super) fn new(job: impl Into<String>, due: DateTime<Utc>, priority: Priority) -> Self {
        let ahead = match priority {
            Priority::High => AHEAD,
            Priority::Normal => 0,
            Priority::Low => -AHEAD,
        };
        Candidate {
            rank: due.timestamp() - ahead,
            job: job.into(),
        }
    }
}

/// Runs that may start, of all tenants. Tenants take turns: first those with the fewest runs here, and of these whoever has waited longest
/// for a turn. Of one tenant the run of the least rank is first.
#[derive(Debug, Default)]
pub(super) struct Queue {
    tenants: BTreeMap<Tenant, Waiting>,
    /// Those that have a candidate, in the order of their turns.
    turns: BTreeSet<(usize, u64, Tenant)>,
    turn: u64,
    waiting: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    candidates: BTreeSet<Candidate>,
    running: usize,
    /// When its last run started, counted in turns.
    served: u64,
}

impl Queue {
    /// Whether a tenant's run may wait here.
    pub(super) fn has_room(&self, tenant: &Tenant) -> bool {
        let of_tenant = self.tenants.get(tenant).map_or(0, |t| t.candidates.len());
        of_tenant == 0 || (of_tenant < MOST_OF_TENANT && self.waiting < MOST)
    }

    pub(super) fn len(&self) -> usize {
        self.waiting
    }

    /// Lets a run wait; one of the same job gives way.
    pub(super) fn push(&mut self, tenant: &Tenant, candidate: Candidate) {
        self.change(tenant, |waiting| {
            waiting
                .candidates
                .retain(|other| other.job != candidate.job);
            waiting.candidates.insert(candidate);
        });
    }

    pub(super) fn contains(&self, tenant: &Tenant, job: &str) -> bool {
        let waiting = self.tenants.get(tenant);
        waiting.is_some_and(|waiting| waiting.candidates.iter().any(|c| c.job == job))
    }

    /// Takes the run whose turn it is.
    pub(super) fn pop(&mut self) -> Option<(Tenant, Candidate)> {
        let (_, _, tenant) = self.turns.first()?.clone();
        let turn = self.turn + 1;
        self.turn = turn;
        let candidate = self.change(&tenant, |waiting| {
            waiting.served = turn;
            waiting.candidates.pop_first()
        });
        candidate.map(|candidate| (tenant, candidate))
    }

    /// A run of a tenant began here.
    pub(super) fn began(&mut self, tenant: &Tenant) {
        self.change(tenant, |waiting| waiting.running += 1);
    }

    /// A run of a tenant ended here.
    pub(super) fn ended(&mut self, tenant: &Tenant) {
        self.change(tenant, |waiting| {
            waiting.running = waiting.running.saturating_sub(1);
        });
    }

    fn change<R>(&mut self, tenant: &Tenant, change: impl FnOnce(&mut Waiting) -> R) -> R {
        let waiting = self.tenants.entry(tenant.clone()).or_default();
        let turn = (waiting.running, waiting.served, tenant.clone());
        let before = waiting.candidates.len();
        let changed = change(waiting);
        self.waiting = self.waiting + waiting.candidates.len() - before;
        self.turns.remove(&turn);
        if !waiting.candidates.is_empty() {
            let turn = (waiting.running, waiting.served, tenant.clone());
            self.turns.insert(turn);
        } else if waiting.running == 0 {
            self.tenants.remove(tenant);
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn tenant(name: &str) -> Tenant {
        Tenant::new(name).unwrap()
    }

    fn at(seconds: i64, priority: Priority) -> Candidate {
        let due = DateTime::from_timestamp(seconds, 0).unwrap();
        Candidate::new(format!("job {seconds} {priority:?}"), due, priority)
    }

    #[test]
    fn a_tenant_with_many_runs_does_not_hold_up_one_with_few() {
        let mut queue = Queue::default();
        for second in 0..100 {
            if queue.has_room(&tenant("many")) {
                queue.push(&tenant("many"), at(second, Priority::High));
            }
        }
        queue.push(&tenant("few"), at(1_000, Priority::Low));
        assert_eq!(queue.len(), MOST_OF_TENANT + 1);
        let mut order = Vec::new();
        for _ in 0..4 {
            let (tenant, _) = queue.pop().unwrap();
            queue.began(&tenant);
            order.push(tenant.to_string());
        }
        assert_eq!(order, ["few", "many", "many", "many"]);
        queue.push(&tenant("few"), at(2_000, Priority::Low));
        assert_eq!(queue.pop().unwrap().0, tenant("few"));
    }

    #[test]
    fn tenants_with_equally_many_runs_take_turns() {
        let mut queue = Queue::default();
        for second in 0..3 {
            for name in ["a", "b", "c"] {
                queue.push(&tenant(name), at(second, Priority::Normal));
            }
        }
        let order: Vec<String> = std::iter::from_fn(|| Some(queue.pop()?.0.to_string())).collect();
        assert_eq!(order, ["a", "b", "c", "a", "b", "c", "a", "b", "c"]);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn a_priority_puts_forward_and_nobody_waits_for_ever() {
        let mut queue = Queue::default();
        queue.push(&tenant("a"), at(0, Priority::Low));
        for second in [500, 1_100, 1_300] {
            queue.push(&tenant("a"), at(second, Priority::High));
        }
        let order: Vec<String> = std::iter::from_fn(|| Some(queue.pop()?.1.job)).collect();
        assert_eq!(
            order,
            [
                "job 500 High",
                "job 1100 High",
                "job 0 Low",
                "job 1300 High"
            ]
        );
    }

    #[test]
    fn a_job_waits_once_and_what_is_over_is_forgotten() {
        let mut queue = Queue::default();
        let a = tenant("a");
        let due = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        queue.push(&a, Candidate::new("x", due(1), Priority::Normal));
        queue.push(&a, Candidate::new("x", due(2), Priority::Normal));
        assert!(queue.contains(&a, "x") && queue.len() == 1);
        queue.began(&a);
        queue.pop();
        queue.ended(&a);
        assert!(queue.tenants.is_empty() && queue.turns.is_empty());
    }
}
