//! Dates and times by patterns, and in the clocks of a zone.

use chrono::{DateTime, LocalResult, NaiveDate, TimeZone as _};
use chrono_tz::Tz;

use super::FieldType;
use crate::error::Problem;
use crate::record::parse;

/// Patterns that are tried in order, and the zone of the clocks that those without offset show.
#[derive(Debug, Clone)]
pub(super) struct Times {
    patterns: Box<[Pattern]>,
    zone: Option<Tz>,
    /// The patterns, for messages.
    sample: String,
}

/// What a text says.
#[derive(Debug, Clone, Copy)]
struct Moment {
    /// Days since 1970-01-01.
    day: i32,
    /// Microseconds of the wall clock since 1970-01-01T00:00:00.
    local: i64,
    /// Seconds east of UTC.
    offset: Option<i64>,
}

impl Times {
    /// # Errors
    /// What is wrong with them, under `patterns` and `zone`.
    pub(super) fn new(
        field_type: &FieldType,
        patterns: &[String],
        zone: Option<&str>,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let zone = match zone {
            Some(_) if *field_type != FieldType::DateTime => {
                let message = format!("a {field_type} has no zone; leave it out");
                problems.push(Problem::new("zone", message));
                None
            }
            Some(name) => {
                let zone = name.parse::<Tz>();
                if zone.is_err() {
                    let message =
                        format!("no zone is called `{name}`; use a name like `Europe/Berlin`");
                    problems.push(Problem::new("zone", message));
                }
                // What is not known is no second mistake.
                Some(zone.unwrap_or(Tz::UTC))
            }
            None => None,
        };
        if patterns.is_empty() {
            problems.push(Problem::new("patterns", "name at least one pattern"));
        }
        let mut compiled = Vec::with_capacity(patterns.len());
        for (i, text) in patterns.iter().enumerate() {
            let pattern = Pattern::new(text).and_then(|pattern| {
                pattern.fits(field_type, zone.is_some())?;
                Ok(pattern)
            });
            match pattern {
                Ok(pattern) => compiled.push(pattern),
                Err(message) => problems.push(Problem::new(format!("patterns[{i}]"), message)),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let sample: Vec<String> = patterns.iter().map(|text| format!("`{text}`")).collect();
        Ok(Times {
            patterns: compiled.into(),
            zone,
            sample: sample.join(" or "),
        })
    }

    #[inline]
    fn moment(&self, text: &[u8]) -> Option<Moment> {
        self.patterns.iter().find_map(|pattern| pattern.read(text))
    }

    #[inline]
    pub(super) fn date(&self, text: &[u8]) -> Option<i32> {
        Some(self.moment(text)?.day)
    }

    #[inline]
    pub(super) fn local_datetime(&self, text: &[u8]) -> Option<i64> {
        Some(self.moment(text)?.local)
    }

    #[inline]
    pub(super) fn datetime(&self, text: &[u8]) -> Option<i64> {
        let moment = self.moment(text)?;
        let instant = match moment.offset {
            Some(offset) => moment.local - offset * 1_000_000,
            None => self.instant(moment.local)?,
        };
        parse::is_instant(instant).then_some(instant)
    }

    /// The one instant at which the zone's clocks show this.
    fn instant(&self, local: i64) -> Option<i64> {
        let clock = DateTime::from_timestamp_micros(local)?.naive_utc();
        match self.zone?.from_local_datetime(&clock) {
            LocalResult::Single(instant) => Some(instant.timestamp_micros()),
            LocalResult::None | LocalResult::Ambiguous(..) => None,
        }
    }

    /// What is special about a text that was refused.
    pub(super) fn refusal(&self, text: &[u8]) -> Option<String> {
        let (moment, zone) = (self.moment(text)?, self.zone?);
        let is_stray = moment.offset.is_none() && self.instant(moment.local).is_none();
        is_stray.then(|| {
            format!(
                "the clocks of {zone} never show this time, or show it twice, where they are put forward or back; \
                 write such a time with its offset"
            )
        })
    }

    pub(super) fn expected(&self, field_type: &FieldType) -> String {
        let Times { sample, zone, .. } = self;
        match (field_type, zone) {
            (FieldType::Date, _) => format!("a date like {sample}"),
            (_, Some(zone)) => format!("a time of {zone} like {sample}"),
            _ => format!("a time like {sample}"),
        }
    }
}

#[derive(Debug, Clone)]
struct Pattern(Box<[Part]>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Literal(u8),
    /// `%Y`, four digits.
    Year,
    /// `%m`, two digits, as all that follow.
    Month,
    /// `%d`
    Day,
    /// `%H`
    Hour,
    /// `%M`
    Minute,
    /// `%S`
    Second,
    /// `%f`: one to nine digits, of which those behind the sixth are zeros.
    Fraction,
    /// `%z`: `+01:00`, `+0100` or `Z`.
    Offset,
}

impl Pattern {
    fn new(text: &str) -> Result<Self, String> {
        let mut parts = Vec::with_capacity(text.len());
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            if byte != b'%' {
                parts.push(Part::Literal(byte));
                continue;
            }
            let part = match bytes.next() {
                Some(b'Y') => Part::Year,
                Some(b'm') => Part::Month,
                Some(b'd') => Part::Day,
                Some(b'H') => Part::Hour,
                Some(b'M') => Part::Minute,
                Some(b'S') => Part::Second,
                Some(b'f') => Part::Fraction,
                Some(b'z') => Part::Offset,
                Some(b'%') => Part::Literal(b'%'),
                _ => {
                    return Err(
                        "behind `%` stands one of Y m d H M S f z, or another `%`".to_owned()
                    );
                }
            };
            if !matches!(part, Part::Literal(_)) && parts.contains(&part) {
                return Err("the same part of a time is there twice".to_owned());
            }
            parts.push(part);
        }
        Ok(Pattern(parts.into()))
    }

    /// Whether it says all that a type wants, and no more.
    fn fits(&self, field_type: &FieldType, has_zone: bool) -> Result<(), String> {
        use Part::{Day, Fraction, Hour, Minute, Month, Offset, Second, Year};
        let has = |part: Part| self.0.contains(&part);
        if !(has(Year) && has(Month) && has(Day)) {
            return Err("a day has `%Y`, `%m` and `%d`".to_owned());
        }
        if *field_type == FieldType::Date {
            return match [Hour, Minute, Second, Fraction, Offset]
                .into_iter()
                .any(has)
            {
                true => Err(
                    "a date has no time of day; choose the type local_datetime or datetime"
                        .to_owned(),
                ),
                false => Ok(()),
            };
        }
        if !(has(Hour) && has(Minute)) || (has(Fraction) && !has(Second)) {
            return Err("a time of day has `%H` and `%M`, and in front of `%f` `%S`".to_owned());
        }
        match field_type {
            FieldType::DateTime if !has(Offset) && !has_zone => Err(
                "a datetime is an instant: add `%z`, or say in `zone` whose clocks show the time; or choose the type local_datetime"
                    .to_owned(),
            ),
            FieldType::LocalDateTime if has(Offset) => {
                Err("a local_datetime has no offset; choose the type datetime".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn read(&self, mut text: &[u8]) -> Option<Moment> {
        let (mut year, mut month, mut day) = (0, 0, 0);
        let (mut hour, mut minute, mut second, mut micros) = (0, 0, 0, 0);
        let mut offset = None;
        for part in &self.0 {
            match part {
                Part::Literal(byte) => text = text.strip_prefix(&[*byte])?,
                Part::Year => year = number(&mut text, 4)?,
                Part::Month => month = number(&mut text, 2)?,
                Part::Day => day = number(&mut text, 2)?,
                Part::Hour => hour = number(&mut text, 2)?,
                Part::Minute => minute = number(&mut text, 2)?,
                Part::Second => second = number(&mut text, 2)?,
                Part::Fraction => (micros, text) = parse::fraction_micros(text)?,
                Part::Offset => offset = Some(read_offset(&mut text)?),
            }
        }
        let is_clock = hour < 24 && minute < 60 && second < 60;
        if !text.is_empty() || !is_clock || year < 1 {
            return None;
        }
        let day = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
        let day = day.signed_duration_since(NaiveDate::default()).num_days();
        let seconds = day * 86_400 + i64::from(hour * 3600 + minute * 60 + second);
        Some(Moment {
            day: i32::try_from(day).ok()?,
            local: seconds * 1_000_000 + micros,
            offset,
        })
    }
}

/// Just so many digits.
fn number(text: &mut &[u8], digits: usize) -> Option<u32> {
    let (head, rest) = text.split_at_checked(digits)?;
    *text = rest;
    head.iter().try_fold(0, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit <= 9).then(|| value * 10 + u32::from(digit))
    })
}

fn read_offset(text: &mut &[u8]) -> Option<i64> {
    let (&sign, rest) = text.split_first()?;
    *text = rest;
    if matches!(sign, b'Z' | b'z') {
        return Some(0);
    }
    let hours = i64::from(number(text, 2)?);
    *text = text.strip_prefix(b":").unwrap_or(text);
    let minutes = i64::from(number(text, 2)?);
    // The widest offset that was ever in use is under 16 hours.
    if hours > 15 || minutes > 59 {
        return None;
    }
    let seconds = hours * 3600 + minutes * 60;
    match sign {
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
}
