//! What is told of changes.

use serde_json::Value;

use super::super::{AuditAction, AuditEntry, AuditStanding};
use super::outbox::{News, item_id, subject_of};
use crate::host::{NoticeItem, NoticeKind};

/// The most parts of a spec that are named.
const MOST: usize = 12;

/// What is to be told of entries, to those who were to hear of changes before it, and to those who are since.
pub(super) fn news(entries: &[AuditEntry]) -> Vec<News> {
    entries.iter().filter_map(of).collect()
}

fn of(entry: &AuditEntry) -> Option<News> {
    let what = subject_of(entry.what)?;
    let mut to = Vec::new();
    for side in [&entry.before, &entry.after].into_iter().flatten() {
        let list = side.pointer("/spec/settings/notify/changes");
        let list = list.and_then(Value::as_array).into_iter().flatten();
        for address in list.filter_map(Value::as_str) {
            if !to.iter().any(|known| known == address) {
                to.push(address.to_owned());
            }
        }
    }
    if to.is_empty() || entry.standing != AuditStanding::Done {
        return None;
    }
    let (id, kind) = (item_id(&["change", &entry.id]), NoticeKind::Change);
    let (subject, name) = (&entry.subject, &entry.name);
    let mut item = NoticeItem::new(id, kind, what, subject, name, entry.at);
    item.cause = Some(word(entry.action).into());
    item.why = why(entry);
    item.actor.clone_from(&entry.actor);
    let relieved = Vec::new();
    Some(News { item, to, relieved })
}

fn word(action: AuditAction) -> &'static str {
    match action {
        AuditAction::Create => "create",
        AuditAction::Rename => "rename",
        AuditAction::Change => "change",
        AuditAction::Enable => "enable",
        AuditAction::Disable => "disable",
        AuditAction::Delete => "delete",
        AuditAction::Authorize => "authorize",
        AuditAction::Revoke => "revoke",
        AuditAction::GiveSecrets => "give_secrets",
    }
}

/// What was changed, by names of parts: their values stand in the audit.
fn why(entry: &AuditEntry) -> Option<String> {
    let name = |side: &Option<Value>| {
        let name = side.as_ref()?.pointer("/spec/name")?.as_str()?;
        Some(name.to_owned())
    };
    match entry.action {
        AuditAction::Rename => Some(format!("it was called `{}`", name(&entry.before)?)),
        AuditAction::Change => {
            let mut parts = differing(&entry.before, &entry.after);
            let more = parts.len().saturating_sub(MOST);
            parts.truncate(MOST);
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            (!parts.is_empty()).then(|| format!("changed: {}{more}", parts.join(", ")))
        }
        _ => None,
    }
}

/// The parts that differ, those of the settings one by one.
fn differing(before: &Option<Value>, after: &Option<Value>) -> Vec<String> {
    let mut parts = Vec::new();
    let (mut then, mut now) = (Value::Null, Value::Null);
    for (side, value) in [(before, &mut then), (after, &mut now)] {
        let mut whole = side.clone().unwrap_or_default();
        if let Some(spec) = whole.get_mut("spec") {
            *value = spec.take();
        }
        for rest in ["enabled", "source_gone"] {
            if let (Some(fields), Some(rest_value)) = (value.as_object_mut(), whole.get(rest)) {
                fields.insert(rest.into(), rest_value.clone());
            }
        }
    }
    for name in names(&then, &now) {
        let (old, new) = (part(&then, &name), part(&now, &name));
        if old == new {
            continue;
        }
        if name != "settings" {
            parts.push(name);
            continue;
        }
        for setting in names(old, new) {
            if part(old, &setting) != part(new, &setting) {
                parts.push(format!("settings.{setting}"));
            }
        }
    }
    parts
}

fn part<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}

/// The names of the parts of both, each once.
fn names(then: &Value, now: &Value) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let fields = [then, now].into_iter().filter_map(Value::as_object);
    for name in fields.flat_map(|fields| fields.keys()) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn parts_that_differ_are_named_without_their_values() {
        let side = |schedule: &str, timeout: Option<u32>, enabled: bool| {
            let mut settings = json!({"schedule": schedule});
            if let Some(timeout) = timeout {
                settings["timeout"] = timeout.into();
            }
            Some(
                json!({"spec": {"name": "a", "dataset": {"x": 1}, "settings": settings}, "enabled": enabled, "source_gone": false}),
            )
        };
        let then = side("daily", None, true);
        assert_eq!(differing(&then, &then), Vec::<String>::new());
        let now = side("hourly", Some(60), false);
        let parts = differing(&then, &now);
        assert_eq!(parts, ["settings.schedule", "settings.timeout", "enabled"]);
        let mut other = then.clone().unwrap();
        other["spec"]["dataset"]["x"] = "s3cret".into();
        let parts = differing(&then, &Some(other));
        assert_eq!(parts, ["dataset"]);
    }
}
