//! Runs of which one effect fails, or is the last one, and the runs that go on behind them.

use serde_json::json;
use syncline::job::{RunLease, RunReport};
use syncline::memory::ManualClock;
use syncline::record::array::Array as _;
use syncline::spec::{DuplicateKeys, SourceDeletes};
use syncline::testing::{EffectKind, Effects, Ended, Fate, drive};

use super::*;

const OBJECTS: [&str; 2] = ["number", "other"];

/// A source of numbers, and one or two objects that they go to.
struct Scene {
    clock: ManualClock,
    state: Arc<MemoryState>,
    ledger: Arc<MemoryRejects>,
    homes: Vec<MemoryConnection>,
    lease: Option<RunLease>,
}

impl Scene {
    fn new(commits: impl IntoIterator<Item = Commits>) -> Self {
        let home = |(name, commits): (&&str, Commits)| {
            let spec = ObjectSpec::new(*name, Identity::Generated, fields());
            let home = MemoryConnection::new(format!("home of {name}"));
            home.with_object(&spec).unwrap().with_commits(commits)
        };
        Scene {
            clock: ManualClock::new("2025-01-31T06:00:00Z".parse().unwrap()),
            state: Arc::default(),
            ledger: Arc::default(),
            homes: OBJECTS.iter().zip(commits).map(home).collect(),
            lease: None,
        }
    }

    /// What becomes of a run with these effects, in groups of so many.
    fn run_with(
        &self,
        dataset: impl Dataset + 'static,
        effects: &Effects,
        group: u64,
    ) -> Ended<Result<RunReport>> {
        let mapping = MappingSpec::new(vec![FieldMapping::direct("n", "n")]);
        let mut job = SyncJob::new("numbers", effects.dataset(Arc::new(dataset)));
        for (name, home) in OBJECTS.iter().zip(&self.homes) {
            let spec = DestinationSpec::new(*name, WriteMode::Insert, mapping.clone());
            job = job.to(effects.connection(Arc::new(home.clone())), spec);
        }
        let state = effects.state(self.state.clone());
        let mut request = RunRequest::new(effects.rejects(self.ledger.clone()))
            .with_batch_rows(2)
            .with_commit(CommitPolicy::default().with_records(group))
            .with_state(Tenant::new("acme").unwrap(), state)
            .with_run("today");
        request.lease.clone_from(&self.lease);
        let context = Context::new().with_clock(Arc::new(self.clock.clone()));
        drive(&self.clock, effects, async {
            job.run(&context, request).await
        })
    }

    fn run(&self, dataset: impl Dataset + 'static) -> Result<RunReport> {
        done(self.run_with(dataset, &Effects::scripted([]), 4))
    }

    /// How many numbers each object has.
    fn counts(&self) -> Vec<usize> {
        let homes = OBJECTS.iter().zip(&self.homes);
        homes
            .map(|(name, home)| home.object(name).unwrap().len())
            .collect()
    }
}

fn done<T>(ended: Ended<T>) -> T {
    match ended {
        Ended::Done(ended) => ended,
        Ended::Crashed | Ended::Stuck => panic!("it comes to no end"),
    }
}

/// The fate of the nth effect of a kind.
fn at(kind: EffectKind, nth: u64, fate: Fate) -> Effects {
    Effects::new(
        move |effect| match (effect.kind, effect.nth) == (kind, nth) {
            true => fate,
            false => Fate::Proceed,
        },
    )
}

fn count(effects: &Effects, kind: EffectKind) -> usize {
    effects
        .trace()
        .iter()
        .filter(|effect| effect.kind == kind)
        .count()
}

/// Also if the next run would make other groups, and if one destination has a group that the other one has not.
#[test]
fn each_object_has_each_row_once_and_the_report_says_so_wherever_a_run_dies() {
    for commits in [Commits::ByGroup, Commits::WithCheckpoint] {
        for (number, group) in (1..).flat_map(|number| [(number, 4), (number, 6)]) {
            let scene = Scene::new([commits; 2]);
            let dies = Effects::scripted([(number, Fate::CrashAfter)]);
            let died = scene.run_with(numbers(10), &dies, 4);
            let what = format!("{commits:?}, effect {number}");
            let report = done(scene.run_with(numbers(10), &Effects::scripted([]), group)).unwrap();
            assert_eq!(
                (report.outcome, scene.counts()),
                (Outcome::Success, vec![10, 10]),
                "{what}: {report}"
            );
            for counts in &report.destinations {
                assert_eq!((counts.read, counts.inserted), (10, 10), "{what}: {report}");
                assert!(group != 4 || counts.groups == 3, "{what}: {counts:?}");
            }
            if let Ended::Done(ended) = died {
                assert!(number > 30 && ended.unwrap().failure.is_none());
                break;
            }
        }
    }
}

/// A source that lost a record.
#[derive(Debug)]
struct Lacks(MemoryDataset, u64);

