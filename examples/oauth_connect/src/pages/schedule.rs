//! When something runs: as a text that people edit.

use syncline::schedule::PreviewRun;
use syncline::scheduler::TimetableView;
use syncline::{Error, Result};

use super::{escape, form, list, moment};
use crate::session::Session;

/// What somebody typed for a schedule, and what came of it: the next runs, or what is wrong.
pub(crate) struct Typed {
    pub(crate) text: String,
    pub(crate) came: Result<Vec<PreviewRun>>,
}

/// The times of runs, by the clocks of their schedule.
pub(super) fn times(runs: &[PreviewRun]) -> String {
    let mut html = String::from(r#"<ol class="cards">"#);
    for run in runs {
        html.push_str(&format!("<li>{}</li>", time(run)));
    }
    html + "</ol>"
}

pub(super) fn time(run: &PreviewRun) -> String {
    let (machine, people) = (
        run.local.to_rfc3339(),
        run.local.format("%a %Y-%m-%d %H:%M %:z"),
    );
    format!(r#"<time datetime="{machine}">{people}</time>"#)
}

/// The present schedule with its next runs, and a form for another one: its error stands beside the field, which keeps what was typed.
pub(super) fn schedule(
    session: &Session,
    place: &str,
    present: &str,
    next: &[PreviewRun],
    edition: &str,
    typed: Option<&Typed>,
) -> String {
    let mut html = format!("<h2>Schedule</h2><p>{}</p>", escape(present));
    if !next.is_empty() {
        html.push_str(&times(next));
    }
    let wrong = typed.and_then(|typed| typed.came.as_ref().err());
    let (described, invalid) = match wrong {
        Some(_) => ("schedule-help schedule-wrong", r#" aria-invalid="true""#),
        None => ("schedule-help", ""),
    };
    let text = typed.map_or(present, |typed| &typed.text);
    let mut fields = format!(
        r#"<input type="hidden" name="edition" value="{}">
<div class="field"><label for="schedule">Runs</label>
<input id="schedule" name="schedule" value="{}" aria-describedby="{described}"{invalid} required>
<p class="quiet" id="schedule-help">Such as <code>every weekday at 06:30 Europe/Berlin</code>, <code>every 15 minutes</code>, <code>on demand</code>.</p>"#,
        escape(edition),
        escape(text),
    );
    if let Some(error) = wrong {
        fields.push_str(&format!(
            r#"<div class="wrong" id="schedule-wrong">{}</div>"#,
            findings(error)
        ));
    }
    fields.push_str("</div>");
    if let Some(Ok(runs)) = typed.map(|typed| typed.came.as_ref()) {
        fields.push_str(r#"<div role="status"><p>It would run:</p>"#);
        fields.push_str(&match runs.is_empty() {
            true => "<p>Not by the clock: when somebody says so, or something happens.</p>".into(),
            false => times(runs),
        });
        fields.push_str("</div>");
    }
    fields.push_str(
        r#"<div class="actions"><button class="plain" name="do" value="preview">Show its next runs</button><button name="do" value="save">Save</button></div>"#,
    );
    let open = if typed.is_some() { " open" } else { "" };
    html.push_str(&format!(
        "<details{open}><summary>Change the schedule</summary>"
    ));
    html.push_str(&form(session, &format!("{place}/schedule"), &fields));
    html + "</details>"
}

/// What is wrong with a text.
fn findings(error: &Error) -> String {
    let problems: Vec<String> = (error.problems().iter())
        .map(|problem| super::capital(&problem.message))
        .collect();
    match problems.is_empty() {
        true => format!("<p>{}.</p>", escape(super::capital(error.message()))),
        false => list(&problems),
    }
}

/// What goes on, or waits, by a timetable.
pub(super) fn standing(timetable: &TimetableView) -> String {
    let mut html = String::new();
    if let Some(run) = &timetable.running {
        html.push_str(&format!(
            "<p role=\"status\">A run goes on since {}.</p>",
            moment(&run.at)
        ));
    }
    for run in &timetable.waiting {
        html.push_str(&format!(
            "<p>A run waits; it may start from {} on ({}).</p>",
            moment(&run.at),
            escape(run.trigger.word())
        ));
    }
    html
}

/// Whether there is something to cancel.
pub(super) fn is_busy(timetable: &TimetableView) -> bool {
    timetable.running.is_some() || !timetable.waiting.is_empty()
}
