//! Workloads, and the worlds in which they run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::DateTime;
use futures::StreamExt as _;
use futures::executor::block_on;
use serde_json::json;
use syncline::connection::{Catalog, Connection, ConnectionInfo, ObjectInfo};
use syncline::dataset::{BatchStream, Dataset, DatasetInfo, ReadRequest};
use syncline::destination::{
    CommitReport, CommitRequest, Destination, DestinationCapabilities, DestinationInfo, Durability,
    OpenRequest, Opened, Patch, WriteReport, Writer,
};
use syncline::file::{DelimitedDataset, FileDestination};
use syncline::host::{Context, SeededEntropy};
use syncline::job::{CommitPolicy, Job as _, RunReport, RunRequest, SyncJob};
use syncline::lookup::{Lookup, LookupRequest};
use syncline::memory::{
    Commits, ManualClock, MemoryConnection, MemoryDataset, MemoryFiles, MemoryObject,
    MemoryRejects, MemoryState,
};
use syncline::record::{Batch, Cursor, Field, RecordBuilder, Schema};
use syncline::spec::{
    Delimited, DestinationSpec, DuplicateKeys, Expr, FileSource, Identity, MappingSpec, ObjectSpec,
    WriteMode,
};
use syncline::testing::{Effects, Ended, drive};
use syncline::{Result, Tenant};

use crate::broken;
use crate::leases::lease;
use crate::trials::Slow;

/// What a source holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Memory,
    /// Gives a cursor behind every other batch only.
    Gappy,
    /// Can only be read from its beginning.
    WithoutResume,
    File,
    Utf16,
}

/// Where a destination keeps what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Memory(Commits),
    /// Tells late what is durable; every other group is lost when the process dies before the next commit.
    Late,
    Parts,
    Whole,
}

/// The field `parent` of a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parent {
    Unmapped,
    /// The object itself; null if there is none.
    SelfNull,
    SelfReject,
    /// A record of the first destination.
    Of(&'static str),
}

#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) object: &'static str,
    pub(crate) store: Store,
    pub(crate) upsert: bool,
    pub(crate) keep_first: bool,
    pub(crate) parent: Parent,
    /// The row that is left out.
    pub(crate) without: Option<i64>,
}

pub(crate) fn target(object: &'static str, store: Store, upsert: bool) -> Target {
    Target {
        object,
        store,
        upsert,
        keep_first: false,
        parent: Parent::Unmapped,
        without: None,
    }
}

/// A row: its key and its parent's. The number of the row is its value `n`.
pub(crate) type Row = (Option<&'static str>, Option<&'static str>);

#[derive(Debug, Clone)]
pub(crate) struct Workload {
    pub(crate) name: String,
    pub(crate) rows: Vec<Row>,
    /// Records that the source itself refuses.
    pub(crate) refused: Vec<u64>,
    pub(crate) source: Source,
    pub(crate) targets: Vec<Target>,
    pub(crate) without: Option<i64>,
    pub(crate) eager_rejects: bool,
    /// Its runs hold the lease of the job, and take longer than that is renewed.
    pub(crate) leased: bool,
    pub(crate) batch_rows: usize,
    pub(crate) group_records: u64,
}

/// All that outlives a process.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) state: Arc<MemoryState>,
    pub(crate) home: MemoryConnection,
    pub(crate) files: Arc<MemoryFiles>,
    pub(crate) ledger: Arc<MemoryRejects>,
    pub(crate) clock: ManualClock,
    pub(crate) tenant: Tenant,
    pub(crate) dataset: Arc<dyn Dataset>,
    /// The last cursor that the source heard of.
    pub(crate) heard: Arc<Mutex<Option<Cursor>>>,
    /// Lives so far.
    pub(crate) lives: u64,
}

