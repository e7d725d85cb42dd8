//! Opening a connection: its config, its authorization, its limits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::Connections;
use super::connections::is_of_the_store;
use super::key::StoredKey;
use super::life::ConnectionAction;
use crate::authorization::{
    AfterReject, Authorization, AuthorizationInfo, AuthorizationState, Credential,
    CredentialRecord, CredentialRequest, Grant, OAuth, OAuthConfig, ReauthorizationCause, Refresh,
    Standing,
};
use crate::connection::Connection;
use crate::connector::{
    AuthWay, ClientSource, Config, ConfigField, ConnectRequest, ConnectorInfo, OAuthClient,
    OAuthGrant,
};
use crate::host::Context;
use crate::policy::{Account, Patience, RetryPolicy, Timeouts};
use crate::spec::ConnectionSpec;
use crate::{Error, ErrorKind, Result, Secret};

/// Where the secrets of a connection's config are, apart from what is granted: they stay when that is revoked.
pub(super) fn config_secrets(id: &str) -> String {
    format!("{id}.config")
}

/// How a connection is authorized; `None` if nothing is asked.
pub(super) fn state(
    way: &AuthWay,
    record: Option<&CredentialRecord>,
    now: DateTime<Utc>,
) -> Option<AuthorizationState> {
    match way {
        AuthWay::Open => None,
        AuthWay::Key { .. } => Some(key_state(record)),
        AuthWay::OAuth { grant, .. } if grant.asks_a_person() => {
            Some(AuthorizationState::of_consent(record, now))
        }
        AuthWay::OAuth { .. } => Some(AuthorizationState::of(record, now)),
    }
}

/// How a key is that a customer gave.
fn key_state(record: Option<&CredentialRecord>) -> AuthorizationState {
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

/// What a check has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Checked {
    /// It can be used.
    Usable,
    /// Its token has ended, and a check gets no new one: the next run will, and shows whether it can be used.
    TokenEnded,
}

