//! Secrets kept in memory.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use crate::host::{Cipher, StateKey};
use crate::{Error, ErrorKind, Result, Secret};

/// A [`Cipher`] that encrypts nothing: it keeps secrets in memory, and gives out numbers for them. Clones share what it keeps; what
/// outlives the process is nothing.
///
/// ```
/// # futures::executor::block_on(async {
/// use syncline::{Secret, Tenant};
/// use syncline::host::{Cipher, StateKey, StateKind};
/// use syncline::memory::MemoryCipher;
///
/// let (cipher, tenant) = (MemoryCipher::new(), Tenant::new("acme")?);
/// let place = StateKey::new(&tenant, StateKind::Credential, ["crm"])?;
/// let sealed = cipher.seal(&place, &Secret::new("hunter2")).await?;
/// assert_eq!(cipher.open(&place, &sealed).await?.expose(), "hunter2");
/// let other = StateKey::new(&tenant, StateKind::Credential, ["erp"])?;
/// assert!(cipher.open(&other, &sealed).await.is_err());
/// # Ok::<(), syncline::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Default)]
pub struct MemoryCipher(Arc<Mutex<Vec<(StateKey, Secret)>>>);

impl MemoryCipher {
    /// A cipher that keeps nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// No panic can leave it half changed.
    fn kept(&self) -> MutexGuard<'_, Vec<(StateKey, Secret)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Cipher for MemoryCipher {
    async fn seal(&self, place: &StateKey, secret: &Secret) -> Result<Bytes> {
        let mut kept = self.kept();
        kept.push((place.clone(), secret.clone()));
        Ok(kept.len().to_string().into())
    }

    async fn open(&self, place: &StateKey, sealed: &Bytes) -> Result<Secret> {
        let number = std::str::from_utf8(sealed).ok();
        let number = number.and_then(|number| number.parse::<usize>().ok()?.checked_sub(1));
        let kept = self.kept();
        let found = number.and_then(|number| kept.get(number));
        let found = found.filter(|(of, _)| of == place);
        found.map(|(_, secret)| secret.clone()).ok_or_else(|| {
            let message = "this secret was not sealed here, or not for this place; authorize again";
            Error::new(ErrorKind::CorruptState, message).with("key", place)
        })
    }
}

impl fmt::Debug for MemoryCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryCipher")
    }
}
