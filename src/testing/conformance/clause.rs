//! Clauses, the suites that they make, and the capabilities that owe them.

use std::collections::BTreeSet;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Either, select};

use super::report::{Report, Verdict};
use crate::host::Context;
use crate::{Error, Result};

/// What an implementation declares, or its fixture says of it, and what therefore is asked of it.
///
/// Which clauses a capability owes is in the suites: [`Clause::needs`], [`Suite::owed_by`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Capability {
    /// A file store tells the version of a file.
    Versions,
    /// A ledger keeps the rejects of runs that break off and go on.
    Rewinds,
    /// A ledger keeps the rejects of one run only.
    OneRun,
    /// A ledger gives its records back, to be tried again.
    GivesBack,
    /// A ledger that gives back those of many runs.
    GivesBackRuns,
    /// An executor runs several tasks at a time: its parallelism is more than 1.
    Parallel,
    /// A dataset is [resumable](crate::dataset::DatasetInfo::resumable).
    Resumes,
    /// A dataset [hands out unparsed text](crate::dataset::DatasetInfo::raw_text).
    RawText,
    /// A dataset honours [bounds](crate::dataset::DatasetInfo::bounded).
    Bounds,
    /// The fixture of a dataset says that its source [tells its time](crate::dataset::Dataset::upper_bound).
    TellsTime,
    /// The fixture of a dataset has the records that must come.
    KnownRecords,
    /// A connection has an object that can be looked up.
    LooksUp,
    /// A lookup has a key field of text.
    TextKeys,
    /// A destination updates and upserts [by identifiers](crate::destination::DestinationCapabilities::keyed).
    Keyed,
    /// A destination [tells rows of the same run apart](crate::destination::DestinationCapabilities::tells_same_run).
    TellsSameRun,
    /// A destination can be opened for a [dry run](crate::destination::DestinationCapabilities::dry_run).
    DryRun,
    /// A destination [looks itself up and patches](crate::destination::DestinationCapabilities::self_lookup).
    SelfLookup,
    /// A destination [takes a commit group once](crate::destination::DestinationCapabilities::dedups_groups).
    DedupsGroups,
    /// A destination [takes a batch once](crate::destination::DestinationCapabilities::dedups_batches).
    DedupsBatches,
    /// A destination [keeps the checkpoint](crate::destination::DestinationCapabilities::keeps_checkpoint).
    KeepsCheckpoint,
    /// A destination [deletes](crate::destination::DestinationCapabilities::deletes) and tells identities.
    Deletes,
    /// The fixture of a destination has a row that must be refused.
    Refuses,
    /// The fixture of a cipher has one with other keys.
    OtherKeys,
    /// The fixture of notifications has an address that never works.
    DeadAddress,
    /// The fixture of an authorization has the secrets that must be seen nowhere.
    KnownSecrets,
    /// The fixture of an authorization counts the calls that it makes.
    CountsCalls,
    /// The fixture of a transport has a policy that forbids its server's address.
    Addresses,
    /// The fixture of a job can look at the world that the job changes.
    Observed,
}

/// Why a check ended before its end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// The clause was seen to be broken.
    Broken(String),
    /// Something else failed on the way, so the clause was not seen at all.
    NotReached(String),
}

/// An error of a step that is not what the clause is about.
impl From<Error> for Finding {
    fn from(error: Error) -> Self {
        Finding::NotReached(error.to_string())
    }
}

impl From<arrow_schema::ArrowError> for Finding {
    fn from(error: arrow_schema::ArrowError) -> Self {
        Finding::from(Error::from(error))
    }
}

/// What a check came to: `Ok` if the clause holds.
pub type Checked = std::result::Result<(), Finding>;

/// The clause holds only if this does.
pub(super) fn must(holds: bool, why: impl FnOnce() -> String) -> Checked {
    if holds {
        Ok(())
    } else {
        Err(Finding::Broken(why()))
    }
}

/// The clause cannot be seen unless this holds.
pub(super) fn reached(holds: bool, why: impl FnOnce() -> String) -> Checked {
    if holds {
        Ok(())
    } else {
        Err(Finding::NotReached(why()))
    }
}

/// The clause holds only if both are the same.
pub(super) fn same<T: PartialEq + fmt::Debug>(what: &str, is: &T, expected: &T) -> Checked {
    must(is == expected, || {
        let cut = |value: &T| -> String { format!("{value:?}").chars().take(600).collect() };
        format!("{what}: {} instead of {}", cut(is), cut(expected))
    })
}

/// An error here breaks the clause itself.
pub(super) trait OrBroken<T> {
    fn or_broken(self, what: &str) -> std::result::Result<T, Finding>;
}

impl<T> OrBroken<T> for Result<T> {
    fn or_broken(self, what: &str) -> std::result::Result<T, Finding> {
        self.map_err(|error| Finding::Broken(format!("{what}: {error}")))
    }
}

/// A name that nobody has used yet, so that a suite can run again and again in one place.
pub(super) fn unique(context: &Context) -> String {
    format!("conformance-{}", crate::host::unique(context.entropy()))
}

