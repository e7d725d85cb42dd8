//! Pages: HTML from the server, without anything from elsewhere. Every text from outside goes through [`escape`].

mod chains;
mod changes;
mod connect;
mod connection;
mod jobs;
mod notices;
mod runs;
mod schedule;

use std::fmt::Display;

use axum::http::header;
use axum::response::{Html, IntoResponse};
use syncline::{Error, ErrorKind};

pub(crate) use self::chains::{ChainPage, TypedChain, chain, chain_form, chains};
pub(crate) use self::changes::{changes, coming};
pub(crate) use self::connect::{Answers, connect_form, connections, connectors};
pub(crate) use self::connection::connection;
pub(crate) use self::jobs::{JobFilter, JobPage, Told, job, jobs};
pub(crate) use self::notices::notices;
pub(crate) use self::runs::{RunFilter, ShownRun, activity, run, statuses};
pub(crate) use self::schedule::Typed;
use crate::session::{Session, TOKEN};

/// A page, or a part of one.
pub(crate) type Page = Html<String>;

/// A text as HTML shows it, also within quotes.
pub(crate) fn escape(text: impl Display) -> String {
    let mut escaped = String::new();
    for c in text.to_string().chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// What all pages have in common. `head` is more for the head, `body` the content; both are HTML.
fn layout(title: &str, head: &str, body: &str) -> Page {
    let title = escape(title);
    Html(format!(
        r##"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} - Syncline example</title>
<link rel="stylesheet" href="/style.css">
{head}</head>
<body>
<a class="skip" href="#main">Skip to content</a>
<header>
<span class="brand">Syncline example</span>
<nav aria-label="Main">
<a href="/">Connections</a>
<a href="/connectors">Connectors</a>
<a href="/jobs">Jobs</a>
<a href="/chains">Chains</a>
<a href="/coming">Coming runs</a>
<a href="/activity">Activity</a>
<a href="/notices">Notices</a>
</nav>
</header>
<main id="main" tabindex="-1">
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"##
    ))
}

/// A page of the local outside system, which looks like another place.
pub(crate) fn page_of_provider(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="/style.css">
</head>
<body class="elsewhere">
<header><span class="brand">{title}</span></header>
<main>
<h1>Sign in with {title}</h1>
{body}
</main>
</body>
</html>
"#
    )
}

/// A form that does one thing, as a button.
fn button(session: &Session, action: &str, label: &str, class: &str) -> String {
    form(
        session,
        action,
        &format!(r#"<button class="{class}">{}</button>"#, escape(label)),
    )
}

/// A form with these fields.
fn form(session: &Session, action: &str, fields: &str) -> String {
    format!(
        r#"<form method="post" action="{}"><input type="hidden" name="{TOKEN}" value="{}">
{fields}</form>
"#,
        escape(action),
        escape(session.form_token())
    )
}

/// A field in which people choose one of these: values, and what people read.
fn choice(
    name: &str,
    label: &str,
    chosen: &str,
    options: impl IntoIterator<Item = (impl AsRef<str>, impl Display)>,
) -> String {
    let option = |(value, label): (_, _)| option(value, label, chosen);
    let options: String = options.into_iter().map(option).collect();
    format!(
        r#"<div class="field"><label for="{name}">{label}</label><select id="{name}" name="{name}">{options}</select></div>
"#
    )
}

fn option(value: impl AsRef<str>, label: impl Display, chosen: &str) -> String {
    let value = value.as_ref();
    let selected = if value == chosen { " selected" } else { "" };
    let (value, label) = (escape(value), escape(label));
    format!(r#"<option value="{value}"{selected}>{label}</option>"#)
}

/// A table of HTML. On a phone each row is a block, and each cell has its heading in front; the roles stay what they are.
fn table(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut html = String::from(r#"<table role="table"><thead role="rowgroup"><tr role="row">"#);
    for heading in headings {
        html.push_str(&format!(
            r#"<th scope="col" role="columnheader">{heading}</th>"#
        ));
    }
    html.push_str(r#"</tr></thead><tbody role="rowgroup">"#);
    for cells in rows {
        html.push_str(r#"<tr role="row">"#);
        for (at, (heading, cell)) in headings.iter().zip(cells).enumerate() {
            html.push_str(&match at {
                0 => format!(r#"<th scope="row" role="rowheader">{cell}</th>"#),
                _ => format!(r#"<td role="cell" data-heading="{heading}">{cell}</td>"#),
            });
        }
        html.push_str("</tr>");
    }
    html + "</tbody></table>"
}

/// Good news at the top of a page.
fn notice(text: &str) -> String {
    format!(r#"<p class="notice" role="status">{}</p>"#, escape(text))
}

/// An error at the top of a page: what is wrong, where, and what to do.
fn alert(error: &Error) -> String {
    let mut html = format!(
        r#"<div class="alert" role="alert"><p>{}.</p>"#,
        escape(capital(error.message()))
    );
    // What was wrong with a callback is nothing for whoever may have forged it.
    if error.kind() != ErrorKind::StateMismatch {
        let findings = error.problems().iter();
        let findings = findings.map(|problem| problem.message.clone());
        let context = error
            .context()
            .map(|(key, value)| format!("{key}: {value}"));
        let items: Vec<String> = findings.chain(context).collect();
        html.push_str(&list(&items));
    }
    html.push_str("</div>");
    html
}

/// A list of texts; nothing if there is none.
fn list(items: &[String]) -> String {
    if items.is_empty() {
        return String::new();
    }
    let items = items
        .iter()
        .map(|item| format!("<li>{}</li>", escape(item)));
    format!("<ul>{}</ul>", items.collect::<String>())
}

/// The same text with a large letter in front.
fn capital(text: &str) -> String {
    let mut rest = text.chars();
    let first = rest.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + rest.as_str()
}

/// Words of the library, for people: `partial_success` is "Partial success".
fn words(word: &str) -> String {
    capital(&word.replace('_', " "))
}

/// A moment, to the second.
fn moment(at: &chrono::DateTime<chrono::Utc>) -> String {
    let (machine, people) = (
        at.format("%Y-%m-%dT%H:%M:%SZ"),
        at.format("%Y-%m-%d %H:%M:%S"),
    );
    format!(r#"<time datetime="{machine}">{people} UTC</time>"#)
}

/// A page for an error, with a way on.
pub(crate) fn failed(error: &Error, way_on: &str, label: &str) -> Page {
    let link = format!(
        r#"<p><a class="button" href="{}">{}</a></p>"#,
        escape(way_on),
        escape(label)
    );
    layout("That did not work", "", &format!("{}{link}", alert(error)))
}

/// The page for a form that is not of this session.
pub(crate) fn form_too_old() -> Page {
    let text = r#"<div class="alert" role="alert"><p>This form is too old, or not from here. Nothing was done.</p></div>
<p><a class="button" href="/">Go on from the beginning</a></p>"#;
    layout("That did not work", "", text)
}

/// The one style sheet.
pub(crate) async fn style() -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "text/css; charset=utf-8")];
    (kind, include_str!("style.css"))
}

/// The one script: it moves the figures of a run.
pub(crate) async fn live() -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")];
    (kind, include_str!("live.js"))
}
