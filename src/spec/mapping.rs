//! How dataset fields become object fields.

use serde::{Deserialize, Serialize};

use super::{Cycles, Dangling, EmptyKey, Expr, FormulaSpec, Literal, MultiMatch, NoMatch, WriteOn};

/// How dataset fields become object fields; what is not mapped is left alone.
///
/// ```
/// use syncline::spec::{FieldMapping, LookupSpec, MappingSpec, MatchPair};
///
/// let mapping = MappingSpec::new(vec![
///     FieldMapping::direct("name", "customer name"),
///     FieldMapping::constant("source", "import"),
///     FieldMapping::lookup("owner", LookupSpec::new("user", vec![MatchPair::new("owner email", "email")], "id")),
/// ]);
/// let written = serde_json::to_string(&mapping)?;
/// assert_eq!(serde_json::from_str::<MappingSpec>(&written)?, mapping);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MappingSpec {
    /// Keeps the rows of the dataset for which it is true; the others count as filtered for this destination alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Expr>,
    /// Fields computed for the rows kept, in order; each sees the dataset's fields and the formulas before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub formulas: Vec<FormulaSpec>,
    /// One entry for each field that is written.
    pub fields: Vec<FieldMapping>,
}

impl MappingSpec {
    /// A mapping of these fields.
    pub fn new(fields: Vec<FieldMapping>) -> Self {
        MappingSpec {
            filter: None,
            formulas: Vec::new(),
            fields,
        }
    }
}

/// How one object field gets its value.
///
/// ```
/// use syncline::spec::{DefaultSpec, FieldMapping, WriteOn};
///
/// let seats = FieldMapping::direct("seats", "licences").or_default(DefaultSpec::new(0)).on(WriteOn::Insert);
/// let written = r#"{"field": "seats", "from": "licences", "on": "insert", "default": {"value": 0}}"#;
/// assert_eq!(serde_json::from_str::<FieldMapping>(written)?, seats);
///
/// let origin = FieldMapping::constant("origin", "web shop");
/// assert_eq!(serde_json::from_str::<FieldMapping>(r#"{"field": "origin", "constant": "web shop"}"#)?, origin);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "Form", into = "Form")]
#[non_exhaustive]
pub struct FieldMapping {
    /// The object field.
    pub field: String,
    /// Where the value comes from.
    pub rule: Rule,
    /// When the field is written.
    pub on: WriteOn,
    /// The value to use where the rule gives none.
    pub default: Option<DefaultSpec>,
    /// Whether a conversion may lose digits, time or zone.
    pub lossy: bool,
}

/// Where a value comes from.
///
/// ```
/// use syncline::spec::{FieldMapping, Rule};
///
/// let mapping: FieldMapping = serde_json::from_str(r#"{"field": "seats", "from": "licences"}"#)?;
/// assert_eq!(mapping.rule, Rule::From("licences".into()));
/// let mapping: FieldMapping = serde_json::from_str(r#"{"field": "origin", "constant": "web shop"}"#)?;
/// assert_eq!(mapping.rule, Rule::Constant("web shop".into()));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Rule {
    /// From a field of the dataset, converted to the object field's type.
    From(String),
    /// The same value for every row.
    Constant(Literal),
    /// From a record of another object.
    Lookup(LookupSpec),
    /// The identity of a record of the same object.
    SelfLookup(SelfLookupSpec),
}

impl FieldMapping {
    /// `field` by this rule.
    pub fn new(field: impl Into<String>, rule: Rule) -> Self {
        FieldMapping {
            field: field.into(),
            rule,
            on: WriteOn::Always,
            default: None,
            lossy: false,
        }
    }

    /// `field` from a dataset field.
    pub fn direct(field: impl Into<String>, from: impl Into<String>) -> Self {
        Self::new(field, Rule::From(from.into()))
    }

    /// `field` with the same value in every row.
    pub fn constant(field: impl Into<String>, value: impl Into<Literal>) -> Self {
        Self::new(field, Rule::Constant(value.into()))
    }

    /// `field` from another object.
    pub fn lookup(field: impl Into<String>, lookup: LookupSpec) -> Self {
        Self::new(field, Rule::Lookup(lookup))
    }

