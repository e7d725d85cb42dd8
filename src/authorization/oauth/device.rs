//! Consent on another device (RFC 8628).

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use oauth2::DeviceCodeErrorResponseType;
use serde_json::Value;
use url::Url;

use super::answer::Refusal;
use super::consent::mismatch;
use super::{Authorized, Grant, OAuth, scope};
use crate::host::Context;
use crate::spec::Org;
use crate::{Error, ErrorKind, Result, Secret, Tenant};

/// What a person does on another device. `Debug` shows neither code.
#[derive(Clone)]
#[non_exhaustive]
pub struct DeviceConsent {
    /// What to enter there.
    pub user_code: String,
    /// Where.
    pub url: Url,
    /// The same with the code in it, if the server has that.
    pub complete_url: Option<Url>,
    /// When it is too late.
    pub expires_at: DateTime<Utc>,
    interval: Duration,
    code: Secret,
    /// Whose consent it is: of which tenant, connection and kind of organisation.
    asked_for: (Tenant, String, Org),
}

impl fmt::Debug for DeviceConsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceConsent")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Whether a person has consented.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DevicePoll {
    /// Not yet: ask again after this time.
    Pending(Duration),
    /// Yes.
    Done(Authorized),
}

impl OAuth {
    /// Begins to ask a person who has a browser elsewhere.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) if this is not the grant or the system has no such endpoint, and what the server or the
    /// way there answered.
    pub async fn begin_device(&self, context: &Context) -> Result<DeviceConsent> {
        let begun = self.begun(context).await;
        begun.map_err(|error| error.during("begin authorization"))
    }

    async fn begun(&self, context: &Context) -> Result<DeviceConsent> {
        let inner = &*self.0;
        let endpoint = inner.endpoints(context).await?.device.as_ref();
        let (Grant::DeviceCode, Some(url)) = (&inner.config.grant, endpoint) else {
            let message = "the connection is not authorized by another device; begin in a browser";
            return Err(Error::new(ErrorKind::Unsupported, message));
        };
        let scope = scope(&inner.config.spec);
        let fields: &[(&str, &str)] = match scope.is_empty() {
            true => &[],
            false => &[("scope", &scope)],
        };
        let request = inner.client.post(url, fields)?;
        let answer = inner.send(context, request).await?;
        let now = context.clock().now();
        let object = answer.object(now).map_err(Refusal::error)?;
        read(&object, now, inner.asked_for())
            .ok_or_else(|| Refusal::Bad("it does not say what a person must do").error())
    }

    /// Asks whether the person has consented. Whoever asks earlier than it was told to is told to wait longer.
    ///
    /// # Errors
    /// [`StateMismatch`](ErrorKind::StateMismatch) for a consent that was begun for another connection, and nothing is sent;
    /// [`ReauthorizationRequired`](ErrorKind::ReauthorizationRequired) if they refused or it is too late, and those of
    /// [`complete`](OAuth::complete).
    pub async fn poll_device(
        &self,
        context: &Context,
        consent: &mut DeviceConsent,
    ) -> Result<DevicePoll> {
        let polled = self.polled(context, consent).await;
        polled.map_err(|error| error.during("complete authorization"))
    }

    async fn polled(&self, context: &Context, consent: &mut DeviceConsent) -> Result<DevicePoll> {
        use DeviceCodeErrorResponseType as Code;
        let inner = &*self.0;
        if consent.asked_for != inner.asked_for() {
            return Err(mismatch("it is of another connection"));
        }
        let now = context.clock().now();
        if now >= consent.expires_at {
            return Err(super::refused("expired_token"));
        }
        let fields = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", consent.code.expose()),
        ];
        let token = &inner.endpoints(context).await?.token;
        let request = inner.client.post(token, &fields)?;
        let answer = inner.send(context, request).await?;
        match answer.object(now) {
            Err(Refusal::Code(Code::AuthorizationPending)) => {}
            // As the RFC asks for.
            Err(Refusal::Code(Code::SlowDown)) => consent.slow_down(),
            Err(Refusal::Later(wait)) => {
                consent.slow_down();
                let wait = wait.unwrap_or_default().min(Duration::from_secs(300));
                return Ok(DevicePoll::Pending(consent.interval.max(wait)));
            }
            Err(Refusal::Code(Code::AccessDenied)) => {
                return Err(super::refused("access_denied"));
            }
            Err(Refusal::Code(Code::ExpiredToken)) => {
                return Err(super::refused("expired_token"));
            }
            _ => {
                let tokens = inner.granted(&answer, context)?;
                return Ok(DevicePoll::Done(inner.keep(context, tokens).await?));
            }
        }
        Ok(DevicePoll::Pending(consent.interval))
    }
}

impl DeviceConsent {
    fn slow_down(&mut self) {
        self.interval = self
            .interval
            .saturating_add(Duration::from_secs(5))
            .min(Duration::from_secs(300));
    }
}

/// What a server says that a person must do.
fn read(
    object: &Value,
    now: DateTime<Utc>,
    asked_for: (Tenant, String, Org),
) -> Option<DeviceConsent> {
    let text = |name: &str| {
        let text = object.get(name)?.as_str()?;
        let fine = !text.is_empty() && text.len() <= 2_048 && !text.contains(char::is_control);
        fine.then_some(text)
    };
    // A person is sent there, no credential is.
    let url = |name: &str| {
        let url = Url::parse(text(name)?).ok()?;
        let local = url.host_str() == Some("127.0.0.1");
        (url.scheme() == "https" || local && url.scheme() == "http").then_some(url)
    };
    let seconds = object.get("expires_in")?.as_u64()?.clamp(1, 3_600);
    let interval = match object.get("interval") {
        None | Some(Value::Null) => 5,
        Some(value) => value.as_u64()?.clamp(1, 300),
    };
    Some(DeviceConsent {
        user_code: text("user_code")?.to_owned(),
        url: url("verification_uri").or_else(|| url("verification_url"))?,
        complete_url: url("verification_uri_complete"),
        expires_at: now + TimeDelta::try_seconds(i64::try_from(seconds).ok()?)?,
        interval: Duration::from_secs(interval),
        code: Secret::new(text("device_code")?),
        asked_for,
    })
}
