//! What a plan will do, in words, before it does it.

use std::fmt;

use serde::Serialize;

use crate::record::FieldType;
use crate::record::convert::Class;
use crate::spec::{MultiMatch, WriteOn};

use super::plan::{DefaultPlan, FieldPlan, KeyPlan, MappingPlan, Step};

/// What a mapping will do. `Display` shows it as a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// The object.
    pub object: String,
    /// The fields that the mapping's own filter reads; `None` without a filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<Vec<String>>,
    /// The mapping's own formulas, e.g. `total: decimal(12,2) of price, pieces`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub formulas: Vec<String>,
    /// Its mapped fields.
    pub fields: Vec<FieldExplanation>,
    /// Its fields that are left alone.
    pub unmapped: Vec<String>,
    /// Those of them that a new record must have: an upsert that would insert is rejected.
    pub unmapped_required: Vec<String>,
}

/// How one field gets its value.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FieldExplanation {
    /// The field.
    pub field: String,
    /// Where the value comes from.
    pub source: String,
    /// The conversion, e.g. `decimal(31,2) -> decimal(14,2)`; `None` for a constant.
    pub conversion: Option<String>,
    /// Its class: `exact`, `exact if in range`, `lossy`.
    pub class: Option<String>,
    /// What happens in every case that is no plain value.
    pub policies: Vec<String>,
}

impl MappingPlan {
    /// What the plan will do.
    pub fn explain(&self) -> Explanation {
        let required = self
            .unmapped
            .iter()
            .filter(|field| self.required.contains(&field.name));
        Explanation {
            object: self.object.clone(),
            filter: (self.preparation.filter_fields())
                .map(|fields| fields.into_iter().map(str::to_owned).collect()),
            formulas: (self.preparation.formulas())
                .map(|(field, of)| {
                    format!("{}: {} of {}", field.name, field.field_type, of.join(", "))
                })
                .collect(),
            fields: self
                .fields
                .iter()
                .map(|field| explain(self, field))
                .collect(),
            unmapped_required: required.map(|field| field.name.clone()).collect(),
            unmapped: self
                .unmapped
                .iter()
                .map(|field| field.name.clone())
                .collect(),
        }
    }
}

fn explain(mapping: &MappingPlan, plan: &FieldPlan) -> FieldExplanation {
    let mut policies = Vec::new();
    match plan.on {
        WriteOn::Insert => policies.push("written on insert only".to_owned()),
        WriteOn::Update => policies.push("written on update only".to_owned()),
        WriteOn::Always => {}
    }
    let (source, conversion) = match &plan.step {
        Step::Direct(direct) => {
            policies.extend(default_policies(
                plan.default.as_ref(),
                direct.convert.class(),
            ));
            let from = if direct.parse.is_some() {
                "text of "
            } else {
                ""
            };
            (
                format!("{from}{}", direct.source.name),
                Some(&direct.convert),
            )
        }
        Step::Constant(value) => (
            if value.is_null() {
                "constant null"
            } else {
                "constant"
            }
            .to_owned(),
            None,
        ),
        Step::Lookup(lookup) => {
            policies.push(format!("none: {}", word(&lookup.no_match)));
            policies.push(format!("several: {}", several(&lookup.multi_match)));
            policies.push(format!("empty key: {}", word(&lookup.empty)));
            let object = mapping
                .lookups
                .get(lookup.index)
                .map_or("", |request| &request.object);
            let source = format!(
                "lookup {object}.{} where {}",
                lookup.fetch.name,
                pairs(&lookup.keys)
            );
            (source, Some(&lookup.convert))
        }
        Step::SelfLookup(lookup) => {
            policies.push(format!("dangling: {}", word(&lookup.dangling)));
            policies.push(format!("several: {}", several(&lookup.multi_match)));
            policies.push(format!("empty key: {}", word(&lookup.empty)));
            policies.push(format!("cycles: {}", word(&lookup.cycles)));
            if lookup.may_reject() {
                policies.push("rows are held back until the source has been read".to_owned());
            }
            (
                format!("self lookup where {}", pairs(&lookup.keys)),
                Some(&lookup.convert),
            )
        }
    };
    FieldExplanation {
        field: plan.field.name.clone(),
        source,
        conversion: conversion.map(|convert| arrow(convert.from(), convert.to())),
        class: conversion.map(|convert| class(convert.class()).to_owned()),
        policies,
    }
}

fn default_policies(default: Option<&DefaultPlan>, class: Class) -> Vec<String> {
    let missing = default.is_some_and(|default| default.when_missing);
    let invalid = default.is_some_and(|default| default.when_invalid);
    let mut policies = vec![format!(
        "missing: {}",
        if missing { "default" } else { "null" }
    )];
    if class != Class::Exact || invalid {
        policies.push(format!(
            "invalid: {}",
            if invalid { "default" } else { "reject" }
        ));
    }
    policies
}

fn arrow(from: &FieldType, to: &FieldType) -> String {
    if from == to {
        to.to_string()
    } else {
        format!("{from} -> {to}")
    }
}

fn class(class: Class) -> &'static str {
    match class {
        Class::Exact => "exact",
        Class::InRange => "exact if in range",
        Class::Lossy => "lossy",
        Class::Refused => "refused",
    }
}

/// A policy by the word that the spec has for it.
fn word(policy: &impl Serialize) -> String {
    match serde_json::to_value(policy) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

fn several(policy: &MultiMatch) -> String {
    match policy {
        MultiMatch::First { by } => format!("first by {by}"),
        other => word(other),
    }
}

fn pairs(keys: &[KeyPlan]) -> String {
    let pair = |key: &KeyPlan| format!("{} = {}", key.field.name, key.source.name);
    keys.iter().map(pair).collect::<Vec<_>>().join(" and ")
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |text: fn(&FieldExplanation) -> &str| {
            self.fields
                .iter()
                .map(|field| text(field).chars().count())
                .max()
                .unwrap_or(0)
        };
        let (name, source) = (width(|field| &field.field), width(|field| &field.source));
        if let Some(fields) = &self.filter {
            writeln!(f, "  filter on {}", fields.join(", "))?;
        }
        for formula in &self.formulas {
            writeln!(f, "  formula {formula}")?;
        }
        for field in &self.fields {
            write!(f, "  {:name$}  <- {:source$}", field.field, field.source)?;
            if let (Some(conversion), Some(class)) = (&field.conversion, &field.class) {
                write!(f, "  {conversion} ({class})")?;
            }
            if !field.policies.is_empty() {
                write!(f, "  [{}]", field.policies.join("; "))?;
            }
            writeln!(f)?;
        }
        if !self.unmapped.is_empty() {
            writeln!(f, "  left alone: {}", self.unmapped.join(", "))?;
        }
        if !self.unmapped_required.is_empty() {
            let names = self.unmapped_required.join(", ");
            writeln!(
                f,
                "  required and not mapped, so that nothing new can be inserted: {names}"
            )?;
        }
        Ok(())
    }
}
