//! The guides say all that there is to say.

use std::collections::BTreeSet;

use syncline::expr::Formula;
use syncline::record::{Field, RecordBuilder, Schema, format};
use syncline::spec::Expr;

/// `LastWins` as specs write it.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

/// The choices of each policy that `guide` leaves out, as `Policy.choice`.
fn missing(source: &str, guide: &str) -> Vec<String> {
    let (mut missing, mut policy) = (Vec::new(), None);
    for line in source.lines() {
        if let Some(name) = line.strip_prefix("pub enum ") {
            policy = Some(name.trim_end_matches(" {"));
        } else if line == "}" {
            policy = None;
        }
        let (Some(policy), Some(variant)) = (policy, line.strip_prefix("    ")) else {
            continue;
        };
        if !variant.starts_with(|first: char| first.is_ascii_uppercase()) {
            continue;
        }
        let choice = snake(variant.trim_end_matches([',', '{', ' ']));
        let section = (guide.split("\n## ")).find(|s| s.starts_with(&format!("[`{policy}`]")));
        if !section.is_some_and(|section| section.contains(&format!("\n| `{choice}`"))) {
            missing.push(format!("{policy}.{choice}"));
        }
    }
    missing
}

#[test]
fn the_guide_of_policies_has_every_choice() {
    let source = include_str!("../../src/spec/policy.rs");
    let guide = include_str!("../../src/docs/policies.md");
    assert_eq!(missing(source, guide), Vec::<String>::new());
    // The check sees what is gone.
    let poorer = guide.replace("| `last_wins`", "| last");
    assert_eq!(missing(source, &poorer), ["DuplicateKeys.last_wins"]);
    let poorer = guide.replace("| `first` |", "| first |");
    assert_eq!(missing(source, &poorer), ["MultiMatch.first"]);
}

/// The value of an expression of the guide for its record, and its type.
fn shown(expr: &Expr, record: &serde_json::Value) -> (String, String) {
    let types = [
        ("name", "text"),
        ("email", "email"),
        ("seats", "integer"),
        ("mrr", "decimal(12,2)"),
        ("rate", "float"),
        ("active", "boolean"),
        ("note", "text"),
        ("since", "date"),
        ("closed", "datetime"),
        ("shown", "local_datetime"),
    ];
    let fields = types.map(|(name, of)| Field::new(name, of.parse().unwrap()));
    let schema = Schema::new(fields.to_vec());
    let mut rows = RecordBuilder::new(&schema);
    rows.push(record).unwrap();
    let formula = Formula::compile(expr, &schema, "guide").unwrap();
    let evaluated = formula.evaluate(&rows.finish().unwrap()).unwrap();
    assert_eq!(evaluated.refused, [], "{expr:?}");
    let mut text = Vec::new();
    let is_some = format::value(&evaluated.column, 0, &mut text);
    let value = is_some.then(|| String::from_utf8(text).unwrap());
    (
        formula.field_type().to_string(),
        value.unwrap_or("null".into()),
    )
}

#[test]
fn the_guide_of_expressions_shows_every_form_and_what_it_gives() {
    let guide = include_str!("../../src/docs/expressions.md");
    let (_, section) = guide.split_once("\n## All of them").unwrap();
    let (_, record) = section.split_once("```text\n").unwrap();
    let record = record.split("```").next().unwrap();
    let record: serde_json::Value = serde_json::from_str(record).unwrap();
    let (mut seen, mut wrong) = (BTreeSet::new(), Vec::new());
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split(" | ").collect();
        let [expr, of, value] = cells[..] else {
            panic!("{row}")
        };
        let json: serde_json::Value =
            serde_json::from_str(expr.trim_matches(['|', ' ', '`'])).expect(row);
        seen.extend(json.as_object().unwrap().keys().cloned());
        let expr: Expr = serde_json::from_value(json).expect(row);
        let said = (
            of.to_owned(),
            value.trim_matches([' ', '|', '`']).to_owned(),
        );
        let is = shown(&expr, &record);
        if said != is {
            wrong.push(format!("{row} is {is:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let source = include_str!("../../src/spec/expr.rs");
    let (_, forms) = source.split_once("pub enum Expr {\n").unwrap();
    let forms = forms.split("\n}\n").next().unwrap().lines();
    let forms: BTreeSet<String> = forms
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()))
        .map(|line| snake(line.split(['(', ' ', ',']).next().unwrap()))
        .collect();
    assert!(forms.len() > 50, "{forms:?}");
    assert_eq!(seen, forms);
}
