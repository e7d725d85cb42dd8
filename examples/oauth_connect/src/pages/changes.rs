//! Who changed what, and which runs come.

use serde_json::Value;
use syncline::workspace::{AuditAction, AuditPage, AuditStanding, AuditSubject};

use super::{Page, escape, layout, moment, schedule};
use crate::overview::Coming;

/// Changes of connections, jobs and chains, the newest first.
pub(crate) fn changes(page: &AuditPage) -> Page {
    let mut body = String::new();
    if page.entries.is_empty() {
        body.push_str("<p>Nothing was changed yet.</p>");
    }
    body.push_str(r#"<ul class="cards">"#);
    for entry in &page.entries {
        let what = match entry.what {
            AuditSubject::Connection => "the connection",
            AuditSubject::Job => "the job",
            AuditSubject::Chain => "the chain",
            _ => "something called",
        };
        let standing = match entry.standing {
            AuditStanding::Done => "",
            AuditStanding::Begun => r#" <span class="state paused">Begun</span>"#,
            _ => r#" <span class="state failed">Failed</span>"#,
        };
        body.push_str(&format!(
            r#"<li>{} {} {what} <strong>{}</strong>{standing} <span class="quiet">by {}</span>{}</li>"#,
            moment(&entry.at),
            did(entry.action),
            escape(&entry.name),
            escape(entry.actor.as_deref().unwrap_or("nobody in particular")),
            difference(entry.before.as_ref(), entry.after.as_ref()),
        ));
    }
    body.push_str("</ul>");
    if let Some(next) = &page.next {
        body.push_str(&format!(
            r#"<p><a class="button" href="/changes?after={}">Older ones</a></p>"#,
            escape(next)
        ));
    }
    layout("Changes", "", &body)
}

fn did(action: AuditAction) -> &'static str {
    match action {
        AuditAction::Create => "made",
        AuditAction::Rename => "renamed",
        AuditAction::Enable => "enabled",
        AuditAction::Disable => "disabled",
        AuditAction::Delete => "removed",
        AuditAction::Authorize => "authorized",
        AuditAction::Revoke => "revoked",
        AuditAction::GiveSecrets => "gave secrets to",
        _ => "changed",
    }
}

/// What it was and what it is, if that is told.
fn difference(before: Option<&Value>, after: Option<&Value>) -> String {
    let json = |value: &Value| escape(serde_json::to_string_pretty(value).unwrap_or_default());
    let part = |title: &str, value: Option<&Value>| {
        let value = value.map(json);
        value.map_or(String::new(), |json| {
            format!(r#"<p>{title}</p><pre tabindex="0">{json}</pre>"#)
        })
    };
    let parts = part("Before", before) + &part("After", after);
    match parts.is_empty() {
        true => parts,
        false => format!("<details><summary>What</summary>{parts}</details>"),
    }
}

/// The runs that come, of all jobs and chains.
pub(crate) fn coming(runs: &[Coming]) -> Page {
    let mut body = String::new();
    if runs.is_empty() {
        body.push_str("<p>None: no job or chain runs by the clock.</p>");
    }
    body.push_str(r#"<ol class="cards">"#);
    for coming in runs {
        body.push_str(&format!(
            r#"<li>{} <a href="{}">{}</a></li>"#,
            schedule::time(&coming.run),
            escape(&coming.place),
            escape(&coming.name)
        ));
    }
    body.push_str("</ol>");
    layout("Coming runs", "", &body)
}
