//! No secret is anywhere but where it must be.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use syncline::authorization::{
    Authorization, BeginRequest, Callback, Credential, CredentialRecord, CredentialRequest, Grant,
    JwtSpec, KeyAuthorization, KeyMethod, RevokeMode, Signer,
};
use syncline::connector::{Config, ConnectRequest, OAuthClient};
use syncline::host::{Event, HttpRequest, HttpResponse, Observer, StateKind, StateStore as _};
use syncline::job::{Outcome, RedriveReport, RunReport, RunRequest};
use syncline::memory::{MemoryNotifications, MemoryRejects, MemoryTransport, RecordedTransport};
use syncline::scheduler::{RunEnd, RunFate, Scheduler, SchedulerConfig, Timetables};
use syncline::spec::{ChainSpec, ConnectionSpec, LinkSpec, NotifySpec, Org};
use syncline::workspace::{AuditQuery, ChainRequest, RunQuery, Workspaces};
use syncline::{Error, Result, Secret, Tenant};

use super::server::{Fault, World, spec};

/// All the ways in which a text may be seen.
fn shapes(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
    let list: Vec<String> = bytes.iter().map(u8::to_string).collect();
    let mut shapes = vec![
        secret.to_owned(),
        secret.chars().rev().collect(),
        hex.to_uppercase(),
        hex,
        percent.to_lowercase(),
        percent,
        list.join(","),
        list.join(", "),
        url::form_urlencoded::byte_serialize(bytes).collect(),
    ];
    // Behind other text base64 looks different: its inner part is the same for one of three offsets.
    for offset in 0..3 {
        let shifted = [&vec![b' '; offset], bytes].concat();
        for encoded in [STANDARD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)] {
            let inner = encoded.trim_end_matches('=');
            shapes.push(inner[4..inner.len() - 4].to_owned());
        }
    }
    shapes
}

fn scan(output: &str, secrets: &[String]) {
    for secret in secrets {
        for shape in shapes(secret) {
            assert!(!output.contains(&shape), "{shape} of {secret} in {output}");
        }
    }
}

/// Writes down all that an observer hears.
#[derive(Debug, Default)]
struct Heard(Mutex<String>);

impl Observer for Heard {
    fn observe(&self, event: &Event<'_>) {
        self.0.lock().unwrap().push_str(&format!("{event:?}"));
    }
}

/// What was shown, and of which types it was.
#[derive(Default)]
struct Shown {
    text: String,
    types: BTreeSet<String>,
}

impl Shown {
    /// Shows it in both ways of `Debug`. That its type was shown counts for the types that it is made of by name, such as both of a
    /// `Result`: but an error only where there is one.
    fn see<T: std::fmt::Debug>(&mut self, what: &T) {
        self.text.push_str(&format!("{what:?}\n{what:#?}\n"));
        let name = std::any::type_name::<T>();
        let words = name.split(|c: char| !c.is_alphanumeric() && c != '_');
        self.types.extend(words.map(str::to_owned));
    }

    /// An error, in all ways, with what is below it.
    fn fails(&mut self, error: &Error) {
        self.see(error);
        self.text.push_str(&format!("{error}\n{error:#}\n"));
        let mut below = std::error::Error::source(error);
        while let Some(source) = below {
            self.text.push_str(&format!("{source} {source:?}\n"));
            below = source.source();
        }
    }

    /// What came of a call.
    fn came<T: std::fmt::Debug>(&mut self, what: &Result<T>) {
        match what {
            Ok(what) => self.see(what),
            Err(error) => self.fails(error),
        }
    }
}

