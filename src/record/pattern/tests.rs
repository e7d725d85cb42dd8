#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;

use super::*;
use crate::record::parse;

fn pattern(text: &str) -> TimePattern {
    TimePattern::new(text).unwrap()
}

fn written(text: &str, local: i64, offset: i64) -> Option<String> {
    let mut out = b"x".to_vec();
    let is_written = pattern(text).append(local, offset, &mut out);
    assert_eq!(
        is_written,
        out.len() > 1,
        "nothing is left of what is not written"
    );
    is_written.then(|| String::from_utf8(out.split_off(1)).unwrap())
}

#[test]
fn each_field_is_read_and_nothing_else() {
    for (text, value, day) in [
        ("%d.%m.%Y", "31.01.2025", Some("2025-01-31")),
        ("%d.%m.%Y", "1.01.2025", None),
        ("%d.%m.%Y", "29.02.2025", None),
        ("%d.%m.%Y", " 31.01.2025", None),
        ("%d.%m.%Y", "31.01.2025 ", None),
        ("%-d/%-m/%Y", "1/2/2025", Some("2025-02-01")),
        ("%-d/%-m/%Y", "01/02/2025", Some("2025-02-01")),
        ("%-d/%-m/%Y", "001/02/2025", None),
        ("%m/%d/%y", "12/31/68", Some("2068-12-31")),
        ("%m/%d/%y", "12/31/69", Some("1969-12-31")),
        ("%Y%m%d", "20240229", Some("2024-02-29")),
        ("%Y%m%d", "00000101", None),
        ("%d %b %Y", "03 sEP 2025", Some("2025-09-03")),
        ("%d %b %Y", "03 September 2025", None),
        ("%B %-d, %Y", "May 3, 2025", Some("2025-05-03")),
        ("%a %d %b %Y", "Mon 24 Nov 2025", Some("2025-11-24")),
        ("%A %d %b %Y", "Tuesday 24 Nov 2025", None),
        ("%Y-%j", "2024-366", Some("2024-12-31")),
        ("%Y-%j", "2025-366", None),
        ("%Y-%j", "2025-000", None),
        ("%%%Y%%%m%%%d", "%2025%01%31", Some("2025-01-31")),
        ("am %d.%m.%Y", "am 31.01.2025", Some("2025-01-31")),
        ("%Y年%m月%d日", "2025年01月31日", Some("2025-01-31")),
    ] {
        let day = day.map(|day| parse::date(day.as_bytes()).unwrap());
        assert_eq!(
            pattern(text).date(value.as_bytes()),
            day,
            "{text} of {value}"
        );
    }
    for (text, value, time) in [
        (
            "%Y-%m-%d %H:%M",
            "2025-01-31 23:59",
            Some("2025-01-31T23:59:00"),
        ),
        ("%Y-%m-%d %H:%M", "2025-01-31 24:00", None),
        ("%Y-%m-%d %H:%M:%S", "2016-12-31 23:59:60", None),
        (
            "%Y-%m-%d %H:%M:%S.%f",
            "2025-01-31 00:00:00.25",
            Some("2025-01-31T00:00:00.250000"),
        ),
        ("%Y-%m-%d %H:%M:%S.%f", "2025-01-31 00:00:00.1234567", None),
        ("%m/%d/%Y %-I:%M %p", "1/31/2025 1:05 pm", None),
        (
            "%-m/%d/%Y %-I:%M %p",
            "1/31/2025 1:05 pm",
            Some("2025-01-31T13:05:00"),
        ),
        (
            "%-m/%d/%Y %-I:%M %p",
            "1/31/2025 12:05 AM",
            Some("2025-01-31T00:05:00"),
        ),
        ("%-m/%d/%Y %-I:%M %p", "1/31/2025 13:05 PM", None),
        ("%-m/%d/%Y %-I:%M %p", "1/31/2025 0:05 AM", None),
        ("%Y-%m-%d %H", "2025-01-31 07", Some("2025-01-31T07:00:00")),
    ] {
        let time = time.map(|time| parse::local_datetime(time.as_bytes()).unwrap());
        assert_eq!(
            pattern(text).local_datetime(value.as_bytes()),
            time,
            "{text} of {value}"
        );
    }
    let zoned = pattern("%d.%m.%Y %H:%M %z");
    for (value, instant) in [
        ("31.01.2025 12:00 +01:00", Some("2025-01-31T11:00:00Z")),
        ("31.01.2025 12:00 -1400", Some("2025-02-01T02:00:00Z")),
        ("31.01.2025 12:00 +01", Some("2025-01-31T11:00:00Z")),
        ("31.01.2025 12:00 +1", None),
        ("31.01.2025 12:00 +01:", None),
        ("31.01.2025 12:00 +010", None),
        ("31.01.2025 12:00 +01:60", None),
        ("31.01.2025 12:00 Z", Some("2025-01-31T12:00:00Z")),
        ("31.01.2025 12:00 +16:00", None),
        ("31.01.2025 12:00 ", None),
        ("01.01.0001 00:00 +01:00", None),
    ] {
        let instant = instant.map(|instant| parse::datetime(instant.as_bytes()).unwrap());
        assert_eq!(zoned.instant(value.as_bytes()), instant, "{value}");
    }
    let in_front = pattern("%H%z %d.%m.%Y");
    for value in [
        &b"12+01 31.01.2025"[..],
        b"12+0100 31.01.2025",
        b"12+01:00 31.01.2025",
    ] {
        assert_eq!(
            in_front.instant(value),
            parse::datetime(b"2025-01-31T11:00:00Z")
        );
    }
    assert_eq!(pattern("%Y%m%d").instant(b"20250131"), None);
}

