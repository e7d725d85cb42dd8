//! Schedules as sentences, both ways.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, NaiveTime, Utc};

use super::schedule_words::{Words, quoted};
use super::{
    Blackout, CountedFrom, Event, Exclusion, HolidayRule, IntervalUnit, MonthDay, Recurrence,
    ScheduleSpec, TimeOfDay, Weekday, WorkDays,
};
use crate::{Error, ErrorKind};

const WEEKDAYS: [(Weekday, &str); 7] = [
    (Weekday::Monday, "Monday"),
    (Weekday::Tuesday, "Tuesday"),
    (Weekday::Wednesday, "Wednesday"),
    (Weekday::Thursday, "Thursday"),
    (Weekday::Friday, "Friday"),
    (Weekday::Saturday, "Saturday"),
    (Weekday::Sunday, "Sunday"),
];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const UNITS: [(IntervalUnit, &str, &str); 4] = [
    (IntervalUnit::Seconds, "second", "seconds"),
    (IntervalUnit::Minutes, "minute", "minutes"),
    (IntervalUnit::Hours, "hour", "hours"),
    // `every day` goes by the clocks, so one day of real time has its number.
    (IntervalUnit::Days, "", "days"),
];

const ORDINALS: [&str; 5] = ["1st", "2nd", "3rd", "4th", "5th"];

/// A result of reading words; the error says what was expected.
type Read<T> = Result<T, String>;

// Writing.

fn list<T>(
    f: &mut Formatter<'_>,
    items: &[T],
    one: impl Fn(&mut Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            f.write_str(", ")?;
        }
        one(f, item)?;
    }
    Ok(())
}

fn at(f: &mut Formatter<'_>, times: &[TimeOfDay]) -> fmt::Result {
    f.write_str(" at ")?;
    list(f, times, |f, time| time.fmt(f))
}

fn month_days(f: &mut Formatter<'_>, days: &[MonthDay]) -> fmt::Result {
    f.write_str("on ")?;
    list(f, days, |f, day| match day {
        MonthDay::Day(date) => write!(f, "day {date}"),
        MonthDay::LastDay => f.write_str("the last day"),
        MonthDay::LastWorkingDay => f.write_str("the last weekday"),
        MonthDay::Nth { nth, weekday } => match ORDINALS.get(usize::from(*nth).wrapping_sub(1)) {
            Some(ordinal) => write!(f, "the {ordinal} {weekday}"),
            None => write!(f, "the {nth}th {weekday}"),
        },
        MonthDay::Last(weekday) => write!(f, "the last {weekday}"),
    })?;
    f.write_str(" of ")
}

fn local(f: &mut Formatter<'_>, at: &NaiveDateTime) -> fmt::Result {
    match at.and_utc().timestamp() % 60 {
        0 => write!(f, "{}", at.format("%Y-%m-%d %H:%M")),
        _ => write!(f, "{}", at.format("%Y-%m-%d %H:%M:%S")),
    }
}

impl Display for Weekday {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let found = WEEKDAYS.iter().find(|(day, _)| day == self);
        f.write_str(found.map_or("", |(_, name)| name))
    }
}

impl Display for Recurrence {
    /// The words for it in the text of a [`ScheduleSpec`].
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Recurrence::OnDemand => f.write_str("on demand"),
            Recurrence::Once(at) => {
                f.write_str("once at ")?;
                local(f, at)
            }
            Recurrence::Every { count, unit, from } => {
                let (_, one, many) = UNITS
                    .iter()
                    .find(|(known, ..)| known == unit)
                    .unwrap_or(&UNITS[0]);
                match count {
                    1 if !one.is_empty() => write!(f, "every {one}")?,
                    _ => write!(f, "every {count} {many}")?,
                }
                match from {
                    CountedFrom::Epoch => Ok(()),
                    CountedFrom::Anchor(at) => {
                        write!(f, " from {}", at.format("%Y-%m-%dT%H:%M:%SZ"))
                    }
                    CountedFrom::LastEnd => f.write_str(" after the end"),
                }
            }
            Recurrence::Daily { days, at: times } => {
                f.write_str(match days {
                    WorkDays::EveryDay => "every day",
                    WorkDays::Weekdays => "every weekday",
                })?;
                at(f, times)
            }
            Recurrence::Weekly { on, at: times } => {
                f.write_str("every ")?;
                list(f, on, |f, day| day.fmt(f))?;
                at(f, times)
            }
            Recurrence::Monthly { on, at: times } => {
                month_days(f, on)?;
                f.write_str("every month")?;
                at(f, times)
            }
            Recurrence::Quarterly {
                month,
                on,
                at: times,
            } => {
                month_days(f, on)?;
                write!(f, "month {month} of every quarter")?;
                at(f, times)
            }
            Recurrence::Yearly {
                months,
                on,
                at: times,
            } => {
                month_days(f, on)?;
                list(f, months, |f, month| {
                    match MONTHS.get(usize::from(*month).wrapping_sub(1)) {
                        Some(name) => f.write_str(name),
                        None => month.fmt(f),
                    }
                })?;
                at(f, times)
            }
            Recurrence::Cron(expression) => write!(f, "cron {}", quoted(expression)),
            Recurrence::AnyOf(all) => {
                for (position, one) in all.iter().enumerate() {
                    f.write_str(if position > 0 { " or " } else { "" })?;
                    one.fmt(f)?;
                }
                Ok(())
            }
            Recurrence::Event(Event::FileArrived { prefix }) => {
                write!(f, "on file {}", quoted(prefix))
            }
            Recurrence::Event(Event::ApiCall { topic }) => write!(f, "on call {}", quoted(topic)),
            Recurrence::Event(Event::JobEnded { job, only_success }) => {
                let success = if *only_success { " success" } else { "" };
                write!(f, "on job {}{success}", quoted(job))
            }
        }
    }
}

