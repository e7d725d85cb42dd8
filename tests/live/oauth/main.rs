//! OAuth against real servers, over sockets: an authorization server that rotates refresh tokens, as production and as sandbox, and one
//! that answers as it is told to.
//!
//! `.ci/live` brings the servers and runs these tests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

mod clock;
mod faults;
mod flows;
#[path = "../../../examples/own_cipher.rs"]
#[expect(dead_code, unreachable_pub, reason = "it is a whole program")]
mod own_cipher;
mod person;
mod processes;
mod server;
mod world;
