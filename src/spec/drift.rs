//! What a job was built on, and what becomes of it when its source changes.

use serde::{Deserialize, Serialize};

use crate::record::Field;

/// The fields of a source as they were when its job was built, and what becomes of a run that finds others.
///
/// ```
/// use syncline::spec::{BuiltOn, DriftMode};
///
/// let built_on: BuiltOn = serde_json::from_str(
///     r#"{"fields": [{"name": "stage", "type": {"picklist": ["open", "won"]}}], "on_drift": "discard_value"}"#,
/// )?;
/// assert_eq!(built_on.on_drift, DriftMode::DiscardValue);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct BuiltOn {
    /// The fields.
    pub fields: Vec<Field>,
    /// What becomes of a run that finds others.
    #[serde(default)]
    pub on_drift: DriftMode,
}

impl BuiltOn {
    /// These fields, frozen.
    pub fn new(fields: impl Into<Vec<Field>>) -> Self {
        BuiltOn {
            fields: fields.into(),
            on_drift: DriftMode::default(),
        }
    }

    /// The same, doing this with a run that finds others.
    #[must_use]
    pub fn with_mode(mut self, mode: DriftMode) -> Self {
        self.on_drift = mode;
        self
    }
}

/// What becomes of a run whose source is not as the job was built on. A change with which the job cannot run, such as that of a
/// field that it uses and that is gone, fails the run in each mode, before anything is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DriftMode {
    /// It fails before anything is read, and says what has changed.
    #[default]
    Freeze,
    /// It takes the source as it is now.
    Evolve,
    /// A record that does not fit the old fields is rejected: one with a value in a new field, or with a value that none of the old
    /// type equals.
    DiscardRow,
    /// A value that does not fit the old fields is dropped, and counted: those of new fields, and those that no value of the old
    /// type equals, in whose place a null is written.
    DiscardValue,
}
