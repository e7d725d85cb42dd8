//! A workspace whose store fails, whose processes die, and which several use at once.
#![cfg(feature = "testing")]

use std::collections::{BTreeMap, HashMap};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{join, join_all, join3};
use indexmap::IndexMap;
use syncline::authorization::{BeginRequest, Callback};
use syncline::host::{Expected, StateKey, StateKind, StateStore, StateVersion, Stored, Swap};
use syncline::job::{Outcome, RunRequest};
use syncline::memory::{MemoryRejects, MemoryState};
use syncline::spec::{ChainSpec, ConnectionSpec, ExportSpec, LinkSpec};
use syncline::testing::{Effects, Ended, Fate, drive};
use syncline::workspace::{ChainRequest, ConnectionState, ImportRequest, JobsOnDelete, Workspace};
use syncline::{ErrorKind, Result, Tenant};

use super::super::server::World;
use super::{contacts, crm};

/// Lets a person consent.
async fn agree(world: &World, workspace: &Workspace, id: &str) -> Result<()> {
    let (connections, context) = (workspace.connections(), world.context());
    let redirect = "https://host.example.com/callback".parse().unwrap();
    let begun = connections
        .begin(context, id, BeginRequest::new("session", redirect))
        .await?;
    let query: HashMap<String, String> = begun.url.query_pairs().into_owned().collect();
    let code = format!("code-{}", world.server.books().issued);
    let challenge = query["code_challenge"].clone();
    world.server.books().codes.insert(code.clone(), challenge);
    let query = format!("code={code}&state={}", query["state"]);
    let callback = Callback::from_query("session", &query).unwrap();
    let connected = connections.complete(context, callback).await?;
    connected.refreshed.map(drop)
}

/// Somebody's steps, from an empty workspace on; each ends before the next begins.
async fn steps(
    world: &World,
    workspace: &Workspace,
    document: &ExportSpec,
    kind: &str,
) -> Result<()> {
    let context = world.context();
    let connections = workspace.connections();
    let spec = ConnectionSpec::new("files", kind);
    let id = connections.create(context, spec).await?.id;
    match kind {
        "crm" => agree(world, workspace, &id).await?,
        _ => drop(connections.refresh(context, &id).await?),
    }
    let mut spec = contacts("contacts");
    spec.dataset.connection = Some("files".into());
    let job = workspace.jobs().create(context, spec.clone()).await?;
    spec.name = "renamed".into();
    let jobs = workspace.jobs();
    jobs.edit(context, &job.id, &job.edition, spec).await?;
    // A lease is taken with a rule of time, and without patience.
    let runs = kind == "crm";
    if runs {
        let request = RunRequest::new(Arc::new(MemoryRejects::new()));
        jobs.run(context, &job.id, request).await?;
    }
    connections.rename(context, &id, "their files").await?;
    let request = ImportRequest::new();
    workspace.import(context, document, &request).await?;
    let chain = ChainSpec::new("nightly", vec![LinkSpec::new("imported")]);
    let chain = workspace.chains().create(context, chain).await?.id;
    let request = ChainRequest::new(|_| RunRequest::new(Arc::new(MemoryRejects::new())));
    if runs {
        let chains = workspace.chains();
        chains.run(context, &chain, request).await?;
    }
    workspace.chains().delete(context, &chain).await?;
    jobs.delete(context, &job.id).await?;
    connections
        .delete(context, &id, JobsOnDelete::Delete)
        .await?;
    Ok(())
}

fn document() -> ExportSpec {
    let mut job = contacts("imported");
    job.dataset.connection = Some("imported files".into());
    ExportSpec::new(vec![job]).with_connections(vec![ConnectionSpec::new("imported files", "open")])
}

/// What must hold whenever somebody looks, and whatever came before: all is readable, and can be worked with.
fn sound(world: &World, what: &str) {
    let workspace = world.workspace();
    let context = world.context();
    let connections = world
        .run(workspace.connections().list(context))
        .expect(what);
    let jobs = world.run(workspace.jobs().list(context)).expect(what);
    for job in &jobs {
        let id = job.connection.as_deref().expect(what);
        assert!(
            connections.iter().any(|connection| connection.id == id),
            "{what}"
        );
    }
    for chain in world.run(workspace.chains().list(context)).expect(what) {
        let id = chain.id;
        let request = ChainRequest::new(|_| RunRequest::new(Arc::new(MemoryRejects::new())));
        // A lease that a dead process has left.
        world.later(120);
        let ran = world.run(workspace.chains().run(context, &id, request));
        assert_eq!(ran.expect(what).outcome, Outcome::Success, "{what}");
        world
            .run(workspace.chains().delete(context, &id))
            .expect(what);
    }
    // The names that are shown are taken, those that are not are free.
    for name in ["files", "their files"] {
        let spec = ConnectionSpec::new(name, "open");
        let made = world.run(workspace.connections().create(context, spec));
        let shown = connections
            .iter()
            .any(|connection| connection.spec.name == name);
        assert_eq!(made.is_err(), shown, "{what}: {name}");
    }
    world
        .run(workspace.import(context, &document(), &ImportRequest::new()))
        .expect(what);
    for connection in world
        .run(workspace.connections().list(context))
        .expect(what)
    {
        let deleted = workspace
            .connections()
            .delete(context, &connection.id, JobsOnDelete::Delete);
        world.run(deleted).expect(what);
    }
    assert_eq!(
        world.run(workspace.jobs().list(context)).expect(what).len(),
        0
    );
    // Whoever has died, others complete what it began; what is of no use is of no harm.
    world.later(16 * 60);
    world.run(workspace.sweep(context)).expect(what);
    let useless = |path: &&String| !path.contains("/job/") && !path.contains("/consent/");
    let left = world.saved("acme");
    let left: Vec<&String> = left.iter().filter(useless).collect();
    assert_eq!(left, ["acme/roster/all"], "{what}");
}

