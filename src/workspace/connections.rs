//! What a tenant is connected to.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use indexmap::IndexMap;
use serde_json::Value;

use super::activity::{Attempt, AuditAction};
use super::life::{ConnectionAction, ConnectionState};
use super::roster::{ConnectionEntry, Roster, check_name};
use super::{Workspace, open};
use crate::authorization::{AuthorizationState, CredentialRecord};
use crate::connector::{AuthMethod, ConnectorInfo, Instances};
use crate::error::Problem;
use crate::host::{Context, Expected, StateKey, StateKind, unique};
use crate::spec::ConnectionSpec;
use crate::{Error, ErrorKind, Result, Secret};

/// The connections of a [`Workspace`].
///
/// ```
/// # futures::executor::block_on(async {
/// # use std::sync::Arc;
/// # use syncline::Tenant;
/// # use syncline::connector::{ConnectorCategory, ConnectorInfo, Registry};
/// # use syncline::host::{Context, HttpResponse};
/// # use syncline::memory::{MemoryCipher, MemoryConnection, MemoryConnector, MemoryState, MemoryTransport};
/// # use syncline::record::{Field, FieldType};
/// # use syncline::spec::{Identity, ObjectSpec};
/// # use syncline::workspace::{Workspace, WorkspaceConfig};
/// # let email = || vec![Field::new("email", FieldType::Email)];
/// # let user = ObjectSpec::new("user", Identity::Generated, email());
/// # let desk = MemoryConnection::new("desk").with_object(&user)?;
/// # let info = ConnectorInfo::new("desk", "Acme Desk", ConnectorCategory::Support);
/// # let registry = Registry::new().with(Arc::new(MemoryConnector::new(info, desk)))?;
/// # let home = MemoryConnection::new("home").with_object(&ObjectSpec::new("person", Identity::Generated, email()))?;
/// # let transport = MemoryTransport::new(|request| Ok(HttpResponse::of(request, 404, "")));
/// # let (state, cipher) = (Arc::new(MemoryState::new()), Arc::new(MemoryCipher::new()));
/// # let config = WorkspaceConfig::new(Tenant::new("acme")?, state, cipher, Arc::new(transport), Arc::new(home));
/// # let workspace = Workspace::new(config.with_registry(Arc::new(registry)));
/// # let context = Context::new();
/// use syncline::spec::ConnectionSpec;
/// use syncline::workspace::{ConnectionState, JobsOnDelete};
///
/// let connections = workspace.connections();
/// let desk = connections.create(&context, ConnectionSpec::new("our desk", "desk")).await?;
/// // This connector asks for no authorization.
/// assert_eq!(desk.state, ConnectionState::Active);
/// let refreshed = connections.refresh(&context, &desk.id).await?;
/// assert_eq!(refreshed.change.added, ["user"]);
/// connections.rename(&context, &desk.id, "support").await?;
/// connections.delete(&context, &desk.id, JobsOnDelete::Refuse).await?;
/// assert!(connections.get(&context, &desk.id).await.is_err());
/// # Ok::<(), syncline::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Connections<'a>(pub(super) &'a Workspace);

/// A connection, for people.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConnectionView {
    /// What its jobs and calls name it by.
    pub id: String,
    /// What the customer chose.
    pub spec: ConnectionSpec,
    /// How it is.
    pub state: ConnectionState,
    /// Why it cannot be used as it is, and what to do: its connector is not registered any more, a secret is missing, its credential cannot be
    /// read.
    pub problem: Option<String>,
    /// How its authorization is; `None` if its method asks for nothing.
    pub authorization: Option<AuthorizationState>,
    /// The organisation that it belongs to, in the outside system's own words, if it tells.
    pub organization: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When the customer last changed it.
    pub changed_at: DateTime<Utc>,
}

impl<'a> Connections<'a> {
    /// Makes a connection, which is to be authorized.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) with all that is wrong with the spec; [`NotFound`](ErrorKind::NotFound) for a kind without
    /// connector; [`Conflict`](ErrorKind::Conflict) if the name is taken, or the kind has room for one connection and has it.
    pub async fn create(self, context: &Context, spec: ConnectionSpec) -> Result<ConnectionView> {
        let created = self.created(context, spec).await;
        created.map_err(|error| error.during("create connection"))
    }

    async fn created(self, context: &Context, mut spec: ConnectionSpec) -> Result<ConnectionView> {
        let info = self.info(&spec.kind)?;
        spec.id = None;
        valid(info, &spec)?;
        // A later release may put another method first.
        spec.method = Some(info.method(&spec)?.name.clone());
        self.0.sweep(context).await?;
        let now = context.clock().now();
        let id = unique(context.entropy());
        self.0
            .change(context, |roster| {
                // What was done by a try whose answer was lost is done.
                if roster.connection(&id).is_err() {
                    admit(roster, info, &spec, None)?;
                    let made = entry(id.clone(), spec.clone(), now);
                    roster.connections.push(made);
                }
                Ok(())
            })
            .await?;
        self.get(context, &id).await
    }

