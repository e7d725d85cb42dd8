//! The answers of the protocol. Pure, and believing nothing.

use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, StatusCode, header};
use oauth2::DeviceCodeErrorResponseType;
use oauth2::basic::{BasicErrorResponseType, BasicTokenType};
use serde_json::Value;
use std::time::Duration;

use crate::authorization::record::{ReauthorizationCause, Renewal, Tokens};
use crate::spec::{AllowedHosts, OAuthSpec, OrganizationSource};
use crate::{Error, ErrorKind, Result, Retry, Secret};

/// No token lasts longer.
const LONGEST: u64 = 10 * 366 * 86_400;

/// An answer, read whole.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: bytes::Bytes,
}

/// What a server says about why it refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    Code(DeviceCodeErrorResponseType),
    /// It may be fine later.
    Later(Option<Duration>),
    /// It is no answer of this protocol.
    Bad(&'static str),
}

fn bad(because: &'static str) -> Error {
    let message = "the answer of the authorization server cannot be right, and is not used; ask whoever runs it";
    Error::new(ErrorKind::BadTokenAnswer, message).with("because", because)
}

impl Answer {
    /// The object that the server answered, or why there is none.
    pub(super) fn object(&self, now: DateTime<Utc>) -> std::result::Result<Value, Refusal> {
        let status = self.status;
        if status == StatusCode::TOO_MANY_REQUESTS
            || status == StatusCode::REQUEST_TIMEOUT
            || status.is_server_error()
        {
            return Err(Refusal::Later(self.retry_after(now)));
        }
        if status.is_redirection() {
            return Err(Refusal::Bad("it leads elsewhere, and nobody follows"));
        }
        let value: Value = match serde_json::from_slice(&self.body) {
            Ok(value @ Value::Object(_)) => value,
            _ if status.is_success() => return Err(Refusal::Bad("it is no JSON object")),
            _ => return Err(Refusal::Bad("it is an error, and has no code")),
        };
        // Some servers say 200 all the same.
        match value.get("error") {
            Some(Value::String(code)) => {
                let code = Value::String(code.clone());
                let code = serde_json::from_value::<DeviceCodeErrorResponseType>(code);
                Err(code.map_or(Refusal::Bad("its code is none"), Refusal::Code))
            }
            Some(_) => Err(Refusal::Bad("its code is none")),
            None if status.is_success() => Ok(value),
            None => Err(Refusal::Bad("it is an error, and has no code")),
        }
    }

    /// The header `retry-after`, in seconds or as a date.
    pub(super) fn retry_after(&self, now: DateTime<Utc>) -> Option<Duration> {
        let text = self.headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
        if let Ok(seconds) = text.parse::<u64>() {
            return Some(Duration::from_secs(seconds));
        }
        let date = DateTime::parse_from_rfc2822(text).ok()?;
        Some((date.to_utc() - now).to_std().unwrap_or_default())
    }
}

impl Refusal {
    /// The error of it, where nothing else follows from it.
    pub(super) fn error(self) -> Error {
        match self {
            Refusal::Bad(because) => bad(because),
            Refusal::Later(wait) => {
                let message = "the authorization server is busy or down; try again later";
                let retry = wait.map_or(Retry::Now, Retry::After);
                Error::new(ErrorKind::Io, message).retrying(retry)
            }
            Refusal::Code(code) => {
                let message =
                    "the authorization server refuses; look at the connection's client and scopes";
                Error::new(ErrorKind::ReauthorizationRequired, message).with("because", word(&code))
            }
        }
    }
}

/// The code, if it is one of the protocol's: a server may write anything there.
pub(super) fn word(code: &DeviceCodeErrorResponseType) -> &'static str {
    use BasicErrorResponseType as Basic;
    use DeviceCodeErrorResponseType as Device;
    match code {
        Device::AuthorizationPending => "authorization_pending",
        Device::SlowDown => "slow_down",
        Device::AccessDenied => "access_denied",
        Device::ExpiredToken => "expired_token",
        Device::Basic(Basic::InvalidClient) => "invalid_client",
        Device::Basic(Basic::InvalidGrant) => "invalid_grant",
        Device::Basic(Basic::InvalidRequest) => "invalid_request",
        Device::Basic(Basic::InvalidScope) => "invalid_scope",
        Device::Basic(Basic::UnauthorizedClient) => "unauthorized_client",
        Device::Basic(Basic::UnsupportedGrantType) => "unsupported_grant_type",
        Device::Basic(Basic::Extension(_)) => "a code that the protocol does not have",
    }
}

/// Text that may stand in a header.
fn token(value: Option<&Value>) -> Option<Secret> {
    let text = value?.as_str()?;
    let fine = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    fine.then(|| Secret::new(text))
}

