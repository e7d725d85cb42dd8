//! Jobs of a workspace: out of the box, by hand, edited, renamed.

use std::sync::Arc;

use chrono::{Datelike as _, NaiveDate};
use serde_json::json;
use syncline::connection::{Catalog, Connection, ConnectionInfo};
use syncline::connector::{
    ConnectRequest, Connector, ConnectorCategory, ConnectorInfo, OAuthClient, Registry,
};
use syncline::dataset::Dataset;
use syncline::destination::Destination;
use syncline::host::Context;
use syncline::job::{Change, Outcome, RunReport, RunRequest};
use syncline::memory::{MemoryConnection, MemoryFiles, MemoryNotifications, MemoryRejects};
use syncline::record::{Field, FieldType, RecordBuilder, Schema};
use syncline::schedule::Holidays;
use syncline::spec::{
    ChainSpec, FieldMapping, Identity, Incremental, JobSpec, ObjectSpec, RunSettings, SourceSpec,
    SyncMode, WriteMode,
};
use syncline::workspace::{
    ImportRequest, JobQuery, JobView, Provisioned, Workspace, WorkspaceConfig,
};
use syncline::{Error, ErrorKind, Result, Tenant};

use super::super::server::World;
use super::{contacts, crm, fields, home, job, system};

fn run(world: &World, workspace: &Workspace, id: &str) -> RunReport {
    let request = RunRequest::new(Arc::new(MemoryRejects::new()));
    world
        .run(workspace.jobs().run(world.context(), id, request))
        .unwrap()
}

fn list(world: &World, workspace: &Workspace) -> Vec<JobView> {
    world.run(workspace.jobs().list(world.context())).unwrap()
}

fn names(world: &World, workspace: &Workspace) -> Vec<String> {
    list(world, workspace)
        .into_iter()
        .map(|view| view.spec.name)
        .collect()
}

/// The same workspace, as an account that shows this.
fn shown(world: &World, objects: &[(&str, &[&str])]) -> Workspace {
    world.workspace_of("acme", Arc::new(world.state.clone()), &system(objects))
}

fn refresh(world: &World, workspace: &Workspace, id: &str) -> Provisioned {
    world
        .run(workspace.connections().refresh(world.context(), id))
        .unwrap()
        .jobs
}

#[test]
fn a_connection_gets_its_jobs_once_and_edits_are_kept() {
    let world = World::new();
    let workspace = world.workspace();
    let id = world.create(&workspace, "our crm", "crm").id;
    assert_eq!(list(&world, &workspace).len(), 0);
    let connected = world.authorize(&workspace, &id).unwrap();
    let created = connected.refreshed.unwrap().jobs.created;
    assert_eq!(created.len(), 2);
    assert_eq!(
        names(&world, &workspace),
        ["Company Sync_our crm", "Person Sync_our crm"]
    );
    let person = list(&world, &workspace).remove(1);
    assert_eq!(person.spec.template.as_deref(), Some("contacts"));
    assert_eq!(person.spec.dataset.connection.as_deref(), Some("our crm"));
    // The mapping is the customer's, source and target are not.
    let edit = |view: &JobView, spec: JobSpec| {
        world.run(
            workspace
                .jobs()
                .edit(world.context(), &view.id, &view.edition, spec),
        )
    };
    let mut mapped = person.spec.clone();
    mapped.destinations[0].mapping.fields.pop();
    let person = edit(&person, mapped.clone()).unwrap();
    let mut elsewhere = person.spec.clone();
    elsewhere.dataset.source = SourceSpec::Object("Account".into());
    elsewhere.destinations[0].object = "company".into();
    let error = edit(&person, elsewhere).unwrap_err();
    let paths: Vec<&str> = error.problems().iter().map(|p| p.path.as_str()).collect();
    assert_eq!(paths, ["dataset.source", "destinations"]);
    // The other template fixes nothing.
    let company = list(&world, &workspace).remove(0);
    let mut free = company.spec.clone();
    free.destinations[0] = contacts("").destinations.remove(0);
    free.dataset.source = SourceSpec::Object("Contact".into());
    edit(&company, free.clone()).unwrap();
    // Authorized again and refreshed, all is as it was.
    world.authorize(&workspace, &id).unwrap();
    assert_eq!(refresh(&world, &workspace, &id), Provisioned::default());
    let now = list(&world, &workspace);
    assert_eq!(now[1].spec.destinations, mapped.destinations);
    assert_eq!(now[0].spec.destinations, free.destinations);
    // One that was deleted by hand does not come again.
    world
        .run(workspace.jobs().delete(world.context(), &now[0].id))
        .unwrap();
    assert_eq!(refresh(&world, &workspace, &id), Provisioned::default());
    assert_eq!(names(&world, &workspace), ["Person Sync_our crm"]);
}

