//! Who hears of what.

use std::sync::{Arc, Mutex};

use futures::future::join_all;
use syncline::host::{
    Event, Expected, NoticeItem, NoticeKind as Kind, NoticeSubject, Notifications, Observer,
    StateKey, StateKind, StateStore,
};
use syncline::job::{Outcome, RunRequest};
use syncline::memory::{MemoryConnection, MemoryNotifications, MemoryRejects};
use syncline::record::RecordBuilder;
use syncline::schedule::CompiledSchedule;
use syncline::scheduler::{RunLimits, Scheduler, SchedulerConfig, Timetables};
use syncline::spec::{
    ChainSpec, Ended, JobSpec, LinkSpec, NotifySpec, RunCondition, RunRetry, RunSettings,
};
use syncline::workspace::{
    AuditQuery, ChainRequest, Delivered, NoticePolicy, RunQuery, Workspace, WorkspaceConfig,
    Workspaces,
};
use syncline::{ErrorKind, Result, Tenant};

use super::super::server::World;
use super::{contacts, crm, fields, home, registry};

const ALL: [&str; 4] = ["success@x", "partial@x", "failure@x", "changes@x"];

fn notify() -> NotifySpec {
    let [success, partial, failure, changes] = ALL;
    NotifySpec::default()
        .on_success([success])
        .on_partial_success([partial])
        .on_failure([failure])
        .on_changes([changes])
}

fn settings() -> RunSettings {
    RunSettings::default().with_notify(notify())
}

/// What a job reads: an address each, or none.
fn insert(system: &MemoryConnection, emails: &[Option<&str>]) {
    let schema = syncline::record::Schema::new(fields(&["Email", "Phone"]));
    let mut rows = RecordBuilder::new(&schema);
    for email in emails {
        rows.push(&serde_json::json!({"Email": email})).unwrap();
    }
    let object = system.object("Contact").unwrap();
    object.insert(rows.finish().unwrap()).unwrap();
}

/// A tenant whose people are told.
struct Told {
    world: World,
    system: MemoryConnection,
    mail: MemoryNotifications,
    policy: NoticePolicy,
}

impl Told {
    fn new() -> Self {
        Told {
            world: World::new(),
            system: crm(),
            mail: MemoryNotifications::new(),
            policy: NoticePolicy::default(),
        }
    }

    fn workspace(&self) -> Workspace {
        let mail = Arc::new(self.mail.clone());
        self.workspace_on(Arc::new(self.world.state.clone()), mail)
    }

    fn workspace_on(&self, state: Arc<dyn StateStore>, mail: Arc<dyn Notifications>) -> Workspace {
        let world = &self.world;
        let config = WorkspaceConfig::new(
            Tenant::new("acme").unwrap(),
            state,
            Arc::new(world.cipher.clone()),
            Arc::new(world.server.transport()),
            Arc::new(home()),
        );
        let config = config
            .with_registry(Arc::new(registry(&self.system, &world.lent)))
            .with_notifications(mail)
            .with_notice_policy(self.policy.clone());
        Workspace::new(config)
    }

    fn create(&self, workspace: &Workspace, name: &str, settings: RunSettings) -> String {
        let context = self.world.context();
        let all = self.world.run(workspace.connections().list(context));
        if all.unwrap().is_empty() {
            self.world.create(workspace, "files", "open");
        }
        let made = workspace.jobs().create(context, spec(name, settings));
        self.world.run(made).unwrap().id
    }

    fn run(&self, workspace: &Workspace, job: &str, request: RunRequest) -> Outcome {
        let ran = workspace.jobs().run(self.world.context(), job, request);
        self.world.run(ran).unwrap().outcome
    }

    fn deliver(&self, workspace: &Workspace) -> Delivered {
        let delivered = workspace.notices().deliver(self.world.context());
        self.world.run(delivered).unwrap()
    }

    /// All that an address was told.
    fn items(&self, address: &str) -> Vec<NoticeItem> {
        let notices = self.mail.shown(address).into_iter();
        notices.flat_map(|notice| notice.items).collect()
    }

    fn subjects(&self, address: &str) -> Vec<String> {
        let notices = self.mail.shown(address).into_iter();
        notices.map(|notice| notice.subject).collect()
    }
}

