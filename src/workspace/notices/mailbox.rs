//! What one address is to be told, as it is saved. No I/O.
//!
//! What happens is put into a mailbox and waits there until it may be told. Then all that waits becomes one notice, which stays as it is, under its id,
//! until it is delivered or given up: so whoever delivers it again, since an answer was lost or a process died, delivers the same.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::policy::{NoticePolicy, delta};
use crate::host::{NoticeItem, NoticeKind, NoticeSubject};
use crate::schedule::{NextRun, NoRun, ScheduleRequest};
use crate::{Error, ErrorKind, Retry};

/// How many things wait at most; of more it is known how many.
const MOST_WAITING: usize = 100;
/// How many ids are remembered, so that what is put twice is told once.
const MOST_PUT: usize = 500;
/// Of how many jobs it is remembered that people know of their failure.
const MOST_KNOWN: usize = 500;
/// The first wait after a delivery that failed, and the longest.
const FIRST_WAIT: TimeDelta = TimeDelta::minutes(1);
const LONGEST_WAIT: TimeDelta = TimeDelta::hours(1);
/// How long a mailbox is kept that nobody needs.
const IDLE: TimeDelta = TimeDelta::days(30);

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mailbox {
    pub(super) address: String,
    pub(super) waiting: Vec<Waiting>,
    /// How many more would wait if there were room.
    pub(super) left_out: u64,
    /// The ids of what was put lately.
    put: Vec<String>,
    /// Failures that the address knows of.
    known: Vec<Known>,
    /// When notices were made in the last hour.
    made: Vec<DateTime<Utc>>,
    pub(super) under_way: Option<UnderWay>,
    pub(super) last_sent: Option<DateTime<Utc>>,
    /// What went wrong last, and when.
    pub(super) problem: Option<(DateTime<Utc>, String)>,
    /// How many things were never told.
    pub(super) given_up: u64,
    /// When something was last put.
    touched: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Waiting {
    pub(super) item: NoticeItem,
    /// Since when it waits.
    since: DateTime<Utc>,
    /// If people know of the failure that it repeats: not before this.
    repeats: Option<DateTime<Utc>>,
    /// Whether it is a failure behind which there was a success.
    over: bool,
}

/// A failure that people were told of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    what: NoticeSubject,
    subject: String,
    cause: Option<String>,
    at: DateTime<Utc>,
}

/// A notice that is being delivered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UnderWay {
    pub(super) id: String,
    pub(super) at: DateTime<Utc>,
    pub(super) items: Vec<NoticeItem>,
    pub(super) left_out: u64,
    /// How often its delivery began.
    pub(super) tries: u32,
    /// Who delivers it, drawn for this try; empty while it waits for the next.
    claim: String,
    /// Until when it is nobody else's affair.
    until: DateTime<Utc>,
}

/// What a delivery came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    Sent,
    /// It is tried again.
    Failed,
    /// It is not: so many things are told to nobody.
    GivenUp {
        items: u64,
        tries: u32,
    },
    /// It is somebody else's affair by now.
    NotOurs,
}

impl Mailbox {
    /// Puts something that happened; what was put before is not put again.
    pub(super) fn put(&mut self, item: &NoticeItem, policy: &NoticePolicy, now: DateTime<Utc>) {
        if self.put.contains(&item.id) {
            return;
        }
        self.put.push(item.id.clone());
        cut(&mut self.put, MOST_PUT);
        self.touched = now;
        // A change is told for itself: each is another one.
        let alike = |waiting: &&mut Waiting| {
            item.kind != NoticeKind::Change && is_alike(&waiting.item, item)
        };
        if let Some(waiting) = self.waiting.iter_mut().find(alike) {
            let mut item = item.clone();
            item.times += waiting.item.times;
            item.first_at = waiting.item.first_at.min(item.first_at);
            item.at = waiting.item.at.max(item.at);
            (waiting.item, waiting.over) = (item, false);
            return;
        }
        let known = self.known.iter().find(|known| known.is(item));
        let repeats = known.map(|known| known.at + policy.repeat());
        let waiting = Waiting {
            item: item.clone(),
            since: now,
            repeats: repeats.filter(|at| *at > now),
            over: false,
        };
        if self.waiting.len() < MOST_WAITING {
            return self.waiting.push(waiting);
        }
        // What is more urgent takes the place of what is least so, and came last.
        let least = (self.waiting.iter_mut()).max_by_key(|waiting| waiting.item.kind);
        let left = match least.filter(|least| least.item.kind > item.kind) {
            Some(least) => std::mem::replace(least, waiting),
            None => waiting,
        };
        self.left_out += left.item.times;
    }

