//! The next job of a chain reads while the one in front of it writes, and does nothing else before its turn.

use std::sync::Arc;
use std::time::Duration;

use futures::executor::block_on;
use futures::future::BoxFuture;
use syncline::Result;
use syncline::Tenant;
use syncline::connection::Connection;
use syncline::connector::{ConnectRequest, Connector, ConnectorCategory, ConnectorInfo, Registry};
use syncline::host::{Clock as _, Context, Executor};
use syncline::job::{Outcome, RunRequest};
use syncline::memory::{Commits, MemoryConnection, MemoryRejects};
use syncline::spec::{
    ChainSpec, ConnectionSpec, DestinationSpec, FieldMapping, LinkSpec, LookupSpec, MappingSpec,
    MatchPair, RunCondition, WriteMode,
};
use syncline::testing::{EffectKind, Effects, Ended, Fate, drive};
use syncline::workspace::{
    ChainReport, ChainRequest, LinkFate, RunQuery, Workspace, WorkspaceConfig,
};

use super::super::server::World;
use super::{contacts, job, rows, system};

const NAMES: [&str; 6] = ["a@x", "b@x", "c@x", "d@x", "e@x", "f@x"];

/// Keeps some batches under way, and works at once.
#[derive(Debug)]
struct Wide;

impl Executor for Wide {
    fn parallelism(&self) -> usize {
        3
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        block_on(task);
    }
}

/// A connector each call of whose connections is an effect.
#[derive(Debug)]
struct Disturbed(ConnectorInfo, Arc<dyn Connection>);

#[async_trait::async_trait]
impl Connector for Disturbed {
    fn info(&self) -> &ConnectorInfo {
        &self.0
    }

    async fn connect(&self, _: &Context, _: ConnectRequest) -> Result<Arc<dyn Connection>> {
        Ok(Arc::clone(&self.1))
    }
}

/// Two jobs: people, and companies, which look them up.
struct Host {
    world: World,
    home: MemoryConnection,
    source: MemoryConnection,
    context: Context,
}

impl Host {
    fn new() -> Self {
        let world = World::new();
        let source = system(&[
            ("Contact", &["Email", "Phone"]),
            ("Account", &["Domain", "Name"]),
        ]);
        let fill = |object: &str, field| {
            let object = source.object(object).unwrap();
            object.insert(rows(&[field], &NAMES)).unwrap();
        };
        fill("Contact", "Email");
        fill("Account", "Domain");
        Host {
            context: world.context().clone().with_executor(Arc::new(Wide)),
            world,
            home: super::home().with_commits(Commits::WithCheckpoint),
            source,
        }
    }

    /// A process.
    fn workspace(&self, effects: &Effects) -> Workspace {
        let source = effects.connection(Arc::new(self.source.clone()));
        let info = ConnectorInfo::new("open", "open", ConnectorCategory::File);
        let registry = Registry::new().with(Arc::new(Disturbed(info, source)));
        let config = WorkspaceConfig::new(
            Tenant::new("acme").unwrap(),
            effects.state(Arc::new(self.world.state.clone())),
            Arc::new(self.world.cipher.clone()),
            Arc::new(self.world.server.transport()),
            effects.connection(Arc::new(self.home.clone())),
        );
        Workspace::new(config.with_registry(Arc::new(registry.unwrap())))
    }

    /// The chain's id.
    fn prepare(&self, when: RunCondition, read_ahead: bool) -> String {
        let workspace = self.workspace(&Effects::scripted([]));
        let spec = ConnectionSpec::new("files", "open");
        let made = workspace.connections().create(&self.context, spec);
        self.world.run(made).unwrap();
        let mut people = contacts("people");
        people.dataset.connection = Some("files".into());
        people.destinations[0].mode = WriteMode::Insert;
        let mut companies = job("companies", "Account", "company", &[("domain", "Domain")]);
        companies.dataset.connection = Some("files".into());
        let person = LookupSpec::new("person", vec![MatchPair::new("Domain", "email")], "email");
        let mapping = MappingSpec::new(vec![
            FieldMapping::direct("domain", "Domain"),
            FieldMapping::lookup("name", person),
        ]);
        companies.destinations[0] = DestinationSpec::new("company", WriteMode::Insert, mapping);
        for spec in [people, companies] {
            self.world
                .run(workspace.jobs().create(&self.context, spec))
                .unwrap();
        }
        let links = vec![
            LinkSpec::new("people"),
            LinkSpec::new("companies").when(when),
        ];
        let chain = ChainSpec::new("nightly", links).with_read_ahead(read_ahead);
        let made = workspace.chains().create(&self.context, chain);
        self.world.run(made).unwrap().id
    }

