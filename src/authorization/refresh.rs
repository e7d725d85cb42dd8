//! One refresh for each generation, over all tasks and processes.

use std::fmt;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use futures::lock::Mutex;

use super::record::{
    Claim, CredentialRecord, Decision, LEAST_INTERVAL, Renewable, Renewal, Standing, decide,
    renewed,
};
use super::store::{CredentialStore, LoadedCredential};
use super::{AfterReject, Credential, CredentialRequest, ReauthorizationCause};
use crate::host::{Context, Expected, StateVersion, unique, within};
use crate::{Error, ErrorKind, Result, Retry};

/// How long things take when a token is refreshed.
///
/// ```
/// use std::time::Duration;
/// use syncline::authorization::RefreshTerms;
///
/// let terms = RefreshTerms::default().with_timeout(Duration::from_secs(10));
/// assert!(terms.ttl() > terms.timeout + terms.margin);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefreshTerms {
    /// How long a token server may take to answer. 30 seconds.
    pub timeout: Duration,
    /// What a process may stand still, and what clocks may run apart, while a token is refreshed. 10 seconds.
    pub margin: Duration,
}

impl Default for RefreshTerms {
    fn default() -> Self {
        RefreshTerms {
            timeout: Duration::from_secs(30),
            margin: Duration::from_secs(10),
        }
    }
}

impl RefreshTerms {
    /// A token server answers within this time.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Keeps this margin.
    #[must_use]
    pub fn with_margin(mut self, margin: Duration) -> Self {
        self.margin = margin;
        self
    }

    /// How long a process has from its claim to the new token's safety. Others wait so long for one that died.
    pub fn ttl(&self) -> Duration {
        // The call, and as long again to save what it brought.
        self.timeout
            .saturating_mul(2)
            .saturating_add(self.margin)
            .saturating_add(self.margin)
    }
}

/// Asks for the next token.
#[async_trait]
pub(super) trait Renew: fmt::Debug + Send + Sync {
    fn renewable(&self) -> Renewable;
    async fn renew(&self, context: &Context, record: &CredentialRecord) -> Renewal;
    /// Whether what is kept may be used here at all.
    fn belongs(&self, record: &CredentialRecord) -> Result<()>;
    /// What to show, from what is kept.
    fn credential(&self, record: &CredentialRecord) -> Result<Credential>;
}

/// The credential of one connection, as this process has it.
pub(super) struct Current {
    store: CredentialStore,
    connection: String,
    terms: RefreshTerms,
    /// What was last known, with the credential made of it. Never held across a wait.
    known: RwLock<Option<(CredentialRecord, Credential)>>,
    /// Those of this process who need more than is known come one by one: the first finds it out for all. Who has a credential that
    /// lasts never waits here.
    turn: Mutex<()>,
}

impl Current {
    pub(super) fn new(store: CredentialStore, connection: String, terms: RefreshTerms) -> Self {
        Current {
            store,
            connection,
            terms,
            known: RwLock::new(None),
            turn: Mutex::new(()),
        }
    }

    pub(super) fn store(&self) -> &CredentialStore {
        &self.store
    }

    pub(super) fn connection(&self) -> &str {
        &self.connection
    }

    pub(super) fn terms(&self) -> RefreshTerms {
        self.terms
    }

