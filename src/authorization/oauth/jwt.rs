//! Assertions that our own key signs (RFC 7523).

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use serde_json::json;

use crate::host::{Context, unique};
use crate::{Error, ErrorKind, Result, Secret};

/// Signs with a private key that stays with the host: in a file, a vault, or hardware.
///
/// **Contract.** `sign` gives the signature of the bytes in the form that JWS (RFC 7515) has for `algorithm`: for `ES256` the 64 bytes of
/// r and s, for `RS256` those of PKCS #1 v1.5. No error holds the key.
#[async_trait]
pub trait Signer: fmt::Debug + Send + Sync {
    /// The algorithm's name in JWS, such as `RS256`. `none` is refused.
    fn algorithm(&self) -> &str;
    /// Which key it is, if the other side knows several.
    fn key_id(&self) -> Option<&str> {
        None
    }
    /// Signs bytes.
    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>>;
}

/// Who asserts what.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JwtSpec {
    /// `iss`: as a rule our client's id.
    pub issuer: String,
    /// `sub`: the user to act for.
    pub subject: String,
    /// `aud`: the authorization server, as it wants to be called; `None` for the URL of its token endpoint.
    pub audience: Option<String>,
    /// Signs.
    pub signer: Arc<dyn Signer>,
}

impl JwtSpec {
    /// Asserts that we, `issuer`, act for a user.
    pub fn new(
        issuer: impl Into<String>,
        subject: impl Into<String>,
        signer: Arc<dyn Signer>,
    ) -> Self {
        JwtSpec {
            issuer: issuer.into(),
            subject: subject.into(),
            audience: None,
            signer,
        }
    }

    /// The server wants to be called so.
    #[must_use]
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// An assertion that holds for three minutes.
    pub(super) async fn assertion(&self, context: &Context, token_url: &str) -> Result<Secret> {
        let algorithm = self.signer.algorithm();
        if algorithm.is_empty() || algorithm.eq_ignore_ascii_case("none") {
            let message = "a signer must sign; give it an algorithm such as `RS256` or `ES256`";
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let now = context.clock().now();
        let mut head = json!({"alg": algorithm, "typ": "JWT"});
        if let (Some(key), Some(head)) = (self.signer.key_id(), head.as_object_mut()) {
            head.insert("kid".into(), key.into());
        }
        let claims = json!({
            "iss": self.issuer,
            "sub": self.subject,
            "aud": self.audience.as_deref().unwrap_or(token_url),
            "iat": now.timestamp(),
            "exp": (now + TimeDelta::minutes(3)).timestamp(),
            "jti": unique(context.entropy()),
        });
        let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encode(&head), encode(&claims));
        let signature = self.signer.sign(message.as_bytes()).await?;
        if signature.is_empty() {
            return Err(Error::contract("a signer gave no signature"));
        }
        let signature = URL_SAFE_NO_PAD.encode(signature);
        Ok(Secret::new(format!("{message}.{signature}")))
    }
}
