//! Letting a connection in, and giving back what lets it in.

use std::collections::BTreeMap;
use std::time::Duration;

use super::activity::Attempt;
use super::life::ConnectionAction;
use super::{AuditAction, Connections, Refreshed};
use crate::authorization::{
    AuthorizationState, Authorized, BeginRequest, Callback, Consent, CredentialRecord,
    DeviceConsent, DevicePoll, KeyAuthorization, OAuth, Revocation, RevokeMode, Standing,
    connection_of,
};
use crate::connector::AuthWay;
use crate::error::Problem;
use crate::host::Context;
use crate::{Error, ErrorKind, Result, Secret};

/// What came of authorizing a connection.
#[derive(Debug)]
#[non_exhaustive]
pub struct Connected {
    /// The connection.
    pub id: String,
    /// What was granted; `None` for a key.
    pub authorized: Option<Authorized>,
    /// Its objects and the jobs that it got. An error says that they could not be read: the connection is authorized all the same, and can
    /// be [refreshed](Connections::refresh) later.
    pub refreshed: Result<Refreshed>,
}

/// What came of asking whether a person has consented on another device.
#[derive(Debug)]
#[non_exhaustive]
pub enum Polled {
    /// Not yet: ask again after this time.
    Pending(Duration),
    /// Yes.
    Connected(Box<Connected>),
}

