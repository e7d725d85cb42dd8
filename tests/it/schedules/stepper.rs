//! The library's runs against those of a stepper that looks at each minute, around every change of clocks.
//!
//! The stepper knows sets of numbers and the clocks of `chrono-tz`, and shares no code with the library. Of all zones and expressions the tests
//! take a part that changes nothing from one run to the next; `SYNCLINE_SCHEDULES=all` takes them all:
//!
//! ```text
//! SYNCLINE_SCHEDULES=all cargo test --release --test it schedules::stepper -- --nocapture
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, Datelike, Days, NaiveDate, Offset, TimeZone};
use chrono_tz::{TZ_VARIANTS, Tz};
use syncline::schedule::{CompiledSchedule, Schedule as _, ScheduleRequest};

const DAY: i64 = 86_400;

/// Small, and the same everywhere.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        u32::try_from((mixed >> 32) % u64::from(sides)).unwrap()
    }

    pub(super) fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len().try_into().unwrap()) as usize].clone()
    }
}

/// Whether a day is meant.
type IsDay = Box<dyn Fn(NaiveDate) -> bool + Send + Sync>;

/// A schedule, in the words of the library and as sets.
struct Expression {
    text: String,
    minutes: BTreeSet<u32>,
    hours: BTreeSet<u32>,
    wildcard: bool,
    day: IsDay,
}

impl Expression {
    fn shows(&self, minute: i64) -> bool {
        let of_day = u32::try_from(minute.rem_euclid(1_440)).unwrap();
        self.hours.contains(&(of_day / 60)) && self.minutes.contains(&(of_day % 60))
    }
}

fn last_day(day: NaiveDate) -> bool {
    day.succ_opt().unwrap().month() != day.month()
}

fn working(day: NaiveDate) -> bool {
    day.weekday().num_days_from_monday() < 5
}

/// The working day of the same month that is nearest to a date.
fn nearest(day: NaiveDate, date: u32) -> bool {
    let Some(wanted) = day.with_day(date) else {
        return false;
    };
    let of_month = (1..=31)
        .filter_map(|date| day.with_day(date))
        .filter(|day| working(*day));
    of_month.min_by_key(|near| (*near - wanted).abs()) == Some(day)
}

/// A field of minutes or hours: its text, its numbers, and whether it is a wildcard.
fn field(dice: &mut Dice, most: u32, early: bool) -> (String, BTreeSet<u32>, bool) {
    let top = if early { 5 } else { most };
    match dice.roll(8) {
        0 => ("*".into(), (0..=most).collect(), true),
        1 => {
            let step = dice.one(&[2, 3, 5, 7, 10]);
            (
                format!("*/{step}"),
                (0..=most).step_by(step as usize).collect(),
                true,
            )
        }
        2 => {
            let (a, b) = (dice.roll(top), dice.roll(top));
            let (a, b) = (a.min(b), a.max(b));
            (format!("{a}-{b}"), (a..=b).collect(), false)
        }
        3 => {
            let (a, b, c) = (dice.roll(top), dice.roll(most), dice.roll(top));
            (format!("{a},{b},{c}"), BTreeSet::from([a, b, c]), false)
        }
        _ => {
            let a = dice.roll(top);
            (a.to_string(), BTreeSet::from([a]), false)
        }
    }
}

const NAMES: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

fn days(dice: &mut Dice) -> (String, IsDay) {
    let weekday = dice.roll(7);
    let name = NAMES[weekday as usize];
    let is = move |day: NaiveDate| day.weekday().num_days_from_sunday() == weekday;
    let date = 1 + dice.roll(31);
    match dice.roll(14) {
        0 => ("L * ?".into(), Box::new(last_day)),
        1 => (
            format!("{date}W * *"),
            Box::new(move |day| nearest(day, date)),
        ),
        2 => (
            "LW * *".into(),
            Box::new(|day| {
                let rest = (1..=31)
                    .filter_map(|date| day.with_day(date))
                    .filter(|other| *other > day);
                working(day) && !rest.into_iter().any(working)
            }),
        ),
        3 => {
            let nth = 1 + dice.roll(5);
            (
                format!("* * {weekday}#{nth}"),
                Box::new(move |day| is(day) && day.day().div_ceil(7) == nth),
            )
        }
        4 => (
            format!("? * {name}L"),
            Box::new(move |day| is(day) && (day + Days::new(7)).month() != day.month()),
        ),
        5 => (
            format!("{date} * {name}"),
            Box::new(move |day| is(day) || day.day() == date),
        ),
        6 => (
            format!("{date} * +{name}"),
            Box::new(move |day| is(day) && day.day() == date),
        ),
        7 => ("* * MON-FRI".into(), Box::new(working)),
        8 => (
            "L-2 MAR,10 *".into(),
            Box::new(|day| last_day(day + Days::new(2)) && matches!(day.month(), 3 | 10)),
        ),
        9 => (
            format!("* 3-11/4 {name}"),
            Box::new(move |day| is(day) && matches!(day.month(), 3 | 7 | 11)),
        ),
        _ => ("* * *".into(), Box::new(|_| true)),
    }
}

