//! Any text as the logic of four conditions: a filter, or problems whose messages say where.
#![no_main]

use libfuzzer_sys::fuzz_target;
use syncline::expr::Filter;
use syncline::record::{Field, FieldType, Schema};
use syncline::spec::{Condition, Expr, Logic};

fuzz_target!(|text: &str| {
    let names = ["A", "b", "C_1", "D"];
    let fields = names
        .map(|name| Field::new(name, FieldType::Boolean))
        .to_vec();
    let schema = Schema::new(fields);
    let conditions = names
        .map(|name| Condition::new(Expr::field(name)).labelled(name))
        .to_vec();
    let logic = Expr::Logic(Logic::new(text, conditions));
    if let Err(problems) = Filter::compile(&logic, &schema, "filter") {
        assert!(!problems.is_empty());
        assert!(
            problems
                .iter()
                .all(|problem| problem.path.starts_with("filter.logic"))
        );
    }
});
