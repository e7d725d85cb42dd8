//! The host's own objects as a connection.

use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use indexmap::IndexMap;

use crate::connection::{Catalog, Connection, ConnectionInfo, ObjectInfo, no_such_object};
use crate::dataset::Dataset;
use crate::destination::Destination;
use crate::error::Problem;
use crate::file::{FileDestination, write_delimited};
use crate::host::{Context, FileStore};
use crate::lookup::{Lookup, LookupRequest};
use crate::memory::{MemoryConnection, MemoryObject};
use crate::record::{Field, Schema};
use crate::spec::{Delimited, Identity, ObjectSpec, Store, SystemFields};
use crate::{Error, Result};

const NAME: &str = "home";

/// The host's own objects: tables in memory, and files that each run writes anew.
///
/// ```
/// # futures::executor::block_on(async {
/// use std::sync::Arc;
/// use syncline::connection::Connection;
/// use syncline::host::Context;
/// use syncline::memory::MemoryFiles;
/// use syncline::spec::JobSpec;
/// use syncline::workspace::LocalWorkspace;
///
/// let files = Arc::new(MemoryFiles::new());
/// files.insert("people.csv", "name\nAda\n");
/// let spec = JobSpec::from_json(r#"{
///   "version": 1,
///   "name": "people",
///   "dataset": {"version": 1, "source": {"file": {"name": "people.csv", "columns": [{"name": "name", "type": "text"}]}}},
///   "objects": [{"name": "person", "identity": "generated", "fields": [{"name": "name", "type": "text"}]}],
///   "destinations": [{"object": "person", "mode": "insert", "mapping": {"fields": [{"field": "name", "from": "name"}]}}]
/// }"#)?;
///
/// // Making the job makes its objects, still empty.
/// let context = Context::new();
/// let workspace = LocalWorkspace::new(files.clone(), files.clone());
/// workspace.job(&context, &spec).await?;
/// assert_eq!(workspace.home().discover(&context).await?.objects[0].name, "person");
/// assert_eq!(workspace.home().object("person").unwrap().len(), 0);
/// workspace.home().save(&context, "person").await?;
/// assert_eq!(files.bytes("person.csv").unwrap(), "id,name\n");
/// # Ok::<(), syncline::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Home {
    objects: RwLock<IndexMap<String, Object>>,
    outputs: Arc<dyn FileStore>,
    info: ConnectionInfo,
}

#[derive(Debug, Clone)]
struct Object {
    spec: ObjectSpec,
    /// `None` for an object that is stored in a file.
    table: Option<MemoryObject>,
}

impl Object {
    /// What a declaration says of the object that is not so. It need not name all of its fields, and
    /// which records an object began with is no part of what it is.
    fn misfit(&self, declared: &ObjectSpec) -> Option<Problem> {
        let known = &self.spec;
        let otherwise = |path: &str, what: &str| {
            let message = format!(
                "the workspace has an object `{}` with another {what}",
                known.name
            );
            Some(Problem::new(path, message))
        };
        if declared.identity != known.identity {
            return otherwise("identity", "identity");
        }
        if declared.system_fields != known.system_fields {
            return otherwise("system_fields", "set of system fields");
        }
        if declared.store != known.store {
            return otherwise("store", "store");
        }
        if let Some(i) = declared
            .unique
            .iter()
            .position(|set| !known.unique.contains(set))
        {
            return otherwise(&format!("unique[{i}]"), "idea of what is unique");
        }
        let alike = |field: &Field| {
            known
                .fields
                .iter()
                .any(|known| known.name == field.name && known.field_type == field.field_type)
        };
        let strange = declared.fields.iter().position(|field| !alike(field));
        strange.and_then(|i| otherwise(&format!("fields[{i}]"), "field of this name, or none"))
    }
}

/// What became of a declaration.
pub(super) enum Declared {
    /// The object is there, declared alike.
    Known,
    /// The object was added; its table, if it has one.
    New(Option<MemoryObject>),
}

impl Home {
    pub(super) fn new(outputs: Arc<dyn FileStore>) -> Self {
        Home {
            objects: RwLock::default(),
            outputs,
            info: ConnectionInfo::new(NAME),
        }
    }

    /// The same objects, to which others can be added.
    pub(super) fn fork(&self) -> Self {
        let objects = self
            .objects
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        Home {
            objects: RwLock::new(objects),
            outputs: Arc::clone(&self.outputs),
            info: self.info.clone(),
        }
    }

