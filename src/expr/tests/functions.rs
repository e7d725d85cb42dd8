//! Conditions, logic by labels, choice and texts, function by function.

use super::{compile, problems, row, schema, texts, value};
use crate::expr::Formula;
use crate::record::Reason;
use crate::spec::{Branch, Condition, Expr, Logic};

const T: &str = r#"{"field":"t"}"#;

fn check(json: &str, columns: &[(&str, &str)], expected: Option<&str>) {
    let json = json.replace("$t", T);
    assert_eq!(value(&json, columns).as_deref(), expected, "{json}");
}

fn refused(json: &str, columns: &[(&str, &str)]) -> Reason {
    let evaluated = compile(&json.replace("$t", T))
        .evaluate(&row(columns))
        .unwrap();
    assert_eq!(evaluated.refused.len(), 1, "{json}");
    evaluated.refused[0].1.reason
}

fn problem(json: &str) -> (String, String) {
    let mut all = problems(&json.replace("$t", T));
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn conditions_have_their_values() {
    let between = r#"{"between":{"of":{"field":"d"},"from":{"value":"1.5"},"to":{"value":2}}}"#;
    for (d, expected) in [
        ("1.49", "false"),
        ("1.5", "true"),
        ("2", "true"),
        ("2.01", "false"),
    ] {
        check(between, &[("d", d)], Some(expected));
    }
    check(between, &[], None);
    let list = r#"{"in":{"of":{"field":"d"},"list":["1.500",2,"0.001"]}}"#;
    for (d, expected) in [("1.5", "true"), ("2", "true"), ("0", "false")] {
        check(list, &[("d", d)], Some(expected));
    }
    check(list, &[], None);
    check(
        r#"{"in":{"of":{"field":"f"},"list":[0]}}"#,
        &[("f", "-0")],
        Some("true"),
    );
    check(
        r#"{"in":{"of":$t,"list":["a","b"]}}"#,
        &[("t", "b")],
        Some("true"),
    );
    for (pattern, text, expected) in [
        ("a%c", "abc", "true"),
        ("a%c", "ac", "true"),
        ("a_c", "aäc", "true"),
        ("a_c", "ac", "false"),
        ("%b%", "abc", "true"),
        ("a\\\\%", "a%", "true"),
        ("a\\\\%", "ab", "false"),
        ("ab%ba", "aba", "false"),
        ("%_b", "b", "false"),
        ("%a_c%e", "xabcde", "true"),
    ] {
        let json = format!(r#"{{"like":{{"of":$t,"pattern":"{pattern}"}}}}"#);
        check(&json, &[("t", text)], Some(expected));
    }
    check(
        r#"{"like":{"of":$t,"pattern":"ÄB%","ignore_case":true}}"#,
        &[("t", "äbc")],
        Some("true"),
    );
    check(
        r#"{"contains":[$t,{"value":"b"}]}"#,
        &[("t", "abc")],
        Some("true"),
    );
    check(
        r#"{"starts_with":[$t,{"field":"u"}]}"#,
        &[("t", "abc"), ("u", "ab")],
        Some("true"),
    );
    check(
        r#"{"ends_with":[$t,{"value":"b"}]}"#,
        &[("t", "abc")],
        Some("false"),
    );
    check(r#"{"is_not_null":$t}"#, &[], Some("false"));
}

#[test]
fn the_limits_of_between_stand_where_they_like() {
    let i = &[("i", "7")];
    // Texts take the type of the field, though they come first.
    check(
        r#"{"between":{"of":{"value":"10"},"from":{"value":"9"},"to":{"field":"i"}}}"#,
        &[("i", "20")],
        Some("true"),
    );
    check(
        r#"{"between":{"of":{"value":10},"from":{"field":"i"},"to":{"value":"10.0"}}}"#,
        i,
        Some("true"),
    );
    check(
        r#"{"between":{"of":{"value":10},"from":{"value":7},"to":{"value":9}}}"#,
        i,
        Some("false"),
    );
    check(
        r#"{"between":{"of":{"value":10},"from":{"value":11},"to":{"field":"j"}}}"#,
        i,
        Some("false"),
    );
    let (path, message) = problem(
        r#"{"between":{"of":{"field":"day"},"from":{"value":"2024-02-29"},"to":{"value":"2025-02-29"}}}"#,
    );
    assert_eq!(path, "filters[0].between.to.value");
    assert!(message.contains("must be a date"), "{message}");
}

#[test]
fn an_operand_is_evaluated_once_however_deep() {
    let yes = || Expr::field("b");
    let twice = |part: Expr| {
        let conditions = vec![Condition::new(part)];
        Expr::Logic(Logic::new("A AND (A OR NOT A)", conditions))
    };
    let logic = (0..60).fold(yes(), |part, _| twice(part));
    let between = (0..30).fold(Expr::field("i"), |part, _| Expr::Case {
        when: vec![Branch::new(
            Expr::Between {
                of: part.into(),
                from: Expr::value(7).into(),
                to: Expr::value(7).into(),
            },
            Expr::value(7),
        )],
        otherwise: None,
    });
    for (expr, expected) in [(logic, "true"), (between, "7")] {
        let formula = Formula::compile(&expr, &schema(), "").unwrap();
        let evaluated = formula
            .evaluate(&row(&[("b", "true"), ("i", "7")]))
            .unwrap();
        assert_eq!(texts(&evaluated.column), [Some(expected.to_owned())]);
    }
}

#[test]
fn a_text_that_is_made_has_an_end() {
    let long = "ab".repeat(3 << 20);
    let columns: &[(&str, &str)] = &[("t", &long), ("u", "c")];
    for made in [
        r#"{"concat":[$t,$t,{"field":"u"},$t]}"#,
        r#"{"replace":{"of":$t,"find":{"value":"b"},"with":{"value":"bbbbb"}}}"#,
        // Three characters for one.
        r#"{"upper":{"replace":{"of":$t,"find":{"value":"b"},"with":{"value":"\u0390"}}}}"#,
    ] {
        assert_eq!(refused(made, columns), Reason::TooLarge, "{made}");
        assert_eq!(value(&made.replace("$t", T), &[("u", "c")]), None);
    }
    check(
        r#"{"length":{"concat":[$t,$t]}}"#,
        columns,
        Some("12582912"),
    );
}

#[test]
fn wrong_functions_are_problems_with_their_path() {
    for (json, path, message) in [
        (
            r#"{"in":{"of":{"field":"i"},"list":[]}}"#,
            ".in.list",
            "at least one",
        ),
        (
            r#"{"in":{"of":{"field":"i"},"list":[1,null]}}"#,
            ".in.list[1]",
            "null is no constant",
        ),
        (
            r#"{"like":{"of":$t,"pattern":"a\\"}}"#,
            ".like.pattern",
            "a backslash at the end",
        ),
        (r#"{"upper":{"field":"i"}}"#, ".upper", "must be a text"),
        (
            r#"{"split":{"of":$t,"by":{"value":","},"part":0}}"#,
            ".split.part",
            "there is no 0",
        ),
        (
            r#"{"pad":{"of":$t,"to":10001,"side":"end"}}"#,
            ".pad.to",
            "10000 characters at most",
        ),
        (
            r#"{"coalesce":[{"value":null}]}"#,
            ".coalesce",
            "all values are null",
        ),
        (
            r#"{"coalesce":[{"field":"i"},{"field":"f"}]}"#,
            ".coalesce",
            "float is not exact",
        ),
        (
            r#"{"logic":{"text":"A AND )","conditions":[{"when":{"field":"b"}}]}}"#,
            ".logic.text",
            "at character 7 (`)`): expected a condition, NOT or `(`",
        ),
        (
            r#"{"logic":{"text":"A","conditions":[{"when":{"field":"b"}},{"when":{"field":"e"}}]}}"#,
            ".logic.conditions[1]",
            "never names",
        ),
        (
            r#"{"logic":{"text":"A or x","conditions":[{"when":{"field":"b"}}]}}"#,
            ".logic.text",
            "at character 6 (`x`): expected a condition; there are `A`",
        ),
    ] {
        let (found, said) = problem(json);
        assert_eq!(found, format!("filters[0]{path}"), "{said}");
        assert!(said.contains(message), "{said}");
    }
    for text in ["(".repeat(100_000), "NOT ".repeat(100_000)] {
        let logic = Logic::new(text, vec![Condition::new(Expr::field("b"))]);
        let problems = Formula::compile(&Expr::Logic(logic), &schema(), "x").unwrap_err();
        assert!(problems[0].message.contains("nested deeper than 64 levels"));
    }
}

#[test]
fn choices_refuse_only_rows_that_come_to_them() {
    let case = r#"{"case":{"when":[{"if":{"lt":[{"field":"i"},{"value":10}]},
        "then":{"multiply":[{"field":"i"},{"value":2}]}}],"else":{"multiply":[{"field":"i"},{"value":4}]}}}"#;
    let half = (i64::MAX / 2).to_string();
    assert_eq!(refused(case, &[("i", &half)]), Reason::Overflow);
    check(
        case,
        &[("i", "-4611686018427387904")],
        Some("-9223372036854775808"),
    );
    let coalesce = format!(r#"{{"coalesce":[{{"field":"j"}},{case}]}}"#);
    check(&coalesce, &[("i", &half), ("j", "1")], Some("1"));
    assert_eq!(refused(&coalesce, &[("i", &half)]), Reason::Overflow);
    let mixed = r#"{"coalesce":[{"field":"i"},{"field":"d"},{"value":"0.125"}]}"#;
    assert_eq!(compile(mixed).field_type().to_string(), "decimal(22,3)");
    check(mixed, &[("i", "3")], Some("3.000"));
    check(mixed, &[], Some("0.125"));
}

#[test]
fn texts_have_their_values() {
    for (json, expected) in [
        (r#"{"length":$t}"#, "6"),
        (r#"{"upper":$t}"#, " ÄB,C "),
        (r#"{"trim":{"of":$t}}"#, "äb,c"),
        (
            r#"{"pad":{"of":$t,"to":9,"side":"start","with":"xy"}}"#,
            "xyx äb,c ",
        ),
        (
            r#"{"substring":{"of":$t,"from":{"value":2},"length":{"value":2}}}"#,
            "äb",
        ),
        (r#"{"substring":{"of":$t,"from":{"value":-3}}}"#, ",c "),
        (r#"{"substring":{"of":$t,"from":{"value":9}}}"#, ""),
        (r#"{"position":[$t,{"value":"b"}]}"#, "3"),
        (r#"{"position":[$t,{"value":"z"}]}"#, "0"),
        (r#"{"position":[$t,{"value":""}]}"#, "1"),
        (
            r#"{"replace":{"of":$t,"find":{"value":" "},"with":{"value":"--"}}}"#,
            "--äb,c--",
        ),
        (r#"{"split":{"of":$t,"by":{"value":","},"part":-1}}"#, "c "),
        (r#"{"before":{"of":$t,"find":{"value":","}}}"#, " äb"),
        (r#"{"after":{"of":$t,"find":{"value":","}}}"#, "c "),
    ] {
        check(json, &[("t", " äb,c ")], Some(expected));
        check(json, &[], None);
    }
    for json in [
        r#"{"substring":{"of":$t,"from":{"value":0}}}"#,
        r#"{"substring":{"of":$t,"from":{"value":1},"length":{"value":-1}}}"#,
        r#"{"replace":{"of":$t,"find":{"value":""},"with":{"value":""}}}"#,
        r#"{"split":{"of":$t,"by":{"value":","},"part":2}}"#,
    ] {
        assert_eq!(refused(json, &[("t", "a")]), Reason::OutOfRange);
    }
    check(
        r#"{"split":{"of":$t,"by":{"value":","},"part":2,"missing":"null"}}"#,
        &[("t", "a")],
        None,
    );
}

#[test]
fn a_condition_can_include_nulls() {
    let logic = |text: &str, include_nulls: bool| {
        format!(
            r#"{{"logic":{{"text":"{text}","conditions":[
                {{"when":{{"gt":[{{"field":"i"}},{{"value":5}}]}},"include_nulls":{include_nulls}}},
                {{"label":"Late","when":{{"field":"b"}}}}]}}}}"#
        )
    };
    let late = ("b", "true");
    for (text, include_nulls, columns, expected) in [
        ("A AND late", true, vec![late], Some("true")),
        ("A AND late", false, vec![late], None),
        ("NOT A AND 2", true, vec![late], Some("false")),
        ("NOT A AND 2", false, vec![late], None),
        ("A AND LATE", true, vec![late, ("i", "5")], Some("false")),
        ("A OR late", false, vec![late], Some("true")),
    ] {
        check(&logic(text, include_nulls), &columns, expected);
    }
    let all = r#"{"logic":{"conditions":[{"when":{"field":"b"}},{"when":{"field":"e"}}]}}"#;
    check(all, &[("b", "true"), ("e", "false")], Some("false"));
    check(all, &[("b", "true"), ("e", "true")], Some("true"));
}

#[test]
fn lists_of_every_type() {
    for (field, list, yes, no) in [
        ("i", r#"[1,"2"]"#, "2", "3"),
        ("b", "[true]", "true", "false"),
        ("day", r#"["2025-01-31"]"#, "2025-01-31", "2025-02-01"),
        (
            "at",
            r#"["2025-01-31T12:00:00+01:00"]"#,
            "2025-01-31T11:00:00Z",
            "2025-01-31T12:00:00Z",
        ),
        ("stage", r#"["won"]"#, "won", "open"),
        ("f", "[0.5,1e300]", "1e300", "1"),
        ("w", r#"["0.00000000001",7]"#, "7", "0"),
    ] {
        let json = format!(r#"{{"in":{{"of":{{"field":"{field}"}},"list":{list}}}}}"#);
        check(&json, &[(field, yes)], Some("true"));
        check(&json, &[(field, no)], Some("false"));
    }
    let (path, said) = problem(r#"{"in":{"of":{"field":"stage"},"list":["won","lost"]}}"#);
    assert_eq!(path, "filters[0].in.list[1]");
    assert!(said.contains("one of the field's items"), "{said}");
}

#[test]
fn texts_at_their_edges() {
    let long = "x".repeat(5000);
    let replace = r#"{"replace":{"of":{"field":"t"},"find":{"value":"x"},"with":{"field":"u"}}}"#;
    assert_eq!(
        refused(replace, &[("t", &long), ("u", &long)]),
        Reason::TooLarge
    );
    for (json, text, expected) in [
        (r#"{"trim":{"of":$t,"side":"start"}}"#, "  a ", "a "),
        (
            r#"{"trim":{"of":$t,"side":"end","characters":"ab"}}"#,
            "aabcab",
            "aabc",
        ),
        (r#"{"trim":{"of":$t,"characters":"x"}}"#, "xxx", ""),
        (r#"{"pad":{"of":$t,"to":3,"side":"end"}}"#, "ä", "ä  "),
        (r#"{"pad":{"of":$t,"to":2,"side":"end"}}"#, "abc", "abc"),
        (r#"{"lower":$t}"#, "ÄÖ", "äö"),
        (r#"{"upper":$t}"#, "straße", "STRASSE"),
        (r#"{"length":$t}"#, "\u{1F600}e\u{301}", "3"),
        (
            r#"{"split":{"of":$t,"by":{"value":"aa"},"part":-1}}"#,
            "aaa",
            "a",
        ),
        (
            r#"{"substring":{"of":$t,"from":{"value":-9},"length":{"value":2}}}"#,
            "abc",
            "ab",
        ),
    ] {
        check(json, &[("t", text)], Some(expected));
    }
    check(r#"{"upper":{"value":"ab"}}"#, &[], Some("AB"));
}

#[test]
fn values_are_converted_or_refused() {
    for (json, text, expected) in [
        (r#"{"convert":{"of":$t,"to":"integer"}}"#, "12", "12"),
        (
            r#"{"convert":{"of":$t,"to":"decimal(9,2)","format":{"number":{"decimal_mark":",","grouping":"."}}}}"#,
            "1.234,5",
            "1234.50",
        ),
        (
            r#"{"convert":{"of":$t,"to":"date","format":{"time":{"patterns":["%d.%m.%Y","%-m/%-d/%y"]}}}}"#,
            "1/31/25",
            "2025-01-31",
        ),
        (
            r#"{"convert":{"of":$t,"to":"datetime","format":{"time":{"patterns":["%Y-%m-%d %H:%M"],"zone":"Asia/Tokyo"}}}}"#,
            "2025-01-31 09:30",
            "2025-01-31T00:30:00Z",
        ),
        (
            r#"{"convert":{"of":$t,"to":"boolean","format":{"boolean":{"true":["ja"],"false":["nein"]}}}}"#,
            "JA",
            "true",
        ),
    ] {
        check(json, &[("t", text)], Some(expected));
        check(json, &[], None);
        assert_eq!(refused(json, &[("t", "?")]), Reason::BadValue);
        let lenient = json.replace(r#""to""#, r#""invalid":"null","to""#);
        check(&lenient, &[("t", "?")], None);
    }
    check(
        r#"{"convert":{"of":{"field":"i"},"to":"float"}}"#,
        &[("i", "3")],
        Some("3"),
    );
    let json = r#"{"convert":{"of":{"field":"i"},"to":"float"}}"#;
    assert_eq!(
        refused(json, &[("i", "9007199254740993")]),
        Reason::BadValue
    );
    for (json, path, message) in [
        (
            r#"{"convert":{"of":{"field":"b"},"to":"date"}}"#,
            ".convert.to",
            "does not convert",
        ),
        (
            r#"{"convert":{"of":{"field":"i"},"to":"date","format":{"time":{"patterns":["%Y%m%d"]}}}}"#,
            ".convert.format",
            "leave it out",
        ),
        (
            r#"{"convert":{"of":$t,"to":"date","format":{"time":{"patterns":["%Y%m"]}}}}"#,
            ".convert.format.time.patterns[0]",
            "lacks the month",
        ),
        (
            r#"{"convert":{"of":$t,"to":"text","format":{"number":{}}}}"#,
            ".convert.format",
            "the type is text",
        ),
    ] {
        let (found, said) = problem(json);
        assert_eq!(found, format!("filters[0]{path}"), "{said}");
        assert!(said.contains(message), "{said}");
    }
}
