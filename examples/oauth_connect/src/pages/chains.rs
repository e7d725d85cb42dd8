//! Chains: their links, when they run, and where they stand.

use syncline::Error;
use syncline::schedule::{LastOutcome, PreviewRun};
use syncline::scheduler::TimetableView;
use syncline::spec::{Ended, Member, OnFailure, RunCondition};
use syncline::workspace::{ChainView, RunRecord};

use super::runs::{run_list, state};
use super::schedule::{self, Typed, is_busy, standing};
use super::{Page, alert, button, choice, escape, form, layout, moment, notice};
use crate::overview::LinkRow;
use crate::session::Session;

/// All chains, each with its timetable.
pub(crate) fn chains(chains: &[(ChainView, Option<TimetableView>)]) -> Page {
    let mut body = String::new();
    if chains.is_empty() {
        body.push_str("<p>There are none yet.</p>");
    }
    body.push_str(r#"<ul class="cards">"#);
    for (view, timetable) in chains {
        let links: Vec<&str> = view
            .spec
            .links
            .iter()
            .map(|link| link.member.name())
            .collect();
        let when = match view.enabled {
            true => view.spec.settings.schedule.to_string(),
            false => "disabled".to_owned(),
        };
        let last = timetable.as_ref().and_then(|timetable| timetable.last_end);
        let last = last.map_or("Never run".to_owned(), |at| {
            format!("Ended {}", moment(&at))
        });
        body.push_str(&format!(
            r#"<li><a href="/chains/{}">{}</a> <span class="quiet">{last}</span>
<p class="quiet">{}; {}</p></li>"#,
            escape(&view.id),
            escape(&view.spec.name),
            escape(links.join(", then ")),
            escape(when),
        ));
    }
    body.push_str(r#"</ul><p><a class="button" href="/chains/new">Make a chain</a></p>"#);
    layout("Chains", "", &body)
}

/// What somebody typed for a new chain.
#[derive(Debug, Default)]
pub(crate) struct TypedChain {
    pub(crate) name: String,
    /// Names of jobs and chains, one a line.
    pub(crate) links: String,
    pub(crate) needs: String,
    pub(crate) on_failure: String,
}

/// The form of a new chain, of these jobs and chains.
pub(crate) fn chain_form(
    session: &Session,
    known: &[String],
    typed: &TypedChain,
    error: Option<&Error>,
) -> Page {
    let needs = [
        ("written", "wrote its records, or refused some of them"),
        ("whole", "wrote all its records"),
        ("anyhow", "ended in any way"),
    ];
    let policies = [
        ("stop", "stop; the next run begins there"),
        ("skip_dependents", "skip the jobs behind it"),
        ("continue", "go on all the same"),
    ];
    let fields = format!(
        r#"<div class="field"><label for="name">Name</label><input id="name" name="name" value="{}" required></div>
<div class="field"><label for="links">Jobs and chains, one a line, in order</label><textarea id="links" name="links" rows="5" aria-describedby="links-help" required>{}</textarea>
<p class="quiet" id="links-help">There are: {}</p></div>
{}{}<div class="actions"><button>Make the chain</button></div>"#,
        escape(&typed.name),
        escape(&typed.links),
        escape(known.join(", ")),
        choice(
            "needs",
            "A job starts when the one in front of it",
            &typed.needs,
            needs
        ),
        choice(
            "on_failure",
            "When one did not do that",
            &typed.on_failure,
            policies
        ),
    );
    let body = error.map(alert).unwrap_or_default() + &form(session, "/chains/new", &fields);
    layout("Make a chain", "", &body)
}

/// What the page of a chain shows.
pub(crate) struct ChainPage<'a> {
    pub(crate) view: &'a ChainView,
    pub(crate) links: &'a [LinkRow],
    /// The latest runs.
    pub(crate) runs: &'a [RunRecord],
    pub(crate) timetable: Option<&'a TimetableView>,
    pub(crate) next: &'a [PreviewRun],
    pub(crate) typed: Option<&'a Typed>,
    pub(crate) done: Option<&'static str>,
    pub(crate) error: Option<&'a Error>,
}

/// The page of a chain. While it runs, it loads itself again.
pub(crate) fn chain(session: &Session, page: &ChainPage<'_>) -> Page {
    let view = page.view;
    let busy = page.timetable.is_some_and(is_busy);
    let mut body = page.done.map(notice).unwrap_or_default();
    body.push_str(&page.error.map(alert).unwrap_or_default());
    body.push_str(&page.timetable.map(standing).unwrap_or_default());
    if let Some((outcome, at)) = page
        .timetable
        .and_then(|timetable| timetable.last_outcome.zip(timetable.last_end))
    {
        let word = match outcome {
            LastOutcome::Succeeded => r#"<span class="state success">Done</span>"#,
            LastOutcome::Stopped => r#"<span class="state cancelled">Stopped</span>"#,
            _ => r#"<span class="state failed">Failed</span>"#,
        };
        body.push_str(&format!(
            "<p>Its last run: {word}, ended {}</p>",
            moment(&at)
        ));
    }
    let place = |what: &str| format!("/chains/{}/{what}", view.id);
    body.push_str(r#"<div class="actions">"#);
    if view.enabled {
        body.push_str(&button(session, &place("run"), "Run now", ""));
    }
    if busy {
        body.push_str(&button(session, &place("cancel"), "Cancel", "plain"));
    }
    body.push_str(&match view.enabled {
        true => button(session, &place("disable"), "Disable", "plain"),
        false => button(session, &place("enable"), "Enable", ""),
    });
    body.push_str("</div><h2>Links</h2>");
    body.push_str(&links(page.links));
    let policy = match view.spec.on_failure {
        OnFailure::Stop => {
            "When one did not do what is needed, the chain stops, and its next run begins there."
        }
        OnFailure::SkipDependents => {
            "When one did not do what is needed, those that wait for it are skipped."
        }
        _ => "All start, whatever those in front of them did.",
    };
    body.push_str(&format!(r#"<p class="quiet">{policy}</p>"#));
    if !page.runs.is_empty() {
        body.push_str("<h2>Runs</h2>");
        body.push_str(&run_list(page.runs, None));
        body.push_str(&format!(
            r#"<p><a href="/activity?of={}">All its runs</a></p>"#,
            escape(&view.id)
        ));
    }
    body.push_str(&schedule::schedule(
        session,
        &format!("/chains/{}", view.id),
        &view.spec.settings.schedule.to_string(),
        page.next,
        &view.changed_at.to_rfc3339(),
        page.typed,
    ));
    body.push_str("<details><summary>Delete</summary>");
    let fields = r#"<p>Its jobs stay, and run by their own schedules again.</p><div class="actions"><button class="danger">Delete the chain</button></div>"#;
    body.push_str(&form(session, &place("delete"), fields));
    body.push_str("</details>");
    let reload = r#"<meta http-equiv="refresh" content="2">
"#;
    layout(&view.spec.name, if busy { reload } else { "" }, &body)
}

/// The links, each with what it waits for and how it ran last.
fn links(rows: &[LinkRow]) -> String {
    let mut html = String::from(r#"<ol class="cards">"#);
    for (at, row) in rows.iter().enumerate() {
        let name = escape(row.link.member.name());
        let name = match &row.place {
            Some(place) => format!(r#"<a href="{}">{name}</a>"#, escape(place)),
            None => name,
        };
        let last = match &row.last {
            Some(run) => format!(
                r#"{} <a href="/runs/{}">{}</a>"#,
                state(run.status),
                escape(&run.id),
                moment(&run.started_at)
            ),
            None => String::new(),
        };
        let kind = match row.link.member {
            Member::Chain(_) => "the chain ",
            _ => "",
        };
        let front: Vec<String> = match &row.link.after {
            Some(members) => members.iter().map(ToString::to_string).collect(),
            None if at == 0 => Vec::new(),
            None => vec!["the one in front".to_owned()],
        };
        let waits = match front.is_empty() {
            true => "starts at once".to_owned(),
            false => format!("when {} {}", front.join(" and "), condition(&row.link.when)),
        };
        html.push_str(&format!(
            r#"<li>{kind}{name} {last}<p class="quiet">{}</p></li>"#,
            escape(waits)
        ));
    }
    html + "</ol>"
}

/// What a link needs, in words.
fn condition(when: &RunCondition) -> String {
    let mut needs = vec![match when.ended {
        Ended::Written => "wrote its records, or refused some of them".to_owned(),
        Ended::Whole => "wrote all its records".to_owned(),
        _ => "ended in any way".to_owned(),
    }];
    if when.at_least > 0 {
        needs.push(format!("read {} records at least", when.at_least));
    }
    if let Some(percent) = when.rejects_percent {
        needs.push(format!("refused {percent} of a hundred at most"));
    }
    if let Some(seconds) = when.watermark_within {
        needs.push(format!("read something newer than {seconds} seconds"));
    }
    needs.join(", ")
}
