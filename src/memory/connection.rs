//! A connection to objects in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::dataset::MemoryDataset;
use super::destination::{Commits, MemoryDestination};
use super::lookup::LiveLookup;
use super::object::MemoryObject;
use crate::Result;
use crate::connection::{
    Catalog, Connection, ConnectionInfo, DEFAULT_LOOKUP_BYTES, ObjectInfo, no_such_object,
};
use crate::dataset::Dataset;
use crate::destination::Destination;
use crate::host::Context;
use crate::lookup::{Lookup, LookupRequest};
use crate::spec::ObjectSpec;

/// Objects in memory, by name: a handle, cheap to clone.
///
/// A dataset is the object as it was when it was asked for; a lookup answers from the object as it is at
/// each moment, by an index of at most [`DEFAULT_LOOKUP_BYTES`] when it is asked for.
///
/// ```
/// use syncline::memory::MemoryConnection;
/// use syncline::record::{Field, FieldType};
/// use syncline::spec::{Identity, ObjectSpec};
///
/// let account = ObjectSpec::new("account", Identity::Generated, vec![Field::new("name", FieldType::Text)]);
/// let home = MemoryConnection::new("home").with_object(&account)?;
/// assert!(home.object("account").is_some_and(|object| object.is_empty()));
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct MemoryConnection {
    info: ConnectionInfo,
    objects: Arc<Mutex<BTreeMap<String, MemoryObject>>>,
    commits: Commits,
}

impl MemoryConnection {
    /// A connection without objects.
    pub fn new(name: impl Into<String>) -> Self {
        MemoryConnection {
            info: ConnectionInfo::new(name),
            objects: Arc::default(),
            commits: Commits::default(),
        }
    }

    /// The same, with destinations that commit so.
    #[must_use]
    pub fn with_commits(mut self, commits: Commits) -> Self {
        self.commits = commits;
        self
    }

    /// The same, with an object of this spec and without records. Its `store` and `preload` are left to the host.
    ///
    /// # Errors
    /// Those of [`MemoryObject::new`].
    pub fn with_object(self, spec: &ObjectSpec) -> Result<Self> {
        self.add(MemoryObject::new(spec)?);
        Ok(self)
    }

    /// Adds an object, in place of one of the same name.
    pub fn add(&self, object: MemoryObject) {
        self.objects().insert(object.name().to_owned(), object);
    }

    /// The object of this name.
    pub fn object(&self, name: &str) -> Option<MemoryObject> {
        self.objects().get(name).cloned()
    }

    fn objects(&self) -> MutexGuard<'_, BTreeMap<String, MemoryObject>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, name: &str) -> Result<MemoryObject> {
        self.object(name)
            .ok_or_else(|| no_such_object(&self.info.name, name))
    }
}

#[async_trait]
impl Connection for MemoryConnection {
    fn info(&self) -> &ConnectionInfo {
        &self.info
    }

    async fn discover(&self, _: &Context) -> Result<Catalog> {
        let objects = self.objects();
        let infos = objects
            .values()
            .map(|o| ObjectInfo::new(o.name(), o.schema().clone()));
        Ok(Catalog::new(infos.collect()))
    }

    async fn dataset(&self, _: &Context, object: &str) -> Result<Arc<dyn Dataset>> {
        let object = self.get(object)?;
        let dataset = MemoryDataset::new(object.name(), object.schema().clone(), object.scan()?)?;
        Ok(Arc::new(dataset))
    }

    async fn destination(&self, _: &Context, object: &str) -> Result<Arc<dyn Destination>> {
        let destination = MemoryDestination::new(self.get(object)?);
        Ok(Arc::new(destination.with_commits(self.commits)))
    }

    async fn lookup(&self, _: &Context, request: LookupRequest) -> Result<Arc<dyn Lookup>> {
        Ok(Arc::new(LiveLookup::new(
            self.get(&request.object)?,
            &request,
            DEFAULT_LOOKUP_BYTES,
        )?))
    }
}
