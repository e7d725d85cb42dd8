//! A source whose records change while it is read: versions that transactions make, each readable only from its commit on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use futures::StreamExt as _;
use futures::stream;
use serde_json::{Value, json};
use syncline::Result;
use syncline::dataset::{BatchStream, Dataset, DatasetInfo, ReadRequest};
use syncline::host::{Clock as _, Context};
use syncline::memory::{ManualClock, MemoryDataset};
use syncline::record::{
    Batch, Cursor, CursorValue, Field, Origins, RecordBuilder, RowOp, RowsAsRead, Schema,
};

/// SplitMix64.
#[derive(Debug, Clone)]
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// A version of a record. Times are seconds of the source's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) key: i64,
    pub(crate) value: i64,
    /// The cursor field.
    pub(crate) at: Option<i64>,
    /// From then on it can be read.
    pub(crate) commit: i64,
    /// The record is gone.
    pub(crate) gone: bool,
}

/// What transactions did and will do, in the order of their commits.
#[derive(Debug, Clone, Default)]
pub(crate) struct History(pub(crate) Vec<Version>);

/// By what chance versions are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Habit {
    pub(crate) keys: u64,
    pub(crate) versions: u64,
    /// The longest time between the value of the cursor field and the commit.
    pub(crate) delay: u64,
    /// Times are told in whole so many seconds.
    pub(crate) grain: i64,
    /// One in so many versions has no value, or one from the future; 0 for none.
    pub(crate) nulls: u64,
    pub(crate) future: u64,
    pub(crate) deletes: u64,
}

impl History {
    /// Versions that commit between the seconds 0 and `until`.
    pub(crate) fn by_chance(chance: &mut Chance, habit: Habit, until: i64) -> Self {
        let mut commits: Vec<i64> = (0..habit.versions)
            .map(|_| chance.below(until as u64) as i64)
            .collect();
        commits.sort_unstable();
        let mut last: BTreeMap<i64, i64> = BTreeMap::new();
        let one_in = |chance: &mut Chance, count: u64| count > 0 && chance.below(count) == 0;
        let make = |(value, commit): (usize, i64)| {
            let key = chance.below(habit.keys) as i64;
            let began = commit - chance.below(habit.delay + 1) as i64;
            // A record's value never falls from one version to the next.
            let at = (began.div_euclid(habit.grain) * habit.grain)
                .max(*last.get(&key).unwrap_or(&i64::MIN));
            let at = match one_in(chance, habit.future) {
                true => at + 1_000_000,
                false => at,
            };
            last.insert(key, at);
            Version {
                key,
                value: value as i64,
                at: (!one_in(chance, habit.nulls)).then_some(at),
                commit,
                gone: one_in(chance, habit.deletes),
            }
        };
        History(commits.into_iter().enumerate().map(make).collect())
    }

    /// The newest version of each record at this time.
    pub(crate) fn newest(&self, now: i64) -> BTreeMap<i64, Version> {
        let there = self.0.iter().filter(|version| version.commit <= now);
        there.map(|version| (version.key, *version)).collect()
    }
}

pub(crate) fn time(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

pub(crate) fn fields() -> Vec<Field> {
    let fields = json!([
        {"name": "key", "type": "integer"},
        {"name": "value", "type": "integer"},
        {"name": "at", "type": "datetime"}
    ]);
    serde_json::from_value(fields).unwrap()
}

fn row(version: &Version) -> Value {
    let at = version.at.map(|at| time(at).to_rfc3339());
    json!({"key": version.key, "value": version.value, "at": at})
}

pub(crate) fn records(versions: &[Version]) -> syncline::record::array::RecordBatch {
    let mut rows = RecordBuilder::new(&Schema::new(fields()));
    for version in versions {
        rows.push(&row(version)).unwrap();
    }
    rows.finish().unwrap()
}

/// All records as they are at this time: a source that neither knows bounds nor gives its records in their order.
pub(crate) fn snapshot(history: &History, now: i64) -> MemoryDataset {
    let there: Vec<Version> = history
        .newest(now)
        .into_values()
        .filter(|version| !version.gone)
        .collect();
    MemoryDataset::new("rows", Schema::new(fields()), vec![records(&there)]).unwrap()
}

/// In which order a source gives its records, and therefore which of them its own cursors have passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// By cursor field and key: a record that changes comes again in front of the reader.
    Cursor,
    /// By key, whatever the cursor field says: a record that changes may have been passed.
    Key,
    /// By chance, which is the same in every read.
    Shuffled(u64),
}

/// A source that is read page by page, each page as the source is then: in its order, within bounds.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    pub(crate) history: Arc<Mutex<History>>,
    /// Everybody's clock; the source's own shows so many seconds more.
    pub(crate) clock: ManualClock,
    pub(crate) ahead: i64,
    /// Seconds that a page takes.
    pub(crate) page_takes: i64,
    pub(crate) page_rows: usize,
    /// Whether it tells its time.
    pub(crate) tells_time: bool,
    pub(crate) order: Order,
    info: DatasetInfo,
    schema: Schema,
}

impl Live {
    pub(crate) fn new(history: History, clock: ManualClock, page_rows: usize) -> Self {
        let columns: Vec<String> = fields().into_iter().map(|field| field.name).collect();
        Live {
            history: Arc::new(Mutex::new(history)),
            clock,
            ahead: 0,
            page_takes: 0,
            page_rows,
            tells_time: true,
            order: Order::Cursor,
            info: DatasetInfo::new("rows", columns)
                .with_resume("place and key")
                .with_bounds()
                .with_deletes(),
            schema: Schema::new(fields()),
        }
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.now().timestamp() + self.ahead
    }

