//! Which connections, jobs and chains a tenant has.
//!
//! They stand in one document, so that what must hold over all of them holds at every moment: names are unique, a job's connection is
//! there, and an import is made whole or not at all. What is large, the spec of a job, stands beside it, an edition each; the roster says
//! which edition counts, and what it does not name is nothing.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::activity::AuditEntry;
use crate::error::Problem;
use crate::spec::{ChainSpec, ConnectionSpec, Member};
use crate::{Error, ErrorKind, Result};

/// The connections, jobs and chains of a tenant.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Roster {
    pub(super) connections: Vec<ConnectionEntry>,
    pub(super) jobs: Vec<JobEntry>,
    pub(super) chains: Vec<ChainEntry>,
    /// Jobs that were removed, until nothing of them can be left.
    pub(super) gone_jobs: Vec<GoneJob>,
    /// Entries about what the last swap changed, until they are written down elsewhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) untold: Vec<AuditEntry>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GoneJob {
    pub(super) id: String,
    pub(super) at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConnectionEntry {
    pub(super) id: String,
    /// Without the id.
    pub(super) spec: ConnectionSpec,
    pub(super) enabled: bool,
    /// Since when it is being removed: nobody sees it, and what belongs to it is deleted before it is.
    pub(super) going: Option<DateTime<Utc>>,
    /// Templates whose jobs were deleted by hand: they do not come again.
    pub(super) declined: Vec<String>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) changed_at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JobEntry {
    pub(super) id: String,
    pub(super) name: String,
    /// The connection that it reads, by id.
    pub(super) connection: Option<String>,
    /// The template that it was made from.
    pub(super) template: Option<String>,
    /// The job that runs first, by id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) first: Option<String>,
    /// Which of its specs counts.
    pub(super) edition: String,
    pub(super) enabled: bool,
    /// Its source is gone.
    pub(super) retired: bool,
    pub(super) created_at: DateTime<Utc>,
    pub(super) changed_at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChainEntry {
    pub(super) id: String,
    /// With the ids of its members for their names, and without its own id.
    pub(super) spec: ChainSpec,
    pub(super) enabled: bool,
    pub(super) created_at: DateTime<Utc>,
    pub(super) changed_at: DateTime<Utc>,
}

impl Roster {
    pub(super) fn connection(&self, id: &str) -> Result<&ConnectionEntry> {
        let found = self.present().find(|connection| connection.id == id);
        found.ok_or_else(|| not_found("connection", id))
    }

    pub(super) fn connection_mut(&mut self, id: &str) -> Result<&mut ConnectionEntry> {
        let mut connections = self.connections.iter_mut();
        let found =
            connections.find(|connection| connection.id == id && connection.going.is_none());
        found.ok_or_else(|| not_found("connection", id))
    }

    /// The connections that are not being removed.
    pub(super) fn present(&self) -> impl Iterator<Item = &ConnectionEntry> {
        self.connections
            .iter()
            .filter(|connection| connection.going.is_none())
    }

    pub(super) fn connection_named(&self, name: &str) -> Option<&ConnectionEntry> {
        self.present()
            .find(|connection| connection.spec.name == name)
    }

    pub(super) fn job(&self, id: &str) -> Result<&JobEntry> {
        let found = self.jobs.iter().find(|job| job.id == id);
        found.ok_or_else(|| not_found("job", id))
    }

    pub(super) fn job_mut(&mut self, id: &str) -> Result<&mut JobEntry> {
        let found = self.jobs.iter_mut().find(|job| job.id == id);
        found.ok_or_else(|| not_found("job", id))
    }

    pub(super) fn job_named(&self, name: &str) -> Option<&JobEntry> {
        self.jobs.iter().find(|job| job.name == name)
    }

    /// Takes a job off, which nobody sees then.
    pub(super) fn remove_job(&mut self, id: &str, at: DateTime<Utc>) {
        self.jobs.retain(|job| job.id != id);
        let id = id.to_owned();
        self.gone_jobs.push(GoneJob { id, at });
    }

    /// Whether a job that is made may not have this id.
    pub(super) fn job_id_is_taken(&self, id: &str) -> bool {
        let gone = self.gone_jobs.iter().any(|job| job.id == id);
        gone || self.jobs.iter().any(|job| job.id == id)
    }

    pub(super) fn jobs_of(&self, connection: &str) -> impl Iterator<Item = &JobEntry> {
        let connection = connection.to_owned();
        (self.jobs.iter()).filter(move |job| job.connection.as_deref() == Some(&*connection))
    }

    pub(super) fn chain(&self, id: &str) -> Result<&ChainEntry> {
        let found = self.chains.iter().find(|chain| chain.id == id);
        found.ok_or_else(|| not_found("chain", id))
    }

    pub(super) fn chain_mut(&mut self, id: &str) -> Result<&mut ChainEntry> {
        let found = self.chains.iter_mut().find(|chain| chain.id == id);
        found.ok_or_else(|| not_found("chain", id))
    }

    /// The chains that are enabled and run this.
    pub(super) fn chains_with(&self, member: &Member) -> impl Iterator<Item = &ChainEntry> {
        let runs_it = move |chain: &&ChainEntry| {
            let mut links = chain.spec.links.iter();
            chain.enabled && links.any(|link| link.member == *member)
        };
        self.chains.iter().filter(runs_it)
    }

    /// Fails if another chain than this one has the name.
    pub(super) fn chain_name_is_free(&self, name: &str, for_id: Option<&str>) -> Result<()> {
        let other = self.chains.iter().find(|chain| chain.spec.name == name);
        match other {
            Some(other) if Some(other.id.as_str()) != for_id => Err(taken("chain", name)),
            _ => Ok(()),
        }
    }

    /// Fails if another connection than this one has the name.
    pub(super) fn connection_name_is_free(&self, name: &str, for_id: Option<&str>) -> Result<()> {
        match self.connection_named(name) {
            Some(other) if Some(other.id.as_str()) != for_id => Err(taken("connection", name)),
            _ => Ok(()),
        }
    }

    /// Fails if another job than this one has the name.
    pub(super) fn job_name_is_free(&self, name: &str, for_id: Option<&str>) -> Result<()> {
        match self.job_named(name) {
            Some(other) if Some(other.id.as_str()) != for_id => Err(taken("job", name)),
            _ => Ok(()),
        }
    }
}

/// The error for what this tenant does not have; another tenant's is the same.
pub(super) fn not_found(what: &'static str, id: &str) -> Error {
    let message = "there is no such thing in this workspace; list what it has";
    Error::new(ErrorKind::NotFound, message).with(what, id)
}

fn taken(what: &'static str, name: &str) -> Error {
    let message = "the name is taken; choose another one";
    Error::new(ErrorKind::Conflict, message).with(what, name)
}

/// The most characters of a name.
const LONGEST_NAME: usize = 200;

/// Whether something can be called so.
pub(super) fn check_name(name: &str) -> Result<()> {
    let fine = !name.is_empty()
        && name.trim() == name
        && name.chars().count() <= LONGEST_NAME
        && !name.contains(char::is_control);
    match fine {
        true => Ok(()),
        false => {
            let message = format!(
                "a name has 1 to {LONGEST_NAME} characters, none of them a control character, and no space around it"
            );
            let problem = Problem::new("name", message);
            Err(Error::invalid("the name cannot be so", vec![problem]))
        }
    }
}
