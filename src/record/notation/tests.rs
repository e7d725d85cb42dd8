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

proptest! {
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
