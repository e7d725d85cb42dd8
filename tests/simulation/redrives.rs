//! Redrives that die, fail or wait at each of their effects, and are begun anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::DateTime;
use futures::executor::block_on;
use serde_json::json;
use syncline::Tenant;
use syncline::host::{Context, SeededEntropy};
use syncline::job::{CommitPolicy, Job as _, Redrive, RunRequest, SyncJob};
use syncline::memory::{
    Commits, ManualClock, MemoryConnection, MemoryDataset, MemoryRejects, MemoryState,
};
use syncline::record::array::Array as _;
use syncline::record::array::{Int64Array, StringViewArray};
use syncline::record::{Field, FieldType, RawRecord, RecordBuilder, Schema};
use syncline::spec::{DestinationSpec, FieldMapping, Identity, MappingSpec, ObjectSpec, WriteMode};
use syncline::testing::{Effect, EffectKind, Effects, Ended, Fate, drive};

use super::leases::lease;
use super::sweep::{Figures, Script, at};

/// What was refused, and what has become of the rest since: the key and the version of each record.
const REFUSED: [(i64, i64); 4] = [(1, 1), (3, 1), (5, 1), (6, 1)];

/// What the source has by then. The record of key 5 is gone, and the one of key 3 has been written.
const SOURCE: [(i64, i64); 5] = [(1, 2), (2, 1), (3, 9), (4, 1), (6, 1)];

/// Broken rules, with what was seen.
type Broken = Vec<(&'static str, String)>;

/// How a job is redriven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Case {
    again: bool,
    leased: bool,
    commits: Commits,
}

/// By both guards, with and without a lease, onto objects that commit in different ways.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for again in [false, true] {
        for leased in [false, true] {
            for commits in [Commits::AtOnce, Commits::WithCheckpoint] {
                cases.push(Case {
                    again,
                    leased,
                    commits,
                });
            }
        }
    }
    cases
}

fn source_fields() -> Vec<Field> {
    vec![
        Field::new("no", FieldType::Integer),
        Field::new("seats", FieldType::Text),
        Field::new("version", FieldType::Integer),
    ]
}

fn dataset(records: &[(i64, i64)]) -> MemoryDataset {
    let schema = Schema::new(source_fields());
    let mut rows = RecordBuilder::new(&schema);
    for (no, version) in records {
        let row = json!({"no": no, "seats": "few", "version": version});
        rows.push(&row).unwrap();
    }
    MemoryDataset::new("usage", schema, vec![rows.finish().unwrap()]).unwrap()
}

const OBJECTS: [&str; 2] = ["usage", "copy"];

/// What outlives a process.
struct World {
    case: Case,
    home: MemoryConnection,
    ledger: Arc<MemoryRejects>,
    state: Arc<MemoryState>,
    clock: ManualClock,
    lives: u64,
}

impl World {
    /// Both objects have refused what their job mapped wrongly; one record has come in a newer version since.
    fn new(case: Case) -> Self {
        let mut home = MemoryConnection::new("home");
        for object in OBJECTS {
            let fields = vec![
                Field::new("no", FieldType::Integer),
                Field::new("version", FieldType::Integer),
                Field::new("count", FieldType::Integer),
                Field::new("note", FieldType::Text),
            ];
            let spec = ObjectSpec::new(object, Identity::Generated, fields);
            home = home.with_object(&spec).unwrap();
        }
        let world = World {
            case,
            home: home.with_commits(case.commits),
            ledger: Arc::default(),
            state: Arc::default(),
            clock: ManualClock::new(DateTime::UNIX_EPOCH),
            lives: 0,
        };
        let whole = Effects::scripted([]);
        let run = |records: &[(i64, i64)], to: &str| {
            let job = world.job(records, to, &whole);
            let request = RunRequest::new(world.ledger.clone());
            let report = block_on(job.run(&Context::new(), request)).unwrap();
            assert!(report.failure.is_none(), "{report}");
        };
        run(&REFUSED, "count");
        run(&[(3, 9), (2, 1)], "note");
        assert_eq!(world.kept().len(), 2 * REFUSED.len());
        world
    }

