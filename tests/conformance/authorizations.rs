//! The own ciphers, transports and authorizations.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use syncline::authorization::{
    CredentialStore, Grant, KeyAuthorization, KeyMethod, OAuth, OAuthConfig,
};
use syncline::conformance;
use syncline::file::LocalState;
use syncline::host::{AddressPolicy, HttpResponse};
use syncline::memory::{
    MemoryAuthorization, MemoryCipher, MemoryState, MemoryTransport, RecordedTransport,
};
use syncline::spec::{
    AllowedHosts, Domain, EndpointPaths, EndpointsSpec, OAuthSpec, Org, OrgHosts,
};
use syncline::testing::conformance::{
    AuthorizationFixture, CipherFixture, CredentialsFixture, TransportFixture, kit_answer,
};
use syncline::{Result, Secret, Tenant};

use super::examples::XChaCha;
use super::ports::directory;

conformance!(memory_cipher: cipher, CipherFixture::new(MemoryCipher::new()), skip: [("CI-07", "it has no keys")]);

/// What a host plugs in: each state store with a cipher.
fn credentials_in_memory() -> CredentialsFixture {
    let state = MemoryState::new();
    CredentialsFixture::new(move || state.clone(), MemoryCipher::new())
}

conformance!(memory_credentials: credentials, credentials_in_memory());
conformance!(local_credentials: credentials,
    CredentialsFixture::new(directory(|path| LocalState::new(path)), XChaCha::new(&[7; 32])));

#[cfg(feature = "object-store")]
conformance!(object_store_credentials: credentials, {
    let objects = Arc::new(object_store::memory::InMemory::new());
    let open = move || syncline::adapter::ObjectStoreState::new(objects.clone());
    CredentialsFixture::new(open, XChaCha::new(&[7; 32]))
});

fn memory_transport() -> MemoryTransport {
    MemoryTransport::new(|request| Ok(kit_answer(request)))
}

conformance!(
    memory_transport_itself: transport,
    TransportFixture::new(memory_transport(), "http://127.0.0.1:1/".parse().unwrap(), AddressPolicy::Loopback),
    skip: [("TR-06", "it has no addresses")]
);
conformance!(
    recorded_transport: transport,
    TransportFixture::new(
        RecordedTransport::record(memory_transport()),
        "http://127.0.0.1:1/".parse().unwrap(),
        AddressPolicy::Loopback,
    ),
    skip: [("TR-06", "it has no addresses")]
);

fn hosts() -> Result<AllowedHosts> {
    OrgHosts::new(Domain::parse("login.example.com")?).allow(&Org::Production)
}

conformance!(
    memory_authorization: authorization,
    AuthorizationFixture::new(MemoryAuthorization::new(hosts()?)).with_secrets([Secret::new("token-1")]).with_calls(|| 0)
);
conformance!(
    key_authorization: authorization,
    AuthorizationFixture::new(KeyAuthorization::new(KeyMethod::Bearer(Secret::new("hunter2")), hosts()?)?)
        .with_secrets([Secret::new("hunter2")])
        .with_calls(|| 0)
);

/// A client that is let in by itself; its tokens are numbered.
fn oauth() -> Result<AuthorizationFixture> {
    let calls = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&calls);
    let server = MemoryTransport::new(move |request| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        let body = serde_json::json!({"access_token": format!("hunter2-{number}"), "token_type": "bearer", "expires_in": 3600});
        Ok(HttpResponse::of(request, 200, body.to_string()))
    });
    let hosts = OrgHosts::new(Domain::parse("login.example.com")?);
    let spec = OAuthSpec::new(hosts, EndpointsSpec::Paths(EndpointPaths::new("/token")));
    let (state, cipher) = (Arc::new(MemoryState::new()), Arc::new(MemoryCipher::new()));
    let store = CredentialStore::new(Tenant::new("acme")?, state, cipher);
    let grant = Grant::ClientCredentials;
    let config = OAuthConfig::new(
        "crm",
        spec,
        Org::Production,
        grant,
        "client",
        Arc::new(server),
        store,
    )
    .with_client_secret(Secret::new("hunter2"));
    Ok(AuthorizationFixture::new(OAuth::new(config)?)
        .with_secrets([Secret::new("hunter2")])
        .with_calls(move || calls.load(Ordering::Relaxed)))
}

conformance!(oauth_authorization: authorization, oauth()?);
