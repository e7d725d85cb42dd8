//! Rejects of a run that breaks off and goes on: each is in one file, whenever the process died.

use std::future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt as _;
use futures::executor::block_on;
use syncline::file::{DelimitedDataset, LocalFiles, RejectFiles};
use syncline::host::{
    Context, FileStore, FileWriter, OpenedFile, RejectLedger, RejectRewind, RejectSegment,
};
use syncline::job::{CommitPolicy, Job, Outcome, RunRequest, SyncJob};
use syncline::memory::{Commits, MemoryConnection, MemoryFiles, MemoryState};
use syncline::record::{Field, FieldType, Position, RawRecord, Reason, Refusal, Reject};
use syncline::spec::{
    Column, DestinationSpec, FieldMapping, FileSource, Identity, MappingSpec, ObjectSpec, WriteMode,
};
use syncline::{ErrorKind, Result, Tenant};

fn segment(destination: Option<&str>, group: u64, index: u64) -> RejectSegment {
    let refusal = Refusal::new(Reason::BadValue, "expected a date");
    let reject = Reject::new(
        Position::new("in.csv", index),
        refusal,
        RawRecord::Cells(vec![]),
    );
    RejectSegment::new(destination.map(Into::into), [].into(), vec![reject]).with_group(group, 0)
}

#[test]
fn groups_that_come_again_are_taken_back_for_one_destination() {
    let files = MemoryFiles::new();
    let ledger = RejectFiles::new(Arc::new(files.clone())).in_parts();
    let names = || files.list("rejects/").now_or_never().unwrap().unwrap();
    block_on(async {
        for destination in [None, Some("a"), Some("a-b"), Some("a-00000009")] {
            for group in [1, 2, 3, 123_456_789] {
                ledger
                    .append(segment(destination, group, group))
                    .await
                    .unwrap();
            }
        }
        assert!(names().is_empty());
        ledger.flush().await.unwrap();
        assert_eq!(names().len(), 16);
        // More of a group that is there already, and some that never came to be there.
        ledger.append(segment(Some("a"), 2, 7)).await.unwrap();
        ledger.seal().await.unwrap();
        ledger.append(segment(Some("a"), 3, 8)).await.unwrap();
        assert_eq!(names().len(), 17);
        let second = files.bytes("rejects/a-00000002.2.csv").unwrap();
        assert!(String::from_utf8_lossy(&second).contains("in.csv#7"));

        ledger
            .rewind(&RejectRewind::new(Some("a"), 1, 0))
            .await
            .unwrap();
        let left = names();
        let of_a: Vec<_> = left
            .iter()
            .filter(|name| name.starts_with("rejects/a-0000000"))
            .collect();
        assert_eq!(
            of_a,
            [
                "rejects/a-00000001.csv",
                "rejects/a-00000009-00000001.csv",
                "rejects/a-00000009-00000002.csv",
                "rejects/a-00000009-00000003.csv",
                "rejects/a-00000009-123456789.csv",
            ]
        );
        assert_eq!(left.len(), 13);
        ledger.seal().await.unwrap();
        assert_eq!(names(), left);
        ledger.rewind(&RejectRewind::new(None, 0, 0)).await.unwrap();
        assert_eq!(names().len(), 9);
        // The group comes again, under its first name.
        ledger.append(segment(Some("a"), 2, 7)).await.unwrap();
        ledger.flush().await.unwrap();
        assert!(files.bytes("rejects/a-00000002.csv").is_some());
        ledger.clear_stale().await.unwrap();
        assert!(names().is_empty());
    });
}

#[test]
fn files_of_one_run_cannot_be_gone_on_with() {
    let ledger = RejectFiles::new(Arc::new(MemoryFiles::new()));
    for refused in [
        block_on(ledger.flush()),
        block_on(ledger.rewind(&RejectRewind::new(None, 0, 0))),
    ] {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("in_parts"), "{error}");
    }
}

/// A store in which somebody else comes to act in front of a call, or behind the last one.
struct Met {
    files: Arc<MemoryFiles>,
    calls: Arc<AtomicUsize>,
    at: usize,
    other: fn(&Arc<MemoryFiles>),
}

impl Met {
    fn call(&self) {
        if self.calls.fetch_add(1, Ordering::Relaxed) == self.at {
            (self.other)(&self.files);
        }
    }
}

impl std::fmt::Debug for Met {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Met")
    }
}

