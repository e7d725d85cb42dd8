//! What is read, and how it is prepared.

use serde::{Deserialize, Serialize};

use super::{BuiltOn, Expr, FileSource, SyncMode};

/// A dataset: a source, a filter over its columns, and formula fields for the rows kept.
///
/// ```
/// use syncline::spec::DatasetSpec;
///
/// let dataset: DatasetSpec = serde_json::from_str(r#"{
///   "version": 1,
///   "source": {"file": {"name": "usage.csv", "columns": [
///     {"name": "seats", "type": "integer"}, {"name": "mrr", "type": "decimal(12,2)"}]}},
///   "filter": {"gt": [{"field": "seats"}, {"value": 0}]},
///   "formulas": [{"name": "arr", "value": {"multiply": [{"field": "mrr"}, {"value": 12}]}}]
/// }"#)?;
/// assert_eq!(dataset.formulas[0].name, "arr");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DatasetSpec {
    /// The version of this form: 1.
    #[serde(deserialize_with = "version")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1)))]
    pub version: u32,
    /// The connection that has the source, by its name; without one, the source is the host's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// Where the records come from.
    pub source: SourceSpec,
    /// Keeps the rows for which it is true. Sees the source's columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Expr>,
    /// Fields computed for the rows kept, in order; each sees the columns and the formulas before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub formulas: Vec<FormulaSpec>,
    /// How much of it each run reads.
    #[serde(default, skip_serializing_if = "SyncMode::is_full")]
    pub sync: SyncMode,
    /// What the source was like when the job was built. If it is told, each run compares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built_on: Option<BuiltOn>,
}

impl DatasetSpec {
    /// All records of a source.
    pub fn new(source: SourceSpec) -> Self {
        DatasetSpec {
            version: 1,
            connection: None,
            source,
            filter: None,
            formulas: Vec::new(),
            sync: SyncMode::Full,
            built_on: None,
        }
    }

    /// The same, of a connection of this name.
    #[must_use]
    pub fn of_connection(mut self, name: impl Into<String>) -> Self {
        self.connection = Some(name.into());
        self
    }
}

/// A form of another version may mean other things by the same words.
pub(super) fn version<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        1 => Ok(1),
        other => Err(serde::de::Error::custom(super::unknown_version(other))),
    }
}

/// A computed field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FormulaSpec {
    /// Its name; no column has it.
    pub name: String,
    /// Its value.
    pub value: Expr,
}

impl FormulaSpec {
    /// A computed field.
    pub fn new(name: impl Into<String>, value: Expr) -> Self {
        FormulaSpec {
            name: name.into(),
            value,
        }
    }
}

/// Where records come from.
///
/// ```
/// use syncline::spec::{DatasetSpec, SourceSpec};
///
/// let dataset: DatasetSpec = serde_json::from_str(r#"{"version": 1, "connection": "crm", "source": {"object": "contact"}}"#)?;
/// assert_eq!(dataset.source, SourceSpec::Object("contact".into()));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum SourceSpec {
    /// A delimited file.
    File(FileSource),
    /// An object.
    Object(String),
}
