//! Opening a connection: its config, its authorization, its limits.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::Connections;
use super::life::ConnectionAction;
use crate::authorization::{
    AfterReject, Authorization, AuthorizationInfo, AuthorizationState, Credential,
    CredentialRecord, CredentialRequest, Grant, KeyAuthorization, OAuth, OAuthConfig,
    ReauthorizationCause, Refresh, Standing,
};
use crate::connection::Connection;
use crate::connector::{AuthWay, ClientSource, Config, ConnectRequest, OAuthClient, OAuthGrant};
use crate::host::Context;
use crate::policy::Account;
use crate::spec::ConnectionSpec;
use crate::{Error, ErrorKind, Result};

/// Where the secrets of a connection's config are, apart from what is granted: they stay when that is revoked.
pub(super) fn config_secrets(id: &str) -> String {
    format!("{id}.config")
}

/// How a key is that a customer gave.
pub(super) fn key_state(record: Option<&CredentialRecord>) -> AuthorizationState {
    match record.map(|record| record.standing) {
        None => AuthorizationState::Unauthorized,
        Some(Standing::Granted) => AuthorizationState::Healthy,
        Some(Standing::Revoked) => AuthorizationState::Revoked,
        Some(Standing::ReauthorizationRequired(ReauthorizationCause::NeverAuthorized)) => {
            AuthorizationState::Unauthorized
        }
        Some(Standing::ReauthorizationRequired(cause)) => {
            AuthorizationState::ReauthorizationRequired(cause)
        }
    }
}