    /// All of them, by name.
    ///
    /// # Errors
    /// Those of the store and the cipher.
    pub async fn list(self, context: &Context) -> Result<Vec<ConnectionView>> {
        let roster = self.0.roster(context).await?;
        let mut views = Vec::new();
        for entry in roster.present() {
            views.push(self.view(context, entry).await?);
        }
        views.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
        Ok(views)
    }

    /// The connection of this id.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound), and those of the store and the cipher.
    pub async fn get(self, context: &Context, id: &str) -> Result<ConnectionView> {
        let roster = self.0.roster(context).await?;
        self.view(context, roster.connection(id)?).await
    }

    /// Gives it another name. Its jobs keep theirs.
    ///
    /// # Errors
    /// [`Conflict`](ErrorKind::Conflict) if the name is taken, and those of [`get`](Self::get).
    pub async fn rename(self, context: &Context, id: &str, name: &str) -> Result<ConnectionView> {
        self.may(context, id, ConnectionAction::Rename).await?;
        check_name(name)?;
        let change = |roster: &mut Roster| {
            roster.connection_name_is_free(name, Some(id))?;
            let entry = roster.connection_mut(id)?;
            name.clone_into(&mut entry.spec.name);
            Ok(())
        };
        self.changed(context, id, change).await
    }

    /// Answers its connector's questions anew. Secrets that are not given stay as they are.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) with all that is wrong with the answers, and those of [`get`](Self::get).
    pub async fn configure(
        self,
        context: &Context,
        id: &str,
        config: IndexMap<String, Value>,
        secrets: BTreeMap<String, Secret>,
    ) -> Result<ConnectionView> {
        let view = self.may(context, id, ConnectionAction::Configure).await?;
        let kept = view.clone();
        let mut spec = view.spec;
        spec.config.clone_from(&config);
        let info = self.info(&spec.kind)?;
        let mut problems = Vec::new();
        for (name, secret) in &secrets {
            let field = info.config.iter().find(|field| field.name == *name);
            let message = match field.is_some_and(|field| field.is_secret()) {
                false => "the connector has no such secret",
                true if secret.is_empty() => "the secret is empty; give it, or leave it out",
                true => continue,
            };
            problems.push(Problem::new(format!("config.{name}"), message));
        }
        if !problems.is_empty() {
            let what = "the connection cannot be configured so";
            return Err(Error::invalid(what, problems));
        }
        valid(info, &spec)?;
        if !secrets.is_empty() {
            let update = |record: &mut CredentialRecord| record.secrets.extend(secrets.clone());
            let record = open::config_secrets(id);
            let names: Vec<&String> = secrets.keys().collect();
            let named = serde_json::json!({ "secrets": names });
            let action = AuditAction::GiveSecrets;
            let attempt = Attempt::begin(self.0, context, action, &kept, Some(named)).await?;
            let saved = self.save(context, &record, update).await;
            attempt.end(saved).await?;
            self.still_there(context, id).await?;
        }
        let change = |roster: &mut Roster| {
            roster.connection_mut(id)?.spec.config.clone_from(&config);
            Ok(())
        };
        self.changed(context, id, change).await
    }

    /// Chooses another kind of organisation or another way to authorize, for a connection that nobody has authorized yet.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) if it was authorized before, since it stays with its organisation; and those of
    /// [`get`](Self::get).
    pub async fn change_org(
        self,
        context: &Context,
        id: &str,
        org: crate::spec::Org,
        method: Option<String>,
    ) -> Result<ConnectionView> {
        let view = self.may(context, id, ConnectionAction::Configure).await?;
        let mut spec = view.spec.clone();
        (spec.org, spec.method) = (org, method);
        let info = self.info(&spec.kind)?;
        valid(info, &spec)?;
        spec.method = Some(info.method(&spec)?.name.clone());
        let untouched = [None, Some(AuthorizationState::Unauthorized)];
        if !untouched.contains(&view.authorization) && spec != view.spec {
            let message = "a connection stays with the organisation that it was authorized for; make another connection for this one";
            let problem = Problem::new("org", message);
            let what = "the connection cannot be moved";
            return Err(Error::invalid(what, vec![problem]));
        }
        let change = |roster: &mut Roster| {
            let kept = &mut roster.connection_mut(id)?.spec;
            kept.org.clone_from(&spec.org);
            kept.method.clone_from(&spec.method);
            Ok(())
        };
        self.changed(context, id, change).await
    }

    /// Lets it be used again.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) if it is not disabled, and those of [`get`](Self::get).
    pub async fn enable(self, context: &Context, id: &str) -> Result<ConnectionView> {
        self.may(context, id, ConnectionAction::Enable).await?;
        self.switch(context, id, true).await
    }

    /// Lets nothing be done with it until it is [enabled](Self::enable): its jobs do not run.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) if it is disabled already, and those of [`get`](Self::get).
    pub async fn disable(self, context: &Context, id: &str) -> Result<ConnectionView> {
        self.may(context, id, ConnectionAction::Disable).await?;
        self.switch(context, id, false).await
    }