impl Connections<'_> {
    /// Opens it, within what its account may call.
    ///
    /// # Errors
    /// [`ReauthorizationRequired`](ErrorKind::ReauthorizationRequired) if it must be authorized first,
    /// [`Invalid`](ErrorKind::Invalid) if it is disabled, and those of [`get`](Self::get) and of its connector.
    pub async fn open(self, context: &Context, id: &str) -> Result<Arc<dyn Connection>> {
        let view = self.may(context, id, ConnectionAction::Use).await?;
        self.opened(context, id, &view.spec, Asks::ForMore).await
    }

    /// Sees whether it can be used. Nothing is used up: no token is refreshed for it.
    ///
    /// # Errors
    /// Why it cannot, as [`open`](Self::open) and its connector tell.
    pub async fn check(self, context: &Context, id: &str) -> Result<Checked> {
        let view = self.may(context, id, ConnectionAction::Check).await?;
        let ended = Arc::new(AtomicBool::new(false));
        let asks = Asks::ForNothing(Arc::clone(&ended));
        let opened = self.opened(context, id, &view.spec, asks).await?;
        match patient(context, opened).check(context).await {
            Ok(()) => Ok(Checked::Usable),
            Err(_) if ended.load(Ordering::Relaxed) => Ok(Checked::TokenEnded),
            Err(error) => Err(error.with("connection", &view.spec.name)),
        }
    }

    pub(super) async fn opened(
        self,
        context: &Context,
        id: &str,
        spec: &ConnectionSpec,
        asks: Asks,
    ) -> Result<Arc<dyn Connection>> {
        let connector = self.0.registry().connector(&spec.kind)?;
        let config = self.config(context, id, spec).await?;
        let authorization = self.authorization(context, id, spec, &config).await?;
        let transport = Arc::clone(&self.0.0.config.transport);
        let mut request = ConnectRequest::new(id, &spec.name, transport)
            .with_org(spec.org.clone())
            .with_config(config);
        request.authorization = match (authorization, asks) {
            (Some(authorization), Asks::ForNothing(ended)) => Some(Arc::new(Unrefreshed {
                authorization,
                ended,
            })),
            (authorization, _) => authorization,
        };
        let account = self.account(connector.info(), id)?;
        request.account.clone_from(&account);
        let connection = connector.connect(context, request).await?;
        Ok(match account {
            Some(account) => account.connection(connection),
            None => connection,
        })
    }

    /// The account of a connection, if its calls are limited.
    fn account(self, info: &ConnectorInfo, id: &str) -> Result<Option<Account>> {
        let Some(limits) = &info.limits else {
            return Ok(None);
        };
        let mut accounts = self.0.accounts();
        if let Some(known) = accounts.get(id) {
            return Ok(Some(known.clone()));
        }
        let state = Arc::clone(&self.0.0.config.state);
        let account = Account::new(self.0.tenant(), id, state, limits.clone())?;
        accounts.insert(id.to_owned(), account.clone());
        Ok(Some(account))
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
        let secrets = self.config_secrets(context, id, spec).await?;
        if let Some(problem) = missing(fields, &secrets) {
            return Err(Error::new(ErrorKind::Invalid, problem).with("connection", &spec.name));
        }
        Ok(Config::complete(fields, &spec.config, secrets))
    }

    async fn config_secrets(
        self,
        context: &Context,
        id: &str,
        spec: &ConnectionSpec,
    ) -> Result<BTreeMap<String, Secret>> {
        let fields = &self.info(&spec.kind)?.config;
        if !fields.iter().any(|field| field.is_secret()) {
            return Ok(BTreeMap::new());
        }
        let credentials = self.0.credentials(context);
        let loaded = credentials.load(&config_secrets(id)).await?;
        Ok(loaded.map_or_else(BTreeMap::new, |loaded| loaded.record.secrets))
    }

    /// Which secret it needs that nobody has given.
    pub(super) async fn lacking(
        self,
        context: &Context,
        id: &str,
        spec: &ConnectionSpec,
    ) -> Result<Option<String>> {
        let secrets = match self.config_secrets(context, id, spec).await {
            Ok(secrets) => secrets,
            Err(error) if is_of_the_store(&error) => return Err(error),
            Err(error) => return Ok(Some(error.to_string())),
        };
        Ok(missing(&self.info(&spec.kind)?.config, &secrets))
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
                let hosts = hosts.allow(&spec.org)?;
                let key = StoredKey::load(self, context, id, form, hosts).await?;
                Ok(Some(Arc::new(key)))
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

/// Which secret is needed and not there.
fn missing(fields: &[ConfigField], secrets: &BTreeMap<String, Secret>) -> Option<String> {
    let is_missing = |field: &&ConfigField| {
        field.is_secret() && field.required && !secrets.contains_key(&field.name)
    };
    let name = &fields.iter().find(is_missing)?.name;
    Some(format!(
        "the secret `{name}` is missing; configure the connection with it"
    ))
}

/// A connection that is waited for and asked again, for calls that no run makes.
pub(super) fn patient(context: &Context, connection: Arc<dyn Connection>) -> Arc<dyn Connection> {
    let patience = Patience::new(context, RetryPolicy::default(), Timeouts::default());
    patience.connection(connection)
}

/// What a connection may ask its authorization for.
pub(super) enum Asks {
    /// A new token, when the present one is about to end.
    ForMore,
    /// Nothing new; the flag is set if that was asked for.
    ForNothing(Arc<AtomicBool>),
}

/// An authorization that gets nothing new, whatever a connection asks of it.
#[derive(Debug)]
struct Unrefreshed {
    authorization: Arc<dyn Authorization>,
    ended: Arc<AtomicBool>,
}

#[async_trait]
impl Authorization for Unrefreshed {
    fn info(&self) -> &AuthorizationInfo {
        self.authorization.info()
    }

    async fn credential(
        &self,
        context: &Context,
        request: CredentialRequest,
    ) -> Result<Credential> {
        let request = request.with_refresh(Refresh::Never);
        let got = self.authorization.credential(context, request).await;
        let ended = |error: &Error| error.kind() == ErrorKind::Unsupported;
        if got.as_ref().is_err_and(ended) {
            self.ended.store(true, Ordering::Relaxed);
        }
        got
    }

    async fn rejected(&self, _: &Context, _: &Credential) -> Result<AfterReject> {
        Ok(AfterReject::GiveUp)
    }
}
