//! The kit: every own backend keeps its contract, and every clause notices a backend that breaks it.
//!
//! The number of broken backends that are caught is printed, and written to `target/figures/conformance.json`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

mod authorizations;
mod broken;
mod destinations;
mod examples;
mod faults;
mod ports;
mod schedules;
mod simulation;
#[cfg(feature = "reqwest")]
mod sockets;
mod sources;