fn spec(name: &str, settings: RunSettings) -> JobSpec {
    let mut spec = contacts(name).with_settings(settings);
    spec.dataset.connection = Some("files".into());
    spec
}

fn request() -> RunRequest {
    RunRequest::new(Arc::new(MemoryRejects::new()))
}

#[test]
fn each_end_of_a_run_is_told_to_its_list() {
    let told = Told::new();
    let workspace = told.workspace();
    let job = told.create(&workspace, "people", settings());
    let heard = || ALL.map(|address| told.subjects(address).len());
    assert_eq!(heard(), [0, 0, 0, 1], "it was made");
    assert_eq!(told.run(&workspace, &job, request()), Outcome::Success);
    assert_eq!(told.subjects(ALL[0]), ["people succeeded"]);

    insert(&told.system, &[Some("ada@example.com"), None]);
    let outcome = told.run(&workspace, &job, request());
    assert_eq!(outcome, Outcome::PartialSuccess);
    let partial = &told.items(ALL[1])[0];
    assert_eq!(
        (partial.kind, partial.what),
        (Kind::PartialSuccess, NoticeSubject::Job)
    );
    assert_eq!((&partial.subject, partial.name.as_str()), (&job, "people"));
    assert_eq!(partial.why.as_deref(), Some("1 of 2 records were refused"));
    assert_eq!(partial.cause.as_deref(), Some("rejected"));
    let counts = &partial.counts[0];
    assert_eq!(
        (counts.object.as_str(), counts.records["read"]),
        ("person", 2)
    );
    assert_eq!(
        (counts.records["inserted"], counts.records["rejected"]),
        (1, 1)
    );
    assert_eq!(counts.rejects.values().sum::<u64>(), 1);
    // The run is found by what they are told.
    let activity = workspace.activity();
    let run = activity.run(told.world.context(), partial.run.as_deref().unwrap());
    assert_eq!(told.world.run(run).unwrap().rejected(), 1);

    let context = told.world.context();
    told.world
        .run(workspace.jobs().disable(context, &job))
        .unwrap();
    assert_eq!(told.run(&workspace, &job, request()), Outcome::Failed);
    let failure = &told.items(ALL[2])[0];
    assert_eq!(failure.cause.as_deref(), Some("invalid"));
    assert!(
        failure
            .why
            .as_ref()
            .unwrap()
            .contains("the job is disabled; enable it first")
    );
    assert!(
        failure
            .what_to_do
            .as_ref()
            .unwrap()
            .starts_with("Correct the job")
    );
    let notice = &told.mail.shown(ALL[2])[0];
    assert!(notice.text.contains("enable it first") && notice.html.contains("enable it first"));
    assert_eq!(heard(), [1, 1, 1, 2]);

    // What somebody tries out is not told.
    told.run(&workspace, &job, request().with_dry_run(true));
    assert_eq!(heard(), [1, 1, 1, 2]);
}

#[test]
fn nobody_is_told_where_the_host_delivers_nothing() {
    let told = Told::new();
    let workspace = told.world.workspace();
    let job = told.create(&workspace, "people", settings());
    assert_eq!(told.run(&workspace, &job, request()), Outcome::Success);
    assert_eq!(told.deliver(&workspace), Delivered::default());
    let acme = Tenant::new("acme").unwrap();
    let kept = told.world.state.list(&acme, StateKind::Notice, None, 9);
    assert_eq!(told.world.run(kept).unwrap(), []);
}

#[test]
fn a_run_that_did_too_little_is_told_as_what_it_counts_as() {
    let told = Told::new();
    let workspace = told.workspace();
    let ended = |condition| settings().with_success(condition);
    let asks = RunCondition::default().with_records(1);
    let job = told.create(&workspace, "asks", ended(asks));
    assert_eq!(told.run(&workspace, &job, request()), Outcome::Success);
    let failure = &told.items(ALL[2])[0];
    let why = "it read 0 records, which is not what its settings ask of a run";
    assert_eq!(failure.why.as_deref(), Some(why));
    assert_eq!(failure.cause.as_deref(), Some("criteria"));
    // The history says it too.
    let context = told.world.context();
    let runs = workspace
        .activity()
        .runs(context, &RunQuery::new())
        .await_in(&told);
    assert_eq!(runs.runs[0].lacks.as_deref(), Some("read 0 records"));

    insert(&told.system, &[None]);
    let job = told.create(
        &workspace,
        "anyhow",
        ended(RunCondition::new(Ended::Anyhow)),
    );
    assert_eq!(told.run(&workspace, &job, request()), Outcome::Failed);
    assert_eq!(told.subjects(ALL[1]), ["anyhow succeeded in part"]);
    assert_eq!(told.items(ALL[0]), []);
}

