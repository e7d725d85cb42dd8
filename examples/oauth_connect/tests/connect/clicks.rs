//! A person at a desk, one with a phone, and one without a mouse.

use std::time::Duration;

use serde_json::Value;

use super::browser::{Browser, DOWN, ENTER, SPACE};
use super::host;

/// Somebody else is to hear of a job.
const CHANGED: &str = "return document.body.textContent.includes('Who hears of it is changed.')";

/// From the page of a job: a schedule, a chain, and what is told of runs and changes.
async fn schedules(browser: &Browser) {
    let fill = "const [id, text] = arguments[0]; document.getElementById(id).value = text";
    browser.click("Change the schedule").await;
    let typed = |text| serde_json::json!(["schedule", text]);
    browser.script(fill, typed("now and then")).await;
    browser.click("Show its next runs").await;
    let alert = "return !!document.getElementById('schedule-wrong')";
    browser.until(alert, "what is wrong").await;
    browser.looks_right("18-wrong-schedule").await;
    let text = "every weekday at 06:30 Europe/Berlin";
    browser.script(fill, typed(text)).await;
    browser.click("Show its next runs").await;
    let preview = "return document.body.textContent.includes('It would run:')";
    browser.until(preview, "its next runs").await;
    browser.looks_right("19-next-runs").await;
    browser.click("Save").await;
    let saved = "return document.body.textContent.includes('by its new schedule')";
    browser.until(saved, "the new schedule").await;
    browser.looks_right("20-scheduled").await;
    browser.click("Change what runs first").await;
    browser.click("Change who hears of it").await;
    let address = serde_json::json!(["changes", "ada@example.com"]);
    browser.script(fill, address).await;
    browser.looks_right("27-job-forms").await;
    browser.click("Of changes").await;
    browser.press(&[ENTER]).await;
    browser.until(CHANGED, "who hears of it").await;
    browser.click("Jobs").await;
    browser.arrives("Jobs").await;
    browser.looks_right("21-jobs").await;
    let name = serde_json::json!(["name", "contact"]);
    browser.script(fill, name).await;
    browser.click("Show").await;
    let found = "return document.querySelectorAll('tbody tr').length == 1";
    browser.until(found, "the one job").await;
    browser.looks_right("28-jobs-found").await;

    browser.click("Chains").await;
    browser.arrives("Chains").await;
    browser.click("Make a chain").await;
    browser.arrives("Make a chain").await;
    browser.looks_right("22-new-chain").await;
    let links = "Account Sync_Acme CRM\nContact Sync_Acme CRM";
    browser
        .script(fill, serde_json::json!(["name", "nightly"]))
        .await;
    browser
        .script(fill, serde_json::json!(["links", links]))
        .await;
    browser.click("Make the chain").await;
    browser.arrives("Links").await;
    browser.click("Run now").await;
    let ended = "return document.body.textContent.includes('Its last run')";
    browser.until(ended, "the end of the chain").await;
    browser.click("Change the schedule").await;
    browser
        .script(fill, typed("every day at 01:30 Europe/Berlin"))
        .await;
    browser.click("Save").await;
    browser.until(saved, "the new schedule").await;
    browser.looks_right("23-chain").await;
    let open = "document.querySelector('main a[href^=\"/runs/\"]:not(ol *)').click()";
    browser.script(open, Value::Null).await;
    browser.arrives("Report").await;
    browser.looks_right("29-chain-run").await;
    browser.click("Coming runs").await;
    browser.arrives("Coming runs").await;
    browser.looks_right("24-coming").await;
    browser.click("Activity").await;
    browser.arrives("Activity").await;
    browser.looks_right("25-activity").await;
    browser.click("Notices").await;
    browser.arrives("Notices").await;
    browser.click("What it says").await;
    browser.looks_right("30-notices").await;
    browser.click("Activity").await;
    browser.arrives("Activity").await;
    browser.click("Who changed what").await;
    browser.arrives("Changes").await;
    browser.click("What").await;
    browser.looks_right("26-changes").await;
}