    /// A job that maps the seats to this field: no number, so to `count` it is wrong.
    fn job(&self, records: &[(i64, i64)], to: &str, effects: &Effects) -> SyncJob {
        let source = effects.dataset(Arc::new(dataset(records)));
        let mut job = SyncJob::new("usage", source);
        for object in OBJECTS {
            let mapping = [("no", "no"), ("version", "version"), (to, "seats")];
            let mapping = mapping.map(|(to, from)| FieldMapping::direct(to, from));
            let mapping = MappingSpec::new(mapping.to_vec());
            let spec = DestinationSpec::new(object, WriteMode::upsert(["no"]), mapping);
            job = job.to(effects.connection(Arc::new(self.home.clone())), spec);
        }
        job
    }

    /// One life: a redrive by the mended job. Whether it came to its end.
    fn live(&mut self, effects: &Effects) -> Result<bool, String> {
        let job = self.job(&SOURCE, "note", effects);
        let mut request = RunRequest::new(effects.rejects(self.ledger.clone()))
            .with_batch_rows(1 + (self.lives % 3) as usize)
            .with_commit(CommitPolicy::default().with_records(2))
            .with_state(Tenant::new("t").unwrap(), effects.state(self.state.clone()));
        if self.case.leased {
            request = request.with_lease(lease());
        }
        let context = Context::new()
            .with_clock(Arc::new(self.clock.clone()))
            .with_entropy(Arc::new(SeededEntropy::new(self.lives)));
        self.lives += 1;
        let by = match self.case.again {
            true => Redrive::read_again(["no"]),
            false => Redrive::newer("version"),
        };
        let redriven = async { job.redrive(&context, request, &by).await };
        match drive(&self.clock, effects, redriven) {
            Ended::Done(Ok(report)) => {
                let parts = [
                    report.resolved,
                    report.stale,
                    report.gone,
                    report.again,
                    report.left,
                ];
                if report.found != parts.iter().sum::<u64>() {
                    return Err(format!("the counts disagree: {report:?}"));
                }
                Ok(report.ended() && report.left == 0)
            }
            Ended::Done(Err(_)) | Ended::Crashed => Ok(false),
            Ended::Stuck => Err("it waits for ever".to_owned()),
        }
    }

    /// The keys that the ledger has, by destination.
    fn kept(&self) -> Vec<(String, i64)> {
        let segments = self.ledger.segments();
        let kept = segments.iter().flat_map(|segment| {
            segment.rejects.iter().map(|reject| {
                let RawRecord::Cells(cells) = &reject.raw else {
                    panic!("no cells");
                };
                let no = String::from_utf8(cells[0].as_ref().unwrap().to_vec()).unwrap();
                let destination = segment.destination.as_deref().unwrap_or_default();
                (destination.to_owned(), no.parse().unwrap())
            })
        });
        kept.collect()
    }

    /// Version and note of each record of an object, by key; each record once.
    fn written(&self, object: &str) -> BTreeMap<i64, Vec<(i64, String)>> {
        let mut records: BTreeMap<i64, Vec<(i64, String)>> = BTreeMap::new();
        for batch in self.home.object(object).unwrap().scan().unwrap() {
            let number = |name: &str| {
                let column = batch.column_by_name(name).unwrap().as_any();
                column.downcast_ref::<Int64Array>().unwrap().clone()
            };
            let note = batch.column_by_name("note").unwrap().as_any();
            let note = note.downcast_ref::<StringViewArray>().unwrap();
            let (no, version) = (number("no"), number("version"));
            for row in 0..batch.num_rows() {
                let text = match note.is_valid(row) {
                    true => note.value(row).to_owned(),
                    false => String::new(),
                };
                let record = (version.value(row), text);
                records.entry(no.value(row)).or_default().push(record);
            }
        }
        records
    }

