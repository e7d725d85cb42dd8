//! Any JSON as an expression over a small batch: problems, or for each row a value, null or a refusal, of the type that
//! it was compiled to.
#![no_main]
#![allow(clippy::expect_used)]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use syncline::expr::Formula;
use syncline::record::array::{Array as _, RecordBatch};
use syncline::record::{Field, FieldType, RecordBuilder, Schema};
use syncline::spec::Expr;

static ROWS: LazyLock<(Schema, RecordBatch)> = LazyLock::new(|| {
    let fields = [
        ("i", "integer"),
        ("d", "decimal(12,2)"),
        ("c", "currency(38,6)"),
        ("f", "float"),
        ("b", "boolean"),
        ("t", "text"),
        ("u", "text"),
        ("day", "date"),
        ("at", "datetime"),
        ("local", "local_datetime"),
    ];
    let fields =
        fields.map(|(name, kind)| Field::new(name, kind.parse::<FieldType>().expect(kind)));
    let schema = Schema::new(fields.to_vec());
    let mut rows = RecordBuilder::new(&schema);
    for row in [
        serde_json::json!({}),
        serde_json::json!({"i": 7, "d": "12.50", "c": "-0.000001", "f": 0.5, "b": true, "t": "a,b,c", "u": "b",
            "day": "2024-02-29", "at": "2025-10-26T00:30:00Z", "local": "2025-03-30T02:30:00"}),
        serde_json::json!({"i": i64::MIN, "d": "-9999999999.99", "f": -1e300, "b": false, "t": "", "u": "ß\u{1F600}%_",
            "c": "99999999999999999999999999999999.999999",
            "day": "0001-01-01", "at": "9999-12-31T23:59:59.999999Z", "local": "9999-12-31T23:59:59"}),
    ] {
        rows.push(&row).expect("a good row");
    }
    (schema, rows.finish().expect("a batch"))
});

fuzz_target!(|text: &str| {
    let Ok(expr) = serde_json::from_str::<Expr>(text) else {
        return;
    };
    let (schema, records) = &*ROWS;
    match Formula::compile(&expr, schema, "formula") {
        Ok(formula) => {
            let value = formula
                .evaluate(records)
                .expect("columns are as the schema says");
            assert_eq!(value.column.len(), records.num_rows());
            assert_eq!(*value.column.data_type(), formula.field_type().data_type());
            for (row, _) in value.refused {
                assert!(value.column.is_null(row as usize));
            }
        }
        Err(problems) => {
            assert!(
                problems
                    .iter()
                    .all(|problem| problem.path.starts_with("formula"))
            );
        }
    }
});