#[test]
fn a_pattern_that_leaves_something_open_is_refused() {
    for (text, says) in [
        ("", "no year"),
        ("%d.%m.", "no year"),
        ("%Y", "lacks the month"),
        ("%Y-%m", "lacks the month (`%m`) or the day"),
        ("%Y-%j %m", "keep one of the two"),
        ("%Y-%m-%d %m", "the month twice"),
        ("%Y-%m-%d %y", "the year twice"),
        ("%Y-%m-%d %I:%M", "go together"),
        ("%Y-%m-%d %H %p", "go together"),
        ("%Y-%m-%d %M", "the minute and not the hour"),
        ("%Y-%m-%d %H:%S", "the second and not the minute"),
        ("%Y-%m-%d %z", "the offset and not the hour"),
        ("%Y%-m%d", "no digit"),
        ("%-d1%m%Y", "no digit"),
        ("%H%z%d.%m.%Y", "no digit"),
        ("%Y-%m-%d %q", "at character 10"),
        ("%Y-%m-%d %", "at character 10"),
        ("é%-Y", "at character 2"),
    ] {
        let error = TimePattern::new(text).unwrap_err();
        assert!(error.contains(says), "{text}: {error}");
    }
}

#[test]
fn what_would_not_be_read_back_is_not_written() {
    let at = parse::local_datetime(b"2025-01-31T00:05:09.000250").unwrap();
    for (text, expected) in [
        ("%Y-%m-%d", "2025-01-31"),
        ("%-d.%-m.%y", "31.1.25"),
        ("%A, %d %B %Y", "Friday, 31 January 2025"),
        (
            "%a %b %d %Y %I:%M:%S.%f %p",
            "Fri Jan 31 2025 12:05:09.000250 AM",
        ),
        ("%Y-%j %-H%%", "2025-031 0%"),
        ("%Y%m%dT%H%z", "20250131T00-09:30"),
    ] {
        assert_eq!(written(text, at, -34_200).as_deref(), Some(expected));
    }
    let old = parse::local_datetime(b"1968-12-31T00:00:00").unwrap();
    assert_eq!(written("%d.%m.%y", old, 0), None);
    assert_eq!(written("%Y%m%d %H%z", old, 3_208), None);
    assert_eq!(written("%Y%m%d", 253_402_300_800_000_000, 0), None);
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        local in parse::FIRST_MICROS..=parse::LAST_MICROS,
        which in 0..8usize,
        minutes in -959..960i64,
    ) {
        let (text, unit) = [
            ("%Y-%m-%d", DAY),
            ("%-d/%-m/%Y %-H", DAY / 24),
            ("%B %d %Y, %I:%M %p", 60_000_000),
            ("%a %j of %Y at %H:%M:%S", 1_000_000),
            ("%Y%m%d%H%M%S.%f", 1),
            ("%d %b %Y %H:%M:%S.%f %z", 1),
            ("%A, %d.%m.%Y", DAY),
            ("%Y/%m/%d %-I.%M.%S.%f %p", 1),
        ][which];
        let pattern = pattern(text);
        let mut out = Vec::new();
        prop_assert!(pattern.append(local, minutes * 60, &mut out));
        prop_assert_eq!(pattern.local_datetime(&out), Some(local - local.rem_euclid(unit)));
        prop_assert_eq!(pattern.date(&out), Some(local.div_euclid(DAY) as i32));
    }

    /// chrono reads the same patterns, where it is as strict.
    #[test]
    fn chrono_reads_the_same(
        local in parse::FIRST_MICROS..=parse::LAST_MICROS,
        which in 0..5usize,
        spoil in prop::option::of((0..19usize, "[0-9:./ a]")),
    ) {
        let text = ["%d.%m.%Y %H:%M", "%Y%m%d %H%M%S", "%m/%d/%Y %I:%M:%S %p", "%Y-%j %H:%M:%S", "%d %B %Y %H:%M"][which];
        let pattern = pattern(text);
        let mut out = Vec::new();
        pattern.append(local, 0, &mut out);
        let mut value = String::from_utf8(out).unwrap();
        if let Some((at, with)) = spoil {
            if at < value.len() {
                value.replace_range(at..=at, &with);
            }
        }
        let theirs = chrono::NaiveDateTime::parse_from_str(&value, text).ok();
        if let Some(ours) = pattern.local_datetime(value.as_bytes()) {
            prop_assert_eq!(theirs.map(|at| at.and_utc().timestamp_micros()), Some(ours), "{}", value);
        } else if value.len() == text.len() + 2 && !value.contains(['a', ' ']) {
            prop_assert_eq!(theirs, None, "{}", value);
        }
    }
}
