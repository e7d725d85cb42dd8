//! Authorizations that do not keep their contract.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use syncline::authorization::{
    AfterReject, Authorization, AuthorizationInfo, Credential, CredentialRequest, Refresh,
};
use syncline::host::Context;
use syncline::spec::{Domain, Org, OrgHosts};
use syncline::testing::conformance::{AUTHORIZATION, AuthorizationFixture};
use syncline::{Result, Secret};

use super::{Broken, broken};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    OneForEach,
    CallsEachTime,
    CallsForACheck,
    NeverGivesUp,
    NothingNewer,
    ShowsItself,
}

#[derive(Clone)]
struct Broke {
    flaw: Flaw,
    info: AuthorizationInfo,
    generation: Arc<AtomicU64>,
    calls: Arc<AtomicU64>,
}

impl std::fmt::Debug for Broke {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.flaw {
            Flaw::ShowsItself => f.write_str("Broke(hunter2)"),
            _ => f.write_str("Broke"),
        }
    }
}

#[async_trait]
impl Authorization for Broke {
    fn info(&self) -> &AuthorizationInfo {
        &self.info
    }

    async fn credential(&self, _: &Context, request: CredentialRequest) -> Result<Credential> {
        let is_check = request.refresh == Refresh::Never;
        if self.flaw == Flaw::CallsEachTime && !is_check
            || self.flaw == Flaw::CallsForACheck && is_check
        {
            self.calls.fetch_add(1, Ordering::Relaxed);
        }
        let step = u64::from(self.flaw == Flaw::OneForEach);
        let generation = self.generation.fetch_add(step, Ordering::Relaxed);
        let hosts = OrgHosts::new(Domain::parse("api.example.com")?).allow(&Org::Production)?;
        let credential = Credential::bearer(hosts, &Secret::new("hunter2"))?;
        Ok(credential.with_generation(generation))
    }

    async fn rejected(&self, _: &Context, credential: &Credential) -> Result<AfterReject> {
        match self.flaw {
            Flaw::NeverGivesUp => {
                self.generation.fetch_add(1, Ordering::Relaxed);
                Ok(AfterReject::TryAgain)
            }
            // Once, and then no more.
            Flaw::NothingNewer if self.calls.fetch_add(1, Ordering::Relaxed) == 0 => {
                assert!(credential.generation() > 0);
                Ok(AfterReject::TryAgain)
            }
            _ => Ok(AfterReject::GiveUp),
        }
    }
}

pub(super) fn broken_authorizations() -> Vec<Broken> {
    let all = [
        ("AU-01", Flaw::OneForEach),
        ("AU-02", Flaw::CallsEachTime),
        ("AU-03", Flaw::CallsForACheck),
        ("AU-04", Flaw::NeverGivesUp),
        ("AU-05", Flaw::NothingNewer),
        ("AU-06", Flaw::ShowsItself),
    ];
    all.into_iter()
        .map(|(clause, flaw)| {
            broken(&AUTHORIZATION, clause, flaw, &[], move || {
                let broke = Broke {
                    flaw,
                    info: AuthorizationInfo::new("broken"),
                    generation: Arc::new(AtomicU64::new(1)),
                    calls: Arc::default(),
                };
                let calls = Arc::clone(&broke.calls);
                AuthorizationFixture::new(broke)
                    .with_secrets([Secret::new("hunter2")])
                    .with_calls(move || calls.load(Ordering::Relaxed))
            })
        })
        .collect()
}