/// An implementation that is tried out, with what a suite must know of it.
///
/// Each clause is given a fixture of its own, made a moment before, so that no clause sees what another one did.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// What kind of thing it is, for people.
    fn subject(&self) -> String;
    /// What it declares.
    async fn declares(&self, context: &Context) -> Result<BTreeSet<Capability>>;
}

/// How a clause is looked at.
pub type Check<F> = for<'a> fn(&'a Context, &'a F) -> BoxFuture<'a, Checked>;

/// A promise of a contract that can be looked at.
#[derive(Debug)]
#[non_exhaustive]
pub struct Clause<F: 'static> {
    /// Its number, which it keeps for good: `SS-04`.
    pub id: &'static str,
    /// What is promised.
    pub sentence: &'static str,
    /// What would go wrong without it.
    pub reason: &'static str,
    /// The capability that owes it; `None` if every implementation does.
    pub needs: Option<Capability>,
    pub(super) check: Check<F>,
}

/// The clauses of a contract.
///
/// ```
/// use syncline::testing::conformance::{Capability, DATASET};
///
/// let owed: Vec<&str> = DATASET.owed_by(Capability::Resumes).map(|clause| clause.id).collect();
/// assert!(owed.contains(&"DS-05"));
/// assert!(DATASET.clause("DS-05").unwrap().sentence.contains("every cursor"));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Suite<F: 'static> {
    /// The contract's name.
    pub name: &'static str,
    /// Its clauses, in the order of their numbers.
    pub clauses: &'static [Clause<F>],
}

/// How long a clause may take, by the context's clock: no contract allows to wait for ever.
const PATIENCE: Duration = Duration::from_secs(60);

impl<F: Fixture + 'static> Suite<F> {
    /// The clause of this number.
    pub fn clause(&self, id: &str) -> Option<&'static Clause<F>> {
        self.clauses.iter().find(|clause| clause.id == id)
    }

    /// The clauses that a capability owes.
    pub fn owed_by(&self, capability: Capability) -> impl Iterator<Item = &'static Clause<F>> {
        let clauses = self.clauses.iter();
        clauses.filter(move |clause| clause.needs == Some(capability))
    }

    /// Looks at every clause, each on a fixture that `fresh` makes for it.
    ///
    /// ```
    /// use syncline::host::Context;
    /// use syncline::memory::MemoryState;
    /// use syncline::testing::conformance::{STATE_STORE, StateStoreFixture};
    ///
    /// let fresh = || async {
    ///     let store = MemoryState::new();
    ///     Ok(StateStoreFixture::new(move || store.clone()))
    /// };
    /// let report = futures::executor::block_on(STATE_STORE.run(&Context::new(), fresh));
    /// report.assert_conforms(&[]);
    /// ```
    pub async fn run<N: Future<Output = Result<F>>>(
        &self,
        context: &Context,
        fresh: impl Fn() -> N,
    ) -> Report {
        let mut report = Report::new(self.name);
        for clause in self.clauses {
            self.look(context, &fresh, clause, &mut report).await;
        }
        report
    }

    /// Looks at one clause.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) if the suite has no such clause.
    pub async fn run_clause<N: Future<Output = Result<F>>>(
        &self,
        context: &Context,
        id: &str,
        fresh: impl Fn() -> N,
    ) -> Result<Report> {
        let clause = self.clause(id).ok_or_else(|| {
            Error::new(crate::ErrorKind::NotFound, "the suite has no such clause").with("id", id)
        })?;
        let mut report = Report::new(self.name);
        self.look(context, &fresh, clause, &mut report).await;
        Ok(report)
    }

    async fn look<N: Future<Output = Result<F>>>(
        &self,
        context: &Context,
        fresh: &impl Fn() -> N,
        clause: &Clause<F>,
        report: &mut Report,
    ) {
        let verdict = match fresh().await {
            Ok(fixture) => {
                report.subject = fixture.subject();
                verdict(context, &fixture, clause).await
            }
            Err(error) => Verdict::NotReached {
                why: format!("no fixture: {error}"),
            },
        };
        report.add(clause.id, clause.sentence, clause.reason, verdict);
    }
}

async fn verdict<F: Fixture>(context: &Context, fixture: &F, clause: &Clause<F>) -> Verdict {
    if let Some(needed) = clause.needs {
        match fixture.declares(context).await {
            Ok(declared) if declared.contains(&needed) => {}
            Ok(_) => {
                return Verdict::Skip {
                    reason: format!("`{needed:?}` is not declared"),
                };
            }
            Err(error) => {
                return Verdict::NotReached {
                    why: format!("what it declares cannot be asked: {error}"),
                };
            }
        }
    }
    let check = AssertUnwindSafe((clause.check)(context, fixture)).catch_unwind();
    match select(check, context.clock().sleep(PATIENCE)).await {
        Either::Left((Ok(Ok(())), _)) => Verdict::Pass,
        Either::Left((Ok(Err(Finding::Broken(why))), _)) => Verdict::Fail { why },
        Either::Left((Ok(Err(Finding::NotReached(why))), _)) => Verdict::NotReached { why },
        Either::Left((Err(_), _)) => Verdict::Fail {
            why: "it panicked".into(),
        },
        Either::Right(_) => Verdict::Fail {
            why: format!("it did not come to an end in {PATIENCE:?}"),
        },
    }
}

