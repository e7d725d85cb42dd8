#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;

use super::*;

const AMOUNT: FieldType = FieldType::Decimal {
    precision: 12,
    scale: 2,
};

fn numbers(of: &FieldType, decimal: char, grouping: Option<char>) -> Notation {
    Notation::numbers(of, decimal, grouping).unwrap()
}

fn paths(problems: Result<Notation, Vec<Problem>>) -> Vec<(String, String)> {
    let problems = problems.unwrap_err();
    problems.into_iter().map(|p| (p.path, p.message)).collect()
}

#[test]
fn groups_stand_between_all_threes_or_nowhere() {
    let amount = numbers(&AMOUNT, ',', Some('.'));
    for (text, value) in [
        ("1.234.567,89", Some(123_456_789)),
        ("1234567,89", Some(123_456_789)),
        ("-1.234", Some(-123_400)),
        ("+12.345,6", Some(1_234_560)),
        ("0,5", Some(50)),
        (",5", Some(50)),
        ("5,", Some(500)),
        ("007", Some(700)),
        ("1.23,4", None),
        ("1234.567", None),
        ("1.234567", None),
        ("1..234", None),
        (".234", None),
        ("1.234.", None),
        ("1.234,567", None),
        ("1,234.567", None),
        ("1,2,3", None),
        ("0.125", None),
        ("-0.125", None),
        ("1-234.567", None),
        ("1 234", None),
        ("", None),
        (",", None),
        ("1,5e3", None),
    ] {
        assert_eq!(amount.decimal(text.as_bytes()), value, "{text}");
    }
    assert_eq!(
        amount.refusal(b"x"),
        "expected a decimal number within the field's digits, like 1.234,56"
    );
}

#[test]
fn marks_may_be_of_several_bytes() {
    for mark in [' ', '\u{A0}', '\u{202F}', '\''] {
        let text = format!("12{mark}345{mark}678");
        let whole = numbers(&FieldType::Integer, ',', Some(mark));
        assert_eq!(whole.integer(text.as_bytes()), Some(12_345_678));
        let text = format!("-1{mark}234٫5e2");
        let float = numbers(&FieldType::Float, '٫', Some(mark));
        assert_eq!(float.float(text.as_bytes()), Some(-123_450.0), "{text}");
        let text = format!("1{mark}23e2");
        assert_eq!(float.float(text.as_bytes()), None, "{text}");
    }
    // Part of a mark is none.
    let whole = numbers(&FieldType::Integer, ',', Some('\u{A0}'));
    assert_eq!(whole.integer(b"1\xC2234"), None);
    assert_eq!(whole.integer(b"1\xA0234"), None);
}

#[test]
fn only_the_own_type_is_read() {
    let whole = numbers(&FieldType::Integer, '.', None);
    assert_eq!(whole.integer(b"12"), Some(12));
    assert_eq!((whole.decimal(b"12"), whole.boolean(b"12")), (None, None));
    assert_eq!(whole.integer(b"12.0"), None);
    let words = Notation::booleans(&FieldType::Boolean, &["1".into()], &["0".into()]).unwrap();
    assert_eq!(
        (words.integer(b"1"), words.boolean(b"1")),
        (None, Some(true))
    );
}

#[test]
fn booleans_go_by_their_words_in_any_case() {
    let own = |words: &[&str]| -> Vec<String> { words.iter().map(|w| (*w).into()).collect() };
    let words =
        Notation::booleans(&FieldType::Boolean, &own(&["oui", "ÉTÉ"]), &own(&["non"])).unwrap();
    for (text, value) in [
        ("OUI", Some(true)),
        ("Été", None),
        ("ÉTÉ", Some(true)),
        ("Non", Some(false)),
        ("true", None),
        ("", None),
        ("oui ", None),
    ] {
        assert_eq!(words.boolean(text.as_bytes()), value, "{text}");
    }
    assert_eq!(
        words.refusal(b"x"),
        "expected `oui` or `ÉTÉ` for true or `non` for false"
    );
    let wrong = Notation::booleans(&FieldType::Boolean, &own(&["y", "Y"]), &[]);
    assert_eq!(
        paths(wrong),
        [
            (
                "true[1]".into(),
                "the word `Y` is there twice; keep one of the two".into()
            ),
            ("false".into(), "name at least one word".to_owned()),
        ]
    );
    let wrong = Notation::booleans(&FieldType::Boolean, &own(&["y"]), &own(&["n", "Y"]));
    assert_eq!(paths(wrong)[0].0, "false[1]");
}

