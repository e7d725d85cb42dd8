//! What the host has: one tenant's workspace, its own objects, the runs, the sessions.

use std::sync::Arc;

use syncline::adapter::ReqwestTransport;
use syncline::connector::{Connector, OAuthClient, Registry};
use syncline::file::LocalState;
use syncline::host::{CancelToken, Cipher, Context, StateStore, ThreadPool};
use syncline::memory::{MemoryConnection, MemoryState};
use syncline::record::{Field, FieldType};
use syncline::spec::{Identity, ObjectSpec};
use syncline::workspace::{Workspace, WorkspaceConfig};
use syncline::{Result, Tenant};
use url::Url;

use crate::cipher::XChaCha;
use crate::rejects::Rejects;
use crate::runs::{Run, Runs};
use crate::session::Sessions;
use crate::settings::Settings;

/// The objects that jobs write.
pub(crate) const OBJECTS: [&str; 2] = ["company", "person"];

/// The host.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) workspace: Workspace,
    pub(crate) sessions: Sessions,
    pub(crate) runs: Runs,
    pub(crate) rejects: Rejects,
    /// Where the outside system sends browsers back to.
    pub(crate) redirect: Url,
    pub(crate) context: Context,
    home: MemoryConnection,
}

impl Host {
    pub(crate) fn new(
        settings: &Settings,
        redirect: Url,
        connector: Arc<dyn Connector>,
        client: OAuthClient,
    ) -> Result<Self> {
        let kind = connector.info().kind.clone();
        let registry = Registry::new()
            .with(connector)?
            .with_client(&kind, client)?;
        let (state, cipher): (Arc<dyn StateStore>, Arc<dyn Cipher>) = match &settings.kept {
            Some((folder, key)) => {
                let state = LocalState::new(folder.join("state"));
                (Arc::new(state), Arc::new(XChaCha::new(key)))
            }
            None => {
                let state = Arc::new(MemoryState::new());
                (state, Arc::new(XChaCha::of_this_process()))
            }
        };
        // The host's own objects. They are in memory; a real host has a database behind this.
        let home = MemoryConnection::new("home")
            .with_object(&company())?
            .with_object(&person())?;
        let config = WorkspaceConfig::new(
            Tenant::new("demo")?,
            state,
            cipher,
            Arc::new(ReqwestTransport::new()?),
            Arc::new(home.clone()),
        );
        let context = Context::new()
            .with_clock(Arc::clone(&settings.clock))
            .with_executor(Arc::new(ThreadPool::new(2)?))
            .with_cancel(CancelToken::new());
        Ok(Host {
            workspace: Workspace::new(config.with_registry(Arc::new(registry))),
            sessions: Sessions::default(),
            runs: Runs::new(Arc::clone(&settings.clock)),
            rejects: Rejects::new(settings),
            redirect,
            context,
            home,
        })
    }

    /// How many records the host has of an object.
    pub(crate) fn records(&self, object: &str) -> usize {
        self.home.object(object).map_or(0, |object| object.len())
    }

    /// Runs a job now.
    pub(crate) fn run(&self, job: &str) -> Arc<Run> {
        self.runs
            .begin(&self.workspace, &self.context, job, &self.rejects)
    }

    /// Has all runs end behind the batch that they are at, and waits for that.
    pub(crate) async fn stop(&self) {
        self.context.cancel().cancel();
        self.runs.ended().await;
    }
}

fn company() -> ObjectSpec {
    let fields = vec![
        Field::new("crm_id", FieldType::Text).required(),
        Field::new("name", FieldType::Text).required(),
        Field::new("industry", FieldType::Text),
        Field::new("employees", FieldType::Integer),
        Field::new("parent", FieldType::Lookup("company".into())),
    ];
    ObjectSpec::new("company", Identity::Generated, fields)
}

fn person() -> ObjectSpec {
    let fields = vec![
        Field::new("crm_id", FieldType::Text).required(),
        Field::new("email", FieldType::Email).required(),
        Field::new("first_name", FieldType::Text),
        Field::new("last_name", FieldType::Text),
        Field::new("birthday", FieldType::Date),
        Field::new("company", FieldType::Lookup("company".into())),
    ];
    ObjectSpec::new("person", Identity::Generated, fields)
}