fn fields(object: &str, parent: Parent) -> Vec<Field> {
    let parent = match parent {
        Parent::Of(other) => other,
        _ => object,
    };
    let fields = json!([
        {"name": "key", "type": "text", "required": true},
        {"name": "n", "type": "integer"},
        {"name": "parent", "type": format!("lookup({parent})")}
    ]);
    serde_json::from_value(fields).unwrap()
}

fn source_fields() -> Vec<Field> {
    let fields = json!([
        {"name": "key", "type": "text"},
        {"name": "n", "type": "integer"},
        {"name": "parent", "type": "text"}
    ]);
    serde_json::from_value(fields).unwrap()
}

impl Workload {
    fn text(&self) -> String {
        let mut text = "key,n,parent\n".to_owned();
        for (n, (key, parent)) in self.rows.iter().enumerate() {
            let bad = if self.refused.contains(&(n as u64)) {
                "x"
            } else {
                ""
            };
            text += &format!(
                "{},{n}{bad},{}\n",
                key.unwrap_or_default(),
                parent.unwrap_or_default()
            );
        }
        text
    }

    pub(crate) fn memory_dataset(&self) -> MemoryDataset {
        let schema = Schema::new(source_fields());
        let mut rows = RecordBuilder::new(&schema);
        for (n, (key, parent)) in self.rows.iter().enumerate() {
            let row = json!({"key": key, "n": n, "parent": parent});
            rows.push(&row).unwrap();
        }
        let records = vec![rows.finish().unwrap()];
        let mut dataset = MemoryDataset::new("rows", schema, records).unwrap();
        for &record in &self.refused {
            let reason = syncline::record::Reason::BadValue;
            let refusal = syncline::record::Refusal::new(reason, "scripted");
            dataset = dataset.with_reject(record, refusal);
        }
        dataset
    }

    pub(crate) fn world(&self) -> World {
        let files = Arc::new(MemoryFiles::new());
        let dataset: Arc<dyn Dataset> = match self.source {
            Source::Memory => Arc::new(self.memory_dataset()),
            Source::Gappy => Arc::new(Gappy(Arc::new(self.memory_dataset()))),
            Source::WithoutResume => Arc::new(self.memory_dataset().without_resume()),
            Source::File | Source::Utf16 => {
                let mut source = FileSource::new("rows.csv", source_fields());
                let text = self.text();
                let bytes: Vec<u8> = match self.source {
                    Source::Utf16 => {
                        source.format.encoding = syncline::spec::Encoding::Utf16Le;
                        let words = std::iter::once(0xFEFF).chain(text.encode_utf16());
                        words.flat_map(u16::to_le_bytes).collect()
                    }
                    _ => text.into(),
                };
                files.insert("rows.csv", bytes);
                let context = Context::new();
                let opened = DelimitedDataset::open(&context, files.clone(), &source);
                Arc::new(block_on(opened).unwrap())
            }
        };
        let dataset: Arc<dyn Dataset> = match self.leased {
            true => Arc::new(Slow {
                rows: dataset,
                seconds: 25,
            }),
            false => dataset,
        };
        let heard = Arc::default();
        let home = MemoryConnection::new("home");
        for target in &self.targets {
            let spec = ObjectSpec::new(
                target.object,
                Identity::Generated,
                fields(target.object, target.parent),
            );
            home.add(MemoryObject::new(&spec).unwrap());
        }
        World {
            state: Arc::default(),
            home,
            files,
            ledger: Arc::default(),
            clock: ManualClock::new(DateTime::UNIX_EPOCH),
            tenant: Tenant::new("t").unwrap(),
            dataset: Arc::new(Hearing {
                dataset,
                heard: Arc::clone(&heard),
            }),
            heard,
            lives: 0,
        }
    }