    /// All keys there are now, in the order in which they are given.
    pub(crate) fn keys(&self) -> Vec<i64> {
        let newest = self.history.lock().unwrap().newest(self.now());
        let mut versions: Vec<Version> = newest.into_values().collect();
        versions.sort_by_key(|version| self.place(version));
        versions.iter().map(|version| version.key).collect()
    }

    fn place(&self, version: &Version) -> Place {
        match self.order {
            Order::Cursor => Place(version.at, version.key),
            Order::Key => Place(None, version.key),
            Order::Shuffled(salt) => {
                let rank = Chance(salt ^ version.key as u64).below(1 << 32);
                Place(Some(rank as i64), version.key)
            }
        }
    }

    /// The rows of the next page.
    fn page(&self, behind: Option<Place>, request: &ReadRequest) -> Vec<Version> {
        let bounds = request.bounds.as_ref();
        let seconds = |value: Option<CursorValue>| match value {
            Some(CursorValue::DateTime(value)) => Some(value.timestamp_micros()),
            _ => None,
        };
        let from = seconds(bounds.and_then(|bounds| bounds.from));
        let to = seconds(bounds.and_then(|bounds| bounds.to));
        let nulls = bounds.is_none_or(|bounds| bounds.nulls);
        let wanted = |version: &Version| match version.at.map(|at| at * 1_000_000) {
            None => nulls,
            Some(at) => from.is_none_or(|from| at >= from) && to.is_none_or(|to| at < to),
        };
        let until = request.until.as_ref().map(|until| Place::of(until).0);
        let mut rows: Vec<Version> = self
            .history
            .lock()
            .unwrap()
            .newest(self.now())
            .into_values()
            .collect();
        rows.retain(|version| {
            let place = self.place(version);
            wanted(version)
                && behind.is_none_or(|behind| place > behind)
                && until.is_none_or(|until| place <= until)
        });
        rows.sort_by_key(|version| self.place(version));
        rows.truncate(self.page_rows.min(request.batch_rows));
        rows
    }
}

/// Where a record stands in a source: by cursor field, nulls first, and key, or by what the source has in place of that field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place(Option<i64>, i64);

impl Place {
    /// With the number of records in front of the cursor.
    fn of(cursor: &Cursor) -> (Self, u64) {
        let parts: Vec<&str> = cursor.as_str().split(' ').collect();
        let place = Place(parts[0].parse().ok(), parts[1].parse().unwrap());
        (place, parts[2].parse().unwrap())
    }

    fn cursor(self, read: u64) -> Cursor {
        let Place(at, key) = self;
        let at = at.map_or_else(|| "-".to_owned(), |at| at.to_string());
        Cursor::new(format!("{at} {key} {read}"))
    }
}

#[async_trait]
impl Dataset for Live {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn read(&self, _: &Context, request: ReadRequest) -> BatchStream {
        let behind = request.resume.as_ref().map(Place::of);
        let (behind, read) = (
            behind.map(|(place, _)| place),
            behind.map_or(0, |(_, read)| read),
        );
        let open = (self.clone(), request, behind, read);
        stream::unfold(open, |(source, request, behind, read)| async move {
            let rows = source.page(behind, &request);
            let last = rows.last()?;
            let place = source.place(last);
            let whole = records(&rows);
            let names = request.fields.clone().unwrap_or_else(|| {
                let names = source
                    .schema
                    .fields()
                    .iter()
                    .map(|field| field.name.clone());
                names.collect()
            });
            let columns: Vec<usize> = names
                .iter()
                .map(|name| source.schema.index_of(name).unwrap())
                .collect();
            let raw = Arc::new(RowsAsRead::new("rows", read, whole.clone()));
            let origins = Origins::new(raw, read, (0..rows.len() as u32).collect::<Vec<_>>());
            let mut batch = Batch::new(whole.project(&columns).unwrap(), origins)
                .with_resume(place.cursor(read + rows.len() as u64));
            let op = |version: &Version| match version.gone {
                true => RowOp::Delete,
                false => RowOp::Upsert,
            };
            batch.ops = Some(rows.iter().map(op).collect());
            source.clock.advance(TimeDelta::seconds(source.page_takes));
            let read = read + rows.len() as u64;
            Some((Ok(batch), (source, request, Some(place), read)))
        })
        .boxed()
    }

    async fn upper_bound(&self, _: &Context, field: &str) -> Result<Option<CursorValue>> {
        let tells = self.tells_time && field == "at";
        Ok(tells.then(|| CursorValue::DateTime(time(self.now()))))
    }
}

/// All versions in their order: a source that tells what happened, as a log does.
#[derive(Debug)]
pub(crate) struct Log {
    records: MemoryDataset,
    ops: Arc<[RowOp]>,
    info: DatasetInfo,
}

impl Log {
    pub(crate) fn new(versions: &[Version]) -> Self {
        let op = |version: &Version| match version.gone {
            true => RowOp::Delete,
            false => RowOp::Upsert,
        };
        let records =
            MemoryDataset::new("rows", Schema::new(fields()), vec![records(versions)]).unwrap();
        Log {
            info: records.info().clone().with_deletes(),
            ops: versions.iter().map(op).collect(),
            records,
        }
    }
}

#[async_trait]
impl Dataset for Log {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn schema(&self) -> &Schema {
        self.records.schema()
    }

    fn read(&self, context: &Context, request: ReadRequest) -> BatchStream {
        let ops = Arc::clone(&self.ops);
        let with_ops = move |batch: Result<Batch>| {
            let mut batch = batch?;
            let op = |row| ops[batch.origins.sequence(row) as usize];
            batch.ops = Some((0..batch.len()).map(op).collect());
            Ok(batch)
        };
        self.records.read(context, request).map(with_ops).boxed()
    }
}
