//! Where credentials are kept.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::record::{Claim, CredentialRecord, Standing};
use crate::host::{
    Cipher, Context, Expected, Saved, StateKey, StateKind, StateStore, StateVersion, Swap, unique,
};
use crate::spec::Org;
use crate::{Error, Result, Secret, Tenant};

/// The newest format of a saved record.
const FORMAT: u8 = 1;

/// The credentials of one tenant's connections, in a [`StateStore`], with their secrets encrypted by a [`Cipher`].
///
/// There is no blind write: a record replaces the one that was read, and nothing else.
///
/// ```
/// # futures::executor::block_on(async {
/// use std::sync::Arc;
/// use syncline::{Secret, Tenant};
/// use syncline::authorization::{CredentialRecord, CredentialStore};
/// use syncline::host::{Context, Expected};
/// use syncline::memory::{MemoryCipher, MemoryState};
///
/// let state = Arc::new(MemoryState::new());
/// let store = CredentialStore::new(Tenant::new("acme")?, state, Arc::new(MemoryCipher::new()));
/// let record = CredentialRecord::new().with_secret("key", Secret::new("hunter2"));
/// assert!(store.swap(&Context::new(), "crm", &record, Expected::Absent).await?.is_some());
/// let found = store.load("crm").await?.unwrap();
/// assert_eq!(found.record.secrets["key"].expose(), "hunter2");
/// # Ok::<(), syncline::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct CredentialStore {
    tenant: Tenant,
    state: Arc<dyn StateStore>,
    cipher: Arc<dyn Cipher>,
}

/// A record as it is kept.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LoadedCredential {
    /// The record.
    pub record: CredentialRecord,
    /// What to expect when it is replaced.
    pub version: StateVersion,
}

/// What is saved. The secrets are in `sealed` only.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedRecord {
    /// Drawn by chance, so that no two writers ever save the same bytes.
    entry: String,
    generation: u64,
    standing: Standing,
    org: Option<Org>,
    organization: Option<String>,
    base: Option<String>,
    scopes: Vec<String>,
    refreshed_at: Option<DateTime<Utc>>,
    expires_at: Option<DateTime<Utc>>,
    not_before: Option<DateTime<Utc>>,
    claim: Option<Claim>,
    sealed: Option<Vec<u8>>,
}

impl CredentialStore {
    /// The credentials of a tenant. The state store must be one that all processes share, and that keeps what is expected:
    /// [`probe`](crate::host::probe()) tells.
    pub fn new(tenant: Tenant, state: Arc<dyn StateStore>, cipher: Arc<dyn Cipher>) -> Self {
        CredentialStore {
            tenant,
            state,
            cipher,
        }
    }

    /// Whose they are.
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    pub(super) fn state(&self) -> &dyn StateStore {
        &*self.state
    }

    pub(super) fn cipher(&self) -> &dyn Cipher {
        &*self.cipher
    }

    fn key(&self, connection: &str) -> Result<StateKey> {
        StateKey::new(&self.tenant, StateKind::Credential, [connection])
    }

    /// The record of a connection; `None` if there is none.
    ///
    /// # Errors
    /// State that cannot be read, or was sealed for another place; and those of the store and the cipher.
    pub async fn load(&self, connection: &str) -> Result<Option<LoadedCredential>> {
        Ok(self.found(connection).await?.map(|(_, loaded)| loaded))
    }

    async fn found(&self, connection: &str) -> Result<Option<(String, LoadedCredential)>> {
        let key = self.key(connection)?;
        let Some(stored) = self.state.get(&key).await? else {
            return Ok(None);
        };
        let saved: SavedRecord = Saved::open(&key, FORMAT, &stored.bytes)?.payload()?;
        let secrets = match saved.sealed {
            None => BTreeMap::new(),
            Some(sealed) => unpack(&key, &self.cipher.open(&key, &sealed.into()).await?)?,
        };
        let record = CredentialRecord {
            generation: saved.generation,
            standing: saved.standing,
            org: saved.org,
            organization: saved.organization,
            base: saved.base,
            scopes: saved.scopes,
            refreshed_at: saved.refreshed_at,
            expires_at: saved.expires_at,
            not_before: saved.not_before,
            secrets,
            claim: saved.claim,
        };
        let version = stored.version;
        Ok(Some((saved.entry, LoadedCredential { record, version })))
    }

    /// Replaces what is expected; `None` says that something else is there, and that nothing was changed. When the store fails, what is
    /// there is read: if it is this record, it was done.
    ///
    /// # Errors
    /// Those of the store and the cipher.
    pub async fn swap(
        &self,
        context: &Context,
        connection: &str,
        record: &CredentialRecord,
        expected: Expected,
    ) -> Result<Option<StateVersion>> {
        let key = self.key(connection)?;
        let sealed = match record.secrets.is_empty() {
            true => None,
            false => Some(
                self.cipher
                    .seal(&key, &pack(&record.secrets)?)
                    .await?
                    .to_vec(),
            ),
        };
        let entry = unique(context.entropy());
        let saved = SavedRecord {
            entry: entry.clone(),
            generation: record.generation,
            standing: record.standing,
            org: record.org.clone(),
            organization: record.organization.clone(),
            base: record.base.clone(),
            scopes: record.scopes.clone(),
            refreshed_at: record.refreshed_at,
            expires_at: record.expires_at,
            not_before: record.not_before,
            claim: record.claim.clone(),
            sealed,
        };
        let bytes = Saved::seal(&key, FORMAT, &saved)?;
        match self.state.put(&key, bytes, expected).await {
            Ok(Swap::Done(version)) => Ok(Some(version)),
            Ok(Swap::Conflict) => self.is_entry(connection, &entry).await,
            Err(error) => match self.is_entry(connection, &entry).await {
                Ok(Some(version)) => Ok(Some(version)),
                _ => Err(error),
            },
        }
    }

    async fn is_entry(&self, connection: &str, entry: &str) -> Result<Option<StateVersion>> {
        let found = self.found(connection).await?;
        let found = found.filter(|(found, _)| found == entry);
        Ok(found.map(|(_, loaded)| loaded.version))
    }

    /// Removes this version of a record; `false` says that another one is there.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn delete(&self, connection: &str, version: StateVersion) -> Result<bool> {
        self.state.delete(&self.key(connection)?, version).await
    }
}

/// All secrets of a record as one.
fn pack(secrets: &BTreeMap<String, Secret>) -> Result<Secret> {
    let exposed: BTreeMap<&str, &str> = secrets
        .iter()
        .map(|(name, secret)| (name.as_str(), secret.expose()))
        .collect();
    serde_json::to_string(&exposed)
        .map(Secret::new)
        .map_err(|_| Error::contract("secrets cannot be written as JSON"))
}

fn unpack(key: &StateKey, packed: &Secret) -> Result<BTreeMap<String, Secret>> {
    // The error would name what it found.
    let secrets: BTreeMap<String, String> =
        serde_json::from_str(packed.expose()).map_err(|_| {
            let message = "what the cipher opened is not what was sealed; look at its keys";
            Error::new(crate::ErrorKind::CorruptState, message).with("key", key)
        })?;
    let secrets = secrets.into_iter();
    Ok(secrets
        .map(|(name, text)| (name, Secret::new(text)))
        .collect())
}

impl fmt::Debug for CredentialStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialStore")
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}
