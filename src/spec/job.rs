//! A whole job.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Problem;
use crate::{Error, Result};

use super::{
    DatasetSpec, DuplicateKeys, MappingSpec, NoMatchOnUpdate, ObjectSpec, RejectLimit, RunSettings,
    SourceDeletes, WriteMode,
};

/// A whole data-sync job as data.
///
/// ```
/// use syncline::spec::JobSpec;
///
/// let error = JobSpec::from_json(r#"{"version": 1, "name": "people", "dataset": {"version": 1, "sauce": {}}}"#).unwrap_err();
/// assert_eq!(error.problems()[0].path, "dataset.sauce");
/// assert!(error.problems()[0].message.starts_with("unknown field `sauce`, expected"));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct JobSpec {
    /// The version of this form: 1.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1)))]
    pub version: u32,
    /// Who it is in its [workspace](crate::workspace::Workspace), whatever its name; the workspace gives it, and an export keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The [template](crate::connector::JobTemplate) of its connector that it was made from, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// The job's name.
    pub name: String,
    /// What is read.
    pub dataset: DatasetSpec,
    /// The objects that the destinations and lookups name.
    pub objects: Vec<ObjectSpec>,
    /// Where it is written, in order: a later destination's lookups see what an earlier one wrote.
    pub destinations: Vec<DestinationSpec>,
    /// How many records a run may refuse.
    #[serde(default, skip_serializing_if = "RejectLimit::is_none")]
    pub reject_limit: RejectLimit,
    /// The job that runs first, by its name: it must have done what its [settings](RunSettings::success) ask before this one begins. In a chain it is
    /// the chain that says what runs in front of it. In a [template](crate::connector::JobTemplate) it is the name of one in front of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// When and how it runs, and who is to hear of it.
    #[serde(default, skip_serializing_if = "RunSettings::is_silent")]
    pub settings: RunSettings,
}

impl JobSpec {
    /// A job.
    pub fn new(
        name: impl Into<String>,
        dataset: DatasetSpec,
        objects: Vec<ObjectSpec>,
        destinations: Vec<DestinationSpec>,
    ) -> Self {
        JobSpec {
            version: 1,
            id: None,
            template: None,
            name: name.into(),
            dataset,
            objects,
            destinations,
            reject_limit: RejectLimit::none(),
            first: None,
            settings: RunSettings::default(),
        }
    }

    /// The same, behind the job of this name, which runs first.
    #[must_use]
    pub fn with_first(mut self, job: impl Into<String>) -> Self {
        self.first = Some(job.into());
        self
    }

    /// The same, running so.
    #[must_use]
    pub fn with_settings(mut self, settings: RunSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Reads a job from JSON.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) with the path and the place in the text of what is wrong; a
    /// form of a newer version, also of the dataset, is told apart from a wrong one.
    pub fn from_json(text: &str) -> Result<Self> {
        // What a newer form has besides may be anything.
        #[derive(Deserialize)]
        struct Versioned {
            version: Option<Value>,
            dataset: Option<Value>,
        }
        // What is no JSON, or too deep, is told below, with its path.
        if let Ok(Versioned { version, dataset }) = serde_json::from_str(text) {
            let of_dataset = dataset.as_ref().and_then(|dataset| dataset.get("version"));
            for (path, version) in [
                ("version", version.as_ref()),
                ("dataset.version", of_dataset),
            ] {
                if let Some(version) = version.filter(|version| **version != 1) {
                    return Err(wrong(NO_JOB, path.into(), super::unknown_version(version)));
                }
            }
        }
        read(NO_JOB, text)
    }
}

const NO_JOB: &str = "this is no job";

pub(super) fn wrong(what: &'static str, path: String, message: String) -> Error {
    Error::invalid(what, vec![Problem::new(path, message)])
}

/// Reads a form from JSON; what is wrong is told with its path and its place in the text.
pub(super) fn read<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        let message = error.into_inner().to_string();
        let message = match message.strip_prefix("recursion limit exceeded") {
            Some(place) => format!(
                "nested too deep{place}; make lists long instead, or put a part into a formula of its own"
            ),
            None => message,
        };
        wrong(what, path, message)
    })
}

/// One destination of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DestinationSpec {
    /// The object that is written.
    pub object: String,
    /// Insert, update or upsert.
    pub mode: WriteMode,
    /// What an update does with a row whose record does not exist.
    #[serde(default)]
    pub no_match: NoMatchOnUpdate,
    /// What becomes of several rows of one key.
    #[serde(default)]
    pub duplicates: DuplicateKeys,
    /// What becomes of records that the source deletes.
    #[serde(default, skip_serializing_if = "SourceDeletes::is_ignore")]
    pub deletes: SourceDeletes,
    /// How dataset fields become object fields.
    pub mapping: MappingSpec,
}

impl DestinationSpec {
    /// Writes to `object`.
    pub fn new(object: impl Into<String>, mode: WriteMode, mapping: MappingSpec) -> Self {
        DestinationSpec {
            object: object.into(),
            mode,
            no_match: NoMatchOnUpdate::Reject,
            duplicates: DuplicateKeys::LastWins,
            deletes: SourceDeletes::Ignore,
            mapping,
        }
    }
}