/// All that is to be seen of a whole life of a connection, with secrets that have this in them.
fn life(seed: &str) -> Shown {
    let world = World::new();
    world.server.books().seed = seed.into();
    let heard = Arc::new(Heard::default());
    let context = &world.context().clone().with_observer(heard.clone());
    let mut shown = Shown::default();
    let config = world.config(Grant::AuthorizationCode, Arc::new(world.state.clone()));
    shown.see(&config);
    let oauth = world.oauth(Grant::AuthorizationCode);
    shown.see(&oauth);
    shown.see(&oauth.info());
    let redirect = "https://host.example.com/callback".parse().unwrap();
    let request = BeginRequest::new(format!("session-{seed}"), redirect);
    shown.see(&request);
    shown.came(&world.run(oauth.begin(context, request)));
    let callback = world.consent(&oauth);
    shown.see(&callback);
    shown.came(&world.run(oauth.complete(context, callback.clone())));
    shown.came(&world.run(oauth.complete(context, callback)));
    let credential = world
        .run(oauth.credential(context, CredentialRequest::new()))
        .unwrap();
    shown.see(&credential);
    let request = credential
        .attach(HttpRequest::get(credential.url("/users").unwrap()))
        .unwrap();
    shown.see(&request);
    let elsewhere = format!("https://evil.example/?key={seed}").parse().unwrap();
    shown.came(&credential.attach(HttpRequest::get(elsewhere)));
    shown.came(&world.run(oauth.rejected(context, &credential)));
    shown.see(&HttpResponse::of(&request, 200, format!("token {seed}")));
    let store = world.store(Arc::new(world.state.clone()));
    shown.see(&store);
    shown.came(&world.run(store.load("crm")));
    for fault in [
        Fault::Answer(500, format!("token {seed}")),
        Fault::Answer(200, format!("{{\"access_token\": \"{seed}\"}}")),
        Fault::Answer(200, format!("{{\"access_token\": \"{seed}")),
        Fault::Answer(400, format!("{{\"error\": \"{seed}\"}}")),
        Fault::Fields(vec![("token_type", seed.into())]),
        Fault::Fields(vec![("expires_in", seed.into())]),
        Fault::Fields(vec![(
            "instance_url",
            format!("https://login.example.com:1/{seed}").into(),
        )]),
    ] {
        world.later(4_000);
        world.server.fault(fault);
        shown.came(&world.run(oauth.credential(context, CredentialRequest::new())));
        let callback = world.consent(&oauth);
        shown.came(&world.run(oauth.complete(context, callback)));
    }
    world.server.fault(Fault::None);
    shown.came(&Callback::from_query(
        seed.to_owned(),
        &format!("code={seed}&code={seed}&state=a"),
    ));
    let mut consent = world
        .run(world.oauth(Grant::DeviceCode).begin_device(context))
        .unwrap();
    shown.see(&consent);
    shown.came(
        &world.run(
            world
                .oauth(Grant::DeviceCode)
                .poll_device(context, &mut consent),
        ),
    );
    shown.came(&world.run(oauth.revoke(context, RevokeMode::Confirmed)));
    // Keys of all kinds.
    let hosts = spec().hosts.allow(&Org::Production).unwrap();
    let secret = Secret::new(seed);
    for method in [
        KeyMethod::header("accesskey", secret.clone()),
        KeyMethod::query("key", secret.clone()),
        KeyMethod::Bearer(secret.clone()),
        KeyMethod::basic("ada", secret.clone()),
        KeyMethod::access_key("AKIA", secret.clone()),
        KeyMethod::Headers(vec![("a".into(), secret.clone())]),
        KeyMethod::Bearer(Secret::new(format!("{seed}\n"))),
        KeyMethod::header(format!("bad name {}", "x"), secret.clone()),
    ] {
        shown.see(&method);
        let made = KeyAuthorization::new(method, hosts.clone());
        shown.came(&made);
        let Ok(made) = made else { continue };
        let credential = world
            .run(made.credential(context, CredentialRequest::new()))
            .unwrap();
        let request = HttpRequest::get(credential.url("/users").unwrap());
        shown.came(&credential.attach(request));
        shown.came(&world.run(made.rejected(context, &credential)));
    }
    shown.see(&CredentialRecord::new().with_secret("key", secret.clone()));
    shown.see(&Credential::query(hosts, "key", secret.clone()));
    shown.see(&secret);
    // A transcript of calls that carry a secret.
    let recorded = RecordedTransport::record(MemoryTransport::new(|request| {
        Ok(HttpResponse::of(request, 200, ""))
    }));
    shown.came(&world.run(syncline::host::Transport::send(&recorded, request)));
    shown.see(&recorded);
    shown.see(&recorded.transcript());
    behind_ports(seed, &world, &mut shown);
    in_a_workspace(seed, &world, &mut shown);
    // All state, and its keys.
    let tenant = Tenant::new("acme").unwrap();
    for kind in [
        StateKind::Credential,
        StateKind::Consent,
        StateKind::Roster,
        StateKind::Job,
        StateKind::Chain,
    ] {
        for key in world
            .run(world.state.list(&tenant, kind, None, 100))
            .unwrap()
        {
            let stored = world.run(world.state.get(&key)).unwrap().unwrap();
            shown.see(&(key, String::from_utf8_lossy(&stored.bytes)));
        }
    }
    shown.text.push_str(&heard.0.lock().unwrap());
    shown
}