impl Display for Blackout {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("not ")?;
        match self {
            Blackout::Between { from, until } => {
                local(f, from)?;
                f.write_str(" to ")?;
                local(f, until)
            }
            Blackout::Daily { from, until, on } => {
                write!(f, "{from}-{until}")?;
                if on.is_empty() {
                    return Ok(());
                }
                f.write_str(" on ")?;
                list(f, on, |f, day| day.fmt(f))
            }
        }
    }
}

impl Display for ScheduleSpec {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.recurrence, self.zone)?;
        if let Some(day) = self.starts {
            write!(f, "; from {day}")?;
        }
        if let Some(day) = self.ends {
            write!(f, "; until {day}")?;
        }
        for blackout in &self.blackouts {
            write!(f, "; {blackout}")?;
        }
        for except in &self.except {
            f.write_str("; except ")?;
            match except {
                Exclusion::Dates(days) => {
                    f.write_str("on ")?;
                    list(f, days, |f, day| day.fmt(f))?;
                }
                Exclusion::Runs(recurrence) => recurrence.fmt(f)?,
            }
        }
        match self.holidays {
            HolidayRule::Run => {}
            HolidayRule::Skip => f.write_str("; skip holidays")?,
            HolidayRule::NextDay => f.write_str("; move holidays")?,
        }
        match self.jitter {
            0 => Ok(()),
            seconds => write!(f, "; jitter {seconds} seconds"),
        }
    }
}

// Reading.

impl FromStr for ScheduleSpec {
    type Err = Error;

    /// Reads what [`Display`] writes; words in any case, and without a zone it is UTC.
    fn from_str(text: &str) -> Result<Self, Error> {
        schedule(text).map_err(|because| {
            let message =
                "this is no schedule; write one like `every weekday at 06:30 Europe/Berlin`";
            Error::new(ErrorKind::Invalid, message).with("because", because)
        })
    }
}

fn schedule(text: &str) -> Read<ScheduleSpec> {
    let mut words = Words::of(text)?;
    let mut spec = ScheduleSpec::new(any_of(&mut words)?);
    if let Some(zone) = words.any() {
        spec.zone = zone.into();
    }
    while words.semicolon() {
        clause(&mut words, &mut spec)?;
    }
    words.end()?;
    Ok(spec)
}

fn clause(words: &mut Words<'_>, spec: &mut ScheduleSpec) -> Read<()> {
    if words.eat("from") {
        once(&mut spec.starts, date(words)?, "from")
    } else if words.eat("until") {
        once(&mut spec.ends, date(words)?, "until")
    } else if words.eat("not") {
        spec.blackouts.push(blackout(words)?);
        Ok(())
    } else if words.eat("except") {
        spec.except.push(exclusion(words)?);
        Ok(())
    } else if words.eat("skip") {
        words.expect("holidays")?;
        spec.holidays = HolidayRule::Skip;
        Ok(())
    } else if words.eat("move") {
        words.expect("holidays")?;
        spec.holidays = HolidayRule::NextDay;
        Ok(())
    } else if words.eat("jitter") {
        let count: u32 = number(words)?;
        let (unit, _, _) = unit(words)?;
        let seconds = count.checked_mul(unit.seconds());
        spec.jitter = seconds.ok_or("the jitter is too large")?;
        Ok(())
    } else {
        words.wrong("one of from, until, not, except, skip, move, jitter")
    }
}

fn once<T>(place: &mut Option<T>, value: T, word: &str) -> Read<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("`{word}` is there twice")),
    }
}

