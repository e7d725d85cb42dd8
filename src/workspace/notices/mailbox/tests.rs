//! What mailboxes tell, and when.

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
    // And when they take turns, both are known.
    for (time, cause) in [
        ("02T02:00", "io"),
        ("02T03:00", "drifted"),
        ("02T04:00", "io"),
    ] {
        told_to.put(time, failure(time, cause));
        assert_eq!(told_to.tell(time), told(&[]), "{time}");
    }
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
