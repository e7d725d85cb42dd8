//! Consents that are waited for: kept for ten minutes, for one callback of the one who asked.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::authorization::store::CredentialStore;
use crate::host::{Context, Expected, Saved, StateKey, StateKind, StateVersion, Swap, unique};
use crate::spec::Org;
use crate::{Error, ErrorKind, Result, Retry, Secret, Tenant};

/// The newest format of a saved consent.
const FORMAT: u8 = 1;

/// How long a person may take.
pub(super) const LIFE: TimeDelta = TimeDelta::minutes(10);

/// What the outside system's server sent the person's browser back with.
///
/// ```
/// use syncline::authorization::Callback;
///
/// let callback = Callback::from_query("session-of-ada", "code=abc&state=xyz&iss=https%3A%2F%2Flogin.example.com")?;
/// assert!(!format!("{callback:?}").contains("abc"));
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Callback {
    /// The session of the person whose browser came back, as the host knows it: the same as in the
    /// [`BeginRequest`](super::BeginRequest). It comes from the host's own cookie, never from the query.
    pub session: Secret,
    /// `state`.
    pub state: Secret,
    /// `code`, if the person consented.
    pub code: Option<Secret>,
    /// `error`, if not.
    pub error: Option<String>,
    /// `iss`: what the server calls itself.
    pub issuer: Option<String>,
}

impl Callback {
    /// Reads the query of a callback.
    ///
    /// # Errors
    /// [`StateMismatch`](ErrorKind::StateMismatch) if it has no `state`, or one of its parameters twice.
    pub fn from_query(session: impl Into<String>, query: &str) -> Result<Self> {
        let query = query.strip_prefix('?').unwrap_or(query);
        let mut found: [Option<String>; 4] = [None, None, None, None];
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let Some(at) = ["state", "code", "error", "iss"]
                .iter()
                .position(|of| *of == name)
            else {
                continue;
            };
            let slot = found.get_mut(at);
            if slot.is_some_and(|slot| slot.replace(value.into_owned()).is_some()) {
                return Err(mismatch("it has a parameter twice"));
            }
        }
        let [state, code, error, issuer] = found;
        Ok(Callback {
            session: Secret::new(session),
            state: Secret::new(state.ok_or_else(|| mismatch("it has no state"))?),
            code: code.map(Secret::new),
            error,
            issuer,
        })
    }
}

/// The error of a callback that fits nothing; what was wrong is for the host's logs, not for the browser.
pub(super) fn mismatch(because: &'static str) -> Error {
    let message = "this callback fits no authorization that is under way; begin again";
    Error::new(ErrorKind::StateMismatch, message).with("because", because)
}

/// SHA-256, as base64 without padding.
fn digest(text: &Secret) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(text.expose().as_bytes()))
}

/// 256 bits of chance in 43 characters.
pub(super) fn drawn(context: &Context) -> Secret {
    let mut bytes = [0; 32];
    context.entropy().fill(&mut bytes);
    Secret::new(URL_SAFE_NO_PAD.encode(bytes))
}

/// What was asked of a person.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) connection: String,
    pub(super) org: Org,
    pub(super) issuer: String,
    pub(super) redirect: Url,
    pub(super) verifier: Secret,
    session: String,
    expires_at: DateTime<Utc>,
}

/// What is saved. Neither the state nor the session nor the verifier can be read from it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedPending {
    entry: String,
    connection: String,
    org: Org,
    issuer: String,
    redirect: Url,
    session: String,
    expires_at: DateTime<Utc>,
    sealed: Vec<u8>,
}

impl Pending {
    pub(super) fn new(
        connection: String,
        org: Org,
        issuer: String,
        redirect: Url,
        verifier: Secret,
        session: &Secret,
        now: DateTime<Utc>,
    ) -> Self {
        Pending {
            connection,
            org,
            issuer,
            redirect,
            verifier,
            session: digest(session),
            expires_at: now + LIFE,
        }
    }

    /// Whether the callback is of whoever asked, in time, and of the server that was asked.
    fn fits(&self, callback: &Callback, sends_issuer: bool, now: DateTime<Utc>) -> Result<()> {
        let session = Secret::new(digest(&callback.session));
        if !session.matches(&Secret::new(&*self.session)) {
            return Err(mismatch("it is of another session"));
        }
        if now >= self.expires_at {
            return Err(mismatch("it is too late"));
        }
        match &callback.issuer {
            Some(issuer) if *issuer != self.issuer => Err(mismatch("it is of another server")),
            None if sends_issuer => Err(mismatch("it does not say which server it is of")),
            _ => Ok(()),
        }
    }
}