fn any_of(words: &mut Words<'_>) -> Read<Recurrence> {
    let mut all = vec![recurrence(words)?];
    while words.eat("or") {
        all.push(recurrence(words)?);
    }
    match <[Recurrence; 1]>::try_from(all) {
        Ok([one]) => Ok(one),
        Err(all) => Ok(Recurrence::AnyOf(all)),
    }
}

fn recurrence(words: &mut Words<'_>) -> Read<Recurrence> {
    if words.eat("every") {
        every(words)
    } else if words.eat("cron") {
        Ok(Recurrence::Cron(words.quoted()?))
    } else if words.eat("once") {
        words.expect("at")?;
        Ok(Recurrence::Once(date_time(words)?))
    } else if words.eat("on") {
        on(words)
    } else {
        words.wrong("one of every, on, once, cron")
    }
}

fn every(words: &mut Words<'_>) -> Read<Recurrence> {
    if words.eat("day") {
        let days = WorkDays::EveryDay;
        return Ok(Recurrence::Daily {
            days,
            at: times(words)?,
        });
    }
    if words.eat("weekday") {
        let days = WorkDays::Weekdays;
        return Ok(Recurrence::Daily {
            days,
            at: times(words)?,
        });
    }
    if let Some(first) = weekday(words) {
        let on = weekdays(words, first)?;
        return Ok(Recurrence::Weekly {
            on,
            at: times(words)?,
        });
    }
    let count = words.parsed::<u32>();
    let (unit, one, many) = unit(words)?;
    let is_one = !one.is_empty() && words.was(one);
    let count = match count {
        Some(count) => count,
        None if is_one => 1,
        None => return Err(format!("`every {many}` has no number")),
    };
    let from = if words.eat("from") {
        CountedFrom::Anchor(instant(words)?)
    } else if words.eat("after") {
        words.expect("the")?;
        words.expect("end")?;
        CountedFrom::LastEnd
    } else {
        CountedFrom::Epoch
    };
    Ok(Recurrence::Every { count, unit, from })
}

fn on(words: &mut Words<'_>) -> Read<Recurrence> {
    if words.eat("demand") {
        return Ok(Recurrence::OnDemand);
    }
    if words.eat("file") {
        let prefix = words.quoted()?;
        return Ok(Recurrence::Event(Event::FileArrived { prefix }));
    }
    if words.eat("call") {
        let topic = words.quoted()?;
        return Ok(Recurrence::Event(Event::ApiCall { topic }));
    }
    if words.eat("job") {
        let job = words.quoted()?;
        let only_success = words.eat("success");
        return Ok(Recurrence::Event(Event::JobEnded { job, only_success }));
    }
    let mut on = vec![month_day(words)?];
    while words.comma() {
        on.push(month_day(words)?);
    }
    words.expect("of")?;
    if words.eat("every") {
        words.expect("month")?;
        return Ok(Recurrence::Monthly {
            on,
            at: times(words)?,
        });
    }
    if words.eat("month") {
        let month = number(words)?;
        words.expect("of")?;
        words.expect("every")?;
        words.expect("quarter")?;
        return Ok(Recurrence::Quarterly {
            month,
            on,
            at: times(words)?,
        });
    }
    let mut months = vec![month(words)?];
    while words.comma() {
        months.push(month(words)?);
    }
    Ok(Recurrence::Yearly {
        months,
        on,
        at: times(words)?,
    })
}

fn month_day(words: &mut Words<'_>) -> Read<MonthDay> {
    if words.eat("day") {
        return Ok(MonthDay::Day(number(words)?));
    }
    words.expect("the")?;
    if words.eat("last") {
        if words.eat("day") {
            return Ok(MonthDay::LastDay);
        }
        if words.eat("weekday") {
            return Ok(MonthDay::LastWorkingDay);
        }
        return match weekday(words) {
            Some(weekday) => Ok(MonthDay::Last(weekday)),
            None => words.wrong("day, weekday or the name of one"),
        };
    }
    let nth = (1u8..)
        .zip(ORDINALS)
        .find(|(_, ordinal)| words.eat(ordinal));
    match (nth, weekday(words)) {
        (Some((nth, _)), Some(weekday)) => Ok(MonthDay::Nth { nth, weekday }),
        _ => words.wrong("last, or 1st to 5th, and the name of a weekday"),
    }
}

fn exclusion(words: &mut Words<'_>) -> Read<Exclusion> {
    // A date begins with a digit, and the days of a month do not.
    if words.sees("on")
        && words
            .second()
            .is_some_and(|word| word.starts_with(|c: char| c.is_ascii_digit()))
    {
        words.expect("on")?;
        let mut days = vec![date(words)?];
        while words.comma() {
            days.push(date(words)?);
        }
        return Ok(Exclusion::Dates(days));
    }
    Ok(Exclusion::Runs(any_of(words)?))
}