    /// `field` from the same object.
    pub fn self_lookup(field: impl Into<String>, lookup: SelfLookupSpec) -> Self {
        Self::new(field, Rule::SelfLookup(lookup))
    }

    /// The same, written only then.
    #[must_use]
    pub fn on(mut self, on: WriteOn) -> Self {
        self.on = on;
        self
    }

    /// The same, with this value where the rule gives none.
    #[must_use]
    pub fn or_default(mut self, default: DefaultSpec) -> Self {
        self.default = Some(default);
        self
    }

    /// The same; the conversion may lose digits, time or zone.
    #[must_use]
    pub fn lossy(mut self) -> Self {
        self.lossy = true;
        self
    }
}

/// A value that stands in for a missing or an invalid one.
///
/// ```
/// use syncline::spec::DefaultSpec;
///
/// // For what cannot be read or converted; a null stays null.
/// let mut default = DefaultSpec::new("0.00");
/// default.when_missing = false;
/// assert_eq!(serde_json::from_str::<DefaultSpec>(r#"{"value": "0.00", "when_missing": false}"#)?, default);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DefaultSpec {
    /// The value.
    pub value: Literal,
    /// Whether it stands in for null.
    #[serde(default = "yes")]
    pub when_missing: bool,
    /// Whether it stands in for a value that is none of its type or does not convert.
    #[serde(default = "yes")]
    pub when_invalid: bool,
}

fn yes() -> bool {
    true
}

impl DefaultSpec {
    /// Stands in for missing and for invalid values.
    pub fn new(value: impl Into<Literal>) -> Self {
        DefaultSpec {
            value: value.into(),
            when_missing: true,
            when_invalid: true,
        }
    }
}

/// A pair of fields that must be equal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MatchPair {
    /// The dataset field.
    pub source: String,
    /// The field of the object that is looked up.
    pub field: String,
}

impl MatchPair {
    /// `source` of the dataset equals `field` of the object.
    pub fn new(source: impl Into<String>, field: impl Into<String>) -> Self {
        MatchPair {
            source: source.into(),
            field: field.into(),
        }
    }
}

/// A direct lookup: a value from a record of another object.
///
/// ```
/// use syncline::spec::{FieldMapping, LookupSpec, MatchPair, NoMatch};
///
/// let pairs = vec![MatchPair::new("csm_first", "first_name"), MatchPair::new("csm_last", "last_name")];
/// let mut user = LookupSpec::new("user", pairs, "id");
/// assert_eq!(user.no_match, NoMatch::Reject);
/// user.no_match = NoMatch::Null;
/// let written = r#"{"field": "csm", "lookup": {"object": "user", "fetch": "id", "no_match": "null", "keys": [
///   {"source": "csm_first", "field": "first_name"}, {"source": "csm_last", "field": "last_name"}]}}"#;
/// assert_eq!(serde_json::from_str::<FieldMapping>(written)?, FieldMapping::lookup("csm", user));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LookupSpec {
    /// The other object.
    pub object: String,
    /// One to six pairs that must all match.
    pub keys: Vec<MatchPair>,
    /// The field to fetch.
    pub fetch: String,
    /// When no record matches.
    #[serde(default)]
    pub no_match: NoMatch,
    /// When several do.
    #[serde(default)]
    pub multi_match: MultiMatch,
    /// When a part of the key is null.
    #[serde(default)]
    pub empty: EmptyKey,
}

impl LookupSpec {
    /// Fetches `fetch` of the record of `object` that these pairs match.
    pub fn new(object: impl Into<String>, keys: Vec<MatchPair>, fetch: impl Into<String>) -> Self {
        LookupSpec {
            object: object.into(),
            keys,
            fetch: fetch.into(),
            no_match: NoMatch::Reject,
            multi_match: MultiMatch::Reject,
            empty: EmptyKey::Null,
        }
    }
}