/// A schedule that is no cron expression, at one time of the day.
fn sentence(dice: &mut Dice) -> Expression {
    let (hour, minute) = (dice.roll(5), dice.one(&[0, 1, 15, 30, 59]));
    let (words, day): (&str, IsDay) = match dice.roll(8) {
        0 => ("every weekday", Box::new(working)),
        1 => ("every Saturday, Sunday", Box::new(|day| !working(day))),
        2 => (
            "on day 30, the last day of every month",
            Box::new(|day| day.day() == 30 || last_day(day)),
        ),
        3 => (
            "on the last Sunday, the 2nd Sunday of every month",
            Box::new(|day| {
                day.weekday() == chrono::Weekday::Sun
                    && (day.day().div_ceil(7) == 2 || (day + Days::new(7)).month() != day.month())
            }),
        ),
        4 => (
            "on the last weekday of month 1 of every quarter",
            Box::new(|day| {
                let rest = (1..=31)
                    .filter_map(|date| day.with_day(date))
                    .filter(|other| *other > day);
                day.month() % 3 == 1 && working(day) && !rest.into_iter().any(working)
            }),
        ),
        5 => (
            "on day 29, day 31 of March, October",
            Box::new(|day| matches!((day.month(), day.day()), (3 | 10, 29 | 31))),
        ),
        _ => ("every day", Box::new(|_| true)),
    };
    Expression {
        text: format!("{words} at {hour:02}:{minute:02}"),
        minutes: BTreeSet::from([minute]),
        hours: BTreeSet::from([hour]),
        wildcard: false,
        day,
    }
}