#[test]
fn marks_that_cannot_be_told_apart_are_problems() {
    for (decimal, grouping, path) in [
        ('1', None, "decimal_mark"),
        ('e', None, "decimal_mark"),
        ('-', None, "decimal_mark"),
        (' ', None, "decimal_mark"),
        (',', Some('+'), "grouping"),
        (',', Some('\n'), "grouping"),
        (',', Some('٣'), "grouping"),
        ('.', Some('.'), "grouping"),
    ] {
        let found = paths(Notation::numbers(&AMOUNT, decimal, grouping));
        assert_eq!((found.len(), &*found[0].0), (1, path), "{found:?}");
    }
    let found = paths(Notation::numbers(&FieldType::Text, ',', None));
    assert_eq!(found[0].0, "");
    assert!(found[0].1.contains("the type is text"), "{found:?}");
}

fn times(of: &FieldType, patterns: &[&str], zone: Option<&str>) -> Result<Notation, Vec<Problem>> {
    let patterns: Vec<String> = patterns.iter().map(|text| (*text).into()).collect();
    Notation::times(of, &patterns, zone)
}

#[test]
fn dates_go_by_their_patterns_in_order() {
    let dates = times(&FieldType::Date, &["%d.%m.%Y", "%m/%d/%Y"], None).unwrap();
    for (text, value) in [
        ("31.01.2025", parse::date(b"2025-01-31")),
        ("01/31/2025", parse::date(b"2025-01-31")),
        ("01.01.0001", parse::date(b"0001-01-01")),
        ("31/01/2025", None),
        ("29.02.2025", None),
        ("1.1.2025", None),
        (" 31.01.2025", None),
        ("31.01.2025 ", None),
        ("31.01.0000", None),
        ("2025-01-31", None),
        ("", None),
    ] {
        assert_eq!(dates.date(text.as_bytes()), value, "{text}");
    }
    assert_eq!(
        dates.refusal(b"x"),
        "expected a date like `%d.%m.%Y` or `%m/%d/%Y`"
    );
    assert_eq!(dates.local_datetime(b"31.01.2025"), None);
}

#[test]
fn a_time_of_a_zone_is_one_instant_or_refused() {
    let berlin = times(
        &FieldType::DateTime,
        &["%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M%z"],
        Some("Europe/Berlin"),
    );
    let berlin = berlin.unwrap();
    for (text, instant) in [
        ("31.01.2025 12:34", "2025-01-31T11:34:00Z"),
        ("31.07.2025 12:34", "2025-07-31T10:34:00Z"),
        ("31.07.2025 12:34Z", "2025-07-31T12:34:00Z"),
        ("26.10.2025 02:30+0100", "2025-10-26T01:30:00Z"),
        ("26.10.2025 02:30+02:00", "2025-10-26T00:30:00Z"),
    ] {
        let expected = parse::datetime(instant.as_bytes());
        assert!(expected.is_some());
        assert_eq!(berlin.datetime(text.as_bytes()), expected, "{text}");
    }
    // Put forward at two, put back at three.
    for stray in [&b"30.03.2025 02:30"[..], b"26.10.2025 02:30"] {
        assert_eq!(berlin.datetime(stray), None);
        let message = berlin.refusal(stray);
        assert!(
            message
                .starts_with("the clocks of Europe/Berlin never show this time, or show it twice"),
            "{message}"
        );
    }
    for bad in [
        &b"31.01.2025 24:00"[..],
        b"31.01.2025 12:60",
        b"31.01.2025 12:34+16:00",
        b"31.01.2025",
    ] {
        assert_eq!(berlin.datetime(bad), None);
        assert!(
            berlin
                .refusal(bad)
                .starts_with("expected a time of Europe/Berlin like `%d"),
            "{}",
            berlin.refusal(bad)
        );
    }
    let local = times(&FieldType::LocalDateTime, &["%Y%m%d%H%M%S,%f"], None).unwrap();
    assert_eq!(
        local.local_datetime(b"20250330023000,25"),
        parse::local_datetime(b"2025-03-30T02:30:00.25")
    );
    assert_eq!(local.local_datetime(b"20250330023000,0000001"), None);
}

