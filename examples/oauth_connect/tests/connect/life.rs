//! What becomes of a connection: used, ended from either side, kept, removed; and what the host is told when it starts.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use oauth_connect::{Running, Settings, System, start};

use super::clock::Ahead;
use super::visitor::Visitor;
use super::{host, quick};

async fn with_clock() -> (Running, Arc<Ahead>) {
    let system = System::Local {
        page_delay: Duration::ZERO,
    };
    let clock = Arc::new(Ahead::default());
    let settings = Settings::default().with_system(system);
    let running = start(settings.with_clock(clock.clone())).await.unwrap();
    (running, clock)
}

#[tokio::test]
async fn a_revoked_connection_runs_nothing_and_can_come_back() {
    let running = quick().await;
    let mut ada = Visitor::new(&running);
    let page = ada.connect("production", "Our CRM").await;
    let revoked = ada.post(&format!("{page}/revoke"), &[]).await.leads_to();
    ada.get(revoked.as_str())
        .await
        .shows("worth nothing any more");
    assert_eq!(running.providers[0].granted(), 0, "the system heard of it");

    let run = ada.run(&page, "Contact Sync_Our CRM").await;
    let failed = ada.get(&run).await;
    failed.shows(r#"<span class="state failed">"#);
    failed.shows("it was revoked; authorize it again first");

    let consent = ada.post(&format!("{page}/authorize"), &[]).await.leads_to();
    let callback = ada.decide(&consent, "allow").await;
    assert_eq!(ada.get(callback.as_str()).await.status, 303);
    let run = ada.run(&page, "Contact Sync_Our CRM").await;
    ada.get(&run).await.shows("600 records");
}

#[tokio::test]
async fn a_grant_that_the_system_took_back_asks_for_consent() {
    let (running, clock) = with_clock().await;
    let mut ada = Visitor::new(&running);
    let page = ada.connect("production", "Our CRM").await;
    running.providers[0].take_grants_back();
    clock.a_minute_passes();
    let run = ada.run(&page, "Contact Sync_Our CRM").await;
    ada.get(&run).await.shows(r#"<span class="state failed">"#);
    ada.get(&page)
        .await
        .shows(r#"<span class="state disconnected">"#);
    ada.get(&page).await.shows("Authorize again</button>");
}

#[tokio::test]
async fn tokens_are_refreshed_when_they_end() {
    let (running, clock) = with_clock().await;
    let mut ada = Visitor::new(&running);
    let page = ada.connect("production", "Our CRM").await;
    running.providers[0].end_access_tokens();
    clock.a_minute_passes();
    // A check uses nothing up, so it says how it is.
    let checked = ada.post(&format!("{page}/check"), &[]).await;
    assert_eq!(checked.status, 403);
    assert_eq!(running.providers[0].refreshes(), 0);
    let run = ada.run(&page, "Account Sync_Our CRM").await;
    ada.get(&run).await.shows(r#"<span class="state success">"#);
    assert_eq!(running.providers[0].refreshes(), 1);
    let checked = ada.post(&format!("{page}/check"), &[]).await.leads_to();
    ada.get(checked.as_str()).await.shows("It can be used.");
}

#[tokio::test]
async fn a_connection_is_looked_after_and_removed() {
    let running = quick().await;
    let mut ada = Visitor::new(&running);
    let page = ada.connect("production", "Our CRM").await;
    let refreshed = ada.post(&format!("{page}/refresh"), &[]).await.leads_to();
    assert_eq!(refreshed.query(), Some("done=refreshed"));
    ada.post(&format!("{page}/rename"), &[("name", "Sales")])
        .await
        .leads_to();
    ada.get(&page).await.shows("<h1>Sales</h1>");

    ada.post(&format!("{page}/disable"), &[]).await.leads_to();
    let run = ada.run(&page, "Contact Sync_Our CRM").await;
    ada.get(&run).await.shows("enable it first");
    // An old page may still have a button that fits no more.
    let refused = ada.post(&format!("{page}/check"), &[]).await;
    assert_eq!(refused.status, 422);
    refused.shows("This cannot be done with the connection as it is.");
    ada.post(&format!("{page}/enable"), &[]).await.leads_to();

    let refused = ada.post(&format!("{page}/delete"), &[]).await;
    assert_eq!(refused.status, 409);
    refused.shows("Contact Sync_Our CRM");
    let gone = ada
        .post(&format!("{page}/delete"), &[("jobs", "delete")])
        .await
        .leads_to();
    assert_eq!(gone.query(), Some("done=deleted"));
    assert_eq!(running.providers[0].granted(), 0);
    assert_eq!(ada.get(&page).await.status, 404);
    // Its history stays; what it refused is gone.
    ada.get(&run).await.shows("<p>Contact Sync_Our CRM, by");
    assert_eq!(ada.get(&format!("{run}/rejects.csv")).await.status, 404);
    ada.get("/jobs").await.shows("There are none yet");
}

#[tokio::test]
async fn a_stop_ends_runs_tidily() {
    let running = host(Duration::from_millis(100)).await;
    let mut ada = Visitor::new(&running);
    let page = ada.connect("production", "Our CRM").await;
    let job = ada.get(&page).await.link("Contact Sync_Our CRM");
    let run = ada.post(&format!("{job}/run"), &[]).await.leads_to();
    let place = format!("{}/events", run.path());
    let (events, ()) = tokio::join!(ada.events(&place), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        running.stop().await;
    });
    let last = events.last().unwrap();
    assert_eq!(last["ended"], true, "whoever watches hears of the end");
    assert!(last["read"].as_u64().unwrap() < 600, "{last}");
}

#[tokio::test]
async fn what_is_kept_is_there_again_and_tokens_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let system = System::Local {
        page_delay: Duration::ZERO,
    };
    let clock = Arc::new(Ahead::default());
    let settings = Settings::default()
        .with_system(system)
        .with_clock(clock.clone());
    let settings = settings.kept_in(folder.path(), [7; 32]);
    let running = start(settings.clone()).await.unwrap();
    let mut ada = Visitor::new(&running);
    let page = ada.connect("production", "Our CRM").await;
    let run = ada.run(&page, "Contact Sync_Our CRM").await;
    let rejects = ada.get(&format!("{run}/rejects.csv")).await;
    assert_eq!(rejects.body.lines().count(), 4);
    running.stop().await;

    let mut kept = Vec::new();
    all_bytes(folder.path(), &mut kept);
    let text = String::from_utf8_lossy(&kept);
    assert!(text.contains("Our CRM"));
    assert!(!text.contains("access_token") && !text.contains("refresh_token"));

    let running = start(settings).await.unwrap();
    let mut ada = Visitor::new(&running);
    ada.get("/").await.shows(">Our CRM</a>");
    // The local system has forgotten, and says so to the next run.
    clock.a_minute_passes();
    let run = ada.run(&page, "Contact Sync_Our CRM").await;
    ada.get(&run).await.shows(r#"<span class="state failed">"#);
    ada.get(&page)
        .await
        .shows(r#"<span class="state disconnected">"#);
}

#[tokio::test]
async fn a_connection_whose_connector_is_gone_is_shown_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let running = start(Settings::default().kept_in(folder.path(), [7; 32]));
    let running = running.await.unwrap();
    let page = Visitor::new(&running)
        .connect("production", "Our CRM")
        .await;
    running.stop().await;

    let other = read(&REAL).unwrap().kept_in(folder.path(), [7; 32]);
    let running = start(other).await.unwrap();
    let mut ada = Visitor::new(&running);
    ada.get("/").await.shows(r#"<span class="state unusable">"#);
    let shown = ada.get(&page).await;
    shown.shows("There is no connector of this kind");
    assert!(!shown.body.contains("Check</button>"), "{}", shown.body);
}

fn all_bytes(folder: &Path, bytes: &mut Vec<u8>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all_bytes(&path, bytes),
            false => bytes.extend(std::fs::read(path).unwrap()),
        }
    }
}

fn read(with: &'static [(&'static str, &'static str)]) -> syncline::Result<Settings> {
    Settings::from_env(move |name| {
        let name = name.strip_prefix("SYNCLINE_CONNECT_")?;
        let found = with.iter().find(|(known, _)| *known == name)?;
        Some(found.1.to_owned())
    })
}

const REAL: [(&str, &str); 10] = [
    ("PORT", "0"),
    ("HOST", "login.example.com"),
    ("CLIENT_ID", "ours"),
    ("CLIENT_SECRET", "hunter2"),
    ("AUTHORIZE_PATH", "/authorize"),
    ("TOKEN_PATH", "/token"),
    ("CUSTOM_DOMAINS", "my.example.com, my.example.org"),
    ("RECORDS_PATH", "/contacts"),
    ("FIELDS", "Id=/id, Email=/properties/email"),
    ("TITLE", "Example CRM"),
];

#[tokio::test]
async fn a_real_system_is_described_by_the_environment() {
    let running = start(read(&REAL).unwrap()).await.unwrap();
    assert!(running.providers.is_empty());
    let mut ada = Visitor::new(&running);
    ada.get("/connectors").await.shows(">Example CRM</a>");
    let form = ada.get("/connectors/crm").await;
    form.shows("such as acme.my.example.com.");
    assert!(!form.body.contains("Sandbox"), "there are none");
    let token = form.hidden("form_token");
    let fields = [
        ("form_token", token.as_str()),
        ("name", "Ours"),
        ("org", "custom"),
        ("domain", "acme.my.example.org"),
    ];
    let consent = ada.post_raw("/connectors/crm", &fields).await.leads_to();
    assert!(
        consent
            .as_str()
            .starts_with("https://acme.my.example.org/authorize?")
    );
    assert!(consent.as_str().contains("client_id=ours"));
    assert!(!consent.as_str().contains("hunter2"));

    assert!(matches!(read(&[]).unwrap().system, System::Local { .. }));
    let wrong: [(&'static [(&str, &str)], &str); 5] = [
        (&[("PORT", "http")], "SYNCLINE_CONNECT_PORT"),
        (&[("DATA", "/tmp/somewhere")], "SYNCLINE_CONNECT_KEY"),
        (
            &[("DATA", "/tmp/somewhere"), ("KEY", "hunter2")],
            "SYNCLINE_CONNECT_KEY",
        ),
        (&[("HOST", "127.0.0.1")], "SYNCLINE_CONNECT_HOST"),
        (
            &[("HOST", "login.example.com")],
            "SYNCLINE_CONNECT_TOKEN_PATH",
        ),
    ];
    for (with, variable) in wrong {
        let error = read(with).unwrap_err().to_string();
        assert!(error.contains(variable), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
