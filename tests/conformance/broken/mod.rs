//! Backends that are broken on purpose, one at least for each clause.
//!
//! Each breaks the contract in one point. The clause that is named must see it; other clauses that see it too are
//! listed, so that it shows how sharp the clauses are.

mod authorization;
mod cipher;
mod connection;
mod credentials;
mod dataset;
mod destination;
mod executor;
mod file_store;
mod job;
mod lookup;
mod notifications;
mod reject_ledger;
mod schedule;
mod state_store;
mod transport;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use futures::executor::block_on;
use syncline::Result;
use syncline::host::{Context, ThreadPool};
use syncline::testing::conformance::{self as kit, Fixture, Report, Suite};

pub(crate) use connection::promises_a_checkpoint;
pub(crate) use dataset::goes_on_a_row_late;

/// A broken backend.
pub(crate) struct Broken {
    /// The clause that must see it.
    clause: &'static str,
    /// What is wrong with it.
    flaw: String,
    /// Clauses that see it too.
    collateral: &'static [&'static str],
    report: Box<dyn Fn() -> Report + Send + Sync>,
}

/// A broken backend that a suite must notice.
pub(crate) fn broken<F: Fixture + 'static>(
    suite: &'static Suite<F>,
    clause: &'static str,
    flaw: impl std::fmt::Debug,
    collateral: &'static [&'static str],
    fresh: impl Fn() -> F + Send + Sync + 'static,
) -> Broken {
    let report = move || {
        let pool = Arc::new(ThreadPool::new(2).unwrap());
        let context = Context::new().with_executor(pool);
        let fresh = || std::future::ready(Ok::<_, syncline::Error>(fresh()));
        block_on(suite.run(&context, fresh))
    };
    Broken {
        clause,
        flaw: format!("{flaw:?}"),
        collateral,
        report: Box::new(report),
    }
}

fn all() -> Vec<Broken> {
    let mut all = Vec::new();
    all.extend(state_store::broken_stores());
    all.extend(file_store::broken_stores());
    all.extend(reject_ledger::broken_ledgers());
    all.extend(executor::broken_executors());
    all.extend(cipher::broken_ciphers());
    all.extend(credentials::broken_credentials());
    all.extend(notifications::broken_notifications());
    all.extend(transport::broken_transports());
    all.extend(authorization::broken_authorizations());
    all.extend(dataset::broken_datasets());
    all.extend(destination::broken_destinations());
    all.extend(connection::broken_connections());
    all.extend(lookup::broken_lookups());
    all.extend(schedule::broken_schedules());
    all.extend(job::broken_jobs());
    all
}

/// The clauses of every suite.
fn clauses() -> Vec<&'static str> {
    fn of<F>(suite: &'static Suite<F>) -> impl Iterator<Item = &'static str> {
        suite.clauses.iter().map(|clause| clause.id)
    }
    let mut all = Vec::new();
    all.extend(of(&kit::STATE_STORE));
    all.extend(of(&kit::FILE_STORE));
    all.extend(of(&kit::REJECT_LEDGER));
    all.extend(of(&kit::EXECUTOR));
    all.extend(of(&kit::CIPHER));
    all.extend(of(&kit::CREDENTIALS));
    all.extend(of(&kit::NOTIFICATIONS));
    all.extend(of(&kit::TRANSPORT));
    all.extend(of(&kit::AUTHORIZATION));
    all.extend(of(&kit::DATASET));
    all.extend(of(&kit::DESTINATION));
    all.extend(of(&kit::CONNECTION));
    all.extend(of(&kit::LOOKUP));
    all.extend(of(&kit::SCHEDULE));
    all.extend(of(&kit::JOB));
    all
}

#[test]
fn every_clause_notices_a_backend_that_breaks_it() {
    // Some of them panic, as they should, and nobody wants to read that.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let said = panic
            .payload()
            .downcast_ref::<&str>()
            .copied()
            .unwrap_or_default();
        if said != "a panic that a test asked for" {
            hook(panic);
        }
    }));
    let all = all();
    let only = std::env::var("SYNCLINE_BROKEN").ok();
    let (mut caught, mut alone, mut wrong) = (BTreeSet::new(), 0, Vec::new());
    let (mut backends, mut unnoticed) = (0, 0);
    for Broken {
        clause,
        flaw,
        collateral,
        report,
    } in &all
    {
        if only.as_ref().is_some_and(|only| only != clause) {
            continue;
        }
        let report = report();
        let mut seen: BTreeSet<&str> = report.failed().into_iter().collect();
        if seen.remove(clause) {
            caught.insert(*clause);
            backends += 1;
            alone += usize::from(seen.is_empty());
        } else {
            unnoticed += 1;
            wrong.push(format!("{flaw} is not noticed by {clause}\n{report}"));
        }
        let expected: BTreeSet<&str> = collateral.iter().copied().collect();
        if seen != expected {
            wrong.push(format!(
                "{flaw} ({clause}) is seen by {seen:?} too, not {expected:?}\n{report}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if only.is_some() {
        return;
    }
    let missing: Vec<&str> = clauses()
        .into_iter()
        .filter(|id| !caught.contains(id))
        .collect();
    assert_eq!(
        missing,
        Vec::<&str>::new(),
        "clauses that no broken backend proves"
    );
    println!(
        "broken backends caught: {backends} of {}, {alone} of them by their clause alone",
        all.len()
    );
    write_figures(backends, alone, unnoticed).unwrap();
}

fn write_figures(caught: usize, alone: usize, unnoticed: usize) -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/figures");
    std::fs::create_dir_all(&folder)?;
    let figures = serde_json::json!({
        "clauses": clauses().len(),
        "broken_backends_caught": caught,
        "caught_by_their_clause_alone": alone,
        "broken_backends_missed": unnoticed,
    });
    Ok(std::fs::write(
        folder.join("conformance.json"),
        format!("{figures:#}\n"),
    )?)
}
