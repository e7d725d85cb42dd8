//! One connection: how it is, and what may be done with it.

use syncline::Error;
use syncline::connection::Catalog;
use syncline::spec::Org;
use syncline::workspace::{ConnectionAction, ConnectionView, JobRow};

use super::jobs::job_list;
use super::{Page, alert, button, capital, escape, form, layout, moment, notice, words};
use crate::session::Session;

/// The page of a connection.
pub(crate) fn connection(
    session: &Session,
    view: &ConnectionView,
    catalog: &Catalog,
    jobs: &[JobRow],
    told: Result<Option<&str>, &Error>,
) -> Page {
    let mut body = match told {
        Ok(done) => done.map(notice).unwrap_or_default(),
        Err(error) => alert(error),
    };
    if let Some(problem) = &view.problem {
        let problem = escape(capital(problem));
        body.push_str(&format!(r#"<div class="alert"><p>{problem}</p></div>"#));
    }
    body.push_str(&facts(view));
    body.push_str(&actions(session, view));
    body.push_str("<h2>Jobs</h2>");
    match jobs.is_empty() {
        true => body.push_str("<p>It gets its jobs when it is authorized.</p>"),
        false => body.push_str(&job_list(jobs)),
    }
    if !catalog.objects.is_empty() {
        body.push_str("<h2>Objects</h2><dl>");
        for object in &catalog.objects {
            let fields = object.schema.fields().iter();
            let fields: Vec<&str> = fields.map(|field| field.name.as_str()).collect();
            body.push_str(&format!(
                "<dt>{}</dt><dd>{}</dd>",
                escape(&object.name),
                escape(fields.join(", "))
            ));
        }
        body.push_str("</dl>");
    }
    body.push_str(&changes(session, view, jobs.len()));
    layout(&view.spec.name, "", &body)
}

fn facts(view: &ConnectionView) -> String {
    let org = match &view.spec.org {
        Org::Production => "Production".to_owned(),
        Org::Sandbox => "Sandbox".to_owned(),
        Org::CustomDomain(domain) => domain.to_string(),
        _ => "Another kind".to_owned(),
    };
    let organization = view.organization.as_deref().unwrap_or("Not known yet");
    format!(
        r#"<dl>
<dt>State</dt><dd><span class="state {}">{}</span></dd>
<dt>Organisation</dt><dd>{}</dd>
<dt>Kind</dt><dd>{}</dd>
<dt>Made</dt><dd>{}</dd>
</dl>
"#,
        view.state,
        words(view.state.word()),
        escape(organization),
        escape(org),
        moment(&view.created_at)
    )
}

/// A button for each action that its state allows, so that no other can be tried.
fn actions(session: &Session, view: &ConnectionView) -> String {
    let mut html = String::from(r#"<div class="actions">"#);
    for action in view.actions() {
        let (label, class) = match action {
            ConnectionAction::Authorize if view.organization.is_none() => ("Authorize", ""),
            ConnectionAction::Authorize => ("Authorize again", "plain"),
            ConnectionAction::Check => ("Check", "plain"),
            ConnectionAction::Refresh => ("Refresh objects", "plain"),
            ConnectionAction::Revoke => ("Revoke", "plain"),
            ConnectionAction::Disable => ("Disable", "plain"),
            ConnectionAction::Enable => ("Enable", ""),
            // Those have fields of their own, or places of their own.
            _ => continue,
        };
        let path = format!("/connections/{}/{}", view.id, action.word());
        html.push_str(&button(session, &path, label, class));
    }
    html + "</div>"
}

/// What asks for more than a click.
fn changes(session: &Session, view: &ConnectionView, jobs: usize) -> String {
    let mut html = String::new();
    let path = |action: ConnectionAction| format!("/connections/{}/{}", view.id, action.word());
    let may = view.actions();
    if may.contains(&ConnectionAction::Rename) {
        let fields = format!(
            r#"<div class="field"><label for="new-name">New name</label><input id="new-name" name="name" value="{}" required></div>
<div class="actions"><button>Rename</button></div>"#,
            escape(&view.spec.name)
        );
        html.push_str("<details><summary>Rename</summary>");
        html.push_str(&form(session, &path(ConnectionAction::Rename), &fields));
        html.push_str("</details>");
    }
    if may.contains(&ConnectionAction::Delete) {
        let with_jobs = match jobs {
            0 => String::new(),
            1 => "<label class=\"choice\"><input type=\"checkbox\" name=\"jobs\" value=\"delete\"> With its job, and how far it has come</label>".to_owned(),
            jobs => format!(
                "<label class=\"choice\"><input type=\"checkbox\" name=\"jobs\" value=\"delete\"> With its {jobs} jobs, and how far they have come</label>"
            ),
        };
        let fields = format!(
            r#"<p>The system is told that it is over. Your records stay.</p>{with_jobs}<div class="actions"><button class="danger">Delete the connection</button></div>"#
        );
        html.push_str("<details><summary>Delete</summary>");
        html.push_str(&form(session, &path(ConnectionAction::Delete), &fields));
        html.push_str("</details>");
    }
    html
}