/// Lets a call come to its end.
trait AwaitIn<T> {
    fn await_in(self, told: &Told) -> T;
}

impl<T, F: Future<Output = Result<T>>> AwaitIn<T> for F {
    fn await_in(self, told: &Told) -> T {
        told.world.run(self).unwrap()
    }
}

#[test]
fn a_chain_tells_its_lists_and_each_link_its_own() {
    let told = Told::new();
    let workspace = told.workspace();
    let context = told.world.context();
    let of_job = |address: &str| {
        let notify = NotifySpec::default()
            .on_success([address])
            .on_failure([address]);
        RunSettings::default().with_notify(notify)
    };
    for name in ["a", "b"] {
        told.create(&workspace, name, of_job(&format!("{name}@x")));
    }
    let second = workspace.jobs().list(context).await_in(&told)[1].id.clone();
    let links = vec![LinkSpec::new("a"), LinkSpec::new("b")];
    let chain = ChainSpec::new("nightly", links).with_settings(settings());
    let chain = workspace.chains().create(context, chain).await_in(&told).id;
    let run = |name: &str| {
        let request = ChainRequest::new(|_| request()).with_run(name);
        workspace
            .chains()
            .run(context, &chain, request)
            .await_in(&told)
            .outcome
    };
    assert_eq!(run("1"), Outcome::Success);
    for address in ["a@x", "b@x", ALL[0]] {
        assert_eq!(told.items(address).len(), 1, "{address}");
    }
    // One that is told again, since it came to its end, is no news.
    assert_eq!(run("1"), Outcome::Success);
    assert_eq!(told.items(ALL[0]).len(), 1);
    workspace.jobs().disable(context, &second).await_in(&told);
    assert_eq!(run("2"), Outcome::Failed);
    assert_eq!(told.subjects("a@x"), ["a succeeded", "a succeeded"]);
    assert_eq!(told.subjects("b@x"), ["b succeeded", "b failed"]);
    let failure = &told.items(ALL[2])[0];
    assert_eq!(
        (failure.what, failure.run.as_deref()),
        (NoticeSubject::Chain, Some("2"))
    );
    let why = failure.why.as_ref().unwrap();
    assert!(
        why.starts_with("`b` failed: ") && why.contains("enable it first"),
        "{why}"
    );
    assert_eq!(failure.cause.as_deref(), Some("invalid"));
    // It goes on at the failed link, which fails as it did: they know.
    assert_eq!(run("2"), Outcome::Failed);
    assert_eq!((told.items("b@x").len(), told.items(ALL[2]).len()), (2, 1));
    workspace.jobs().enable(context, &second).await_in(&told);
    assert_eq!(run("2"), Outcome::Success);
    assert_eq!(told.subjects("b@x")[2], "b succeeded");
    assert_eq!(told.items("a@x").len(), 2, "it did not run again");
    assert_eq!(told.items(ALL[0]).len(), 2);
    // A chain that rests has failed, and says why.
    workspace.chains().disable(context, &chain).await_in(&told);
    assert_eq!(run("3"), Outcome::Failed);
    let failure = told.items(ALL[2]).pop().unwrap();
    assert!(failure.why.unwrap().contains("the chain is disabled"));
}

