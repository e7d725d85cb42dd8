//! The server, and stores on it.

use std::env;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use object_store::aws::AmazonS3Builder;
use object_store::client::{ClientOptions, HttpConnector as _, ReqwestConnector};
use object_store::{BackoffConfig, RetryConfig};
use syncline::adapter::ObjectStoreState;
use syncline::host::{Expected, StateKey, StateKind, StateStore, StateVersion, Stored, Swap};
use syncline::{Result, Tenant};
use tokio::runtime::Handle;

const PYTHON: &str = "SYNCLINE_LIVE_PYTHON";
const BUCKET: &str = "state";
/// Any will do.
pub(crate) const SECRET: &str = "not-a-secret";

/// A server that runs as long as this process.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: String,
    /// It ends when its input does, and that is ours.
    _process: Child,
}

/// The one server of this process, which all tests share: each has a tenant of its own.
pub(crate) fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let python = env::var_os(PYTHON)
            .expect("these tests need a server: run `.ci/live`, which installs it and runs them");
        let mut process = Command::new(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/s3.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        let mut lines = BufReader::new(process.stdout.take().unwrap());
        lines.read_line(&mut address).unwrap();
        let address = address.trim().to_owned();
        assert!(address.starts_with("http://"), "no server: {address:?}");
        make_bucket(&address);
        Server {
            address,
            _process: process,
        }
    })
}

/// Buckets are made by a client of another kind than that of objects; the server wants no signature for it.
fn make_bucket(address: &str) {
    let url = format!("{address}/{BUCKET}");
    let made = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let options = ClientOptions::new().with_allow_http(true);
            let client = ReqwestConnector::default().connect(&options).unwrap();
            let request = object_store::client::HttpRequest::new(Bytes::new().into());
            let (mut parts, body) = request.into_parts();
            parts.method = "PUT".parse().unwrap();
            parts.uri = url.parse().unwrap();
            let request = object_store::client::HttpRequest::from_parts(parts, body);
            client.execute(request).await.unwrap().status()
        })
    });
    let status = made.join().unwrap();
    assert!(status.is_success(), "no bucket: {status}");
}

/// State on the server at this address.
pub(crate) fn state(address: &str) -> ObjectStoreState {
    let retry = RetryConfig {
        backoff: BackoffConfig::default(),
        max_retries: 2,
        retry_timeout: Duration::from_secs(10),
    };
    let store = AmazonS3Builder::new()
        .with_endpoint(address)
        .with_allow_http(true)
        .with_bucket_name(BUCKET)
        .with_region("us-east-1")
        .with_access_key_id("anybody")
        .with_secret_access_key(SECRET)
        .with_retry(retry)
        .build()
        .unwrap();
    ObjectStoreState::new(Arc::new(store))
}

/// The store for threads that belong to no runtime: its calls are made on one.
#[derive(Debug)]
pub(crate) struct OnTokio {
    handle: Handle,
    store: ObjectStoreState,
}

impl OnTokio {
    pub(crate) fn new(handle: &Handle, store: ObjectStoreState) -> Self {
        OnTokio {
            handle: handle.clone(),
            store,
        }
    }
}

#[async_trait]
impl StateStore for OnTokio {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>> {
        let (store, key) = (self.store.clone(), key.clone());
        self.handle
            .spawn(async move { store.get(&key).await })
            .await
            .unwrap()
    }

    async fn put(&self, key: &StateKey, bytes: Bytes, expected: Expected) -> Result<Swap> {
        let (store, key) = (self.store.clone(), key.clone());
        self.handle
            .spawn(async move { store.put(&key, bytes, expected).await })
            .await
            .unwrap()
    }

    async fn delete(&self, key: &StateKey, expected: StateVersion) -> Result<bool> {
        let (store, key) = (self.store.clone(), key.clone());
        self.handle
            .spawn(async move { store.delete(&key, expected).await })
            .await
            .unwrap()
    }

    async fn list(
        &self,
        tenant: &Tenant,
        kind: StateKind,
        start_after: Option<&StateKey>,
        limit: usize,
    ) -> Result<Vec<StateKey>> {
        let (store, tenant, after) = (self.store.clone(), tenant.clone(), start_after.cloned());
        self.handle
            .spawn(async move { store.list(&tenant, kind, after.as_ref(), limit).await })
            .await
            .unwrap()
    }
}
