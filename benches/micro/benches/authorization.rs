//! What a request pays for its credential: that of a connection which is authorized, asked for and attached.
#![allow(
    clippy::unwrap_used,
    reason = "a measurement that cannot be set up ends the program"
)]

use std::sync::Arc;

use divan::Bencher;
use futures::executor::block_on;
use syncline::authorization::{
    Authorization, CredentialRequest, CredentialStore, Grant, OAuth, OAuthConfig,
};
use syncline::host::{Context, HttpRequest, HttpResponse};
use syncline::memory::{MemoryCipher, MemoryState, MemoryTransport};
use syncline::spec::{Domain, EndpointPaths, EndpointsSpec, OAuthSpec, Org, OrgHosts};
use syncline::{Secret, Tenant};

fn main() {
    divan::main();
}

fn authorized() -> OAuth {
    let server = MemoryTransport::new(|request| {
        let tokens = serde_json::json!({"access_token": "a".repeat(200), "token_type": "Bearer", "expires_in": 3600});
        Ok(HttpResponse::of(request, 200, tokens.to_string()))
    });
    let hosts = OrgHosts::new(Domain::parse("api.example.com").unwrap());
    let spec = OAuthSpec::new(hosts, EndpointsSpec::Paths(EndpointPaths::new("/token")));
    let tenant = Tenant::new("acme").unwrap();
    let store = CredentialStore::new(
        tenant,
        Arc::new(MemoryState::new()),
        Arc::new(MemoryCipher::new()),
    );
    let config = OAuthConfig::new(
        "crm",
        spec,
        Org::Production,
        Grant::ClientCredentials,
        "us",
        Arc::new(server),
        store,
    )
    .with_client_secret(Secret::new("hunter2"));
    OAuth::new(config).unwrap()
}

#[divan::bench]
fn credential_that_is_known(bencher: Bencher) {
    let (oauth, context) = (authorized(), Context::new());
    bencher.bench_local(|| block_on(oauth.credential(&context, CredentialRequest::new())).unwrap());
}

#[divan::bench]
fn attach_to_a_request(bencher: Bencher) {
    let (oauth, context) = (authorized(), Context::new());
    let credential = block_on(oauth.credential(&context, CredentialRequest::new())).unwrap();
    let request = HttpRequest::get("https://api.example.com/users?page=2".parse().unwrap());
    bencher
        .with_inputs(|| request.clone())
        .bench_local_values(|request| credential.attach(request).unwrap());
}

/// Both, as a connector does for each call.
#[divan::bench]
fn ask_and_attach(bencher: Bencher) {
    let (oauth, context) = (authorized(), Context::new());
    let request = HttpRequest::get("https://api.example.com/users?page=2".parse().unwrap());
    bencher
        .with_inputs(|| request.clone())
        .bench_local_values(|request| {
            let credential =
                block_on(oauth.credential(&context, CredentialRequest::new())).unwrap();
            credential.attach(request).unwrap()
        });
}