#[test]
fn changes_are_told_to_those_who_were_to_hear_of_them_and_those_who_are() {
    let told = Told::new();
    let workspace = told.workspace();
    let context = told.world.context().clone().with_actor("ada");
    told.create(&workspace, "others", RunSettings::default());
    let to = |addresses: &[&str]| {
        let notify = NotifySpec::default().on_changes(addresses.iter().copied());
        RunSettings::default().with_notify(notify)
    };
    let jobs = workspace.jobs();
    let made = jobs
        .create(&context, spec("people", to(&["old@x", "both@x"])))
        .await_in(&told);
    told.world.later(1);
    let mut edited = spec("people", to(&["new@x", "both@x"]));
    edited.settings.timeout = Some(60);
    edited.destinations[0].mapping.fields.pop();
    jobs.edit(&context, &made.id, &made.edition, edited.clone())
        .await_in(&told);
    told.world.later(1);
    jobs.disable(&context, &made.id).await_in(&told);
    told.world.later(1);
    let now = jobs.get(&context, &made.id).await_in(&told);
    edited.name = "persons".into();
    jobs.edit(&context, &made.id, &now.edition, edited)
        .await_in(&told);
    told.world.later(1);
    jobs.delete(&context, &made.id).await_in(&told);
    let heard = |address: &str| -> Vec<(String, Option<String>)> {
        let items = told.items(address).into_iter();
        items.map(|item| (item.cause.unwrap(), item.why)).collect()
    };
    let word = |text: &str, why: Option<&str>| (text.to_owned(), why.map(str::to_owned));
    let change = "changed: destinations, settings.notify, settings.timeout";
    let create = word("create", None);
    let change = word("change", Some(change));
    let rest = [
        word("disable", None),
        word("rename", Some("it was called `people`")),
        word("delete", None),
    ];
    assert_eq!(heard("old@x"), [create.clone(), change.clone()]);
    let both: Vec<_> = [create, change.clone()]
        .into_iter()
        .chain(rest.clone())
        .collect();
    assert_eq!(heard("both@x"), both);
    let new: Vec<_> = [change].into_iter().chain(rest).collect();
    assert_eq!(heard("new@x"), new);
    let items = told.items("both@x");
    assert!(
        items
            .iter()
            .all(|item| item.actor.as_deref() == Some("ada"))
    );
    assert!(items.iter().all(|item| item.subject == made.id));
    // All was told at once, and whoever looks later tells nothing again.
    workspace
        .activity()
        .audit(&context, &AuditQuery::new())
        .await_in(&told);
    told.deliver(&workspace);
    assert_eq!(told.items("both@x").len(), 5);
}

#[test]
fn what_is_too_much_for_an_hour_comes_together() {
    let mut told = Told::new();
    told.policy = NoticePolicy::default().with_per_hour(2);
    let workspace = told.workspace();
    let jobs: Vec<String> = (0..5)
        .map(|n| told.create(&workspace, &format!("job {n}"), settings()))
        .collect();
    assert_eq!(told.mail.shown(ALL[3]).len(), 2);
    for job in &jobs {
        told.run(&workspace, job, request());
    }
    assert_eq!(
        told.subjects(ALL[0]),
        ["job 0 succeeded", "job 1 succeeded"]
    );
    let view = &workspace
        .notices()
        .mailboxes(told.world.context())
        .await_in(&told);
    let view = view.iter().find(|view| view.address == ALL[0]).unwrap();
    assert_eq!((view.waiting, view.given_up), (3, 0));
    let delivered = told.deliver(&workspace);
    assert_eq!((delivered.sent, delivered.waiting), (0, 6));
    let next = delivered.next.unwrap() - told.world.context().clock().now();
    assert!((3_500..=3_600).contains(&next.num_seconds()), "{next}");
    told.world.later(next.num_seconds() + 1);
    let delivered = told.deliver(&workspace);
    assert_eq!(
        (delivered.sent, delivered.waiting, delivered.next),
        (2, 0, None)
    );
    assert_eq!(told.subjects(ALL[0])[2], "3 successes");
    assert_eq!(told.subjects(ALL[3])[2], "3 changes");
}

#[test]
fn a_digest_is_one_notice_of_all_that_happened() {
    let mut told = Told::new();
    let mornings = CompiledSchedule::new(&"every day at 08:00".parse().unwrap()).unwrap();
    told.policy = NoticePolicy::default().with_digest(mornings);
    let workspace = told.workspace();
    let all = NotifySpec::default()
        .on_success(["ada@x"])
        .on_failure(["ada@x"]);
    let settings = RunSettings::default().with_notify(all);
    let jobs = ["one", "two"].map(|name| told.create(&workspace, name, settings.clone()));
    let context = told.world.context();
    for hour in 0..8 {
        told.run(&workspace, &jobs[0], request());
        if hour == 3 {
            workspace.jobs().disable(context, &jobs[1]).await_in(&told);
            told.run(&workspace, &jobs[1], request());
        }
        assert_eq!(told.deliver(&workspace).sent, 0, "{hour}");
        told.world.later(3_600);
    }
    assert_eq!(told.deliver(&workspace).sent, 1);
    let notices = told.mail.shown("ada@x");
    assert_eq!(notices.len(), 1);
    assert_eq!(notices[0].subject, "1 failure, 8 successes");
    let names: Vec<&str> = notices[0]
        .items
        .iter()
        .map(|item| item.name.as_str())
        .collect();
    assert_eq!(names, ["two", "one"]);
    assert_eq!(notices[0].items[1].times, 8);
}