#[async_trait]
impl FileStore for Met {
    async fn open(&self, name: &str, offset: u64) -> Result<OpenedFile> {
        self.files.open(name, offset).await
    }

    async fn create(&self, name: &str) -> Result<Box<dyn FileWriter>> {
        self.call();
        let writer = self.files.create(name).await?;
        let met = Met {
            files: Arc::clone(&self.files),
            calls: Arc::clone(&self.calls),
            ..*self
        };
        Ok(Box::new(MetFile { met, writer }))
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>> {
        self.call();
        self.files.list(prefix).await
    }

    async fn remove(&self, name: &str) -> Result<()> {
        self.call();
        self.files.remove(name).await
    }
}

#[derive(Debug)]
struct MetFile {
    met: Met,
    writer: Box<dyn FileWriter>,
}

#[async_trait]
impl FileWriter for MetFile {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.writer.write(bytes).await
    }

    async fn finish(&mut self) -> Result<()> {
        self.met.call();
        self.writer.finish().await
    }
}

/// A run of this epoch that goes on behind group 1: it refuses the record of this number in group 2.
async fn go_on(files: Arc<dyn FileStore>, epoch: u64, index: u64) -> Result<()> {
    let ledger = RejectFiles::new(files).in_parts();
    ledger
        .rewind(&RejectRewind::new(Some("a"), 1, epoch))
        .await?;
    let segment = segment(Some("a"), 2, index).with_group(2, epoch);
    ledger.append(segment).await?;
    ledger.flush().await
}

#[test]
fn a_run_of_another_process_shuts_out_older_ones_whenever_it_comes() {
    let other = |files: &Arc<MemoryFiles>| {
        let going = go_on(files.clone(), 7, 70);
        going.now_or_never().unwrap().unwrap();
    };
    let (mut late, mut done) = (0, 0);
    for at in 0.. {
        let files = Arc::new(MemoryFiles::new());
        let met = Met {
            files: Arc::clone(&files),
            calls: Arc::default(),
            at,
            other,
        };
        let calls = Arc::clone(&met.calls);
        let old = block_on(go_on(Arc::new(met), 3, 30));
        let all_calls = calls.load(Ordering::Relaxed);
        if all_calls <= at {
            // The newer one comes when the older one is done.
            old.unwrap();
            other(&files);
            done += 1;
        } else {
            late += 1;
            assert_eq!(old.unwrap_err().kind(), ErrorKind::Conflict, "at call {at}");
        }
        let left = block_on(files.list("rejects/a")).unwrap();
        assert_eq!(left, ["rejects/a-00000002.e7.csv"], "at call {at}");
        let text = files.bytes(&left[0]).unwrap();
        assert!(String::from_utf8_lossy(&text).contains("in.csv#70"));
        // And the old one does not come back.
        let again = block_on(go_on(files.clone(), 3, 30)).unwrap_err();
        assert_eq!(again.kind(), ErrorKind::Conflict);
        // Until the folder is cleared.
        block_on(async {
            let ledger = RejectFiles::new(files.clone());
            ledger.clear_stale().await.unwrap();
            assert!(files.list("").await.unwrap().is_empty());
            go_on(files.clone(), 1, 10).await.unwrap();
        });
        if done > 0 {
            break;
        }
    }
    assert!(late >= 8, "{late}");
}

/// A ledger whose process dies at a call, in front of it or behind it.
#[derive(Debug)]
struct Dying {
    inner: RejectFiles,
    calls: AtomicUsize,
    dies_at: usize,
    behind: bool,
}

impl Dying {
    async fn live(&self, call: impl Future<Output = Result<()>> + Send) -> Result<()> {
        let dies = self.calls.fetch_add(1, Ordering::Relaxed) == self.dies_at;
        if dies && !self.behind {
            future::pending::<()>().await;
        }
        call.await?;
        if dies {
            future::pending::<()>().await;
        }
        Ok(())
    }
}

#[async_trait]
impl RejectLedger for Dying {
    async fn append(&self, segment: RejectSegment) -> Result<()> {
        self.live(self.inner.append(segment)).await
    }

    async fn seal(&self) -> Result<()> {
        self.live(self.inner.seal()).await
    }

    async fn flush(&self) -> Result<()> {
        self.live(self.inner.flush()).await
    }

    async fn rewind(&self, to: &RejectRewind) -> Result<()> {
        self.live(self.inner.rewind(to)).await
    }
}

const ROWS: usize = 40;