    /// The job as a process with these effects has it.
    pub(crate) fn job(&self, world: &World, effects: &Effects) -> SyncJob {
        let mut job = SyncJob::new(
            "job",
            effects.dataset(broken::dataset(world.dataset.clone())),
        );
        let filter = |nth: i64| -> Expr {
            serde_json::from_value(json!({"ne": [{"field": "n"}, {"value": nth}]})).unwrap()
        };
        if let Some(nth) = self.without {
            job = job.filtered(filter(nth));
        }
        for target in &self.targets {
            let mut mapping = json!({"fields": [
                {"field": "key", "from": "key"},
                {"field": "n", "from": "n"}]});
            let keys = json!([{"source": "parent", "field": "key"}]);
            let parent = match target.parent {
                Parent::Unmapped => None,
                Parent::SelfNull => Some(
                    json!({"field": "parent", "self_lookup": {"keys": keys, "multi_match": "null"}}),
                ),
                Parent::SelfReject => Some(json!({"field": "parent", "self_lookup":
                    {"keys": keys, "dangling": "reject", "cycles": "reject"}})),
                Parent::Of(other) => Some(json!({"field": "parent", "lookup":
                    {"object": other, "keys": keys, "fetch": "id", "multi_match": "any"}})),
            };
            mapping["fields"].as_array_mut().unwrap().extend(parent);
            let mut mapping: MappingSpec = serde_json::from_value(mapping).unwrap();
            mapping.filter = target.without.map(filter);
            let mode = match target.upsert {
                true => WriteMode::upsert(["key"]),
                false => WriteMode::Insert,
            };
            let mut spec = DestinationSpec::new(target.object, mode, mapping);
            if target.keep_first {
                spec.duplicates = DuplicateKeys::Reject;
            }
            let commits = match target.store {
                Store::Memory(commits) => commits,
                Store::Late => Commits::WithCheckpoint,
                _ => Commits::AtOnce,
            };
            // The objects of a workload are of one connection, so that they can look each other up.
            let home = Arc::new(world.home.clone().with_commits(commits));
            let connection: Arc<dyn Connection> = match target.store {
                Store::Memory(_) => effects.connection(broken::connection(home)),
                Store::Late => effects.connection(broken::connection(Arc::new(Late(home)))),
                Store::Parts | Store::Whole => Arc::new(InFiles {
                    destination: {
                        let files = effects.files(world.files.clone());
                        let fields: Vec<Field> = source_fields().into_iter().take(2).collect();
                        let schema = Schema::new(fields);
                        let name = format!("out/{}.csv", target.object);
                        let whole = FileDestination::new(
                            files,
                            name,
                            target.object,
                            schema,
                            Delimited::csv(),
                        );
                        Arc::new(match target.store {
                            Store::Parts => whole.in_parts(),
                            _ => whole,
                        })
                    },
                    info: ConnectionInfo::new("files"),
                }),
            };
            job = job.to(connection, spec);
        }
        job
    }

    /// One life of the process that runs the job.
    pub(crate) fn live(&self, world: &mut World, effects: &Effects) -> Ended<Result<RunReport>> {
        let job = self.job(world, effects);
        let (context, request) = self.call(world, effects);
        world.lives += 1;
        drive(&world.clock, effects, async {
            job.run(&context, request).await
        })
    }

    pub(crate) fn call(&self, world: &World, effects: &Effects) -> (Context, RunRequest) {
        let ledger = match self.eager_rejects {
            true => effects.eager_rejects(broken::ledger(world.ledger.clone())),
            false => effects.rejects(broken::ledger(world.ledger.clone())),
        };
        // Each life has other batches and groups: as with groups that are closed by time, or a host that was set up anew.
        let (more_rows, more_records) = [(0, 0), (1, 2), (2, 1)][(world.lives % 3) as usize];
        let request = RunRequest::new(ledger)
            .with_batch_rows(self.batch_rows + more_rows)
            .with_commit(CommitPolicy::default().with_records(self.group_records + more_records))
            .with_run("the only one")
            .with_state(
                world.tenant.clone(),
                effects.state(broken::state(world.state.clone())),
            );
        let request = match self.leased {
            true => request.with_lease(lease()),
            false => request,
        };
        let context = Context::new()
            .with_clock(Arc::new(world.clock.clone()))
            .with_entropy(Arc::new(SeededEntropy::new(world.lives)));
        (context, request)
    }

