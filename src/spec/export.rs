//! Connections, jobs and chains as one document.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::job::{read, wrong};
use super::{ChainSpec, ConnectionSpec, JobSpec};
use crate::Result;

const NO_EXPORT: &str = "this is no export of connections and jobs";

/// Connections, jobs and chains as one document, to be kept, compared or carried elsewhere. It holds specs only: no records, no state, no secrets.
///
/// The same specs always give the same bytes, in whatever order they come, and reading them gives the same specs.
///
/// ```
/// use syncline::spec::ExportSpec;
///
/// let job = |name: &str| serde_json::from_value(serde_json::json!({
///     "version": 1, "name": name, "objects": [], "destinations": [],
///     "dataset": {"version": 1, "source": {"file": {"name": "people.csv", "columns": [{"name": "name", "type": "text"}]}}},
/// })).unwrap();
/// let export = ExportSpec::new(vec![job("nightly"), job("hourly")]);
/// let text = export.to_json();
/// assert!(text.find("hourly") < text.find("nightly"));
/// assert_eq!(ExportSpec::from_json(&text)?.to_json(), text);
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ExportSpec {
    /// The version of this form: 1.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1)))]
    pub version: u32,
    /// The connections that jobs read, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub connections: Vec<ConnectionSpec>,
    /// The jobs, by name.
    pub jobs: Vec<JobSpec>,
    /// The chains, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chains: Vec<ChainSpec>,
}

impl ExportSpec {
    /// These jobs.
    pub fn new(mut jobs: Vec<JobSpec>) -> Self {
        jobs.sort_by(|a, b| a.name.cmp(&b.name));
        ExportSpec {
            version: 1,
            connections: Vec::new(),
            jobs,
            chains: Vec::new(),
        }
    }

    /// The same, with these chains.
    #[must_use]
    pub fn with_chains(mut self, mut chains: Vec<ChainSpec>) -> Self {
        chains.sort_by(|a, b| a.name.cmp(&b.name));
        self.chains = chains;
        self
    }

    /// The same, with these connections.
    #[must_use]
    pub fn with_connections(mut self, mut connections: Vec<ConnectionSpec>) -> Self {
        connections.sort_by(|a, b| a.name.cmp(&b.name));
        self.connections = connections;
        self
    }

    /// The document, in lines, with a line end behind the last.
    pub fn to_json(&self) -> String {
        // A spec has texts for keys and finite numbers only.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Reads a document.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) with the path and the place in the text of what is wrong. A form of a newer version, also of
    /// a part of it, is told apart from a wrong one, and so are two parts of one name.
    pub fn from_json(text: &str) -> Result<Self> {
        // What a newer form has besides may be anything.
        #[derive(Deserialize)]
        struct Versioned {
            version: Option<Value>,
            #[serde(default)]
            jobs: Vec<Value>,
            #[serde(default)]
            connections: Vec<Value>,
            #[serde(default)]
            chains: Vec<Value>,
        }
        if let Ok(Versioned {
            version,
            jobs,
            connections,
            chains,
        }) = serde_json::from_str(text)
        {
            let of_jobs = jobs.iter().enumerate().flat_map(|(at, job)| {
                let of_dataset = job
                    .get("dataset")
                    .and_then(|dataset| dataset.get("version"));
                [
                    (format!("jobs[{at}].version"), job.get("version")),
                    (format!("jobs[{at}].dataset.version"), of_dataset),
                ]
            });
            let others = [("connections", &connections), ("chains", &chains)];
            let of_others = others.into_iter().flat_map(|(what, all)| {
                let of_one = move |(at, one)| {
                    let one: &Value = one;
                    (format!("{what}[{at}].version"), one.get("version"))
                };
                all.iter().enumerate().map(of_one)
            });
            let versions = [("version".to_owned(), version.as_ref())]
                .into_iter()
                .chain(of_others)
                .chain(of_jobs);
            for (path, version) in versions {
                if let Some(version) = version.filter(|version| **version != 1) {
                    return Err(wrong(NO_EXPORT, path, super::unknown_version(version)));
                }
            }
        }
        let export: ExportSpec = read(NO_EXPORT, text)?;
        let connections = export.connections.iter().map(|one| &one.name);
        once("connection", connections)?;
        once("job", export.jobs.iter().map(|job| &job.name))?;
        once("chain", export.chains.iter().map(|chain| &chain.name))?;
        Ok(export)
    }
}

/// Fails at the first name that comes again.
fn once<'a>(what: &str, all: impl Iterator<Item = &'a String>) -> Result<()> {
    let mut names = BTreeSet::new();
    for (at, name) in all.enumerate() {
        if !names.insert(name) {
            let message = format!("the {what} `{name}` is there twice; keep one of the two");
            return Err(wrong(NO_EXPORT, format!("{what}s[{at}].name"), message));
        }
    }
    Ok(())
}
