//! Every cell of the matrix, in both directions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cases;
mod numbers;

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, StringViewArray};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::matrix::Kind;
use super::{Class, Converted, Converter, FieldType, class};
use crate::record::format;

/// A type as a spec writes it; a list is written `picklist[a|b]`.
fn field_type(text: &str) -> FieldType {
    match text.strip_suffix(']').and_then(|text| text.split_once('[')) {
        Some((name, items)) => {
            let items: Vec<String> = items.split('|').map(str::to_owned).collect();
            match name {
                "picklist" => FieldType::Picklist(items.into()),
                _ => FieldType::MultiPicklist(items.into()),
            }
        }
        None => text.parse().unwrap(),
    }
}

/// A type of each kind, with room for many values.
fn of_kind(kind: Kind) -> FieldType {
    field_type(match kind {
        Kind::Decimal => "decimal(12,2)",
        Kind::Currency => "currency(12,2)",
        Kind::Percent => "percent(12,2)",
        Kind::Picklist => "picklist[open|won|lost]",
        Kind::MultiPicklist => "multi_picklist[red|green|blue]",
        Kind::Lookup => "lookup(account)",
        plain => plain.name(),
    })
}

/// A column of values given by their texts, without help of the converter where that is what is tested.
fn column(of: &FieldType, texts: &[Option<&str>]) -> ArrayRef {
    let column: ArrayRef = Arc::new(StringViewArray::from(texts.to_vec()));
    let converted = convert(&FieldType::Text, of, false, &column);
    assert_eq!(converted.invalid, [0u32; 0], "a sample of {of} is none");
    converted.column
}

fn convert(from: &FieldType, to: &FieldType, lossy: bool, column: &ArrayRef) -> Converted {
    let converted = Converter::new(from, to, lossy)
        .unwrap()
        .convert(column)
        .unwrap();
    assert_eq!(
        converted.column.data_type(),
        &to.data_type(),
        "{from} to {to}"
    );
    assert_eq!(converted.column.len(), column.len());
    assert!(converted.invalid.is_sorted());
    for row in 0..column.len() {
        let invalid = converted.invalid.contains(&(row as u32));
        assert!(!(invalid && column.is_null(row)), "null is not invalid");
        assert_eq!(
            converted.column.is_null(row),
            column.is_null(row) || invalid
        );
    }
    converted
}

/// The canonical text of each value.
fn texts(column: &ArrayRef) -> Vec<Option<String>> {
    (0..column.len())
        .map(|row| {
            let mut text = Vec::new();
            format::value(column, row, &mut text).then(|| String::from_utf8(text).unwrap())
        })
        .collect()
}

/// Any value of a type, as its canonical text.
fn values(of: &FieldType) -> BoxedStrategy<String> {
    use FieldType::*;
    let text = |write: fn(i64, &mut Vec<u8>), value: i64| {
        let mut out = Vec::new();
        write(value, &mut out);
        String::from_utf8(out).unwrap()
    };
    // From year 1 to year 9999, as texts can name them.
    let micros = -62_135_596_800_000_000..253_402_300_800_000_000i64;
    let micros = (micros, any::<bool>()).prop_map(|(micros, whole)| {
        if whole {
            micros - micros.rem_euclid(1_000_000)
        } else {
            micros
        }
    });
    match of.clone() {
        Text => any::<String>().boxed(),
        Integer => prop_oneof![any::<i64>(), -3..3i64]
            .prop_map(|v| v.to_string())
            .boxed(),
        Decimal { precision, scale }
        | Currency { precision, scale }
        | Percent { precision, scale } => {
            let most = 10i128.pow(precision.into()) - 1;
            prop_oneof![-most..=most, (-1000).max(-most)..=1000.min(most)]
                .prop_map(move |value| {
                    let mut out = Vec::new();
                    format::decimal(value, scale, &mut out);
                    String::from_utf8(out).unwrap()
                })
                .boxed()
        }
        Float => prop_oneof![
            any::<f64>().prop_filter("finite", |v| v.is_finite()),
            (-1_000_000..1_000_000i32).prop_map(|v| f64::from(v) / 1000.0),
        ]
        .prop_map(|value| {
            let mut out = Vec::new();
            format::float(value, &mut out);
            String::from_utf8(out).unwrap()
        })
        .boxed(),
        Boolean => any::<bool>().prop_map(|v| v.to_string()).boxed(),
        Date => (-719_162..2_932_897i64)
            .prop_map(move |v| text(|day, out| format::date(day as i32, out), v))
            .boxed(),
        DateTime => micros
            .prop_map(move |v| text(format::local_datetime, v) + "Z")
            .boxed(),
        LocalDateTime => micros
            .prop_map(move |v| text(format::local_datetime, v))
            .boxed(),
        Email => "[a-z.]{1,8}@[a-z]{1,8}\\.[a-z]{2,3}".boxed(),
        Url => "https://[a-z]{1,8}\\.example/[a-z0-9]{0,8}".boxed(),
        Picklist(items) => proptest::sample::select(items.to_vec()).boxed(),
        MultiPicklist(items) => proptest::sample::subsequence(items.to_vec(), 0..=items.len())
            .prop_map(|items| items.join(";"))
            .boxed(),
        Json => prop_oneof![
            Just("{\"a\": [1, null]}".to_owned()),
            Just("\"text\"".to_owned()),
            any::<i32>().prop_map(|v| v.to_string()),
        ]
        .boxed(),
        Lookup(_) => "[A-Za-z0-9]{1,12}".boxed(),
        Id => "[0-9A-Z]{36}".boxed(),
    }
}