/// What hosts give us with secrets in it, and what they are given.
fn behind_ports(seed: &str, world: &World, shown: &mut Shown) {
    shown.see(&world.cipher);
    let signer = Arc::new(Keyed(seed.to_owned()));
    let asserted = JwtSpec::new("client", "ada", signer);
    shown.see(&asserted);
    shown.see(&Grant::JwtBearer(asserted));
    // Whoever asks for a token in a job gets an error at most.
    let mut request = HttpRequest::get("https://evil.example/".parse().unwrap());
    request.url.set_query(Some(seed));
    let hosts = spec().hosts.allow(&Org::Production).unwrap();
    let credential = Credential::bearer(hosts, &Secret::new(seed)).unwrap();
    let refused = || credential.attach(request.clone()).unwrap_err();
    let mut report = RunReport::new("nightly", Default::default(), Default::default());
    report.failure = Some(refused());
    report.paused_by = Some(refused());
    shown.see(&report);
    shown
        .text
        .push_str(&serde_json::to_string(&report).unwrap());
    let mut redrive = RedriveReport::default();
    redrive.runs.push(report);
    shown.see(&redrive);
    shown
        .text
        .push_str(&serde_json::to_string(&redrive).unwrap());
    #[cfg(feature = "reqwest")]
    shown.see(&syncline::adapter::ReqwestTransport::new().unwrap());
    #[cfg(feature = "testing")]
    in_the_kit(seed, world, shown);
}