#[test]
fn a_process_dies_at_each_effect() {
    let document = document();
    let mut died = 0;
    for fate in [Fate::CrashBefore, Fate::CrashAfter] {
        for at in 1.. {
            let world = World::new();
            let effects = Effects::scripted([(at, fate)]);
            let state = effects.state(Arc::new(world.state.clone()));
            let workspace = world.workspace_of("acme", state, &crm());
            let ended = drive(
                &world.clock,
                &effects,
                steps(&world, &workspace, &document, "crm"),
            );
            if let Ended::Done(done) = ended {
                done.unwrap();
                break;
            }
            died += 1;
            sound(&world, &format!("{fate:?} at {at}"));
        }
    }
    assert!(died > 60, "{died}");
}

#[test]
fn an_answer_that_is_lost_is_neither_a_failure_nor_a_second_try() {
    let document = document();
    // What authorizes has its own rule of time, and no patience.
    for (fate, kind, is_tried_again) in [
        (Fate::FailAfter(true), "open", true),
        (Fate::Fail(true), "open", true),
        (Fate::HangAfter, "open", true),
        (Fate::FailAfter(true), "crm", false),
        (Fate::FailAfter(false), "crm", false),
    ] {
        let mut disturbed = 0;
        for at in 1.. {
            let what = format!("{fate:?} at {at}");
            let world = World::new();
            let effects = Effects::scripted([(at, fate)]);
            let state = effects.state(Arc::new(world.state.clone()));
            let workspace = world.workspace_of("acme", state, &crm());
            let done = world.run(steps(&world, &workspace, &document, kind));
            if (effects.trace().len() as u64) < at {
                break;
            }
            disturbed += 1;
            if is_tried_again {
                done.expect(&what);
            }
            sound(&world, &what);
        }
        assert!(disturbed > 30, "{disturbed}");
    }
}

/// A store whose every answer comes a moment later, so that others get their turn before and behind it.
#[derive(Debug)]
pub(super) struct Yielding(pub(super) MemoryState);

async fn moment() {
    let mut first = true;
    poll_fn(|context| match std::mem::take(&mut first) {
        true => {
            context.waker().wake_by_ref();
            Poll::Pending
        }
        false => Poll::Ready(()),
    })
    .await;
}

#[async_trait::async_trait]
impl StateStore for Yielding {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>> {
        moment().await;
        self.0.get(key).await
    }

    async fn put(&self, key: &StateKey, bytes: Bytes, expected: Expected) -> Result<Swap> {
        moment().await;
        self.0.put(key, bytes, expected).await
    }

    async fn delete(&self, key: &StateKey, expected: StateVersion) -> Result<bool> {
        moment().await;
        self.0.delete(key, expected).await
    }

    async fn list(
        &self,
        tenant: &Tenant,
        kind: StateKind,
        start_after: Option<&StateKey>,
        limit: usize,
    ) -> Result<Vec<StateKey>> {
        moment().await;
        self.0.list(tenant, kind, start_after, limit).await
    }
}

impl World {
    fn contended(&self) -> Workspace {
        self.workspace_of("acme", Arc::new(Yielding(self.state.clone())), &crm())
    }
}

#[test]
fn of_many_who_want_one_name_one_has_it() {
    let world = World::new();
    let workspaces: Vec<Workspace> = (0..8).map(|_| world.contended()).collect();
    let tries = workspaces.iter().flat_map(|workspace| {
        (0..4).map(|n| {
            let spec = ConnectionSpec::new(format!("files {n}"), "open");
            workspace.connections().create(world.context(), spec)
        })
    });
    let made = world.run(join_all(tries.collect::<Vec<_>>()));
    let (won, lost): (Vec<_>, Vec<_>) = made.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (4, 28));
    for error in lost {
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Conflict);
    }
    let workspace = world.workspace();
    let listed = world
        .run(workspace.connections().list(world.context()))
        .unwrap();
    assert_eq!(listed.len(), 4);
}

