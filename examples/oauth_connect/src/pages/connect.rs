//! The connections that there are, and how to make one.

use std::collections::HashMap;

use serde_json::Value;
use syncline::connector::{
    AuthWay, ConfigField, ConfigType, Connector, ConnectorCategory, ConnectorInfo,
};
use syncline::spec::CustomDomains;
use syncline::workspace::ConnectionView;
use syncline::{Error, Problem};

use super::{Page, alert, capital, escape, form, layout, notice, words};
use crate::host::{Host, OBJECTS};
use crate::session::Session;

/// What a person typed into a form, to be shown again.
pub(crate) type Answers = HashMap<String, String>;

/// All connections.
pub(crate) fn connections(host: &Host, views: &[ConnectionView], done: Option<&str>) -> Page {
    let mut body = done.map(notice).unwrap_or_default();
    if views.is_empty() {
        body.push_str("<p>Nothing is connected yet.</p>");
    } else {
        body.push_str(r#"<ul class="cards">"#);
        for view in views {
            let organization = view.organization.as_deref().unwrap_or_default();
            body.push_str(&format!(
                r#"<li><a href="/connections/{}">{}</a> <span class="state {}">{}</span> <span class="quiet">{}</span></li>"#,
                escape(&view.id),
                escape(&view.spec.name),
                view.state,
                words(view.state.word()),
                escape(organization)
            ));
        }
        body.push_str("</ul>");
    }
    body.push_str(r#"<p><a class="button" href="/connectors">Connect a system</a></p>"#);
    body.push_str("<h2>Your records</h2><dl>");
    for object in OBJECTS {
        body.push_str(&format!(
            "<dt>{object}</dt><dd>{}</dd>",
            host.records(object)
        ));
    }
    body.push_str("</dl>");
    layout("Connections", "", &body)
}

/// The connectors that the host offers, by category.
pub(crate) fn connectors(host: &Host) -> Page {
    let mut body = String::new();
    for category in ConnectorCategory::ALL {
        let of_category: Vec<_> = host.workspace.registry().of_category(category).collect();
        if of_category.is_empty() {
            continue;
        }
        let title = match category {
            ConnectorCategory::Api | ConnectorCategory::Crm => category.word().to_uppercase(),
            _ => words(category.word()),
        };
        body.push_str(&format!(r#"<h2>{title}</h2><ul class="cards">"#));
        for connector in of_category {
            let info = connector.info();
            body.push_str(&format!(
                r#"<li><a href="/connectors/{}">{}</a> <span class="quiet">{}</span></li>"#,
                escape(&info.kind),
                escape(&info.title),
                escape(info.objects.join(", "))
            ));
        }
        body.push_str("</ul>");
    }
    layout("Connect a system", "", &body)
}

/// The form that connects, with what was typed and what is wrong with it.
pub(crate) fn connect_form(
    session: &Session,
    connector: &dyn Connector,
    typed: &Answers,
    error: Option<&Error>,
) -> Page {
    let info = connector.info();
    let problems = error.map(Error::problems).unwrap_or_default();
    let mut body = String::new();
    if let Some(error) = error {
        body.push_str(&summary(error));
    }
    let name = typed
        .get("name")
        .map_or(info.title.as_str(), String::as_str);
    let mut fields = labelled(
        "Name",
        "name",
        None,
        &wrong("name", problems),
        |attributes| {
            format!(
                r#"<input {attributes} name="name" value="{}" required>"#,
                escape(name)
            )
        },
    );
    fields.push_str(&organisation(info, typed, problems));
    for field in &info.config {
        let typed = typed.get(&field.name);
        fields.push_str(&config_field(field, typed, problems));
    }
    fields.push_str(r#"<div class="actions"><button>Connect</button></div>"#);
    let action = format!("/connectors/{}", info.kind);
    body.push_str(&form(session, &action, &fields));
    body.push_str(
        r#"<p class="quiet">You are sent to the system to consent, and come back here.</p>"#,
    );
    layout(&format!("Connect {}", info.title), "", &body)
}

/// The kind of organisation, out of those that the system has.
fn organisation(info: &ConnectorInfo, typed: &Answers, problems: &[Problem]) -> String {
    let hosts = info.methods.first().and_then(|method| match &method.way {
        AuthWay::OAuth { spec, .. } => Some(&spec.hosts),
        AuthWay::Key { hosts, .. } => Some(hosts),
        _ => None,
    });
    let has_sandbox = hosts.is_some_and(|hosts| hosts.sandbox.is_some());
    let custom = hosts.map(|hosts| &hosts.custom);
    let custom = custom.filter(|custom| **custom != CustomDomains::Refused);
    let chosen = typed.get("org").map_or("production", String::as_str);
    let mut html = String::from("<fieldset><legend>Organisation</legend>");
    for (value, label, is_there) in [
        ("production", "Production", true),
        ("sandbox", "Sandbox", has_sandbox),
        ("custom", "A domain of its own", custom.is_some()),
    ] {
        if !is_there {
            continue;
        }
        let checked = if value == chosen { " checked" } else { "" };
        html.push_str(&format!(
            r#"<label class="choice"><input type="radio" name="org" value="{value}"{checked}> {label}</label>"#
        ));
    }
    if let Some(custom) = custom {
        let domain = escape(typed.get("domain").map(String::as_str).unwrap_or_default());
        let mut help = format!(
            "Only for a domain of its own: the host at which you log in to {}",
            info.title
        );
        let suffix = match custom {
            CustomDomains::Under(suffixes) => suffixes.first(),
            _ => None,
        };
        if let Some(suffix) = suffix {
            help.push_str(&format!(", such as acme.{suffix}"));
        }
        help.push('.');
        let wrong = wrong("org", problems);
        html.push_str(&labelled("Domain", "domain", Some(&help), &wrong, |attributes| {
            format!(r#"<input {attributes} name="domain" value="{domain}" autocapitalize="none" spellcheck="false">"#)
        }));
    }
    html + "</fieldset>"
}

/// A question of the connector. Secrets would be given to the connection by `Connections::configure`; this connector has none.
fn config_field(field: &ConfigField, typed: Option<&String>, problems: &[Problem]) -> String {
    let default = field.default.as_ref().map(|value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    let value = escape(typed.cloned().or(default).unwrap_or_default());
    let name = escape(&field.name);
    let required = if field.required { " required" } else { "" };
    let found = wrong(&format!("config.{}", field.name), problems);
    labelled(
        &field.title,
        &field.name,
        field.help.as_deref(),
        &found,
        |attributes| match &field.config_type {
            ConfigType::Integer(least, most) => format!(
                r#"<input {attributes} name="{name}" type="number" min="{least}" max="{most}" value="{value}"{required}>"#
            ),
            ConfigType::Boolean => {
                let checked = if value == "true" { " checked" } else { "" };
                format!(
                    r#"<input {attributes} name="{name}" type="checkbox" value="true"{checked}>"#
                )
            }
            ConfigType::Choice(items) => {
                let option = |item: &String| {
                    let selected = if escape(item) == value {
                        " selected"
                    } else {
                        ""
                    };
                    format!("<option{selected}>{}</option>", escape(item))
                };
                let options: String = items.iter().map(option).collect();
                format!(r#"<select {attributes} name="{name}"{required}>{options}</select>"#)
            }
            _ => format!(r#"<input {attributes} name="{name}" value="{value}"{required}>"#),
        },
    )
}

/// What is wrong, with a link to each field: it is read out first, and stands beside the fields too.
fn summary(error: &Error) -> String {
    if error.problems().is_empty() {
        return alert(error);
    }
    let item = |problem: &Problem| {
        let id = match problem.path.as_str() {
            "org" => "domain",
            path => path.strip_prefix("config.").unwrap_or(path),
        };
        let message = escape(capital(&problem.message));
        format!(r##"<li><a href="#{}">{message}</a></li>"##, escape(id))
    };
    let items: String = error.problems().iter().map(item).collect();
    format!(
        r#"<div class="alert" role="alert"><p>Nothing was connected. Please look at this:</p><ul>{items}</ul></div>"#
    )
}

/// What is wrong with a field.
fn wrong(path: &str, problems: &[Problem]) -> Vec<String> {
    let of_field = problems.iter().filter(|problem| problem.path == path);
    of_field.map(|problem| capital(&problem.message)).collect()
}

/// A field with its label, its help and what is wrong with it, all of which are read out with it.
fn labelled(
    label: &str,
    id: &str,
    help: Option<&str>,
    wrong: &[String],
    input: impl FnOnce(&str) -> String,
) -> String {
    let id = escape(id);
    let mut described = String::new();
    let mut below = String::new();
    if let Some(help) = help {
        described.push_str(&format!("{id}-help "));
        below.push_str(&format!(
            r#"<p class="quiet" id="{id}-help">{}</p>"#,
            escape(help)
        ));
    }
    if !wrong.is_empty() {
        described.push_str(&format!("{id}-wrong"));
        let wrong = wrong.iter().map(|text| format!("<p>{}</p>", escape(text)));
        let wrong: String = wrong.collect();
        below.push_str(&format!(
            r#"<div class="wrong" id="{id}-wrong">{wrong}</div>"#
        ));
    }
    let mut attributes = format!(r#"id="{id}""#);
    if !described.is_empty() {
        attributes.push_str(&format!(r#" aria-describedby="{}""#, described.trim()));
    }
    if !wrong.is_empty() {
        attributes.push_str(r#" aria-invalid="true""#);
    }
    let label = escape(label);
    let input = input(&attributes);
    format!(r#"<div class="field"><label for="{id}">{label}</label>{input}{below}</div>"#)
}