    async fn switch(self, context: &Context, id: &str, enabled: bool) -> Result<ConnectionView> {
        let change = |roster: &mut Roster| {
            roster.connection_mut(id)?.enabled = enabled;
            Ok(())
        };
        self.changed(context, id, change).await
    }

    /// Changes its entry, and nothing that somebody else changed meanwhile.
    async fn changed(
        self,
        context: &Context,
        id: &str,
        mut change: impl FnMut(&mut Roster) -> Result<()>,
    ) -> Result<ConnectionView> {
        let now = context.clock().now();
        let change = |roster: &mut Roster| {
            change(roster)?;
            roster.connection_mut(id)?.changed_at = now;
            Ok(())
        };
        self.0.change(context, change).await?;
        self.get(context, id).await
    }

    /// The connection, if this may be done with it.
    pub(super) async fn may(
        self,
        context: &Context,
        id: &str,
        action: ConnectionAction,
    ) -> Result<ConnectionView> {
        let view = self.get(context, id).await?;
        view.allow(action)?;
        Ok(view)
    }

    pub(super) async fn view(
        self,
        context: &Context,
        entry: &ConnectionEntry,
    ) -> Result<ConnectionView> {
        let loaded = self.0.credentials(context).load(&entry.id).await;
        let (record, mut problem) = match loaded {
            Ok(loaded) => (loaded.map(|loaded| loaded.record), None),
            Err(error) if is_of_the_store(&error) => return Err(error),
            Err(error) => (None, Some(error.to_string())),
        };
        let now = context.clock().now();
        let mut authorization = None;
        match self.method(&entry.spec) {
            Ok(method) => {
                authorization = open::state(&method.way, record.as_ref(), now);
                let lacking = self.lacking(context, &entry.id, &entry.spec).await?;
                problem = problem.or(lacking);
            }
            Err(error) => problem = Some(error.to_string()),
        }
        let mut spec = entry.spec.clone();
        spec.id = Some(entry.id.clone());
        Ok(ConnectionView {
            id: entry.id.clone(),
            spec,
            state: ConnectionState::of(authorization, entry.enabled, problem.is_none()),
            problem,
            authorization,
            organization: record.and_then(|record| record.organization),
            created_at: entry.created_at,
            changed_at: entry.changed_at,
        })
    }

    pub(super) fn info(self, kind: &str) -> Result<&'a ConnectorInfo> {
        Ok(self.0.registry().connector(kind)?.info())
    }

    pub(super) fn method(self, spec: &ConnectionSpec) -> Result<&'a AuthMethod> {
        self.info(&spec.kind)?.method(spec)
    }

    pub(super) fn catalog_key(self, id: &str) -> Result<StateKey> {
        self.0.key(StateKind::Catalog, [id])
    }

    /// Changes a record of secrets.
    pub(super) async fn save(
        self,
        context: &Context,
        record: &str,
        update: impl Fn(&mut CredentialRecord),
    ) -> Result<()> {
        let credentials = self.0.credentials(context);
        loop {
            let (mut new, expected) = match credentials.load(record).await? {
                None => (CredentialRecord::new(), Expected::Absent),
                Some(loaded) => (loaded.record, Expected::Version(loaded.version)),
            };
            update(&mut new);
            let swapped = credentials.swap(context, record, &new, expected).await?;
            if swapped.is_some() {
                return Ok(());
            }
        }
    }
}

/// Whether an error says nothing about what was looked for.
pub(super) fn is_of_the_store(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Io | ErrorKind::Timeout)
}

/// A connection that is not authorized yet.
pub(super) fn entry(id: String, spec: ConnectionSpec, now: DateTime<Utc>) -> ConnectionEntry {
    ConnectionEntry {
        id,
        spec,
        enabled: true,
        going: None,
        declined: Vec::new(),
        created_at: now,
        changed_at: now,
    }
}

pub(super) fn valid(info: &ConnectorInfo, spec: &ConnectionSpec) -> Result<()> {
    let mut problems = info.problems(spec);
    if let Err(error) = check_name(&spec.name) {
        problems.retain(|problem| problem.path != "name");
        problems.splice(0..0, error.problems().iter().cloned());
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Error::invalid("the connection cannot be so", problems)),
    }
}

/// Whether the roster has room for a connection, in place of the one of this id.
pub(super) fn admit(
    roster: &Roster,
    info: &ConnectorInfo,
    spec: &ConnectionSpec,
    id: Option<&str>,
) -> Result<()> {
    roster.connection_name_is_free(&spec.name, id)?;
    let of_kind = |other: &&ConnectionEntry| other.spec.kind == spec.kind && Some(&*other.id) != id;
    let other = roster.present().find(of_kind);
    match (info.instances, other) {
        (Instances::Single, Some(other)) => {
            let message = "there may be one connection of this kind, and there is; use that one";
            Err(Error::new(ErrorKind::Conflict, message)
                .with("kind", &spec.kind)
                .with("connection", &other.spec.name))
        }
        _ => Ok(()),
    }
}
