//! The connectors that a host offers.

use std::sync::Arc;

use indexmap::IndexMap;

use super::{Connector, ConnectorCategory};
use crate::authorization::JwtSpec;
use crate::{Error, ErrorKind, Result, Secret};

/// The host's own client at an outside system.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OAuthClient {
    /// Its id there.
    pub id: String,
    /// Its secret; none for a public client.
    pub secret: Option<Secret>,
    /// What it signs, if it signs for users.
    pub jwt: Option<JwtSpec>,
}

impl OAuthClient {
    /// A public client.
    pub fn new(id: impl Into<String>) -> Self {
        OAuthClient {
            id: id.into(),
            secret: None,
            jwt: None,
        }
    }

    /// The same, with a secret.
    #[must_use]
    pub fn with_secret(mut self, secret: Secret) -> Self {
        self.secret = Some(secret);
        self
    }

    /// The same, which signs this.
    #[must_use]
    pub fn with_jwt(mut self, jwt: JwtSpec) -> Self {
        self.jwt = Some(jwt);
        self
    }
}

/// The connectors that a host offers, in the order in which it registered them.
///
/// ```
/// use std::sync::Arc;
/// use syncline::Secret;
/// use syncline::connector::{ConnectorCategory, ConnectorInfo, OAuthClient, Registry};
/// use syncline::memory::{MemoryConnection, MemoryConnector};
///
/// let info = ConnectorInfo::new("desk", "Acme Desk", ConnectorCategory::Support);
/// let desk = MemoryConnector::new(info, MemoryConnection::new("desk"));
/// let client = OAuthClient::new("our-client").with_secret(Secret::new("hunter2"));
/// let registry = Registry::new().with(Arc::new(desk))?.with_client("desk", client)?;
/// assert_eq!(registry.connector("desk")?.info().title, "Acme Desk");
/// assert!(registry.connector("erp").is_err());
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Registry {
    connectors: IndexMap<String, Registered>,
}

#[derive(Debug, Clone)]
struct Registered {
    connector: Arc<dyn Connector>,
    client: Option<OAuthClient>,
}

impl Registry {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with this connector.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) with all that is wrong with what it declares; [`Conflict`](ErrorKind::Conflict) if there is one of
    /// its kind.
    pub fn with(mut self, connector: Arc<dyn Connector>) -> Result<Self> {
        let info = connector.info();
        let problems = info.own_problems();
        if !problems.is_empty() {
            let what = "the connector declares what cannot be";
            return Err(Error::invalid(what, problems).with("kind", &info.kind));
        }
        let kind = info.kind.clone();
        if self.connectors.contains_key(&kind) {
            let message = "there is a connector of this kind; register one of the two";
            return Err(Error::new(ErrorKind::Conflict, message).with("kind", kind));
        }
        let client = None;
        self.connectors
            .insert(kind, Registered { connector, client });
        Ok(self)
    }

    /// The same, with the host's client at the system of this kind.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) if there is no such connector.
    pub fn with_client(mut self, kind: &str, client: OAuthClient) -> Result<Self> {
        let registered = self.connectors.get_mut(kind).ok_or_else(|| unknown(kind))?;
        registered.client = Some(client);
        Ok(self)
    }

    /// The connector of this kind.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) if there is none.
    pub fn connector(&self, kind: &str) -> Result<&Arc<dyn Connector>> {
        let registered = self.connectors.get(kind).ok_or_else(|| unknown(kind))?;
        Ok(&registered.connector)
    }

    /// The host's client at the system of this kind, if it registered one.
    pub fn client(&self, kind: &str) -> Option<&OAuthClient> {
        self.connectors.get(kind)?.client.as_ref()
    }

    /// All connectors.
    pub fn connectors(&self) -> impl Iterator<Item = &Arc<dyn Connector>> {
        self.connectors
            .values()
            .map(|registered| &registered.connector)
    }

    /// Those of a category.
    pub fn of_category(
        &self,
        category: ConnectorCategory,
    ) -> impl Iterator<Item = &Arc<dyn Connector>> {
        self.connectors()
            .filter(move |connector| connector.info().category == category)
    }
}

fn unknown(kind: &str) -> Error {
    let message = "there is no connector of this kind; register it, or choose one that is";
    Error::new(ErrorKind::NotFound, message).with("kind", kind)
}