#[test]
fn jobs_follow_what_the_account_shows() {
    let world = World::new();
    let workspace = shown(&world, &[("Contact", &["Email"])]);
    let id = world.create(&workspace, "our crm", "crm").id;
    let refreshed = world.authorize(&workspace, &id).unwrap().refreshed.unwrap();
    assert_eq!(refreshed.change.added, ["Contact"]);
    let jobs = refreshed.jobs;
    assert_eq!(jobs.created.len(), 1);
    assert_eq!(
        (
            jobs.not_made[0].template.as_str(),
            jobs.not_made[0].missing.len()
        ),
        ("accounts", 0)
    );
    // The optional field is left out.
    let person = list(&world, &workspace).remove(0);
    assert_eq!(person.spec.destinations[0].mapping.fields.len(), 1);
    assert_eq!(
        run(&world, &workspace, &person.id).outcome,
        Outcome::Success
    );

    let workspace = shown(&world, &[("Contact", &["Email"]), ("Account", &["Name"])]);
    let jobs = refresh(&world, &workspace, &id);
    assert_eq!(jobs.not_made[0].missing, ["Domain"]);

    let workspace = shown(&world, &[("Account", &["Domain", "Name"])]);
    let refreshed = world
        .run(workspace.connections().refresh(world.context(), &id))
        .unwrap();
    assert_eq!(refreshed.change.removed, ["Contact"]);
    assert_eq!(refreshed.change.changed[0].object, "Account");
    assert_eq!(refreshed.touched[0].job.id, person.id);
    assert_eq!(refreshed.touched[0].changes, None);
    assert_eq!(
        (refreshed.jobs.created.len(), refreshed.jobs.retired.len()),
        (1, 1)
    );
    let report = run(&world, &workspace, &person.id);
    let failure = report.failure.unwrap().to_string();
    assert!(failure.contains("the source of the job is gone"));

    let workspace = shown(
        &world,
        &[
            ("Contact", &["Email", "Phone"]),
            ("Account", &["Domain", "Name"]),
        ],
    );
    let jobs = refresh(&world, &workspace, &id);
    assert_eq!((jobs.revived.len(), jobs.created.len()), (1, 0));
    let person = list(&world, &workspace).remove(1);
    assert!(!person.retired);
    // The field that is new is none of its business.
    assert_eq!(
        run(&world, &workspace, &person.id).outcome,
        Outcome::Success
    );
}

#[test]
fn a_removed_field_is_reported_before_the_job_runs() {
    let world = World::new();
    let workspace = world.workspace();
    let id = world.create(&workspace, "our crm", "crm").id;
    world.authorize(&workspace, &id).unwrap();
    let person = list(&world, &workspace).remove(1);
    let workspace = shown(
        &world,
        &[("Contact", &["Email"]), ("Account", &["Domain", "Name"])],
    );
    let touched = world
        .run(workspace.connections().refresh(world.context(), &id))
        .unwrap()
        .touched;
    assert_eq!(touched.len(), 1);
    assert_eq!(touched[0].job.id, person.id);
    let changes = touched[0].changes.as_ref().unwrap();
    assert!(matches!(&changes[0], Change::Removed { field } if field.name == "Phone"));
    // And the run itself reads nothing.
    let report = workspace.jobs().run(
        world.context(),
        &person.id,
        RunRequest::new(Arc::new(MemoryRejects::new())),
    );
    let failure = world.run(report).unwrap_err();
    assert_eq!(failure.kind(), ErrorKind::Drifted);
}

