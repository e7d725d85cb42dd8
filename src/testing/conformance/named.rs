//! Suites as named tests.

use std::sync::Arc;

use super::{Fixture, Suite};
use crate::Result;
use crate::host::{Context, ThreadPool};

/// Makes the clauses of a suite tests of their own, in a module, each named after its clause: `my_store::ss_04`.
///
/// The fixture is made anew for each; its expression may `?` and `.await`. Tests run on the machine's clock and on threads of a
/// [`ThreadPool`]. An implementation that needs a runtime of its own is certified by [`Suite::run`] in a test of that runtime.
///
/// ```
/// use syncline::host::Inline;
/// use syncline::memory::MemoryState;
/// use syncline::testing::conformance::{ExecutorFixture, StateStoreFixture};
///
/// fn place() -> StateStoreFixture {
///     let store = MemoryState::new();
///     StateStoreFixture::new(move || store.clone())
/// }
///
/// syncline::conformance!(my_store: state_store, place());
/// // What is not owed is named, with the reason.
/// syncline::conformance!(inline: executor, ExecutorFixture::new(Inline), skip: [("EX-04", "one task at a time")]);
/// ```
#[macro_export]
macro_rules! conformance {
    ($name:ident: state_store, $fixture:expr $(, skip: [$($skip:expr),* $(,)?])? $(,)?) => {
        $crate::conformance_tests! { $name, STATE_STORE, $fixture, [$($($skip),*)?],
            ss_01 ss_02 ss_03 ss_04 ss_05 ss_06 ss_07 ss_08 ss_09 }
    };
    ($name:ident: file_store, $fixture:expr $(, skip: [$($skip:expr),* $(,)?])? $(,)?) => {
        $crate::conformance_tests! { $name, FILE_STORE, $fixture, [$($($skip),*)?],
            fs_01 fs_02 fs_03 fs_04 fs_05 fs_06 fs_07 fs_08 fs_09 fs_10 }
    };
    ($name:ident: reject_ledger, $fixture:expr $(, skip: [$($skip:expr),* $(,)?])? $(,)?) => {
        $crate::conformance_tests! { $name, REJECT_LEDGER, $fixture, [$($($skip),*)?],
            rl_01 rl_02 rl_03 rl_04 rl_05 rl_06 rl_07 rl_08 rl_09 rl_10 }
    };
    ($name:ident: executor, $fixture:expr $(, skip: [$($skip:expr),* $(,)?])? $(,)?) => {
        $crate::conformance_tests! { $name, EXECUTOR, $fixture, [$($($skip),*)?],
            ex_01 ex_02 ex_03 ex_04 }
    };
    ($name:ident: cipher, $fixture:expr $(, skip: [$($skip:expr),* $(,)?])? $(,)?) => {
        $crate::conformance_tests! { $name, CIPHER, $fixture, [$($($skip),*)?],
            ci_01 ci_02 ci_03 ci_04 ci_05 ci_06 ci_07 }
    };
    ($name:ident: credentials, $fixture:expr $(, skip: [$($skip:expr),* $(,)?])? $(,)?) => {
        $crate::conformance_tests! { $name, CREDENTIALS, $fixture, [$($($skip),*)?],
            cr_01 cr_02 cr_03 cr_04 cr_05 cr_06 cr_07 cr_08 }
    };
    ($name:ident: notifications, $fixture:expr $(, skip: [$($skip:expr),* $(,)?])? $(,)?) => {
        $crate::conformance_tests! { $name, NOTIFICATIONS, $fixture, [$($($skip),*)?],
            nt_01 nt_02 nt_03 nt_04 nt_05 nt_06 nt_07 }
    };
    ($name:ident: schedule, $fixture:expr $(, skip: [$($skip:expr),* $(,)?])? $(,)?) => {
        $crate::conformance_tests! { $name, SCHEDULE, $fixture, [$($($skip),*)?],
            sc_01 sc_02 sc_03 sc_04 }
    };
    ($name:ident: transport, $fixture:expr $(, skip: [$($skip:expr),* $(,)?])? $(,)?) => {
        $crate::conformance_tests! { $name, TRANSPORT, $fixture, [$($($skip),*)?],
            tr_01 tr_02 tr_03 tr_04 tr_05 tr_06 tr_07 }
    };
    ($name:ident: authorization, $fixture:expr $(, skip: [$($skip:expr),* $(,)?])? $(,)?) => {
        $crate::conformance_tests! { $name, AUTHORIZATION, $fixture, [$($($skip),*)?],
            au_01 au_02 au_03 au_04 au_05 au_06 }
    };
    ($name:ident: dataset, $fixture:expr $(, skip: [$($skip:expr),* $(,)?])? $(,)?) => {
        $crate::conformance_tests! { $name, DATASET, $fixture, [$($($skip),*)?],
            ds_01 ds_02 ds_03 ds_04 ds_05 ds_06 ds_07 ds_08 ds_09 ds_10 ds_11 ds_12 ds_13 }
    };
    ($name:ident: connection, $fixture:expr $(, skip: [$($skip:expr),* $(,)?])? $(,)?) => {
        $crate::conformance_tests! { $name, CONNECTION, $fixture, [$($($skip),*)?],
            cn_01 cn_02 cn_03 cn_04 }
    };
    ($name:ident: destination, $fixture:expr $(, skip: [$($skip:expr),* $(,)?])? $(,)?) => {
        $crate::conformance_tests! { $name, DESTINATION, $fixture, [$($($skip),*)?],
            dw_01 dw_02 dw_03 dw_04 dw_05 dw_06 dw_07 dw_08 dw_09 dw_10 dw_11 dw_12 dw_13 dw_14 dw_15 dw_16 dw_17 }
    };
    ($name:ident: lookup, $fixture:expr $(, skip: [$($skip:expr),* $(,)?])? $(,)?) => {
        $crate::conformance_tests! { $name, LOOKUP, $fixture, [$($($skip),*)?],
            lk_01 lk_02 lk_03 lk_04 lk_05 lk_06 }
    };
    ($name:ident: job, $fixture:expr $(, skip: [$($skip:expr),* $(,)?])? $(,)?) => {
        $crate::conformance_tests! { $name, JOB, $fixture, [$($($skip),*)?],
            jb_01 jb_02 jb_03 jb_04 jb_05 jb_06 }
    };
}