#[derive(Debug, Default)]
struct Heard(Mutex<Vec<String>>);

impl Observer for Heard {
    fn observe(&self, event: &Event<'_>) {
        if let Event::NotTold { .. } | Event::NotKept { .. } = event {
            let text = serde_json::to_string(event).unwrap();
            self.0.lock().unwrap().push(text);
        }
    }
}

#[test]
fn a_dead_address_keeps_nobody_else_from_hearing() {
    let mut told = Told::new();
    told.mail = MemoryNotifications::new().with_dead_address("gone@x");
    let workspace = told.workspace();
    let notify = NotifySpec::default().on_success(["gone@x", "here@x"]);
    let job = told.create(
        &workspace,
        "people",
        RunSettings::default().with_notify(notify),
    );
    let heard = Arc::new(Heard::default());
    let context = told.world.context().clone().with_observer(heard.clone());
    for _ in 0..2 {
        workspace
            .jobs()
            .run(&context, &job, request())
            .await_in(&told);
    }
    assert_eq!(told.items("here@x").len(), 2);
    let event = r#"{"event":"not_told","items":1,"tries":1,"kind":"not_found"}"#;
    assert_eq!(*heard.0.lock().unwrap(), [event; 2]);
    let views = workspace.notices().mailboxes(&context).await_in(&told);
    let views: Vec<_> = views
        .iter()
        .map(|view| (view.address.as_str(), view.given_up))
        .collect();
    assert_eq!(views, [("gone@x", 2), ("here@x", 0)]);
    assert!(!heard.0.lock().unwrap().concat().contains("gone@x"));
}