#[test]
fn two_who_edit_at_once_do_not_overwrite_each_other() {
    let world = World::new();
    let workspace = world.workspace();
    let id = world.create(&workspace, "our crm", "crm").id;
    world.authorize(&workspace, &id).unwrap();
    let job = list(&world, &workspace).remove(1);
    let edit = |name: &str| {
        let mut spec = job.spec.clone();
        spec.name = name.into();
        world.run(
            workspace
                .jobs()
                .edit(world.context(), &job.id, &job.edition, spec),
        )
    };
    let first = edit("mine").unwrap();
    assert_eq!(edit("yours").unwrap_err().kind(), ErrorKind::Conflict);
    assert_ne!(first.edition, job.edition);
    assert_eq!(names(&world, &workspace), ["Company Sync_our crm", "mine"]);
    // No edition is left that does not count.
    let editions = world
        .saved("acme")
        .into_iter()
        .filter(|path| path.contains("/job/"));
    assert_eq!(editions.count(), 2);
}

#[test]
fn a_job_keeps_its_place_when_it_is_renamed() {
    let world = World::new();
    let object = |rows: &[(&str, i64)]| -> MemoryConnection {
        let mut all = fields(&["Email", "Phone"]);
        all.push(Field::new("Changed", FieldType::Integer));
        let spec = ObjectSpec::new("Contact", Identity::Generated, all.clone());
        let system = MemoryConnection::new("crm").with_object(&spec).unwrap();
        let mut builder = RecordBuilder::new(&Schema::new(all));
        for (email, changed) in rows {
            builder
                .push(&json!({"Email": email, "Changed": changed}))
                .unwrap();
        }
        let contact = system.object("Contact").unwrap();
        contact.insert(builder.finish().unwrap()).unwrap();
        system
    };
    let state = || Arc::new(world.state.clone());
    let workspace = world.workspace_of("acme", state(), &object(&[("a@x.example", 1)]));
    let mut spec = contacts("my contacts");
    let id = world.create(&workspace, "files", "open").id;
    spec.dataset.connection = Some("files".into());
    spec.dataset.sync = SyncMode::Incremental(Incremental::new("Changed").with_key(["Email"]));
    let view = world
        .run(workspace.jobs().create(world.context(), spec))
        .unwrap();
    let first = run(&world, &workspace, &view.id);
    assert_eq!((first.outcome, first.records), (Outcome::Success, 1));
    let mut renamed = view.spec.clone();
    renamed.name = "contacts of ours".into();
    let edited = workspace
        .jobs()
        .edit(world.context(), &view.id, &view.edition, renamed);
    world.run(edited).unwrap();
    world
        .run(
            workspace
                .connections()
                .rename(world.context(), &id, "their files"),
        )
        .unwrap();
    // It goes on from where it was.
    let rows = [("a@x.example", 1), ("b@x.example", 2)];
    let workspace = world.workspace_of("acme", state(), &object(&rows));
    let view = world
        .run(workspace.jobs().get(world.context(), &view.id))
        .unwrap();
    assert_eq!(view.spec.dataset.connection.as_deref(), Some("their files"));
    let report = run(&world, &workspace, &view.id);
    assert_eq!(report.job, "contacts of ours");
    let window = report.window.unwrap();
    assert_eq!((window.known, report.destinations[0].inserted), (1, 1));
}