#[async_trait]
impl Dataset for Lacks {
    fn info(&self) -> &DatasetInfo {
        self.0.info()
    }

    fn schema(&self) -> &Schema {
        self.0.schema()
    }

    fn read(&self, context: &Context, request: ReadRequest) -> BatchStream {
        let lost = self.1;
        let batches = self.0.read(context, request);
        let without = move |batch: Result<syncline::record::Batch>| {
            let mut batch = batch?;
            let there = (0..batch.len()).filter(|&row| batch.origins.sequence(row) != lost);
            let there: Vec<u32> = there.map(|row| row as u32).collect();
            let resume = batch.resume.take();
            batch = batch.take(&there)?;
            batch.resume = resume;
            Ok(batch)
        };
        batches.map(without).boxed()
    }
}

#[test]
fn a_group_that_comes_again_must_be_found_in_the_source_as_it_was() {
    // Behind the commit of the second group, and of the last one.
    for (nth, lost, there) in [(2, 5, 12), (3, 9, 10)] {
        let scene = Scene::new([Commits::ByGroup]);
        let dies = at(EffectKind::Commit, nth, Fate::CrashAfter);
        assert!(matches!(
            scene.run_with(numbers(10), &dies, 4),
            Ended::Crashed
        ));
        let report = scene.run(Lacks(numbers(10), lost)).unwrap();
        let failure = report.failure.expect("a record is missing");
        assert_eq!(failure.kind(), ErrorKind::OtherLineage);
        // What is there beyond them is read too, if not by this run.
        scene.run(numbers(12)).unwrap();
        assert_eq!(scene.counts(), [there]);
    }
    // A source without cursors is read again from its beginning, and nothing says that it is the same.
    let scene = Scene::new([Commits::ByGroup]);
    let dies = at(EffectKind::Commit, 1, Fate::CrashAfter);
    assert!(matches!(
        scene.run_with(numbers(10).without_resume(), &dies, 4),
        Ended::Crashed
    ));
    scene.run(numbers(12).without_resume()).unwrap();
    assert_eq!(scene.counts(), [12]);
}

#[test]
fn where_rows_stay_at_once_nothing_has_to_be_found_again() {
    let scene = Scene::new([Commits::AtOnce]);
    let dies = at(EffectKind::Commit, 2, Fate::CrashAfter);
    assert!(matches!(
        scene.run_with(numbers(10), &dies, 4),
        Ended::Crashed
    ));
    let report = scene.run(numbers(6)).unwrap();
    assert_eq!((report.outcome, report.records), (Outcome::Success, 6));
}

#[test]
fn a_writer_is_aborted_if_the_run_does_not_come_to_its_end() {
    for lease in [None, Some(RunLease::new("here"))] {
        let mut scene = Scene::new([Commits::ByGroup]);
        scene.lease = lease;
        for kind in [EffectKind::Read, EffectKind::Write, EffectKind::Commit] {
            let fails = at(kind, 2, Fate::Fail(false));
            let report = done(scene.run_with(numbers(10), &fails, 4)).unwrap();
            assert_eq!(
                (report.outcome, count(&fails, EffectKind::Abort)),
                (Outcome::Failed, 1)
            );
        }
        let ends = Effects::scripted([]);
        let report = done(scene.run_with(numbers(10), &ends, 4)).unwrap();
        assert_eq!(
            (report.outcome, count(&ends, EffectKind::Abort)),
            (Outcome::Success, 0)
        );
    }
}

/// Rows of a group that is not committed do not stay, so nobody can say that they are written.
#[test]
fn what_was_read_and_not_committed_is_pending_when_a_run_fails() {
    for (commits, inserted) in [
        (Commits::ByGroup, 4),
        (Commits::WithCheckpoint, 4),
        (Commits::AtOnce, 8),
    ] {
        let scene = Scene::new([commits]);
        let fails = at(EffectKind::Commit, 2, Fate::Fail(false));
        let report = done(scene.run_with(numbers(10), &fails, 4)).unwrap();
        let counts = &report.destinations[0];
        assert_eq!(
            (report.outcome, counts.read, counts.inserted, counts.pending),
            (Outcome::Failed, 8, inserted, 8 - inserted)
        );
        counts.check().unwrap();
    }
}

