//! Who changed what.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use syncline::authorization::RevokeMode;
use syncline::host::Context;
use syncline::spec::{ChainSpec, ConnectionSpec, LinkSpec};
use syncline::workspace::{
    AuditAction as Action, AuditEntry, AuditQuery, AuditStanding, JobsOnDelete, Workspace,
};
use syncline::{Result, Secret};

use super::super::server::World;
use super::{contacts, key};

fn all(world: &World, workspace: &Workspace) -> Vec<AuditEntry> {
    let (mut entries, mut query) = (Vec::new(), AuditQuery::new().with_limit(3));
    loop {
        let page = workspace.activity().audit(world.context(), &query);
        let page = world.run(page).unwrap();
        entries.extend(page.entries);
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    entries.reverse();
    entries
}

/// Somebody's changes; a second passes between them.
async fn changes(workspace: &Workspace, context: &Context) -> Result<()> {
    let pause = || context.clock().sleep(std::time::Duration::from_secs(1));
    let (connections, jobs, chains) = (
        workspace.connections(),
        workspace.jobs(),
        workspace.chains(),
    );
    let spec = ConnectionSpec::new("desk", "desk");
    let id = connections.create(context, spec).await?.id;
    pause().await;
    let secrets = key(&[("user", "ada"), ("password", "c4n4ry")]);
    connections.give_key(context, &id, secrets).await?;
    pause().await;
    let mut spec = contacts("people");
    spec.dataset.connection = Some("desk".into());
    let job = jobs.create(context, spec.clone()).await?;
    pause().await;
    spec.destinations[0].mapping.fields.pop();
    jobs.edit(context, &job.id, &job.edition, spec).await?;
    pause().await;
    jobs.disable(context, &job.id).await?;
    pause().await;
    // It is so already.
    jobs.disable(context, &job.id).await?;
    jobs.enable(context, &job.id).await?;
    pause().await;
    connections.rename(context, &id, "help desk").await?;
    pause().await;
    let chain = ChainSpec::new("nightly", vec![LinkSpec::new("people")]);
    let chain = chains.create(context, chain).await?.id;
    pause().await;
    chains.disable(context, &chain).await?;
    pause().await;
    chains.enable(context, &chain).await?;
    pause().await;
    chains.delete(context, &chain).await?;
    pause().await;
    connections.revoke(context, &id, RevokeMode::Force).await?;
    pause().await;
    connections
        .delete(context, &id, JobsOnDelete::Delete)
        .await?;
    Ok(())
}

fn told(entries: &[AuditEntry]) -> Vec<(Action, &str)> {
    entries
        .iter()
        .map(|entry| (entry.action, entry.name.as_str()))
        .collect()
}

#[test]
fn a_new_name_is_no_change_of_those_that_refer_to_it() {
    let world = World::new();
    let workspace = super::chains::with_jobs(&world, &["a", "b"]);
    let (jobs, context) = (workspace.jobs(), world.context());
    let all_jobs = world.run(jobs.list(context)).unwrap();
    let behind = all_jobs[1].spec.clone().with_first("a");
    let edited = jobs.edit(context, &all_jobs[1].id, &all_jobs[1].edition, behind);
    world.run(edited).unwrap();
    let links = super::chains::links(&["a", "b"]);
    super::chains::create(&world, &workspace, ChainSpec::new("x", links));
    let before = all(&world, &workspace).len();
    let mut renamed = all_jobs[0].spec.clone();
    renamed.name = "z".into();
    let edited = jobs.edit(context, &all_jobs[0].id, &all_jobs[0].edition, renamed);
    world.run(edited).unwrap();
    let files = world.run(workspace.connections().list(context)).unwrap();
    let rename = workspace
        .connections()
        .rename(context, &files[0].id, "papers");
    world.run(rename).unwrap();
    let entries = all(&world, &workspace);
    let mut told: Vec<(Action, &str)> = (entries.iter())
        .filter(|entry| entry.action == Action::Rename)
        .map(|entry| (entry.action, entry.name.as_str()))
        .collect();
    told.sort_by_key(|(_, name)| *name);
    assert_eq!(told, [(Action::Rename, "papers"), (Action::Rename, "z")]);
    assert_eq!(entries.len(), before + 2);
}

#[test]
fn every_change_is_told_once_with_who_and_what() {
    let world = World::new();
    let workspace = world.workspace();
    let context = world.context().clone().with_actor("ada");
    world.run(changes(&workspace, &context)).unwrap();
    let entries = all(&world, &workspace);
    let expected = [
        (Action::Create, "desk"),
        (Action::Authorize, "desk"),
        (Action::Create, "people"),
        (Action::Change, "people"),
        (Action::Disable, "people"),
        (Action::Enable, "people"),
        (Action::Rename, "help desk"),
        (Action::Create, "nightly"),
        (Action::Disable, "nightly"),
        (Action::Enable, "nightly"),
        (Action::Delete, "nightly"),
        (Action::Revoke, "help desk"),
    ];
    let (last, first) = (entries.len() - 2, &entries[..entries.len() - 2]);
    assert_eq!(told(first), expected);
    // Both in one swap, in either order.
    let mut both = told(&entries[last..]);
    both.sort_by_key(|(_, name)| *name);
    assert_eq!(
        both,
        [(Action::Delete, "help desk"), (Action::Delete, "people")]
    );
    assert!(
        entries
            .iter()
            .all(|entry| entry.actor.as_deref() == Some("ada"))
    );
    assert!(
        entries
            .iter()
            .all(|entry| entry.standing == AuditStanding::Done)
    );
    let edit = &entries[3];
    let fields = |value: &Option<serde_json::Value>| {
        let spec = &value.as_ref().unwrap()["spec"];
        spec["destinations"][0]["mapping"]["fields"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!((fields(&edit.before), fields(&edit.after)), (2, 1));
    assert_eq!(entries[4].after.as_ref().unwrap()["enabled"], false);
    let text = serde_json::to_string(&entries).unwrap();
    assert!(!text.contains("c4n4ry"), "{text}");
    // Filters.
    let by = |query| {
        world
            .run(workspace.activity().audit(&context, &query))
            .unwrap()
            .entries
            .len()
    };
    assert_eq!(by(AuditQuery::new().by("ben")), 0);
    assert_eq!(by(AuditQuery::new().by("ada").of(&edit.subject)), 5);
    assert_eq!(by(AuditQuery::new().with_to(edit.at)), 3);
}

#[test]
fn secrets_of_a_config_are_named_and_not_told() {
    let world = World::new();
    let workspace = world.workspace();
    let context = world.context();
    let spec = ConnectionSpec::new("ours", "warehouse").with_config("client_id", "a");
    let id = world
        .run(workspace.connections().create(context, spec))
        .unwrap()
        .id;
    let config = IndexMap::from([("client_id".to_owned(), "b".into())]);
    let secrets = BTreeMap::from([("client_secret".to_owned(), Secret::new("c4n4ry"))]);
    world.later(1);
    world
        .run(
            workspace
                .connections()
                .configure(context, &id, config, secrets),
        )
        .unwrap();
    let entries = all(&world, &workspace);
    let given = entries
        .iter()
        .find(|entry| entry.action == Action::GiveSecrets)
        .unwrap();
    assert_eq!(given.after.as_ref().unwrap()["secrets"][0], "client_secret");
    assert!(entries.iter().any(|entry| entry.action == Action::Change));
    let text = format!("{entries:?}");
    assert!(!text.contains("c4n4ry"), "{text}");
    for bytes in world.bytes("acme") {
        assert!(!String::from_utf8_lossy(&bytes).contains("c4n4ry"));
    }
}

#[cfg(feature = "testing")]
#[test]
fn no_change_is_missing_wherever_a_process_dies() {
    use syncline::testing::{Effects, Ended, Fate, drive};

    use super::crm;

    let mut died = 0;
    for fate in [Fate::CrashBefore, Fate::CrashAfter] {
        for at in 1.. {
            let what = format!("{fate:?} at {at}");
            let world = World::new();
            let effects = Effects::scripted([(at, fate)]);
            let state = effects.state(std::sync::Arc::new(world.state.clone()));
            let disturbed = world.workspace_of("acme", state, &crm());
            let work = changes(&disturbed, world.context());
            if let Ended::Done(done) = drive(&world.clock, &effects, work) {
                done.unwrap();
                break;
            }
            died += 1;
            let workspace = world.workspace();
            let entries = all(&world, &workspace);
            let mut ids: Vec<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), entries.len(), "{what}");
            // What the entries say is what there is.
            let mut names: BTreeMap<String, (String, serde_json::Value)> = BTreeMap::new();
            for entry in entries
                .iter()
                .filter(|entry| entry.after.is_some() || entry.action == Action::Delete)
            {
                match &entry.after {
                    Some(after) => names.insert(
                        entry.subject.clone(),
                        (entry.name.clone(), after["enabled"].clone()),
                    ),
                    None => names.remove(&entry.subject),
                };
            }
            let context = world.context();
            let connections = world.run(workspace.connections().list(context)).unwrap();
            let jobs = world.run(workspace.jobs().list(context)).unwrap();
            let chains = world.run(workspace.chains().list(context)).unwrap();
            let authorized = connections.iter().any(|view| {
                view.authorization == Some(syncline::authorization::AuthorizationState::Healthy)
            });
            let mut is: BTreeMap<String, (String, serde_json::Value)> = BTreeMap::new();
            is.extend(
                connections
                    .into_iter()
                    .map(|view| (view.id, (view.spec.name, true.into()))),
            );
            is.extend(
                jobs.into_iter()
                    .map(|view| (view.id, (view.spec.name, view.enabled.into()))),
            );
            is.extend(
                chains
                    .into_iter()
                    .map(|chain| (chain.id, (chain.spec.name, chain.enabled.into()))),
            );
            assert_eq!(names, is, "{what}");
            if authorized {
                assert!(
                    entries
                        .iter()
                        .any(|entry| entry.action == Action::Authorize),
                    "{what}"
                );
            }
        }
    }
    assert!(died > 40, "{died}");
}
