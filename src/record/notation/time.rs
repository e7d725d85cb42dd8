//! Dates and times by patterns, and in the clocks of a zone.

use super::FieldType;
use crate::error::Problem;
use crate::record::parse;
use crate::record::pattern::TimePattern;
use crate::record::zone::{At, Zone};

/// Patterns that are tried in order, and the zone of the clocks that those without offset show.
#[derive(Debug, Clone)]
pub(super) struct Times {
    patterns: Box<[TimePattern]>,
    zone: Option<Zone>,
    /// The patterns, for messages.
    sample: String,
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
                let zone = Zone::new(name).map_err(|message| {
                    problems.push(Problem::new("zone", message));
                });
                // What is not known is no second mistake.
                Some(zone.unwrap_or(Zone::UTC))
            }
            None => None,
        };
        if patterns.is_empty() {
            problems.push(Problem::new("patterns", "name at least one pattern"));
        }
        let mut compiled = Vec::with_capacity(patterns.len());
        for (i, text) in patterns.iter().enumerate() {
            let pattern = TimePattern::new(text).and_then(|pattern| {
                fits(&pattern, field_type, zone.is_some())?;
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
    pub(super) fn date(&self, text: &[u8]) -> Option<i32> {
        self.patterns.iter().find_map(|pattern| pattern.date(text))
    }

    #[inline]
    pub(super) fn local_datetime(&self, text: &[u8]) -> Option<i64> {
        self.patterns
            .iter()
            .find_map(|pattern| pattern.local_datetime(text))
    }

    #[inline]
    pub(super) fn datetime(&self, text: &[u8]) -> Option<i64> {
        let instant = self
            .patterns
            .iter()
            .find_map(|pattern| match pattern.has_offset() {
                true => pattern.instant(text),
                false => match self.zone?.instant(pattern.local_datetime(text)?)? {
                    At::Once(instant) => Some(instant),
                    At::Never | At::Twice(..) => None,
                },
            })?;
        parse::is_instant(instant).then_some(instant)
    }

    /// What is special about a text that was refused.
    pub(super) fn refusal(&self, text: &[u8]) -> Option<String> {
        let zone = self.zone?;
        let naive = self.patterns.iter().find(|pattern| !pattern.has_offset())?;
        let at = zone.instant(naive.local_datetime(text)?)?;
        (!matches!(at, At::Once(_))).then(|| {
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

/// Whether a pattern says all that a type wants, and no more.
fn fits(pattern: &TimePattern, field_type: &FieldType, has_zone: bool) -> Result<(), String> {
    let (has_time, has_offset) = (pattern.has_time(), pattern.has_offset());
    let wrong = match field_type {
        FieldType::Date if has_time => {
            "a date has no time of day; choose the type local_datetime or datetime"
        }
        FieldType::Date => return Ok(()),
        _ if !has_time => "a time of day has an hour (`%H`)",
        FieldType::DateTime if !has_offset && !has_zone => {
            "a datetime is an instant: add `%z`, or say in `zone` whose clocks show the time; or choose the type \
             local_datetime"
        }
        FieldType::LocalDateTime if has_offset => {
            "a local_datetime has no offset; choose the type datetime"
        }
        _ => return Ok(()),
    };
    Err(wrong.into())
}
