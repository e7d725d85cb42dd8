//! Functions of numbers.

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
            "this must be float and is decimal(10,2); `convert` it"
        )
    );
    assert_eq!(
        problems(&of("abs", "t")),
        problem(
            "filters[0].abs",
            "this must be a number and is text; `convert` it"
        )
    );
}

/// The result's type and value, or why there is none.
fn result(json: &str, columns: &[(&str, &str)]) -> Result<(String, String), Reason> {
    let formula = compile(json);
    let evaluated = formula.evaluate(&row(columns)).unwrap();
    match evaluated.refused.first() {
        Some((_, refusal)) => Err(refusal.reason),
        None => Ok((
            formula.field_type().to_string(),
            super::texts(&evaluated.column).remove(0).unwrap(),
        )),
    }
}

#[test]
fn a_quotient_is_exact_and_then_rounded() {
    let divide = |of: &str, by: &str, digits: u8, rounding: &str| {
        format!(r#"{{"divide":{{"of":{of},"by":{by},"digits":{digits},"rounding":"{rounding}"}}}}"#)
    };
    let (d, i, c, w) = (
        r#"{"field":"d"}"#,
        r#"{"field":"i"}"#,
        r#"{"field":"c"}"#,
        r#"{"field":"w"}"#,
    );
    for (json, columns, field_type, value) in [
        (
            divide(d, r#"{"value":3}"#, 2, "half_even"),
            vec![("d", "10.00")],
            "decimal(11,2)",
            "3.33",
        ),
        (
            divide(c, i, 2, "half_even"),
            vec![("c", "-1.00"), ("i", "8")],
            "currency(19,2)",
            "-0.12",
        ),
        (
            divide(c, i, 2, "half_away"),
            vec![("c", "-1.00"), ("i", "8")],
            "currency(19,2)",
            "-0.13",
        ),
        (
            divide(c, i, 2, "floor"),
            vec![("c", "-1.00"), ("i", "8")],
            "currency(19,2)",
            "-0.13",
        ),
        (
            divide(c, i, 2, "ceiling"),
            vec![("c", "-1.00"), ("i", "8")],
            "currency(19,2)",
            "-0.12",
        ),
        (
            divide(c, i, 2, "toward_zero"),
            vec![("c", "1.00"), ("i", "8")],
            "currency(19,2)",
            "0.12",
        ),
        (
            divide(c, c, 4, "half_even"),
            vec![("c", "0.03")],
            "decimal(23,4)",
            "1.0000",
        ),
        (
            divide(i, d, 0, "half_even"),
            vec![("i", "5"), ("d", "2.00")],
            "decimal(22,0)",
            "2",
        ),
        (
            divide(w, w, 38, "half_even"),
            vec![("w", "0.0000000001")],
            "decimal(38,38)",
            "",
        ),
    ] {
        match value {
            // One with 38 digits behind the point has none in front.
            "" => assert_eq!(result(&json, &columns), Err(Reason::Overflow)),
            _ => assert_eq!(
                result(&json, &columns),
                Ok((field_type.into(), value.into())),
                "{json}"
            ),
        }
    }
    let by_zero = divide(d, i, 2, "half_even");
    assert_eq!(
        result(&by_zero, &[("d", "0.00"), ("i", "0")]),
        Err(Reason::DivisionByZero)
    );
    let floats = r#"{"divide":{"of":{"field":"f"},"by":{"field":"g"}}}"#;
    assert_eq!(
        result(floats, &[("f", "1"), ("g", "4")]),
        Ok(("float".into(), "0.25".into()))
    );
    assert_eq!(
        result(floats, &[("f", "1"), ("g", "-0")]),
        Err(Reason::DivisionByZero)
    );
    assert_eq!(
        result(floats, &[("f", "1e300"), ("g", "1e-300")]),
        Err(Reason::Overflow)
    );
    for (json, path, message) in [
        (
            r#"{"divide":{"of":{"field":"i"},"by":{"field":"d"}}}"#,
            ".divide.digits",
            "how many `digits`",
        ),
        (
            r#"{"divide":{"of":{"field":"f"},"by":{"field":"g"},"digits":2,"rounding":"floor"}}"#,
            ".divide.digits",
            "leave this out",
        ),
        (
            r#"{"divide":{"of":{"field":"i"},"by":{"field":"i"},"digits":39,"rounding":"floor"}}"#,
            ".divide.digits",
            "at most 38",
        ),
        (
            r#"{"divide":{"of":{"field":"f"},"by":{"field":"i"}}}"#,
            ".divide",
            "float is not exact",
        ),
    ] {
        let found = problems(json);
        assert_eq!(found[0].0, format!("filters[0]{path}"), "{found:?}");
        assert!(found[0].1.contains(message), "{found:?}");
    }
}

#[test]
fn a_rest_has_the_sign_of_what_is_divided() {
    let modulo =
        |a: &str, b: &str| format!(r#"{{"modulo":[{{"field":"{a}"}},{{"field":"{b}"}}]}}"#);
    for (a, x, b, y, expected) in [
        ("i", "7", "j", "3", Ok(("integer", "1"))),
        ("i", "-7", "j", "3", Ok(("integer", "-1"))),
        ("i", "-9223372036854775808", "j", "-1", Ok(("integer", "0"))),
        ("i", "7", "d", "1.50", Ok(("decimal(10,2)", "1.00"))),
        (
            "w",
            "-1.5000000000",
            "d",
            "1.00",
            Ok(("decimal(18,10)", "-0.5000000000")),
        ),
        ("f", "5.5", "g", "2", Ok(("float", "1.5"))),
        ("i", "7", "j", "0", Err(Reason::DivisionByZero)),
        ("f", "7", "g", "0", Err(Reason::DivisionByZero)),
    ] {
        let expected = expected.map(|(of, value)| (of.to_owned(), value.to_owned()));
        assert_eq!(
            result(&modulo(a, b), &[(a, x), (b, y)]),
            expected,
            "{x} % {y}"
        );
    }
}

#[test]
fn rounding_is_by_name() {
    let round = |field: &str, digits: u8, rounding: &str| {
        format!(
            r#"{{"round":{{"of":{{"field":"{field}"}},"digits":{digits},"rounding":"{rounding}"}}}}"#
        )
    };
    for (rounding, values) in [
        ("half_even", ["0", "2", "2", "-2", "-2", "1"]),
        ("half_away", ["1", "2", "3", "-2", "-3", "1"]),
        ("toward_zero", ["0", "1", "2", "-1", "-2", "0"]),
        ("floor", ["0", "1", "2", "-2", "-3", "0"]),
        ("ceiling", ["1", "2", "3", "-1", "-2", "1"]),
    ] {
        for (text, expected) in ["0.50", "1.50", "2.50", "-1.50", "-2.50", "0.51"]
            .into_iter()
            .zip(values)
        {
            let found = result(&round("d", 0, rounding), &[("d", text)]);
            assert_eq!(
                found,
                Ok(("decimal(9,0)".into(), expected.into())),
                "{rounding} {text}"
            );
            let found = result(&round("f", 0, rounding), &[("f", text)]);
            assert_eq!(
                found,
                Ok(("float".into(), expected.into())),
                "{rounding} {text}"
            );
        }
    }
    for (field, digits, text, field_type, expected) in [
        ("d", 1, "99999999.95", "decimal(10,1)", "100000000.0"),
        ("d", 2, "1.25", "decimal(10,2)", "1.25"),
        ("c", 1, "1.25", "currency(18,1)", "1.2"),
        ("i", 0, "7", "integer", "7"),
        // As it is written, not as it is stored: a little less than 2.675.
        ("f", 2, "2.675", "float", "2.68"),
        ("f", 2, "1e-300", "float", "0"),
        ("f", 3, "1e300", "float", "1e300"),
    ] {
        let found = result(&round(field, digits, "half_even"), &[(field, text)]);
        assert_eq!(found, Ok((field_type.into(), expected.into())), "{text}");
    }
    let log = |base: &str| format!(r#"{{"log":{{"of":{{"field":"f"}}{base}}}}}"#);
    assert_eq!(result(&log(""), &[("f", "1")]).unwrap().1, "0");
    assert_eq!(
        result(&log(r#","base":10"#), &[("f", "1000")]).unwrap().1,
        "3"
    );
    assert_eq!(
        result(&log(r#","base":2"#), &[("f", "0.125")]).unwrap().1,
        "-3"
    );
    assert_eq!(result(&log(""), &[("f", "0")]), Err(Reason::OutOfRange));
    assert_eq!(problems(&log(r#","base":1"#))[0].0, "filters[0].log.base");
}