    /// The table of an object; `None` if there is no such object or it is stored in a file.
    pub fn object(&self, name: &str) -> Option<MemoryObject> {
        self.find(name)?.table
    }

    /// Writes a table as `<object>.csv` to the outputs: the whole object as it is now. An object that
    /// is stored in a file is written by its jobs, and left alone here.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) for an unknown object; errors of the outputs.
    pub async fn save(&self, context: &Context, name: &str) -> Result<()> {
        let object = self.find(name).ok_or_else(|| no_such_object(NAME, name))?;
        let Some(table) = object.table else {
            return Ok(());
        };
        write_delimited(
            context,
            &*self.outputs,
            &format!("{name}.csv"),
            table.schema(),
            table.picked(),
        )
        .await
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    fn find(&self, name: &str) -> Option<Object> {
        self.objects
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned()
    }

    pub(super) fn declare(&self, spec: &ObjectSpec) -> Result<Declared> {
        if let Some(known) = self.find(&spec.name) {
            return match known.misfit(spec) {
                None => Ok(Declared::Known),
                Some(problem) => Err(Error::invalid("the object is there already", vec![problem])),
            };
        }
        // A file's name is made of the object's.
        if spec.name.is_empty()
            || spec.name.contains(['/', '\\', '\0'])
            || spec.name.starts_with('.')
        {
            let message =
                "an object's name is not empty, does not begin with `.` and holds no slash";
            return Err(Error::invalid(
                "the object has no usable name",
                vec![Problem::new("name", message)],
            ));
        }
        // What is wrong with its fields is wrong wherever they are stored.
        let table = MemoryObject::new(spec)?;
        let table = match spec.store {
            Store::Table => Some(table),
            Store::File => {
                let plain = spec.identity == Identity::None
                    && spec.unique.is_empty()
                    && spec.system_fields == SystemFields::None
                    && spec.preload.is_none();
                if !plain {
                    let message = "an object that is stored in a file only takes records: identity `none`, no \
                                   system fields, nothing `unique`, no `preload`";
                    return Err(Error::invalid(
                        "the object cannot be stored so",
                        vec![Problem::new("store", message)],
                    ));
                }
                None
            }
        };
        self.add(spec.clone(), table.clone());
        Ok(Declared::New(table))
    }

    pub(super) fn add(&self, spec: ObjectSpec, table: Option<MemoryObject>) {
        let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        // If another job declared it meanwhile, that one's records stay.
        objects
            .entry(spec.name.clone())
            .or_insert(Object { spec, table });
    }

    fn table(&self, name: &str) -> Result<MemoryConnection> {
        let table = self
            .object(name)
            .ok_or_else(|| no_such_object(NAME, name))?;
        let connection = MemoryConnection::new(NAME);
        connection.add(table);
        Ok(connection)
    }
}

#[async_trait]
impl Connection for Home {
    fn info(&self) -> &ConnectionInfo {
        &self.info
    }

    async fn discover(&self, _: &Context) -> Result<Catalog> {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        let info = |object: &Object| match &object.table {
            Some(table) => ObjectInfo::new(&object.spec.name, table.schema().clone()),
            None => ObjectInfo::new(&object.spec.name, Schema::new(object.spec.fields.clone()))
                .without_lookup(),
        };
        Ok(Catalog::new(objects.values().map(info).collect()))
    }

    async fn dataset(&self, context: &Context, object: &str) -> Result<Arc<dyn Dataset>> {
        self.table(object)?.dataset(context, object).await
    }

    async fn destination(&self, context: &Context, object: &str) -> Result<Arc<dyn Destination>> {
        let Object { spec, table } = self
            .find(object)
            .ok_or_else(|| no_such_object(NAME, object))?;
        if table.is_some() {
            return self.table(object)?.destination(context, object).await;
        }
        let file = format!("{object}.csv");
        let schema = Schema::new(spec.fields);
        let outputs = Arc::clone(&self.outputs);
        Ok(Arc::new(FileDestination::new(
            outputs,
            file,
            object,
            schema,
            Delimited::csv(),
        )))
    }

    async fn lookup(&self, context: &Context, request: LookupRequest) -> Result<Arc<dyn Lookup>> {
        self.table(&request.object)?.lookup(context, request).await
    }
}