fn key(tenant: &Tenant, state: &Secret) -> Result<StateKey> {
    StateKey::new(tenant, StateKind::Consent, [digest(state)])
}

/// Keeps what was asked, under this state.
pub(super) async fn keep(
    context: &Context,
    store: &CredentialStore,
    state: &Secret,
    pending: &Pending,
) -> Result<()> {
    let key = key(store.tenant(), state)?;
    let sealed = store.cipher().seal(&key, &pending.verifier).await?;
    let entry = unique(context.entropy());
    let saved = SavedPending {
        entry: entry.clone(),
        connection: pending.connection.clone(),
        org: pending.org.clone(),
        issuer: pending.issuer.clone(),
        redirect: pending.redirect.clone(),
        session: pending.session.clone(),
        expires_at: pending.expires_at,
        sealed: sealed.to_vec(),
    };
    let bytes = Saved::seal(&key, FORMAT, &saved)?;
    let put = store.state().put(&key, bytes, Expected::Absent).await;
    if let Ok(Swap::Done(_)) = put {
        return Ok(());
    }
    // It may have been done all the same: by a call whose answer was lost, or that was sent twice.
    let found = find(store, state).await;
    if matches!(&found, Ok(Some((_, _, saved))) if saved.entry == entry) {
        return Ok(());
    }
    let _: Swap = put?;
    Err(match found? {
        Some(_) => {
            Error::contract("entropy gave the same number twice; give the context another one")
        }
        None => {
            let message = "the state store has something there and does not show it; begin again";
            Error::new(ErrorKind::Io, message).retrying(Retry::Now)
        }
    })
}

async fn find(
    store: &CredentialStore,
    state: &Secret,
) -> Result<Option<(StateKey, StateVersion, SavedPending)>> {
    let key = key(store.tenant(), state)?;
    let Some(stored) = store.state().get(&key).await? else {
        return Ok(None);
    };
    let saved = Saved::open(&key, FORMAT, &stored.bytes)?.payload()?;
    Ok(Some((key, stored.version, saved)))
}

/// Takes what was asked: once, by a callback that fits. One that does not fit leaves it where it is, so that nobody can end what
/// somebody else began.
pub(super) async fn take(
    store: &CredentialStore,
    connection: &str,
    callback: &Callback,
    sends_issuer: bool,
    now: DateTime<Utc>,
) -> Result<Pending> {
    let unknown = || mismatch("its state is unknown, or was used already");
    let Some((key, version, saved)) = find(store, &callback.state).await? else {
        return Err(unknown());
    };
    if saved.connection != connection {
        return Err(mismatch("it is of another connection"));
    }
    let verifier = store.cipher().open(&key, &saved.sealed.into()).await?;
    let pending = Pending {
        connection: saved.connection,
        org: saved.org,
        issuer: saved.issuer,
        redirect: saved.redirect,
        verifier,
        session: saved.session,
        expires_at: saved.expires_at,
    };
    pending.fits(callback, sends_issuer, now)?;
    // Of two callbacks with one state only one is first.
    match store.state().delete(&key, version).await? {
        true => Ok(pending),
        false => Err(unknown()),
    }
}

/// The connection that a callback belongs to, for hosts that have one address for all callbacks.
///
/// # Errors
/// [`StateMismatch`](ErrorKind::StateMismatch) if nothing is waited for under its state, and those of the store.
pub async fn connection_of(store: &CredentialStore, callback: &Callback) -> Result<String> {
    let found = find(store, &callback.state).await?;
    let found = found.ok_or_else(|| mismatch("its state is unknown, or was used already"))?;
    Ok(found.2.connection)
}

/// Removes consents that nobody gave in time, at most `limit` keys looked at; how many were removed.
pub(super) async fn sweep(
    store: &CredentialStore,
    now: DateTime<Utc>,
    limit: usize,
) -> Result<u64> {
    let mut swept = 0;
    let (state, tenant) = (store.state(), store.tenant());
    for key in state.list(tenant, StateKind::Consent, None, limit).await? {
        let Some(stored) = state.get(&key).await? else {
            continue;
        };
        // What cannot be read is somebody else's to look at.
        let saved = Saved::open(&key, FORMAT, &stored.bytes).and_then(|saved| saved.payload());
        let late = saved.is_ok_and(|saved: SavedPending| now >= saved.expires_at);
        if late && state.delete(&key, stored.version).await? {
            swept += 1;
        }
    }
    Ok(swept)
}
