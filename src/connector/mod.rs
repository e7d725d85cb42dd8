//! Kinds of outside systems: what a connector declares about itself, and how it opens a connection.
//!
//! | a connector declares | is |
//! |---|---|
//! | what it is, and what all its connections have in common | [`ConnectorInfo`], of a [`ConnectorCategory`] |
//! | how customers authorize | [`AuthMethod`] |
//! | what it asks them besides | [`ConfigField`] |
//! | which jobs they get | [`JobTemplate`] |
//!
//! A host [registers](Registry) those that it offers, its own and others'. What lives in a tenant's
//! [`Workspace`](crate::workspace::Workspace) are connections of them.

mod config;
mod info;
mod method;
mod registry;
mod template;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::Result;
use crate::authorization::Authorization;
use crate::connection::Connection;
use crate::host::{Context, Transport};
use crate::policy::Account;
use crate::spec::Org;

pub use config::{Config, ConfigField, ConfigType};
pub use info::{ConnectorCategory, ConnectorInfo, Instances};
pub use method::{AuthMethod, AuthWay, ClientSource, KeyForm, OAuthGrant};
pub use registry::{OAuthClient, Registry};
pub use template::{Adapted, JobTemplate};

/// What a connector opens a connection with.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConnectRequest {
    /// What tells it from all others of its tenant, whatever its name.
    pub id: String,
    /// The name that the customer gave it.
    pub name: String,
    /// The kind of organisation.
    pub org: Org,
    /// What the customer answered, whole: defaults are filled in, and every value fits its field.
    pub config: Config,
    /// Lets requests in; `None` if the connection's method asks for nothing.
    pub authorization: Option<Arc<dyn Authorization>>,
    /// Sends requests.
    pub transport: Arc<dyn Transport>,
    /// What the connection may call, if the connector [declares limits](ConnectorInfo::limits). The workspace counts each question to a contract as one
    /// call; a connection that makes several requests for one makes the further ones through [`Account::call`].
    pub account: Option<Account>,
}

impl ConnectRequest {
    /// A connection of this id and name, without config and authorization.
    pub fn new(
        id: impl Into<String>,
        name: impl Into<String>,
        transport: Arc<dyn Transport>,
    ) -> Self {
        ConnectRequest {
            id: id.into(),
            name: name.into(),
            org: Org::Production,
            config: Config::default(),
            authorization: None,
            transport,
            account: None,
        }
    }

    /// The same, for this kind of organisation.
    #[must_use]
    pub fn with_org(mut self, org: Org) -> Self {
        self.org = org;
        self
    }

    /// The same, with this config.
    #[must_use]
    pub fn with_config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// The same, let in by this.
    #[must_use]
    pub fn with_authorization(mut self, authorization: Arc<dyn Authorization>) -> Self {
        self.authorization = Some(authorization);
        self
    }
}

/// A kind of outside system.
///
/// **Contract.**
/// - `info` is always the same.
/// - `connect` makes no call that a [check](crate::connection::Connection::check) would not make; whether the credential is good shows when
///   the connection is used.
/// - A connection asks its authorization for a credential before each call, and keeps none.
///
/// ```
/// # futures::executor::block_on(async {
/// use std::sync::Arc;
/// use async_trait::async_trait;
/// use syncline::connection::Connection;
/// use syncline::connector::{ConfigField, ConfigType, ConnectRequest, Connector, ConnectorCategory, ConnectorInfo, Registry};
/// use syncline::host::Context;
/// use syncline::memory::MemoryConnection;
///
/// #[derive(Debug)]
/// struct Surveys(ConnectorInfo);
///
/// #[async_trait]
/// impl Connector for Surveys {
///     fn info(&self) -> &ConnectorInfo {
///         &self.0
///     }
///
///     async fn connect(&self, _: &Context, request: ConnectRequest) -> syncline::Result<Arc<dyn Connection>> {
///         // A real one would speak to the system at `request.config.text("site")`.
///         Ok(Arc::new(MemoryConnection::new(request.name)))
///     }
/// }
///
/// let info = ConnectorInfo::new("surveys", "Acme Surveys", ConnectorCategory::Survey)
///     .with_config(vec![ConfigField::new("site", "Site", ConfigType::Domain).required()]);
/// let registry = Registry::new().with(Arc::new(Surveys(info)))?;
/// assert_eq!(registry.of_category(ConnectorCategory::Survey).count(), 1);
/// # Ok::<(), syncline::Error>(())
/// # }).unwrap();
/// ```
#[async_trait]
pub trait Connector: fmt::Debug + Send + Sync {
    /// Facts.
    fn info(&self) -> &ConnectorInfo;

    /// Opens a connection.
    async fn connect(
        &self,
        context: &Context,
        request: ConnectRequest,
    ) -> Result<Arc<dyn Connection>>;
}
