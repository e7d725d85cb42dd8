//! Jobs that are left alone for a while, by the clock that never jumps. No I/O.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Tenant;

/// How long a job rests for which there was no place, or that made trouble.
const OF_JOB: Duration = Duration::from_secs(5);
/// How long all jobs of a tenant rest of which nobody said in time how they run.
const OF_TENANT: Duration = Duration::from_secs(60);

/// Until when jobs rest.
#[derive(Debug, Default)]
pub(super) struct Resting {
    jobs: BTreeMap<(Tenant, String), Duration>,
    tenants: BTreeMap<Tenant, Duration>,
}

impl Resting {
    pub(super) fn job(&mut self, tenant: &Tenant, job: &str, now: Duration) {
        self.jobs
            .insert((tenant.clone(), job.to_owned()), now + OF_JOB);
    }

    pub(super) fn tenant(&mut self, tenant: &Tenant, now: Duration) {
        self.tenants.insert(tenant.clone(), now + OF_TENANT);
    }

    pub(super) fn has_tenant(&self, tenant: &Tenant) -> bool {
        self.tenants.contains_key(tenant)
    }

    pub(super) fn has(&self, tenant: &Tenant, job: &str) -> bool {
        self.has_tenant(tenant) || self.jobs.contains_key(&(tenant.clone(), job.to_owned()))
    }

    /// There is a place of a tenant again.
    pub(super) fn wake(&mut self, tenant: &Tenant) {
        self.jobs.retain(|(of, _), _| of != tenant);
    }

    /// Time has passed.
    pub(super) fn pass(&mut self, now: Duration) {
        self.jobs.retain(|_, until| *until > now);
        self.tenants.retain(|_, until| *until > now);
    }
}
