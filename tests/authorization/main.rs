//! Authorization and the workspace from outside: hosts, secrets, and OAuth against a server in the same process that misbehaves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod callbacks;
mod clocks;
#[cfg(feature = "testing")]
mod crashes;
mod faults;
mod flows;
#[cfg(feature = "testing")]
mod histories;
mod hosts;
#[cfg(feature = "reqwest")]
mod processes;
mod secrets;
mod server;
mod together;
mod workspace;