    /// The credential that is known, if it lasts.
    fn lasting(&self, context: &Context, request: &CredentialRequest) -> Option<Credential> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let (record, credential) = known.as_ref()?;
        let lasts = record.lasts(context.clock().now(), request.valid_for);
        lasts.then(|| credential.clone())
    }

    fn know(&self, record: CredentialRecord, credential: Credential) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        *known = Some((record, credential));
    }

    /// What is known in this process is no longer true.
    pub(super) fn forget(&self) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// A credential that lasts, new if need be.
    pub(super) async fn credential(
        &self,
        context: &Context,
        request: &CredentialRequest,
        renew: &dyn Renew,
    ) -> Result<Credential> {
        if let Some(credential) = self.lasting(context, request) {
            return Ok(credential);
        }
        let _turn = self.turn.lock().await;
        if let Some(credential) = self.lasting(context, request) {
            return Ok(credential);
        }
        self.settle(context, request, renew, None).await
    }

    /// Looks for a credential behind the one that was rejected.
    pub(super) async fn rejected(
        &self,
        context: &Context,
        rejected: &Credential,
        renew: &dyn Renew,
    ) -> Result<AfterReject> {
        let _turn = self.turn.lock().await;
        // One that was new a moment ago: another one would be rejected too.
        if let Some(LoadedCredential { record, .. }) = self.store.load(&self.connection).await? {
            let now = context.clock().now();
            // By whose clock it was got nobody knows, so it may be a little ahead; one that is far off tells nothing.
            let soon = record
                .refreshed_at
                .is_some_and(|at| (now - at).abs() < LEAST_INTERVAL);
            if record.generation == rejected.generation() && soon {
                return Ok(AfterReject::GiveUp);
            }
        }
        let request = CredentialRequest::new();
        let generation = Some(rejected.generation());
        match self.settle(context, &request, renew, generation).await {
            Ok(_) => Ok(AfterReject::TryAgain),
            Err(error) if error.kind() == ErrorKind::ReauthorizationRequired => {
                self.forget();
                self.mark_rejected(context, rejected.generation()).await?;
                Ok(AfterReject::GiveUp)
            }
            Err(error) => Err(error),
        }
    }

    /// Nobody shall use a token that was rejected and cannot be replaced.
    async fn mark_rejected(&self, context: &Context, generation: u64) -> Result<()> {
        let Some(LoadedCredential { record, version }) = self.store.load(&self.connection).await?
        else {
            return Ok(());
        };
        if record.generation != generation || record.standing != Standing::Granted {
            return Ok(());
        }
        let mut record = record;
        record.standing = Standing::ReauthorizationRequired(ReauthorizationCause::Rejected);
        // A conflict means that somebody knows better.
        let expected = Expected::Version(version);
        self.store
            .swap(context, &self.connection, &record, expected)
            .await?;
        Ok(())
    }

    /// Reads what is kept, and does what follows from it, until there is a credential or none can be had. The token of the rejected
    /// generation is of no use.
    async fn settle(
        &self,
        context: &Context,
        request: &CredentialRequest,
        renew: &dyn Renew,
        rejected: Option<u64>,
    ) -> Result<Credential> {
        let mut outwaited: Option<StateVersion> = None;
        loop {
            if context.cancel().is_cancelled() {
                let message = "cancelled while waiting for a credential";
                return Err(Error::new(ErrorKind::Cancelled, message));
            }
            let loaded = self.store.load(&self.connection).await?;
            let (mut record, expected) = match loaded {
                Some(loaded) => (loaded.record, Expected::Version(loaded.version)),
                None => (CredentialRecord::new(), Expected::Absent),
            };
            renew
                .belongs(&record)
                .map_err(|error| error.with("connection", &self.connection))?;
            // Whoever left this claim had all the time there is.
            let dead = matches!(&expected, Expected::Version(version) if outwaited.as_ref() == Some(version));
            if dead {
                record.claim = None;
            }
            let is_rejected = rejected == Some(record.generation);
            let now = context.clock().now();
            match decide(&record, request, renew.renewable(), is_rejected, now) {
                Decision::Use => {
                    let credential = renew.credential(&record)?;
                    self.know(record, credential.clone());
                    return Ok(credential);
                }
                Decision::Stop(error) => {
                    return Err(error.with("connection", &self.connection));
                }
                Decision::Wait(claim) => {
                    if let Expected::Version(version) = expected {
                        outwaited = self.outwait(context, &claim, version).await?;
                    }
                }
                Decision::Renew => {
                    if let Some(done) = self.renew(context, renew, record, expected).await? {
                        return Ok(done);
                    }
                }
            }
        }
    }

    /// Claims the generation, asks for the next token, and saves it before anyone uses it. `None` if somebody else was first.
    async fn renew(
        &self,
        context: &Context,
        renew: &dyn Renew,
        mut record: CredentialRecord,
        expected: Expected,
    ) -> Result<Option<Credential>> {
        let clock = context.clock();
        let (began, began_at) = (clock.monotonic(), clock.now());
        let ttl = self.terms.ttl();
        let claim = Claim {
            holder: unique(context.entropy()),
            ttl_ms: u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX),
        };
        record.claim = Some(claim);
        let swap = self
            .store
            .swap(context, &self.connection, &record, expected);
        let Some(version) = swap.await? else {
            return Ok(None);
        };
        // The longer of two: one clock may stand still while the machine is suspended, the other may be set back.
        let passed = || {
            let calendar = (clock.now() - began_at).to_std().unwrap_or_default();
            clock.monotonic().saturating_sub(began).max(calendar)
        };
        let reserve = self
            .terms
            .timeout
            .saturating_mul(2)
            .saturating_add(self.terms.margin);
        let renewal = if passed().saturating_add(reserve) > ttl {
            let message = "the state store took too long, so no token was asked for; try again";
            Renewal::Later(Error::new(ErrorKind::Timeout, message).retrying(Retry::Now))
        } else {
            within(clock, self.terms.timeout, renew.renew(context, &record))
                .await
                .unwrap_or_else(|| Renewal::Later(unanswered()))
        };
        let (after, failed) = renewed(&record, renewal, context.clock().now());
        // What the server gave exists nowhere else: a store that fails is asked again while there is time.
        // By the clock that nobody sets: to be too late does no harm, because then somebody else's record is there.
        let late = |pause| {
            clock
                .monotonic()
                .saturating_sub(began)
                .saturating_add(pause)
                > ttl
        };
        let mut pause = Duration::from_millis(100);
        let saved = loop {
            let expected = Expected::Version(version.clone());
            let swap = self.store.swap(context, &self.connection, &after, expected);
            match swap.await {
                Ok(saved) => break saved,
                Err(error) if late(pause) => return Err(error),
                Err(_) => context.clock().sleep(pause).await,
            }
            pause = pause.saturating_mul(2);
        };
        if saved.is_none() {
            return Ok(None);
        }
        if let Some(error) = failed {
            self.forget();
            return Err(error.with("connection", &self.connection));
        }
        let credential = renew.credential(&after)?;
        self.know(after, credential.clone());
        Ok(Some(credential))
    }

    /// What is kept, when nobody is about to change it.
    pub(super) async fn at_rest(&self, context: &Context) -> Result<Option<LoadedCredential>> {
        loop {
            let Some(mut loaded) = self.store.load(&self.connection).await? else {
                return Ok(None);
            };
            let Some(claim) = loaded.record.claim.take() else {
                return Ok(Some(loaded));
            };
            let version = loaded.version.clone();
            if self.outwait(context, &claim, version).await?.is_some() {
                return Ok(Some(loaded));
            }
            if context.cancel().is_cancelled() {
                let message = "cancelled while a token is refreshed";
                return Err(Error::new(ErrorKind::Cancelled, message));
            }
        }
    }

    /// Waits until a claim is gone, or has stood unchanged for its whole time, by our clock; then it is nobody's any more.
    async fn outwait(
        &self,
        context: &Context,
        claim: &Claim,
        version: StateVersion,
    ) -> Result<Option<StateVersion>> {
        let began = context.clock().monotonic();
        let ttl = Duration::from_millis(claim.ttl_ms);
        let mut pause = Duration::from_millis(20);
        loop {
            let passed = context.clock().monotonic().saturating_sub(began);
            let left = ttl.saturating_sub(passed);
            if left.is_zero() {
                return Ok(Some(version));
            }
            context.clock().sleep(pause.min(left)).await;
            pause = pause.saturating_mul(2).min(Duration::from_secs(1));
            let now = self.store.load(&self.connection).await?;
            if now.is_none_or(|now| now.version != version) || context.cancel().is_cancelled() {
                return Ok(None);
            }
        }
    }
}

/// No answer came from a token server.
pub(super) fn unanswered() -> Error {
    let message = "the authorization server did not answer in time; see whether it is up";
    Error::new(ErrorKind::Timeout, message).retrying(Retry::Now)
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current")
            .field("store", &self.store)
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}
