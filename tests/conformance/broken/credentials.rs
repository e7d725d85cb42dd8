//! State stores and ciphers that do not keep credentials as they should.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use syncline::host::{
    Cipher, Expected, StateKey, StateKind, StateStore, StateVersion, Stored, Swap,
};
use syncline::memory::MemoryCipher;
use syncline::testing::conformance::{CREDENTIALS, CredentialsFixture};
use syncline::{Error, ErrorKind, Result, Secret, Tenant};

use super::state_store::yield_once;
use super::{Broken, broken};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    LowersLetters,
    VersionIsBlind,
    EncodesOnly,
    ForgetsThePlace,
    DeleteIsBlind,
    TenantsAreOne,
    SaysWhatItFound,
    AbsentIsBlind,
}

type Values = BTreeMap<String, (StateKey, Stored)>;

/// A store that takes its time, as one over a network does.
#[derive(Debug, Clone)]
struct Store {
    flaw: Flaw,
    /// And how many were put.
    values: Arc<Mutex<(Values, u64)>>,
}

impl Store {
    fn name(&self, key: &StateKey) -> String {
        match self.flaw {
            Flaw::TenantsAreOne => key.path().split_once('/').unwrap().1.to_owned(),
            _ => key.path().to_owned(),
        }
    }
}

#[async_trait]
impl StateStore for Store {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>> {
        let found = {
            let values = self.values.lock().unwrap();
            values.0.get(&self.name(key)).map(|found| found.1.clone())
        };
        yield_once().await;
        Ok(found)
    }

    async fn put(&self, key: &StateKey, bytes: Bytes, expected: Expected) -> Result<Swap> {
        let mut values = self.values.lock().unwrap();
        let (kept, count) = &mut *values;
        let name = self.name(key);
        let fits = match (&expected, kept.get(&name)) {
            (Expected::Absent, None) => true,
            (Expected::Absent, Some(_)) => self.flaw == Flaw::AbsentIsBlind,
            (Expected::Version(_), None) => false,
            (Expected::Version(version), Some((_, is))) => {
                is.version == *version || self.flaw == Flaw::VersionIsBlind
            }
        };
        if !fits {
            return Ok(Swap::Conflict);
        }
        *count += 1;
        let version = StateVersion::new(count.to_string());
        let stored = Stored::new(bytes, version.clone());
        kept.insert(name, (key.clone(), stored));
        Ok(Swap::Done(version))
    }

    async fn delete(&self, key: &StateKey, expected: StateVersion) -> Result<bool> {
        let mut values = self.values.lock().unwrap();
        let name = self.name(key);
        let fits = values
            .0
            .get(&name)
            .is_some_and(|(_, is)| is.version == expected || self.flaw == Flaw::DeleteIsBlind);
        Ok(fits && values.0.remove(&name).is_some())
    }

    async fn list(
        &self,
        tenant: &Tenant,
        kind: StateKind,
        start_after: Option<&StateKey>,
        limit: usize,
    ) -> Result<Vec<StateKey>> {
        let values = self.values.lock().unwrap();
        let mut keys: Vec<StateKey> = values.0.values().map(|(key, _)| key.clone()).collect();
        keys.retain(|key| key.tenant() == tenant && key.kind() == kind);
        keys.retain(|key| start_after.is_none_or(|after| key > after));
        keys.sort();
        keys.truncate(limit);
        Ok(keys)
    }
}

/// A vault that has a flaw of its own.
#[derive(Debug)]
struct Vault {
    flaw: Flaw,
    cipher: MemoryCipher,
    sealed: Mutex<Vec<(Bytes, StateKey, String)>>,
}

#[async_trait]
impl Cipher for Vault {
    async fn seal(&self, place: &StateKey, secret: &Secret) -> Result<Bytes> {
        let text = match self.flaw {
            Flaw::LowersLetters => secret.expose().to_lowercase(),
            _ => secret.expose().to_owned(),
        };
        let sealed = self.cipher.seal(place, &Secret::new(&*text)).await?;
        let sealed: Bytes = match self.flaw {
            // Which one it is stands in front, and the secret behind.
            Flaw::EncodesOnly => {
                let number = String::from_utf8(sealed.to_vec()).unwrap();
                format!("{number}:{}", STANDARD.encode(&text)).into()
            }
            _ => sealed,
        };
        let entry = (sealed.clone(), place.clone(), text);
        self.sealed.lock().unwrap().push(entry);
        Ok(sealed)
    }

    async fn open(&self, place: &StateKey, sealed: &Bytes) -> Result<Secret> {
        let found = {
            let kept = self.sealed.lock().unwrap();
            kept.iter().find(|(known, ..)| known == sealed).cloned()
        };
        let corrupt = Error::new(ErrorKind::CorruptState, "not sealed here");
        match found {
            Some((_, of, text)) if of == *place || self.flaw == Flaw::ForgetsThePlace => {
                Ok(Secret::new(text))
            }
            Some((_, _, text)) if self.flaw == Flaw::SaysWhatItFound => {
                Err(corrupt.with("found", text))
            }
            _ => Err(corrupt),
        }
    }
}

pub(super) fn broken_credentials() -> Vec<Broken> {
    let all = [
        ("CR-01", Flaw::LowersLetters),
        ("CR-02", Flaw::VersionIsBlind),
        ("CR-03", Flaw::EncodesOnly),
        ("CR-04", Flaw::ForgetsThePlace),
        ("CR-05", Flaw::DeleteIsBlind),
        ("CR-06", Flaw::TenantsAreOne),
        ("CR-07", Flaw::SaysWhatItFound),
        ("CR-08", Flaw::AbsentIsBlind),
    ];
    all.into_iter()
        .map(|(clause, flaw)| {
            broken(&CREDENTIALS, clause, flaw, &[], move || {
                let store = Store {
                    flaw,
                    values: Arc::default(),
                };
                let vault = Vault {
                    flaw,
                    cipher: MemoryCipher::new(),
                    sealed: Mutex::default(),
                };
                CredentialsFixture::new(move || store.clone(), vault)
            })
        })
        .collect()
}
