//! Ciphers that do not guard secrets as they should.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use syncline::host::{Cipher, StateKey};
use syncline::testing::conformance::{CIPHER, CipherFixture};
use syncline::{Error, ErrorKind, Result, Secret};

use super::{Broken, broken};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    Trims,
    ForgetsThePlace,
    TakesChanges,
    EncryptsNothing,
    SealsTheSame,
    SaysWhatItFound,
    HasOneKeyForAll,
}

/// What ciphers of these keys have sealed.
type Kept = Arc<Mutex<Vec<(u64, StateKey, String)>>>;

#[derive(Debug)]
struct Vault {
    flaw: Flaw,
    keys: u64,
    kept: Kept,
}

fn corrupt() -> Error {
    Error::new(ErrorKind::CorruptState, "not sealed here")
}

#[async_trait]
impl Cipher for Vault {
    async fn seal(&self, place: &StateKey, secret: &Secret) -> Result<Bytes> {
        let mut kept = self.kept.lock().unwrap();
        let text = match self.flaw {
            Flaw::Trims => secret.expose().trim(),
            _ => secret.expose(),
        };
        let entry = (self.keys, place.clone(), text.to_owned());
        let found = kept.iter().position(|known| *known == entry);
        let number = match found {
            Some(number) if self.flaw == Flaw::SealsTheSame => number,
            _ => {
                kept.push(entry);
                kept.len() - 1
            }
        };
        Ok(match self.flaw {
            // Which one it is stands in front, and the secret behind.
            Flaw::EncryptsNothing => format!("{number}:{text}").into(),
            _ => number.to_string().into(),
        })
    }

    async fn open(&self, place: &StateKey, sealed: &Bytes) -> Result<Secret> {
        let kept = self.kept.lock().unwrap();
        let text = String::from_utf8(sealed.to_vec()).map_err(|_| corrupt())?;
        let number = text
            .split(':')
            .next()
            .and_then(|number| number.parse().ok());
        let number = match self.flaw {
            Flaw::TakesChanges => number.or(Some(0)),
            _ => number,
        };
        let found = number.and_then(|number: usize| match self.flaw {
            Flaw::TakesChanges => kept.get(number.min(kept.len() - 1)),
            _ => kept.get(number),
        });
        let (keys, of, secret) = found.ok_or_else(corrupt)?;
        let whole = self.flaw != Flaw::EncryptsNothing
            || text.split_once(':').is_some_and(|(_, rest)| rest == secret);
        let elsewhere = of != place && self.flaw != Flaw::ForgetsThePlace;
        let others = *keys != self.keys && self.flaw != Flaw::HasOneKeyForAll;
        if !whole || elsewhere || others {
            return Err(match self.flaw {
                Flaw::SaysWhatItFound => corrupt().with("found", secret),
                _ => corrupt(),
            });
        }
        Ok(Secret::new(secret.as_str()))
    }
}

pub(super) fn broken_ciphers() -> Vec<Broken> {
    let all = [
        ("CI-01", Flaw::Trims),
        ("CI-02", Flaw::ForgetsThePlace),
        ("CI-03", Flaw::TakesChanges),
        ("CI-04", Flaw::EncryptsNothing),
        ("CI-05", Flaw::SealsTheSame),
        ("CI-06", Flaw::SaysWhatItFound),
        ("CI-07", Flaw::HasOneKeyForAll),
    ];
    all.into_iter()
        .map(|(clause, flaw)| {
            broken(&CIPHER, clause, flaw, &[], move || {
                let kept = Kept::default();
                let vault = |keys| Vault {
                    flaw,
                    keys,
                    kept: Arc::clone(&kept),
                };
                CipherFixture::new(vault(1)).with_other_keys(vault(2))
            })
        })
        .collect()
}
