//! Authorizations and ciphers whose calls are effects.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::effects::{EffectKind, Effects};
use crate::authorization::{
    AfterReject, Authorization, AuthorizationInfo, Credential, CredentialRequest,
};
use crate::host::{Cipher, Context, StateKey};
use crate::{Result, Secret};

impl Effects {
    /// The authorization, each call of which is an effect.
    pub fn authorization(&self, inner: Arc<dyn Authorization>) -> Arc<dyn Authorization> {
        Arc::new(FaultyAuthorization::new(self, inner))
    }

    /// The cipher, each call of which is an effect. With [`state`](Effects::state) in front of the store, it disturbs all that a
    /// [`CredentialStore`](crate::authorization::CredentialStore) does.
    pub fn cipher(&self, inner: Arc<dyn Cipher>) -> Arc<dyn Cipher> {
        Arc::new(FaultyCipher::new(self, inner))
    }
}

/// An authorization whose calls are effects.
///
/// ```
/// # futures::executor::block_on(async {
/// use std::sync::Arc;
/// use syncline::authorization::{Authorization, CredentialRequest};
/// use syncline::host::Context;
/// use syncline::memory::MemoryAuthorization;
/// use syncline::spec::{Domain, Org, OrgHosts};
/// use syncline::testing::{Effects, Fate, FaultyAuthorization};
///
/// let hosts = OrgHosts::new(Domain::parse("api.example.com")?).allow(&Org::Production)?;
/// let effects = Effects::scripted([(2, Fate::Fail(true))]);
/// let faulty = FaultyAuthorization::new(&effects, Arc::new(MemoryAuthorization::new(hosts)));
/// let ask = || async { faulty.credential(&Context::new(), CredentialRequest::new()).await };
/// assert!(ask().await.is_ok());
/// assert!(ask().await.is_err());
/// # Ok::<(), syncline::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct FaultyAuthorization {
    effects: Effects,
    inner: Arc<dyn Authorization>,
}

impl FaultyAuthorization {
    /// The authorization with these effects.
    pub fn new(effects: &Effects, inner: Arc<dyn Authorization>) -> Self {
        FaultyAuthorization {
            effects: effects.clone(),
            inner,
        }
    }
}

#[async_trait]
impl Authorization for FaultyAuthorization {
    fn info(&self) -> &AuthorizationInfo {
        self.inner.info()
    }

    async fn credential(
        &self,
        context: &Context,
        request: CredentialRequest,
    ) -> Result<Credential> {
        let work = self.inner.credential(context, request);
        self.effects.perform(EffectKind::Authorize, work).await
    }

    async fn rejected(&self, context: &Context, credential: &Credential) -> Result<AfterReject> {
        let work = self.inner.rejected(context, credential);
        self.effects.perform(EffectKind::Authorize, work).await
    }
}

/// A cipher whose calls are effects.
#[derive(Debug)]
pub struct FaultyCipher {
    effects: Effects,
    inner: Arc<dyn Cipher>,
}

impl FaultyCipher {
    /// The cipher with these effects.
    pub fn new(effects: &Effects, inner: Arc<dyn Cipher>) -> Self {
        FaultyCipher {
            effects: effects.clone(),
            inner,
        }
    }
}

#[async_trait]
impl Cipher for FaultyCipher {
    async fn seal(&self, place: &StateKey, secret: &Secret) -> Result<Bytes> {
        let work = self.inner.seal(place, secret);
        self.effects.perform(EffectKind::Encrypt, work).await
    }

    async fn open(&self, place: &StateKey, sealed: &Bytes) -> Result<Secret> {
        let work = self.inner.open(place, sealed);
        self.effects.perform(EffectKind::Encrypt, work).await
    }
}
