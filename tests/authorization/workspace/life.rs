//! The life of a connection: each action in each state.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use syncline::authorization::{AfterReject, AuthorizationState, CredentialRequest, RevokeMode};
use syncline::connector::{ConnectorCategory, ConnectorInfo, Registry};
use syncline::job::{Outcome, RunRequest};
use syncline::memory::{MemoryConnection, MemoryConnector, MemoryRejects};
use syncline::spec::{ConnectionSpec, Domain, Org};
use syncline::workspace::{
    Checked, ConnectionAction, ConnectionState, JobsOnDelete, Polled, Workspace,
};
use syncline::{ErrorKind, Result};

use super::super::server::{Fault, World};
use super::{contacts, crm, key};

/// A connection in a state.
fn in_state(world: &World, workspace: &Workspace, state: ConnectionState) -> String {
    let connections = workspace.connections();
    if state == ConnectionState::Unusable {
        // Its secret is missing.
        let spec = ConnectionSpec::new("our crm", "warehouse").with_config("client_id", "theirs");
        let made = world
            .run(connections.create(world.context(), spec))
            .unwrap();
        assert!(made.problem.unwrap().contains("client_secret"));
        assert_eq!(made.state, state);
        return made.id;
    }
    let id = world.create(workspace, "our crm", "crm").id;
    if state != ConnectionState::Unauthorized {
        world.authorize(workspace, &id).unwrap();
    }
    match state {
        ConnectionState::Disconnected => {
            world.server.books().revoked.clear();
            world.later(3_700);
            world
                .server
                .fault(Fault::Answer(400, r#"{"error": "invalid_grant"}"#.into()));
            world
                .run(connections.refresh(world.context(), &id))
                .unwrap_err();
            world.server.fault(Fault::None);
        }
        ConnectionState::Revoked => {
            let revoked = connections.revoke(world.context(), &id, RevokeMode::Confirmed);
            assert!(world.run(revoked).unwrap().confirmed);
        }
        ConnectionState::Disabled => {
            world
                .run(connections.disable(world.context(), &id))
                .unwrap();
        }
        _ => {}
    }
    assert_eq!(world.get(workspace, &id).state, state);
    id
}

fn act(world: &World, workspace: &Workspace, id: &str, action: ConnectionAction) -> Result<()> {
    let (connections, context) = (workspace.connections(), world.context());
    match action {
        ConnectionAction::Rename => world
            .run(connections.rename(context, id, "another"))
            .map(drop),
        ConnectionAction::Configure => {
            let (config, secrets) = match world.get(workspace, id).spec.kind.as_str() {
                "warehouse" => (
                    IndexMap::from([("client_id".to_owned(), "theirs".into())]),
                    key(&[("client_secret", "hunter2")]),
                ),
                _ => (IndexMap::new(), BTreeMap::new()),
            };
            let configured = connections.configure(context, id, config, secrets);
            world.run(configured).map(drop)
        }
        ConnectionAction::Authorize => {
            let redirect = "https://host.example.com/callback".parse().unwrap();
            let request = syncline::authorization::BeginRequest::new("session", redirect);
            world.run(connections.begin(context, id, request))?;
            world.authorize(workspace, id).map(drop)
        }
        ConnectionAction::Revoke => world
            .run(connections.revoke(context, id, RevokeMode::Confirmed))
            .map(drop),
        ConnectionAction::Check => world.run(connections.check(context, id)).map(drop),
        ConnectionAction::Refresh => world.run(connections.refresh(context, id)).map(drop),
        ConnectionAction::Use => world.run(connections.open(context, id)).map(drop),
        ConnectionAction::Enable => world.run(connections.enable(context, id)).map(drop),
        ConnectionAction::Disable => world.run(connections.disable(context, id)).map(drop),
        ConnectionAction::Delete => world
            .run(connections.delete(context, id, JobsOnDelete::Delete))
            .map(drop),
        _ => unreachable!(),
    }
}

/// What a connection is after an action that its state allows; `None` if it is gone.
fn after(state: ConnectionState, action: ConnectionAction) -> Option<ConnectionState> {
    match action {
        ConnectionAction::Delete => None,
        ConnectionAction::Authorize => Some(ConnectionState::Active),
        ConnectionAction::Disable => Some(ConnectionState::Disabled),
        ConnectionAction::Enable => Some(ConnectionState::Active),
        ConnectionAction::Configure if state == ConnectionState::Unusable => {
            Some(ConnectionState::Unauthorized)
        }
        ConnectionAction::Revoke if state != ConnectionState::Disabled => {
            Some(ConnectionState::Revoked)
        }
        _ => Some(state),
    }
}

#[test]
fn each_action_in_each_state_does_what_the_table_says() {
    let mut allowed = 0;
    for state in ConnectionState::ALL {
        for action in ConnectionAction::ALL {
            let what = format!("{action} when {state}");
            let world = World::new();
            let workspace = world.workspace();
            let id = in_state(&world, &workspace, state);
            let before = world.server.books().token_requests;
            let done = act(&world, &workspace, &id, action);
            if state.actions().contains(&action) {
                allowed += 1;
                // That it is disconnected is just what a check tells.
                match (state, action) {
                    (ConnectionState::Disconnected, ConnectionAction::Check) => {
                        assert_eq!(done.unwrap_err().kind(), ErrorKind::ReauthorizationRequired);
                    }
                    _ => done.expect(&what),
                }
                let found = world.run(workspace.connections().get(world.context(), &id));
                match after(state, action) {
                    None => assert_eq!(found.unwrap_err().kind(), ErrorKind::NotFound, "{what}"),
                    Some(then) => assert_eq!(found.unwrap().state, then, "{what}"),
                }
            } else {
                let error = done.expect_err(&what);
                let wanted = [ErrorKind::Invalid, ErrorKind::ReauthorizationRequired];
                assert!(wanted.contains(&error.kind()), "{what}: {error}");
                assert!(error.to_string().contains("advice"), "{what}: {error}");
                assert_eq!(world.get(&workspace, &id).state, state, "{what}");
                assert_eq!(world.server.books().token_requests, before, "{what}");
            }
        }
    }
    assert_eq!(allowed, 5 + 9 + 7 + 5 + 5 + 4);
}

#[test]
fn names_are_unique_and_some_kinds_have_one_connection() {
    let world = World::new();
    let workspace = world.workspace();
    let connections = workspace.connections();
    let first = world.create(&workspace, "first", "crm");
    let second = world.create(&workspace, "second", "crm");
    let again = connections.create(world.context(), ConnectionSpec::new("first", "desk"));
    assert_eq!(world.run(again).unwrap_err().kind(), ErrorKind::Conflict);
    let renamed = connections.rename(world.context(), &second.id, "first");
    assert_eq!(world.run(renamed).unwrap_err().kind(), ErrorKind::Conflict);
    world
        .run(connections.rename(world.context(), &first.id, "first"))
        .unwrap();
    let api = world.create(&workspace, "api", "api");
    let another = connections.create(world.context(), ConnectionSpec::new("api 2", "api"));
    assert_eq!(world.run(another).unwrap_err().kind(), ErrorKind::Conflict);
    // The name and the place are free again.
    world
        .run(connections.delete(world.context(), &api.id, JobsOnDelete::Refuse))
        .unwrap();
    world.create(&workspace, "api", "api");
    let names = world.run(connections.list(world.context())).unwrap();
    let names: Vec<String> = names.into_iter().map(|view| view.spec.name).collect();
    assert_eq!(names, ["api", "first", "second"]);
}

#[test]
fn each_kind_of_organisation_logs_in_at_its_own_host() {
    let world = World::new();
    let workspace = world.workspace();
    let custom = Org::CustomDomain(Domain::parse("acme.my.example.com").unwrap());
    for (org, host) in [
        (Org::Production, "login.example.com"),
        (Org::Sandbox, "test.example.com"),
        (custom, "acme.my.example.com"),
    ] {
        let spec = ConnectionSpec::new(host, "crm").with_org(org);
        let made = workspace.connections().create(world.context(), spec);
        let id = world.run(made).unwrap().id;
        let redirect = "https://host.example.com/callback".parse().unwrap();
        let request = syncline::authorization::BeginRequest::new("session", redirect);
        let consent = world.run(workspace.connections().begin(world.context(), &id, request));
        assert_eq!(consent.unwrap().url.host_str(), Some(host));
    }
}

#[test]
fn a_connection_stays_with_its_organisation() {
    let world = World::new();
    let workspace = world.workspace();
    let connections = workspace.connections();
    let id = world.create(&workspace, "our crm", "crm").id;
    // Before anybody authorized it, it may still be chosen.
    let chosen = connections.change_org(world.context(), &id, Org::Sandbox, None);
    world.run(chosen).unwrap();
    let chosen = connections.change_org(world.context(), &id, Org::Production, None);
    world.run(chosen).unwrap();
    world.authorize(&workspace, &id).unwrap();
    assert_eq!(
        world.get(&workspace, &id).organization.as_deref(),
        Some("org-1")
    );
    let moved = connections.change_org(world.context(), &id, Org::Sandbox, None);
    assert_eq!(world.run(moved).unwrap_err().problems()[0].path, "org");
    world.server.books().organization = "org-2".into();
    let error = world.authorize(&workspace, &id).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OtherOrganization);
    let view = world.get(&workspace, &id);
    assert_eq!(
        (view.state, view.organization.as_deref()),
        (ConnectionState::Active, Some("org-1"))
    );
    // Revoked, it belongs to it still.
    world
        .run(connections.revoke(world.context(), &id, RevokeMode::Confirmed))
        .unwrap();
    assert_eq!(
        world.authorize(&workspace, &id).unwrap_err().kind(),
        ErrorKind::OtherOrganization
    );
    world.server.books().organization = "org-1".into();
    assert!(
        world
            .authorize(&workspace, &id)
            .unwrap()
            .authorized
            .unwrap()
            .again
    );
}

#[test]
fn jobs_of_a_revoked_connection_fail_and_say_why() {
    let world = World::new();
    let workspace = world.workspace();
    let id = world.create(&workspace, "our crm", "crm").id;
    let connected = world.authorize(&workspace, &id).unwrap();
    let job = connected.refreshed.unwrap().jobs.created[0].id.clone();
    let run = || {
        let request = RunRequest::new(Arc::new(MemoryRejects::new()));
        world
            .run(workspace.jobs().run(world.context(), &job, request))
            .unwrap()
    };
    assert_eq!(run().outcome, Outcome::Success);
    world
        .run(
            workspace
                .connections()
                .revoke(world.context(), &id, RevokeMode::Confirmed),
        )
        .unwrap();
    let report = run();
    assert_eq!(report.outcome, Outcome::Failed);
    let failure = report.failure.unwrap();
    assert_eq!(failure.kind(), ErrorKind::ReauthorizationRequired);
    assert!(
        failure.to_string().contains("authorize it again"),
        "{failure}"
    );
    world.authorize(&workspace, &id).unwrap();
    assert_eq!(run().outcome, Outcome::Success);
    world
        .run(workspace.connections().disable(world.context(), &id))
        .unwrap();
    assert_eq!(run().failure.unwrap().kind(), ErrorKind::Invalid);
}

#[test]
fn an_expired_token_is_refreshed_by_a_run_and_never_by_a_check() {
    let world = World::new();
    let workspace = world.workspace();
    let id = world.create(&workspace, "our crm", "crm").id;
    world.authorize(&workspace, &id).unwrap();
    world.later(3_700);
    let asked = world.server.books().token_requests;
    let checked = world.run(workspace.connections().check(world.context(), &id));
    assert_eq!(checked.unwrap(), Checked::TokenEnded);
    assert_eq!(world.server.books().token_requests, asked);
    let job = world.run(workspace.jobs().list(world.context())).unwrap()[0]
        .id
        .clone();
    let request = RunRequest::new(Arc::new(MemoryRejects::new()));
    let report = world
        .run(workspace.jobs().run(world.context(), &job, request))
        .unwrap();
    assert_eq!(report.outcome, Outcome::Success);
    assert_eq!(world.server.books().token_requests, asked + 1);
    let checked = world.run(workspace.connections().check(world.context(), &id));
    assert_eq!(checked.unwrap(), Checked::Usable);
}

#[test]
fn a_key_is_given_replaced_and_revoked() {
    let world = World::new();
    let workspace = world.workspace();
    let connections = workspace.connections();
    let id = world.create(&workspace, "desk", "desk").id;
    let give =
        |parts: &[(&str, &str)]| world.run(connections.give_key(world.context(), &id, key(parts)));
    let error = give(&[("user", "ada")]).unwrap_err();
    assert_eq!(error.problems()[0].path, "password");
    let error = give(&[("user", "ada"), ("password", "hunter2"), ("pin", "1")]).unwrap_err();
    assert_eq!(error.problems()[0].path, "pin");
    assert!(give(&[("user", "ada"), ("password", "")]).is_err());
    assert_eq!(
        world.get(&workspace, &id).state,
        ConnectionState::Unauthorized
    );
    give(&[("user", "ada"), ("password", "hunter2")]).unwrap();
    assert_eq!(world.get(&workspace, &id).state, ConnectionState::Active);
    give(&[("user", "ada"), ("password", "hunter3")]).unwrap();
    let revoked = connections.revoke(world.context(), &id, RevokeMode::Confirmed);
    assert!(
        !world.run(revoked).unwrap().confirmed,
        "the key is the customer's"
    );
    assert_eq!(world.get(&workspace, &id).state, ConnectionState::Revoked);
    let opened = world.run(connections.open(world.context(), &id));
    assert_eq!(
        opened.unwrap_err().kind(),
        ErrorKind::ReauthorizationRequired
    );
    // OAuth is no key, and a key no OAuth.
    let crm = world.create(&workspace, "crm", "crm").id;
    let given = connections.give_key(world.context(), &crm, key(&[("key", "x")]));
    assert_eq!(world.run(given).unwrap_err().kind(), ErrorKind::Unsupported);
    let authorized = world.run(connections.authorize(world.context(), &id));
    assert_eq!(authorized.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn a_customer_brings_a_client_and_its_secret_is_nowhere_to_be_read() {
    let world = World::new();
    let workspace = world.workspace();
    let connections = workspace.connections();
    let spec =
        ConnectionSpec::new("our warehouse", "warehouse").with_config("client_id", "their-client");
    let id = world
        .run(connections.create(world.context(), spec))
        .unwrap()
        .id;
    let error = world
        .run(connections.authorize(world.context(), &id))
        .unwrap_err();
    assert!(error.to_string().contains("client_secret"), "{error}");
    let answers = || IndexMap::from([("client_id".to_owned(), "their-client".into())]);
    let configure =
        |secrets| world.run(connections.configure(world.context(), &id, answers(), secrets));
    assert!(
        configure(key(&[("client_id", "x")])).is_err(),
        "it is no secret"
    );
    configure(key(&[("client_secret", "canary-8d1f")])).unwrap();
    world
        .run(connections.authorize(world.context(), &id))
        .unwrap();
    let form = world.server.books().forms.last().unwrap().clone();
    assert_eq!(
        (form["client_id"].as_str(), form["client_secret"].as_str()),
        ("their-client", "canary-8d1f")
    );
    // Other answers leave the secret as it is.
    configure(BTreeMap::new()).unwrap();
    world
        .run(connections.authorize(world.context(), &id))
        .unwrap();
    let export = world
        .run(workspace.export(world.context()))
        .unwrap()
        .to_json();
    let view = format!("{:?} {workspace:?}", world.get(&workspace, &id));
    for text in [&export, &view] {
        assert!(!text.contains("canary-8d1f"));
    }
    for bytes in world.bytes("acme") {
        assert!(!String::from_utf8_lossy(&bytes).contains("canary-8d1f"));
    }
}

#[test]
fn a_person_consents_on_another_device() {
    let world = World::new();
    let workspace = world.workspace();
    let connections = workspace.connections();
    let id = world.create(&workspace, "phone", "device").id;
    let mut consent = world
        .run(connections.begin_device(world.context(), &id))
        .unwrap();
    world.server.books().pending_polls = 1;
    let mut poll = || {
        world
            .run(connections.poll_device(world.context(), &id, &mut consent))
            .unwrap()
    };
    assert!(matches!(poll(), Polled::Pending(_)));
    let Polled::Connected(connected) = poll() else {
        panic!("they have consented")
    };
    assert_eq!(connected.id, id);
    // What was begun for one is of no use for another.
    let other = world.create(&workspace, "another phone", "device").id;
    let mut begun = world
        .run(connections.begin_device(world.context(), &id))
        .unwrap();
    let asked = world.server.books().token_requests;
    let polled = connections.poll_device(world.context(), &other, &mut begun);
    assert_eq!(
        world.run(polled).unwrap_err().kind(),
        ErrorKind::StateMismatch
    );
    assert_eq!(world.server.books().token_requests, asked);
    let view = world.get(&workspace, &id);
    assert_eq!(view.authorization, Some(AuthorizationState::Healthy));
}

#[test]
fn a_connection_with_jobs_is_not_deleted_by_mistake_and_leaves_nothing_behind() {
    let world = World::new();
    let workspace = world.workspace();
    let connections = workspace.connections();
    let id = world.create(&workspace, "our crm", "crm").id;
    world.authorize(&workspace, &id).unwrap();
    let mut own = contacts("my contacts");
    own.dataset.connection = Some("our crm".into());
    let own = world
        .run(workspace.jobs().create(world.context(), own))
        .unwrap();
    let request = RunRequest::new(Arc::new(MemoryRejects::new()));
    world
        .run(workspace.jobs().run(world.context(), &own.id, request))
        .unwrap();
    let refused = connections.delete(world.context(), &id, JobsOnDelete::Refuse);
    let error = world.run(refused).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("my contacts"), "{error}");
    assert_eq!(
        world
            .run(workspace.jobs().list(world.context()))
            .unwrap()
            .len(),
        3
    );
    let deleted = world
        .run(connections.delete(world.context(), &id, JobsOnDelete::Delete))
        .unwrap();
    assert_eq!(deleted.jobs, 3);
    assert!(deleted.revocation.unwrap().confirmed);
    assert_eq!(
        world.server.books().revoked.len(),
        2,
        "both tokens are given back"
    );
    assert_eq!(
        world
            .run(workspace.jobs().list(world.context()))
            .unwrap()
            .len(),
        0
    );
    // At once no secret is left, and after a while nothing at all.
    for bytes in world.bytes("acme") {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(!text.contains("access-s") && !text.contains("refresh-s"));
    }
    world.later(16 * 60);
    world.run(workspace.sweep(world.context())).unwrap();
    assert_eq!(world.saved("acme"), ["acme/roster/all"]);
}

#[test]
fn another_tenant_sees_nothing() {
    let world = World::new();
    let ours = world.workspace();
    let theirs = world.workspace_of("umbrella", Arc::new(world.state.clone()), &crm());
    let id = world.create(&ours, "our crm", "crm").id;
    let callback = world.agree(&ours, &id);
    // They cannot end what we have begun, and it goes on all the same.
    let stolen = theirs
        .connections()
        .complete(world.context(), callback.clone());
    assert_eq!(
        world.run(stolen).unwrap_err().kind(),
        ErrorKind::StateMismatch
    );
    world
        .run(ours.connections().complete(world.context(), callback))
        .unwrap();
    let job = world.run(ours.jobs().list(world.context())).unwrap()[0]
        .id
        .clone();
    let context = world.context();
    let not_found = |error: syncline::Error| assert_eq!(error.kind(), ErrorKind::NotFound);
    not_found(
        world
            .run(theirs.connections().get(context, &id))
            .unwrap_err(),
    );
    not_found(
        world
            .run(theirs.connections().open(context, &id))
            .unwrap_err(),
    );
    not_found(
        world
            .run(theirs.connections().catalog(context, &id))
            .unwrap_err(),
    );
    not_found(
        world
            .run(
                theirs
                    .connections()
                    .delete(context, &id, JobsOnDelete::Delete),
            )
            .unwrap_err(),
    );
    not_found(world.run(theirs.jobs().get(context, &job)).unwrap_err());
    not_found(world.run(theirs.jobs().delete(context, &job)).unwrap_err());
    let request = RunRequest::new(Arc::new(MemoryRejects::new()));
    not_found(
        world
            .run(theirs.jobs().run(context, &job, request))
            .unwrap_err(),
    );
    assert_eq!(world.run(theirs.export(context)).unwrap().jobs.len(), 0);
    // The same names are theirs to use.
    world.create(&theirs, "our crm", "crm");
    assert_eq!(world.get(&ours, &id).state, ConnectionState::Active);
}

#[test]
fn a_connector_from_outside_is_used_from_end_to_end() {
    let world = World::new();
    let info = ConnectorInfo::new("third", "A third party's", ConnectorCategory::Interaction)
        .with_templates(super::templates());
    let connector = MemoryConnector::new(info, crm());
    let registry = Registry::new().with(Arc::new(connector)).unwrap();
    let config = syncline::workspace::WorkspaceConfig::new(
        syncline::Tenant::new("acme").unwrap(),
        Arc::new(world.state.clone()),
        Arc::new(world.cipher.clone()),
        Arc::new(world.server.transport()),
        Arc::new(MemoryConnection::clone(&super::home())),
    );
    let workspace = Workspace::new(config.with_registry(Arc::new(registry)));
    // Nobody need authorize it.
    let view = world.create(&workspace, "calls", "third");
    assert_eq!(
        (view.state, view.authorization),
        (ConnectionState::Active, None)
    );
    world
        .run(workspace.connections().check(world.context(), &view.id))
        .unwrap();
    let refreshed = world
        .run(workspace.connections().refresh(world.context(), &view.id))
        .unwrap();
    assert_eq!(refreshed.jobs.created.len(), 2);
    let revoked = workspace
        .connections()
        .revoke(world.context(), &view.id, RevokeMode::Force);
    assert_eq!(
        world.run(revoked).unwrap_err().kind(),
        ErrorKind::Unsupported
    );
    assert!(!view.actions().contains(&ConnectionAction::Revoke));
}

#[test]
fn a_key_that_is_rejected_disconnects_until_another_one_is_given() {
    let world = World::new();
    let workspace = world.workspace();
    let connections = workspace.connections();
    let id = world.create(&workspace, "desk", "desk").id;
    let give = |password| {
        let parts = key(&[("user", "ada"), ("password", password)]);
        world
            .run(connections.give_key(world.context(), &id, parts))
            .unwrap();
    };
    give("hunter2");
    let lent = world.lent();
    world.run(connections.open(world.context(), &id)).unwrap();
    let shown = lent.lock().unwrap().clone().unwrap();
    let credential = |request| {
        world
            .run(shown.credential(world.context(), request))
            .unwrap()
    };
    let first = credential(CredentialRequest::new());
    // The customer was faster.
    give("hunter3");
    let again = world.run(shown.rejected(world.context(), &first)).unwrap();
    assert_eq!(again, AfterReject::TryAgain);
    let second = credential(CredentialRequest::new());
    assert!(second.generation() > first.generation());
    let again = world.run(shown.rejected(world.context(), &second)).unwrap();
    assert_eq!(again, AfterReject::GiveUp);
    assert_eq!(
        world.get(&workspace, &id).state,
        ConnectionState::Disconnected
    );
    give("hunter4");
    assert_eq!(world.get(&workspace, &id).state, ConnectionState::Active);
}

#[test]
fn a_token_that_ended_for_good_disconnects() {
    let world = World::new();
    let workspace = world.workspace();
    let id = world.create(&workspace, "our crm", "crm").id;
    world.server.fault(Fault::Fields(vec![(
        "refresh_token",
        serde_json::Value::Null,
    )]));
    world.authorize(&workspace, &id).unwrap();
    assert_eq!(world.get(&workspace, &id).state, ConnectionState::Active);
    world.later(3_700);
    assert_eq!(
        world.get(&workspace, &id).state,
        ConnectionState::Disconnected
    );
}

#[test]
fn one_connection_that_cannot_be_used_spoils_nothing_else() {
    let world = World::new();
    let workspace = world.workspace();
    let id = world.create(&workspace, "our crm", "crm").id;
    world.authorize(&workspace, &id).unwrap();
    world.create(&workspace, "files", "open");
    // A release that no longer has the connector.
    let config = syncline::workspace::WorkspaceConfig::new(
        syncline::Tenant::new("acme").unwrap(),
        Arc::new(world.state.clone()),
        Arc::new(world.cipher.clone()),
        Arc::new(world.server.transport()),
        Arc::new(super::home()),
    );
    let bare = Workspace::new(config);
    let views = world.run(bare.connections().list(world.context())).unwrap();
    assert_eq!(views.len(), 2);
    assert!(
        views
            .iter()
            .all(|view| view.state == ConnectionState::Unusable)
    );
    assert!(
        views[0]
            .problem
            .as_ref()
            .unwrap()
            .contains("no connector of this kind")
    );
    let renamed = bare.connections().rename(world.context(), &id, "old crm");
    world.run(renamed).unwrap();
    let deleted = bare
        .connections()
        .delete(world.context(), &id, JobsOnDelete::Delete);
    let deleted = world.run(deleted).unwrap();
    assert!(
        !deleted.revocation.unwrap().confirmed,
        "nobody knows how to give it back"
    );
}
