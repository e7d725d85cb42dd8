//! Which connections and jobs a tenant has.
//!
//! They stand in one document, so that what must hold over all of them holds at every moment: names are unique, a job's connection is
//! there, and an import is made whole or not at all. What is large, the spec of a job, stands beside it, an edition each; the roster says
//! which edition counts, and what it does not name is nothing.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::spec::ConnectionSpec;
use crate::{Error, ErrorKind, Result};

/// The connections and jobs of a tenant.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Roster {
    pub(super) connections: Vec<ConnectionEntry>,
    pub(super) jobs: Vec<JobEntry>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConnectionEntry {
    pub(super) id: String,
    /// Without the id.
    pub(super) spec: ConnectionSpec,
    pub(super) enabled: bool,
    /// It is being removed: nobody sees it, and what belongs to it is deleted before it is.
    pub(super) going: bool,
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
    /// Which of its specs counts.
    pub(super) edition: String,
    pub(super) enabled: bool,
    /// Its source is gone.
    pub(super) retired: bool,
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
        let found = connections.find(|connection| connection.id == id && !connection.going);
        found.ok_or_else(|| not_found("connection", id))
    }

    /// The connections that are not being removed.
    pub(super) fn present(&self) -> impl Iterator<Item = &ConnectionEntry> {
        self.connections
            .iter()
            .filter(|connection| !connection.going)
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

    pub(super) fn jobs_of(&self, connection: &str) -> impl Iterator<Item = &JobEntry> {
        let connection = connection.to_owned();
        (self.jobs.iter()).filter(move |job| job.connection.as_deref() == Some(&*connection))
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
