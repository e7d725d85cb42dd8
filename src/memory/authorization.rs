//! An authorization that a test has in its hands.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::authorization::{
    AfterReject, Authorization, AuthorizationInfo, Credential, CredentialRequest,
};
use crate::host::Context;
use crate::spec::AllowedHosts;
use crate::{Error, ErrorKind, Result, Secret};

/// An [`Authorization`] whose tokens are `token-1`, `token-2` and so on. Clones share what they know.
///
/// ```
/// # futures::executor::block_on(async {
/// use syncline::authorization::{AfterReject, Authorization, CredentialRequest};
/// use syncline::host::Context;
/// use syncline::memory::MemoryAuthorization;
/// use syncline::spec::{Domain, Org, OrgHosts};
///
/// let hosts = OrgHosts::new(Domain::parse("api.example.com")?).allow(&Org::Production)?;
/// let authorization = MemoryAuthorization::new(hosts);
/// let (context, request) = (Context::new(), CredentialRequest::new());
/// let first = authorization.credential(&context, request).await?;
/// assert_eq!(authorization.rejected(&context, &first).await?, AfterReject::GiveUp);
/// authorization.rotate();
/// assert_eq!(authorization.rejected(&context, &first).await?, AfterReject::TryAgain);
/// assert_eq!(authorization.credential(&context, request).await?.generation(), 2);
/// authorization.revoke();
/// assert!(authorization.credential(&context, request).await.is_err());
/// # Ok::<(), syncline::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct MemoryAuthorization {
    info: AuthorizationInfo,
    hosts: AllowedHosts,
    /// The generation; `None` when it was revoked.
    now: Arc<Mutex<Option<u64>>>,
}

impl MemoryAuthorization {
    /// Lets requests to these hosts in.
    pub fn new(hosts: AllowedHosts) -> Self {
        MemoryAuthorization {
            info: AuthorizationInfo::new("memory").with_expiry(),
            hosts,
            now: Arc::new(Mutex::new(Some(1))),
        }
    }

    /// The next token is given out from now on.
    pub fn rotate(&self) {
        let mut now = self.now();
        *now = now.map(|generation| generation.saturating_add(1));
    }

    /// None is given out any more.
    pub fn revoke(&self) {
        *self.now() = None;
    }

    /// No panic can leave it half changed.
    fn now(&self) -> MutexGuard<'_, Option<u64>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Authorization for MemoryAuthorization {
    fn info(&self) -> &AuthorizationInfo {
        &self.info
    }

    async fn credential(&self, _: &Context, _: CredentialRequest) -> Result<Credential> {
        let generation = self.now().ok_or_else(|| {
            let message = "the authorization was revoked; make a new one";
            Error::new(ErrorKind::ReauthorizationRequired, message)
        })?;
        let token = Secret::new(format!("token-{generation}"));
        let credential = Credential::bearer(self.hosts.clone(), &token)?;
        Ok(credential.with_generation(generation))
    }

    async fn rejected(&self, _: &Context, credential: &Credential) -> Result<AfterReject> {
        let newer = self.now().is_some_and(|now| now > credential.generation());
        Ok(match newer {
            true => AfterReject::TryAgain,
            false => AfterReject::GiveUp,
        })
    }
}
