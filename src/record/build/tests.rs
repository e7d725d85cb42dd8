#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use serde::Serialize;
use serde_json::{Value, json};

use super::RecordBuilder;
use crate::record::{Field, FieldType, RawRecord, Reason, Refusal, Schema, format};

fn listed(items: &[&str]) -> std::sync::Arc<[String]> {
    items.iter().map(|&item| item.to_owned()).collect()
}

fn schema() -> Schema {
    Schema::new(vec![
        Field::new("name", FieldType::Text),
        Field::new("seats", FieldType::Integer),
        Field::new("mrr", "currency(12,2)".parse().unwrap()),
        Field::new("score", FieldType::Float),
        Field::new("active", FieldType::Boolean),
        Field::new("since", FieldType::Date),
        Field::new("seen", FieldType::DateTime),
        Field::new("opens", FieldType::LocalDateTime),
        Field::new("mail", FieldType::Email),
        Field::new("stage", FieldType::Picklist(listed(&["open", "won"]))),
        Field::new("tags", FieldType::MultiPicklist(listed(&["red", "green"]))),
        Field::new("extra", FieldType::Json),
    ])
}

fn row(records: &RecordBatch, row: usize) -> Vec<Option<String>> {
    (records.columns().iter())
        .map(|column| {
            let mut text = Vec::new();
            format::value(column, row, &mut text).then(|| String::from_utf8(text).unwrap())
        })
        .collect()
}

/// Pushes a row both ways, which must agree.
fn push(builder: &mut RecordBuilder, value: &Value) -> Result<(), Refusal> {
    let before = builder.len();
    let mut other = RecordBuilder::new(&builder.schema);
    let (by_map, by_serde) = (
        other.push_map(value.as_object().unwrap()),
        builder.push(value),
    );
    assert_eq!(by_map, by_serde);
    assert_eq!(builder.len(), before + usize::from(by_serde.is_ok()));
    by_serde
}

/// The text that a field's value becomes.
fn read(field: &str, value: Value) -> Result<Option<String>, Refusal> {
    let schema = schema();
    let mut builder = RecordBuilder::new(&schema);
    push(&mut builder, &json!({ field: value }))?;
    let mut by_map = RecordBuilder::new(&schema);
    by_map.push_map(json!({ field: value }).as_object().unwrap())?;
    let (records, by_map) = (builder.finish().unwrap(), by_map.finish().unwrap());
    assert_eq!(records, by_map);
    Ok(row(&records, 0).swap_remove(schema.index_of(field).unwrap()))
}

#[test]
fn values_are_read_as_documented() {
    for (field, value, expected) in [
        ("name", json!("Initech"), "Initech"),
        ("seats", json!(12), "12"),
        ("seats", json!("12"), "12"),
        ("seats", json!(12.0), "12"),
        ("mrr", json!(99.5), "99.50"),
        ("mrr", json!(0.1), "0.10"),
        ("mrr", json!(-3), "-3.00"),
        ("mrr", json!(1e2), "100.00"),
        ("mrr", json!("99.50"), "99.50"),
        ("score", json!(0.1), "0.1"),
        ("score", json!(3), "3"),
        ("active", json!(true), "true"),
        ("since", json!("2025-01-31"), "2025-01-31"),
        (
            "seen",
            json!("2025-01-31T01:00:00+01:00"),
            "2025-01-31T00:00:00Z",
        ),
        ("opens", json!("2025-01-31T01:00:00"), "2025-01-31T01:00:00"),
        ("mail", json!("a@b.example"), "a@b.example"),
        ("stage", json!("won"), "won"),
        ("tags", json!("red;green"), "red;green"),
        ("tags", json!(["green", "red"]), "red;green"),
        ("tags", json!([]), ""),
        ("extra", json!({"a": [1, null]}), "{\"a\":[1,null]}"),
        ("extra", json!("text"), "\"text\""),
        ("extra", json!(1.5), "1.5"),
    ] {
        assert_eq!(
            read(field, value.clone()),
            Ok(Some(expected.to_owned())),
            "{field} of {value}"
        );
    }
    for field in schema().fields() {
        assert_eq!(read(&field.name, Value::Null), Ok(None));
    }
}

