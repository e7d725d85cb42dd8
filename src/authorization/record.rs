//! What is known of an authorization, and what follows from it: data and pure functions.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{CredentialRequest, Refresh};
use crate::spec::Org;
use crate::{Error, ErrorKind, Retry, Secret};

/// The least time between two tokens of a connection.
pub(super) const LEAST_INTERVAL: TimeDelta = TimeDelta::seconds(30);

/// The longest that a server can have nobody ask again.
const LONGEST_WAIT: TimeDelta = TimeDelta::minutes(5);

/// Names of secrets in a record.
pub(super) const ACCESS: &str = "access";
pub(super) const REFRESH: &str = "refresh";

/// Why a person must authorize a connection again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReauthorizationCause {
    /// It never was authorized.
    NeverAuthorized,
    /// The server refused the refresh token: it was revoked, is too old, or a newer one was lost when a process died.
    RefreshRefused,
    /// The server refused our own client, its secret or its signature.
    ClientRefused,
    /// The access token ended, and there is no refresh token.
    NoRefreshToken,
    /// The server grants less than the connection needs.
    ScopeLost,
    /// The token was rejected before its end, and there is no way to get another one.
    Rejected,
}

impl ReauthorizationCause {
    /// What to tell a person.
    pub fn message(self) -> &'static str {
        match self {
            Self::NeverAuthorized => "the connection was never authorized",
            Self::RefreshRefused => {
                "the refresh token is revoked, too old, or was replaced by one that got lost"
            }
            Self::ClientRefused => "the server refuses our client: its secret, or its signature",
            Self::NoRefreshToken => {
                "the access token has ended, and the server gave none to refresh it with"
            }
            Self::ScopeLost => "the server grants less than the connection needs",
            Self::Rejected => "the token was rejected before its end",
        }
    }

    /// The error for this cause.
    pub(super) fn error(self) -> Error {
        let message = "the connection must be authorized again, by a person";
        Error::new(ErrorKind::ReauthorizationRequired, message).with("because", self.message())
    }
}

/// Whether an authorization stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Standing {
    /// It does.
    Granted,
    /// A person must authorize again.
    ReauthorizationRequired(ReauthorizationCause),
    /// It was revoked by us.
    Revoked,
}

/// How an authorization is, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthorizationState {
    /// Nobody has authorized it yet.
    Unauthorized,
    /// There is a credential that lasts.
    Healthy,
    /// There is one that is about to end, or has ended; the next use gets a new one.
    Expiring,
    /// A person must authorize again.
    ReauthorizationRequired(ReauthorizationCause),
    /// It was revoked by us.
    Revoked,
}

impl AuthorizationState {
    /// Its name, in lower case with `_`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Healthy => "healthy",
            Self::Expiring => "expiring",
            Self::ReauthorizationRequired(_) => "reauthorization_required",
            Self::Revoked => "revoked",
        }
    }

    /// How it is at this time, where a person consented: a token that has ended and that nothing refreshes cannot be had again without them.
    pub fn of_consent(record: Option<&CredentialRecord>, now: DateTime<Utc>) -> Self {
        let cannot_renew = record
            .is_some_and(|record| !record.is_usable(now) && !record.secrets.contains_key(REFRESH));
        match Self::of(record, now) {
            // Nothing marks this when it happens: the token just ends.
            Self::Expiring if cannot_renew => {
                Self::ReauthorizationRequired(ReauthorizationCause::NoRefreshToken)
            }
            state => state,
        }
    }

    /// How it is at this time.
    pub fn of(record: Option<&CredentialRecord>, now: DateTime<Utc>) -> Self {
        let Some(record) = record else {
            return Self::Unauthorized;
        };
        match record.standing {
            Standing::Revoked => Self::Revoked,
            Standing::ReauthorizationRequired(ReauthorizationCause::NeverAuthorized) => {
                Self::Unauthorized
            }
            Standing::ReauthorizationRequired(cause) => Self::ReauthorizationRequired(cause),
            Standing::Granted if record.lasts(now, Duration::from_secs(60)) => Self::Healthy,
            Standing::Granted => Self::Expiring,
        }
    }
}