#[test]
fn all_that_is_wrong_with_a_job_is_told_when_it_is_made() {
    let world = World::new();
    let workspace = world.workspace();
    let create = |spec| world.run(workspace.jobs().create(world.context(), spec));
    let mut wrong = job("", "Contact", "people", &[("email", "Email")]);
    wrong.dataset.version = 2;
    wrong.objects.push(ObjectSpec::new(
        "person",
        Identity::Generated,
        fields(&["email", "age"]),
    ));
    let error = create(wrong).unwrap_err();
    let paths: Vec<&str> = error.problems().iter().map(|p| p.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "name",
            "dataset.version",
            "destinations[0].object",
            "objects[0].fields[1]"
        ]
    );
    let mut nowhere = contacts("x");
    nowhere.dataset.connection = Some("none".into());
    assert_eq!(
        create(nowhere).unwrap_err().problems()[0].path,
        "dataset.connection"
    );
    assert_eq!(
        world.saved("acme").len(),
        0,
        "nothing is left of what was refused"
    );

    // What needs the source is told when it is validated.
    let id = world.create(&workspace, "files", "open").id;
    let mut spec = contacts("x");
    spec.dataset.connection = Some("files".into());
    world
        .run(workspace.jobs().validate(world.context(), &spec))
        .unwrap();
    spec.destinations[0]
        .mapping
        .fields
        .push(FieldMapping::direct("phone", "Fax"));
    spec.destinations[0].mode = WriteMode::upsert(["email"]);
    let error = world
        .run(workspace.jobs().validate(world.context(), &spec))
        .unwrap_err();
    assert!(!error.problems().is_empty(), "{error}");
    assert_eq!(
        world
            .run(workspace.jobs().list(world.context()))
            .unwrap()
            .len(),
        0
    );
    let _ = (id, crm());
}

#[test]
fn a_disabled_job_does_not_run() {
    let world = World::new();
    let workspace = world.workspace();
    world.create(&workspace, "files", "open");
    let mut spec = contacts("x");
    spec.dataset.connection = Some("files".into());
    let view = world
        .run(workspace.jobs().create(world.context(), spec))
        .unwrap();
    world
        .run(workspace.jobs().disable(world.context(), &view.id))
        .unwrap();
    let report = run(&world, &workspace, &view.id);
    assert_eq!(report.outcome, Outcome::Failed);
    assert!(report.failure.unwrap().to_string().contains("enable it"));
    world
        .run(workspace.jobs().enable(world.context(), &view.id))
        .unwrap();
    assert_eq!(run(&world, &workspace, &view.id).outcome, Outcome::Success);
}

/// A connector of a place for files.
#[derive(Debug)]
struct Bucket(ConnectorInfo, MemoryFiles);

#[async_trait::async_trait]
impl Connector for Bucket {
    fn info(&self) -> &ConnectorInfo {
        &self.0
    }

    async fn connect(&self, _: &Context, request: ConnectRequest) -> Result<Arc<dyn Connection>> {
        let info = ConnectionInfo::new(request.name).with_files(Arc::new(self.1.clone()));
        Ok(Arc::new(InBucket(info)))
    }
}

#[derive(Debug)]
struct InBucket(ConnectionInfo);

#[async_trait::async_trait]
impl Connection for InBucket {
    fn info(&self) -> &ConnectionInfo {
        &self.0
    }

    async fn discover(&self, _: &Context) -> Result<Catalog> {
        Ok(Catalog::default())
    }

    async fn dataset(&self, _: &Context, _: &str) -> Result<Arc<dyn Dataset>> {
        Err(Error::new(ErrorKind::NotFound, "a bucket has files only"))
    }

    async fn destination(&self, _: &Context, _: &str) -> Result<Arc<dyn Destination>> {
        Err(Error::new(ErrorKind::NotFound, "a bucket has files only"))
    }
}