fn rows(of: &FieldType) -> impl Strategy<Value = Vec<Option<String>>> {
    proptest::collection::vec(proptest::option::weighted(0.8, values(of)), 0..40)
}

/// All values of `from` convert, and come back where there is a way back.
fn is_exact(from: &FieldType, to: &FieldType) {
    assert_eq!(class(from, to), Class::Exact, "{from} to {to}");
    assert_eq!(
        Converter::new(from, to, false).unwrap().class(),
        Class::Exact
    );
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let run = runner.run(&rows(from), |rows| {
        let rows: Vec<Option<&str>> = rows.iter().map(Option::as_deref).collect();
        let before = column(from, &rows);
        let there = convert(from, to, false, &before);
        prop_assert_eq!(&there.invalid, &[0u32; 0]);
        if class(to, from) != Class::Refused {
            let back = convert(to, from, true, &there.column);
            prop_assert_eq!(&back.invalid, &[0u32; 0]);
            prop_assert_eq!(texts(&back.column), texts(&before));
        }
        // A slice of a column is a column.
        if before.len() > 2 {
            let slice = convert(from, to, false, &before.slice(1, before.len() - 2));
            prop_assert_eq!(&slice.column, &there.column.slice(1, before.len() - 2));
        }
        Ok(())
    });
    if let Err(error) = run {
        panic!("{from} to {to}: {error}");
    }
}

fn is_refused(from: &FieldType, to: &FieldType) {
    assert_eq!(class(from, to), Class::Refused, "{from} to {to}");
    for lossy in [false, true] {
        let why = Converter::new(from, to, lossy).unwrap_err();
        assert!(
            why.contains(&format!("{from} does not convert to {to}")),
            "{why}"
        );
    }
}

/// The fitting values of a case convert to what it says, and come back; the others are listed.
fn is_in_range(case: &cases::InRange) {
    let (from, to) = (field_type(case.from), field_type(case.to));
    let name = format!("{from} to {to}");
    assert_eq!(class(&from, &to), Class::InRange, "{name}");
    let (fits, becomes): (Vec<&str>, Vec<&str>) = case.fits.iter().copied().unzip();
    assert!(
        !fits.is_empty() && !case.fails.is_empty(),
        "{name} has no samples"
    );

    let rows: Vec<Option<&str>> = (fits.iter().chain(case.fails))
        .map(|&text| Some(text))
        .chain([None])
        .collect();
    let before = column(&from, &rows);
    let there = convert(&from, &to, false, &before);
    let failing: Vec<u32> = (fits.len()..fits.len() + case.fails.len())
        .map(|row| row as u32)
        .collect();
    assert_eq!(there.invalid, failing, "{name}");
    let expected: Vec<Option<String>> = (becomes.iter().map(|&text| Some(text.to_owned())))
        .chain(rows[fits.len()..].iter().map(|_| None))
        .collect();
    assert_eq!(texts(&there.column), expected, "{name}");

    if class(&to, &from) != Class::Refused {
        let back = convert(&to, &from, false, &there.column);
        assert_eq!(back.invalid, [0u32; 0], "{name} and back");
        let fitting = before.slice(0, fits.len());
        assert_eq!(
            texts(&back.column)[..fits.len()],
            texts(&fitting),
            "{name} and back"
        );
    }
}