    /// The records of a destination: key, `n`, and the key of the parent.
    pub(crate) fn records(&self, world: &World, target: &Target) -> Vec<(String, i64, String)> {
        match target.store {
            Store::Memory(_) | Store::Late => table(world, target),
            Store::Parts | Store::Whole => {
                let names =
                    block_on(syncline::host::FileStore::list(&*world.files, "out/")).unwrap();
                let mut records = Vec::new();
                let own = format!("out/{}", target.object);
                for name in names.iter().filter(|name| name.starts_with(&own)) {
                    let bytes = world.files.bytes(name).unwrap();
                    for line in std::str::from_utf8(&bytes).unwrap().lines().skip(1) {
                        let (key, n) = line.split_once(',').unwrap();
                        records.push((key.to_owned(), n.parse().unwrap(), String::new()));
                    }
                }
                records
            }
        }
    }
}

fn table(world: &World, target: &Target) -> Vec<(String, i64, String)> {
    use syncline::record::array::Array as _;
    use syncline::record::array::{Int64Array, StringViewArray};
    let mut keys: BTreeMap<String, String> = BTreeMap::new();
    let mut rows = Vec::new();
    let other = match target.parent {
        Parent::Of(other) => Some(other),
        _ => None,
    };
    for name in std::iter::once(target.object).chain(other) {
        for batch in world.home.object(name).unwrap().scan().unwrap() {
            let text = |column: usize| {
                let column = batch.column(column).as_any();
                column.downcast_ref::<StringViewArray>().unwrap().clone()
            };
            let (ids, names, parents) = (text(0), text(1), text(3));
            let n = batch
                .column(2)
                .as_any()
                .downcast_ref::<Int64Array>()
                .unwrap();
            for row in 0..batch.num_rows() {
                keys.insert(ids.value(row).to_owned(), names.value(row).to_owned());
                if name == target.object {
                    let parent = parents.is_valid(row).then(|| parents.value(row).to_owned());
                    rows.push((names.value(row).to_owned(), n.value(row), parent));
                }
            }
        }
    }
    let parent = |id: Option<String>| match id {
        None => String::new(),
        Some(id) => keys.get(&id).cloned().unwrap_or_else(|| "nobody".into()),
    };
    rows.into_iter()
        .map(|(key, n, id)| (key, n, parent(id)))
        .collect()
}

/// A dataset that gives a cursor behind every other batch only, and behind the last.
#[derive(Debug)]
struct Gappy(Arc<MemoryDataset>);

#[async_trait]
impl Dataset for Gappy {
    fn info(&self) -> &DatasetInfo {
        self.0.info()
    }

    fn schema(&self) -> &Schema {
        self.0.schema()
    }

    fn read(&self, context: &Context, request: ReadRequest) -> BatchStream {
        let last = self.0.len().to_string();
        let until = request.until.clone().unwrap_or(Cursor::new(last));
        let batches = self.0.read(context, request).enumerate();
        let thin = move |(i, batch): (usize, Result<Batch>)| {
            let mut batch = batch?;
            if i % 2 == 0 && batch.resume.as_ref() != Some(&until) {
                batch.resume = None;
            }
            Ok(batch)
        };
        batches.map(thin).boxed()
    }
}

/// A dataset that remembers what it heard.
#[derive(Debug)]
pub(crate) struct Hearing {
    pub(crate) dataset: Arc<dyn Dataset>,
    pub(crate) heard: Arc<Mutex<Option<Cursor>>>,
}

#[async_trait]
impl Dataset for Hearing {
    fn info(&self) -> &DatasetInfo {
        self.dataset.info()
    }

    fn schema(&self) -> &Schema {
        self.dataset.schema()
    }

