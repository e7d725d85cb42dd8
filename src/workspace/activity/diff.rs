//! What differs between two rosters.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::super::chains;
use super::super::roster::{ConnectionEntry, JobEntry, Roster};
use super::audit::{AuditAction, AuditEntry, AuditStanding, AuditSubject};
use super::new_id;
use crate::host::Context;
use crate::spec::JobSpec;

/// Specs by job and edition.
pub(super) type Specs = BTreeMap<(String, String), JobSpec>;

/// The editions of jobs that differ.
pub(super) fn editions(before: &Roster, after: &Roster) -> BTreeSet<(String, String)> {
    let mut editions = BTreeSet::new();
    for (one, other) in [(before, after), (after, before)] {
        for job in &one.jobs {
            let same = other.jobs.iter().find(|known| known.id == job.id);
            if same.is_none_or(|known| !is_like(known, job)) {
                editions.insert((job.id.clone(), job.edition.clone()));
            }
        }
    }
    editions
}

/// Whether nothing differs but when it was changed.
fn is_like(a: &JobEntry, b: &JobEntry) -> bool {
    let mut a = a.clone();
    a.changed_at = b.changed_at;
    a == *b
}

/// Something, before or after.
struct Side {
    name: String,
    value: Value,
    /// What it is without names: its own, and those of others, which may be renamed.
    unnamed: Value,
    enabled: bool,
}

/// An entry for all that differs.
pub(super) fn changes(
    context: &Context,
    before: &Roster,
    after: &Roster,
    specs: &Specs,
) -> Vec<AuditEntry> {
    let mut untold = Vec::new();
    let mut add = |what, then: BTreeMap<String, Side>, mut now: BTreeMap<String, Side>| {
        for (id, then) in then {
            let now = now.remove(&id);
            untold.extend(entry(context, what, id, Some(then), now));
        }
        for (id, now) in now {
            untold.extend(entry(context, what, id, None, Some(now)));
        }
    };
    add(
        AuditSubject::Connection,
        connections(before),
        connections(after),
    );
    let differ = editions(before, after);
    let differs = |job: &JobEntry| differ.contains(&(job.id.clone(), job.edition.clone()));
    let jobs = |roster: &Roster| -> BTreeMap<String, Side> {
        let jobs = roster.jobs.iter().filter(|job| differs(job));
        jobs.map(|job| (job.id.clone(), job_side(roster, job, specs)))
            .collect()
    };
    add(AuditSubject::Job, jobs(before), jobs(after));
    add(AuditSubject::Chain, chains_of(before), chains_of(after));
    untold
}

fn connections(roster: &Roster) -> BTreeMap<String, Side> {
    let side = |entry: &ConnectionEntry| {
        let side = Side {
            name: entry.spec.name.clone(),
            value: json!({"spec": entry.spec}),
            unnamed: json!({"spec": unnamed(json!(entry.spec))}),
            enabled: entry.enabled,
        };
        (entry.id.clone(), side)
    };
    roster.present().map(side).collect()
}

fn job_side(roster: &Roster, job: &JobEntry, specs: &Specs) -> Side {
    let spec = specs.get(&(job.id.clone(), job.edition.clone()));
    let connection = job.connection.as_ref().map(|id| {
        let found = roster.connections.iter().find(|entry| entry.id == *id);
        found.map_or(id.clone(), |entry| entry.spec.name.clone())
    });
    let first = job.first.as_ref().map(|id| {
        let found = roster.job(id);
        found.map_or(id.clone(), |entry| entry.name.clone())
    });
    let value = spec.map(|spec| {
        let mut spec = spec.clone();
        spec.name.clone_from(&job.name);
        spec.dataset.connection = connection;
        spec.first = first;
        json!({"spec": spec, "template": job.template, "source_gone": job.retired})
    });
    let refers_to = [&job.connection, &job.first, &job.template];
    Side {
        name: job.name.clone(),
        unnamed: json!({"spec": unnamed(json!(spec)), "refers_to": refers_to, "source_gone": job.retired}),
        value: value.unwrap_or_else(|| json!({"spec": null, "source_gone": job.retired})),
        enabled: job.enabled,
    }
}

fn chains_of(roster: &Roster) -> BTreeMap<String, Side> {
    let chains = roster.chains.iter().map(|entry| {
        let mut spec = chains::shown(roster, entry);
        spec.id = None;
        let side = Side {
            name: spec.name.clone(),
            value: json!({"spec": spec}),
            unnamed: json!({"spec": unnamed(json!(entry.spec))}),
            enabled: entry.enabled,
        };
        (entry.id.clone(), side)
    });
    chains.collect()
}

fn entry(
    context: &Context,
    what: AuditSubject,
    id: String,
    before: Option<Side>,
    after: Option<Side>,
) -> Option<AuditEntry> {
    let action = match (&before, &after) {
        (None, None) => return None,
        (None, Some(_)) => AuditAction::Create,
        (Some(_), None) => AuditAction::Delete,
        (Some(then), Some(now)) => match (then.unnamed == now.unnamed, then.enabled, now.enabled) {
            (true, false, true) => AuditAction::Enable,
            (true, true, false) => AuditAction::Disable,
            (true, ..) if then.name != now.name => AuditAction::Rename,
            // At most another one that it refers to has another name.
            (true, ..) => return None,
            _ => AuditAction::Change,
        },
    };
    let name = after.as_ref().or(before.as_ref())?.name.clone();
    let value = |side: Option<Side>| {
        side.map(|side| {
            let mut value = side.value;
            if let Some(fields) = value.as_object_mut() {
                fields.insert("enabled".into(), side.enabled.into());
            }
            value
        })
    };
    Some(AuditEntry {
        id: new_id(context),
        at: context.clock().now(),
        actor: context.actor().map(str::to_owned),
        action,
        standing: AuditStanding::Done,
        what,
        subject: id,
        name,
        before: value(before),
        after: value(after),
    })
}

/// A spec without its own name. Those of the roster have ids for the names of others.
fn unnamed(mut spec: Value) -> Value {
    if let Some(fields) = spec.as_object_mut() {
        fields.insert("name".into(), Value::Null);
    }
    spec
}
