//! The integration tests: one binary, a module for each subject.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod analyse;
mod analyse_exports;
mod bad_input;
mod check;
#[cfg(feature = "compression")]
mod compression;
mod delimited;
mod dialects;
mod direct;
mod drift;
mod encodings;
mod examples;
mod export;
mod file_destination;
mod guides;
mod incremental;
mod kill;
mod limits;
mod lookup;
mod mapping_filters;
mod memory;
mod observers;
mod picklists;
mod ranges;
mod redrive;
mod reference_jobs;
mod reject_files;
mod reject_parts;
mod reports;
mod resume;
mod scheduler;
mod schedules;
mod self_lookup;
mod specs;
mod state;
mod support;
mod sync;
mod writers;
