//! What the clocks of a zone show, and when.

use std::fmt;

use chrono::{DateTime, LocalResult, NaiveDateTime, Offset as _, TimeZone as _};
use chrono_tz::Tz;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// A zone of the IANA database, as it was when the crate was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Zone(Tz);

/// When the clocks of a zone show a local time: instants in microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// Never: they were put forward over it.
    Never,
    Once(i64),
    /// Twice, since they were put back: the earlier and the later.
    Twice(i64, i64),
}

impl Zone {
    pub(crate) const UTC: Zone = Zone(Tz::UTC);

    /// The zone of this name.
    pub(crate) fn new(name: &str) -> Result<Self, String> {
        name.parse().map(Zone).map_err(|_| {
            format!("there is no zone `{name}`; name one of the IANA database, like `Europe/Berlin` or `UTC`")
        })
    }

    /// Seconds by which its clocks are ahead of UTC at an instant; `None` outside of what a calendar holds.
    pub(crate) fn offset(self, instant: i64) -> Option<i64> {
        if self == Self::UTC {
            return Some(0);
        }
        let offset = self.0.offset_from_utc_datetime(&naive(instant)?);
        Some(offset.fix().local_minus_utc().into())
    }

    /// What its clocks show at an instant: microseconds since 1970-01-01T00:00:00 of the same clocks.
    pub(crate) fn local(self, instant: i64) -> Option<i64> {
        instant.checked_add(self.offset(instant)? * SECOND)
    }

    /// When its clocks show a local time.
    pub(crate) fn instant(self, local: i64) -> Option<At> {
        if self == Self::UTC {
            return Some(At::Once(local));
        }
        let at = |offset: chrono_tz::TzOffset| {
            local.checked_sub(i64::from(offset.fix().local_minus_utc()) * SECOND)
        };
        Some(match self.0.offset_from_local_datetime(&naive(local)?) {
            LocalResult::None => At::Never,
            LocalResult::Single(offset) => At::Once(at(offset)?),
            LocalResult::Ambiguous(a, b) => {
                let (a, b) = (at(a)?, at(b)?);
                At::Twice(a.min(b), a.max(b))
            }
        })
    }

    /// The instant of a local time; of one that is shown twice the earlier, and one that is never shown moves forward by as
    /// much as the clocks did.
    pub(crate) fn instant_forward(self, local: i64) -> Option<i64> {
        match self.instant(local)? {
            At::Once(instant) | At::Twice(instant, _) => Some(instant),
            // The clocks went on as before until they were put forward.
            At::Never => local.checked_sub(self.offset(local.checked_sub(DAY)?)? * SECOND),
        }
    }

    /// The first instant at which its clocks show a local time or a later one.
    pub(crate) fn first_instant(self, local: i64) -> Option<i64> {
        let reached = self.instant_forward(local)?;
        if self.instant(local)? != At::Never {
            return Some(reached);
        }
        // In between they were put forward; to the second, as all zones do it.
        let (mut before, mut after) = (reached.checked_sub(DAY + DAY / 24)?, reached);
        while after - before > SECOND {
            let middle = before + (after - before) / 2 / SECOND * SECOND;
            let middle = if middle == before {
                before + SECOND
            } else {
                middle
            };
            match self.local(middle)? >= local {
                true => after = middle,
                false => before = middle,
            }
        }
        Some(after)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

fn naive(micros: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_micros(micros).map(|at| at.naive_utc())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::record::parse;

    fn local(text: &str) -> i64 {
        parse::local_datetime(text.as_bytes()).unwrap()
    }

    fn instant(text: &str) -> i64 {
        parse::datetime(text.as_bytes()).unwrap()
    }

    #[test]
    fn clocks_that_are_put_forward_and_back() {
        let berlin = Zone::new("Europe/Berlin").unwrap();
        let winter = instant("2025-01-31T11:00:00Z");
        assert_eq!(berlin.local(winter), Some(local("2025-01-31T12:00:00")));
        assert_eq!(
            berlin.instant(local("2025-01-31T12:00:00")),
            Some(At::Once(winter))
        );
        let gap = local("2025-03-30T02:30:00");
        assert_eq!(berlin.instant(gap), Some(At::Never));
        assert_eq!(
            berlin.instant_forward(gap),
            Some(instant("2025-03-30T01:30:00Z"))
        );
        assert_eq!(
            berlin.first_instant(gap),
            Some(instant("2025-03-30T01:00:00Z"))
        );
        let (earlier, later) = (
            instant("2025-10-26T00:30:00Z"),
            instant("2025-10-26T01:30:00Z"),
        );
        assert_eq!(
            berlin.instant(local("2025-10-26T02:30:00")),
            Some(At::Twice(earlier, later))
        );
        assert_eq!(
            berlin.first_instant(local("2025-10-26T02:30:00")),
            Some(earlier)
        );
        // A midnight that never was, and a day.
        let sao_paulo = Zone::new("America/Sao_Paulo").unwrap();
        let midnight = local("2018-11-04T00:00:00");
        assert_eq!(sao_paulo.instant(midnight), Some(At::Never));
        assert_eq!(
            sao_paulo.first_instant(midnight),
            Some(instant("2018-11-04T03:00:00Z"))
        );
        let apia = Zone::new("Pacific/Apia").unwrap();
        let skipped = local("2011-12-30T10:00:00");
        assert_eq!(apia.instant(skipped), Some(At::Never));
        assert_eq!(
            apia.instant_forward(skipped),
            Some(instant("2011-12-30T20:00:00Z"))
        );
        assert_eq!(
            apia.first_instant(skipped),
            Some(instant("2011-12-30T10:00:00Z"))
        );
    }

    #[test]
    fn utc_has_no_offset_and_an_unknown_name_is_told() {
        assert_eq!(Zone::new("UTC"), Ok(Zone::UTC));
        assert_eq!(Zone::UTC.local(7), Some(7));
        assert_eq!(Zone::UTC.instant(7), Some(At::Once(7)));
        let error = Zone::new("Europe/Berlyn").unwrap_err();
        assert!(
            error.contains("`Europe/Berlyn`") && error.contains("IANA"),
            "{error}"
        );
    }
}