    fn run(&self, effects: &Effects, id: &str, memory: u64) -> Ended<Result<ChainReport>> {
        let workspace = self.workspace(effects);
        let request = ChainRequest::new(|_| {
            let request = RunRequest::new(Arc::new(MemoryRejects::new()));
            request.with_batch_rows(1).with_memory(memory)
        });
        // Who dies behind the end of a run is told of it by its name.
        let request = request.with_run("monday");
        drive(
            &self.world.clock,
            effects,
            workspace.chains().run(&self.context, id, request),
        )
    }

    fn written(&self) -> [usize; 2] {
        ["person", "company"].map(|object| self.home.object(object).unwrap().len())
    }
}

/// Effects whose writes take a while, so that others get their turn.
fn slow(world: &World) -> Effects {
    let effects = Effects::new(|effect| match effect.kind {
        EffectKind::Write => Fate::Slow(Duration::from_millis(20)),
        _ => Fate::Proceed,
    });
    effects.with_clock(Arc::new(world.clock.clone()))
}

fn done(ended: Ended<Result<ChainReport>>) -> ChainReport {
    match ended {
        Ended::Done(report) => report.unwrap(),
        other => panic!("{other:?}"),
    }
}

/// The kinds of the effects that are neither state nor opening connections.
fn kinds(effects: &Effects) -> Vec<EffectKind> {
    use EffectKind::{Commit, Lookup, Open, Read, Write};
    let kinds = effects.trace().into_iter().map(|effect| effect.kind);
    kinds
        .filter(|kind| [Commit, Lookup, Open, Read, Write].contains(kind))
        .collect()
}

fn places(kinds: &[EffectKind], wanted: EffectKind) -> Vec<usize> {
    let all = kinds.iter().enumerate();
    all.filter(|(_, kind)| **kind == wanted)
        .map(|(at, _)| at)
        .collect()
}

#[test]
fn the_next_job_reads_while_the_one_in_front_writes_and_writes_in_its_turn() {
    let trace = |read_ahead| {
        let host = Host::new();
        let id = host.prepare(RunCondition::default(), read_ahead);
        let effects = slow(&host.world);
        let report = done(host.run(&effects, &id, 1 << 20));
        assert_eq!(report.outcome, Outcome::Success, "{report:?}");
        assert_eq!(host.written(), [6, 6]);
        kinds(&effects)
    };
    for read_ahead in [false, true] {
        let kinds = trace(read_ahead);
        let at = |kind| places(&kinds, kind);
        let (reads, writes, opens) = (
            at(EffectKind::Read),
            at(EffectKind::Write),
            at(EffectKind::Open),
        );
        let commits = at(EffectKind::Commit);
        assert_eq!(
            (writes.len(), opens.len(), commits.len()),
            (12, 2, 2),
            "{kinds:?}"
        );
        // Half of the reads are the second job's: of the index of its lookup, nothing is read here.
        let first_of_next = reads[reads.len() / 2];
        assert_eq!(first_of_next < writes[5], read_ahead, "{kinds:?}");
        // It is opened, and writes, behind the commit of the one in front.
        assert!(opens[1] > commits[0] && writes[6] > commits[0], "{kinds:?}");
        let lookups = at(EffectKind::Lookup);
        assert!(lookups.iter().all(|at| *at > commits[0]), "{kinds:?}");
    }
}

#[test]
fn little_memory_reads_little_ahead() {
    let host = Host::new();
    let id = host.prepare(RunCondition::default(), true);
    let effects = slow(&host.world);
    let report = done(host.run(&effects, &id, 1));
    assert_eq!((report.outcome, host.written()), (Outcome::Success, [6, 6]));
    let kinds = kinds(&effects);
    let (reads, opens) = (
        places(&kinds, EffectKind::Read),
        places(&kinds, EffectKind::Open),
    );
    let before = reads.iter().filter(|at| **at < opens[1]).count();
    // A batch that is alone always has room.
    assert_eq!(before, reads.len() / 2 + 1, "{kinds:?}");
}

