//! JSON Schema of the specs, for editors and forms.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use super::{
    ChainSpec, ConnectionSpec, DatasetSpec, DestinationSpec, ExportSpec, Expr, FileSource, JobSpec,
    MappingSpec, ObjectSpec, RunSettings, ScheduleSpec, ValueFormat,
};

/// The JSON Schema (draft 2020-12) of each document that a host may keep, by the name of its type.
///
/// A schema knows the form: keys, kinds of values, names of policies. What needs the dataset or the objects, like
/// whether a field is there, is found when a job is made.
///
/// ```
/// let (name, schema) = &syncline::spec::schemas()[0];
/// assert_eq!(*name, "JobSpec");
/// assert_eq!(schema["properties"]["name"]["type"], "string");
/// ```
pub fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("JobSpec", schema::<JobSpec>()),
        ("DatasetSpec", schema::<DatasetSpec>()),
        ("FileSource", schema::<FileSource>()),
        ("ConnectionSpec", schema::<ConnectionSpec>()),
        ("ChainSpec", schema::<ChainSpec>()),
        ("ExportSpec", schema::<ExportSpec>()),
        ("ObjectSpec", schema::<ObjectSpec>()),
        ("DestinationSpec", schema::<DestinationSpec>()),
        ("MappingSpec", schema::<MappingSpec>()),
        ("Expr", schema::<Expr>()),
        ("ValueFormat", schema::<ValueFormat>()),
        ("ScheduleSpec", schema::<ScheduleSpec>()),
        ("RunSettings", schema::<RunSettings>()),
    ]
}

fn schema<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12()
        .with_transform(RecursiveTransform(plain_description))
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

/// Descriptions come from the documentation, whose links and examples in Rust mean nothing in a schema.
fn plain_description(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = without_links(&without_code(text));
    }
}

/// The text without what stands between lines of three back quotes.
fn without_code(text: &str) -> String {
    let between = text.split("```").step_by(2).map(str::trim);
    between
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("\n\n")
}

/// `[a](b)` becomes `a`, and so does an `a` in back quotes within brackets alone.
fn without_links(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('[') {
        plain.push_str(before);
        let (name, after) = behind.split_once(']').unwrap_or((behind, ""));
        let target = after
            .strip_prefix('(')
            .and_then(|link| link.split_once(')'));
        rest = match target {
            Some((_, after)) => {
                plain.push_str(name);
                after
            }
            None if name.len() > 1 && name.starts_with('`') && name.ends_with('`') => {
                plain.push_str(name);
                after
            }
            None => {
                plain.push('[');
                behind
            }
        };
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_have_no_links_and_no_code() {
        assert_eq!(without_code("a\n\n```\nlet b;\n```\n\nc"), "a\n\nc");
        assert_eq!(without_code("a\n```text\nb\n```"), "a");
        assert_eq!(without_code("`a`"), "`a`");
        for (text, plain) in [
            ("see [`a`](crate::b).", "see `a`."),
            ("[`a`], [`b`](c)", "`a`, `b`"),
            ("[a b](c) d", "a b d"),
            ("`[{1}]`", "`[{1}]`"),
            ("[`open", "[`open"),
            ("none", "none"),
        ] {
            assert_eq!(without_links(text), plain);
        }
        for (name, schema) in schemas() {
            let text = schema.to_string();
            assert!(!text.contains("](") && !text.contains("crate::"), "{name}");
            assert!(!text.contains("```") && !text.contains("assert"), "{name}");
        }
    }
}
