//! What a run of a suite came to.

use std::fmt;

/// What was found of a clause.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It was seen to hold.
    Pass,
    /// It was seen to be broken.
    Fail {
        /// What was seen.
        why: String,
    },
    /// It is not owed, since a capability is not declared.
    Skip {
        /// Which one.
        reason: String,
    },
    /// It could not be seen: something that must go well before it did not.
    NotReached {
        /// What.
        why: String,
    },
}

/// A clause and its verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Judged {
    /// The clause's number.
    pub id: &'static str,
    /// What it promises.
    pub sentence: &'static str,
    /// What would go wrong without it.
    pub reason: &'static str,
    /// What was found.
    pub verdict: Verdict,
}

/// The verdicts of a suite on one implementation; printed, it is a table.
///
/// ```
/// use syncline::host::{Context, Inline};
/// use syncline::testing::conformance::{EXECUTOR, ExecutorFixture, Verdict};
///
/// let fresh = || async { Ok(ExecutorFixture::new(Inline)) };
/// let report = futures::executor::block_on(EXECUTOR.run(&Context::new(), fresh));
/// assert!(matches!(report.verdict("EX-04"), Some(Verdict::Skip { .. })));
/// report.assert_conforms(&[("EX-04", "it runs one task at a time")]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The contract.
    pub suite: &'static str,
    /// What was tried out.
    pub subject: String,
    /// Each clause, in order.
    pub clauses: Vec<Judged>,
}

impl Report {
    pub(super) fn new(suite: &'static str) -> Self {
        Report {
            suite,
            subject: "nothing".into(),
            clauses: Vec::new(),
        }
    }

    pub(super) fn add(
        &mut self,
        id: &'static str,
        sentence: &'static str,
        reason: &'static str,
        verdict: Verdict,
    ) {
        self.clauses.push(Judged {
            id,
            sentence,
            reason,
            verdict,
        });
    }

    /// What was found of a clause; `None` if it was not looked at.
    pub fn verdict(&self, id: &str) -> Option<&Verdict> {
        let found = self.clauses.iter().find(|judged| judged.id == id);
        found.map(|judged| &judged.verdict)
    }

    /// The numbers of the clauses that were seen to be broken.
    pub fn failed(&self) -> Vec<&'static str> {
        let failed = |judged: &&Judged| matches!(judged.verdict, Verdict::Fail { .. });
        (self.clauses.iter().filter(failed))
            .map(|judged| judged.id)
            .collect()
    }

    /// What stands against conformance: a line each. `skips` are the clauses that are known not to be owed, each with why.
    ///
    /// A clause that was named and not skipped is one too: the list would lie.
    pub fn objections(&self, skips: &[(&str, &str)]) -> Vec<String> {
        let mut objections = Vec::new();
        for Judged { id, verdict, .. } in &self.clauses {
            let named = skips.iter().find(|(named, _)| named == id);
            match (verdict, named) {
                (Verdict::Pass, None) => {}
                (Verdict::Skip { .. }, Some((_, why))) if !why.trim().is_empty() => {}
                (Verdict::Skip { .. }, Some(_)) => objections.push(format!(
                    "{id} is named as skipped, but not why: say it behind the number"
                )),
                (Verdict::Skip { reason }, None) => objections.push(format!(
                    "{id} was skipped ({reason}): name it, with the reason, if that is meant"
                )),
                (Verdict::Pass, Some(_)) => objections.push(format!(
                    "{id} is named as skipped, but it was not: take it off the list"
                )),
                (Verdict::Fail { why }, _) => objections.push(format!("{id} fails: {why}")),
                (Verdict::NotReached { why }, _) => {
                    objections.push(format!("{id} was not reached: {why}"));
                }
            }
        }
        for (named, _) in skips {
            if self.verdict(named).is_none() {
                objections.push(format!("{named} is no clause that was looked at"));
            }
        }
        objections
    }

    /// Demands that every clause passed, save those that are named with the reason why they are not owed.
    ///
    /// # Panics
    /// If there is an [objection](Self::objections), with all of them and the table.
    #[track_caller]
    #[allow(clippy::panic)]
    pub fn assert_conforms(&self, skips: &[(&str, &str)]) {
        let objections = self.objections(skips);
        if !objections.is_empty() {
            panic!(
                "{} does not conform:\n{}\n\n{self}",
                self.subject,
                objections.join("\n")
            );
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.suite, self.subject)?;
        for Judged {
            id,
            sentence,
            reason,
            verdict,
        } in &self.clauses
        {
            let (word, more) = match verdict {
                Verdict::Pass => ("pass", None),
                Verdict::Fail { why } => ("FAIL", Some(why)),
                Verdict::Skip { reason } => ("skip", Some(reason)),
                Verdict::NotReached { why } => ("not reached", Some(why)),
            };
            writeln!(f, "  {id} {word:<11} {sentence}")?;
            if let Some(more) = more {
                writeln!(f, "        {more}")?;
            }
            if let Verdict::Fail { .. } = verdict {
                writeln!(f, "        Why it matters: {reason}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn report(verdict: Verdict) -> Report {
        let mut report = Report::new("suite");
        report.add("XX-01", "It holds.", "It must.", verdict);
        report
    }

    fn skip() -> Verdict {
        Verdict::Skip {
            reason: "none".into(),
        }
    }

    #[test]
    fn only_a_pass_and_a_named_skip_are_good() {
        let why = || "seen".to_owned();
        let named: &[(&str, &str)] = &[("XX-01", "because")];
        assert!(report(Verdict::Pass).objections(&[]).is_empty());
        assert!(report(skip()).objections(named).is_empty());
        for bad in [
            Verdict::Fail { why: why() },
            Verdict::NotReached { why: why() },
        ] {
            assert_eq!(report(bad.clone()).objections(&[]).len(), 1);
            assert_eq!(report(bad).objections(named).len(), 1);
        }
        assert_eq!(report(skip()).objections(&[]).len(), 1);
        assert_eq!(report(skip()).objections(&[("XX-01", " ")]).len(), 1);
        assert_eq!(report(Verdict::Pass).objections(named).len(), 1);
        assert_eq!(
            report(Verdict::Pass).objections(&[("XX-02", "why")]).len(),
            1
        );
    }
}