#[test]
fn a_mailbox_that_cannot_be_read_is_in_nobodys_way() {
    let told = Told::new();
    let workspace = told.workspace();
    let job = told.create(&workspace, "people", settings());
    let acme = Tenant::new("acme").unwrap();
    let keys = told
        .world
        .state
        .list(&acme, StateKind::Notice, None, 9)
        .await_in(&told);
    assert_eq!(keys.len(), 1);
    let damage = |key: &StateKey| {
        let stored = told.world.state.get(key).await_in(&told).unwrap();
        let expected = Expected::Version(stored.version);
        let put = told.world.state.put(key, "damaged".into(), expected);
        assert!(matches!(put.await_in(&told), syncline::host::Swap::Done(_)));
    };
    damage(&keys[0]);
    let heard = Arc::new(Heard::default());
    let context = told.world.context().clone().with_observer(heard.clone());
    // It can be changed all the same, and what its run came to is told.
    workspace.jobs().disable(&context, &job).await_in(&told);
    workspace.jobs().enable(&context, &job).await_in(&told);
    workspace
        .jobs()
        .run(&context, &job, request())
        .await_in(&told);
    assert_eq!(told.items(ALL[0]).len(), 1);
    let heard = heard.0.lock().unwrap();
    assert!(
        heard
            .iter()
            .all(|event| event.contains(r#""what":"notice","kind":"corrupt_state""#))
    );
    assert!(heard.len() >= 2, "{heard:?}");
    let error = told.world.run(workspace.notices().deliver(&context));
    assert_eq!(error.unwrap_err().kind(), ErrorKind::CorruptState);
}

/// A host with a scheduler.
struct Scheduled {
    told: Told,
    workspace: Workspace,
    timetables: Timetables,
    scheduler: Scheduler,
}

impl Scheduled {
    fn new(told: Told) -> Self {
        let workspace = told.workspace();
        let host = Tenant::new("host").unwrap();
        let timetables = Timetables::new(host, Arc::new(told.world.state.clone()));
        let mine = workspace.clone();
        let workspaces = Workspaces::new(move |_| Ok(mine.clone()), |_, _| request());
        let config = SchedulerConfig::new("machine", timetables.clone(), Arc::new(workspaces));
        let scheduler = Scheduler::new(config.with_limits(RunLimits::default()));
        Scheduled {
            told,
            workspace,
            timetables,
            scheduler,
        }
    }

    fn put(&self) {
        let context = self.told.world.context();
        let mine = self.workspace.clone();
        let workspaces = Workspaces::new(move |_| Ok(mine.clone()), |_, _| request());
        let acme = Tenant::new("acme").unwrap();
        workspaces
            .put_all(context, &self.timetables, &acme)
            .await_in(&self.told);
    }

    /// Lets some minutes pass, and what is due come to its end.
    fn minutes(&mut self, minutes: u32) {
        for _ in 0..minutes {
            self.told.world.later(60);
            let tick = self.scheduler.tick(self.told.world.context());
            let tick = self.told.world.clock.drive(tick).unwrap().unwrap();
            assert!(tick.problems.is_empty(), "{:?}", tick.problems);
            self.told.world.run(join_all(tick.started));
        }
    }
}

#[test]
fn a_scheduled_run_is_told_when_it_is_not_tried_again() {
    let hourly = RunSettings::new("every hour".parse().unwrap());
    let settings = hourly.with_notify(notify()).with_retry(RunRetry::times(2));
    let mut host = Scheduled::new(Told::new());
    host.told.create(&host.workspace, "people", settings);
    host.put();
    insert(&host.told.system, &[Some("ada@example.com")]);
    let connections = host.workspace.connections();
    let context = host.told.world.context();
    let files = connections.list(context).await_in(&host.told)[0].id.clone();
    connections.disable(context, &files).await_in(&host.told);
    // Due at 01:00, again at 01:01 and 01:03.
    host.minutes(62);
    assert_eq!(host.told.items(ALL[2]), []);
    host.minutes(4);
    let failures = host.told.items(ALL[2]);
    assert_eq!((failures.len(), failures[0].times), (1, 1));
    assert!(failures[0].why.is_some() && failures[0].cause.is_some());
    // At 02:00 it fails twice more, and then its connection is there.
    host.minutes(56);
    let connections = host.workspace.connections();
    let context = host.told.world.context();
    connections.enable(context, &files).await_in(&host.told);
    host.minutes(8);
    assert_eq!(host.told.items(ALL[2]).len(), 1);
    assert_eq!(host.told.subjects(ALL[0]), ["people succeeded"]);
    let counts = &host.told.items(ALL[0])[0].counts[0];
    assert_eq!(counts.records["inserted"], 1);
    // When it fails again that is news, since it succeeded in between.
    let connections = host.workspace.connections();
    let context = host.told.world.context();
    connections.disable(context, &files).await_in(&host.told);
    host.minutes(60);
    assert_eq!(host.told.items(ALL[2]).len(), 2);
}

#[test]
fn a_scheduled_chain_tells_its_end_once() {
    let mut host = Scheduled::new(Told::new());
    host.told
        .create(&host.workspace, "a", RunSettings::default());
    let hourly = RunSettings::new("every hour".parse().unwrap()).with_notify(notify());
    let chain = ChainSpec::new("nightly", vec![LinkSpec::new("a")]).with_settings(hourly);
    let context = host.told.world.context();
    host.workspace
        .chains()
        .create(context, chain)
        .await_in(&host.told);
    host.put();
    host.minutes(62);
    assert_eq!(host.told.subjects(ALL[0]), ["nightly succeeded"]);
    let jobs = host.workspace.jobs().list(host.told.world.context());
    let job = jobs.await_in(&host.told)[0].id.clone();
    let context = host.told.world.context();
    host.workspace
        .jobs()
        .disable(context, &job)
        .await_in(&host.told);
    host.minutes(180);
    // It fails each hour, and they know.
    assert_eq!(host.told.subjects(ALL[2]), ["nightly failed"]);
    let why = host.told.items(ALL[2])[0].why.clone().unwrap();
    assert!(
        why.contains("`a` failed") && why.contains("the job is disabled"),
        "{why}"
    );
    host.minutes(24 * 60);
    host.told.deliver(&host.workspace);
    let again = host.told.items(ALL[2]);
    assert_eq!(again.len(), 2);
    assert!(again[1].times > 20, "{}", again[1].times);
}

#[cfg(feature = "testing")]
mod faults {
    use std::collections::{BTreeMap, BTreeSet};

    use syncline::host::{Context, Notice};
    use syncline::scheduler::{JobProvider as _, JobRun, RunEnd, RunFate};
    use syncline::testing::{EffectKind, Effects, Fate, drive};

    use super::*;

    /// What must hold of all that was ever delivered: what has one id is one notice, and nobody is shown one thing in two.
    fn sound(mail: &MemoryNotifications, what: &str) {
        let mut seen: BTreeMap<String, Notice> = BTreeMap::new();
        for notice in mail.delivered() {
            let first = seen
                .entry(notice.id.clone())
                .or_insert_with(|| notice.clone());
            assert_eq!(*first, notice, "{what}");
        }
        let mut told = BTreeSet::new();
        for notice in seen.values() {
            for item in &notice.items {
                let told = told.insert((notice.to.clone(), item.id.clone()));
                assert!(told, "{what}: told twice: {item:?}");
            }
        }
    }

    /// A run of the schedule, as a scheduler makes it.
    async fn scheduled(
        workspace: &Workspace,
        context: &Context,
        job: &str,
        name: &str,
        begun: u32,
    ) -> Result<()> {
        let mine = workspace.clone();
        let workspaces = Workspaces::new(move |_| Ok(mine.clone()), |_, _| request());
        let due = "2025-01-31T00:00:00Z".parse().unwrap();
        let mut run = JobRun::new(workspace.tenant().clone(), job, name, due);
        run.begun = begun;
        let outcome = workspaces.run(context, &run).await?;
        workspaces
            .ended(context, &run, &RunEnd::new(RunFate::Ended(outcome)))
            .await
    }

    /// A failure, a change, and a success behind it.
    async fn steps(workspace: &Workspace, context: &Context, job: &str, begun: u32) -> Result<()> {
        scheduled(workspace, context, job, "asks", begun).await?;
        let jobs = workspace.jobs();
        let view = jobs.get(context, job).await?;
        if view.spec.settings.success.at_least > 0 {
            let mut spec = view.spec.clone();
            spec.settings.success.at_least = 0;
            jobs.edit(context, job, &view.edition, spec).await?;
        }
        Ok(())
    }

    async fn ends(workspace: &Workspace, context: &Context, job: &str, begun: u32) -> Result<()> {
        scheduled(workspace, context, job, "is content", begun).await
    }

    /// A workspace that has a job whose runs fail, since it asks for records that are not there.
    fn failing() -> (Told, String) {
        let told = Told::new();
        let asks = RunCondition::default().with_records(1);
        let job = told.create(&told.workspace(), "people", settings().with_success(asks));
        (told, job)
    }

    fn kinds(told: &Told, address: &str) -> Vec<(Kind, u64)> {
        let items = told.items(address).into_iter();
        items.map(|item| (item.kind, item.times)).collect()
    }

    #[test]
    fn a_process_dies_at_each_effect_and_all_is_told_once() {
        let mut died = BTreeMap::new();
        for fate in [Fate::CrashBefore, Fate::CrashAfter] {
            for at in 1.. {
                let what = format!("{fate:?} at {at}");
                let (told, job) = failing();
                let world = &told.world;
                let effects = Effects::scripted([(at, fate)]);
                let state = effects.state(Arc::new(world.state.clone()));
                let mail = effects.notifications(Arc::new(told.mail.clone()));
                let disturbed = told.workspace_on(state, mail);
                let work = async {
                    steps(&disturbed, world.context(), &job, 0).await?;
                    ends(&disturbed, world.context(), &job, 0).await
                };
                let ended = drive(&world.clock, &effects, work);
                let done = matches!(ended, syncline::testing::Ended::Done(Ok(())));
                if let Some(last) = effects.trace().last().filter(|_| effects.crashed()) {
                    *died.entry(last.kind).or_insert(0) += 1;
                }
                // Another scheduler goes on, when the lease of the dead one is over.
                let workspace = told.workspace();
                world.later(300);
                if !done {
                    // What was told by then is known: it makes all again.
                    let again = async {
                        let view = workspace.jobs().get(world.context(), &job).await?;
                        if view.spec.settings.success.at_least > 0 {
                            steps(&workspace, world.context(), &job, 1).await?;
                        }
                        ends(&workspace, world.context(), &job, 1).await
                    };
                    world.run(again).expect(&what);
                }
                for _ in 0..3 {
                    told.deliver(&workspace);
                    world.later(3_700);
                }
                assert_eq!(told.deliver(&workspace).waiting, 0, "{what}");
                sound(&told.mail, &what);
                assert_eq!(kinds(&told, ALL[0]), [(Kind::Success, 1)], "{what}");
                let failures = kinds(&told, ALL[2]);
                assert_eq!(failures.len(), 1, "{what}: {failures:?}");
                assert!(failures[0].1 <= 2, "{what}: {failures:?}");
                // Every change that there was.
                let query = AuditQuery::new();
                let audit = workspace
                    .activity()
                    .audit(world.context(), &query)
                    .await_in(&told);
                let changes = audit.entries.iter().filter(|entry| entry.subject == job);
                assert_eq!(kinds(&told, ALL[3]).len(), changes.count(), "{what}");
                if done && !effects.crashed() {
                    break;
                }
            }
        }
        for kind in [
            EffectKind::StateGet,
            EffectKind::StatePut,
            EffectKind::Deliver,
        ] {
            assert!(died.get(&kind).is_some_and(|died| *died >= 4), "{died:?}");
        }
    }

    #[test]
    fn an_answer_that_is_lost_or_late_tells_nobody_twice() {
        for fate in [
            Fate::FailAfter(true),
            Fate::Fail(true),
            Fate::HangAfter,
            Fate::Duplicate,
            Fate::Hold(std::time::Duration::from_secs(20)),
        ] {
            for nth in 1..4 {
                let what = format!("{fate:?} of delivery {nth}");
                let (told, job) = failing();
                let world = &told.world;
                let effects = Effects::new(move |effect| {
                    match effect.kind == EffectKind::Deliver && effect.nth == nth {
                        true => fate,
                        false => Fate::Proceed,
                    }
                })
                .with_clock(Arc::new(world.clock.clone()));
                let mail = effects.notifications(Arc::new(told.mail.clone()));
                let workspace = told.workspace_on(Arc::new(world.state.clone()), mail);
                world
                    .run(async {
                        steps(&workspace, world.context(), &job, 0).await?;
                        ends(&workspace, world.context(), &job, 0).await
                    })
                    .expect(&what);
                for _ in 0..3 {
                    told.deliver(&workspace);
                    world.later(120);
                }
                sound(&told.mail, &what);
                assert_eq!(kinds(&told, ALL[0]), [(Kind::Success, 1)], "{what}");
                assert_eq!(kinds(&told, ALL[2]), [(Kind::Failure, 1)], "{what}");
                assert_eq!(kinds(&told, ALL[3]).len(), 2, "{what}");
                assert_eq!(told.deliver(&workspace).waiting, 0, "{what}");
            }
        }
    }

    #[test]
    fn several_processes_deliver_at_once_and_each_notice_goes_out_once() {
        let mut told = Told::new();
        told.policy = NoticePolicy::default().with_per_hour(1);
        let workspace = told.workspace();
        for n in 0..6 {
            let addresses: Vec<String> = (0..5).map(|n| format!("{n}@x")).collect();
            let notify = NotifySpec::default().on_changes(addresses);
            let settings = RunSettings::default().with_notify(notify);
            told.create(&workspace, &format!("job {n}"), settings);
        }
        let before = told.mail.delivered().len();
        assert_eq!(before, 5);
        told.world.later(3_700);
        let state = || Arc::new(super::super::faults::Yielding(told.world.state.clone()));
        let many: Vec<Workspace> = (0..4)
            .map(|_| told.workspace_on(state(), Arc::new(told.mail.clone())))
            .collect();
        let deliver = many.iter().map(|workspace| async {
            workspace
                .notices()
                .deliver(told.world.context())
                .await
                .unwrap()
                .sent
        });
        let sent = told.world.run(join_all(deliver));
        assert_eq!(sent.iter().sum::<u32>(), 5, "{sent:?}");
        assert_eq!(told.mail.delivered().len(), 10);
        sound(&told.mail, "four at once");
        for n in 0..5 {
            assert_eq!(told.items(&format!("{n}@x")).len(), 6);
        }
    }
}
