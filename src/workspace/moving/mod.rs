//! Moving connections, jobs and chains between orgs.

mod place;
mod plan;

use std::collections::BTreeMap;

use serde::Serialize;

use self::plan::Plan;
use super::{Workspace, chains};
use crate::host::Context;
use crate::spec::{ConnectionSpec, ExportSpec};
use crate::{Error, Result};

/// How often an import is planned anew when the workspace changed meanwhile.
const TRIES: usize = 20;

/// How a document is brought into a workspace.
///
/// ```
/// use syncline::workspace::ImportRequest;
///
/// // From the sandbox into production, and at first only to see what would change.
/// let request = ImportRequest::new().with_connection("crm sandbox", "crm").with_dry_run();
/// assert!(request.dry_run);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportRequest {
    /// Which connection that the document has, or that its jobs name, is which of the workspace, each by name or id. Others are found by id, then
    /// by name.
    pub connections: BTreeMap<String, String>,
    /// Tell what would change, and change nothing.
    pub dry_run: bool,
}

impl ImportRequest {
    /// Finds all by id, then by name.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, where this connection of the document is that one of the workspace.
    #[must_use]
    pub fn with_connection(
        mut self,
        of_document: impl Into<String>,
        here: impl Into<String>,
    ) -> Self {
        self.connections.insert(of_document.into(), here.into());
        self
    }

    /// The same, only told.
    #[must_use]
    pub fn with_dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }
}

/// What an import did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ImportReport {
    /// Connections, in the order of the document.
    pub connections: Vec<ImportStep>,
    /// Jobs, in the order of the document.
    pub jobs: Vec<ImportStep>,
    /// Chains, in the order of the document.
    pub chains: Vec<ImportStep>,
    /// Whether nothing was changed.
    pub dry_run: bool,
}

/// What becomes of one part of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ImportStep {
    /// Its name in the document.
    pub name: String,
    /// Its id in the workspace.
    pub id: String,
    /// What is done.
    pub action: ImportAction,
}

/// What is done with one part of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ImportAction {
    /// It is new here. A connection has to be authorized.
    Create,
    /// One that is here becomes like it.
    Update,
    /// One that is here stays as it is: each connection, since it belongs to its own organisation, and a job that is the same.
    Keep,
}

impl Workspace {
    /// All connections, without their secrets, all jobs and all chains, as one document. It does not depend on the order in which they were made.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn export(&self, context: &Context) -> Result<ExportSpec> {
        let (roster, jobs) = self.jobs().snapshot(context, |_| true).await?;
        let connections = roster.present().map(|entry| ConnectionSpec {
            id: Some(entry.id.clone()),
            ..entry.spec.clone()
        });
        let jobs = jobs.into_iter().map(|view| view.spec).collect();
        let chains = roster
            .chains
            .iter()
            .map(|chain| chains::shown(&roster, chain));
        let document = ExportSpec::new(jobs).with_connections(connections.collect());
        Ok(document.with_chains(chains.collect()))
    }

    /// Brings a document's connections, jobs and chains into the workspace, whole or not at all. A job is the one of the same id, or else the one that
    /// the same template gave the same connection, or else the one of the same name; what is not here yet is made. Nothing that only the workspace has is removed. Doing so again changes nothing.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) with all that does not fit here, each with its path in the document;
    /// [`NotFound`](crate::ErrorKind::NotFound) if the request names a connection that is not here. Then nothing was changed.
    pub async fn import(
        &self,
        context: &Context,
        document: &ExportSpec,
        request: &ImportRequest,
    ) -> Result<ImportReport> {
        let imported = self.imported(context, document, request).await;
        imported.map_err(|error| error.during("import"))
    }

    async fn imported(
        &self,
        context: &Context,
        document: &ExportSpec,
        request: &ImportRequest,
    ) -> Result<ImportReport> {
        for _ in 0..TRIES {
            let plan = self.plan(context, document, request).await?;
            if request.dry_run {
                return Ok(plan.report);
            }
            if self.carry_out(context, &plan).await? {
                for (id, edition) in &plan.replaced {
                    self.jobs().forget_edition(context, id, edition).await?;
                }
                return Ok(plan.report);
            }
        }
        let message = "the workspace changes all the time; import when others are done";
        Err(Error::new(crate::ErrorKind::Conflict, message))
    }

    /// Saves what is planned; `false` says that the workspace is no longer the one that it was planned for.
    async fn carry_out(&self, context: &Context, plan: &Plan) -> Result<bool> {
        let jobs = self.jobs();
        let mut editions = BTreeMap::new();
        for (id, spec) in &plan.specs {
            editions.insert(id.as_str(), jobs.save_edition(context, id, spec).await?);
        }
        let mut roster = plan.roster.clone();
        for job in &mut roster.jobs {
            if let Some(edition) = editions.get(job.id.as_str()) {
                job.edition.clone_from(edition);
            }
        }
        let done = self.change(context, |now| {
            // What was done by a try whose answer was lost is done.
            if *now == roster {
                return Ok(true);
            }
            let same = *now == plan.base;
            if same {
                now.clone_from(&roster);
            }
            Ok(same)
        });
        let done = done.await?;
        if !done {
            for (id, edition) in &editions {
                jobs.forget_edition(context, id, edition).await?;
            }
        }
        Ok(done)
    }
}