/// From connecting to rejects by clicks, looking at each page.
async fn by_clicks(width: u32) {
    let running = host(Duration::from_millis(150)).await;
    let browser = Browser::open(width).await;
    browser.go(&running.address).await;
    browser.arrives("Connections").await;
    browser.looks_right("01-nothing-yet").await;
    browser.click("Connect a system").await;
    browser.arrives("CRM").await;
    browser.looks_right("02-connectors").await;
    browser.click("Acme CRM").await;
    browser.arrives("Connect Acme CRM").await;
    browser.looks_right("03-form").await;

    // A domain that is somebody else's.
    browser.click("A domain of its own").await;
    browser
        .script(
            "document.getElementById('domain').value = arguments[0]",
            "acme.example.com",
        )
        .await;
    browser.click("Connect").await;
    browser
        .until("return !!document.querySelector('[role=alert]')", "")
        .await;
    browser.looks_right("04-wrong-domain").await;

    browser.click("Production").await;
    browser.click("Connect").await;
    browser.arrives("Sign in with Acme CRM").await;
    browser.looks_right("05-consent").await;
    browser.click("Deny").await;
    browser.arrives("That did not work").await;
    browser.looks_right("06-denied").await;
    browser
        .click("Back to the connection, to begin again")
        .await;
    browser.arrives("Acme CRM").await;
    browser.looks_right("07-unauthorized").await;
    browser.click("Authorize").await;
    browser.arrives("Sign in with Acme CRM").await;
    browser.click("Allow").await;
    browser.arrives("Objects").await;
    browser.looks_right("08-connected").await;

    browser.click("Account Sync_Acme CRM").await;
    browser.arrives("Runs").await;
    browser.click("Run now").await;
    browser.arrives("Report").await;
    browser.click("Jobs").await;
    browser.arrives("Jobs").await;
    browser.click("Contact Sync_Acme CRM").await;
    browser.arrives("Fields").await;
    browser.looks_right("09-job").await;
    browser.click("Run now").await;
    browser.arrives("Running").await;
    let between = "const read = Number(document.querySelector('[data-figure=read]')?.textContent); return read > 100 && read < 600";
    browser.until(between, "figures that move").await;
    browser.looks_right("10-running").await;
    browser.arrives("Report").await;
    // The report has the focus, which nobody had to look for.
    browser
        .until("return document.activeElement.id == 'report'", "the focus")
        .await;
    browser.looks_right("11-report").await;
    browser.click("Download the rejects (CSV)").await;
    let csv = browser.downloaded("rejects.csv").await;
    assert_eq!(csv.lines().count(), 4, "{csv}");
    browser.click("The report as JSON").await;
    browser.looks_right("12-json").await;

    browser.click("Contact Sync_Acme CRM").await;
    browser.arrives("Runs").await;
    browser.looks_right("13-history").await;
    schedules(&browser).await;
    browser.click("Jobs").await;
    browser.arrives("Jobs").await;
    browser.click("Contact Sync_Acme CRM").await;
    browser.arrives("Fields").await;
    browser.click("Acme CRM").await;
    browser.arrives("Objects").await;
    browser.click("Rename").await;
    browser.click("Delete").await;
    browser.looks_right("14-changes").await;
    browser.click("Revoke").await;
    browser
        .until("return !!document.querySelector('.state.revoked')", "")
        .await;
    browser.looks_right("15-revoked").await;
    browser.click("Contact Sync_Acme CRM").await;
    browser.arrives("Runs").await;
    browser.click("Run now").await;
    browser
        .until("return !!document.querySelector('.state.failed')", "")
        .await;
    browser.looks_right("16-failed").await;
    browser.click("Connections").await;
    browser.arrives("Your records").await;
    browser.looks_right("17-connections").await;
    running.stop().await;
}

#[tokio::test]
async fn at_a_desk() {
    by_clicks(1280).await;
}

#[tokio::test]
async fn on_a_phone() {
    by_clicks(360).await;
}

/// What is looked for on each page is found where it is.
#[tokio::test]
async fn what_looks_wrong_is_seen() {
    let running = host(Duration::ZERO).await;
    let browser = Browser::open(360).await;
    let spoilt = [
        ("<p style='width: 400px'>wide</p>", "the page is"),
        (
            "<p style='color: #999'>pale</p>",
            "\"pale\" has a contrast of 2.8",
        ),
        ("<input name='mute'>", "mute has no label"),
        (
            "<button style='min-height: 0'>tiny</button>",
            "tiny is too small",
        ),
        ("<p id='main'></p>", "an id is there twice"),
        ("<p aria-describedby='gone'></p>", "nothing has the id gone"),
        ("<h3>deep</h3>", "deep skips a level"),
        ("<h1>another</h1>", "not one h1"),
    ];
    for (html, says) in spoilt {
        browser.go(&running.address).await;
        assert_eq!(browser.looks().await, serde_json::json!([]));
        let spoil = "document.querySelector('main').insertAdjacentHTML('afterbegin', arguments[0])";
        browser.script(spoil, html).await;
        // The page's policy allows no style in HTML; a script may set one.
        let styles = "for (const e of document.querySelectorAll('[style]')) e.style.cssText = e.getAttribute('style')";
        browser.script(styles, Value::Null).await;
        let found = browser.looks().await.to_string();
        assert!(
            found.contains(&says.replace('"', "\\\"")),
            "{html}: {found}"
        );
    }
    running.stop().await;
}

