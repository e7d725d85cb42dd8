//! The integration tests, in one binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod delimited;
mod file_destination;
mod lookup;
mod memory;
mod reject_files;
mod self_lookup;
mod support;
mod sync;
