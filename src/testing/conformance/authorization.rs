//! What is asked of an authorization.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::join_all;

use super::clause::{Checked, OrBroken as _, clause, must, opaque, reached, same};
use super::{Capability, Fixture, Suite};
use crate::authorization::{AfterReject, Authorization, CredentialRequest, Refresh};
use crate::host::Context;
use crate::{Result, Secret};

/// An authorization that stands, so that there is a credential.
pub struct AuthorizationFixture {
    authorization: Arc<dyn Authorization>,
    secrets: Vec<Secret>,
    calls: Option<Box<dyn Fn() -> u64 + Send + Sync>>,
}

opaque!(AuthorizationFixture);

impl AuthorizationFixture {
    /// Tries out this one.
    pub fn new(authorization: impl Authorization + 'static) -> Self {
        AuthorizationFixture {
            authorization: Arc::new(authorization),
            secrets: Vec::new(),
            calls: None,
        }
    }

    /// These secrets are in it.
    #[must_use]
    pub fn with_secrets(mut self, secrets: impl IntoIterator<Item = Secret>) -> Self {
        self.secrets.extend(secrets);
        self
    }

    /// So many calls were made to the outside system so far.
    #[must_use]
    pub fn with_calls(mut self, calls: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        self.calls = Some(Box::new(calls));
        self
    }

    fn calls(&self) -> u64 {
        self.calls.as_ref().map_or(0, |calls| calls())
    }
}

#[async_trait]
impl Fixture for AuthorizationFixture {
    fn subject(&self) -> String {
        self.authorization.info().method.clone()
    }

    async fn declares(&self, _: &Context) -> Result<BTreeSet<Capability>> {
        let known = (!self.secrets.is_empty()).then_some(Capability::KnownSecrets);
        let counted = self.calls.as_ref().map(|_| Capability::CountsCalls);
        Ok(known.into_iter().chain(counted).collect())
    }
}

/// The contract of an [`Authorization`].
pub static AUTHORIZATION: Suite<AuthorizationFixture> = Suite {
    name: "authorization",
    clauses: &[
        clause!(
            "AU-01",
            None,
            "All who ask at the same time get the same credential.",
            "A refresh that is made twice with one token has the whole grant revoked.",
            one_for_all
        ),
        clause!(
            "AU-02",
            Some(Capability::CountsCalls),
            "While a credential lasts, to ask again makes no call.",
            "Each call of a connector would cost two.",
            kept
        ),
        clause!(
            "AU-03",
            Some(Capability::CountsCalls),
            "Who forbids a refresh makes no call.",
            "To check a connection would use up its token.",
            checks_call_nobody
        ),
        clause!(
            "AU-04",
            None,
            "Who tries again after each rejection is told to give up.",
            "A connector would go on for ever, and the account be locked.",
            rejections_end
        ),
        clause!(
            "AU-05",
            None,
            "Who is told to try again is given a newer credential.",
            "The same one would be rejected again.",
            newer_after_reject
        ),
        clause!(
            "AU-06",
            Some(Capability::KnownSecrets),
            "No secret is in what is formatted.",
            "Logs are read by many, and kept for long.",
            nothing_is_shown
        ),
    ],
};

const ASKED: usize = 32;

async fn one_for_all(context: &Context, fixture: &AuthorizationFixture) -> Checked {
    let request = CredentialRequest::new();
    let asked = (0..ASKED).map(|_| fixture.authorization.credential(context, request));
    let mut generations = BTreeSet::new();
    for credential in join_all(asked).await {
        generations.insert(credential.or_broken("ask")?.generation());
    }
    same("different generations", &generations.len(), &1)
}

async fn kept(context: &Context, fixture: &AuthorizationFixture) -> Checked {
    let request = CredentialRequest::new();
    fixture.authorization.credential(context, request).await?;
    let before = fixture.calls();
    for _ in 0..ASKED {
        fixture.authorization.credential(context, request).await?;
    }
    same("calls", &fixture.calls(), &before)
}

async fn checks_call_nobody(context: &Context, fixture: &AuthorizationFixture) -> Checked {
    let before = fixture.calls();
    let check = CredentialRequest::new().with_refresh(Refresh::Never);
    // There may be none: what counts is that nobody is called.
    let _ = fixture.authorization.credential(context, check).await;
    let long = check.with_valid_for(std::time::Duration::from_secs(1 << 40));
    let _ = fixture.authorization.credential(context, long).await;
    same("calls", &fixture.calls(), &before)
}

async fn rejections_end(context: &Context, fixture: &AuthorizationFixture) -> Checked {
    for _ in 0..8 {
        let asked = fixture
            .authorization
            .credential(context, CredentialRequest::new());
        let Ok(credential) = asked.await else {
            // None any more: that is an end too.
            return Ok(());
        };
        match fixture.authorization.rejected(context, &credential).await {
            Ok(AfterReject::TryAgain) => {}
            Ok(AfterReject::GiveUp) | Err(_) => return Ok(()),
        }
    }
    must(false, || "told to try again eight times".into())
}

async fn newer_after_reject(context: &Context, fixture: &AuthorizationFixture) -> Checked {
    let request = CredentialRequest::new();
    let authorization = &fixture.authorization;
    let first = authorization.credential(context, request).await?;
    if authorization.rejected(context, &first).await? != AfterReject::TryAgain {
        return Ok(());
    }
    let next = authorization.credential(context, request).await;
    let next = next.or_broken("ask again")?.generation();
    must(next > first.generation(), || {
        format!("{next} behind {}", first.generation())
    })
}

async fn nothing_is_shown(context: &Context, fixture: &AuthorizationFixture) -> Checked {
    let authorization = &fixture.authorization;
    let credential = authorization
        .credential(context, CredentialRequest::new())
        .await;
    let rejected = match &credential {
        Ok(credential) => format!("{:?}", authorization.rejected(context, credential).await),
        Err(_) => String::new(),
    };
    reached(credential.is_ok(), || "there is no credential".into())?;
    let info = authorization.info();
    let shown = format!("{authorization:?} {authorization:#?} {credential:?} {rejected} {info:?}");
    let seen = |secret: &Secret| !secret.is_empty() && shown.contains(secret.expose());
    must(!fixture.secrets.iter().any(seen), || "a secret is".into())
}
