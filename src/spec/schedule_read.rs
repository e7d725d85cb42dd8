//! Schedules from sentences.

use std::str::FromStr;

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, NaiveTime, Utc};

use super::schedule_text::{ORDINALS, UNITS, WEEKDAYS};
use super::schedule_words::Words;
use super::{
    Blackout, CountedFrom, Event, Exclusion, HolidayRule, IntervalUnit, MonthDay, Recurrence,
    ScheduleSpec, TimeOfDay, Weekday, WorkDays,
};
use crate::record::pattern::MONTHS;
use crate::{Error, ErrorKind};

/// The error says what was expected.
type Read<T> = Result<T, String>;

impl FromStr for ScheduleSpec {
    type Err = Error;

    /// Reads what is [displayed](std::fmt::Display); words in any case, and without a zone it is UTC.
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
    let fits = |(place, byte): (usize, u8)| match place {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    let plain = |word: &&str| word.len() == 10 && word.bytes().enumerate().all(fits);
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
