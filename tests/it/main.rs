//! The integration tests: one binary, a module for each subject.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod examples;
mod reference_jobs;
mod specs;
