//! The integration tests: one binary, a module for each subject.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bad_input;
#[cfg(feature = "compression")]
mod compression;
mod check;
mod delimited;
mod dialects;
mod encodings;
mod examples;
mod file_destination;
mod guides;
mod lookup;
mod mapping_filters;
mod memory;
mod reference_jobs;
mod reject_files;
mod self_lookup;
mod specs;
mod support;
mod sync;
mod writers;
