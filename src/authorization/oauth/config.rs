//! What one OAuth connection is made of.

use std::sync::Arc;

use super::jwt::JwtSpec;
use crate::Secret;
use crate::authorization::refresh::RefreshTerms;
use crate::authorization::{AuthorizationInfo, CredentialStore};
use crate::host::Transport;
use crate::spec::{OAuthSpec, Org};

/// How tokens are had.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Grant {
    /// A person consents in a browser (RFC 6749, always with PKCE by S256, RFC 7636). Tokens are refreshed.
    AuthorizationCode,
    /// A person consents on another device (RFC 8628). Tokens are refreshed.
    DeviceCode,
    /// Our client is let in by itself.
    ClientCredentials,
    /// Our client signs for a user (RFC 7523).
    JwtBearer(JwtSpec),
}

impl Grant {
    fn name(&self) -> &'static str {
        match self {
            Grant::AuthorizationCode => "oauth2 authorization code",
            Grant::DeviceCode => "oauth2 device code",
            Grant::ClientCredentials => "oauth2 client credentials",
            Grant::JwtBearer(_) => "oauth2 jwt bearer",
        }
    }
}

/// What an [`OAuth`](super::OAuth) is made of.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OAuthConfig {
    /// The connection's id: credentials are kept under it.
    pub connection: String,
    /// How the outside system speaks OAuth.
    pub spec: OAuthSpec,
    /// The kind of organisation.
    pub org: Org,
    /// How tokens are had.
    pub grant: Grant,
    /// Our client, as it is registered at the outside system.
    pub client_id: String,
    /// Its secret; none for a public client.
    pub client_secret: Option<Secret>,
    /// Sends requests.
    pub transport: Arc<dyn Transport>,
    /// Keeps tokens.
    pub store: CredentialStore,
    /// How long things take.
    pub terms: RefreshTerms,
}

impl OAuthConfig {
    /// A connection of this id.
    pub fn new(
        connection: impl Into<String>,
        spec: OAuthSpec,
        org: Org,
        grant: Grant,
        client_id: impl Into<String>,
        transport: Arc<dyn Transport>,
        store: CredentialStore,
    ) -> Self {
        OAuthConfig {
            connection: connection.into(),
            spec,
            org,
            grant,
            client_id: client_id.into(),
            client_secret: None,
            transport,
            store,
            terms: RefreshTerms::default(),
        }
    }

    /// With the client's secret.
    #[must_use]
    pub fn with_client_secret(mut self, secret: Secret) -> Self {
        self.client_secret = Some(secret);
        self
    }

    /// With these terms.
    #[must_use]
    pub fn with_terms(mut self, terms: RefreshTerms) -> Self {
        self.terms = terms;
        self
    }

    pub(super) fn info(&self) -> AuthorizationInfo {
        let info = AuthorizationInfo::new(self.grant.name()).with_expiry();
        match self.grant {
            Grant::AuthorizationCode | Grant::DeviceCode => info.with_consent(),
            Grant::ClientCredentials | Grant::JwtBearer(_) => info,
        }
    }
}
