//! Jobs in order.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{RunCondition, unknown_version};
use crate::error::Problem;

/// A chain: jobs of which each starts when those in front of it have done what it needs.
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
    /// Its jobs. Those that may start at the same time start in this order.
    pub links: Vec<LinkSpec>,
    /// What becomes of the rest when a link did not do what is needed.
    #[serde(default)]
    pub on_failure: OnFailure,
}

/// A job of a chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LinkSpec {
    /// The job, by its name.
    pub job: String,
    /// The jobs of the chain that it waits for; `None` is the one in front of it, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Vec<String>>,
    /// What each of them must have done.
    #[serde(default)]
    pub when: RunCondition,
}

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

impl LinkSpec {
    /// A job behind the one in front of it.
    pub fn new(job: impl Into<String>) -> Self {
        LinkSpec {
            job: job.into(),
            after: None,
            when: RunCondition::default(),
        }
    }

    /// The same, behind these jobs; none to start at once.
    #[must_use]
    pub fn after<S: Into<String>>(mut self, jobs: impl IntoIterator<Item = S>) -> Self {
        self.after = Some(jobs.into_iter().map(Into::into).collect());
        self
    }

    /// The same, once they have done this.
    #[must_use]
    pub fn when(mut self, condition: RunCondition) -> Self {
        self.when = condition;
        self
    }
}

impl ChainSpec {
    /// A chain of these jobs.
    pub fn new(name: impl Into<String>, links: Vec<LinkSpec>) -> Self {
        ChainSpec {
            version: 1,
            id: None,
            name: name.into(),
            links,
            on_failure: OnFailure::Stop,
        }
    }

    /// The same, doing this when a link fails.
    #[must_use]
    pub fn on_failure(mut self, policy: OnFailure) -> Self {
        self.on_failure = policy;
        self
    }

    /// The links that one waits for, by their places. What is not in the chain is left out.
    pub(crate) fn waits_for(&self, link: usize) -> Vec<usize> {
        match self.links.get(link).and_then(|link| link.after.as_ref()) {
            None => link.checked_sub(1).into_iter().collect(),
            Some(jobs) => (jobs.iter())
                .filter_map(|job| self.links.iter().position(|link| link.job == *job))
                .collect(),
        }
    }

    /// The places of all links, each behind those that it waits for; `Err` is a circle of them.
    pub(crate) fn order(&self) -> Result<Vec<usize>, Vec<usize>> {
        let mut order: Vec<usize> = Vec::new();
        while order.len() < self.links.len() {
            let is_ready = |at: &usize| {
                !order.contains(at)
                    && self
                        .waits_for(*at)
                        .iter()
                        .all(|other| order.contains(other))
            };
            match (0..self.links.len()).find(is_ready) {
                Some(next) => order.push(next),
                None => return Err(self.circle(&order)),
            }
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
            problems.push(Problem::new("links", "a chain has one job at least"));
        }
        let mut seen = BTreeSet::new();
        for (at, link) in self.links.iter().enumerate() {
            if !seen.insert(&link.job) {
                let message = format!("the job `{}` is in the chain already", link.job);
                problems.push(Problem::new(format!("links[{at}].job"), message));
            }
            if link
                .when
                .rejects_percent
                .is_some_and(|percent| percent > 100)
            {
                let path = format!("links[{at}].when.rejects_percent");
                problems.push(Problem::new(path, "give a number from 0 to 100"));
            }
            for (number, job) in link.after.iter().flatten().enumerate() {
                if !self.links.iter().any(|other| other.job == *job) {
                    let message = format!("the chain has no job `{job}`");
                    let path = format!("links[{at}].after[{number}]");
                    problems.push(Problem::new(path, message));
                }
            }
        }
        if !problems.is_empty() {
            return problems;
        }
        if let Err(circle) = self.order() {
            let jobs = circle.iter().filter_map(|at| self.links.get(*at));
            let jobs: Vec<&str> = jobs.map(|link| link.job.as_str()).collect();
            let message = format!(
                "jobs wait for each other in a circle: {}",
                jobs.join(" -> ")
            );
            problems.push(Problem::new("links", message));
        }
        problems
    }
}