impl Connections<'_> {
    /// Opens it, within what its account may call.
    ///
    /// # Errors
    /// [`ReauthorizationRequired`](ErrorKind::ReauthorizationRequired) if it must be authorized first,
    /// [`Invalid`](ErrorKind::Invalid) if it is disabled, and those of [`get`](Self::get) and of its connector.
    pub async fn open(self, context: &Context, id: &str) -> Result<Arc<dyn Connection>> {
        let view = self.may(context, id, ConnectionAction::Use).await?;
        self.opened(context, id, &view.spec, Refresh::IfNeeded)
            .await
    }

    /// Sees whether it can be used. Nothing is used up: no token is refreshed for it.
    ///
    /// # Errors
    /// Why it cannot, as [`open`](Self::open) and its connector tell.
    pub async fn check(self, context: &Context, id: &str) -> Result<()> {
        let view = self.may(context, id, ConnectionAction::Check).await?;
        let opened = self.opened(context, id, &view.spec, Refresh::Never).await?;
        let checked = opened.check(context).await;
        checked.map_err(|error| error.with("connection", &view.spec.name))
    }

    pub(super) async fn opened(
        self,
        context: &Context,
        id: &str,
        spec: &ConnectionSpec,
        refresh: Refresh,
    ) -> Result<Arc<dyn Connection>> {
        let connector = self.0.registry().connector(&spec.kind)?;
        let config = self.config(context, id, spec).await?;
        let authorization = self.authorization(context, id, spec, &config).await?;
        let transport = Arc::clone(&self.0.0.config.transport);
        let mut request = ConnectRequest::new(&spec.name, transport)
            .with_org(spec.org.clone())
            .with_config(config);
        request.authorization = match (authorization, refresh) {
            (Some(authorization), Refresh::Never) => Some(Arc::new(Unrefreshed(authorization))),
            (authorization, _) => authorization,
        };
        let connection = connector.connect(context, request).await?;
        let Some(limits) = &connector.info().limits else {
            return Ok(connection);
        };
        let known = self.0.accounts().get(id).cloned();
        let account = match known {
            Some(account) => account,
            None => {
                let state = Arc::clone(&self.0.0.config.state);
                let account = Account::new(self.0.tenant(), id, state, limits.clone())?;
                let mut accounts = self.0.accounts();
                accounts.entry(id.to_owned()).or_insert(account).clone()
            }
        };
        Ok(account.connection(connection))
    }

    /// Its answers, with secrets and defaults.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) if a secret is missing that is needed.
    pub(super) async fn config(
        self,
        context: &Context,
        id: &str,
        spec: &ConnectionSpec,
    ) -> Result<Config> {
        let fields = &self.info(&spec.kind)?.config;
        let secrets = match fields.iter().any(|field| field.is_secret()) {
            false => BTreeMap::new(),
            true => {
                let loaded = self
                    .0
                    .credentials(context)
                    .load(&config_secrets(id))
                    .await?;
                loaded.map_or_else(BTreeMap::new, |loaded| loaded.record.secrets)
            }
        };
        let lacking = fields.iter().find(|field| {
            field.is_secret() && field.required && !secrets.contains_key(&field.name)
        });
        if let Some(field) = lacking {
            let message = "a secret of the connection is missing; give it";
            return Err(Error::new(ErrorKind::Invalid, message)
                .with("connection", &spec.name)
                .with("field", &field.name));
        }
        Ok(Config::complete(fields, &spec.config, secrets))
    }

    async fn authorization(
        self,
        context: &Context,
        id: &str,
        spec: &ConnectionSpec,
        config: &Config,
    ) -> Result<Option<Arc<dyn Authorization>>> {
        match &self.method(spec)?.way {
            AuthWay::Open => Ok(None),
            AuthWay::Key { form, hosts } => {
                let loaded = self.0.credentials(context).load(id).await?;
                let secrets = loaded.map(|loaded| loaded.record.secrets);
                let key = form.with(&secrets.unwrap_or_default())?;
                let authorization = KeyAuthorization::new(key, hosts.allow(&spec.org)?)?;
                Ok(Some(Arc::new(authorization)))
            }
            AuthWay::OAuth { .. } => Ok(Some(Arc::new(self.oauth(id, spec, config)?))),
        }
    }

    /// Its OAuth.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) if its method is another, or the host has registered no client.
    pub(super) fn oauth(self, id: &str, spec: &ConnectionSpec, config: &Config) -> Result<OAuth> {
        let method = self.method(spec)?;
        let AuthWay::OAuth {
            spec: protocol,
            grant,
            client,
        } = &method.way
        else {
            let message = "this connection is not authorized by OAuth; its method says how";
            return Err(Error::new(ErrorKind::Unsupported, message).with("method", &method.name));
        };
        let client = match client {
            ClientSource::Host => self.0.registry().client(&spec.kind).cloned(),
            ClientSource::Customer { id, secret } => config.text(id).map(|client| OAuthClient {
                secret: (secret.as_ref()).and_then(|field| config.secret(field).cloned()),
                ..OAuthClient::new(client)
            }),
        };
        let client = client.ok_or_else(|| {
            let message = "there is no OAuth client for this kind; register the host's, with `Registry::with_client`";
            Error::new(ErrorKind::Unsupported, message).with("kind", &spec.kind)
        })?;
        let grant = match (grant, client.jwt) {
            (OAuthGrant::AuthorizationCode, _) => Grant::AuthorizationCode,
            (OAuthGrant::DeviceCode, _) => Grant::DeviceCode,
            (OAuthGrant::ClientCredentials, _) => Grant::ClientCredentials,
            (OAuthGrant::JwtBearer, Some(jwt)) => Grant::JwtBearer(jwt),
            (OAuthGrant::JwtBearer, None) => {
                let message = "the host's client has nothing to sign; register it with `OAuthClient::with_jwt`";
                return Err(Error::new(ErrorKind::Unsupported, message).with("kind", &spec.kind));
            }
        };
        let mut made = OAuthConfig::new(
            id,
            (**protocol).clone(),
            spec.org.clone(),
            grant,
            client.id,
            Arc::clone(&self.0.0.config.transport),
            self.0.0.credentials.clone(),
        );
        made.client_secret = client.secret;
        OAuth::new(made)
    }
}

/// An authorization that gets nothing new, whatever a connection asks of it.
#[derive(Debug)]
struct Unrefreshed(Arc<dyn Authorization>);

#[async_trait]
impl Authorization for Unrefreshed {
    fn info(&self) -> &AuthorizationInfo {
        self.0.info()
    }

    async fn credential(
        &self,
        context: &Context,
        request: CredentialRequest,
    ) -> Result<Credential> {
        let request = request.with_refresh(Refresh::Never);
        self.0.credential(context, request).await
    }

    async fn rejected(&self, _: &Context, _: &Credential) -> Result<AfterReject> {
        Ok(AfterReject::GiveUp)
    }
}