/// The tests of [`conformance!`](crate::conformance!).
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests {
    ($name:ident, $suite:ident, $fixture:expr, [$($skip:expr),*], $($clause:ident)*) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            const SKIPS: &[(&str, &str)] = &[$($skip),*];

            $(
                #[test]
                fn $clause() {
                    $crate::testing::conformance::certify(
                        &$crate::testing::conformance::$suite,
                        stringify!($clause),
                        || async { Ok::<_, $crate::Error>($fixture) },
                        SKIPS,
                    );
                }
            )*

            #[test]
            fn every_clause_has_a_test() {
                $crate::testing::conformance::complete(
                    &$crate::testing::conformance::$suite,
                    &[$(stringify!($clause)),*],
                    SKIPS,
                );
            }
        }
    };
}

/// `ss_04` is the test of `SS-04`.
fn id(test: &str) -> String {
    test.to_uppercase().replace('_', "-")
}

/// Asserts that one clause holds: what a test of [`conformance!`](crate::conformance!) does.
///
/// # Panics
/// As [`Report::assert_conforms`](super::Report::assert_conforms), and if there is no such clause.
#[doc(hidden)]
#[track_caller]
#[allow(clippy::panic)]
pub fn certify<F: Fixture, N: Future<Output = Result<F>>>(
    suite: &'static Suite<F>,
    test: &str,
    fresh: impl Fn() -> N,
    skips: &[(&str, &str)],
) {
    let id = id(test);
    let own: Vec<(&str, &str)> = skips.iter().copied().filter(|skip| skip.0 == id).collect();
    let report = ThreadPool::new(4).and_then(|pool| {
        let context = Context::new().with_executor(Arc::new(pool));
        futures::executor::block_on(suite.run_clause(&context, &id, fresh))
    });
    match report {
        Ok(report) => report.assert_conforms(&own),
        Err(error) => panic!("{error}"),
    }
}

/// Asserts that a list of tests has every clause, and that no clause is named as skipped that there is not.
///
/// # Panics
/// If one is missing.
#[doc(hidden)]
#[track_caller]
pub fn complete<F: Fixture>(suite: &'static Suite<F>, tests: &[&str], skips: &[(&str, &str)]) {
    let clauses: Vec<String> = suite
        .clauses
        .iter()
        .map(|clause| clause.id.into())
        .collect();
    let tests: Vec<String> = tests.iter().map(|test| id(test)).collect();
    assert_eq!(tests, clauses, "the tests of `{}`", suite.name);
    for (skip, _) in skips {
        assert!(
            suite.clause(skip).is_some(),
            "`{skip}` is no clause of `{}`",
            suite.name
        );
    }
}