/// Every third number is bad, and every seventh size is none that items have.
fn job(input: Arc<MemoryFiles>, home: &MemoryConnection) -> SyncJob {
    let columns = [
        Column::new("n", FieldType::Integer),
        Column::new("size", FieldType::Text),
    ];
    let source = FileSource::new("in.csv", columns);
    let context = Context::new();
    let opened = DelimitedDataset::open(&context, input, &source);
    let fields = ["n", "size"].map(|name| FieldMapping::direct(name, name));
    let spec = DestinationSpec::new("item", WriteMode::Insert, MappingSpec::new(fields.into()));
    SyncJob::new("items", Arc::new(block_on(opened).unwrap())).to(Arc::new(home.clone()), spec)
}

fn is_bad(row: usize) -> bool {
    row % 3 == 0
}

fn is_huge(row: usize) -> bool {
    row % 7 == 0
}

fn input() -> Arc<MemoryFiles> {
    let mut text = String::from("n,size\n");
    for row in 0..ROWS {
        let number = if is_bad(row) {
            format!("bad{row}")
        } else {
            row.to_string()
        };
        let size = if is_huge(row) { "huge" } else { "small" };
        text += &format!("{number},{size}\n");
    }
    let files = MemoryFiles::new();
    files.insert("in.csv", text);
    Arc::new(files)
}

fn home(commits: Commits) -> MemoryConnection {
    let sizes = FieldType::Picklist(["small".to_owned()].into());
    let fields = vec![
        Field::new("n", FieldType::Integer),
        Field::new("size", sizes),
    ];
    let item = ObjectSpec::new("item", Identity::Generated, fields);
    MemoryConnection::new("home")
        .with_object(&item)
        .unwrap()
        .with_commits(commits)
}

/// The refused lines in files that begin so, and the numbers of the lines in the source.
fn refused(folder: &LocalFiles, prefix: &str) -> Vec<usize> {
    let mut rows = Vec::new();
    for name in block_on(folder.list(prefix)).unwrap() {
        let text = std::fs::read_to_string(folder.root().join(&name)).unwrap();
        for line in text.lines().skip(1) {
            let (_, place) = line.split_once("in.csv:").unwrap();
            let (number, _) = place.split_once(' ').unwrap();
            // The first record is in the second line.
            rows.push(number.parse::<usize>().unwrap() - 2);
        }
    }
    rows
}

#[test]
fn each_reject_is_kept_once_whenever_the_process_dies() {
    let bad: Vec<usize> = (0..ROWS).filter(|&row| is_bad(row)).collect();
    let huge: Vec<usize> = (0..ROWS)
        .filter(|&row| is_huge(row) && !is_bad(row))
        .collect();
    let mut deaths = 0;
    for commits in [Commits::ByGroup, Commits::WithCheckpoint] {
        for behind in [false, true] {
            for dies_at in 0.. {
                let folder = tempfile::tempdir().unwrap();
                let folder = LocalFiles::new(folder.path());
                let (input, home, state) = (input(), home(commits), Arc::new(MemoryState::new()));
                let run = |dies_at| {
                    // Each process opens the folder anew.
                    let ledger = Dying {
                        inner: RejectFiles::new(Arc::new(folder.clone())).in_parts(),
                        calls: AtomicUsize::new(0),
                        dies_at,
                        behind,
                    };
                    let request = RunRequest::new(Arc::new(ledger))
                        .with_state(Tenant::new("acme").unwrap(), state.clone())
                        .with_batch_rows(3)
                        .with_commit(CommitPolicy::default().with_records(7));
                    let job = job(input.clone(), &home);
                    async move { job.run(&Context::new(), request).await }.now_or_never()
                };
                let died = run(dies_at).is_none();
                if died {
                    deaths += 1;
                    let report = run(usize::MAX).expect("nobody dies").unwrap();
                    assert_eq!(report.outcome, Outcome::PartialSuccess, "{report:?}");
                    assert_eq!(
                        report.destinations[0].rejected,
                        (bad.len() + huge.len()) as u64
                    );
                }
                let say = format!("{commits:?}, died at call {dies_at}, behind: {behind}");
                assert_eq!(refused(&folder, "rejects/_source-"), bad, "{say}");
                assert_eq!(refused(&folder, "rejects/item-"), huge, "{say}");
                if !died {
                    break;
                }
            }
        }
    }
    assert!(deaths > 60, "{deaths}");
}
