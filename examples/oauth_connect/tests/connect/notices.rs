//! Who is told of runs and changes, and what.

use super::quick;
use super::visitor::Visitor;

const JOBS: [&str; 2] = ["Account Sync_Our CRM", "Contact Sync_Our CRM"];

#[tokio::test]
async fn people_hear_of_what_they_asked_for() {
    let running = quick().await;
    let mut ada = Visitor::new(&running);
    let page = ada.connect("production", "Our CRM").await;
    ada.get("/notices")
        .await
        .shows("Nobody was told anything yet.");
    let lists = [
        ("success", "ada@example.com"),
        ("partial_success", " ada@example.com , ops@example.com,"),
        ("failure", "ops@example.com"),
        ("changes", "boss@example.com"),
    ];
    for name in JOBS {
        let job = ada.get(&page).await.link(name);
        ada.get(&job).await.shows("<p>Nobody.</p>");
        let saved = ada.change(&job, "notify", &lists).await.leads_to();
        let shown = ada.get(saved.as_str()).await;
        shown.shows("Who hears of it is changed.");
        shown.shows(
            "<dt>Of runs that refused records</dt><dd>ada@example.com, ops@example.com</dd>",
        );
        shown.shows(r#"name="changes" value="boss@example.com""#);
    }
    let told = |name: &str, what: &str, to: &str| {
        format!(r#"<strong>{name} {what}</strong> <span class="quiet">to {to}@example.com</span>"#)
    };
    let notices = ada.get("/notices").await;
    notices.shows(&told(JOBS[0], "was changed", "boss"));
    assert!(!notices.body.contains("to ada@"), "{}", notices.body);

    ada.run(&page, JOBS[0]).await;
    ada.run(&page, JOBS[1]).await;
    for (name, what, to) in [
        (JOBS[0], "succeeded", "ada"),
        (JOBS[1], "succeeded in part", "ada"),
        (JOBS[1], "succeeded in part", "ops"),
    ] {
        ada.waits_for("/notices", &told(name, what, to)).await;
    }
    ada.post(&format!("{page}/revoke"), &[]).await.leads_to();
    ada.run(&page, JOBS[1]).await;
    let failed = told(JOBS[1], "failed", "ops");
    let notices = ada.waits_for("/notices", &failed).await;
    notices.shows("it was revoked; authorize it again first");
    assert!(
        !notices.body.contains("<h2>Not told</h2>"),
        "{}",
        notices.body
    );
    let to_ada = notices.body.matches("to ada@").count();
    assert_eq!(to_ada, 2, "{}", notices.body);
    running.stop().await;
}

#[tokio::test]
async fn a_notice_is_shown_apart() {
    let running = quick().await;
    let mut ada = Visitor::new(&running);
    let page = ada.connect("production", "<script>alert(1)</script>").await;
    let job = ada.get(&page).await.body;
    let (_, job) = job.split_once(r#"<a href="/jobs/"#).unwrap();
    let job = format!("/jobs/{}", job.split_once('"').unwrap().0);
    let lists = [("changes", "ada@example.com")];
    ada.change(&job, "notify", &lists).await.leads_to();
    let notices = ada.get("/notices").await;
    notices.shows("&lt;script&gt;alert(1)&lt;/script&gt; was changed</strong>");
    let (_, notice) = notices.body.split_once(r#"<a href="/notices/"#).unwrap();
    let notice = format!("/notices/{}", notice.split_once('"').unwrap().0);
    let html = ada.get(&notice).await;
    let policy = html.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.starts_with("sandbox; default-src 'none';"),
        "{policy}"
    );
    html.shows("&lt;script&gt;");
    for page in [&notices, &html] {
        assert!(!page.body.contains("<script"), "{}", page.body);
    }
    assert_eq!(ada.get("/notices/another").await.status, 404);
    running.stop().await;
}

#[tokio::test]
async fn who_is_not_told_is_shown() {
    let running = quick().await;
    let mut ada = Visitor::new(&running);
    let page = ada.connect("production", "Our CRM").await;
    let job = ada.get(&page).await.link(JOBS[0]);
    let lists = [("changes", "ada@example.com, #data")];
    ada.change(&job, "notify", &lists).await.leads_to();
    let notices = ada.get("/notices").await;
    notices.shows("<dt>#data</dt><dd>never told: 1; ");
    notices.shows("only mail addresses are known here; give one");
    // More than a few in an hour wait, and are told together.
    for word in ["disable", "enable"].repeat(4) {
        ada.post(&format!("{job}/{word}"), &[]).await.leads_to();
    }
    ada.get("/notices")
        .await
        .shows("<dt>ada@example.com</dt><dd>to be told yet: ");
    running.stop().await;
}
