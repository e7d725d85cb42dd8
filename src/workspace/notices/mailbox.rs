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
                self.known
                    .retain(|known| known.what != item.what || known.subject != item.subject);
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
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::schedule::CompiledSchedule;

    fn at(text: &str) -> DateTime<Utc> {
        format!("2026-03-{text}:00Z").parse().unwrap()
    }

    fn item(id: &str, kind: NoticeKind, job: &str, cause: &str) -> NoticeItem {
        let mut item = NoticeItem::new(id, kind, NoticeSubject::Job, job, job, at("01T00:00"));
        item.cause = Some(cause.into());
        item
    }

    fn failure(id: &str, cause: &str) -> NoticeItem {
        item(id, NoticeKind::Failure, "people", cause)
    }

    /// A mailbox with its policy, whose notices are delivered at once.
    struct Told {
        mailbox: Mailbox,
        policy: NoticePolicy,
        notices: u32,
    }

    impl Told {
        fn by(policy: NoticePolicy) -> Self {
            Told {
                mailbox: Mailbox::default(),
                policy,
                notices: 0,
            }
        }

        fn put(&mut self, time: &str, item: NoticeItem) {
            let mut item = item;
            (item.at, item.first_at) = (at(time), at(time));
            self.mailbox.put(&item, &self.policy, at(time));
        }

        fn claim(&mut self, time: &str) -> Option<UnderWay> {
            self.notices += 1;
            let id = format!("notice {}", self.notices);
            self.mailbox.claim(
                &self.policy,
                at(time),
                &id,
                &format!("claim {}", self.notices),
            )
        }

        fn end(&mut self, time: &str, notice: &UnderWay, error: Option<Error>) -> Came {
            self.mailbox
                .ended(&self.policy, at(time), notice, error.as_ref())
        }

        /// The ids and times of what is told at this time.
        fn tell(&mut self, time: &str) -> Vec<(String, u64)> {
            let Some(notice) = self.claim(time) else {
                return Vec::new();
            };
            assert_eq!(self.end(time, &notice, None), Came::Sent);
            let items = notice.items.into_iter();
            items.map(|item| (item.id, item.times)).collect()
        }

        fn next(&self, time: &str) -> Option<DateTime<Utc>> {
            self.mailbox.next(&self.policy, at(time))
        }
    }

    fn told(all: &[(&str, u64)]) -> Vec<(String, u64)> {
        all.iter()
            .map(|(id, times)| ((*id).into(), *times))
            .collect()
    }

    #[test]
    fn what_is_put_twice_is_told_once() {
        let mut told_to = Told::by(NoticePolicy::default());
        for time in ["01T00:00", "01T00:01"] {
            told_to.put(time, item("a", NoticeKind::Success, "people", ""));
        }
        assert_eq!(told_to.tell("01T00:01"), told(&[("a", 1)]));
        told_to.put("01T00:02", item("a", NoticeKind::Success, "people", ""));
        assert_eq!(told_to.next("01T00:02"), None);
    }

    #[test]
    fn a_failure_that_people_know_of_is_told_again_after_a_day_with_how_often() {
        let mut told_to = Told::by(NoticePolicy::default());
        told_to.put("01T00:00", failure("1", "io"));
        assert_eq!(told_to.tell("01T00:00"), told(&[("1", 1)]));
        for hour in 1..=20 {
            let time = format!("01T{hour:02}:00");
            told_to.put(&time, failure(&format!("again {hour}"), "io"));
            assert_eq!(told_to.tell(&time), told(&[]), "{time}");
        }
        assert_eq!(told_to.next("01T20:00"), Some(at("02T00:00")));
        assert_eq!(told_to.tell("02T00:00"), told(&[("again 20", 20)]));
        // Another failure is news, at once.
        told_to.put("02T01:00", failure("other", "drifted"));
        assert_eq!(told_to.tell("02T01:00"), told(&[("other", 1)]));
    }

    #[test]
    fn behind_a_success_a_failure_is_news_again() {
        let mut told_to = Told::by(NoticePolicy::default());
        told_to.put("01T00:00", failure("1", "io"));
        assert_eq!(told_to.tell("01T00:00"), told(&[("1", 1)]));
        told_to.put("01T01:00", failure("2", "io"));
        // Somebody else's success is none of it.
        told_to.mailbox.recovered(NoticeSubject::Job, "others");
        assert_eq!(told_to.mailbox.len(), 1);
        told_to.mailbox.recovered(NoticeSubject::Job, "people");
        assert_eq!(told_to.mailbox.len(), 0);
        told_to.put("01T02:00", failure("3", "io"));
        assert_eq!(told_to.tell("01T02:00"), told(&[("3", 1)]));
    }

    #[test]
    fn a_failure_that_was_over_before_it_was_told_is_told_and_the_next_one_too() {
        let mut told_to = Told::by(NoticePolicy::default().with_per_hour(1));
        told_to.put("01T00:00", item("s", NoticeKind::Success, "others", ""));
        assert_eq!(told_to.tell("01T00:00"), told(&[("s", 1)]));
        told_to.put("01T00:10", failure("1", "io"));
        told_to.mailbox.recovered(NoticeSubject::Job, "people");
        assert_eq!(told_to.tell("01T00:30"), told(&[]));
        assert_eq!(told_to.tell("01T01:00"), told(&[("1", 1)]));
        told_to.put("01T03:00", failure("2", "io"));
        assert_eq!(told_to.tell("01T03:00"), told(&[("2", 1)]));
    }

    #[test]
    fn of_more_than_may_be_told_in_an_hour_the_rest_comes_together() {
        let mut told_to = Told::by(NoticePolicy::default().with_per_hour(2));
        let success = |id: &str| item(id, NoticeKind::Success, id, "");
        for (time, id) in [("01T00:00", "a"), ("01T00:10", "b")] {
            told_to.put(time, success(id));
            assert_eq!(told_to.tell(time), told(&[(id, 1)]));
        }
        for (time, id) in [("01T00:20", "c"), ("01T00:30", "d")] {
            told_to.put(time, success(id));
            assert_eq!(told_to.tell(time), told(&[]));
        }
        told_to.put("01T00:40", failure("worse", "io"));
        assert_eq!(told_to.next("01T00:40"), Some(at("01T01:00")));
        let expected = told(&[("worse", 1), ("c", 1), ("d", 1)]);
        assert_eq!(told_to.tell("01T01:00"), expected);
        // The second of the first hour still counts.
        told_to.put("01T01:05", success("e"));
        assert_eq!(told_to.next("01T01:05"), Some(at("01T01:10")));
    }

    #[test]
    fn a_digest_comes_when_its_schedule_says_so() {
        let mornings = CompiledSchedule::new(&"every day at 08:00".parse().unwrap()).unwrap();
        let mut told_to = Told::by(NoticePolicy::default().with_digest(mornings));
        for (time, id) in [("01T09:00", "a"), ("01T23:00", "b"), ("02T07:59", "c")] {
            told_to.put(time, item(id, NoticeKind::Success, "people", ""));
            assert_eq!(told_to.next(time), Some(at("02T08:00")));
            assert_eq!(told_to.tell(time), told(&[]));
        }
        // The same, three times.
        assert_eq!(told_to.tell("02T08:00"), told(&[("c", 3)]));
        assert_eq!(told_to.next("02T08:00"), None);
        // A schedule that is over keeps nothing back.
        let once = CompiledSchedule::new(&"once at 2020-01-01 00:00".parse().unwrap()).unwrap();
        let mut told_to = Told::by(NoticePolicy::default().with_digest(once));
        told_to.put("01T09:00", item("a", NoticeKind::Success, "people", ""));
        assert_eq!(told_to.tell("01T09:00"), told(&[("a", 1)]));
    }

    #[test]
    fn what_has_no_room_is_counted_and_the_most_urgent_is_kept() {
        let mut told_to = Told::by(NoticePolicy::default());
        for job in 0..150 {
            let (id, job) = (format!("s {job}"), format!("job {job}"));
            told_to.put("01T00:00", item(&id, NoticeKind::Success, &job, ""));
        }
        told_to.put("01T00:01", failure("f", "io"));
        assert_eq!(told_to.mailbox.len(), 151);
        let notice = told_to.claim("01T00:01").unwrap();
        assert_eq!((notice.items.len(), notice.left_out), (MOST_WAITING, 51));
        assert_eq!(notice.items[0].id, "f");
        assert_eq!(told_to.end("01T00:01", &notice, None), Came::Sent);
        assert_eq!(told_to.mailbox.len(), 0);
    }

    fn error(kind: ErrorKind) -> Option<Error> {
        Some(Error::new(kind, "no"))
    }

    #[test]
    fn a_notice_stays_what_it_is_until_it_is_delivered() {
        let mut told_to = Told::by(NoticePolicy::default());
        told_to.put("01T00:00", failure("1", "io"));
        let first = told_to.claim("01T00:00").unwrap();
        told_to.put("01T00:00", failure("2", "drifted"));
        // Somebody delivers it.
        assert_eq!(told_to.claim("01T00:00"), None);
        // That one died.
        let second = told_to.claim("01T00:02").unwrap();
        assert_eq!((&second.id, &second.items), (&first.id, &first.items));
        assert_eq!(second.tries, 2);
        // Or did not: it is too late to say that it failed, but not that it did it.
        assert_eq!(
            told_to.end("01T00:02", &first, error(ErrorKind::Io)),
            Came::NotOurs
        );
        assert_eq!(told_to.end("01T00:02", &first, None), Came::Sent);
        assert_eq!(told_to.end("01T00:02", &second, None), Came::NotOurs);
        assert_eq!(told_to.tell("01T00:02"), told(&[("2", 1)]));
    }

    #[test]
    fn what_fails_is_tried_less_and_less_often_and_then_given_up() {
        let mut told_to = Told::by(NoticePolicy::default().with_tries(4));
        told_to.put("01T00:00", failure("1", "io"));
        let mut waits = Vec::new();
        let mut time = at("01T00:00");
        let came = loop {
            let text = time.format("%dT%H:%M").to_string();
            let notice = told_to.claim(&text).unwrap();
            match told_to.end(&text, &notice, error(ErrorKind::Io)) {
                Came::Failed => {
                    let next = told_to.next(&text).unwrap();
                    waits.push((next - time).num_minutes());
                    time = next;
                }
                came => break came,
            }
        };
        assert_eq!(waits, [1, 2, 4]);
        assert_eq!(came, Came::GivenUp { items: 1, tries: 4 });
        assert_eq!(told_to.mailbox.given_up, 1);
        // Nobody knows of it, so the next time it is news.
        told_to.put("01T00:10", failure("2", "io"));
        assert_eq!(told_to.tell("01T00:10"), told(&[("2", 1)]));
        // What the error says counts, within bounds.
        told_to.put("01T01:00", failure("3", "drifted"));
        let notice = told_to.claim("01T01:00").unwrap();
        let busy = Error::new(ErrorKind::Io, "busy");
        let busy = busy.retrying(Retry::After(Duration::from_secs(600)));
        assert_eq!(told_to.end("01T01:00", &notice, Some(busy)), Came::Failed);
        assert_eq!(told_to.next("01T01:00"), Some(at("01T01:10")));
    }

    #[test]
    fn an_address_that_never_works_is_given_up_at_once() {
        for kind in [ErrorKind::Invalid, ErrorKind::NotFound] {
            let mut told_to = Told::by(NoticePolicy::default());
            told_to.put("01T00:00", failure("1", "io"));
            let notice = told_to.claim("01T00:00").unwrap();
            let came = told_to.end("01T00:00", &notice, error(kind));
            assert_eq!(came, Came::GivenUp { items: 1, tries: 1 });
        }
    }

    #[test]
    fn no_wrong_clock_keeps_anything_back_for_ever() {
        let mut told_to = Told::by(NoticePolicy::default().with_per_hour(1));
        // All this was done by somebody whose clock was days ahead.
        told_to.put("20T00:00", failure("1", "io"));
        assert_eq!(told_to.tell("20T00:00"), told(&[("1", 1)]));
        told_to.put("20T00:10", failure("2", "io"));
        told_to.put("20T00:10", failure("3", "drifted"));
        assert_eq!(told_to.tell("01T00:00"), told(&[("2", 1), ("3", 1)]));
        told_to.put("20T02:00", failure("4", "invalid"));
        let notice = told_to.claim("20T02:00").unwrap();
        let again = told_to.claim("01T02:00").unwrap();
        assert_eq!(again.id, notice.id);
    }

    #[test]
    fn a_mailbox_that_nobody_needs_is_over_after_a_month() {
        let mut told_to = Told::by(NoticePolicy::default());
        told_to.put("01T00:00", failure("1", "io"));
        let is_over = |told: &Told, time| told.mailbox.is_over(&told.policy, time);
        let later = |days| at("01T00:00") + TimeDelta::days(days);
        assert!(!is_over(&told_to, later(100)));
        assert_eq!(told_to.tell("01T00:00"), told(&[("1", 1)]));
        assert!(!is_over(&told_to, later(30)));
        assert!(is_over(&told_to, later(31)));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Put(NoticeKind, u8, u8),
        PutAgain,
        Recovered(u8),
        Minutes(i64),
        /// A process takes what is due, and dies, or hears of this.
        Deliver(Option<Option<ErrorKind>>),
        /// One that was thought dead says after all that it delivered.
        Late,
    }

    fn step() -> impl Strategy<Value = Step> {
        let kinds = [
            NoticeKind::Failure,
            NoticeKind::PartialSuccess,
            NoticeKind::Change,
            NoticeKind::Success,
        ];
        let put = (prop::sample::select(kinds.to_vec()), 0..3_u8, 0..2_u8);
        let ends = [
            None,
            Some(None),
            Some(None),
            Some(Some(ErrorKind::Io)),
            Some(Some(ErrorKind::NotFound)),
        ];
        prop_oneof![
            6 => put.prop_map(|(kind, job, cause)| Step::Put(kind, job, cause)),
            1 => Just(Step::PutAgain),
            1 => (0..3_u8).prop_map(Step::Recovered),
            4 => (0..200_i64).prop_map(Step::Minutes),
            4 => prop::sample::select(ends.to_vec()).prop_map(Step::Deliver),
            1 => Just(Step::Late),
        ]
    }

    proptest! {
        #[test]
        fn nothing_is_lost_nothing_is_told_twice_and_no_hour_has_too_many(steps in prop::collection::vec(step(), 0..120), per_hour in 1..4_u16) {
            let policy = NoticePolicy::default().with_per_hour(per_hour).with_tries(3);
            let (mut mailbox, mut now) = (Mailbox::default(), at("01T00:00"));
            let (mut put, mut told, mut recovered, mut last) = (0, 0, 0, None);
            let mut notices: BTreeMap<String, UnderWay> = BTreeMap::new();
            let mut made: Vec<DateTime<Utc>> = Vec::new();
            let mut sent: Vec<String> = Vec::new();
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Put(kind, job, cause) => {
                        let (id, job) = (format!("item {number}"), format!("job {job}"));
                        let item = item(&id, kind, &job, &format!("cause {cause}"));
                        mailbox.put(&item, &policy, now);
                        put += 1;
                        last = Some(item);
                    }
                    Step::PutAgain => {
                        let before = mailbox.clone();
                        if let Some(item) = &last {
                            mailbox.put(item, &policy, now);
                        }
                        prop_assert_eq!(&mailbox, &before);
                    }
                    Step::Recovered(job) => {
                        let before = mailbox.len();
                        mailbox.recovered(NoticeSubject::Job, &format!("job {job}"));
                        recovered += before - mailbox.len();
                    }
                    Step::Minutes(minutes) => now += TimeDelta::minutes(minutes),
                    Step::Deliver(end) => {
                        let (id, claim) = (format!("notice {number}"), format!("claim {number}"));
                        let is_due = mailbox.next(&policy, now).is_some_and(|at| at <= now);
                        let claimed = mailbox.claim(&policy, now, &id, &claim);
                        prop_assert_eq!(claimed.is_some(), is_due);
                        let Some(notice) = claimed else { continue };
                        match notices.get(&notice.id) {
                            Some(first) => prop_assert_eq!((&first.items, first.left_out, first.at), (&notice.items, notice.left_out, notice.at)),
                            None => made.push(now),
                        }
                        prop_assert!(!sent.contains(&notice.id), "it was delivered");
                        notices.insert(notice.id.clone(), notice.clone());
                        let Some(end) = end else { continue };
                        let error = end.map(|kind| Error::new(kind, "no"));
                        if mailbox.ended(&policy, now, &notice, error.as_ref()) == Came::Sent {
                            told += notice.len();
                            sent.push(notice.id);
                        }
                    }
                    Step::Late => {
                        if let Some(notice) = mailbox.under_way.clone() {
                            prop_assert_eq!(mailbox.ended(&policy, now, &notice, None), Came::Sent);
                            told += notice.len();
                            sent.push(notice.id);
                        }
                    }
                }
                prop_assert_eq!(put, told + mailbox.len() + mailbox.given_up + recovered);
            }
            for (at, first) in made.iter().enumerate() {
                let hour = made[at..].iter().filter(|other| **other - *first < TimeDelta::hours(1));
                prop_assert!(hour.count() <= usize::from(per_hour));
            }
        }
    }
}