impl Connections<'_> {
    /// Begins to ask a person in a browser, for the first time or again.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) if its method asks nobody in this way, those of
    /// [`OAuth::begin`], and those of [`get`](Self::get).
    pub async fn begin(
        self,
        context: &Context,
        id: &str,
        request: BeginRequest,
    ) -> Result<Consent> {
        let oauth = self.to_authorize(context, id).await?;
        oauth.begin(context, request).await
    }

    /// Takes a callback, whichever connection of the workspace it is for. Then the connection has its jobs.
    ///
    /// # Errors
    /// [`StateMismatch`](ErrorKind::StateMismatch) if nothing like it is waited for, also in another tenant's workspace;
    /// [`NotFound`](ErrorKind::NotFound) if the connection was deleted meanwhile, [`Invalid`](ErrorKind::Invalid) if it was disabled; those of
    /// [`OAuth::complete`], which name the connection's id in their [context](Error::context).
    pub async fn complete(self, context: &Context, callback: Callback) -> Result<Connected> {
        let id = connection_of(&self.0.credentials(context), &callback).await?;
        let oauth = self.to_authorize(context, &id).await?;
        let attempt = self.attempt(context, &id, AuditAction::Authorize).await?;
        let authorized = attempt.end(oauth.complete(context, callback).await).await;
        let authorized = authorized.map_err(|error| error.with("connection", &id))?;
        self.connected(context, id, Some(authorized)).await
    }

    /// Begins to ask a person on another device.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub async fn begin_device(self, context: &Context, id: &str) -> Result<DeviceConsent> {
        let oauth = self.to_authorize(context, id).await?;
        // The entry stays begun: whether the person consents, only a later poll tells, which has an entry of its own.
        self.attempt(context, id, AuditAction::Authorize).await?;
        oauth.begin_device(context).await
    }

    /// Asks whether the person has consented on the other device.
    ///
    /// # Errors
    /// As [`OAuth::poll_device`].
    pub async fn poll_device(
        self,
        context: &Context,
        id: &str,
        consent: &mut DeviceConsent,
    ) -> Result<Polled> {
        let oauth = self.to_authorize(context, id).await?;
        match oauth.poll_device(context, consent).await? {
            DevicePoll::Pending(wait) => Ok(Polled::Pending(wait)),
            DevicePoll::Done(authorized) => {
                let attempt = self.attempt(context, id, AuditAction::Authorize).await?;
                let authorized = attempt.end(Ok(authorized)).await?;
                let connected = self.connected(context, id.to_owned(), Some(authorized));
                Ok(Polled::Connected(Box::new(connected.await?)))
            }
        }
    }

    /// Authorizes a connection whose grant asks nobody.
    ///
    /// # Errors
    /// As [`OAuth::authorize`], and those of [`get`](Self::get).
    pub async fn authorize(self, context: &Context, id: &str) -> Result<Connected> {
        let oauth = self.to_authorize(context, id).await?;
        let attempt = self.attempt(context, id, AuditAction::Authorize).await?;
        let authorized = attempt.end(oauth.authorize(context).await).await?;
        self.connected(context, id.to_owned(), Some(authorized))
            .await
    }

    /// Takes a key that the customer has, by the [names](crate::connector::KeyForm) of its parts, in place of one that was there.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) if a part is missing, empty or none of the key's; [`Unsupported`](ErrorKind::Unsupported) if it
    /// is not authorized by a key; and those of [`get`](Self::get).
    pub async fn give_key(
        self,
        context: &Context,
        id: &str,
        secrets: BTreeMap<String, Secret>,
    ) -> Result<Connected> {
        let view = self.may(context, id, ConnectionAction::Authorize).await?;
        let method = self.method(&view.spec)?;
        let AuthWay::Key { form, hosts } = &method.way else {
            let message = "this connection is not authorized by a key; its method says how";
            return Err(Error::new(ErrorKind::Unsupported, message).with("method", &method.name));
        };
        let names = form.secrets();
        let strange = secrets
            .keys()
            .filter(|name| !names.contains(&name.as_str()));
        let strange: Vec<Problem> = strange
            .map(|name| Problem::new(name, "the key has no such part"))
            .collect();
        if !strange.is_empty() {
            return Err(Error::invalid("the key cannot be so", strange));
        }
        // Whether it can be shown at all.
        KeyAuthorization::new(form.with(&secrets)?, hosts.allow(&view.spec.org)?)?;
        let now = context.clock().now();
        let update = |record: &mut CredentialRecord| {
            record.generation = record.generation.saturating_add(1);
            record.standing = Standing::Granted;
            record.org = Some(view.spec.org.clone());
            record.refreshed_at = Some(now);
            record.secrets = secrets.clone();
        };
        let attempt = self.attempt(context, id, AuditAction::Authorize).await?;
        attempt.end(self.save(context, id, update).await).await?;
        self.connected(context, id.to_owned(), None).await
    }

    /// Gives back what lets it in, and forgets it here. Its jobs fail until it is authorized again.
    ///
    /// # Errors
    /// Those of [`OAuth::revoke`], after which it is as it was; [`Invalid`](ErrorKind::Invalid) if there is nothing to give back; and
    /// those of [`get`](Self::get).
    pub async fn revoke(self, context: &Context, id: &str, mode: RevokeMode) -> Result<Revocation> {
        let view = self.may(context, id, ConnectionAction::Revoke).await?;
        match self.method(&view.spec)?.way {
            AuthWay::Open => {
                let message =
                    "this connection asks for no authorization; disable it to have it rest";
                Err(Error::new(ErrorKind::Unsupported, message).with("connection", &view.spec.name))
            }
            _ if view.authorization == Some(AuthorizationState::Unauthorized) => {
                let message =
                    "nobody has authorized the connection, so there is nothing to give back";
                Err(Error::new(ErrorKind::Invalid, message).with("connection", &view.spec.name))
            }
            AuthWay::Key { .. } => {
                let update = |record: &mut CredentialRecord| {
                    record.standing = Standing::Revoked;
                    record.secrets.clear();
                };
                let attempt = self.attempt(context, id, AuditAction::Revoke).await?;
                attempt.end(self.save(context, id, update).await).await?;
                // The key itself is the customer's: who has it can use it still.
                Ok(Revocation { confirmed: false })
            }
            AuthWay::OAuth { .. } => {
                let config = self.config(context, id, &view.spec).await?;
                let oauth = self.oauth(id, &view.spec, &config)?;
                let attempt = self.attempt(context, id, AuditAction::Revoke).await?;
                attempt.end(oauth.revoke(context, mode).await).await
            }
        }
    }

    /// Writes down that something is about to be done with what lets a connection in.
    async fn attempt<'c>(
        self,
        context: &'c Context,
        id: &str,
        action: AuditAction,
    ) -> Result<Attempt<'c>>
    where
        Self: 'c,
    {
        let view = self.get(context, id).await?;
        Attempt::begin(self.0, context, action, &view, None).await
    }

    async fn to_authorize(self, context: &Context, id: &str) -> Result<OAuth> {
        let view = self.may(context, id, ConnectionAction::Authorize).await?;
        self.oauth(id, &view.spec, &self.config(context, id, &view.spec).await?)
    }

    async fn connected(
        self,
        context: &Context,
        id: String,
        authorized: Option<Authorized>,
    ) -> Result<Connected> {
        // Somebody may have deleted it while a server was asked.
        self.still_there(context, &id).await?;
        let refreshed = self.refresh(context, &id).await;
        Ok(Connected {
            id,
            authorized,
            refreshed,
        })
    }
}