/// Tokens, and what of them is wrong.
fn tokens(object: &Value, spec: &OAuthSpec, hosts: &AllowedHosts) -> Result<Tokens> {
    let Some(access) = token(object.get("access_token")) else {
        return Err(bad("it has no access token"));
    };
    let kind = object.get("token_type").and_then(Value::as_str);
    let kind = kind.map(str::to_ascii_lowercase).map(Value::String);
    let kind = kind.and_then(|kind| serde_json::from_value::<BasicTokenType>(kind).ok());
    if kind != Some(BasicTokenType::Bearer) {
        return Err(bad("its token is of another type than bearer"));
    }
    let lifetime = match object.get("expires_in") {
        None | Some(Value::Null) => None,
        Some(value) => match value.as_u64() {
            Some(seconds @ 1..=LONGEST) => {
                TimeDelta::try_seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
            }
            _ => return Err(bad("the time until its token ends cannot be")),
        },
    };
    let scopes = match object.get("scope") {
        None | Some(Value::Null) => None,
        Some(Value::String(scopes)) => {
            // Some separate them by commas.
            let scopes = scopes.split([' ', ',']).filter(|scope| !scope.is_empty());
            Some(scopes.map(str::to_owned).collect())
        }
        Some(_) => return Err(bad("its scope is no text")),
    };
    let refresh = match object.get("refresh_token") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if text.is_empty() => None,
        some => Some(token(some).ok_or_else(|| bad("its refresh token is none"))?),
    };
    let base = match &spec.base {
        None => None,
        Some(pointer) => match object.pointer(pointer) {
            Some(Value::String(url)) => Some(hosts.check(url)?.into()),
            // A refresh need not say it again.
            None | Some(Value::Null) => None,
            Some(_) => return Err(bad("the address of its API is no text")),
        },
    };
    Ok(Tokens {
        access,
        refresh,
        lifetime,
        scopes,
        base,
        organization: match &spec.organization {
            OrganizationSource::Token(pointer) if object.pointer(pointer).is_some() => {
                Some(name_at(object, pointer)?)
            }
            _ => None,
        },
        org: None,
    })
}

/// What is missing in what was granted.
fn lacking(spec: &OAuthSpec, granted: &[String]) -> Option<Error> {
    let missing: Vec<&str> = spec
        .scopes
        .iter()
        .filter(|scope| !granted.contains(scope))
        .map(String::as_str)
        .collect();
    if missing.is_empty() {
        return None;
    }
    let message = "the outside system grants less than the connection needs; consent to all of it, or ask an administrator there";
    let error = Error::new(ErrorKind::InsufficientScope, message);
    Some(error.with("missing", missing.join(" ")))
}

/// What came of asking for tokens. `by_person` says that they stand for the consent of one, not for our client alone.
pub(super) fn read_tokens(
    answer: &Answer,
    spec: &OAuthSpec,
    hosts: &AllowedHosts,
    by_person: bool,
    now: DateTime<Utc>,
) -> Renewal {
    let object = match answer.object(now) {
        Ok(object) => object,
        Err(Refusal::Code(DeviceCodeErrorResponseType::Basic(code))) => {
            use BasicErrorResponseType as Code;
            return match code {
                Code::InvalidGrant if by_person => {
                    Renewal::Refused(ReauthorizationCause::RefreshRefused)
                }
                Code::InvalidScope => Renewal::Refused(ReauthorizationCause::ScopeLost),
                Code::Extension(code)
                    if code == "temporarily_unavailable" || code == "server_error" =>
                {
                    Renewal::Later(Refusal::Later(answer.retry_after(now)).error())
                }
                // A code that nobody knows says nothing about the grant.
                Code::Extension(_) | Code::InvalidRequest => {
                    let because = "it refuses the request, and not the grant";
                    Renewal::Bad(None, bad(because))
                }
                _ => Renewal::Refused(ReauthorizationCause::ClientRefused),
            };
        }
        Err(Refusal::Code(DeviceCodeErrorResponseType::AccessDenied)) => {
            return Renewal::Refused(ReauthorizationCause::RefreshRefused);
        }
        Err(Refusal::Code(_)) => return Renewal::Bad(None, bad("its code is of another grant")),
        Err(refusal @ Refusal::Later(_)) => return Renewal::Later(refusal.error()),
        Err(refusal) => return Renewal::Bad(None, refusal.error()),
    };
    match tokens(&object, spec, hosts) {
        // A refresh token in it is the only one that works now, whatever else is wrong.
        Err(error) => Renewal::Bad(token(object.get("refresh_token")), error),
        Ok(tokens) => match tokens
            .scopes
            .as_deref()
            .and_then(|scopes| lacking(spec, scopes))
        {
            Some(error) => Renewal::TooLittle(tokens, error),
            None => Renewal::Got(tokens),
        },
    }
}

/// The text or number at a JSON pointer, which names an organisation.
pub(super) fn name_at(object: &Value, pointer: &str) -> Result<String> {
    let named = match object.pointer(pointer) {
        Some(Value::String(text)) if !text.is_empty() && text.len() <= 512 => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    named.ok_or_else(|| bad("it does not say which organisation it is of").with("pointer", pointer))
}