fn expressions(count: u64) -> Vec<Expression> {
    (0..count)
        .map(|seed| {
            let mut dice = Dice(seed);
            if seed % 4 == 3 {
                return sentence(&mut dice);
            }
            // Clocks are changed at night: most hours are early.
            let early = dice.roll(4) != 0;
            let (minute, minutes, any_minute) = field(&mut dice, 59, false);
            let (hour, hours, any_hour) = field(&mut dice, 23, early);
            let (days, day) = days(&mut dice);
            Expression {
                text: format!(r#"cron "{minute} {hour} {days}""#),
                minutes,
                hours,
                wildcard: any_minute || any_hour,
                day,
            }
        })
        .collect()
}

fn offset(zone: Tz, at: i64) -> i64 {
    let at = DateTime::from_timestamp(at, 0).unwrap().naive_utc();
    zone.offset_from_utc_datetime(&at)
        .fix()
        .local_minus_utc()
        .into()
}

/// The instants from 1970 to 2037 at which the clocks of a zone were changed.
fn changes(zone: Tz) -> Vec<i64> {
    let mut found = Vec::new();
    let (begin, end, step) = (0, 2_145_916_800, 6 * 3_600);
    let mut before = offset(zone, begin);
    for from in (begin..end).step_by(step) {
        let (mut early, mut late) = (from, from + step as i64);
        let then = offset(zone, late);
        if then != before {
            while late - early > 1 {
                let middle = early + (late - early) / 2;
                if offset(zone, middle) == before {
                    early = middle
                } else {
                    late = middle
                }
            }
            found.push(late);
            before = then;
        }
    }
    found
}

/// Instants, each with what the clocks show, in seconds.
struct Window {
    shown: Vec<(i64, i64)>,
    /// The numbers of the days that the clocks show some time of.
    days: BTreeSet<i64>,
}

impl Window {
    /// Around a change of clocks.
    fn around(zone: Tz, change: i64) -> Self {
        // One zone had an offset of half a minute.
        let step = if offset(zone, change - 1) % 60 == 0 {
            60
        } else {
            30
        };
        let begin = (change - 30 * 3_600).div_euclid(3_600) * 3_600;
        let shown: Vec<(i64, i64)> = (begin..begin + 54 * 3_600)
            .step_by(step)
            .map(|at| (at, at + offset(zone, at)))
            .collect();
        let days = shown
            .iter()
            .map(|(_, local)| local.div_euclid(DAY))
            .collect();
        Window { shown, days }
    }

    fn end(&self) -> i64 {
        self.shown[self.shown.len() - 1].0
    }

    fn day(number: i64) -> NaiveDate {
        DateTime::from_timestamp(number * DAY, 0)
            .unwrap()
            .date_naive()
    }

    /// When an expression runs, from the second instant on.
    fn runs(&self, expression: &Expression) -> Vec<i64> {
        let (_, mut reached) = self.shown[0];
        let meant: BTreeMap<i64, bool> = (self.days.iter())
            .map(|day| (*day, (expression.day)(Self::day(*day))))
            .collect();
        // Of a day that the clocks never show nothing runs.
        let is_meant = |minute: i64| {
            meant
                .get(&minute.div_euclid(1_440))
                .is_some_and(|meant| *meant)
                && expression.shows(minute)
        };
        let mut runs = Vec::new();
        for (at, local) in &self.shown[1..] {
            if expression.wildcard {
                if local % 60 == 0 && is_meant(local.div_euclid(60)) {
                    runs.push(*at);
                }
            } else if *local > reached {
                // All times that were reached, or passed over, just now.
                let minutes = reached.div_euclid(60) + 1..=local.div_euclid(60);
                if minutes.into_iter().any(is_meant) {
                    runs.push(*at);
                }
                reached = *local;
            }
        }
        runs
    }
}

/// The library's first run after an instant.
fn next(schedule: &CompiledSchedule, after: i64) -> Option<i64> {
    let request = ScheduleRequest::new(DateTime::from_timestamp(after, 0).unwrap());
    schedule.next(&request).at().map(|at| at.timestamp())
}

/// What the library says of the same time.
fn library(schedule: &CompiledSchedule, window: &Window) -> Vec<i64> {
    let first = next(schedule, window.shown[0].0);
    let runs = std::iter::successors(first, |at| next(schedule, *at));
    runs.take_while(|at| *at <= window.end()).collect()
}

/// Compares all runs around the changes of a zone; gives how many comparisons there were, and how many runs.
fn compare(
    zone: Tz,
    expressions: &[Expression],
    which: impl Fn(usize, usize) -> bool,
) -> (usize, usize) {
    let compiled: Vec<CompiledSchedule> = expressions
        .iter()
        .map(|expression| {
            let text = format!("{} {}", expression.text, zone.name());
            CompiledSchedule::new(&text.parse().unwrap())
                .unwrap_or_else(|error| panic!("{text}: {error}"))
        })
        .collect();
    let (mut comparisons, mut runs) = (0, 0);
    for (nth, change) in changes(zone).into_iter().enumerate() {
        let window = Window::around(zone, change);
        for (number, (expression, schedule)) in expressions.iter().zip(&compiled).enumerate() {
            if which(nth, number) {
                let expected = window.runs(expression);
                let found = library(schedule, &window);
                let at = DateTime::from_timestamp(change, 0).unwrap();
                assert_eq!(
                    found,
                    expected,
                    "{} {} around {at}",
                    expression.text,
                    zone.name()
                );
                // Asked from anywhere, also from between two runs and in an hour that comes for the second time.
                for (begin, _) in window.shown.iter().skip(nth % 17).step_by(17) {
                    let later = expected.iter().copied().find(|at| at > begin);
                    let next = next(schedule, *begin).filter(|at| *at <= window.end());
                    assert_eq!(
                        next,
                        later,
                        "{} {} after {begin}",
                        expression.text,
                        zone.name()
                    );
                }
                comparisons += 1;
                runs += expected.len();
            }
        }
    }
    (comparisons, runs)
}

#[test]
#[allow(clippy::print_stdout)]
fn runs_around_every_change_of_clocks_are_those_of_a_stepper() {
    let all = std::env::var("SYNCLINE_SCHEDULES").is_ok_and(|which| which == "all");
    let expressions = expressions(200);
    let texts: BTreeSet<&str> = expressions
        .iter()
        .map(|expression| expression.text.as_str())
        .collect();
    assert!(texts.len() > 150, "{} different expressions", texts.len());
    // Of the zones those with the strangest changes are always there: of a day, of three hours, of half an hour, at midnight.
    let strange = [
        "Pacific/Apia",
        "Pacific/Kwajalein",
        "Antarctica/Casey",
        "Antarctica/Vostok",
        "Australia/Lord_Howe",
        "America/St_Johns",
        "America/Nuuk",
        "America/Sao_Paulo",
        "Africa/Monrovia",
        "Africa/Casablanca",
        "Europe/Dublin",
        "Europe/Berlin",
    ];
    let zones: Vec<(usize, Tz)> = (TZ_VARIANTS.into_iter().enumerate())
        .filter(|(nth, zone)| all || nth % 16 == 0 || strange.contains(&zone.name()))
        .collect();
    // Many names are of one zone.
    let mut seen = BTreeSet::new();
    let zones: Vec<(usize, Tz)> = (zones.into_iter())
        .filter(|(_, zone)| {
            let offset = |at| (at, offset(*zone, at - 1), offset(*zone, at));
            seen.insert(changes(*zone).into_iter().map(offset).collect::<Vec<_>>())
        })
        .collect();
    let (next, comparisons, runs) = (
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((place, zone)) = zones.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // Each change meets other expressions.
                    let (some, them) = compare(*zone, &expressions, |nth, number| {
                        all || (place * 7 + nth * 11 + number) % 29 == 0
                    });
                    comparisons.fetch_add(some, Ordering::Relaxed);
                    runs.fetch_add(them, Ordering::Relaxed);
                }
            });
        }
    });
    let (comparisons, runs) = (comparisons.into_inner(), runs.into_inner());
    println!(
        "{} zones, {comparisons} comparisons, {runs} runs",
        zones.len()
    );
    assert!(comparisons > 10_000 && runs > comparisons);
}
