//! Random expressions over random rows, against the reference.

use proptest::prelude::*;

use super::super::Formula;
use super::reference::{self, Refused};
use super::{batch, schema, texts};
use crate::record::Reason;
use crate::spec::{Expr, Literal};

const FIELDS: [&str; 14] = [
    "i", "j", "d", "w", "c", "p", "f", "g", "b", "e", "t", "u", "day", "at",
];

fn pair(
    left: impl Strategy<Value = Expr> + 'static,
    right: impl Strategy<Value = Expr> + 'static,
) -> BoxedStrategy<Box<[Expr; 2]>> {
    (left, right)
        .prop_map(|(left, right)| Box::new([left, right]))
        .boxed()
}

fn field(names: &'static [&'static str]) -> BoxedStrategy<Expr> {
    proptest::sample::select(names)
        .prop_map(Expr::field)
        .boxed()
}

fn number(text: String) -> Literal {
    serde_json::from_str(&text).unwrap()
}

/// A number literal, plain or as text; `as_text` only where something beside it says that it is a number.
fn number_literal(as_text: bool) -> BoxedStrategy<Expr> {
    let written = prop_oneof![
        (-20i64..20).prop_map(|v| v.to_string()),
        any::<i64>().prop_map(|v| v.to_string()),
        (-9999i32..9999, 1..99u8).prop_map(|(whole, cents)| format!("{whole}.{cents:02}1")),
    ];
    (written, any::<bool>())
        .prop_map(move |(text, quoted)| {
            Expr::Value(if as_text && quoted {
                Literal::Text(text)
            } else {
                number(text)
            })
        })
        .boxed()
}

/// Integers and decimals.
fn exact(depth: u32) -> BoxedStrategy<Expr> {
    let leaf = field(&["i", "j", "d", "w", "c", "p"]);
    if depth == 0 {
        return leaf;
    }
    let sides = prop_oneof![
        pair(exact(depth - 1), exact(depth - 1)),
        pair(exact(depth - 1), number_literal(true)),
        pair(number_literal(true), exact(depth - 1)),
        pair(number_literal(false), number_literal(false)),
    ];
    let op = (sides, 0..3u8).prop_map(|(sides, op)| match op {
        0 => Expr::Add(sides),
        1 => Expr::Subtract(sides),
        _ => Expr::Multiply(sides),
    });
    prop_oneof![1 => leaf, 3 => op].boxed()
}

fn float(depth: u32) -> BoxedStrategy<Expr> {
    let leaf = field(&["f", "g"]);
    if depth == 0 {
        return leaf;
    }
    let literal = (-999i32..999).prop_map(|v| Expr::Value(number(format!("{v}.5"))));
    let sides = prop_oneof![
        pair(float(depth - 1), float(depth - 1)),
        pair(float(depth - 1), literal)
    ];
    let op = (sides, 0..3u8).prop_map(|(sides, op)| match op {
        0 => Expr::Add(sides),
        1 => Expr::Subtract(sides),
        _ => Expr::Multiply(sides),
    });
    prop_oneof![leaf, op].boxed()
}

fn text(depth: u32) -> BoxedStrategy<Expr> {
    let leaf = field(&["t", "u"]);
    if depth == 0 {
        return leaf;
    }
    let literal = "[a-c]{0,2}".prop_map(|text| Expr::value(text.as_str()));
    let part = prop_oneof![
        text(depth - 1),
        literal,
        exact(depth - 1),
        float(0),
        boolean(depth - 1),
        field(&["day", "at"])
    ];
    let concat = proptest::collection::vec(part, 1..4).prop_map(Expr::Concat);
    prop_oneof![leaf, concat].boxed()
}

fn date() -> BoxedStrategy<Expr> {
    prop_oneof![
        field(&["day"]),
        field(&["at"]).prop_map(|at| Expr::UtcDay(Box::new(at)))
    ]
    .boxed()
}

fn boolean(depth: u32) -> BoxedStrategy<Expr> {
    let leaf = field(&["b", "e"]);
    if depth == 0 {
        return leaf;
    }
    let text_literal = || "[a-c]{0,2}".prop_map(|text| Expr::value(text.as_str()));
    let day = || Just(Expr::value("2000-06-15"));
    let instant = || Just(Expr::value("2000-06-15T12:00:00Z"));
    let ordered = prop_oneof![
        pair(exact(depth - 1), exact(depth - 1)),
        pair(exact(depth - 1), number_literal(true)),
        pair(number_literal(true), exact(depth - 1)),
        pair(number_literal(false), number_literal(false)),
        pair(float(depth - 1), float(depth - 1)),
        pair(float(depth - 1), Just(Expr::Value(number("0.5".into())))),
        pair(text(depth - 1), text(depth - 1)),
        pair(text_literal(), text(depth - 1)),
        pair(date(), date()),
        pair(date(), day()),
        pair(instant(), field(&["at"])),
    ];
    let compared = (ordered, 0..6u8).prop_map(|(sides, op)| match op {
        0 => Expr::Eq(sides),
        1 => Expr::Ne(sides),
        2 => Expr::Lt(sides),
        3 => Expr::Le(sides),
        4 => Expr::Gt(sides),
        _ => Expr::Ge(sides),
    });
    let literal = any::<bool>().prop_map(Expr::value);
    let alike = prop_oneof![
        pair(boolean(depth - 1), boolean(depth - 1)),
        pair(boolean(depth - 1), literal.clone()),
        pair(literal.clone(), boolean(depth - 1)),
    ];
    let alike = (alike, any::<bool>()).prop_map(|(sides, equal)| {
        if equal {
            Expr::Eq(sides)
        } else {
            Expr::Ne(sides)
        }
    });
    let parts = || proptest::collection::vec(boolean(depth - 1), 1..4);
    let any_value = prop_oneof![
        exact(depth - 1),
        float(depth - 1),
        text(depth - 1),
        boolean(depth - 1)
    ];
    prop_oneof![
        1 => leaf,
        1 => literal,
        4 => compared,
        1 => alike,
        2 => parts().prop_map(Expr::And),
        2 => parts().prop_map(Expr::Or),
        1 => boolean(depth - 1).prop_map(|part| Expr::Not(Box::new(part))),
        1 => any_value.prop_map(|part| Expr::IsNull(Box::new(part))),
    ]
    .boxed()
}

