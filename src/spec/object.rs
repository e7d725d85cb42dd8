//! The host's objects, as far as a job needs to know them.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::FileSource;
use crate::record::Field;

/// An object: what its records look like and how they are told apart.
///
/// ```
/// use syncline::record::{Field, FieldType};
/// use syncline::spec::{Identity, ObjectSpec};
///
/// let person = ObjectSpec::new("person", Identity::Generated, vec![Field::new("name", FieldType::Text).required()]);
/// assert_eq!(person.identity.single_field(), Some("id"));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ObjectSpec {
    /// Its name, unique among the job's objects.
    pub name: String,
    /// How its records are told apart.
    pub identity: Identity,
    /// Which fields it keeps itself.
    #[serde(default)]
    pub system_fields: SystemFields,
    /// Sets of fields of which no two records may have the same values; a null among them is never the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unique: Vec<Vec<String>>,
    /// Its fields, without the generated identity and the system fields.
    pub fields: Vec<Field>,
    /// Where its records are kept.
    #[serde(default)]
    pub store: Store,
    /// Records that it has before the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preload: Option<PreloadSpec>,
}

impl ObjectSpec {
    /// An object with nothing special about it.
    pub fn new(name: impl Into<String>, identity: Identity, fields: Vec<Field>) -> Self {
        ObjectSpec {
            name: name.into(),
            identity,
            system_fields: SystemFields::None,
            unique: Vec::new(),
            fields,
            store: Store::Table,
            preload: None,
        }
    }
}

/// How the records of an object are told apart.
///
/// ```
/// use syncline::spec::Identity;
///
/// assert_eq!(serde_json::from_str::<Identity>(r#""generated""#)?, Identity::Generated);
/// let supplied: Identity = serde_json::from_str(r#"{"supplied": ["account", "day"]}"#)?;
/// assert_eq!(supplied, Identity::Supplied(vec!["account".into(), "day".into()]));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Identity {
    /// Not at all: records are only ever added.
    None,
    /// By a field `id` of type [`Id`](crate::record::FieldType::Id), which the object fills itself.
    Generated,
    /// By the values of these fields, none of them null, which the writer supplies.
    Supplied(Vec<String>),
}

impl Identity {
    /// The name of the field that [`Identity::Generated`] adds in front of the others.
    pub const GENERATED_FIELD: &str = "id";

    /// The one field that identifies a record, if it is one.
    pub fn single_field(&self) -> Option<&str> {
        match self {
            Identity::Generated => Some(Self::GENERATED_FIELD),
            Identity::Supplied(fields) if fields.len() == 1 => Some(&fields[0]),
            _ => None,
        }
    }
}

/// Which fields an object keeps itself, behind the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SystemFields {
    /// None.
    #[default]
    None,
    /// `created_at`, `created_by`, `modified_at`, `modified_by`: the run's time and the job's name.
    Standard,
}

impl SystemFields {
    /// The names of the fields.
    pub fn names(self) -> &'static [&'static str] {
        match self {
            SystemFields::None => &[],
            SystemFields::Standard => &["created_at", "created_by", "modified_at", "modified_by"],
        }
    }
}

/// Where an object's records are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Store {
    /// In a table in memory: insert, update, upsert, lookups.
    #[default]
    Table,
    /// In a file that is written from front to back: insert only, nothing kept in memory.
    File,
}

/// Records that an object has before the run. They are no part of the run's counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PreloadSpec {
    /// The file. A bad record in it fails the job before the source is read.
    pub file: FileSource,
    /// Object field from file column; other fields are null.
    pub fields: IndexMap<String, String>,
}

impl PreloadSpec {
    /// Fills object fields from columns of a file.
    pub fn new(file: FileSource, fields: IndexMap<String, String>) -> Self {
        PreloadSpec { file, fields }
    }
}
