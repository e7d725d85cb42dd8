//! Tests of what is built on this crate.
//!
//! - [`conformance`] certifies an implementation of any contract, clause by clause.
//! - [`Simulation`] runs a job of one's own and breaks it off everywhere; it must come to the same end.
//! - [`Effects`] are what both of these and one's own tests disturb: every effect of a run is numbered, and can fail, or be the last one.
//!
//! [`Effects`] wraps what a run touches: the state store, the ledger, files, a dataset, connections. A script gives each
//! effect its [`Fate`]: it is done, it fails, it fails though it was done, or the process dies in front of it, behind it or
//! amid it. [`drive`] runs a job up to such a death; whoever then runs the job again with the same world sees what a real
//! process would see. A [schedule](crate::schedule::Schedule) is a pure function, of which there is nothing to disturb.
//!
//! ```
//! use std::sync::Arc;
//! use syncline::Tenant;
//! use syncline::host::Context;
//! use syncline::job::{Job, RunRequest, SyncJob};
//! use syncline::memory::{Commits, ManualClock, MemoryConnection, MemoryDataset, MemoryRejects, MemoryState};
//! use syncline::record::{Field, FieldType, RecordBuilder, Schema};
//! use syncline::spec::{DestinationSpec, FieldMapping, Identity, MappingSpec, ObjectSpec, WriteMode};
//! use syncline::testing::{Effects, Ended, Fate, drive};
//!
//! let fields = || vec![Field::new("name", FieldType::Text)];
//! let mut rows = RecordBuilder::new(&Schema::new(fields()));
//! for name in ["Ada", "Ben", "Cleo"] {
//!     rows.push(&serde_json::json!({"name": name})).unwrap();
//! }
//! let names = Arc::new(MemoryDataset::new("names", Schema::new(fields()), vec![rows.finish()?])?);
//! let home = MemoryConnection::new("home")
//!     .with_object(&ObjectSpec::new("person", Identity::Generated, fields()))?
//!     .with_commits(Commits::WithCheckpoint);
//! let (state, ledger) = (Arc::new(MemoryState::new()), Arc::new(MemoryRejects::new()));
//! let (tenant, clock) = (Tenant::new("acme")?, ManualClock::new("2025-01-31T00:00:00Z".parse().unwrap()));
//!
//! let mut run = |effects: &Effects| {
//!     let mapping = MappingSpec::new(vec![FieldMapping::direct("name", "name")]);
//!     let job = SyncJob::new("people", effects.dataset(names.clone()))
//!         .to(effects.connection(Arc::new(home.clone())), DestinationSpec::new("person", WriteMode::Insert, mapping));
//!     let request = RunRequest::new(effects.rejects(ledger.clone())).with_state(tenant.clone(), effects.state(state.clone()));
//!     let context = Context::new().with_clock(Arc::new(clock.clone()));
//!     drive(&clock, effects, async { job.run(&context, request).await })
//! };
//! // Whichever effect the process dies behind, the next run brings each name once.
//! let mut number = 0;
//! loop {
//!     number += 1;
//!     let effects = Effects::new(move |effect| if effect.number == number { Fate::CrashAfter } else { Fate::Proceed });
//!     if let Ended::Done(report) = run(&effects) {
//!         assert_eq!(report?.destinations[0].inserted, 3);
//!         break;
//!     }
//!     let _ = run(&Effects::new(|_| Fate::Proceed));
//!     assert_eq!(home.object("person").unwrap().len() % 3, 0);
//! }
//! # Ok::<(), syncline::Error>(())
//! ```

mod authorization;
pub mod conformance;
mod connection;
mod dataset;
mod effects;
mod fault;
mod files;
mod host;
mod job;
mod notifications;
mod simulation;
mod state;
mod transport;

pub use crate::host::Bug;
pub use authorization::{FaultyAuthorization, FaultyCipher};
pub use connection::{FaultyConnection, FaultyDestination, FaultyLookup, FaultyWriter};
pub use dataset::FaultyDataset;
pub use effects::{Effect, EffectKind, Effects, Ended, Fate, drive};
pub use fault::Fault;
pub use files::FaultyFiles;
pub use host::{FaultyClock, FaultyEntropy, FaultyExecutor};
pub use job::FaultyJob;
pub use notifications::FaultyNotifications;
pub use simulation::{Simulation, Violation};
pub use state::{FaultyRejects, FaultyState};
pub use transport::FaultyTransport;
