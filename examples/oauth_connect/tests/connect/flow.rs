//! From connecting to rejects, and what may go wrong on the way.

use std::time::Duration;

use super::visitor::{Visitor, query};
use super::{host, quick};

#[tokio::test]
async fn from_connecting_to_rejects() {
    let running = host(Duration::from_millis(60)).await;
    let mut ada = Visitor::new(&running);
    ada.get("/").await.shows("Nothing is connected yet.");
    ada.get("/connectors").await.shows("<h2>CRM</h2>");

    let page = ada.connect("production", "Our CRM").await;
    let shown = ada.get(&page).await;
    shown.shows("Blue Heron Ltd");
    shown.shows(">Account Sync_Our CRM</a>");
    shown.shows(">Contact Sync_Our CRM</a>");
    shown.shows("<dt>Contact</dt><dd>Id, Email, FirstName, LastName, Birthday, AccountId</dd>");

    let accounts = ada.run(&page, "Account Sync_Our CRM").await;
    let report = ada.get(&accounts).await;
    report.shows("<dt>Inserted</dt><dd>40</dd>");
    report.shows("<dt>Linked by parent</dt><dd>13</dd>");
    assert!(!report.body.contains("rejects.csv"));

    // While it goes on, its page has the figures, and does without a script.
    let job = ada.get(&page).await.link("Contact Sync_Our CRM");
    let run = ada.post(&format!("{job}/run"), &[]).await.leads_to();
    let going_on = ada.get(run.path()).await;
    going_on.shows(r#"<noscript><meta http-equiv="refresh" content="2"></noscript>"#);
    going_on.shows(r#"data-figure="read""#);
    // Whoever clicks again is shown the same run.
    let again = ada.post(&format!("{job}/run"), &[]).await.leads_to();
    assert_eq!(again, run);
    let events = ada.events(&format!("{}/events", run.path())).await;
    let read: Vec<u64> = events.iter().map(|e| e["read"].as_u64().unwrap()).collect();
    assert!(read.is_sorted() && *read.last().unwrap() == 600, "{read:?}");
    let mut steps = read.clone();
    steps.dedup();
    assert!(steps.len() > 5, "{read:?}");
    let between =
        |event: &serde_json::Value| (1..600).contains(&event["committed"].as_u64().unwrap());
    assert!(events.iter().any(between), "{events:?}");
    assert_eq!(events.last().unwrap()["committed"], 600);

    let report = ada.get(run.path()).await;
    assert!(
        !report.body.contains("http-equiv=\"refresh\""),
        "it has ended"
    );
    report.shows("Partial success");
    report.shows("<dt>Inserted</dt><dd>597</dd>");
    report.shows("<dt>Rejected</dt><dd>3</dd>");
    report.shows("<dt>Linked by company</dt><dd>597</dd>");
    report.shows("&quot;event&quot;: &quot;run_finished&quot;");
    let rejects = ada.get(&report.link("Download the rejects (CSV)")).await;
    assert_eq!(rejects.headers["content-type"], "text/csv; charset=utf-8");
    let lines: Vec<&str> = rejects.body.lines().collect();
    assert_eq!(lines.len(), 4, "{}", rejects.body);
    assert!(lines[0].starts_with("Id,Email,FirstName,LastName,Birthday,AccountId,_reason,"));
    rejects.shows("C00007,call her instead,Hana,Haddad,");
    rejects.shows("bad_value,Email,");
    rejects.shows("bad_value,Birthday,");
    rejects.shows("missing_required,email,");

    // Once more: the same people, and the rejects are those of each run alone.
    let second = ada.run(&page, "Contact Sync_Our CRM").await;
    let report = ada.get(&second).await;
    report.shows("<dt>Updated</dt><dd>597</dd>");
    let rejects = ada.get(&report.link("Download the rejects (CSV)")).await;
    assert_eq!(rejects.body.lines().count(), 4, "{}", rejects.body);
    let history = ada.get(&job).await;
    assert_eq!(history.body.matches(">Run of ").count(), 2);
    ada.get("/").await.shows("<dt>person</dt><dd>597</dd>");
    running.stop().await;
}

#[tokio::test]
async fn a_sandbox_has_its_own_organisation_and_records() {
    let running = quick().await;
    let mut ada = Visitor::new(&running);
    let page = ada.connect("sandbox", "Playground").await;
    ada.get(&page).await.shows("Blue Heron Ltd, sandbox");
    let run = ada.run(&page, "Contact Sync_Playground").await;
    ada.get(&run).await.shows("30 records");
    assert_eq!(running.providers[0].granted(), 0);
    assert_eq!(running.providers[1].granted(), 1);
}

#[tokio::test]
async fn a_person_who_says_no_can_say_yes_later() {
    let running = quick().await;
    let mut ada = Visitor::new(&running);
    let consent = ada.begin("production", "Our CRM").await;
    let callback = ada.decide(&consent, "deny").await;
    assert_eq!(query(&callback)["error"], "access_denied");
    let refused = ada.get(callback.as_str()).await;
    assert_eq!(refused.status, 403);
    refused.shows("Consent was not given");
    let page = refused.link("Back to the connection, to begin again");
    let shown = ada.get(&page).await;
    shown.shows(r#"<span class="state unauthorized">"#);
    assert!(
        !shown.body.contains("Check</button>"),
        "not before it is authorized"
    );

    let consent = ada.post(&format!("{page}/authorize"), &[]).await.leads_to();
    let callback = ada.decide(&consent, "allow").await;
    ada.get(callback.as_str()).await.leads_to();
    ada.get(&page).await.shows(r#"<span class="state active">"#);
}

#[tokio::test]
async fn a_callback_is_for_one_use() {
    let running = quick().await;
    let mut ada = Visitor::new(&running);
    let consent = ada.begin("production", "Our CRM").await;
    let callback = ada.decide(&consent, "allow").await;
    assert_eq!(ada.get(callback.as_str()).await.status, 303);
    let replayed = ada.get(callback.as_str()).await;
    assert_eq!(replayed.status, 403);
    replayed.shows("This callback fits no authorization that is under way");
    // Why is nothing for whoever may have forged it.
    assert!(!replayed.body.contains("used already"));
    assert_eq!(running.providers[0].granted(), 1);
    assert_eq!(ada.get("/callback").await.status, 403);
    assert_eq!(ada.get("/callback?code=c&state=s").await.status, 403);
}

#[tokio::test]
async fn a_callback_is_for_the_session_that_began() {
    let running = quick().await;
    let mut ada = Visitor::new(&running);
    let mut eve = Visitor::new(&running);
    eve.get("/").await;
    let consent = ada.begin("production", "Our CRM").await;
    let callback = ada.decide(&consent, "allow").await;
    let stolen = eve.get(callback.as_str()).await;
    assert_eq!(stolen.status, 403);
    assert_eq!(running.providers[0].granted(), 0, "no code was redeemed");
    // Nobody can end what somebody else began.
    assert_eq!(ada.get(callback.as_str()).await.status, 303);
}

#[tokio::test]
async fn a_custom_domain_must_be_the_systems() {
    let running = quick().await;
    let mut ada = Visitor::new(&running);
    for (domain, says) in [
        ("acme.example.com", "This host is not one of the connector"),
        (
            "my.acme-crm.example.evil.example",
            "This host is not one of the connector",
        ),
        ("127.0.0.1", "This is not the name of a host"),
        (
            "acme.my.acme-crm.example:8443",
            "This is not the name of a host",
        ),
        ("", "This is not the name of a host"),
    ] {
        let fields = [("name", "Ours"), ("org", "custom"), ("domain", domain)];
        let refused = ada.post("/connectors/acme_crm", &fields).await;
        assert_eq!(refused.status, 422, "{domain}");
        refused.shows(says);
        // It stands beside its field, which keeps what was typed.
        refused.shows(r#"aria-describedby="domain-help domain-wrong" aria-invalid="true""#);
        refused.shows(&format!(r#"name="domain" value="{domain}""#));
        refused.shows(r#"value="custom" checked"#);
    }
    ada.get("/").await.shows("Nothing is connected yet.");
    // One of the system's is taken, and people are sent to that host alone.
    let fields = [
        ("name", "Ours"),
        ("org", "custom"),
        ("domain", "acme.my.acme-crm.example"),
    ];
    let consent = ada.post("/connectors/acme_crm", &fields).await.leads_to();
    assert!(
        consent
            .as_str()
            .starts_with("https://acme.my.acme-crm.example/oauth/authorize?")
    );
}

#[tokio::test]
async fn answers_that_do_not_fit_are_told_at_their_fields() {
    let running = quick().await;
    let mut ada = Visitor::new(&running);
    for page_size in ["0", "201", "many"] {
        let fields = [
            ("name", "Ours"),
            ("org", "production"),
            ("page_size", page_size),
        ];
        let refused = ada.post("/connectors/acme_crm", &fields).await;
        assert_eq!(refused.status, 422);
        refused.shows("Give a whole number from 1 to 200");
    }
    let refused = ada.post("/connectors/acme_crm", &[("name", " ")]).await;
    refused.shows(r#"id="name-wrong""#);
    ada.connect("production", "Ours").await;
    let fields = [("name", "Ours"), ("org", "sandbox")];
    let taken = ada.post("/connectors/acme_crm", &fields).await;
    assert_eq!(taken.status, 409);
    let unknown = ada.post("/connectors/erp", &fields).await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn forms_come_from_our_own_pages() {
    let running = quick().await;
    let mut ada = Visitor::new(&running);
    let mut eve = Visitor::new(&running);
    let page = ada.connect("production", "Our CRM").await;
    let of_eve = eve.get("/connectors/acme_crm").await.hidden("form_token");
    for token in ["", of_eve.as_str()] {
        let forged = ada
            .post_raw(&format!("{page}/delete"), &[("form_token", token)])
            .await;
        assert_eq!(forged.status, 403);
    }
    assert_eq!(
        ada.post_raw(&format!("{page}/delete"), &[]).await.status,
        403
    );
    assert_eq!(ada.get(&page).await.status, 200);
}

#[tokio::test]
async fn texts_are_shown_as_texts() {
    let running = quick().await;
    let mut ada = Visitor::new(&running);
    let name = r#""><script>alert('x')</script>"#;
    let page = ada.connect("production", name).await;
    for place in [
        "/",
        "/jobs",
        &page,
        "/connectors/%3Cscript%3E",
        "/jobs/%3Cscript%3E",
    ] {
        let shown = ada.get(place).await;
        assert!(!shown.body.contains("<script"), "{}", shown.body);
        let policy = shown.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none';"));
    }
    let refused = ada.post("/connectors/acme_crm", &[("name", name)]).await;
    assert_eq!(refused.status, 409, "the name is taken");
    refused.shows(r#"value="&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;""#);
    assert!(!refused.body.contains("<script"), "{}", refused.body);
}