fn blackout(words: &mut Words<'_>) -> Read<Blackout> {
    if let Some((from, until)) = words.peek().and_then(|word| word.split_once('-')) {
        if let (Ok(from), Ok(until)) = (from.parse(), until.parse()) {
            words.any();
            let mut on = Vec::new();
            if words.eat("on") {
                let first = weekday(words).ok_or("the name of a weekday is missing behind `on`")?;
                on = weekdays(words, first)?;
            }
            return Ok(Blackout::Daily { from, until, on });
        }
    }
    let from = date_time(words)?;
    words.expect("to")?;
    let until = date_time(words)?;
    Ok(Blackout::Between { from, until })
}

fn times(words: &mut Words<'_>) -> Read<Vec<TimeOfDay>> {
    words.expect("at")?;
    let mut times = vec![time(words)?];
    while words.comma() {
        times.push(time(words)?);
    }
    Ok(times)
}

fn time(words: &mut Words<'_>) -> Read<TimeOfDay> {
    match words.parsed() {
        Some(time) => Ok(time),
        None => words.wrong("a time like 06:30"),
    }
}

fn number<T: FromStr>(words: &mut Words<'_>) -> Read<T> {
    match words.parsed() {
        Some(number) => Ok(number),
        None => words.wrong("a number"),
    }
}

fn unit(words: &mut Words<'_>) -> Read<(IntervalUnit, &'static str, &'static str)> {
    let mut units = UNITS.into_iter();
    match units.find(|(_, one, many)| words.eat(many) || (!one.is_empty() && words.eat(one))) {
        Some(found) => Ok(found),
        None => words.wrong("a weekday, or a number and seconds, minutes, hours or days"),
    }
}

fn weekday(words: &mut Words<'_>) -> Option<Weekday> {
    let found = WEEKDAYS.iter().find(|(_, name)| words.eat(name))?;
    Some(found.0)
}

fn weekdays(words: &mut Words<'_>, first: Weekday) -> Read<Vec<Weekday>> {
    let mut all = vec![first];
    while words.comma() {
        match weekday(words) {
            Some(day) => all.push(day),
            None => return words.wrong("the name of a weekday"),
        }
    }
    Ok(all)
}

fn month(words: &mut Words<'_>) -> Read<u8> {
    match (1u8..).zip(MONTHS).find(|(_, name)| words.eat(name)) {
        Some((month, _)) => Ok(month),
        None => words.wrong("the name of a month, every month, or month N of every quarter"),
    }
}

fn date(words: &mut Words<'_>) -> Read<NaiveDate> {
    // Nothing but four digits, two and two.
    let plain =
        |word: &&str| word.len() == 10 && word.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    match words
        .peek()
        .filter(plain)
        .and_then(|word| word.parse().ok())
    {
        Some(date) => {
            words.any();
            Ok(date)
        }
        None => words.wrong("a date like 2026-03-01"),
    }
}

fn date_time(words: &mut Words<'_>) -> Read<NaiveDateTime> {
    let (date, time) = (date(words)?, time(words)?);
    let time = NaiveTime::from_num_seconds_from_midnight_opt(time.seconds(), 0).unwrap_or_default();
    Ok(date.and_time(time))
}

fn instant(words: &mut Words<'_>) -> Read<DateTime<Utc>> {
    let read = words
        .peek()
        .and_then(|word| DateTime::parse_from_rfc3339(word).ok());
    let whole = read
        .map(|at| at.to_utc())
        .filter(|at| at.timestamp_subsec_nanos() == 0 && (0..=9_999).contains(&at.year()));
    match whole {
        Some(at) => {
            words.any();
            Ok(at)
        }
        None => words.wrong("an instant like 2026-03-01T00:00:00Z"),
    }
}

/// What the texts in a schedule look like, for its JSON Schema.
#[cfg(feature = "schema")]
macro_rules! text_schema {
    ($($(#[$doc:meta])* $name:ident = $pattern:literal;)*) => { $(
        $(#[$doc])*
        pub(super) struct $name;

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "pattern": $pattern})
            }
        }
    )* };
}

#[cfg(feature = "schema")]
text_schema! {
    /// `2026-03-01`
    DateText = r"^\d{4}-\d{2}-\d{2}$";
    /// `2026-03-01T06:30:00`
    DateTimeText = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$";
    /// `2026-03-01T06:30:00Z`
    InstantText = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(Z|[+-]\d{2}:\d{2})$";
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for TimeOfDay {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TimeOfDay".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A time of the day by the clocks: `06:30` or `06:30:15`.",
            "type": "string",
            "pattern": r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$",
        })
    }
}