/// What is kept of an authorization. `Debug` shows no secret.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CredentialRecord {
    /// Counts the credentials so far.
    pub generation: u64,
    /// Whether the authorization stands.
    pub standing: Standing,
    /// The kind of organisation that was asked for.
    pub org: Option<Org>,
    /// The organisation that consented, in the outside system's own words.
    pub organization: Option<String>,
    /// Where its API is, if that is not where people log in.
    pub base: Option<String>,
    /// What was granted; empty if the system does not tell.
    pub scopes: Vec<String>,
    /// When the access token was got.
    pub refreshed_at: Option<DateTime<Utc>>,
    /// When it ends, if that is known.
    pub expires_at: Option<DateTime<Utc>>,
    /// No token is asked for before.
    pub not_before: Option<DateTime<Utc>>,
    /// The secrets, by name. They are encrypted where the record is saved.
    pub secrets: BTreeMap<String, Secret>,
    /// Who is about to get the next credential.
    pub(super) claim: Option<Claim>,
}

/// A process is about to use up this generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Claim {
    /// Drawn by chance.
    pub(super) holder: String,
    /// How long it may take, by anyone's clock.
    pub(super) ttl_ms: u64,
}

impl CredentialRecord {
    /// A record of nothing yet.
    pub fn new() -> Self {
        CredentialRecord {
            generation: 0,
            standing: Standing::ReauthorizationRequired(ReauthorizationCause::NeverAuthorized),
            org: None,
            organization: None,
            base: None,
            scopes: Vec::new(),
            refreshed_at: None,
            expires_at: None,
            not_before: None,
            secrets: BTreeMap::new(),
            claim: None,
        }
    }

    /// With a secret of this name.
    #[must_use]
    pub fn with_secret(mut self, name: impl Into<String>, secret: Secret) -> Self {
        self.secrets.insert(name.into(), secret);
        self
    }

    /// Whether the access token ends later than now.
    fn is_usable(&self, now: DateTime<Utc>) -> bool {
        self.secrets.contains_key(ACCESS) && self.expires_at.is_none_or(|end| now < end)
    }

    /// Whether the access token lasts so long, or half of its life if that is shorter.
    pub(super) fn lasts(&self, now: DateTime<Utc>, valid_for: Duration) -> bool {
        let Some(end) = self.expires_at else {
            return self.is_usable(now);
        };
        let half = self.refreshed_at.map(|start| (end - start) / 2);
        let wanted = TimeDelta::from_std(valid_for).unwrap_or(TimeDelta::MAX);
        let wanted = half.map_or(wanted, |half| half.min(wanted));
        self.is_usable(now) && end - now > wanted
    }
}

impl Default for CredentialRecord {
    fn default() -> Self {
        Self::new()
    }
}

/// What to do for a credential.
#[derive(Debug)]
pub(super) enum Decision {
    /// The present one will do.
    Use,
    /// Get the next one.
    Renew,
    /// Somebody else is at it.
    Wait(Claim),
    /// There is none.
    Stop(Error),
}

/// How the next token is had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Renewable {
    /// With the refresh token.
    ByRefreshToken,
    /// By asking again, as at first: no person is needed.
    ByAskingAgain,
}

/// Decides from what is known. `rejected` says that the present token is of no use, whatever its time.
pub(super) fn decide(
    record: &CredentialRecord,
    request: &CredentialRequest,
    renewable: Renewable,
    rejected: bool,
    now: DateTime<Utc>,
) -> Decision {
    use ReauthorizationCause::{NeverAuthorized, NoRefreshToken, Rejected};
    let asks_again = renewable == Renewable::ByAskingAgain;
    match record.standing {
        Standing::Revoked => {
            let message = "the connection was revoked; authorize it again to use it";
            return Decision::Stop(Error::new(ErrorKind::ReauthorizationRequired, message));
        }
        // Nobody need consent.
        Standing::ReauthorizationRequired(NeverAuthorized) if asks_again => {}
        Standing::ReauthorizationRequired(cause) => return Decision::Stop(cause.error()),
        Standing::Granted => {}
    }
    if !rejected && record.lasts(now, request.valid_for) {
        return Decision::Use;
    }
    let usable = !rejected && record.is_usable(now);
    // Nobody is told to wait longer than that: a clock was wrong, now or then.
    let wait = record
        .not_before
        .map(|at| at - now)
        .filter(|wait| *wait > TimeDelta::zero() && *wait <= LONGEST_WAIT);
    let may = asks_again || record.secrets.contains_key(REFRESH);
    match (may, wait, &record.claim) {
        _ if usable && (!may || wait.is_some() || record.claim.is_some()) => Decision::Use,
        _ if request.refresh == Refresh::Never && usable => Decision::Use,
        _ if request.refresh == Refresh::Never => {
            let message =
                "there is no credential that lasts, and a check gets no new one; the next run will";
            Decision::Stop(Error::new(ErrorKind::Unsupported, message))
        }
        (_, _, Some(claim)) => Decision::Wait(claim.clone()),
        (false, ..) if rejected => Decision::Stop(Rejected.error()),
        (false, ..) => Decision::Stop(NoRefreshToken.error()),
        (true, Some(wait), _) => {
            let message = "the last try to get a token was a moment ago; the next one must wait";
            let wait = wait.to_std().unwrap_or_default();
            let error = Error::new(ErrorKind::Io, message).retrying(Retry::After(wait));
            Decision::Stop(error)
        }
        (true, None, None) => Decision::Renew,
    }
}