#[test]
fn a_job_reads_a_file_of_its_connection_or_of_the_host() {
    let world = World::new();
    let [theirs, ours] =
        ["email\na@x.example\nb@x.example\n", "email\nc@x.example\n"].map(|text| {
            let files = MemoryFiles::new();
            files.insert("people.csv", text);
            files
        });
    let info = ConnectorInfo::new("bucket", "Bucket", ConnectorCategory::File);
    let registry = Registry::new()
        .with(Arc::new(Bucket(info, theirs)))
        .unwrap();
    let config = WorkspaceConfig::new(
        Tenant::new("acme").unwrap(),
        Arc::new(world.state.clone()),
        Arc::new(world.cipher.clone()),
        Arc::new(world.server.transport()),
        Arc::new(home()),
    );
    let config = config.with_registry(Arc::new(registry));
    let without = Workspace::new(config.clone());
    let workspace = Workspace::new(config.with_files(Arc::new(ours)));
    world.create(&workspace, "our bucket", "bucket");
    let spec = |name: &str, connection: Option<&str>| -> JobSpec {
        let mut spec = job(name, "", "person", &[("email", "email")]);
        let file =
            json!({"file": {"name": "people.csv", "columns": [{"name": "email", "type": "text"}]}});
        spec.dataset.source = serde_json::from_value(file).unwrap();
        spec.dataset.connection = connection.map(Into::into);
        spec
    };
    let made = |spec| {
        world
            .run(workspace.jobs().create(world.context(), spec))
            .unwrap()
    };
    let of_theirs = made(spec("theirs", Some("our bucket")));
    let of_ours = made(spec("ours", None));
    assert_eq!(run(&world, &workspace, &of_theirs.id).records, 2);
    assert_eq!(run(&world, &workspace, &of_ours.id).records, 1);
    let failure = run(&world, &without, &of_ours.id).failure.unwrap();
    assert_eq!(failure.problems()[0].path, "dataset.connection");
}

#[test]
fn schedules_that_mind_holidays_need_the_calendar_of_the_host() {
    #[derive(Debug)]
    struct NewYear;

    impl Holidays for NewYear {
        fn is_holiday(&self, day: NaiveDate) -> bool {
            (day.month(), day.day()) == (1, 1)
        }
    }

    let world = World::new();
    let schedule = "every day at 06:30; skip holidays".parse().unwrap();
    let settings = RunSettings::new(schedule);
    let spec = || contacts("a").with_settings(settings.clone());
    let workspace = world.workspace();
    let refused = workspace.jobs().create(world.context(), spec());
    let refused = world.run(refused).unwrap_err();
    assert!(refused.problems()[0].path.starts_with("settings.schedule"));
    let (_, config) = world.with_secrets(OAuthClient::new("client"), MemoryNotifications::new());
    let workspace = Workspace::new(config.with_holidays(Arc::new(NewYear)));
    let created = workspace.jobs().create(world.context(), spec());
    let id = world.run(created).unwrap().id;
    let links = super::chains::links(&["a"]);
    let chain = ChainSpec::new("x", links).with_settings(settings.clone());
    super::chains::create(&world, &workspace, chain);
    // The chain at rest, the job has its own schedule.
    let chains = world.run(workspace.chains().list(world.context())).unwrap();
    let rests = workspace.chains().disable(world.context(), &chains[0].id);
    world.run(rests).unwrap();
    let all = JobQuery::new();
    let rows = world.run(workspace.jobs().rows(world.context(), &all));
    let rows = rows.unwrap();
    assert!(rows[0].next_at.is_some() && rows[0].id == id);
    // They move.
    let document = world.run(workspace.export(world.context())).unwrap();
    let import = |to: &Workspace| {
        let request = ImportRequest::new();
        world.run(to.import(world.context(), &document, &request))
    };
    assert!(import(&workspace).is_ok());
    let without = world.workspace_of("other", Arc::new(world.state.clone()), &crm());
    assert_eq!(import(&without).unwrap_err().kind(), ErrorKind::Invalid);
}