/// A run's page moves on by itself where no script runs.
#[tokio::test]
async fn without_scripts() {
    let running = host(Duration::from_millis(150)).await;
    let browser = Browser::open(360).await;
    let none = serde_json::json!({"value": true});
    browser
        .command("Emulation.setScriptExecutionDisabled", none)
        .await;
    browser.go(&running.address).await;
    browser.click("Connect a system").await;
    browser.arrives("CRM").await;
    browser.click("Acme CRM").await;
    browser.arrives("Connect Acme CRM").await;
    browser.click("Connect").await;
    browser.arrives("Sign in with Acme CRM").await;
    browser.click("Allow").await;
    browser.arrives("Objects").await;
    browser.click("Contact Sync_Acme CRM").await;
    browser.arrives("Runs").await;
    browser.click("Run now").await;
    browser.arrives("Running").await;
    browser.arrives("Report").await;
    // The script would have come here by another address.
    let place = browser.script("return location.hash", Value::Null).await;
    assert_eq!(place, "");
    browser.click("Download the rejects (CSV)").await;
    let csv = browser.downloaded("rejects.csv").await;
    assert_eq!(csv.lines().count(), 4, "{csv}");
    browser.click("Jobs").await;
    browser.arrives("Jobs").await;
    browser.click("Show").await;
    let asked = "return location.search.startsWith('?name=')";
    browser.until(asked, "the jobs that are asked for").await;
    browser.click("Contact Sync_Acme CRM").await;
    browser.arrives("Who hears of it").await;
    browser.click("Change who hears of it").await;
    browser.click("Of changes").await;
    browser.press(&['a', '@', 'b', ENTER]).await;
    browser.until(CHANGED, "who hears of it").await;
    browser.click("Notices").await;
    browser.arrives("Notices").await;
    browser.click("What it says").await;
    running.stop().await;
}

#[tokio::test]
async fn without_a_mouse() {
    let running = host(Duration::from_millis(30)).await;
    let browser = Browser::open(1280).await;
    browser.go(&running.address).await;
    // The first stop leads past the navigation.
    browser.tab_to("Skip to content").await;
    browser.press(&[ENTER]).await;
    browser.tab_to("Connect a system").await;
    browser.press(&[ENTER]).await;
    browser.arrives("CRM").await;
    browser.tab_to("Acme CRM").await;
    browser.press(&[ENTER]).await;
    browser.arrives("Connect Acme CRM").await;
    browser.tab_to("Name").await;
    let typed: Vec<char> = "Our CRM".chars().collect();
    browser.press(&typed).await;
    // One stop for all radio buttons; arrows choose.
    browser.tab_to("Production").await;
    browser.press(&[DOWN]).await;
    let chosen = "return document.querySelector('[name=org]:checked').value";
    assert_eq!(browser.script(chosen, Value::Null).await, "sandbox");
    browser.tab_to("Connect").await;
    browser.press(&[ENTER]).await;
    browser.arrives("Sign in with Acme CRM (sandbox)").await;
    browser.tab_to("Allow").await;
    browser.press(&[ENTER]).await;
    browser.arrives("Objects").await;
    browser.tab_to("Contact Sync_Our CRM").await;
    browser.press(&[ENTER]).await;
    browser.arrives("Runs").await;
    browser.tab_to("Run now").await;
    browser.press(&[SPACE]).await;
    browser.arrives("Report").await;
    browser.tab_to("Download the rejects (CSV)").await;
    browser.press(&[ENTER]).await;
    let csv = browser.downloaded("rejects.csv").await;
    assert_eq!(csv.lines().count(), 4, "{csv}");
    browser.tab_to("The report as JSON").await;
    browser.press(&[ENTER]).await;
    browser.tab_to("Jobs").await;
    browser.press(&[ENTER]).await;
    browser.arrives("Jobs").await;
    browser.tab_to("Name").await;
    browser.press(&['c', 'o', 'n', ENTER]).await;
    let found = "return document.querySelectorAll('tbody tr').length == 1";
    browser.until(found, "the one job").await;
    browser.tab_to("Contact Sync_Our CRM").await;
    browser.press(&[ENTER]).await;
    browser.arrives("Who hears of it").await;
    browser.tab_to("Change who hears of it").await;
    browser.press(&[ENTER]).await;
    browser.tab_to("Of changes").await;
    browser.press(&['a', '@', 'b', ENTER]).await;
    browser.until(CHANGED, "who hears of it").await;
    browser.tab_to("What they were told").await;
    browser.press(&[ENTER]).await;
    browser.arrives("Notices").await;
    browser.tab_to("What it says").await;
    browser.press(&[ENTER]).await;
    browser.tab_to("Connections").await;
    browser.press(&[ENTER]).await;
    browser.arrives("Your records").await;
    assert!(browser.title().await.starts_with("Connections"));
    running.stop().await;
}
