//! The jobs and chains of workspaces, as schedulers ask for them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::executor::block_on;
use futures::future::BoxFuture;
use syncline::host::{Expected, StateKey, StateKind, StateStore, StateVersion, Stored, Swap};
use syncline::job::{Outcome, RunRequest, Trigger};
use syncline::memory::{MemoryRejects, MemoryState};
use syncline::scheduler::{JobProvider, JobRun, Timetables};
use syncline::spec::{ChainSpec, LinkSpec, RunCondition, RunSettings};
use syncline::workspace::{RunQuery, Workspace, Workspaces};
use syncline::{Result, Tenant};

use super::super::server::World;
use super::chains::{create, links, switch, with_jobs};
use super::contacts;

fn acme() -> Tenant {
    Tenant::new("acme").unwrap()
}

fn timetables(store: Arc<dyn StateStore>) -> Timetables {
    Timetables::new(Tenant::new("host").unwrap(), store)
}

/// A provider that says which jobs it ran.
fn provider(workspace: &Workspace) -> (Workspaces, Arc<Mutex<Vec<String>>>) {
    let (workspace, ran) = (workspace.clone(), Arc::new(Mutex::new(Vec::new())));
    let told = Arc::clone(&ran);
    let workspaces = Workspaces::new(
        move |_| Ok(workspace.clone()),
        move |_, view| {
            told.lock().unwrap().push(view.spec.name.clone());
            RunRequest::new(Arc::new(MemoryRejects::new()))
        },
    );
    (workspaces, ran)
}

fn due(job: &str, at: &str, trigger: Trigger) -> JobRun {
    let mut run = JobRun::new(acme(), job, at, at.parse().unwrap());
    run.trigger = trigger;
    run
}

#[test]
fn a_chain_that_is_due_begins_anew_and_one_that_somebody_asks_for_goes_on() {
    let world = World::new();
    let workspace = with_jobs(&world, &["a", "b"]);
    let spec = ChainSpec::new("x", links(&["a", "b"])).with_read_ahead(false);
    let chain = create(&world, &workspace, spec);
    let (provider, ran) = provider(&workspace);
    let run = |at: &str, trigger| {
        ran.lock().unwrap().clear();
        let run = due(&chain, at, trigger);
        let outcome = block_on(provider.run(world.context(), &run)).unwrap();
        (outcome, ran.lock().unwrap().clone())
    };
    let (monday, tuesday) = ("2025-01-27T06:00:00Z", "2025-01-28T06:00:00Z");
    switch(&world, &workspace, "b", false);
    let (outcome, jobs) = run(monday, Trigger::Schedule);
    assert_eq!(
        (outcome, jobs),
        (Outcome::Failed, vec!["a".into(), "b".into()])
    );
    // The same run again goes on where it failed; another day's has new data of all of them.
    assert_eq!(run(monday, Trigger::Schedule).1, ["b"]);
    assert_eq!(run(tuesday, Trigger::Schedule).1, ["a", "b"]);
    switch(&world, &workspace, "b", true);
    let asked = run("2025-01-28T09:00:00Z", Trigger::Manual);
    assert_eq!(asked, (Outcome::Success, vec!["b".into()]));
}

#[test]
fn a_further_try_of_what_did_not_do_enough_reads_again() {
    let world = World::new();
    let workspace = with_jobs(&world, &["a"]);
    let context = world.context().clone().with_actor("ada");
    let jobs = world.run(workspace.jobs().list(&context)).unwrap();
    let much = RunCondition::default().with_records(1);
    let spec = jobs[0].spec.clone();
    let spec = spec.with_settings(RunSettings::default().with_success(much));
    let edited = workspace
        .jobs()
        .edit(&context, &jobs[0].id, &jobs[0].edition, spec);
    world.run(edited).unwrap();
    let (provider, _) = provider(&workspace);
    let mut run = due(&jobs[0].id, "2025-01-27T06:00:00Z", Trigger::Schedule);
    for failed in [0, 0, 1, 1, 2] {
        run.failed = failed;
        assert_eq!(
            block_on(provider.run(&context, &run)).unwrap(),
            Outcome::Failed
        );
    }
    let query = RunQuery::new().of_job(&jobs[0].id);
    let runs = world.run(workspace.activity().runs(&context, &query));
    let names: BTreeSet<String> = (runs.unwrap().runs.into_iter())
        .filter_map(|run| run.run)
        .collect();
    let (first, again) = ("2025-01-27T06:00:00Z", "2025-01-27T06:00:00Z again");
    let expected = [first.to_owned(), format!("{again} 1"), format!("{again} 2")];
    assert_eq!(names, expected.into());
}

