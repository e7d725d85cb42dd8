//! A workspace whose store fails, whose processes die, and which several use at once.
#![cfg(feature = "testing")]

use std::sync::Arc;

use futures::future::join_all;
use syncline::ErrorKind;
use syncline::host::StateStore;
use syncline::spec::{ConnectionSpec, ExportSpec};
use syncline::testing::{Effects, Ended, Fate, drive};
use syncline::workspace::{ImportRequest, JobsOnDelete, Workspace};

use super::super::server::World;
use super::{contacts, crm};

/// Somebody's steps, from an empty workspace on; each ends before the next begins.
async fn steps(
    world: &World,
    workspace: &Workspace,
    document: &ExportSpec,
) -> syncline::Result<()> {
    let context = world.context();
    let connections = workspace.connections();
    let id = connections
        .create(context, ConnectionSpec::new("files", "open"))
        .await?
        .id;
    let mut spec = contacts("contacts");
    spec.dataset.connection = Some("files".into());
    let job = workspace.jobs().create(context, spec.clone()).await?;
    spec.name = "renamed".into();
    workspace
        .jobs()
        .edit(context, &job.id, &job.edition, spec)
        .await?;
    connections.rename(context, &id, "their files").await?;
    workspace
        .import(context, document, &ImportRequest::new())
        .await?;
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
    let left = world.saved("acme");
    let left: Vec<&String> = left.iter().filter(|path| !path.contains("/job/")).collect();
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
            let ended = drive(&world.clock, &effects, steps(&world, &workspace, &document));
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
    for (fate, is_tried_again) in [
        (Fate::FailAfter(true), true),
        (Fate::Fail(true), true),
        (Fate::HangAfter, true),
        (Fate::FailAfter(false), false),
    ] {
        let mut disturbed = 0;
        for at in 1.. {
            let what = format!("{fate:?} at {at}");
            let world = World::new();
            let effects = Effects::scripted([(at, fate)]);
            let state = effects.state(Arc::new(world.state.clone()));
            let workspace = world.workspace_of("acme", state, &crm());
            let done = world.run(steps(&world, &workspace, &document));
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

#[test]
fn of_many_who_want_one_name_one_has_it() {
    let world = World::new();
    let state: Arc<dyn StateStore> = Arc::new(world.state.clone());
    let workspaces: Vec<Workspace> = (0..8)
        .map(|_| world.workspace_of("acme", Arc::clone(&state), &crm()))
        .collect();
    let tries = workspaces.iter().flat_map(|workspace| {
        (0..4).map(|n| {
            let spec = ConnectionSpec::new(format!("files {n}"), "open");
            workspace.connections().create(world.context(), spec)
        })
    });
    let made = world.run(async { join_all(tries.collect::<Vec<_>>()).await });
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
