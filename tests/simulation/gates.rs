//! A run whose gate is shut reads as far as it has room, and does nothing else.

use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use futures::future::join;
use syncline::Tenant;
use syncline::host::{CancelToken, Clock as _, Context};
use syncline::job::{
    CommitPolicy, Gate, Job as _, Outcome, RunLease, RunReport, RunRequest, SyncJob,
};
use syncline::memory::{
    Commits, ManualClock, MemoryConnection, MemoryDataset, MemoryRejects, MemoryState,
    SeededEntropy,
};
use syncline::record::{Field, FieldType, RecordBuilder, Schema};
use syncline::spec::{DestinationSpec, FieldMapping, Identity, MappingSpec, ObjectSpec, WriteMode};
use syncline::testing::{EffectKind, Effects, Ended, Fate, drive};

const ROWS: usize = 20;
/// What a row takes, at the least.
const BYTES: u64 = 1_000;

struct World {
    clock: ManualClock,
    context: Context,
    state: MemoryState,
    home: MemoryConnection,
}

impl World {
    fn new() -> Self {
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let context = Context::new()
            .with_clock(Arc::new(clock.clone()))
            .with_entropy(Arc::new(SeededEntropy::new(7)));
        let fields = vec![Field::new("name", FieldType::Text)];
        let company = ObjectSpec::new("company", Identity::Generated, fields);
        let home = MemoryConnection::new("home").with_object(&company).unwrap();
        World {
            clock,
            context,
            state: MemoryState::new(),
            home: home.with_commits(Commits::WithCheckpoint),
        }
    }

    fn job(&self, effects: &Effects) -> SyncJob {
        let schema = Schema::new(vec![Field::new("name", FieldType::Text)]);
        let mut rows = RecordBuilder::new(&schema);
        for n in 0..ROWS {
            let name = format!("{n:0>width$}", width = BYTES as usize);
            rows.push(&serde_json::json!({ "name": name })).unwrap();
        }
        let rows = vec![rows.finish().unwrap()];
        let dataset = MemoryDataset::new("names", schema, rows).unwrap();
        let mapping = MappingSpec::new(vec![FieldMapping::direct("name", "name")]);
        let company = DestinationSpec::new("company", WriteMode::Insert, mapping);
        SyncJob::new("companies", effects.dataset(Arc::new(dataset)))
            .to(effects.connection(Arc::new(self.home.clone())), company)
    }

    fn request(&self, effects: &Effects) -> RunRequest {
        let state = effects.state(Arc::new(self.state.clone()));
        RunRequest::new(Arc::new(MemoryRejects::new()))
            .with_batch_rows(1)
            .with_commit(CommitPolicy::default().with_records(6))
            .with_state(Tenant::new("acme").unwrap(), state)
            .with_lease(RunLease::new("test"))
    }

    fn written(&self) -> usize {
        self.home.object("company").unwrap().len()
    }

    /// Runs behind a gate on which this is done after a while.
    fn gated(&self, effects: &Effects, memory: u64, then: impl FnOnce(&Gate)) -> RunReport {
        let gate = Gate::shut();
        let job = self.job(effects);
        let request = self
            .request(effects)
            .with_memory(memory)
            .with_gate(gate.clone());
        let wait = async {
            self.clock.sleep(Duration::from_secs(5)).await;
            then(&gate);
        };
        let (report, ()) = self
            .clock
            .drive(join(job.run(&self.context, request), wait))
            .unwrap();
        report.unwrap()
    }
}

fn count(effects: &Effects, kind: EffectKind) -> usize {
    effects
        .trace()
        .iter()
        .filter(|effect| effect.kind == kind)
        .count()
}

#[test]
fn while_the_gate_is_shut_as_much_is_read_as_has_room_and_nothing_is_opened() {
    let mut read = Vec::new();
    // A row counts for what it takes and for what mapping it will.
    for batches in [1, 4, 8, 1_000] {
        let (world, effects) = (World::new(), Effects::scripted([]));
        let seen = effects.clone();
        let report = world.gated(&effects, batches * 2 * BYTES * 2, |gate| {
            read.push(count(&seen, EffectKind::Read));
            assert_eq!(count(&seen, EffectKind::Open), 0);
            assert_eq!(count(&seen, EffectKind::Write), 0);
            gate.open();
        });
        assert_eq!(
            (report.outcome, report.records),
            (Outcome::Success, ROWS as u64)
        );
        assert_eq!(world.written(), ROWS);
        // The wait is not a part of opening.
        assert!(report.timings.open < 1.0, "{report:?}");
    }
    assert!(read.is_sorted(), "{read:?}");
    assert!(
        read[0] <= 3 && read[1] <= 10 && read[1] > read[0] && read[2] > read[1],
        "{read:?}"
    );
    // All, and that there is no more.
    assert_eq!(read[3], ROWS + 1);
}

