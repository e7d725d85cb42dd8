//! What people were told, and what they are to be told yet.

use syncline::host::Notice;
use syncline::workspace::MailboxView;

use super::{Page, escape, layout, moment};

/// Notices, the newest first, behind the addresses at which something stands still.
pub(crate) fn notices(notices: &[Notice], mailboxes: &[MailboxView]) -> Page {
    let mut body = standing(mailboxes);
    if notices.is_empty() {
        body.push_str("<p>Nobody was told anything yet. The page of a job says who is to hear of its runs.</p>");
    }
    body.push_str(r#"<ul class="cards">"#);
    for notice in notices {
        body.push_str(&format!(
            r#"<li><strong>{}</strong> <span class="quiet">to {}</span> {}
<details><summary>What it says</summary><pre tabindex="0">{}</pre>
<p><a href="/notices/{}">As HTML: {}</a></p></details></li>"#,
            escape(&notice.subject),
            escape(&notice.to),
            moment(&notice.at),
            escape(&notice.text),
            escape(&notice.id),
            escape(&notice.subject),
        ));
    }
    layout("Notices", "", &(body + "</ul>"))
}

/// The addresses for which something waits, or was given up.
fn standing(mailboxes: &[MailboxView]) -> String {
    let mut html = String::new();
    for mailbox in mailboxes {
        let mut says = Vec::new();
        if mailbox.waiting > 0 {
            let next = mailbox.next.as_ref().map(moment).unwrap_or_default();
            says.push(format!("to be told yet: {}; {next}", mailbox.waiting));
        }
        if mailbox.given_up > 0 {
            says.push(format!("never told: {}", mailbox.given_up));
        }
        if let Some(problem) = mailbox.problem.as_ref().filter(|_| !says.is_empty()) {
            says.push(escape(problem));
        }
        if !says.is_empty() {
            let address = escape(&mailbox.address);
            html.push_str(&format!("<dt>{address}</dt><dd>{}</dd>", says.join("; ")));
        }
    }
    match html.is_empty() {
        true => html,
        false => format!("<h2>Not told</h2><dl>{html}</dl><h2>Told</h2>"),
    }
}