#[test]
fn a_chain_uses_the_connections_of_all_its_jobs() {
    let world = World::new();
    let workspace = with_jobs(&world, &["a", "b"]);
    let other = world.create(&workspace, "other", "open").id;
    let mut job = contacts("c");
    job.dataset.connection = Some("other".into());
    world
        .run(workspace.jobs().create(world.context(), job))
        .unwrap();
    create(
        &world,
        &workspace,
        ChainSpec::new("inner", links(&["c", "a"])),
    );
    let all = vec![LinkSpec::new("b"), LinkSpec::chain("inner")];
    let outer = create(&world, &workspace, ChainSpec::new("outer", all));
    let (provider, _) = provider(&workspace);
    let provided = block_on(provider.job(world.context(), &acme(), &outer));
    let connections = provided.unwrap().unwrap().connections;
    assert_eq!(connections.len(), 2);
    assert_eq!(connections[1], other);
}

/// A store behind the first list of which something else happens.
struct Meanwhile {
    inner: MemoryState,
    then: Mutex<Option<BoxFuture<'static, ()>>>,
}

impl std::fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meanwhile")
    }
}

#[async_trait::async_trait]
impl StateStore for Meanwhile {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>> {
        self.inner.get(key).await
    }

    async fn put(&self, key: &StateKey, bytes: Bytes, expected: Expected) -> Result<Swap> {
        self.inner.put(key, bytes, expected).await
    }

    async fn delete(&self, key: &StateKey, expected: StateVersion) -> Result<bool> {
        self.inner.delete(key, expected).await
    }

    async fn list(
        &self,
        tenant: &Tenant,
        kind: StateKind,
        start_after: Option<&StateKey>,
        limit: usize,
    ) -> Result<Vec<StateKey>> {
        let keys = self.inner.list(tenant, kind, start_after, limit).await;
        let then = self.then.lock().unwrap().take();
        if let Some(then) = then {
            then.await;
        }
        keys
    }
}

#[test]
fn a_job_that_is_made_meanwhile_keeps_its_timetable() {
    let world = World::new();
    let workspace = with_jobs(&world, &["a", "b"]);
    let (provider, _) = provider(&workspace);
    let inner = MemoryState::new();
    let then = {
        let (workspace, inner) = (workspace.clone(), inner.clone());
        let (provider, context) = (provider.clone(), world.context().clone());
        async move {
            let mut job = contacts("c");
            job.dataset.connection = Some("files".into());
            workspace.jobs().create(&context, job).await.unwrap();
            let theirs = timetables(Arc::new(inner));
            provider.put_all(&context, &theirs, &acme()).await.unwrap();
        }
    };
    let store = Meanwhile {
        inner: inner.clone(),
        then: Mutex::new(Some(Box::pin(then))),
    };
    let ours = timetables(Arc::new(store));
    block_on(provider.put_all(world.context(), &ours, &acme())).unwrap();
    let kept = timetables(Arc::new(inner));
    let kept = block_on(kept.list(world.context(), &acme())).unwrap();
    let names: Vec<&str> = kept.iter().map(|view| &*view.provided.name).collect();
    assert_eq!(names, ["a", "b", "c"]);
}

#[test]
fn one_timetable_is_put_or_taken_away() {
    let world = World::new();
    let workspace = with_jobs(&world, &["a", "b"]);
    let (provider, _) = provider(&workspace);
    let (context, timetables) = (world.context(), timetables(Arc::new(MemoryState::new())));
    let jobs = world.run(workspace.jobs().list(context)).unwrap();
    let put = |id: &str| block_on(provider.put(context, &timetables, &acme(), id)).unwrap();
    put(&jobs[0].id);
    let known = || block_on(timetables.jobs(context, &acme())).unwrap();
    assert_eq!(known(), [jobs[0].id.clone()]);
    world
        .run(workspace.jobs().delete(context, &jobs[0].id))
        .unwrap();
    put(&jobs[0].id);
    assert!(known().is_empty());
}