#[test]
fn two_who_change_different_things_both_have_their_way() {
    let world = World::new();
    let (first, second) = (world.contended(), world.contended());
    let spec = ConnectionSpec::new("ours", "warehouse").with_config("client_id", "a");
    let made = first.connections().create(world.context(), spec);
    let id = world.run(made).unwrap().id;
    let config = IndexMap::from([("client_id".to_owned(), "b".into())]);
    let both = join3(
        first.connections().rename(world.context(), &id, "theirs"),
        second
            .connections()
            .configure(world.context(), &id, config, BTreeMap::new()),
        first.connections().disable(world.context(), &id),
    );
    let (renamed, configured, disabled) = world.run(both);
    for done in [renamed, configured, disabled] {
        done.unwrap();
    }
    let view = world.get(&first, &id);
    assert_eq!(view.spec.name, "theirs");
    assert_eq!(view.spec.config["client_id"], "b");
    assert_eq!(view.state, ConnectionState::Disabled);
}

#[test]
fn a_lost_answer_and_a_faster_neighbour_spoil_nothing() {
    for at in 1..60 {
        let world = World::new();
        let workspace = world.workspace();
        let id = world.create(&workspace, "files", "open").id;
        // The put is done, its answer is lost, and before it is asked again the neighbour has changed something else.
        let effects = Effects::scripted([(at, Fate::FailAfter(true))]);
        let disturbed = effects.state(Arc::new(Yielding(world.state.clone())));
        let disturbed = world.workspace_of("acme", disturbed, &crm());
        let neighbour = world.contended();
        let work = async {
            let mut spec = contacts("mine");
            spec.dataset.connection = Some("files".into());
            let job = disturbed
                .jobs()
                .create(world.context(), spec.clone())
                .await?;
            spec.destinations[0].mapping.fields.pop();
            disturbed
                .jobs()
                .edit(world.context(), &job.id, &job.edition, spec)
                .await
        };
        let others = async {
            for n in 0..40 {
                let name = format!("files {n}");
                let spec = ConnectionSpec::new(name, "open");
                neighbour
                    .connections()
                    .create(world.context(), spec)
                    .await
                    .unwrap();
                world
                    .context()
                    .clock()
                    .sleep(Duration::from_millis(40))
                    .await;
            }
        };
        let (done, ()) = world.run(join(work, others));
        let what = format!("lost answer at {at}");
        let view = done.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(view.spec.destinations[0].mapping.fields.len(), 1, "{what}");
        let jobs = world
            .run(workspace.jobs().list(world.context()))
            .expect(&what);
        assert_eq!(jobs.len(), 1, "{what}");
        world.get(&workspace, &id);
    }
}

#[test]
fn what_seems_refused_and_was_done_is_not_taken_away() {
    for at in 1..60 {
        let world = World::new();
        let workspace = world.workspace();
        let id = world.create(&workspace, "files", "open").id;
        let effects = Effects::scripted([(at, Fate::FailAfter(true))]);
        let disturbed = effects.state(Arc::new(Yielding(world.state.clone())));
        let disturbed = world.workspace_of("acme", disturbed, &crm());
        let neighbour = world.contended();
        let document = document();
        let work = async {
            let mut spec = contacts("mine");
            spec.dataset.connection = Some("files".into());
            let job = disturbed
                .jobs()
                .create(world.context(), spec.clone())
                .await?;
            spec.destinations[0].mapping.fields.pop();
            let (jobs, context) = (disturbed.jobs(), world.context());
            jobs.edit(context, &job.id, &job.edition, spec).await?;
            let request = ImportRequest::new();
            disturbed.import(context, &document, &request).await
        };
        // What was right a moment ago no longer is: the name that the spec has is nobody's for a while.
        let others = async {
            let connections = neighbour.connections();
            for n in 0..40 {
                let name = format!("files {n}");
                world
                    .context()
                    .clock()
                    .sleep(Duration::from_millis(35))
                    .await;
                connections
                    .rename(world.context(), &id, &name)
                    .await
                    .unwrap();
                world
                    .context()
                    .clock()
                    .sleep(Duration::from_millis(35))
                    .await;
                connections
                    .rename(world.context(), &id, "files")
                    .await
                    .unwrap();
            }
        };
        let (_, ()) = world.run(join(work, others));
        // Whatever was done or refused, all that is named is there.
        let jobs = world.run(workspace.jobs().list(world.context()));
        jobs.unwrap_or_else(|error| panic!("lost answer at {at}: {error}"));
    }
}

#[test]
fn a_deleted_connection_stays_deleted_whatever_was_under_way() {
    let world = World::new();
    let (first, second) = (world.contended(), world.contended());
    let id = world.create(&first, "our crm", "crm").id;
    let both = join(
        agree(&world, &first, &id),
        second
            .connections()
            .delete(world.context(), &id, JobsOnDelete::Delete),
    );
    let (agreed, deleted) = world.run(both);
    deleted.unwrap();
    assert!(agreed.is_err(), "it is gone");
    assert_eq!(
        world
            .run(first.connections().list(world.context()))
            .unwrap()
            .len(),
        0
    );
    for bytes in world.bytes("acme") {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(!text.contains(r#""standing":"granted""#), "{text}");
    }
}
