//! A connector whose outside system is in memory.

use std::sync::Arc;

use async_trait::async_trait;

use super::MemoryConnection;
use crate::Result;
use crate::authorization::{Authorization, CredentialRequest};
use crate::connection::{Catalog, Connection, ConnectionInfo};
use crate::connector::{ConnectRequest, Connector, ConnectorInfo};
use crate::dataset::Dataset;
use crate::destination::Destination;
use crate::host::Context;
use crate::lookup::{Lookup, LookupRequest};

/// A [`Connector`] whose connections all show the same objects. Where a connection is authorized, each call asks for a credential
/// first, as a call of a real one would.
///
/// ```
/// # futures::executor::block_on(async {
/// use std::sync::Arc;
/// use syncline::connection::Connection;
/// use syncline::connector::{ConnectRequest, Connector, ConnectorCategory, ConnectorInfo};
/// use syncline::host::{Context, HttpResponse};
/// use syncline::memory::{MemoryConnection, MemoryConnector, MemoryTransport};
/// use syncline::record::{Field, FieldType};
/// use syncline::spec::{Identity, ObjectSpec};
///
/// let ticket = ObjectSpec::new("ticket", Identity::Generated, vec![Field::new("subject", FieldType::Text)]);
/// let info = ConnectorInfo::new("desk", "Acme Desk", ConnectorCategory::Support);
/// let desk = MemoryConnector::new(info, MemoryConnection::new("desk").with_object(&ticket)?);
/// let transport = Arc::new(MemoryTransport::new(|request| Ok(HttpResponse::of(request, 404, ""))));
/// let connection = desk.connect(&Context::new(), ConnectRequest::new("1", "our desk", transport)).await?;
/// assert_eq!(connection.info().name, "our desk");
/// assert_eq!(connection.discover(&Context::new()).await?.objects[0].name, "ticket");
/// # Ok::<(), syncline::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct MemoryConnector {
    info: ConnectorInfo,
    system: MemoryConnection,
}

impl MemoryConnector {
    /// Connects to these objects.
    pub fn new(info: ConnectorInfo, system: MemoryConnection) -> Self {
        MemoryConnector { info, system }
    }
}

#[async_trait]
impl Connector for MemoryConnector {
    fn info(&self) -> &ConnectorInfo {
        &self.info
    }

    async fn connect(&self, _: &Context, request: ConnectRequest) -> Result<Arc<dyn Connection>> {
        Ok(Arc::new(LetIn {
            info: ConnectionInfo::new(request.name),
            authorization: request.authorization,
            system: self.system.clone(),
        }))
    }
}

/// A connection that shows a credential before each call.
#[derive(Debug)]
struct LetIn {
    info: ConnectionInfo,
    authorization: Option<Arc<dyn Authorization>>,
    system: MemoryConnection,
}

impl LetIn {
    async fn show(&self, context: &Context) -> Result<()> {
        if let Some(authorization) = &self.authorization {
            authorization
                .credential(context, CredentialRequest::new())
                .await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Connection for LetIn {
    fn info(&self) -> &ConnectionInfo {
        &self.info
    }

    async fn discover(&self, context: &Context) -> Result<Catalog> {
        self.show(context).await?;
        self.system.discover(context).await
    }

    async fn dataset(&self, context: &Context, object: &str) -> Result<Arc<dyn Dataset>> {
        self.show(context).await?;
        self.system.dataset(context, object).await
    }

    async fn destination(&self, context: &Context, object: &str) -> Result<Arc<dyn Destination>> {
        self.show(context).await?;
        self.system.destination(context, object).await
    }

    async fn lookup(&self, context: &Context, request: LookupRequest) -> Result<Arc<dyn Lookup>> {
        self.show(context).await?;
        self.system.lookup(context, request).await
    }
}