/// A tenant's connections and jobs, with secrets wherever there is a place for one.
fn in_a_workspace(seed: &str, world: &World, shown: &mut Shown) {
    let secret = || Secret::new(seed);
    let config = Config::default().with_secret("client_secret", secret());
    shown.see(&config);
    let jwt = JwtSpec::new("client", "ada", Arc::new(Keyed(seed.to_owned())));
    let client = OAuthClient::new("client")
        .with_secret(secret())
        .with_jwt(jwt);
    shown.see(&client);
    let hosts = spec().hosts.allow(&Org::Production).unwrap();
    let key = KeyAuthorization::new(KeyMethod::Bearer(secret()), hosts).unwrap();
    let request = ConnectRequest::new("1", "crm", Arc::new(world.server.transport()))
        .with_config(config)
        .with_authorization(Arc::new(key));
    shown.see(&request);
    let mail = MemoryNotifications::new();
    let (workspace, settings) = world.with_secrets(client, mail.clone());
    shown.see(workspace.registry());
    shown.see(&settings);
    shown.see(&workspace);
    let (connections, jobs, chains) = (
        workspace.connections(),
        workspace.jobs(),
        workspace.chains(),
    );
    shown.see(&connections);
    shown.see(&jobs);
    shown.see(&chains);
    let context = world.context();
    let desk = ConnectionSpec::new("desk", "desk");
    let desk = world.run(connections.create(context, desk)).unwrap();
    let parts = ["user", "password"].map(|part| (part.to_owned(), secret()));
    shown.came(&world.run(connections.give_key(context, &desk.id, parts.into())));
    let wrong = [("pin".to_owned(), secret())];
    shown.came(&world.run(connections.give_key(context, &desk.id, wrong.into())));
    let warehouse = ConnectionSpec::new("warehouse", "warehouse").with_config("client_id", "a");
    let warehouse = world.run(connections.create(context, warehouse)).unwrap();
    let config = indexmap::IndexMap::from([("client_id".to_owned(), "a".into())]);
    let secrets = [("client_secret".to_owned(), secret())];
    let configured = connections.configure(context, &warehouse.id, config, secrets.into());
    shown.came(&world.run(configured));
    shown.came(&world.run(connections.list(context)));
    shown.came(&world.run(connections.check(context, &desk.id)));
    // A job that cannot run has an error in its report, and so has its chain.
    let mut job = super::workspace::contacts("contacts");
    job.dataset.connection = Some("desk".into());
    let notify = NotifySpec::default().on_failure(["ops@x"]);
    job.settings.notify = notify.on_changes(["ops@x"]);
    let job = world.run(jobs.create(context, job)).unwrap();
    let revoked = connections.revoke(context, &desk.id, RevokeMode::Force);
    shown.came(&world.run(revoked));
    let closed = world.run(jobs.open(context, &job.id)).unwrap_err();
    let end = RunEnd::new(RunFate::Ended(Outcome::Failed));
    shown.see(&end.with_failure(closed));
    shown.came(&Ok::<_, Error>(job));
    let chain = ChainSpec::new("nightly", vec![LinkSpec::new("contacts")]);
    let chain = world.run(chains.create(context, chain)).unwrap().id;
    let request = ChainRequest::new(|_| RunRequest::new(Arc::new(MemoryRejects::new())));
    let report = world.run(chains.run(context, &chain, request)).unwrap();
    let activity = workspace.activity();
    shown.see(&activity);
    let audit = world
        .run(activity.audit(context, &AuditQuery::new()))
        .unwrap();
    assert!(audit.entries.len() > 3);
    shown.see(&audit);
    shown
        .text
        .push_str(&serde_json::to_string(&audit.entries).unwrap());
    let runs = world.run(activity.runs(context, &RunQuery::new())).unwrap();
    assert!(!runs.runs.is_empty());
    shown.see(&runs);
    let log = world.run(activity.log(context, &runs.runs[0].id));
    shown.came(&log);
    shown.see(&report.links[0].fate);
    shown.see(&report.links[0]);
    shown.see(&report);
    let export = world.run(workspace.export(context)).unwrap();
    shown.text.push_str(&export.to_json());
    // A scheduler runs the chain.
    let timetables = Timetables::new(Tenant::new("host").unwrap(), settings.state.clone());
    let opened = workspace.clone();
    let workspaces = Workspaces::new(
        move |_| Ok(opened.clone()),
        |_, _| RunRequest::new(Arc::new(MemoryRejects::new())),
    );
    let tenant = workspace.tenant();
    world
        .run(workspaces.put_all(context, &timetables, tenant))
        .unwrap();
    world
        .run(timetables.run_now(context, tenant, &chain))
        .unwrap();
    let config = SchedulerConfig::new("a machine", timetables, Arc::new(workspaces));
    let mut scheduler = Scheduler::new(config);
    let tick = world.run(scheduler.tick(context)).unwrap();
    assert_eq!(tick.started.len(), 1);
    shown.see(&scheduler);
    shown.see(&tick);
    for run in tick.started {
        let ended = world.run(run);
        assert_eq!(ended.fate, RunFate::Ended(Outcome::Failed));
        shown.see(&ended);
    }
    // People were told of the job, and how it failed.
    let notices = workspace.notices();
    shown.see(&notices);
    shown.came(&world.run(notices.deliver(context)));
    shown.came(&world.run(notices.mailboxes(context)));
    let told = mail.delivered();
    assert!(told.len() > 1);
    shown.see(&told);
    shown.text.push_str(&serde_json::to_string(&told).unwrap());
}

/// A signer is the host's own, and so is what it shows.
struct Keyed(String);

impl std::fmt::Debug for Keyed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keyed by {} bytes", self.0.len())
    }
}