#[test]
fn who_read_ahead_in_vain_has_written_nothing_and_holds_nothing() {
    let host = Host::new();
    let id = host.prepare(RunCondition::default().with_records(7), true);
    let effects = slow(&host.world);
    let report = done(host.run(&effects, &id, 1 << 20));
    assert_eq!(report.outcome, Outcome::Failed);
    assert!(
        matches!(report.links[1].fate, LinkFate::NotStarted),
        "{report:?}"
    );
    assert_eq!(host.written(), [6, 0]);
    let kinds = kinds(&effects);
    let reads = places(&kinds, EffectKind::Read);
    assert!(reads.len() > 8, "it had begun to read: {kinds:?}");
    assert_eq!(places(&kinds, EffectKind::Open).len(), 1);
    // It was no run.
    let workspace = host.workspace(&Effects::scripted([]));
    let query = RunQuery::new();
    let runs = workspace.activity().runs(&host.context, &query);
    let runs = host.world.run(runs).unwrap().runs;
    assert!(
        runs.iter().all(|run| run.job_name != "companies"),
        "{runs:?}"
    );
    // Its lease was given back: it can be run at once.
    let jobs = host
        .world
        .run(workspace.jobs().list(&host.context))
        .unwrap();
    let before = host.world.clock.monotonic();
    let request = RunRequest::new(Arc::new(MemoryRejects::new()));
    let ran = host
        .world
        .run(workspace.jobs().run(&host.context, &jobs[0].id, request));
    assert_eq!(ran.unwrap().outcome, Outcome::Success);
    assert!(host.world.clock.monotonic() - before < Duration::from_secs(5));
}

#[test]
fn what_fails_in_front_of_its_turn_begins_anew_in_its_turn() {
    let undisturbed = {
        let host = Host::new();
        let id = host.prepare(RunCondition::default(), true);
        let effects = slow(&host.world);
        done(host.run(&effects, &id, 1 << 20));
        kinds(&effects)
    };
    let of_each = places(&undisturbed, EffectKind::Read).len() as u64 / 2;
    let host = Host::new();
    let id = host.prepare(RunCondition::default(), true);
    let effects = Effects::new(move |effect| match effect.kind {
        // The first that is read ahead.
        EffectKind::Read if effect.nth == of_each + 1 => Fate::Fail(false),
        EffectKind::Write => Fate::Slow(Duration::from_millis(20)),
        _ => Fate::Proceed,
    });
    let effects = effects.with_clock(Arc::new(host.world.clock.clone()));
    let report = done(host.run(&effects, &id, 1 << 20));
    let failed = effects
        .trace()
        .iter()
        .any(|effect| effect.kind == EffectKind::Read && effect.nth > 2 * of_each);
    assert_eq!(report.outcome, Outcome::Success, "{report:?}");
    assert!(failed, "something was read again: {:?}", kinds(&effects));
    assert_eq!(host.written(), [6, 6]);
}

#[test]
fn a_process_dies_at_each_effect_and_nothing_is_there_twice() {
    let mut died = 0;
    for fate in [Fate::CrashBefore, Fate::CrashAfter] {
        for at in 1.. {
            let host = Host::new();
            let id = host.prepare(RunCondition::default(), true);
            let effects = Effects::new(move |effect| match effect.kind {
                _ if effect.number == at => fate,
                EffectKind::Write => Fate::Slow(Duration::from_millis(20)),
                _ => Fate::Proceed,
            });
            let effects = effects.with_clock(Arc::new(host.world.clock.clone()));
            if let Ended::Done(report) = host.run(&effects, &id, 1 << 20) {
                assert_eq!(report.unwrap().outcome, Outcome::Success);
                break;
            }
            died += 1;
            let what = format!("{fate:?} at {at}, {:?}", effects.trace().last());
            // A lease that a dead process has left.
            host.world.later(300);
            let report = done(host.run(&slow(&host.world), &id, 1 << 20));
            assert_eq!(report.outcome, Outcome::Success, "{what}: {report:?}");
            assert_eq!(host.written(), [6, 6], "{what}");
        }
    }
    assert!(died > 100, "{died}");
}
