//! Authorization from outside: hosts, secrets, and OAuth against a server in the same process that misbehaves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod callbacks;
#[cfg(feature = "testing")]
mod crashes;
mod faults;
mod flows;
mod hosts;
mod secrets;
mod server;
mod together;
mod workspace;
