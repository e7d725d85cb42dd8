//! Removing connections and jobs, also when a process dies amid it.
//!
//! What is removed is off the roster's lists at once. What belongs to it is deleted then, and again when a quarter of an hour has passed: until
//! then a run that had begun before may save something still. After that an id is free again.

use chrono::TimeDelta;

use super::connections::is_of_the_store;
use super::life::ConnectionAction;
use super::roster::{ConnectionEntry, GoneJob, Roster, not_found};
use super::{Connections, Workspace, chains, jobs, open};
use crate::authorization::{CredentialRecord, Revocation, RevokeMode, Standing};
use crate::connector::AuthWay;
use crate::host::{Context, StateKind};
use crate::spec::{ConnectionSpec, Member};
use crate::{Error, ErrorKind, Result};

/// How long one who removes something is left alone. Then others complete it.
const ALONE: TimeDelta = TimeDelta::minutes(2);
/// How long a run that began before may still save something.
const LAST: TimeDelta = TimeDelta::minutes(15);

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

impl Connections<'_> {
    /// Removes it with all that belongs to it. A token is given back first, if the outside system takes it; if it does not, that is
    /// told, and the connection is removed all the same.
    ///
    /// # Errors
    /// [`Conflict`](ErrorKind::Conflict) if it has jobs and these are not to be deleted too, with their names, or a chain or a job of another
    /// connection needs one of them; and those of [`get`](Self::get). What a process began and did not complete is completed by a later [`sweep`](Workspace::sweep).
    pub async fn delete(self, context: &Context, id: &str, jobs: JobsOnDelete) -> Result<Deleted> {
        let deleted = self.deleted(context, id, jobs).await;
        deleted.map_err(|error| error.during("delete connection"))
    }

    async fn deleted(self, context: &Context, id: &str, jobs: JobsOnDelete) -> Result<Deleted> {
        let view = self.may(context, id, ConnectionAction::Delete).await?;
        let now = context.clock().now();
        let mut gone: Vec<String> = Vec::new();
        let change = |roster: &mut Roster| {
            // What was done by a try whose answer was lost is done.
            if roster.connection(id).is_err() {
                return Ok(());
            }
            let names: Vec<&str> = roster.jobs_of(id).map(|job| job.name.as_str()).collect();
            if jobs == JobsOnDelete::Refuse && !names.is_empty() {
                let message = "the connection has jobs; delete these first, or together with it";
                return Err(Error::new(ErrorKind::Conflict, message)
                    .with("connection", &view.spec.name)
                    .with("jobs", names.join(", ")));
            }
            gone = roster.jobs_of(id).map(|job| job.id.clone()).collect();
            let members: Vec<Member> = gone.iter().map(Member::job).collect();
            chains::free(roster, &members)?;
            let of_it: Vec<&str> = gone.iter().map(String::as_str).collect();
            jobs::free(roster, &of_it)?;
            roster.connection_mut(id)?.going = Some(now);
            gone.iter().for_each(|job| roster.remove_job(job, now));
            Ok(())
        };
        self.0.change(context, change).await?;
        for job in &gone {
            self.0.jobs().clear(context, job).await?;
        }
        let revocation = self.leave(context, id, &view.spec).await?;
        self.0.sweep(context).await?;
        Ok(Deleted {
            jobs: gone.len(),
            revocation,
        })
    }

    /// Gives back what lets it in, and leaves in its place that it was revoked: so nobody who is under way gets anything new.
    async fn leave(
        self,
        context: &Context,
        id: &str,
        spec: &ConnectionSpec,
    ) -> Result<Option<Revocation>> {
        let unconfirmed = Some(Revocation { confirmed: false });
        let revocation = match self.0.credentials(context).load(id).await {
            Err(error) if is_of_the_store(&error) => return Err(error),
            Err(_) => {
                let key = self.0.key(StateKind::Credential, [id])?;
                self.0.documents(context).remove(&key).await?;
                unconfirmed
            }
            Ok(Some(loaded)) if !loaded.record.secrets.is_empty() => {
                let way = self.method(spec).ok().map(|method| &method.way);
                let revoked = match way {
                    Some(AuthWay::OAuth { .. }) => self.given_back(context, id, spec).await.ok(),
                    _ => None,
                };
                revoked.or(unconfirmed)
            }
            Ok(_) => None,
        };
        let revoked = |record: &mut CredentialRecord| {
            record.standing = Standing::Revoked;
            record.secrets.clear();
        };
        self.save(context, id, revoked).await?;
        let documents = self.0.documents(context);
        let secrets = open::config_secrets(id);
        let secrets = self.0.key(StateKind::Credential, [secrets])?;
        documents.remove(&secrets).await?;
        documents.remove(&self.catalog_key(id)?).await?;
        Ok(revocation)
    }

    async fn given_back(
        self,
        context: &Context,
        id: &str,
        spec: &ConnectionSpec,
    ) -> Result<Revocation> {
        let config = self.config(context, id, spec).await?;
        let oauth = self.oauth(id, spec, &config)?;
        oauth.revoke(context, RevokeMode::Force).await
    }

    /// Fails if it was removed while something was saved for it, which is taken away again.
    pub(super) async fn still_there(self, context: &Context, id: &str) -> Result<()> {
        let roster = self.0.roster(context).await?;
        match roster.connections.iter().find(|entry| entry.id == id) {
            Some(entry) if entry.going.is_none() => return Ok(()),
            Some(entry) => drop(self.leave(context, id, &entry.spec).await?),
            // That long ago that nobody comes by here again.
            None => self.forget(context, id).await?,
        }
        Err(not_found("connection", id))
    }

    async fn forget(self, context: &Context, id: &str) -> Result<()> {
        let documents = self.0.documents(context);
        for (kind, name) in [
            (StateKind::Credential, id.to_owned()),
            (StateKind::Credential, open::config_secrets(id)),
            (StateKind::Catalog, id.to_owned()),
            (StateKind::Account, id.to_owned()),
        ] {
            documents.remove(&self.0.key(kind, [name])?).await?;
        }
        let change = |roster: &mut Roster| {
            roster.connections.retain(|entry| entry.id != id);
            Ok(())
        };
        self.0.change(context, change).await
    }
}

impl Workspace {
    /// Completes what processes began to remove and did not, and deletes the last of what was removed a quarter of an hour ago. Making and
    /// deleting connections does so too; a host may call it now and then.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn sweep(&self, context: &Context) -> Result<()> {
        let (roster, now) = (self.roster(context).await?, context.clock().now());
        for ConnectionEntry {
            id, spec, going, ..
        } in &roster.connections
        {
            let age = going.map(|at| now - at);
            if age.is_some_and(|age| age >= ALONE) {
                self.connections().leave(context, id, spec).await?;
            }
            if age.is_some_and(|age| age >= LAST) {
                self.connections().forget(context, id).await?;
            }
        }
        for GoneJob { id, at } in &roster.gone_jobs {
            if now - *at >= ALONE {
                self.jobs().clear(context, id).await?;
            }
            if now - *at >= LAST {
                let change = |roster: &mut Roster| {
                    roster.gone_jobs.retain(|job| job.id != *id);
                    Ok(())
                };
                self.change(context, change).await?;
            }
        }
        Ok(())
    }
}