#[async_trait::async_trait]
impl Signer for Keyed {
    fn algorithm(&self) -> &str {
        "ES256"
    }

    async fn sign(&self, _: &[u8]) -> Result<Vec<u8>> {
        Ok(self.0.clone().into_bytes())
    }
}

#[cfg(feature = "testing")]
fn in_the_kit(seed: &str, world: &World, shown: &mut Shown) {
    use syncline::testing::conformance::{
        AuthorizationFixture, CipherFixture, CredentialsFixture, TransportFixture,
    };
    use syncline::testing::{Effects, FaultyAuthorization, FaultyCipher, FaultyTransport};
    let hosts = spec().hosts.allow(&Org::Production).unwrap();
    let key = KeyAuthorization::new(KeyMethod::Bearer(Secret::new(seed)), hosts).unwrap();
    let effects = Effects::scripted([]);
    shown.see(&FaultyAuthorization::new(&effects, Arc::new(key.clone())));
    shown.see(&FaultyCipher::new(&effects, Arc::new(world.cipher.clone())));
    shown.see(&AuthorizationFixture::new(key).with_secrets([Secret::new(seed)]));
    shown.see(&CipherFixture::new(world.cipher.clone()).with_other_keys(world.cipher.clone()));
    let state = world.state.clone();
    shown.see(&CredentialsFixture::new(
        move || state.clone(),
        world.cipher.clone(),
    ));
    let base = format!("https://login.example.com/?key={seed}")
        .parse()
        .unwrap();
    let transport = world.server.transport();
    let addresses = syncline::host::AddressPolicy::Public;
    shown.see(&TransportFixture::new(transport.clone(), base, addresses));
    shown.see(&FaultyTransport::new(
        &Effects::scripted([]),
        Arc::new(transport),
    ));
}

/// The list is made of the source, by `.ci/canaries.py`: nobody can add a type and forget it here.
#[test]
fn every_type_that_can_hold_a_secret_is_shown() {
    let shown = life("c4n4ry-Zq81-xyzzy-77");
    let list = include_str!("secret_types.txt").lines();
    let mut missing = Vec::new();
    let mut looked_at = 0;
    for line in list.filter(|line| !line.starts_with('#')) {
        let (name, feature) = line.split_once(' ').unwrap_or((line, ""));
        let is_there = match feature {
            "" => true,
            "testing" => cfg!(feature = "testing"),
            "reqwest" => cfg!(feature = "reqwest"),
            other => panic!("no one says whether `{other}` is there"),
        };
        looked_at += u32::from(is_there);
        if is_there && !shown.types.contains(name) {
            missing.push(name);
        }
    }
    assert_eq!(missing, [""; 0], "show them in `life`");
    assert!(looked_at >= 20, "{looked_at}");
}

#[test]
fn two_secrets_of_one_length_leave_the_same_traces() {
    assert_eq!(life("hunter2-and-more").text, life("Xq7-zzzz_0000009").text);
}

#[test]
fn a_canary_is_seen_nowhere() {
    let canary = "c4n4ry-Zq81-xyzzy-77";
    let shown = life(canary);
    assert!(shown.text.len() > 10_000);
    scan(&shown.text, &[canary.to_owned()]);
}

#[test]
fn the_scan_finds_a_canary() {
    let canary = "c4n4ry-Zq81-xyzzy-77";
    for shape in shapes(canary) {
        let caught = std::panic::catch_unwind(|| scan(&format!("<{shape}>"), &[canary.to_owned()]));
        assert!(caught.is_err(), "{shape}");
    }
    let wrapped = STANDARD.encode(format!("user:{canary}!"));
    assert!(std::panic::catch_unwind(|| scan(&wrapped, &[canary.to_owned()])).is_err());
}

#[test]
fn a_panic_shows_no_secret() {
    let secret = Secret::new("hunter2");
    let caught = std::panic::catch_unwind(|| panic!("{secret:?}")).unwrap_err();
    assert_eq!(caught.downcast_ref::<String>().unwrap(), "Secret(…)");
}
