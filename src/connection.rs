//! The contract of a connection: one configured instance of an outside system, or the host's own objects.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::dataset::Dataset;
use crate::destination::Destination;
use crate::host::{Context, FileStore};
use crate::lookup::{Lookup, LookupIndex, LookupRequest};
use crate::record::Schema;
use crate::{Error, ErrorKind, Result};

/// Facts about a connection.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// Its name, unique among the host's connections.
    pub name: String,
    /// The files that it offers, if it is a place for files. What is read of them is no call that a wrapper of the connection sees.
    pub files: Option<Arc<dyn FileStore>>,
}

impl ConnectionInfo {
    /// A connection of this name.
    pub fn new(name: impl Into<String>) -> Self {
        ConnectionInfo {
            name: name.into(),
            files: None,
        }
    }

    /// The same, which offers these files.
    #[must_use]
    pub fn with_files(mut self, files: Arc<dyn FileStore>) -> Self {
        self.files = Some(files);
        self
    }
}

/// An object that a connection offers.
///
/// ```
/// use syncline::connection::ObjectInfo;
/// use syncline::record::{Field, FieldType, Schema};
///
/// let person = ObjectInfo::new("person", Schema::new(vec![Field::new("email", FieldType::Email)]));
/// assert!(person.can_be_looked_up);
/// assert!(!person.without_lookup().can_be_looked_up);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ObjectInfo {
    /// Its name.
    pub name: String,
    /// Its fields.
    pub schema: Schema,
    /// Whether [`Connection::lookup`] finds its records.
    pub can_be_looked_up: bool,
}

impl ObjectInfo {
    /// An object of these fields.
    pub fn new(name: impl Into<String>, schema: Schema) -> Self {
        ObjectInfo {
            name: name.into(),
            schema,
            can_be_looked_up: true,
        }
    }

    /// The same object, of which no record can be looked up.
    #[must_use]
    pub fn without_lookup(mut self) -> Self {
        self.can_be_looked_up = false;
        self
    }
}

/// The objects that a connection offers, by name.
///
/// ```
/// use syncline::connection::{Catalog, ObjectInfo};
/// use syncline::record::{Field, FieldType, Schema};
///
/// let schema = |name| Schema::new(vec![Field::new(name, FieldType::Text)]);
/// let catalog = Catalog::new(vec![
///     ObjectInfo::new("person", schema("email")),
///     ObjectInfo::new("company", schema("domain")),
/// ]);
/// assert_eq!(catalog.objects[0].name, "company");
/// assert_eq!(catalog.object("person").unwrap().schema.fields()[0].name, "email");
/// assert!(catalog.object("ticket").is_none());
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Catalog {
    /// The objects, sorted by name.
    pub objects: Vec<ObjectInfo>,
}

impl Catalog {
    /// A catalog of these objects.
    pub fn new(mut objects: Vec<ObjectInfo>) -> Self {
        objects.sort_by(|a, b| a.name.cmp(&b.name));
        Catalog { objects }
    }

    /// The object of this name.
    pub fn object(&self, name: &str) -> Option<&ObjectInfo> {
        self.objects.iter().find(|object| object.name == name)
    }
}

/// Bytes that a [`Lookup`] made by [`Connection::lookup`]'s default may hold.
pub const DEFAULT_LOOKUP_BYTES: u64 = 1 << 30;

/// One configured instance of an outside system; the host's own objects are one too.
///
/// (Airbyte calls a pair of source and destination a connection. Here that pair is a
/// [job](crate::job::SyncJob).)
///
/// ```
/// use futures::executor::block_on;
/// use syncline::connection::Connection;
/// use syncline::host::Context;
/// use syncline::memory::MemoryConnection;
/// use syncline::record::{Field, FieldType};
/// use syncline::spec::{Identity, ObjectSpec};
///
/// let person = ObjectSpec::new("person", Identity::Generated, vec![Field::new("name", FieldType::Text)]);
/// let home = MemoryConnection::new("home").with_object(&person)?;
/// let catalog = block_on(home.discover(&Context::new()))?;
/// assert_eq!(catalog.objects[0].name, "person");
/// # Ok::<(), syncline::Error>(())
/// ```
#[async_trait]
pub trait Connection: fmt::Debug + Send + Sync {
    /// Facts.
    fn info(&self) -> &ConnectionInfo;

    /// Finds what objects there are.
    async fn discover(&self, context: &Context) -> Result<Catalog>;

    /// Whether it can be used: the outside system answers and lets us in. By default, whether its objects can be found. Nothing is
    /// changed, and no more is called than is needed.
    async fn check(&self, context: &Context) -> Result<()> {
        self.discover(context).await.map(drop)
    }

    /// An object as a source.
    async fn dataset(&self, context: &Context, object: &str) -> Result<Arc<dyn Dataset>>;

    /// An object as a destination.
    async fn destination(&self, context: &Context, object: &str) -> Result<Arc<dyn Destination>>;

    /// Records of an object by their values. By default an index built from
    /// [`dataset`](Self::dataset), of at most [`DEFAULT_LOOKUP_BYTES`]: the object as it is now.
    async fn lookup(&self, context: &Context, request: LookupRequest) -> Result<Arc<dyn Lookup>> {
        let dataset = self.dataset(context, &request.object).await?;
        let index = LookupIndex::read(context, &*dataset, &request, DEFAULT_LOOKUP_BYTES).await?;
        Ok(Arc::new(index))
    }
}

/// The error for an object that a connection does not have.
pub(crate) fn no_such_object(connection: &str, object: &str) -> Error {
    Error::new(
        ErrorKind::NotFound,
        "the connection has no such object; `discover` lists those it has",
    )
    .with("connection", connection)
    .with("object", object)
}