/// A self lookup: the identity of a record of the same object, rows of the same run included.
///
/// ```
/// use syncline::spec::{Dangling, FieldMapping, MatchPair, SelfLookupSpec};
///
/// let mut parent = SelfLookupSpec::new(vec![MatchPair::new("parent_no", "number")]);
/// assert_eq!(parent.dangling, Dangling::Null);
/// parent.dangling = Dangling::Reject;
/// let written = r#"{"field": "parent", "self_lookup": {"dangling": "reject", "keys": [{"source": "parent_no", "field": "number"}]}}"#;
/// assert_eq!(serde_json::from_str::<FieldMapping>(written)?, FieldMapping::self_lookup("parent", parent));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SelfLookupSpec {
    /// One to six pairs that must all match.
    pub keys: Vec<MatchPair>,
    /// When several records match.
    #[serde(default)]
    pub multi_match: MultiMatch,
    /// When none does, at the end of the run.
    #[serde(default)]
    pub dangling: Dangling,
    /// When a part of the key is null.
    #[serde(default)]
    pub empty: EmptyKey,
    /// When a record would be its own ancestor.
    #[serde(default)]
    pub cycles: Cycles,
}

impl SelfLookupSpec {
    /// The identity of the record that these pairs match.
    pub fn new(keys: Vec<MatchPair>) -> Self {
        SelfLookupSpec {
            keys,
            multi_match: MultiMatch::Reject,
            dangling: Dangling::Null,
            empty: EmptyKey::Null,
            cycles: Cycles::Allow,
        }
    }
}

/// The written form of a [`FieldMapping`]: the rule is one of four keys.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(extend("oneOf" = one_rule())))]
#[serde(deny_unknown_fields)]
struct Form {
    /// The object field.
    field: String,
    /// The dataset field that it is filled from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    from: Option<String>,
    /// The value of every row.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    #[cfg_attr(feature = "schema", schemars(with = "Literal"))]
    constant: Option<Literal>,
    /// A record of another object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "LookupSpec"))]
    lookup: Option<LookupSpec>,
    /// A record of the same object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "SelfLookupSpec"))]
    self_lookup: Option<SelfLookupSpec>,
    /// When the field is written.
    #[serde(default)]
    on: WriteOn,
    /// The value to use where the rule gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    default: Option<DefaultSpec>,
    /// Whether a conversion may lose digits, time or zone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    lossy: bool,
}

/// For a schema: one of the four keys is there.
#[cfg(feature = "schema")]
fn one_rule() -> serde_json::Value {
    let rules = ["from", "constant", "lookup", "self_lookup"];
    let required = |rule: &str| serde_json::json!({"required": [rule]});
    rules.into_iter().map(required).collect()
}

/// A key that is there with null is a constant null, not an absent key.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Literal>, D::Error> {
    Literal::deserialize(deserializer).map(Some)
}

impl TryFrom<Form> for FieldMapping {
    type Error = String;

    fn try_from(form: Form) -> Result<Self, String> {
        let Form {
            field,
            from,
            constant,
            lookup,
            self_lookup,
            on,
            default,
            lossy,
        } = form;
        let mut rules = (from.map(Rule::From).into_iter())
            .chain(constant.map(Rule::Constant))
            .chain(lookup.map(Rule::Lookup))
            .chain(self_lookup.map(Rule::SelfLookup));
        match (rules.next(), rules.next()) {
            (Some(rule), None) => Ok(FieldMapping {
                field,
                rule,
                on,
                default,
                lossy,
            }),
            _ => Err(format!(
                "the mapping of `{field}` has exactly one of `from`, `constant`, `lookup`, `self_lookup`"
            )),
        }
    }
}

impl From<FieldMapping> for Form {
    fn from(mapping: FieldMapping) -> Self {
        let FieldMapping {
            field,
            rule,
            on,
            default,
            lossy,
        } = mapping;
        let mut form = Form {
            field,
            from: None,
            constant: None,
            lookup: None,
            self_lookup: None,
            on,
            default,
            lossy,
        };
        match rule {
            Rule::From(from) => form.from = Some(from),
            Rule::Constant(constant) => form.constant = Some(constant),
            Rule::Lookup(lookup) => form.lookup = Some(lookup),
            Rule::SelfLookup(lookup) => form.self_lookup = Some(lookup),
        }
        form
    }
}