    /// A job or chain succeeded: when it fails again, that is news, and that a known failure was repeated is none.
    pub(super) fn recovered(&mut self, what: NoticeSubject, subject: &str) {
        self.known
            .retain(|known| known.what != what || known.subject != subject);
        self.waiting.retain_mut(|waiting| {
            let item = &waiting.item;
            let theirs = item.what == what && item.subject == subject;
            waiting.over |= theirs;
            waiting.repeats.is_none() || !theirs
        });
    }

    /// When somebody must look at it: now, if it is not later than that.
    pub(super) fn next(&self, policy: &NoticePolicy, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if let Some(under_way) = &self.under_way {
            // Nobody waits so long: a clock was wrong.
            let longest = LONGEST_WAIT.max(policy.claim());
            let until = under_way.until;
            return Some(if until > now + longest { now } else { until });
        }
        let ready = self
            .waiting
            .iter()
            .map(|waiting| waiting.ready(policy, now));
        let first = ready.min()?;
        let gathered = policy.digest.as_ref().map(|digest| {
            let request = ScheduleRequest::new(first).with_job(&self.address);
            match digest.next(&request) {
                NextRun::At(at) | NextRun::Never(NoRun::NotUntil(at)) => at,
                // It would never be told.
                _ => first,
            }
        });
        let hour = TimeDelta::hours(1);
        let made = self
            .made
            .iter()
            .filter(|at| **at <= now && now - **at < hour);
        let mut made: Vec<DateTime<Utc>> = made.copied().collect();
        made.sort_unstable();
        let most = usize::from(policy.per_hour.max(1));
        let room = made.len().checked_sub(most);
        let room = room.and_then(|at| made.get(at)).map(|at| *at + hour);
        [Some(first), gathered, room].into_iter().flatten().max()
    }

    /// The notice to deliver now, if there is one: the one under way again, or one of all that may be told. `claim` says who delivers it.
    pub(super) fn claim(
        &mut self,
        policy: &NoticePolicy,
        now: DateTime<Utc>,
        id: &str,
        claim: &str,
    ) -> Option<UnderWay> {
        if self.next(policy, now)? > now {
            return None;
        }
        if self.under_way.is_none() {
            self.under_way = Some(self.made(policy, now, id));
        }
        let under_way = self.under_way.as_mut()?;
        under_way.tries += 1;
        claim.clone_into(&mut under_way.claim);
        under_way.until = now + policy.claim();
        Some(under_way.clone())
    }

    fn made(&mut self, policy: &NoticePolicy, now: DateTime<Utc>, id: &str) -> UnderWay {
        let waiting = std::mem::take(&mut self.waiting);
        let (tells, waits) = waiting
            .into_iter()
            .partition(|waiting| waiting.ready(policy, now) <= now);
        self.waiting = waits;
        let tells: Vec<Waiting> = tells;
        for Waiting { item, over, .. } in &tells {
            if item.kind == NoticeKind::Failure && !over {
                self.known.retain(|known| !known.is(item));
                self.known.push(Known::of(item, now));
            }
        }
        let mut items: Vec<NoticeItem> = tells.into_iter().map(|told| told.item).collect();
        items.sort_by_key(|item| (item.kind, item.at));
        cut(&mut self.known, MOST_KNOWN);
        let repeat = policy.repeat();
        self.known.retain(|known| now - known.at < repeat);
        self.made.retain(|at| now - *at < TimeDelta::hours(1));
        self.made.push(now);
        UnderWay {
            id: id.to_owned(),
            at: now,
            items,
            left_out: std::mem::take(&mut self.left_out),
            tries: 0,
            claim: String::new(),
            until: now,
        }
    }