    fn read(&self, context: &Context, request: ReadRequest) -> BatchStream {
        self.dataset.read(context, request)
    }

    async fn acknowledge(&self, _: &Context, cursor: &Cursor) -> Result<()> {
        *self.heard.lock().unwrap() = Some(cursor.clone());
        Ok(())
    }
}

/// A connection to one destination in files.
#[derive(Debug)]
struct InFiles {
    destination: Arc<FileDestination>,
    info: ConnectionInfo,
}

#[async_trait]
impl Connection for InFiles {
    fn info(&self) -> &ConnectionInfo {
        &self.info
    }

    async fn discover(&self, _: &Context) -> Result<Catalog> {
        let info = self.destination.info();
        let object = ObjectInfo::new(&info.name, self.destination.schema().clone());
        Ok(Catalog::new(vec![object.without_lookup()]))
    }

    async fn dataset(&self, _: &Context, object: &str) -> Result<Arc<dyn Dataset>> {
        Err(syncline::Error::new(
            syncline::ErrorKind::NotFound,
            format!("{object} is not read"),
        ))
    }

    async fn destination(&self, _: &Context, _: &str) -> Result<Arc<dyn Destination>> {
        Ok(self.destination.clone())
    }
}

/// Objects that make durable what they were given with every other commit, and tell it at the next.
#[derive(Debug)]
struct Late(Arc<MemoryConnection>);

#[async_trait]
impl Connection for Late {
    fn info(&self) -> &ConnectionInfo {
        self.0.info()
    }

    async fn discover(&self, context: &Context) -> Result<Catalog> {
        self.0.discover(context).await
    }

    async fn dataset(&self, context: &Context, object: &str) -> Result<Arc<dyn Dataset>> {
        self.0.dataset(context, object).await
    }

    async fn destination(&self, context: &Context, object: &str) -> Result<Arc<dyn Destination>> {
        let destination = self.0.destination(context, object).await?;
        let mut info = destination.info().clone();
        info.capabilities = DestinationCapabilities::new()
            .with_keyed()
            .with_tells_same_run()
            .with_dry_run()
            .with_self_lookup();
        Ok(Arc::new(LateDestination { destination, info }))
    }
}

#[derive(Debug)]
struct LateDestination {
    destination: Arc<dyn Destination>,
    info: DestinationInfo,
}

#[async_trait]
impl Destination for LateDestination {
    fn info(&self) -> &DestinationInfo {
        &self.info
    }

    fn schema(&self) -> &Schema {
        self.destination.schema()
    }

    async fn open(&self, context: &Context, request: OpenRequest) -> Result<Opened> {
        let writer = self.destination.open(context, request).await?.writer;
        Ok(Opened::new(Box::new(LateWriter(writer))))
    }
}

#[derive(Debug)]
struct LateWriter(Box<dyn Writer>);

#[async_trait]
impl Writer for LateWriter {
    async fn write(&mut self, context: &Context, batch: Batch) -> Result<WriteReport> {
        self.0.write(context, batch).await
    }

    async fn commit(&mut self, context: &Context, request: CommitRequest) -> Result<CommitReport> {
        let (group, last) = (request.group, request.last);
        if group % 2 == 0 && !last {
            // Told late, and of the group before: what is accepted now is lost in a crash.
            let through = group - 1;
            return Ok(CommitReport::new(Durability::Durable { through }));
        }
        let report = self.0.commit(context, request).await?;
        Ok(match last {
            true => report,
            false => CommitReport::new(Durability::Accepted),
        })
    }

    async fn abort(&mut self, context: &Context) -> Result<()> {
        self.0.abort(context).await
    }

    async fn lookup(
        &mut self,
        context: &Context,
        request: LookupRequest,
    ) -> Result<Arc<dyn Lookup>> {
        self.0.lookup(context, request).await
    }

    async fn patch(&mut self, context: &Context, patch: Patch) -> Result<()> {
        self.0.patch(context, patch).await
    }
}
