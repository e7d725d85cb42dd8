//! Chains as the roster has them: with ids for names, and nested only as far as that can come to an end.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::super::roster::{ChainEntry, Roster};
use super::super::specs;
use crate::error::Problem;
use crate::schedule::Holidays;
use crate::spec::{ChainSpec, Member};
use crate::{Error, ErrorKind, Result};

/// How deep chains may be links of chains, the outermost counted; and how many jobs may stand in front of one another.
pub(in crate::workspace) const DEEPEST: usize = 8;
/// The most jobs that a run of a chain runs, those of its chains counted.
const MOST_RUNS: u64 = 1_000;

/// A spec as the roster keeps it: with the ids of its members for their names, which `id_of` knows.
pub(in crate::workspace) fn entry(
    id: String,
    spec: &ChainSpec,
    now: DateTime<Utc>,
    holidays: Option<&Arc<dyn Holidays>>,
    id_of: impl Fn(&Member) -> Option<String>,
) -> Result<ChainEntry> {
    let mut problems = spec.problems();
    problems.extend(specs::schedule_problems(&spec.settings, holidays));
    let mut kept = spec.clone();
    kept.id = None;
    for (at, link) in kept.links.iter_mut().enumerate() {
        let (kind, first) = (link.member.kind(), link.member.clone());
        for member in link.members_mut() {
            match id_of(member) {
                Some(id) => rename(member, &id),
                // Those that are in no link were told above.
                None if *member == first => {
                    let message = format!("the workspace has no {kind} `{}`", first.name());
                    problems.push(Problem::new(format!("links[{at}].{kind}"), message));
                }
                None => {}
            }
        }
    }
    match problems.is_empty() {
        true => Ok(ChainEntry {
            id,
            spec: kept,
            enabled: true,
            created_at: now,
            changed_at: now,
        }),
        false => Err(refused(spec, problems)),
    }
}

fn refused(spec: &ChainSpec, problems: Vec<Problem>) -> Error {
    Error::invalid("the chain cannot be so", problems).with("chain", &spec.name)
}

/// The id of what a spec of this workspace names.
pub(in crate::workspace) fn id_here(roster: &Roster, member: &Member) -> Option<String> {
    match member {
        Member::Job(name) => roster.job_named(name).map(|job| job.id.clone()),
        Member::Chain(name) => {
            let named = roster.chains.iter().find(|chain| chain.spec.name == *name);
            named.map(|chain| chain.id.clone())
        }
    }
}

fn rename(member: &mut Member, to: &str) {
    match member {
        Member::Job(name) | Member::Chain(name) => to.clone_into(name),
    }
}

/// A chain with the present names of its members.
pub(in crate::workspace) fn shown(roster: &Roster, entry: &ChainEntry) -> ChainSpec {
    let mut spec = entry.spec.clone();
    spec.id = Some(entry.id.clone());
    for member in spec.links.iter_mut().flat_map(|link| link.members_mut()) {
        let name = match &*member {
            Member::Job(id) => roster.job(id).ok().map(|job| job.name.clone()),
            Member::Chain(id) => roster.chain(id).ok().map(|chain| chain.spec.name.clone()),
        };
        if let Some(name) = name {
            rename(member, &name);
        }
    }
    spec
}

/// Fails if a chain has one of these members, by id.
pub(in crate::workspace) fn free(roster: &Roster, members: &[Member]) -> Result<()> {
    let needs = |chain: &&ChainEntry| {
        let mut links = chain.spec.links.iter();
        links.any(|link| members.contains(&link.member))
    };
    match roster.chains.iter().find(needs) {
        None => Ok(()),
        Some(chain) => {
            let message = "a chain needs this; take it out of the chain first";
            Err(Error::new(ErrorKind::Conflict, message).with("chain", &chain.spec.name))
        }
    }
}

/// Fails if a chain would run itself, or chains are nested too deep, or would run too much.
pub(in crate::workspace) fn check_nesting(roster: &Roster) -> Result<(), Problem> {
    let mut known = BTreeMap::new();
    for chain in &roster.chains {
        let mut path = Vec::new();
        measure(roster, chain, &mut path, &mut known)
            .map_err(|message| Problem::new("links", message))?;
    }
    Ok(())
}

/// How deep a chain is, and how many jobs it runs.
fn measure<'a>(
    roster: &'a Roster,
    chain: &'a ChainEntry,
    path: &mut Vec<&'a ChainEntry>,
    known: &mut BTreeMap<&'a str, (usize, u64)>,
) -> Result<(usize, u64), String> {
    if let Some(measured) = known.get(chain.id.as_str()) {
        return Ok(*measured);
    }
    let told = |from: usize, path: &[&ChainEntry]| {
        let names = path.iter().skip(from).chain([&chain]);
        let names: Vec<&str> = names.map(|chain| chain.spec.name.as_str()).collect();
        names.join(" -> ")
    };
    if let Some(from) = path.iter().position(|other| other.id == chain.id) {
        let circle = told(from, path);
        return Err(format!("chains run each other in a circle: {circle}"));
    }
    let too_deep =
        |path: &str| format!("chains may be nested {DEEPEST} deep; make them flatter: {path}");
    // A circle that is longer than this is none that one change can make.
    if path.len() > DEEPEST {
        return Err(too_deep(&told(0, path)));
    }
    path.push(chain);
    let (mut depth, mut runs) = (1, 0_u64);
    for link in &chain.spec.links {
        let inner = match &link.member {
            Member::Job(_) => (0, 1),
            Member::Chain(id) => match roster.chain(id) {
                Ok(inner) => measure(roster, inner, path, known)?,
                Err(_) => (0, 0),
            },
        };
        depth = depth.max(inner.0 + 1);
        runs = runs.saturating_add(inner.1);
    }
    path.pop();
    if depth > DEEPEST {
        return Err(too_deep(&told(path.len(), path)));
    }
    if runs > MOST_RUNS {
        let name = &chain.spec.name;
        return Err(format!(
            "the chain `{name}` would run {runs} jobs, those of its chains counted; {MOST_RUNS} are the most"
        ));
    }
    known.insert(&chain.id, (depth, runs));
    Ok((depth, runs))
}