    /// What must hold whenever a life ends, however it does.
    fn check(&self, broken: &mut Broken) {
        let kept = self.kept();
        for object in OBJECTS {
            let written = self.written(object);
            for (no, records) in &written {
                if records.len() != 1 {
                    broken.push(("I-1 nothing twice", format!("{object} {no}: {records:?}")));
                }
            }
            for (no, version) in REFUSED {
                let there = written.get(&no).and_then(|records| records.first());
                let is_kept = kept.contains(&(object.to_owned(), no));
                let gone = self.case.again && no == 5;
                let arrived = there.is_some_and(|(there, note)| *there >= version && note == "few");
                if !is_kept && !arrived && !gone {
                    broken.push(("P1 nothing is lost", format!("{object} {no}: {there:?}")));
                }
            }
            if written.get(&3) != Some(&vec![(9, "few".to_owned())]) {
                let how = format!("{object}: {:?}", written.get(&3));
                broken.push(("no older record over a newer", how));
            }
        }
    }

    /// What must hold when all is done.
    fn check_end(&self, broken: &mut Broken) {
        let kept = self.kept();
        if !kept.is_empty() {
            broken.push(("what is resolved is marked", format!("{kept:?}")));
        }
        let versions: &[(i64, i64)] = match self.case.again {
            true => &[(1, 2), (2, 1), (3, 9), (6, 1)],
            false => &[(1, 1), (2, 1), (3, 9), (5, 1), (6, 1)],
        };
        let expected: BTreeMap<_, _> = versions
            .iter()
            .map(|(no, version)| (*no, vec![(*version, "few".to_owned())]))
            .collect();
        for object in OBJECTS {
            let written = self.written(object);
            if written != expected {
                let how = format!("{object}: {written:?}");
                broken.push(("each record is as it should be", how));
            }
        }
    }
}

/// Redrives by scripts, one for each life, and then undisturbed. Answers with the effects of the first life and what was wrong.
fn lives(case: Case, scripts: Vec<Script>) -> (Vec<Effect>, Broken) {
    const LIVES: u64 = 3;
    let mut world = World::new(case);
    let mut broken = Broken::new();
    let mut first = Vec::new();
    let disturbed = scripts.len() as u64;
    let mut scripts = scripts.into_iter();
    while world.lives < disturbed + LIVES {
        let effects = Effects::new(
            scripts
                .next()
                .unwrap_or_else(|| Box::new(|_| Fate::Proceed)),
        );
        let ended = world.live(&effects);
        if world.lives == 1 {
            first = effects.trace();
        }
        world.check(&mut broken);
        match ended {
            Ok(true) => {
                world.check_end(&mut broken);
                return (first, broken);
            }
            Ok(false) => {}
            Err(how) => {
                broken.push(("a redrive comes to its end", how));
                return (first, broken);
            }
        }
    }
    broken.push((
        "a redrive comes to its end",
        format!("{LIVES} lives undisturbed"),
    ));
    (first, broken)
}

/// Dies at each effect, before, amid and behind it; fails there, done or not; is never answered.
pub(crate) fn disturb(case: Case, figures: &mut Figures) -> Broken {
    let (trace, mut all) = lives(case, Vec::new());
    for effect in &trace {
        let mut fates = vec![
            Fate::CrashBefore,
            Fate::CrashAfter,
            Fate::Fail(false),
            Fate::Fail(true),
            Fate::FailAfter(true),
            Fate::Hang,
            Fate::HangAfter,
        ];
        if effect.kind == EffectKind::Write && effect.parts > 1 && case.commits == Commits::AtOnce {
            fates.push(Fate::CrashAmid(effect.parts / 2));
        }
        for fate in fates {
            let (_, broken) = lives(case, vec![at(effect.number, fate)]);
            figures.redrive_runs += 1;
            let said = |(rule, how)| (rule, format!("{case:?}, {fate:?} at {effect:?}: {how}"));
            all.extend(broken.into_iter().map(said));
        }
    }
    all
}