#[test]
fn what_is_no_value_is_refused_and_names_its_field_only() {
    for (field, value) in [
        ("name", json!(12)),
        ("name", json!({})),
        ("seats", json!(1.5)),
        ("seats", json!(18446744073709551615u64)),
        ("seats", json!(true)),
        ("mrr", json!(99.505)),
        ("mrr", json!(1e300)),
        ("mrr", json!("secret")),
        ("score", json!(9007199254740993i64)),
        ("active", json!(1)),
        ("since", json!(20250131)),
        ("seen", json!("2025-01-31T00:00:00")),
        ("mail", json!("nobody")),
        ("stage", json!("lost")),
        ("stage", json!(["won"])),
        ("tags", json!("green;red")),
        ("tags", json!(["blue"])),
        ("tags", json!(["red", "red"])),
        ("tags", json!([1])),
    ] {
        let refusal = read(field, value.clone()).unwrap_err();
        assert_eq!(refusal.reason, Reason::BadValue);
        assert_eq!(refusal.field.as_deref(), Some(field), "{value}");
        assert!(refusal.message.starts_with("the value must be "));
        assert!(!refusal.message.contains("secret"));
    }
    let unknown = read("nope", json!(1)).map(|_| ());
    assert_eq!(unknown.unwrap_err().field.as_deref(), Some("nope"));
}

#[test]
fn a_refused_row_leaves_nothing_behind() {
    let schema = schema();
    let mut builder = RecordBuilder::new(&schema);
    push(&mut builder, &json!({"name": "one", "seats": 1})).unwrap();
    push(&mut builder, &json!({"name": "two", "seats": "many"})).unwrap_err();
    push(&mut builder, &json!({"seats": 3})).unwrap();
    let records = builder.finish().unwrap();
    assert_eq!(records.schema(), *schema.arrow());
    assert_eq!(records.num_rows(), 2);
    assert_eq!(
        row(&records, 0)[..2],
        [Some("one".into()), Some("1".into())]
    );
    assert_eq!(row(&records, 1)[..2], [None, Some("3".into())]);
    // Empty again, and usable.
    assert!(builder.is_empty());
    push(&mut builder, &json!({"mrr": 1})).unwrap();
    let batch = builder.finish_batch("page 2", 40).unwrap();
    assert_eq!(batch.origins.position(0).to_string(), "page 2#40");
    let RawRecord::Cells(cells) = batch.origins.raw(0) else {
        panic!("rows have cells");
    };
    assert_eq!(cells[2].as_deref(), Some(&b"1.00"[..]));
    assert_eq!(builder.finish().unwrap().num_rows(), 0);
}

#[test]
fn structs_of_any_make_are_rows() {
    #[derive(Serialize)]
    #[serde(rename_all = "snake_case")]
    enum Stage {
        Won,
    }
    #[derive(Serialize)]
    struct Name(&'static str);
    #[derive(Serialize)]
    struct Rest {
        active: bool,
        extra: BTreeMap<&'static str, i32>,
    }
    #[derive(Serialize)]
    struct Account {
        stage: Stage,
        name: Name,
        seats: Option<u8>,
        mrr: i128,
        score: f32,
        tags: (&'static str, &'static str),
        #[serde(flatten)]
        rest: Rest,
    }
    #[derive(Serialize)]
    struct Wrapper(Account);
    let account = Account {
        stage: Stage::Won,
        name: Name("Initech"),
        seats: None,
        mrr: 9_999_999_999,
        score: 0.1,
        tags: ("green", "red"),
        rest: Rest {
            active: true,
            extra: BTreeMap::from([("a", 1)]),
        },
    };
    let mut builder = RecordBuilder::new(&schema());
    builder.push(&Some(Wrapper(account))).unwrap();
    let records = builder.finish().unwrap();
    let some = |text: &str| Some(text.to_owned());
    let mut expected = vec![None; 12];
    expected[0] = some("Initech");
    expected[2] = some("9999999999.00");
    expected[3] = some("0.1");
    expected[4] = some("true");
    expected[9] = some("won");
    expected[10] = some("red;green");
    expected[11] = some("{\"a\":1}");
    assert_eq!(row(&records, 0), expected);
}

#[test]
fn what_is_no_row_is_refused() {
    /// Serializes one key twice.
    struct Twice;
    impl Serialize for Twice {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map([("name", "a"), ("name", "b")])
        }
    }
    let mut builder = RecordBuilder::new(&schema());
    assert!(builder.push(&Twice).unwrap_err().message.contains("twice"));
    for refusal in [
        builder.push(&12).unwrap_err(),
        builder.push("text").unwrap_err(),
        builder.push(&["a"]).unwrap_err(),
        builder.push(&()).unwrap_err(),
        builder.push(&BTreeMap::from([(1, 2)])).unwrap_err(),
    ] {
        assert_eq!(refusal.reason, Reason::BadValue);
        assert!(refusal.message.contains("a row is a struct or a map"));
    }
    // JSON has no such number, and would make it null.
    let not_a_number = BTreeMap::from([("score", f64::NAN)]);
    let refusal = builder.push(&not_a_number).unwrap_err();
    assert_eq!(refusal.field.as_deref(), Some("score"));
    assert!(builder.is_empty());
}