fn decimal(precision: u32, scale: usize) -> BoxedStrategy<String> {
    let most = 10i128.pow(precision) - 1;
    prop_oneof![-most..=most, -300..300i128, Just(most), Just(-most)]
        .prop_map(move |units| {
            let mut text = Vec::new();
            crate::record::format::decimal(units, scale as u8, &mut text);
            String::from_utf8(text).unwrap()
        })
        .boxed()
}

/// The canonical text of a value of a field.
fn values(name: &str) -> BoxedStrategy<String> {
    match name {
        "i" | "j" => prop_oneof![any::<i64>(), -20..20i64]
            .prop_map(|v| v.to_string())
            .boxed(),
        "d" => decimal(10, 2),
        "w" => decimal(38, 10),
        "c" => decimal(18, 2),
        "p" => decimal(9, 4),
        "f" | "g" => prop_oneof![-1e3..1e3f64, Just(1e300), Just(0.0), Just(-0.0), Just(0.5)]
            .prop_map(|value| {
                let mut text = Vec::new();
                crate::record::format::float(value, &mut text);
                String::from_utf8(text).unwrap()
            })
            .boxed(),
        "b" | "e" => any::<bool>().prop_map(|v| v.to_string()).boxed(),
        "t" => "[a-cÄ]{0,2}".boxed(),
        "u" => "[a-c]{0,1}".boxed(),
        "day" => (1999..2002u16, 1..13u8, 1..29u8)
            .prop_map(|(y, m, d)| format!("{y}-{m:02}-{d:02}"))
            .boxed(),
        _ => (1999..2002u16, 1..13u8, 1..29u8, 0..24u8)
            .prop_map(|(y, m, d, h)| format!("{y}-{m:02}-{d:02}T{h:02}:00:00Z"))
            .boxed(),
    }
}

type Rows = Vec<Vec<Option<String>>>;

/// For each field, the values of all rows.
fn columns() -> impl Strategy<Value = Rows> {
    (1..12usize).prop_flat_map(|rows| {
        FIELDS
            .map(|name| {
                proptest::collection::vec(proptest::option::weighted(0.8, values(name)), rows)
            })
            .to_vec()
    })
}

fn agrees(expr: &Expr, columns: &Rows) -> Result<(), TestCaseError> {
    let schema = schema();
    let formula = match (
        Formula::compile(expr, &schema, ""),
        reference::type_of(expr),
    ) {
        (Ok(formula), Some(of)) => {
            prop_assert_eq!(formula.field_type().to_string(), of.name());
            formula
        }
        (Err(problems), None) => {
            prop_assert!(
                problems
                    .iter()
                    .any(|problem| problem.message.contains("digits behind the point"))
            );
            return Ok(());
        }
        (compiled, of) => {
            return Err(TestCaseError::fail(format!("{compiled:?} and {of:?}")));
        }
    };
    let named: Vec<(&str, Vec<Option<String>>)> =
        FIELDS.into_iter().zip(columns.iter().cloned()).collect();
    let evaluated = formula.evaluate(&batch(&schema, &named)).unwrap();
    let found = texts(&evaluated.column);
    let mut refused = evaluated.refused.into_iter().peekable();
    for (row, found) in found.into_iter().enumerate() {
        let value = |name: &str| {
            let at = FIELDS.iter().position(|&field| field == name).unwrap();
            reference::field_value(reference::field_type(name), columns[at][row].as_deref())
        };
        match reference::evaluate(expr, &value) {
            Ok(value) => {
                prop_assert!(
                    refused.peek().is_none_or(|(at, _)| *at as usize != row),
                    "row {row} is refused"
                );
                prop_assert_eq!(found, reference::text(&value), "row {}", row);
            }
            Err(Refused) => {
                let (at, refusal) = refused.next().unwrap();
                prop_assert_eq!(at as usize, row);
                prop_assert_eq!(refusal.reason, Reason::Overflow);
                prop_assert_eq!(found, None);
            }
        }
    }
    prop_assert!(refused.next().is_none());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn numbers_are_as_in_the_reference(expr in exact(3), columns in columns()) {
        agrees(&expr, &columns)?;
    }

    #[test]
    fn conditions_are_as_in_the_reference(expr in boolean(3), columns in columns()) {
        agrees(&expr, &columns)?;
    }

    #[test]
    fn floats_and_texts_are_as_in_the_reference(float in float(2), text in text(2), columns in columns()) {
        agrees(&float, &columns)?;
        agrees(&text, &columns)?;
    }
}
