//! When jobs and chains run, and what is kept of it.

use std::time::Duration;

use super::visitor::{Visitor, first_run};
use super::{host, quick};

#[tokio::test]
async fn a_schedule_is_typed_looked_at_and_kept() {
    let running = quick().await;
    let mut ada = Visitor::new(&running);
    let page = ada.connect("production", "Our CRM").await;
    let job = ada.get(&page).await.link("Contact Sync_Our CRM");
    let shown = ada.get(&job).await;
    shown.shows("<p>on demand</p>");
    let edition = shown.hidden("edition");
    ada.get("/coming")
        .await
        .shows("None: no job or chain runs by the clock.");

    let schedule = format!("{job}/schedule");
    let text = "every weekday at 06:30 Europe/Berlin";
    let typed = |text: &'static str, what: &'static str| [("schedule", text), ("do", what)];
    for (wrong, says) in [
        ("now and then", "is no schedule"),
        ("every day at 25:00", "25:00"),
        (r#"cron "0 0 30 2 *""#, "it would never run"),
    ] {
        for what in ["preview", "save"] {
            let refused = ada.post(&schedule, &typed(wrong, what)).await;
            assert_eq!(refused.status, 422, "{wrong}");
            refused.shows(r#"aria-describedby="schedule-help schedule-wrong" aria-invalid="true""#);
            refused.shows(says);
        }
    }
    // A look changes nothing.
    let preview = ada.post(&schedule, &typed(text, "preview")).await;
    assert_eq!(preview.status, 200);
    preview.shows("It would run:");
    assert_eq!(
        preview.body.matches(" 06:30 +0").count(),
        5,
        "{}",
        preview.body
    );
    preview.shows(&format!(r#"name="schedule" value="{text}""#));
    ada.get(&job).await.shows("<p>on demand</p>");

    let mut fields = typed(text, "save").to_vec();
    fields.push(("edition", &edition));
    let saved = ada.post(&schedule, &fields).await.leads_to();
    assert_eq!(saved.query(), Some("done=scheduled"));
    let shown = ada.get(saved.as_str()).await;
    shown.shows("It runs by its new schedule.");
    shown.shows(&format!("<p>{text}</p>"));
    assert_eq!(shown.body.matches(" 06:30 +0").count(), 5, "{}", shown.body);
    // Of two who change the same, the second is told.
    assert_eq!(ada.post(&schedule, &fields).await.status, 409);

    let coming = ada.get("/coming").await;
    assert_eq!(coming.body.matches("Contact Sync_Our CRM").count(), 20);
    let listed = ada.get("/jobs").await;
    listed.shows(&format!(r#"data-heading="Schedule">{text}</td>"#));
    listed.shows(r#"data-heading="Next run"><time"#);

    let disabled = ada.post(&format!("{job}/disable"), &[]).await.leads_to();
    ada.get(disabled.as_str()).await.shows(">Enable</button>");
    ada.get("/coming")
        .await
        .shows("None: no job or chain runs by the clock.");
    let refused = ada.post(&format!("{job}/run"), &[]).await;
    assert_eq!(refused.status, 422);
    refused.shows("The job is disabled; enable it first.");
    ada.post(&format!("{job}/enable"), &[]).await.leads_to();

    let changes = ada.get("/changes").await;
    changes.shows("somebody at a page");
    for did in [
        "made the connection",
        "authorized the connection",
        "made the job",
        "changed the job",
        "disabled the job",
        "enabled the job",
    ] {
        changes.shows(did);
    }
    running.stop().await;
}

#[tokio::test]
async fn what_is_due_runs_by_itself_and_is_in_the_history() {
    let running = quick().await;
    let mut ada = Visitor::new(&running);
    let page = ada.connect("production", "Our CRM").await;
    let job = ada.get(&page).await.link("Contact Sync_Our CRM");
    ada.run(&page, "Account Sync_Our CRM").await;
    let edition = ada.get(&job).await.hidden("edition");
    let every = [
        ("schedule", "every 2 seconds"),
        ("do", "save"),
        ("edition", &*edition),
    ];
    ada.post(&format!("{job}/schedule"), &every)
        .await
        .leads_to();
    let id = job.rsplit('/').next().unwrap();
    let of_job = format!("/activity?of={id}&status=partial_success");
    let history = loop {
        let history = ada.get(&of_job).await;
        if history.body.matches(">schedule, 600 read<").count() >= 2 {
            break history;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(
        !history.body.contains("Account Sync_Our CRM, Run"),
        "{}",
        history.body
    );
    let run = history.first_run();
    let shown = ada.get(&run).await;
    shown.shows("by the scheduler (schedule)");
    shown.shows("<h3>Steps</h3>");
    shown.shows("Run finished");
    let rejects = ada.get(&format!("{run}/rejects.csv")).await;
    assert_eq!(rejects.body.lines().count(), 4, "{}", rejects.body);
    ada.get("/activity?status=success")
        .await
        .shows("Account Sync_Our CRM, Run of ");
    ada.get("/activity?status=failed")
        .await
        .shows("There are none here.");
    assert_eq!(ada.get("/activity?after=nowhere").await.status, 422);
    running.stop().await;
}

#[tokio::test]
async fn pages_of_the_history_follow_each_other() {
    let running = quick().await;
    let mut ada = Visitor::new(&running);
    let page = ada.connect("production", "Our CRM").await;
    for _ in 0..21 {
        ada.run(&page, "Account Sync_Our CRM").await;
    }
    let runs = |page: &super::visitor::Answer| -> Vec<String> {
        let links = page.body.split(r#"<a href="/runs/"#).skip(1);
        links
            .map(|link| link.split_once('"').unwrap().0.to_owned())
            .collect()
    };
    let first = ada.get("/activity").await;
    let next = first.link("Older ones").replace("&amp;", "&");
    let second = ada.get(&next).await;
    let mut all = [runs(&first), runs(&second)].concat();
    assert_eq!((runs(&first).len(), all.len()), (20, 21));
    // Later ones have lesser ids.
    assert!(all.is_sorted(), "{all:?}");
    all.dedup();
    assert_eq!(all.len(), 21);
    running.stop().await;
}

#[tokio::test]
async fn a_run_is_cancelled() {
    let running = host(Duration::from_millis(150)).await;
    let mut ada = Visitor::new(&running);
    let page = ada.connect("production", "Our CRM").await;
    let job = ada.get(&page).await.link("Contact Sync_Our CRM");
    let run = ada.post(&format!("{job}/run"), &[]).await.leads_to();
    ada.get(&job).await.shows("A run goes on since");
    let cancelled = ada.post(&format!("{job}/cancel"), &[]).await.leads_to();
    assert_eq!(cancelled.query(), Some("done=cancelled"));
    let events = ada.events(&format!("{}/events", run.path())).await;
    assert!(events.last().unwrap()["read"].as_u64().unwrap() < 600);
    ada.get(run.path())
        .await
        .shows(r#"<span class="state cancelled">"#);
    running.stop().await;
}

#[tokio::test]
async fn what_was_refused_is_sent_again() {
    let running = quick().await;
    let mut ada = Visitor::new(&running);
    let page = ada.connect("production", "Our CRM").await;
    let job = ada.get(&page).await.link("Contact Sync_Our CRM");
    ada.run(&page, "Contact Sync_Our CRM").await;
    ada.get(&job)
        .await
        .shows("Send refused records again</button>");
    let sent = ada.post(&format!("{job}/redrive"), &[]).await.leads_to();
    assert_eq!(sent.query(), Some("done=redriven"));
    ada.get(&job).await.shows("redrive");
    running.stop().await;
}

#[tokio::test]
async fn a_chain_is_made_runs_and_is_removed() {
    let running = quick().await;
    let mut ada = Visitor::new(&running);
    ada.connect("production", "Our CRM").await;
    ada.get("/chains").await.shows("There are none yet.");
    ada.get("/chains/new")
        .await
        .shows("Account Sync_Our CRM, Contact Sync_Our CRM");
    let made = |links: &'static str| {
        [
            ("name", "nightly"),
            ("links", links),
            ("needs", "whole"),
            ("on_failure", "stop"),
        ]
    };
    let unknown = ada
        .post("/chains/new", &made("Account Sync_Our CRM\nNobody"))
        .await;
    assert_eq!(unknown.status, 422);
    unknown.shows("Nobody");

    let links = "Account Sync_Our CRM\r\nContact Sync_Our CRM\r\n";
    let chain = ada.post("/chains/new", &made(links)).await.leads_to();
    let chain = chain.path().to_owned();
    let shown = ada.get(&chain).await;
    shown.shows("starts at once");
    shown.shows("when the one in front wrote all its records");
    let edition = shown.hidden("edition");
    let every = [
        ("schedule", "every day at 01:30 Europe/Berlin"),
        ("do", "save"),
        ("edition", &*edition),
    ];
    ada.post(&format!("{chain}/schedule"), &every)
        .await
        .leads_to();
    ada.get("/coming")
        .await
        .shows(&format!(r#"<a href="{chain}">nightly</a>"#));

    ada.post(&format!("{chain}/run"), &[]).await.leads_to();
    let ended = loop {
        let shown = ada.get(&chain).await;
        if shown.body.contains("Its last run") {
            break shown;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    // Some contacts are refused, but nobody waits for them.
    ended.shows(r#"<span class="state success">"#);
    ended.shows(r#"<span class="state partial_success">"#);
    assert!(!ended.body.contains("http-equiv"), "it has ended");
    ada.get("/activity").await.shows(">chain, 600 read<");
    let job = ada.get("/jobs").await.link("Account Sync_Our CRM");
    ada.get(&job).await.shows(&format!(
        r#"It runs with the chain <a href="{chain}">nightly</a>"#
    ));
    ada.get("/jobs")
        .await
        .shows(r#"data-heading="Chains">nightly</td>"#);

    // The history has it as one run, which leads to those of its links.
    let history = ada.get("/activity").await;
    history.shows(">nightly, Run of ");
    assert_eq!(history.link("Chain nightly"), chain);
    let of_chain = chain.rsplit('/').next().unwrap();
    let of_chain = format!("/activity?of={of_chain}");
    ended.shows(&of_chain);
    let runs = ada.get(&of_chain).await;
    assert_eq!(runs.body.matches(r#"<a href="/runs/"#).count(), 1);
    runs.shows("manual, 640 read");
    let shown = ada.get(&runs.first_run()).await;
    shown.shows(&format!(
        r#"<p><a href="{chain}">nightly</a>, by somebody at a page (manual)"#
    ));
    assert!(!shown.body.contains("rejects.csv"), "they are its links'");
    for (job, read) in [("Account Sync_Our CRM", 40), ("Contact Sync_Our CRM", 600)] {
        let step = ada.get(&shown.link(job)).await;
        step.shows(&format!("{job}</a>, by "));
        step.shows("(chain)");
        step.shows(&format!("<dt>Read</dt><dd>{read}</dd>"));
        shown.shows(&format!("{job}, Run of "));
    }
    ada.get("/activity?of=nobody")
        .await
        .shows("There are none here.");

    ada.post(&format!("{chain}/delete"), &[]).await.leads_to();
    assert_eq!(ada.get(&chain).await.status, 404);
    running.stop().await;
}

#[tokio::test]
async fn a_chain_runs_in_another_one() {
    let running = quick().await;
    let mut ada = Visitor::new(&running);
    ada.connect("production", "Our CRM").await;
    let made = |name: &'static str, links: &'static str| [("name", name), ("links", links)];
    let inner = made("companies", "Account Sync_Our CRM");
    let inner = ada.post("/chains/new", &inner).await.leads_to();
    ada.get("/chains/new")
        .await
        .shows("Account Sync_Our CRM, Contact Sync_Our CRM, companies");
    let outer = made("nightly", "companies\nContact Sync_Our CRM");
    let outer = ada.post("/chains/new", &outer).await.leads_to();
    ada.post(&format!("{}/run", outer.path()), &[])
        .await
        .leads_to();
    let ended = ada.waits_for(outer.path(), "Its last run").await;
    assert_eq!(ended.link("companies"), inner.path());
    // Both links have a last run, the chain among them.
    let (links, runs) = ended.body.split_once("<h2>Runs</h2>").unwrap();
    assert_eq!(links.matches(r#" <a href="/runs/"#).count(), 2, "{links}");
    let run = first_run(links);
    let shown = ada.get(&run).await;
    shown.shows(&format!(r#"<a href="{}">companies</a>, by"#, inner.path()));
    shown.shows("(chain)");
    shown.shows("Account Sync_Our CRM, Run of ");
    // Its row in the run of the outer one leads there too.
    let whole = ada.get(&first_run(runs)).await;
    whole.shows(&format!(r#"<a href="{run}">companies, Run of "#));
    whole.shows("Contact Sync_Our CRM, Run of ");
    assert!(!whole.body.contains("Account Sync_Our CRM, Run of "));
    running.stop().await;
}