#[test]
fn json_holds_no_number_that_is_not_finite() {
    #[derive(Serialize)]
    enum Kind {
        Unit,
        Wrapped(f32),
        Pair(u8, f64),
        Named { x: f64 },
    }
    #[derive(Serialize)]
    struct Pair(Option<f64>, (f64, u128));
    #[derive(Serialize)]
    struct Row<T> {
        extra: T,
    }
    fn push<T: Serialize>(extra: T) -> Option<String> {
        let mut builder = RecordBuilder::new(&schema());
        let pushed = builder.push(&Row { extra });
        if let Err(refusal) = pushed {
            assert_eq!(refusal.field.as_deref(), Some("extra"));
            return None;
        }
        let text = row(&builder.finish().unwrap(), 0).swap_remove(11);
        Some(text.unwrap_or_default())
    }
    assert_eq!(push(f64::NAN), None);
    assert_eq!(push(f32::INFINITY), None);
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(push(Some(bad)), None);
        assert_eq!(push(vec![1.0, bad]), None);
        assert_eq!(push(BTreeMap::from([("a", vec![(1, bad)])])), None);
        assert_eq!(push(Pair(Some(bad), (0.0, 1))), None);
        assert_eq!(push(Pair(None, (bad, 1))), None);
        assert_eq!(push(Kind::Wrapped(bad as f32)), None);
        assert_eq!(push(Kind::Pair(1, bad)), None);
        assert_eq!(push([Kind::Named { x: bad }]), None);
    }
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(push(()), text(""));
    assert_eq!(push(None::<f64>), text(""));
    assert_eq!(push("null"), text("\"null\""));
    assert_eq!(push(Pair(None, (0.5, 1))), text("[null,[0.5,1]]"));
    let kinds = (
        (None::<u8>, Kind::Unit, Kind::Wrapped(0.5)),
        (Kind::Pair(1, 2.0), Kind::Named { x: 0.5 }),
        json!({"a": null, "b": [1.5, true, 'c']}),
        BTreeMap::from([(1, i128::MIN)]),
    );
    let expected = "[[null,\"Unit\",{\"Wrapped\":0.5}],[{\"Pair\":[1,2.0]},{\"Named\":{\"x\":0.5}}],\
                    {\"a\":null,\"b\":[1.5,true,\"c\"]},{\"1\":-170141183460469231731687303715884105728}]";
    assert_eq!(push(kinds), text(expected));
}

#[test]
fn a_float_holds_an_integer_only_if_it_is_the_same() {
    let read = |value: i128| {
        let mut builder = RecordBuilder::new(&schema());
        builder.push(&BTreeMap::from([("score", value)])).is_ok()
    };
    assert!(read(i128::MIN) && read(1 << 126) && read(-1));
    assert!(!read(i128::MAX) && !read(i128::MAX - 1) && !read((1 << 53) + 1));
}
