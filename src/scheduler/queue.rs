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

/// Whose turn it is among the runs of a tenant: when it was due, put forward by its priority. The least is first.
pub(super) fn rank(due: DateTime<Utc>, priority: Priority) -> i64 {
    let ahead = match priority {
        Priority::High => AHEAD,
        Priority::Normal => 0,
        Priority::Low => -AHEAD,
    };
    due.timestamp() - ahead
}

/// A run that may start.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate {
    rank: i64,
    pub(super) job: String,
}

impl Candidate {
    pub(super) fn new(job: impl Into<String>, rank: i64) -> Self {
        let job = job.into();
        Candidate { rank, job }
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
    /// When its last run started, or else when it came, counted in turns.
    served: u64,
}

impl Queue {
    /// Whether a tenant's run of this rank may wait here, be it in place of one that is behind it.
    pub(super) fn has_room(&self, tenant: &Tenant, rank: i64) -> bool {
        let Some(worst) = self.tenants.get(tenant).and_then(|t| t.candidates.last()) else {
            return true;
        };
        self.has_more_room(tenant) || rank < worst.rank
    }

    fn has_more_room(&self, tenant: &Tenant) -> bool {
        let of_tenant = self.tenants.get(tenant).map_or(0, |t| t.candidates.len());
        of_tenant == 0 || (of_tenant < MOST_OF_TENANT && self.waiting < MOST)
    }

    pub(super) fn len(&self) -> usize {
        self.waiting
    }

    /// Lets a run wait. One of the same job gives way; where there is no more room, the last of the tenant does, which may be this one: it waits in the index
    /// then.
    pub(super) fn push(&mut self, tenant: &Tenant, candidate: Candidate) {
        self.change(tenant, |waiting| {
            waiting
                .candidates
                .retain(|other| other.job != candidate.job);
        });
        let has_more_room = self.has_more_room(tenant);
        self.change(tenant, |waiting| {
            waiting.candidates.insert(candidate);
            if !has_more_room {
                waiting.candidates.pop_last();
            }
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
        // Who comes goes behind those who wait already.
        let comes = Waiting {
            served: self.turn,
            ..Waiting::default()
        };
        let waiting = self.tenants.entry(tenant.clone()).or_insert(comes);
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
        Candidate::new(format!("job {seconds} {priority:?}"), rank(due, priority))
    }

    #[test]
    fn a_tenant_with_many_runs_does_not_hold_up_one_with_few() {
        let mut queue = Queue::default();
        for second in 0..100 {
            queue.push(&tenant("many"), at(second, Priority::High));
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
        queue.push(&a, Candidate::new("x", 1));
        queue.push(&a, Candidate::new("x", 2));
        assert!(queue.contains(&a, "x") && queue.len() == 1);
        queue.began(&a);
        queue.pop();
        queue.ended(&a);
        assert!(queue.tenants.is_empty() && queue.turns.is_empty());
    }

    #[test]
    fn a_run_of_a_high_priority_gets_in_where_a_tenant_has_no_more_room() {
        let mut queue = Queue::default();
        let a = tenant("a");
        for second in 0..100 {
            queue.push(&a, at(second, Priority::Normal));
        }
        let rank_of = |seconds, priority| at(seconds, priority).rank;
        assert!(!queue.has_room(&a, rank_of(99, Priority::Normal)));
        assert!(queue.has_room(&a, rank_of(99, Priority::High)));
        queue.push(&a, at(99, Priority::High));
        assert_eq!(queue.len(), MOST_OF_TENANT);
        assert_eq!(queue.pop().unwrap().1.job, "job 99 High");
    }

    #[test]
    fn whoever_comes_again_at_once_goes_behind_those_who_wait() {
        let mut queue = Queue::default();
        let (a, b, z) = (tenant("a"), tenant("b"), tenant("z"));
        for waits in [&z, &a, &b] {
            queue.push(waits, Candidate::new("x", 1));
        }
        let mut order = Vec::new();
        for _ in 0..4 {
            let (tenant, _) = queue.pop().unwrap();
            queue.began(&tenant);
            queue.ended(&tenant);
            // Those at the front of the alphabet always have another one.
            if tenant != z {
                queue.push(&tenant, Candidate::new("x", 1));
            }
            order.push(tenant);
        }
        assert_eq!(order.iter().filter(|tenant| **tenant == z).count(), 1);
    }
}