/// A row of a suite's table.
macro_rules! clause {
    ($id:literal, $needs:expr, $sentence:literal, $reason:literal, $check:path) => {
        $crate::testing::conformance::Clause {
            id: $id,
            sentence: $sentence,
            reason: $reason,
            needs: $needs,
            check: |context, fixture| Box::pin($check(context, fixture)),
        }
    };
}
pub(super) use clause;

/// A fixture is mostly closures, of which nothing can be shown.
macro_rules! opaque {
    ($fixture:ident) => {
        impl std::fmt::Debug for $fixture {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($fixture)).finish_non_exhaustive()
            }
        }
    };
}
pub(super) use opaque;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use std::sync::Arc;

    use chrono::DateTime;

    use super::*;
    use crate::ErrorKind;
    use crate::memory::ManualClock;

    /// What a trial meets.
    struct Trial(Option<Capability>);

    #[async_trait]
    impl Fixture for Trial {
        fn subject(&self) -> String {
            "a trial".into()
        }

        async fn declares(&self, _: &Context) -> Result<BTreeSet<Capability>> {
            let unknown = || Error::new(ErrorKind::Io, "nobody answers");
            Ok([self.0.ok_or_else(unknown)?].into())
        }
    }

    async fn holds(_: &Context, _: &Trial) -> Checked {
        Ok(())
    }

    async fn is_broken(_: &Context, _: &Trial) -> Checked {
        same("one", &1, &2)
    }

    async fn fails_on_the_way(_: &Context, _: &Trial) -> Checked {
        Err(Error::new(ErrorKind::Io, "nobody answers"))?;
        Ok(())
    }

    async fn panics(_: &Context, _: &Trial) -> Checked {
        panic!("a panic that a test asked for")
    }

    async fn hangs(_: &Context, _: &Trial) -> Checked {
        std::future::pending().await
    }

    static TRIALS: Suite<Trial> = Suite {
        name: "trial",
        clauses: &[
            clause!("TR-01", None, "It holds.", "", holds),
            clause!("TR-02", None, "It does not hold.", "", is_broken),
            clause!("TR-03", None, "It is not seen.", "", fails_on_the_way),
            clause!("TR-04", None, "It panics.", "", panics),
            clause!("TR-05", None, "It never ends.", "", hangs),
            clause!("TR-06", Some(Capability::Keyed), "It is owed.", "", holds),
            clause!(
                "TR-07",
                Some(Capability::DryRun),
                "It is not owed.",
                "",
                holds
            ),
        ],
    };

    fn word(report: &Report, id: &str) -> &'static str {
        match report.verdict(id) {
            Some(Verdict::Pass) => "pass",
            Some(Verdict::Fail { .. }) => "fail",
            Some(Verdict::Skip { .. }) => "skip",
            Some(Verdict::NotReached { .. }) => "not reached",
            None => "nothing",
        }
    }

    fn words(fresh: impl Fn() -> Result<Trial>) -> Vec<&'static str> {
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let context = Context::new().with_clock(Arc::new(clock.clone()));
        let run = TRIALS.run(&context, || std::future::ready(fresh()));
        let report = clock.drive(run).unwrap();
        TRIALS
            .clauses
            .iter()
            .map(|clause| word(&report, clause.id))
            .collect()
    }

    #[test]
    fn only_what_was_seen_to_hold_passes() {
        let words_of = ["pass", "fail", "not reached", "fail", "fail"];
        let declared = words(|| Ok(Trial(Some(Capability::Keyed))));
        assert_eq!(declared, [&words_of[..], &["pass", "skip"]].concat());
        // Nobody knows what it declares.
        let undeclared = words(|| Ok(Trial(None)));
        assert_eq!(undeclared, [&words_of[..], &["not reached"; 2]].concat());
        let without = words(|| Err(Error::new(ErrorKind::Io, "no place")));
        assert_eq!(without, ["not reached"; 7]);
    }

    #[test]
    fn a_clause_is_found_by_its_number_and_by_who_owes_it() {
        assert_eq!(TRIALS.clause("TR-06").unwrap().sentence, "It is owed.");
        let owed: Vec<_> = TRIALS
            .owed_by(Capability::DryRun)
            .map(|clause| clause.id)
            .collect();
        assert_eq!(owed, ["TR-07"]);
        let context = Context::new();
        let run = TRIALS.run_clause(&context, "TR-99", || std::future::ready(Ok(Trial(None))));
        let unknown = futures::executor::block_on(run).unwrap_err();
        assert_eq!(unknown.kind(), ErrorKind::NotFound);
    }
}
