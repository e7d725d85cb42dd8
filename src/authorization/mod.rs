//! The contract of an authorization: what lets us into the organisation of an outside system, and what a request shows there.
//!
//! | what the system asks for | is |
//! |---|---|
//! | OAuth 2.0 | [`OAuth`] |
//! | an API key, a bearer token, a password, an access key, headers | [`KeyAuthorization`] |
//! | for tests | `memory::MemoryAuthorization` |
//!
//! The guide is [`docs::authorization`](crate::docs::authorization).

mod credential;
mod keys;
mod oauth;
mod record;
mod refresh;
mod store;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::Result;
use crate::host::Context;

pub use credential::Credential;
pub use keys::{KeyAuthorization, KeyMethod};
pub use oauth::{
    Authorized, BeginRequest, Callback, Consent, DeviceConsent, DevicePoll, Grant, JwtSpec, OAuth,
    OAuthConfig, Revocation, RevokeMode, Signer, connection_of,
};
pub use record::{AuthorizationState, CredentialRecord, ReauthorizationCause, Standing};
pub use refresh::RefreshTerms;
pub use store::{CredentialStore, LoadedCredential};

/// Facts about an authorization.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthorizationInfo {
    /// How it authorizes, for people: `oauth2 authorization code`, `api key`.
    pub method: String,
    /// Whether a credential can come to its end, so that one is asked for again and again.
    pub expires: bool,
    /// Whether a person must consent before there is a credential.
    pub needs_consent: bool,
}

impl AuthorizationInfo {
    /// One that lasts, and that nobody must consent to.
    pub fn new(method: impl Into<String>) -> Self {
        AuthorizationInfo {
            method: method.into(),
            expires: false,
            needs_consent: false,
        }
    }

    /// Its credentials come to an end.
    #[must_use]
    pub fn with_expiry(mut self) -> Self {
        self.expires = true;
        self
    }

    /// A person must consent.
    #[must_use]
    pub fn with_consent(mut self) -> Self {
        self.needs_consent = true;
        self
    }
}

/// Whether a new token may be asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refresh {
    /// If the present one is about to end.
    #[default]
    IfNeeded,
    /// Never: for a check, which must not use up anything.
    Never,
}

/// Which credential is wanted.
///
/// ```
/// use std::time::Duration;
/// use syncline::authorization::{CredentialRequest, Refresh};
///
/// let request = CredentialRequest::new().with_valid_for(Duration::from_secs(300));
/// assert_eq!(request.refresh, Refresh::IfNeeded);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CredentialRequest {
    /// How long it should last at least. 60 seconds. One whose whole life is short is taken for its first half.
    pub valid_for: Duration,
    /// Whether a new token may be asked for.
    pub refresh: Refresh,
}

impl Default for CredentialRequest {
    fn default() -> Self {
        CredentialRequest {
            valid_for: Duration::from_secs(60),
            refresh: Refresh::IfNeeded,
        }
    }
}

impl CredentialRequest {
    /// One that lasts a minute, new if need be.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lasts so long at least.
    #[must_use]
    pub fn with_valid_for(mut self, time: Duration) -> Self {
        self.valid_for = time;
        self
    }

    /// With this rule for new tokens.
    #[must_use]
    pub fn with_refresh(mut self, refresh: Refresh) -> Self {
        self.refresh = refresh;
        self
    }
}

/// What to do after the outside system rejected a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AfterReject {
    /// There is a newer one: ask for it, and make the call once more. If that is rejected too, ask again: the answer will be to give up.
    TryAgain,
    /// There is none, and none can be had now. The call fails.
    GiveUp,
}

/// Lets us into the organisation of an outside system.
///
/// **Contract.**
/// - `credential` is quick while there is one that lasts, and makes no call then. Under [`Refresh::Never`] it never makes one.
/// - However many tasks and processes ask at once, each generation of a credential is used once to get the next.
/// - A new credential is durable before it is given out.
/// - [`ReauthorizationRequired`](crate::ErrorKind::ReauthorizationRequired) means that a person must act; asking again makes no call.
/// - `rejected` never leads to a loop: a credential that was new a moment ago and is rejected is [`AfterReject::GiveUp`].
/// - No secret is in an error or in `Debug`.
///
/// ```
/// # futures::executor::block_on(async {
/// use syncline::Secret;
/// use syncline::authorization::{Authorization, CredentialRequest, KeyAuthorization, KeyMethod};
/// use syncline::host::{Context, HttpRequest};
/// use syncline::spec::{Domain, Org, OrgHosts};
///
/// let hosts = OrgHosts::new(Domain::parse("api.example.com")?).allow(&Org::Production)?;
/// let authorization = KeyAuthorization::new(KeyMethod::header("accesskey", Secret::new("hunter2")), hosts)?;
/// let credential = authorization.credential(&Context::new(), CredentialRequest::new()).await?;
/// let request = HttpRequest::get("https://api.example.com/users".parse().unwrap());
/// let request = credential.attach(request)?;
/// assert_eq!(request.headers["accesskey"], "hunter2");
/// // To no other host.
/// let elsewhere = HttpRequest::get("https://api.example.com.evil.example/".parse().unwrap());
/// assert!(credential.attach(elsewhere).is_err());
/// # Ok::<(), syncline::Error>(())
/// # }).unwrap();
/// ```
#[async_trait]
pub trait Authorization: fmt::Debug + Send + Sync {
    /// Facts.
    fn info(&self) -> &AuthorizationInfo;

    /// What to show with the next request.
    async fn credential(&self, context: &Context, request: CredentialRequest)
    -> Result<Credential>;

    /// The outside system rejected this credential, with status 401 as a rule.
    async fn rejected(&self, context: &Context, credential: &Credential) -> Result<AfterReject>;
}
