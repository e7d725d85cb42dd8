//! What a tenant is connected to.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use indexmap::IndexMap;
use serde_json::Value;

use super::life::{ConnectionAction, ConnectionState};
use super::roster::{ConnectionEntry, Roster};
use super::{Workspace, open};
use crate::authorization::{
    AuthorizationState, CredentialRecord, LoadedCredential, Revocation, RevokeMode,
};
use crate::connector::{AuthMethod, AuthWay, ConnectorInfo, Instances};
use crate::error::Problem;
use crate::host::{Context, Expected, StateKey, StateKind, unique};
use crate::spec::ConnectionSpec;
use crate::{Error, ErrorKind, Result, Secret};

/// The connections of a [`Workspace`].
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
    /// How its authorization is; `None` if its method asks for nothing.
    pub authorization: Option<AuthorizationState>,
    /// The organisation that it belongs to, in the outside system's own words, if it tells.
    pub organization: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When the customer last changed it.
    pub changed_at: DateTime<Utc>,
}

/// What becomes of a connection's jobs when it is deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobsOnDelete {
    /// As long as it has any, it is not deleted.
    #[default]
    Refuse,
    /// They are deleted too.
    Delete,
}

/// What was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deleted {
    /// How many jobs.
    pub jobs: usize,
    /// Whether the outside system confirmed that the credential is worth nothing any more; `None` if there was none to give back.
    pub revocation: Option<Revocation>,
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
        self.sweep(context).await?;
        let now = context.clock().now();
        let id = unique(context.entropy());
        self.0
            .change(context, |roster| {
                admit(roster, info, &spec, None)?;
                roster
                    .connections
                    .push(entry(id.clone(), spec.clone(), now));
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
        let mut spec = self.may(context, id, ConnectionAction::Rename).await?.spec;
        spec.name = name.to_owned();
        self.replace(context, id, spec).await
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
        let mut spec = self
            .may(context, id, ConnectionAction::Configure)
            .await?
            .spec;
        spec.config = config;
        let info = self.info(&spec.kind)?;
        let strange = secrets.keys().filter(|name| {
            let field = info.config.iter().find(|field| field.name == **name);
            !field.is_some_and(|field| field.is_secret())
        });
        let strange: Vec<Problem> = strange
            .map(|name| Problem::new(format!("config.{name}"), "the connector has no such secret"))
            .collect();
        if !strange.is_empty() {
            return Err(Error::invalid(
                "the connection cannot be configured so",
                strange,
            ));
        }
        valid(info, &spec)?;
        if !secrets.is_empty() {
            let update = |record: &mut CredentialRecord| record.secrets.extend(secrets.clone());
            self.save(context, &open::config_secrets(id), update)
                .await?;
        }
        self.replace(context, id, spec).await
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
        if view.state != ConnectionState::Unauthorized && spec != view.spec {
            let message = "a connection stays with the organisation that it was authorized for; make another connection for this one";
            let problem = Problem::new("org", message);
            return Err(Error::invalid(
                "the connection cannot be moved",
                vec![problem],
            ));
        }
        self.replace(context, id, spec).await
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
        let now = context.clock().now();
        let change = |roster: &mut Roster| {
            let entry = roster.connection_mut(id)?;
            (entry.enabled, entry.changed_at) = (enabled, now);
            Ok(())
        };
        self.0.change(context, change).await?;
        self.get(context, id).await
    }

    /// Removes it with all that belongs to it. A token is given back first, if the outside system takes it; if it does not, that is
    /// told, and the connection is removed all the same.
    ///
    /// # Errors
    /// [`Conflict`](ErrorKind::Conflict) if it has jobs and these are not to be deleted too, with their names; and those of
    /// [`get`](Self::get). What was begun is completed by the next call that makes or deletes a connection.
    pub async fn delete(self, context: &Context, id: &str, jobs: JobsOnDelete) -> Result<Deleted> {
        let deleted = self.deleted(context, id, jobs).await;
        deleted.map_err(|error| error.during("delete connection"))
    }

    async fn deleted(self, context: &Context, id: &str, jobs: JobsOnDelete) -> Result<Deleted> {
        let view = self.may(context, id, ConnectionAction::Delete).await?;
        let gone = self
            .0
            .change(context, |roster| {
                let names: Vec<&str> = roster.jobs_of(id).map(|job| job.name.as_str()).collect();
                if jobs == JobsOnDelete::Refuse && !names.is_empty() {
                    let message =
                        "the connection has jobs; delete these first, or together with it";
                    return Err(Error::new(ErrorKind::Conflict, message)
                        .with("connection", &view.spec.name)
                        .with("jobs", names.join(", ")));
                }
                roster.connection_mut(id)?.going = true;
                let (gone, kept) = std::mem::take(&mut roster.jobs)
                    .into_iter()
                    .partition(|job| job.connection.as_deref() == Some(id));
                roster.jobs = kept;
                Ok::<Vec<_>, Error>(gone)
            })
            .await?;
        for job in &gone {
            self.0.jobs().clear(context, &job.id).await?;
        }
        let revocation = match (self.method(&view.spec)?.way.clone(), view.authorization) {
            (AuthWay::OAuth { .. }, Some(state)) if state != AuthorizationState::Unauthorized => {
                let oauth =
                    self.oauth(id, &view.spec, &self.config(context, id, &view.spec).await?)?;
                Some(oauth.revoke(context, RevokeMode::Force).await?)
            }
            _ => None,
        };
        self.sweep(context).await?;
        Ok(Deleted {
            jobs: gone.len(),
            revocation,
        })
    }

    /// Completes what was begun to be removed.
    async fn sweep(self, context: &Context) -> Result<()> {
        let roster = self.0.roster(context).await?;
        let going: Vec<&ConnectionEntry> = roster.connections.iter().filter(|c| c.going).collect();
        for ConnectionEntry { id, .. } in going {
            for record in [id.clone(), open::config_secrets(id)] {
                while let Some(LoadedCredential { version, .. }) =
                    self.0.credentials(context).load(&record).await?
                {
                    if self.0.credentials(context).delete(&record, version).await? {
                        break;
                    }
                }
            }
            let documents = self.0.documents(context);
            documents.remove(&self.catalog_key(id)?).await?;
            self.0
                .change(context, |roster| {
                    roster.connections.retain(|entry| entry.id != *id);
                    Ok(())
                })
                .await?;
        }
        Ok(())
    }

    /// Puts a spec in place of one.
    async fn replace(
        self,
        context: &Context,
        id: &str,
        mut spec: ConnectionSpec,
    ) -> Result<ConnectionView> {
        let info = self.info(&spec.kind)?;
        spec.id = None;
        valid(info, &spec)?;
        let now = context.clock().now();
        let change = |roster: &mut Roster| {
            admit(roster, info, &spec, Some(id))?;
            let entry = roster.connection_mut(id)?;
            entry.spec = spec.clone();
            entry.changed_at = now;
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
        let loaded = self.0.credentials(context).load(&entry.id).await?;
        let record = loaded.as_ref().map(|loaded| &loaded.record);
        let authorization = match self.method(&entry.spec)?.way {
            AuthWay::Open => None,
            AuthWay::Key { .. } => Some(open::key_state(record)),
            AuthWay::OAuth { .. } => Some(AuthorizationState::of(record, context.clock().now())),
        };
        let mut spec = entry.spec.clone();
        spec.id = Some(entry.id.clone());
        Ok(ConnectionView {
            id: entry.id.clone(),
            spec,
            state: ConnectionState::of(authorization, entry.enabled),
            authorization,
            organization: record.and_then(|record| record.organization.clone()),
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

/// A connection that is not authorized yet.
pub(super) fn entry(id: String, spec: ConnectionSpec, now: DateTime<Utc>) -> ConnectionEntry {
    ConnectionEntry {
        id,
        spec,
        enabled: true,
        going: false,
        declined: Vec::new(),
        created_at: now,
        changed_at: now,
    }
}

pub(super) fn valid(info: &ConnectorInfo, spec: &ConnectionSpec) -> Result<()> {
    let problems = info.problems(spec);
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
    if info.instances == Instances::Single
        && let Some(other) = roster.present().find(of_kind)
    {
        let message = "there may be one connection of this kind, and there is; use that one";
        return Err(Error::new(ErrorKind::Conflict, message)
            .with("kind", &spec.kind)
            .with("connection", &other.spec.name));
    }
    Ok(())
}
