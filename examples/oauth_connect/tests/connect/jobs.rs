//! The list of jobs, and which of them run in front of others.

use std::time::Duration;

use super::visitor::{Answer, Visitor};
use super::{host, quick};

/// The names of the jobs of a list.
fn listed(page: &Answer) -> Vec<&str> {
    let links = page.body.split(r#"<a href="/jobs/"#).skip(1);
    let names = links.map(|link| link.split_once('>').unwrap().1);
    names.map(|name| name.split_once('<').unwrap().0).collect()
}

#[tokio::test]
async fn jobs_are_looked_for() {
    let running = quick().await;
    let mut ada = Visitor::new(&running);
    let ours = ada.connect("production", "Our CRM").await;
    ada.connect("sandbox", "Playground").await;
    let all = [
        "Account Sync_Our CRM",
        "Account Sync_Playground",
        "Contact Sync_Our CRM",
        "Contact Sync_Playground",
    ];
    let page = ada.get("/jobs").await;
    assert_eq!(listed(&page), all);
    page.shows(r#"data-heading="Reads and writes">Contact to person</td>"#);
    page.shows(r#"data-heading="Connection">Playground</td>"#);
    page.shows(r#"data-heading="Last run">Never</td>"#);

    let run = ada.run(&ours, all[2]).await;
    let page = ada.get("/jobs?name=CONTACT+").await;
    assert_eq!(listed(&page), [all[2], all[3]]);
    page.shows(r#"type="search" value="CONTACT""#);
    page.shows(&format!(
        r#"<span class="state partial_success">Partial success</span> <a href="{run}"><time"#
    ));
    let id = ours.rsplit('/').next().unwrap();
    let page = ada.get(&format!("/jobs?connection={id}&name=sync")).await;
    assert_eq!(listed(&page), [all[0], all[2]]);
    page.shows(&format!(
        r#"<option value="{id}" selected>Our CRM</option>"#
    ));
    let page = ada.get("/jobs?status=partial_success").await;
    assert_eq!(listed(&page), [all[2]]);
    let page = ada.get("/jobs?status=failed").await;
    assert!(listed(&page).is_empty());
    page.shows("There are none like that.");

    let job = ada.get("/jobs").await.link(all[1]);
    let daily = [("schedule", "every day at 01:30"), ("do", "save")];
    ada.change(&job, "schedule", &daily).await.leads_to();
    assert_eq!(listed(&ada.get("/jobs?scheduled=yes").await), [all[1]]);
    let by_hand = ada.get("/jobs?scheduled=no").await;
    assert_eq!(listed(&by_hand), [all[0], all[2], all[3]]);
    by_hand.shows(r#"<option value="no" selected>"#);
    ada.post(&format!("{job}/disable"), &[]).await.leads_to();
    ada.get("/jobs")
        .await
        .shows(r#"</a> <span class="state">Disabled</span>"#);
    assert!(listed(&ada.get("/jobs?scheduled=yes").await).is_empty());

    // A text from the address is a text.
    let odd = ada.get("/jobs?name=%22%3E%3Cscript%3E").await;
    odd.shows(r#"value="&quot;&gt;&lt;script&gt;""#);
    running.stop().await;
}

#[tokio::test]
async fn a_job_runs_behind_another_one() {
    let running = host(Duration::from_millis(60)).await;
    let mut ada = Visitor::new(&running);
    let page = ada.connect("production", "Our CRM").await;
    let [accounts, contacts] = ["Account Sync_Our CRM", "Contact Sync_Our CRM"];
    let shown = ada.get(&page).await;
    let (front, job) = (shown.link(accounts), shown.link(contacts));
    let shown = ada.get(&job).await;
    shown.shows("No other job runs first.");
    let itself = format!(r#"<option value="{contacts}""#);
    assert!(!shown.body.contains(&itself), "{}", shown.body);

    let before = shown.hidden("edition");
    let saved = ada.change(&job, "first", &[("first", accounts)]).await;
    let shown = ada.get(saved.leads_to().as_str()).await;
    shown.shows("What runs first is changed.");
    shown.shows(&format!(r#"<a href="{front}">{accounts}</a> runs first"#));
    shown.shows(&format!(r#"<option value="{accounts}" selected>"#));
    // Of two who change the same, the second is told, and what was chosen stays.
    let late = [("first", ""), ("edition", &before)];
    let late = ada.post(&format!("{job}/first"), &late).await;
    assert_eq!(late.status, 409);
    late.shows(r#"<option value="" selected>None</option>"#);
    late.shows("<details open><summary>Change what runs first</summary>");
    let circle = ada.change(&front, "first", &[("first", contacts)]).await;
    assert_eq!(circle.status, 422);
    circle.shows("in a circle");
    circle.shows(&format!(r#"<option value="{contacts}" selected>"#));

    // One run is asked for, and both are made; the people find their companies.
    let run = ada.run(&page, contacts).await;
    let report = ada.get(&run).await;
    report.shows("600 records");
    report.shows("<dt>Linked by company</dt><dd>597</dd>");
    let history = ada.get(&front).await;
    history.shows(&format!("first, for {contacts}, 40 read"));

    let saved = ada.change(&job, "first", &[("first", "")]).await;
    ada.get(saved.leads_to().as_str())
        .await
        .shows("No other job runs first.");
    running.stop().await;
}
