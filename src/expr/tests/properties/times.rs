//! Random days and times.

use super::conversions;
use super::grow::{Kind, UNITS, beside, grow, literal};
use super::tape::Tape;
use crate::spec::{Expr, Repeated, TimePart, TimeUnit};

pub(super) const ZONES: [&str; 11] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    // Without 2011-12-30.
    "Pacific/Apia",
    // Where midnight is skipped.
    "America/Sao_Paulo",
    // Half an hour of summer time.
    "Australia/Lord_Howe",
    // Where half an hour before and half an hour behind midnight were skipped.
    "America/Toronto",
    "Europe/Amsterdam",
    "Pacific/Kiritimati",
    "Etc/GMT+12",
];

pub(super) const CLOCK: [TimePart; 4] = [
    TimePart::Hour,
    TimePart::Minute,
    TimePart::Second,
    TimePart::Microsecond,
];

pub(super) const CALENDAR: [TimePart; 8] = [
    TimePart::Year,
    TimePart::Quarter,
    TimePart::Month,
    TimePart::Week,
    TimePart::WeekYear,
    TimePart::Day,
    TimePart::Weekday,
    TimePart::DayOfYear,
];

const DAYS: [&str; 5] = [
    "%Y-%m-%d",
    "%d.%m.%Y",
    "%-d/%-m/%y",
    "%Y %j %A",
    "100%% %B %d %Y",
];

const TIMES: [Kind; 3] = [Kind::Date, Kind::DateTime, Kind::Local];

/// The zone of something of a kind: only a datetime has one.
fn zone(tape: &mut Tape<'_>, kind: Kind) -> Option<String> {
    let is_given = kind == Kind::DateTime && tape.below(4) > 0;
    is_given.then(|| tape.one(&ZONES).to_owned())
}

fn units(kind: Kind) -> &'static [TimeUnit] {
    if kind == Kind::Date {
        &UNITS[..5]
    } else {
        &UNITS
    }
}

fn added(tape: &mut Tape<'_>, kind: Kind, depth: u32) -> Expr {
    let count = match tape.below(3) {
        0 => grow(tape, Kind::Integer, depth),
        _ => literal(tape, Kind::Integer),
    };
    Expr::DateAdd {
        of: grow(tape, kind, depth).into(),
        count: count.into(),
        unit: tape.one(units(kind)),
        zone: zone(tape, kind),
    }
}

fn truncated(tape: &mut Tape<'_>, kind: Kind, depth: u32) -> Expr {
    let to = tape.one(units(kind));
    Expr::Truncate {
        of: grow(tape, kind, depth).into(),
        to,
        zone: zone(tape, kind),
        fiscal_start: fiscal_start(tape, matches!(to, TimeUnit::Year | TimeUnit::Quarter)),
    }
}

fn fiscal_start(tape: &mut Tape<'_>, asked: bool) -> u8 {
    if asked {
        tape.one(&[1, 2, 4, 7, 10, 12])
    } else {
        1
    }
}

fn moved(tape: &mut Tape<'_>, kind: Kind, depth: u32) -> Expr {
    match tape.below(5) {
        0 => conversions::to_time(tape, kind, depth),
        1 | 2 => truncated(tape, kind, depth),
        _ => added(tape, kind, depth),
    }
}

pub(super) fn date(tape: &mut Tape<'_>, depth: u32) -> Expr {
    match tape.below(4) {
        0 => Expr::UtcDay(grow(tape, Kind::DateTime, depth).into()),
        1 => {
            let kind = tape.one(&[Kind::DateTime, Kind::Local]);
            Expr::Day {
                of: grow(tape, kind, depth).into(),
                zone: zone(tape, kind),
            }
        }
        _ => moved(tape, Kind::Date, depth),
    }
}

pub(super) fn datetime(tape: &mut Tape<'_>, depth: u32) -> Expr {
    match tape.below(3) {
        0 => Expr::ToInstant {
            of: grow(tape, Kind::Local, depth).into(),
            zone: tape.one(&ZONES).to_owned(),
            repeated: tape.one(&[Repeated::Earlier, Repeated::Later, Repeated::Reject]),
        },
        _ => moved(tape, Kind::DateTime, depth),
    }
}

pub(super) fn local(tape: &mut Tape<'_>, depth: u32) -> Expr {
    match tape.below(4) {
        0 => Expr::ToLocal {
            of: grow(tape, Kind::DateTime, depth).into(),
            zone: tape.one(&ZONES).to_owned(),
        },
        1 => conversions::day_to_local(tape, depth),
        _ => moved(tape, Kind::Local, depth),
    }
}

pub(super) fn part(tape: &mut Tape<'_>, depth: u32) -> Expr {
    let kind = tape.one(&TIMES);
    let part = if kind != Kind::Date && tape.rarely(3) {
        tape.one(&CLOCK)
    } else {
        tape.one(&CALENDAR)
    };
    Expr::Part {
        of: grow(tape, kind, depth).into(),
        part,
        zone: zone(tape, kind),
        fiscal_start: fiscal_start(tape, matches!(part, TimePart::Year | TimePart::Quarter)),
    }
}

pub(super) fn difference(tape: &mut Tape<'_>, depth: u32) -> Expr {
    let kind = tape.one(&TIMES);
    let (from, to) = match tape.below(3) {
        0 => (beside(tape, kind, depth), grow(tape, kind, depth)),
        1 => {
            // Near each other.
            let from = grow(tape, kind, depth);
            let to = Expr::DateAdd {
                of: from.clone().into(),
                count: literal(tape, Kind::Integer).into(),
                unit: tape.one(units(kind)),
                zone: zone(tape, kind),
            };
            (from, to)
        }
        _ => (grow(tape, kind, depth), beside(tape, kind, depth)),
    };
    Expr::DateDiff {
        from: from.into(),
        to: to.into(),
        unit: tape.one(units(kind)),
        zone: zone(tape, kind),
    }
}

pub(super) fn format(tape: &mut Tape<'_>, depth: u32) -> Expr {
    let kind = tape.one(&TIMES);
    let pattern = match kind {
        Kind::Date => tape.one(&DAYS),
        Kind::DateTime => tape.one(&[
            "%Y-%m-%d %H:%M:%S",
            "%d %b %y %I:%M %p %z",
            "%A %Y/%j %H:%M:%S.%f%z",
        ]),
        _ => tape.one(&[
            "%Y-%m-%d %H:%M:%S",
            "%-m/%-d/%y %-I %p",
            "%a %d %B %Y %-H:%M",
        ]),
    };
    Expr::Format {
        of: grow(tape, kind, depth).into(),
        pattern: pattern.to_owned(),
        zone: zone(tape, kind),
    }
}
