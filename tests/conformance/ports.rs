//! The own implementations of the ports: stores, files, ledgers, executors.

use std::path::Path;
use std::sync::Arc;

use futures::{FutureExt as _, StreamExt as _};
use syncline::Result;
use syncline::conformance;
use syncline::dataset::{Dataset as _, ReadRequest};
use syncline::file::{DelimitedDataset, LocalFiles, LocalState, RejectFiles};
use syncline::host::{Context, FileStore, Inline, RejectLedger, ThreadPool};
use syncline::memory::{MemoryFiles, MemoryNotifications, MemoryRejects, MemoryState};
use syncline::record::array::{Array as _, RecordBatch, StringViewArray};
use syncline::record::{Field, FieldType, Reason};
use syncline::spec::{Delimited, FileSource};
use syncline::testing::conformance::{
    ExecutorFixture, FileStoreFixture, KeptReject, NotificationsFixture, RejectLedgerFixture,
    StateStoreFixture,
};
use tempfile::TempDir;

/// A directory that lives as long as the one who asks for handles.
pub(crate) fn directory<T>(
    open: impl Fn(&Path) -> T + Send + Sync + 'static,
) -> impl Fn() -> T + Send + Sync + 'static {
    let directory = TempDir::new().unwrap();
    move || open(directory.path())
}

pub(crate) fn memory_state() -> StateStoreFixture {
    let store = MemoryState::new();
    StateStoreFixture::new(move || store.clone())
}

fn memory_notifications() -> NotificationsFixture {
    let mail = MemoryNotifications::new().with_dead_address("gone@example.com");
    let kept = mail.clone();
    let shown = move || {
        let shown = kept.shown("here@example.com").into_iter();
        let texts = shown.map(|notice| notice.text).collect();
        async move { Ok(texts) }.boxed()
    };
    NotificationsFixture::new(mail, "here@example.com", shown).with_dead_address("gone@example.com")
}

conformance!(memory_notifications_port: notifications, memory_notifications());

conformance!(memory_state_store: state_store, memory_state());
conformance!(local_state_store: state_store, StateStoreFixture::new(directory(|path| LocalState::new(path))));

#[cfg(feature = "object-store")]
conformance!(object_store_state: state_store, {
    let objects = Arc::new(object_store::memory::InMemory::new());
    StateStoreFixture::new(move || syncline::adapter::ObjectStoreState::new(objects.clone()))
});

pub(crate) fn memory_files() -> FileStoreFixture {
    let files = MemoryFiles::new();
    FileStoreFixture::new(move || files.clone())
}

conformance!(memory_file_store: file_store, memory_files());
conformance!(memory_files_in_pieces: file_store, {
    let files = MemoryFiles::new().with_chunk_bytes(1_000);
    FileStoreFixture::new(move || files.clone())
});
conformance!(local_file_store: file_store, FileStoreFixture::new(directory(|path| LocalFiles::new(path))));
conformance!(local_files_without_sync: file_store,
    FileStoreFixture::new(directory(|path| LocalFiles::new(path).without_sync())));

pub(crate) fn kept_in_memory(ledger: &MemoryRejects) -> Vec<KeptReject> {
    let segments = ledger.segments();
    let rejects = segments.iter().flat_map(|segment| {
        let destination = segment.destination.as_deref();
        segment
            .rejects
            .iter()
            .map(move |reject| KeptReject::of(destination, reject))
    });
    rejects.collect()
}

fn memory_ledger() -> RejectLedgerFixture {
    let ledger = Arc::new(MemoryRejects::new());
    let kept = ledger.clone();
    RejectLedgerFixture::new(
        move || ledger.clone() as Arc<dyn RejectLedger>,
        move || std::future::ready(Ok(kept_in_memory(&kept))),
    )
    .giving_back()
}

conformance!(memory_rejects: reject_ledger, memory_ledger(), skip: [("RL-06", "it keeps those of many runs")]);

/// What reject files hold, read as a person's tool would read them.
async fn kept_in_files(files: Arc<dyn FileStore>) -> Result<Vec<KeptReject>> {
    let columns = ["name", "note", "_reason", "_position", "_raw"];
    let mut kept = Vec::new();
    let names = files.list("rejects/").await?.into_iter();
    for file in names.filter(|name| name.ends_with(".csv")) {
        let fields = columns
            .map(|name| Field::new(name, FieldType::Text))
            .to_vec();
        let mut source = FileSource::new(&file, fields);
        source.format = Delimited::csv();
        source.format.guarded = true;
        let context = Context::new();
        let dataset = DelimitedDataset::open(&context, files.clone(), &source).await?;
        let mut batches = dataset.read(&context, ReadRequest::new());
        let stem = file.trim_start_matches("rejects/").trim_end_matches(".csv");
        let destination = stem.split('-').next().filter(|name| *name != "_source");
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            assert!(batch.rejects.is_empty(), "{:?}", batch.rejects);
            kept.extend((0..batch.len()).map(|row| kept_row(&batch.records, row, destination)));
        }
    }
    Ok(kept)
}

fn kept_row(records: &RecordBatch, row: usize, destination: Option<&str>) -> KeptReject {
    let cell = |column: usize| {
        let column = records
            .column(column)
            .as_any()
            .downcast_ref::<StringViewArray>()
            .unwrap();
        column.is_valid(row).then(|| column.value(row).to_owned())
    };
    let reason = cell(2).unwrap();
    let mut kept = KeptReject::of(
        destination,
        &syncline::record::Reject::new(
            syncline::record::Position::new("", 0),
            syncline::record::Refusal::new(
                Reason::ALL
                    .into_iter()
                    .find(|known| known.code() == reason)
                    .unwrap(),
                "",
            ),
            syncline::record::RawRecord::Cells(Vec::new()),
        ),
    );
    let position = cell(3).unwrap();
    kept.position = position;
    kept.unsplit = cell(4).map(Into::into);
    if kept.unsplit.is_none() {
        kept.cells = (0..2).map(|column| cell(column).map(Into::into)).collect();
    }
    kept
}

fn reject_files(in_parts: bool) -> RejectLedgerFixture {
    let files = Arc::new(MemoryFiles::new());
    let kept = files.clone();
    let open = move || -> Arc<dyn RejectLedger> {
        let ledger = RejectFiles::new(files.clone());
        Arc::new(if in_parts { ledger.in_parts() } else { ledger })
    };
    let fixture = RejectLedgerFixture::new(open, move || kept_in_files(kept.clone()));
    let fixture = fixture.giving_back();
    if in_parts {
        fixture
    } else {
        fixture.of_one_run()
    }
}

conformance!(reject_files_in_parts: reject_ledger, reject_files(true), skip: [("RL-06", "they are for many runs")]);
conformance!(reject_files_of_one_run: reject_ledger, reject_files(false), skip: [
    ("RL-03", "for one run only"), ("RL-04", "for one run only"), ("RL-05", "for one run only"), ("RL-09", "for one run only")]);

conformance!(inline: executor, ExecutorFixture::new(Inline), skip: [("EX-04", "one task at a time")]);
conformance!(thread_pool: executor, ExecutorFixture::new(ThreadPool::new(3)?));
conformance!(pool_of_one: executor, ExecutorFixture::new(ThreadPool::new(1)?), skip: [("EX-04", "one task at a time")]);
