//! State in an object store, on a server that speaks S3: the contract, many who count, a lease, a job that breaks off.
//!
//! `.ci/live` brings the server and runs these tests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

#[path = "../../it/state/contract.rs"]
mod contract;
mod counting;
mod job;
mod lease;
mod server;

use syncline::host::{Context, probe};
use syncline::{ErrorKind, Tenant};

use server::{OnTokio, server, state};

/// The checks block their threads, so calls are made on the runtime beside them.
#[test]
fn a_server_holds_the_contract() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = OnTokio::new(runtime.handle(), state(&server().address));
    for (name, check) in contract::CHECKS {
        if let Err(error) = check(&store) {
            panic!("{name}: {error}");
        }
        println!("{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probe_accepts_a_server() {
    let store = state(&server().address);
    let tenant = Tenant::new("probed").unwrap();
    for _ in 0..2 {
        probe(&Context::new(), &store, &tenant).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_an_error() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let store = state(&address);
    let error = probe(&Context::new(), &store, &Tenant::new("acme").unwrap())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    // No secret is in what it says.
    assert!(!error.to_string().contains(server::SECRET), "{error}");
}
