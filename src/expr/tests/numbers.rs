//! Functions of one number.

use super::{compile, problems, row, value};
use crate::record::Reason;

fn of(function: &str, field: &str) -> String {
    format!(r#"{{"{function}": {{"field": "{field}"}}}}"#)
}

#[test]
fn functions_of_one_number_are_exact() {
    for (function, field, text, expected) in [
        ("abs", "i", "-7", "7"),
        ("negate", "d", "1.50", "-1.50"),
        ("ceil", "d", "9.01", "10"),
        ("ceil", "d", "-9.99", "-9"),
        ("ceil", "d", "99999999.99", "100000000"),
        ("floor", "d", "9.99", "9"),
        ("floor", "d", "-9.01", "-10"),
        ("floor", "i", "-9", "-9"),
        ("ceil", "f", "1.5", "2"),
        ("sqrt", "f", "6.25", "2.5"),
        ("exp", "f", "0", "1"),
    ] {
        let found = value(&of(function, field), &[(field, text)]);
        assert_eq!(found.as_deref(), Some(expected), "{function} {text}");
        assert_eq!(value(&of(function, field), &[]), None, "{function}");
    }
    for (function, field, expected) in [
        ("ceil", "c", "currency(17,0)"),
        ("floor", "p", "percent(6,0)"),
        ("abs", "c", "currency(18,2)"),
        ("floor", "i", "integer"),
    ] {
        let found = compile(&of(function, field)).field_type().to_string();
        assert_eq!(found, expected, "{function}");
    }
    let constant = r#"{"add": [{"field": "i"}, {"abs": {"value": -2}}]}"#;
    assert_eq!(value(constant, &[("i", "1")]).as_deref(), Some("3"));
}

#[test]
fn what_has_no_answer_is_refused() {
    let least = i64::MIN.to_string();
    for (function, field, text, reason) in [
        ("abs", "i", least.as_str(), Reason::Overflow),
        ("negate", "i", least.as_str(), Reason::Overflow),
        ("sqrt", "f", "-1", Reason::OutOfRange),
        ("exp", "f", "1000", Reason::Overflow),
    ] {
        let evaluated = compile(&of(function, field))
            .evaluate(&row(&[(field, text)]))
            .unwrap();
        let reasons: Vec<_> = (evaluated.refused.iter())
            .map(|(row, refusal)| (*row, refusal.reason))
            .collect();
        assert_eq!(reasons, [(0, reason)], "{function}");
    }
}

#[test]
fn other_types_are_problems() {
    let problem = |path: &str, message: &str| vec![(path.to_owned(), message.to_owned())];
    assert_eq!(
        problems(&of("sqrt", "d")),
        problem(
            "filters[0].sqrt",
            "`sqrt` wants a float and has decimal(10,2); `convert` it to float first"
        )
    );
    assert_eq!(
        problems(&of("abs", "t")),
        problem("filters[0].abs", "`abs` wants a number and has text")
    );
}
