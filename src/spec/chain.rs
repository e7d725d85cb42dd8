//! Jobs in order.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{LinkSpec, Member, RunSettings, unknown_version};
use crate::error::Problem;

/// A chain: jobs, and other chains, of which each starts when those in front of it have done what it needs.
///
/// ```
/// use syncline::spec::{ChainSpec, LinkSpec};
///
/// // Users and accounts in any order, then contacts, which look both up.
/// let chain = ChainSpec::new("nightly", vec![
///     LinkSpec::new("users"),
///     LinkSpec::new("accounts").after::<&str>([]),
///     LinkSpec::new("contacts").after(["users", "accounts"]),
/// ]);
/// assert!(chain.problems().is_empty());
/// let round = ChainSpec::new("round", vec![LinkSpec::new("a").after(["b"]), LinkSpec::new("b")]);
/// assert!(round.problems()[0].message.contains("a -> b -> a"));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ChainSpec {
    /// The version of this form: 1.
    #[serde(deserialize_with = "super::dataset::version")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1)))]
    pub version: u32,
    /// Who it is in its [workspace](crate::workspace::Workspace), whatever its name; the workspace gives it, and an export keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its name, unique among the chains of its workspace.
    pub name: String,
    /// What it runs. Links that may start at the same time start in this order.
    pub links: Vec<LinkSpec>,
    /// What becomes of the rest when a link did not do what is needed.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// When and how it runs. A job that is in a chain runs when the chain does: its own schedule does not count.
    #[serde(default, skip_serializing_if = "RunSettings::is_silent")]
    pub settings: RunSettings,
    /// Whether a job begins to read while the one in front of it still writes. It looks nothing up and writes nothing before its turn.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub read_ahead: bool,
}

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_yes(value: &bool) -> bool {
    *value
}

/// The most links of a chain.
const MOST_LINKS: usize = 200;

/// What becomes of a chain when a link did not do what is needed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnFailure {
    /// No further link starts. The next run of the chain begins at the one that did not do what is needed.
    #[default]
    Stop,
    /// Links that wait for it, and those that wait for these, are skipped; others start.
    SkipDependents,
    /// All start all the same.
    Continue,
}

impl ChainSpec {
    /// A chain of these links.
    pub fn new(name: impl Into<String>, links: Vec<LinkSpec>) -> Self {
        ChainSpec {
            version: 1,
            id: None,
            name: name.into(),
            links,
            on_failure: OnFailure::Stop,
            settings: RunSettings::default(),
            read_ahead: true,
        }
    }

    /// The same, doing this when a link fails.
    #[must_use]
    pub fn on_failure(mut self, policy: OnFailure) -> Self {
        self.on_failure = policy;
        self
    }

    /// The same, running so.
    #[must_use]
    pub fn with_settings(mut self, settings: RunSettings) -> Self {
        self.settings = settings;
        self
    }

    /// The same; whether a job begins to read while the one in front of it still writes.
    #[must_use]
    pub fn with_read_ahead(mut self, read_ahead: bool) -> Self {
        self.read_ahead = read_ahead;
        self
    }

    /// The links that one waits for, by their places. What is not in the chain is left out.
    pub(crate) fn waits_for(&self, link: usize) -> Vec<usize> {
        match self.links.get(link).and_then(|link| link.after.as_ref()) {
            None => link.checked_sub(1).into_iter().collect(),
            Some(members) => (members.iter())
                .filter_map(|member| self.place(member))
                .collect(),
        }
    }

    fn place(&self, member: &Member) -> Option<usize> {
        self.links.iter().position(|link| link.member == *member)
    }

    /// The places of all links, each behind those that it waits for; `Err` is a circle of them.
    pub(crate) fn order(&self) -> Result<Vec<usize>, Vec<usize>> {
        let waits: Vec<Vec<usize>> = (0..self.links.len()).map(|at| self.waits_for(at)).collect();
        let mut order: Vec<usize> = Vec::new();
        let mut placed = BTreeSet::new();
        while order.len() < waits.len() {
            let is_ready = |(at, waits): &(usize, &Vec<usize>)| {
                !placed.contains(at) && waits.iter().all(|other| placed.contains(other))
            };
            let Some((next, _)) = waits.iter().enumerate().find(is_ready) else {
                return Err(self.circle(&order));
            };
            placed.insert(next);
            order.push(next);
        }
        Ok(order)
    }

    /// A circle among the links that are not in the order.
    fn circle(&self, order: &[usize]) -> Vec<usize> {
        let waits = |at: usize| {
            self.waits_for(at)
                .into_iter()
                .find(|at| !order.contains(at))
        };
        let mut path: Vec<usize> = (0..self.links.len())
            .filter(|at| !order.contains(at))
            .take(1)
            .collect();
        while let Some(next) = path.last().and_then(|last| waits(*last)) {
            if let Some(begins) = path.iter().position(|at| *at == next) {
                path.drain(..begins);
                path.push(next);
                break;
            }
            path.push(next);
        }
        path
    }

    /// What is wrong with it, each with its path.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.version != 1 {
            problems.push(Problem::new("version", unknown_version(self.version)));
        }
        if self.name.trim().is_empty() {
            problems.push(Problem::new("name", "a chain has a name"));
        }
        if self.links.is_empty() {
            problems.push(Problem::new("links", "a chain has one link at least"));
        }
        if self.links.len() > MOST_LINKS {
            let message =
                format!("a chain has {MOST_LINKS} links at most; make chains of parts of it");
            problems.push(Problem::new("links", message));
            return problems;
        }
        problems.extend(self.settings.problems("settings"));
        let mut seen = BTreeSet::new();
        for (at, link) in self.links.iter().enumerate() {
            let (kind, name) = (link.member.kind(), link.member.name());
            if !seen.insert(&link.member) {
                let message = format!("the {kind} `{name}` is in the chain already");
                problems.push(Problem::new(format!("links[{at}].{kind}"), message));
            }
            if link
                .when
                .rejects_percent
                .is_some_and(|percent| percent > 100)
            {
                let path = format!("links[{at}].when.rejects_percent");
                problems.push(Problem::new(path, "give a number from 0 to 100"));
            }
            for (number, member) in link.after.iter().flatten().enumerate() {
                if self.place(member).is_none() {
                    let (kind, name) = (member.kind(), member.name());
                    let message = format!("no link of the chain is the {kind} `{name}`");
                    let path = format!("links[{at}].after[{number}]");
                    problems.push(Problem::new(path, message));
                }
            }
        }
        if !problems.is_empty() {
            return problems;
        }
        if let Err(circle) = self.order() {
            let links = circle.iter().filter_map(|at| self.links.get(*at));
            let names: Vec<&str> = links.map(|link| link.member.name()).collect();
            let message = format!(
                "links wait for each other in a circle: {}",
                names.join(" -> ")
            );
            problems.push(Problem::new("links", message));
        }
        problems
    }
}
