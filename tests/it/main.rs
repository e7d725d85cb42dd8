//! The integration tests: one binary, a module for each subject.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod check;
mod delimited;
mod examples;
mod file_destination;
mod lookup;
mod memory;
mod reference_jobs;
mod reject_files;
mod self_lookup;
mod specs;
mod support;
mod sync;
mod writers;