#[test]
fn a_group_ends_only_where_a_run_can_go_on() {
    let groups = |dataset: MemoryDataset, change: fn(&mut DestinationSpec)| {
        let fields =
            json!([{"name": "n", "type": "integer"}, {"name": "parent", "type": "lookup(number)"}]);
        let fields = serde_json::from_value(fields).unwrap();
        let home = MemoryConnection::new("home").with_object(&ObjectSpec::new(
            "number",
            Identity::Generated,
            fields,
        ));
        let mapping = MappingSpec::new(vec![FieldMapping::direct("n", "n")]);
        let mut spec = DestinationSpec::new("number", WriteMode::upsert(["n"]), mapping);
        change(&mut spec);
        let job = SyncJob::new("numbers", Arc::new(dataset)).to(Arc::new(home.unwrap()), spec);
        let report = block_on(job.run(&Context::new(), request(&Arc::default()))).unwrap();
        assert_eq!((report.outcome, report.records), (Outcome::Success, 10));
        report.destinations[0].groups
    };
    fn linked(spec: &mut DestinationSpec, dangling: &str) {
        let parent = json!({"field": "parent", "self_lookup": {"keys": [{"source": "n", "field": "n"}],
            "multi_match": "null", "dangling": dangling, "cycles": "allow"}});
        spec.mapping
            .fields
            .push(serde_json::from_value(parent).unwrap());
    }
    assert_eq!(groups(numbers(10), |_| {}), 3);
    // Without a cursor it would begin anew.
    assert_eq!(groups(numbers(10).without_resume(), |_| {}), 1);
    // Links that wait, rows that wait, keys that are remembered, records that are missed.
    assert_eq!(groups(numbers(10), |spec| linked(spec, "null")), 1);
    assert_eq!(groups(numbers(10), |spec| linked(spec, "reject")), 1);
    assert_eq!(
        groups(numbers(10), |spec| spec.duplicates = DuplicateKeys::Reject),
        1
    );
    let mirror =
        |spec: &mut DestinationSpec| spec.deletes = SourceDeletes::Mirror { most_percent: 100 };
    assert_eq!(groups(numbers(10), mirror), 1);
}

/// A run that goes on takes back those of groups that come again.
#[test]
fn a_record_is_refused_in_the_group_that_it_came_in() {
    let schema = Schema::new(vec![Field::new("n", FieldType::Text)]);
    let mut rows = RecordBuilder::new(&schema);
    for n in ["1", "x", "3", "4", "x", "6", "7", "8", "9", "x"] {
        rows.push(&json!({ "n": n })).unwrap();
    }
    let texts = MemoryDataset::new("numbers", schema, vec![rows.finish().unwrap()]).unwrap();
    let scene = Scene::new([Commits::ByGroup]);
    let report = scene.run(texts).unwrap();
    assert_eq!(report.destinations[0].rejected, 3);
    let segments = scene.ledger.segments().into_iter();
    let groups: Vec<_> = segments
        .map(|segment| (segment.group, segment.rejects.len()))
        .collect();
    assert_eq!(groups, [(1, 1), (2, 1), (3, 1)]);
}

/// A record that was there already has its link set too.
#[test]
fn a_link_of_a_record_that_is_updated_is_set_at_the_end() {
    let fields = || -> Vec<Field> {
        let fields =
            json!([{"name": "n", "type": "integer"}, {"name": "parent", "type": "lookup(number)"}]);
        serde_json::from_value(fields).unwrap()
    };
    let home = MemoryConnection::new("home")
        .with_object(&ObjectSpec::new(
            "number",
            Identity::Supplied(vec!["n".into()]),
            fields(),
        ))
        .unwrap();
    let mapping = json!({"fields": [{"field": "n", "from": "n"}, {"field": "parent", "self_lookup": {
        "keys": [{"source": "n", "field": "n"}], "multi_match": "null", "cycles": "allow"}}]});
    let mapping: MappingSpec = serde_json::from_value(mapping).unwrap();
    for (updated, linked) in [(0, 2), (2, 4)] {
        let spec = DestinationSpec::new("number", WriteMode::upsert(["n"]), mapping.clone());
        let job =
            SyncJob::new("numbers", Arc::new(numbers(linked))).to(Arc::new(home.clone()), spec);
        let report = block_on(job.run(&Context::new(), request(&Arc::default()))).unwrap();
        let counts = &report.destinations[0];
        assert_eq!(
            (counts.updated, counts.lookups["parent"].resolved),
            (updated, linked as u64)
        );
    }
    let records = home.object("number").unwrap().scan().unwrap();
    assert!(
        records
            .iter()
            .all(|records| records.column(1).null_count() == 0)
    );
}

#[test]
fn the_speed_of_a_run_counts_what_it_read_itself() {
    let scene = Scene::new([Commits::AtOnce]);
    // Two of each batch are read in a second; the end takes one too.
    let slow = |stop: bool| {
        let effects = Effects::new(move |effect| match effect.kind {
            EffectKind::Commit if stop && effect.nth == 2 => Fate::CrashAfter,
            EffectKind::Read => Fate::Slow(std::time::Duration::from_millis(250)),
            _ => Fate::Proceed,
        });
        effects.with_clock(Arc::new(scene.clock.clone()))
    };
    assert!(matches!(
        scene.run_with(numbers(20), &slow(true), 4),
        Ended::Crashed
    ));
    let report = done(scene.run_with(numbers(20), &slow(false), 4)).unwrap();
    // Eight batches and the end.
    assert_eq!((report.records, report.resumed), (20, 4));
    assert_eq!(report.records_per_second, (16.0 / 2.25) as u64);
}