#[test]
fn patterns_say_all_that_a_type_wants_and_no_more() {
    for (of, pattern, says) in [
        (FieldType::Date, "%d.%m", "`%Y`"),
        (FieldType::Date, "%d.%m.%Y %H:%M", "no time of day"),
        (FieldType::Date, "%d.%m.%Y %d", "twice"),
        (FieldType::Date, "%d.%m.%Y%", "`%` begins no field"),
        (FieldType::Date, "%d.%m.%Q", "`%` begins no field"),
        (FieldType::DateTime, "%d.%m.%Y", "`%H`"),
        (FieldType::DateTime, "%d.%m.%Y %H:%M", "`zone`"),
        (FieldType::LocalDateTime, "%d.%m.%Y %H:%M%z", "no offset"),
    ] {
        let found = paths(times(&of, &["%d.%m.%Y", pattern], None));
        let (path, message) = found.last().unwrap();
        assert_eq!(path, "patterns[1]");
        assert!(message.contains(says), "{message}");
    }
    let found = paths(times(&FieldType::Date, &[], Some("Europe/Berlin")));
    assert_eq!((&*found[0].0, &*found[1].0), ("zone", "patterns"));
    let found = paths(times(
        &FieldType::DateTime,
        &["%Y-%m-%d %H:%M"],
        Some("Europe/Bonn"),
    ));
    assert_eq!(found.len(), 1);
    assert!(found[0].1.contains("`Europe/Bonn`"), "{found:?}");
    assert_eq!(paths(times(&FieldType::Text, &["%Y"], None))[0].0, "");
}

proptest! {
    #[test]
    fn the_usual_form_is_a_pattern(text in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]([+-]0[0-9]:[0-5][0-9]|Z)") {
        let usual = times(&FieldType::DateTime, &["%Y-%m-%dT%H:%M:%S%z"], None).unwrap();
        prop_assert_eq!(usual.datetime(text.as_bytes()), parse::datetime(text.as_bytes()));
    }

    #[test]
    fn what_is_written_with_marks_reads_back(
        units in -999_999_999_999i64..=999_999_999_999,
        decimal in prop::sample::select(vec![',', '.', '·', '٫']),
        grouping in prop::option::of(prop::sample::select(vec!['\'', ' ', '\u{A0}', '\u{202F}', '_'])),
    ) {
        let notation = numbers(&AMOUNT, decimal, grouping);
        let digits = (units.abs() / 100).to_string();
        let mut text = String::from(if units < 0 { "-" } else { "" });
        for (i, digit) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i) % 3 == 0 {
                text.extend(grouping);
            }
            text.push(digit);
        }
        text += &format!("{decimal}{:02}", units.abs() % 100);
        prop_assert_eq!(notation.decimal(text.as_bytes()), Some(i128::from(units)));
    }

    #[test]
    fn usual_marks_change_nothing(text in "[-+0-9.eE ]{0,12}|[0-9]{60,70}\\.[0-9]") {
        let bytes = text.as_bytes();
        let strange = numbers(&FieldType::Float, '.', Some('_'));
        prop_assert_eq!(strange.float(bytes), parse::float(bytes));
        let strange = numbers(&FieldType::Integer, '.', Some('_'));
        prop_assert_eq!(strange.integer(bytes), parse::integer(bytes));
        let strange = numbers(&AMOUNT, '.', Some('_'));
        prop_assert_eq!(strange.decimal(bytes), parse::decimal(bytes, 12, 2));
    }

    #[test]
    fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let notation = numbers(&FieldType::Float, '٫', Some('\u{A0}'));
        let _ = notation.float(&bytes);
    }
}
