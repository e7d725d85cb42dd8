//! Every ambiguity is a policy with a strict default.

use serde::{Deserialize, Serialize};

/// How records are written.
///
/// ```
/// use syncline::spec::WriteMode;
///
/// let mode = WriteMode::upsert(["first name", "last name"]);
/// assert_eq!(serde_json::to_string(&mode)?, r#"{"upsert":{"identifiers":[["first name","last name"]]}}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum WriteMode {
    /// Always make a record.
    Insert,
    /// Change the record that an identifier hits.
    Update {
        /// Alternatives, tried in order (OR); within one, all fields must match (AND).
        identifiers: Vec<Vec<String>>,
    },
    /// Change the record that an identifier hits, or make one.
    Upsert {
        /// Alternatives, tried in order (OR); within one, all fields must match (AND).
        identifiers: Vec<Vec<String>>,
    },
}

impl WriteMode {
    /// An update by one identifier of these fields.
    pub fn update<S: Into<String>>(fields: impl IntoIterator<Item = S>) -> Self {
        WriteMode::Update {
            identifiers: vec![fields.into_iter().map(Into::into).collect()],
        }
    }

    /// An upsert by one identifier of these fields.
    pub fn upsert<S: Into<String>>(fields: impl IntoIterator<Item = S>) -> Self {
        WriteMode::Upsert {
            identifiers: vec![fields.into_iter().map(Into::into).collect()],
        }
    }

    /// Whether a row that is written a second time comes to the same, in a mapping whose fields are written on these occasions.
    pub(crate) fn writes_again_alike(&self, mut on: impl Iterator<Item = WriteOn>) -> bool {
        match self {
            WriteMode::Insert => false,
            WriteMode::Update { .. } => true,
            // It finds the record that it made itself, and changes it.
            WriteMode::Upsert { .. } => !on.any(|on| on == WriteOn::Update),
        }
    }

    /// The identifiers; none for an insert.
    pub fn identifiers(&self) -> &[Vec<String>] {
        match self {
            WriteMode::Insert => &[],
            WriteMode::Update { identifiers } | WriteMode::Upsert { identifiers } => identifiers,
        }
    }
}

/// When a mapped field is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WriteOn {
    /// Whenever the record is written.
    #[default]
    Always,
    /// Only when the record is made.
    Insert,
    /// Only when an existing record is changed. A record that an upsert makes and writes again, because a run broke off, then has the
    /// value as well: such a job promises [less](crate::job::Guarantee).
    Update,
}

/// What becomes of several rows of one key in one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DuplicateKeys {
    /// The last in source order wins; the others count as superseded.
    #[default]
    LastWins,
    /// The first stands; the others are rejected.
    Reject,
}

/// What an update does with a row whose record does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NoMatchOnUpdate {
    /// Reject the row.
    #[default]
    Reject,
    /// Skip the row, and count it.
    Skip,
}

/// What a lookup does when no record matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NoMatch {
    /// Reject the row.
    #[default]
    Reject,
    /// Write null.
    Null,
    /// Write the field's default.
    Default,
}

/// What a lookup does when several records match.
///
/// Several matches means several records of the other object, even if the fetched value is equal.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum MultiMatch {
    /// Reject the row.
    #[default]
    Reject,
    /// Write null.
    Null,
    /// Take one of them: always the first in the object's own order.
    Any,
    /// Take the one with the least value in a field; null counts as the greatest.
    First {
        /// The field.
        by: String,
    },
}

/// What a lookup does when a part of its key is null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EmptyKey {
    /// Write null, and count the row as `empty`.
    #[default]
    Null,
    /// Do as when no record matches.
    NoMatch,
    /// Reject the row.
    Reject,
}

/// What a self lookup does with a row whose parent is neither in the object nor in the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Dangling {
    /// Write null.
    #[default]
    Null,
    /// Reject the row. The rows of the run are held back until the source has been read.
    Reject,
}

/// What a self lookup does with rows that would be their own ancestors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cycles {
    /// Write them.
    #[default]
    Allow,
    /// Write null into the links that this run set and that lie on the cycle.
    Null,
    /// Reject the rows on the cycle. The rows of the run are held back until the source has been read.
    Reject,
}

/// How many records a run may refuse. Beyond it the run stops early and fails; what was committed until then stays, and with saved
/// state the next run goes on behind it.
///
/// ```
/// use syncline::spec::RejectLimit;
///
/// let limit: RejectLimit = serde_json::from_str(r#"{"records": 1000, "percent": 5}"#)?;
/// assert_eq!(limit, RejectLimit::none().with_records(1000).with_percent(5));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RejectLimit {
    /// At most so many, for any one destination; looked at behind each batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<u64>,
    /// At most so many in a hundred of the records read, for any one destination; looked at whenever a commit group would close,
    /// and at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
}

impl RejectLimit {
    /// Any number.
    pub fn none() -> Self {
        Self::default()
    }

    /// The same, with at most so many records.
    #[must_use]
    pub fn with_records(mut self, records: u64) -> Self {
        self.records = Some(records);
        self
    }

    /// The same, with at most so many in a hundred.
    #[must_use]
    pub fn with_percent(mut self, percent: u8) -> Self {
        self.percent = Some(percent);
        self
    }

    /// Whether it is the default.
    pub(crate) fn is_none(&self) -> bool {
        *self == RejectLimit::none()
    }
}