#[test]
fn who_is_given_up_or_cancelled_has_written_nothing_and_the_next_run_does_it_all() {
    for cancelled in [false, true] {
        let mut world = World::new();
        let token = CancelToken::new();
        let context = std::mem::take(&mut world.context).with_cancel(token.clone());
        world.context = context;
        let effects = Effects::scripted([]);
        let report = world.gated(&effects, 1 << 20, |gate| match cancelled {
            true => {
                token.cancel();
                gate.open();
            }
            false => gate.give_up(),
        });
        assert_eq!((report.outcome, report.records), (Outcome::Cancelled, 0));
        assert!(count(&effects, EffectKind::Read) > ROWS);
        assert_eq!(count(&effects, EffectKind::Open), 0);
        world.context = std::mem::take(&mut world.context).with_cancel(CancelToken::new());
        // Its lease was given back.
        let before = world.clock.monotonic();
        let effects = Effects::scripted([]);
        let run = world.job(&effects);
        let ran = run.run(&world.context, world.request(&effects));
        assert_eq!(
            world.clock.drive(ran).unwrap().unwrap().records,
            ROWS as u64
        );
        assert_eq!(world.clock.monotonic(), before);
        assert_eq!(world.written(), ROWS);
    }
}

#[test]
fn a_run_with_a_gate_goes_on_wherever_another_one_died() {
    let (mut died, mut in_vain) = (0, 0);
    for fate in [Fate::CrashBefore, Fate::CrashAfter] {
        for at in 1.. {
            let world = World::new();
            let effects = Effects::scripted([(at, fate)]);
            let job = world.job(&effects);
            let run = job.run(&world.context, world.request(&effects).with_run("monday"));
            if let Ended::Done(report) = drive(&world.clock, &effects, run) {
                assert_eq!(report.unwrap().outcome, Outcome::Success);
                break;
            }
            died += 1;
            world.clock.advance(chrono::TimeDelta::seconds(300));
            let before = world.written();
            let effects = Effects::scripted([]);
            let (gate, job) = (Gate::shut(), world.job(&effects));
            let request = world
                .request(&effects)
                .with_run("monday")
                .with_gate(gate.clone());
            let wait = async {
                world.clock.sleep(Duration::from_secs(5)).await;
                gate.open();
            };
            let run = job.run(&world.context, request);
            let (report, ()) = world.clock.drive(join(run, wait)).unwrap();
            let what = format!("{fate:?} at {at}");
            let report = report.unwrap();
            assert_eq!(report.outcome, Outcome::Success, "{what}");
            assert_eq!(world.written(), ROWS, "{what}");
            // The destination had more than the store knew: what was read was read in vain.
            let needed = ROWS - before + 1;
            in_vain += u32::from(count(&effects, EffectKind::Read) > needed);
        }
    }
    assert!(died > 80 && in_vain > 2, "{died} {in_vain}");
}

#[test]
fn a_gate_is_opened_when_the_source_was_read_and_not_before() {
    let world = World::new();
    let effects = Effects::new(|effect| match effect.kind {
        EffectKind::Write => Fate::Slow(Duration::from_secs(1)),
        _ => Fate::Proceed,
    });
    let effects = effects.with_clock(Arc::new(world.clock.clone()));
    let (read, seen) = (Gate::shut(), effects.clone());
    let job = world.job(&effects);
    let run = job.run(
        &world.context,
        world.request(&effects).with_source_read(read.clone()),
    );
    let told = async {
        assert!(read.passed().await);
        (
            count(&seen, EffectKind::Read),
            count(&seen, EffectKind::Commit),
        )
    };
    let (report, (reads, commits)) = world.clock.drive(join(run, told)).unwrap();
    assert_eq!(report.unwrap().outcome, Outcome::Success);
    // The last group is not committed yet.
    assert_eq!((reads, commits), (ROWS + 1, 3));

    // A source that fails was not read.
    let world = World::new();
    let effects = Effects::new(|effect| match (effect.kind, effect.nth) {
        (EffectKind::Read, 7) => Fate::Fail(false),
        _ => Fate::Proceed,
    });
    let read = Gate::shut();
    let job = world.job(&effects);
    let run = job.run(
        &world.context,
        world.request(&effects).with_source_read(read.clone()),
    );
    assert_eq!(
        world.clock.drive(run).unwrap().unwrap().outcome,
        Outcome::Failed
    );
    assert!(read.is_shut());
}