/// Tokens that a server gave.
#[derive(Debug, Clone)]
pub(super) struct Tokens {
    pub(super) access: Secret,
    pub(super) refresh: Option<Secret>,
    pub(super) lifetime: Option<TimeDelta>,
    /// What it says was granted.
    pub(super) scopes: Option<Vec<String>>,
    pub(super) base: Option<String>,
    /// Whose they are, where the server tells, and of which kind of organisation.
    pub(super) organization: Option<String>,
    pub(super) org: Option<Org>,
}

/// What came of asking for a token.
#[derive(Debug)]
pub(super) enum Renewal {
    /// Tokens.
    Got(Tokens),
    /// The server refuses for good.
    Refused(ReauthorizationCause),
    /// Tokens that grant too little; they are kept, and not used.
    TooLittle(Tokens, Error),
    /// An answer that is none. A refresh token in it may be the only one that still works.
    Bad(Option<Secret>, Error),
    /// Nothing is known, or it may be had later.
    Later(Error),
}

/// What is known now, and the error if there is no new credential.
pub(super) fn renewed(
    before: &CredentialRecord,
    renewal: Renewal,
    now: DateTime<Utc>,
) -> (CredentialRecord, Option<Error>) {
    let mut record = before.clone();
    record.claim = None;
    record.not_before = Some(now + LEAST_INTERVAL);
    match renewal {
        Renewal::Got(tokens) => {
            record.take(tokens, now);
            (record, None)
        }
        Renewal::TooLittle(tokens, error) => {
            record.take(tokens, now);
            record.secrets.remove(ACCESS);
            let cause = ReauthorizationCause::ScopeLost;
            record.standing = Standing::ReauthorizationRequired(cause);
            (record, Some(error))
        }
        Renewal::Refused(cause) => {
            record.standing = Standing::ReauthorizationRequired(cause);
            if cause == ReauthorizationCause::RefreshRefused {
                record.secrets.clear();
            }
            (record, Some(cause.error()))
        }
        Renewal::Bad(refresh, error) => {
            // The old access token may be good still.
            if let Some(refresh) = refresh {
                record.secrets.insert(REFRESH.into(), refresh);
                record.generation = record.generation.saturating_add(1);
            }
            (record, Some(error))
        }
        Renewal::Later(error) => {
            let wait = match error.retry() {
                Retry::After(wait) => TimeDelta::from_std(wait).unwrap_or(LONGEST_WAIT),
                _ => TimeDelta::seconds(1),
            };
            let wait = wait.clamp(TimeDelta::seconds(1), LONGEST_WAIT);
            record.not_before = Some(now + wait);
            (record, Some(error))
        }
    }
}

impl CredentialRecord {
    /// Takes new tokens. A refresh token that did not come is the old one.
    pub(super) fn take(&mut self, tokens: Tokens, now: DateTime<Utc>) {
        self.generation = self.generation.saturating_add(1);
        self.standing = Standing::Granted;
        self.secrets.insert(ACCESS.into(), tokens.access);
        if let Some(refresh) = tokens.refresh {
            self.secrets.insert(REFRESH.into(), refresh);
        }
        if let Some(scopes) = tokens.scopes {
            self.scopes = scopes;
        }
        if tokens.base.is_some() {
            self.base = tokens.base;
        }
        if tokens.organization.is_some() {
            self.organization = tokens.organization;
        }
        if tokens.org.is_some() {
            self.org = tokens.org;
        }
        self.refreshed_at = Some(now);
        self.expires_at = tokens
            .lifetime
            .and_then(|time| now.checked_add_signed(time));
        self.not_before = Some(now + LEAST_INTERVAL);
    }
}
