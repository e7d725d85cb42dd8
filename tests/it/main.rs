//! The integration tests, in one binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod lookup;
mod self_lookup;
mod support;
mod sync;
