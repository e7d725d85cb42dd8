//! Keys that customers gave, as connections use them.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::Connections;
use crate::authorization::{
    AfterReject, Authorization, AuthorizationInfo, Credential, CredentialRequest, CredentialStore,
    KeyAuthorization, ReauthorizationCause, Standing,
};
use crate::connector::KeyForm;
use crate::host::{Context, Expected};
use crate::spec::AllowedHosts;
use crate::{Error, ErrorKind, Result};

/// A key in the credential store. One that the outside system rejects is marked, unless the customer has given another one meanwhile.
#[derive(Debug)]
pub(super) struct StoredKey {
    info: AuthorizationInfo,
    store: CredentialStore,
    connection: String,
    form: KeyForm,
    hosts: AllowedHosts,
    /// The newest that is known here.
    now: Mutex<Credential>,
}

impl StoredKey {
    pub(super) async fn load(
        connections: Connections<'_>,
        context: &Context,
        id: &str,
        form: &KeyForm,
        hosts: AllowedHosts,
    ) -> Result<Self> {
        let store = connections.0.credentials(context);
        let (info, credential) = read(context, &store, id, form, &hosts).await?;
        Ok(StoredKey {
            info,
            store,
            connection: id.to_owned(),
            form: form.clone(),
            hosts,
            now: Mutex::new(credential),
        })
    }
}

async fn read(
    context: &Context,
    store: &CredentialStore,
    id: &str,
    form: &KeyForm,
    hosts: &AllowedHosts,
) -> Result<(AuthorizationInfo, Credential)> {
    let loaded = store.load(id).await?;
    let Some(record) = loaded.map(|loaded| loaded.record) else {
        return Err(needed(ReauthorizationCause::NeverAuthorized.message()));
    };
    if record.standing != Standing::Granted {
        return Err(needed("its key was revoked, or rejected"));
    }
    let key = KeyAuthorization::new(form.with(&record.secrets)?, hosts.clone())?;
    let credential = key.credential(context, CredentialRequest::new()).await?;
    let credential = credential.with_generation(record.generation);
    Ok((key.info().clone(), credential))
}

fn needed(because: &'static str) -> Error {
    let message = "the connection needs a key; give it one";
    Error::new(ErrorKind::ReauthorizationRequired, message).with("because", because)
}

#[async_trait]
impl Authorization for StoredKey {
    fn info(&self) -> &AuthorizationInfo {
        &self.info
    }

    async fn credential(&self, _: &Context, _: CredentialRequest) -> Result<Credential> {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(now.clone())
    }

    async fn rejected(&self, context: &Context, credential: &Credential) -> Result<AfterReject> {
        let (store, id) = (&self.store, &self.connection);
        loop {
            let Some(loaded) = store.load(id).await? else {
                return Ok(AfterReject::GiveUp);
            };
            let mut record = loaded.record;
            if record.standing != Standing::Granted {
                return Ok(AfterReject::GiveUp);
            }
            if record.generation > credential.generation() {
                let newer = read(context, store, id, &self.form, &self.hosts).await?;
                *self.now.lock().unwrap_or_else(PoisonError::into_inner) = newer.1;
                return Ok(AfterReject::TryAgain);
            }
            record.standing = Standing::ReauthorizationRequired(ReauthorizationCause::Rejected);
            let expected = Expected::Version(loaded.version);
            let swapped = store.swap(context, id, &record, expected).await?;
            if swapped.is_some() {
                return Ok(AfterReject::GiveUp);
            }
        }
    }
}