    /// What a delivery came to.
    pub(super) fn ended(
        &mut self,
        policy: &NoticePolicy,
        now: DateTime<Utc>,
        delivered: &UnderWay,
        error: Option<&Error>,
    ) -> Came {
        let ours = |under_way: &&mut UnderWay| under_way.id == delivered.id;
        let Some(under_way) = self.under_way.as_mut().filter(ours) else {
            return Came::NotOurs;
        };
        let Some(error) = error else {
            self.under_way = None;
            self.last_sent = Some(now);
            return Came::Sent;
        };
        if under_way.claim != delivered.claim {
            return Came::NotOurs;
        }
        self.problem = Some((now, error.to_string()));
        let never = matches!(error.kind(), ErrorKind::Invalid | ErrorKind::NotFound);
        let tries = under_way.tries;
        if !never && tries < policy.tries.max(1) {
            let wait = match error.retry() {
                Retry::After(time) => delta(time).clamp(FIRST_WAIT, LONGEST_WAIT),
                _ => wait_after(tries),
            };
            under_way.claim.clear();
            under_way.until = now + wait;
            return Came::Failed;
        }
        let items = under_way.len();
        // Nobody knows of these.
        let untold = std::mem::take(&mut under_way.items);
        self.under_way = None;
        self.known
            .retain(|known| !untold.iter().any(|item| known.is(item)));
        self.given_up += items;
        Came::GivenUp { items, tries }
    }

    /// Whether nobody needs it any more.
    pub(super) fn is_over(&self, policy: &NoticePolicy, now: DateTime<Utc>) -> bool {
        let last = self.last_sent.unwrap_or_default().max(self.touched);
        self.waiting.is_empty()
            && self.under_way.is_none()
            && now - last > IDLE.max(policy.repeat())
    }

    /// How many things are to be told yet.
    pub(super) fn len(&self) -> u64 {
        let waiting: u64 = self.waiting.iter().map(|waiting| waiting.item.times).sum();
        let under_way = self.under_way.as_ref().map_or(0, UnderWay::len);
        waiting + self.left_out + under_way
    }
}

impl UnderWay {
    /// How many things it tells.
    fn len(&self) -> u64 {
        let items: u64 = self.items.iter().map(|item| item.times).sum();
        items + self.left_out
    }
}

impl Waiting {
    /// From when on it may be told.
    fn ready(&self, policy: &NoticePolicy, now: DateTime<Utc>) -> DateTime<Utc> {
        match self.repeats {
            // Nothing is put off for longer than that: a clock was wrong.
            Some(at) if at <= now + policy.repeat() => at,
            _ => self.since.min(now),
        }
    }
}

impl Known {
    fn of(item: &NoticeItem, at: DateTime<Utc>) -> Self {
        Known {
            what: item.what,
            subject: item.subject.clone(),
            cause: item.cause.clone(),
            at,
        }
    }

    fn is(&self, item: &NoticeItem) -> bool {
        item.kind == NoticeKind::Failure
            && (self.what, &self.subject, &self.cause) == (item.what, &item.subject, &item.cause)
    }
}

/// Whether the same happened to the same.
fn is_alike(a: &NoticeItem, b: &NoticeItem) -> bool {
    (a.kind, a.what, &a.subject, &a.cause) == (b.kind, b.what, &b.subject, &b.cause)
}

fn wait_after(tries: u32) -> TimeDelta {
    let factor = 1_i32
        .checked_shl(tries.saturating_sub(1).min(10))
        .unwrap_or(1);
    (FIRST_WAIT * factor).min(LONGEST_WAIT)
}

/// Keeps the latest of them.
fn cut<T>(all: &mut Vec<T>, most: usize) {
    let over = all.len().saturating_sub(most);
    all.drain(..over);
}

#[cfg(test)]
mod tests;