#[test]
fn every_pair_of_types_keeps_what_the_table_says() {
    for from in Kind::ALL {
        for to in Kind::ALL {
            let (from_type, to_type) = (of_kind(from), of_kind(to));
            match from.to(to) {
                Class::Exact => is_exact(&from_type, &to_type),
                Class::Refused => is_refused(&from_type, &to_type),
                Class::InRange => {
                    let mut found = 0;
                    for case in cases::IN_RANGE {
                        if Kind::of(&field_type(case.from)) == from
                            && Kind::of(&field_type(case.to)) == to
                        {
                            is_in_range(case);
                            found += 1;
                        }
                    }
                    assert!(found > 0, "no sample for {} to {}", from.name(), to.name());
                }
                Class::Lossy => {
                    let (from, to, sample, becomes) = cases::LOSSY
                        .into_iter()
                        .find(|(from, to, ..)| {
                            field_type(from) == from_type && field_type(to) == to_type
                        })
                        .unwrap_or_else(|| {
                            panic!("no sample for {} to {}", from.name(), to.name())
                        });
                    let (from, to) = (field_type(from), field_type(to));
                    assert_eq!(class(&from, &to), Class::Lossy);
                    let why = Converter::new(&from, &to, false).unwrap_err();
                    assert!(why.contains("set `lossy`"), "{why}");
                    let there = convert(&from, &to, true, &column(&from, &[Some(sample), None]));
                    assert_eq!(texts(&there.column), [Some(becomes.to_owned()), None]);
                }
            }
        }
    }
}

#[test]
fn parameters_make_conversions_exact() {
    for (from, to) in cases::EXACT_BY_PARAMETERS {
        is_exact(&field_type(from), &field_type(to));
    }
    is_refused(
        &field_type("lookup(account)"),
        &field_type("lookup(contact)"),
    );
}

#[test]
fn the_documented_table_is_the_table() {
    let mut rows = include_str!("../matrix.md").lines();
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect()
    };
    let names: Vec<&str> = Kind::ALL.into_iter().map(Kind::name).collect();
    assert_eq!(cells(rows.next().unwrap())[1..], names);
    rows.next();
    for from in Kind::ALL {
        let row = cells(rows.next().unwrap());
        assert_eq!(row[0], format!("**{}**", from.name()));
        for (to, cell) in Kind::ALL.into_iter().zip(&row[1..]) {
            let letter = match from.to(to) {
                Class::Exact => "E",
                Class::InRange => "R",
                Class::Lossy => "L",
                Class::Refused => "",
            };
            assert_eq!(cell, letter, "{} to {}", from.name(), to.name());
        }
    }
    assert_eq!(rows.next(), None);
}

#[test]
fn values_that_stay_the_same_are_not_copied() {
    for (from, to) in [
        ("text", "text"),
        ("email", "text"),
        ("integer", "integer"),
        ("decimal(12,2)", "currency(12,2)"),
        ("picklist[a]", "multi_picklist[b|a]"),
        ("text", "lookup(account)"),
        ("text", "email"),
    ] {
        let (from, to) = (field_type(from), field_type(to));
        let before = match from {
            FieldType::Text => column(&from, &[Some("a@b.example")]),
            FieldType::Picklist(_) => column(&from, &[Some("a")]),
            FieldType::Email => column(&from, &[Some("a@b.example")]),
            _ => column(&from, &[Some("12")]),
        };
        let after = convert(&from, &to, false, &before).column;
        assert!(Arc::ptr_eq(&before, &after), "{from} to {to}");
    }
    let before = column(&field_type("decimal(12,2)"), &[Some("12.50")]);
    let after = convert(
        &field_type("decimal(12,2)"),
        &field_type("currency(14,2)"),
        false,
        &before,
    )
    .column;
    let address = |array: &ArrayRef| array.to_data().buffers()[0].as_ptr();
    assert_eq!(address(&before), address(&after));
}

#[test]
fn a_column_of_another_layout_is_a_broken_contract() {
    let converter = Converter::new(&FieldType::Integer, &FieldType::Text, false).unwrap();
    let error = converter
        .convert(&column(&FieldType::Text, &[Some("12")]))
        .unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Contract);
}
