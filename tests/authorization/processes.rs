//! Two processes that share a connection, over a directory and a socket: a refresh token that is shown twice would end it.

use std::env;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use syncline::adapter::ReqwestTransport;
use syncline::authorization::{
    Authorization as _, CredentialRequest, CredentialStore, Grant, OAuth, OAuthConfig, RefreshTerms,
};
use syncline::file::LocalState;
use syncline::host::Context;
use syncline::spec::{ClientProof, EndpointPaths, EndpointsSpec, OAuthSpec, Org, OrgHosts, Origin};
use syncline::{Retry, Secret, Tenant};

use super::server::World;

#[path = "../live/oauth/clock.rs"]
#[allow(dead_code, reason = "nobody sets it here")]
mod clock;
#[path = "../../examples/own_cipher.rs"]
#[allow(dead_code, unreachable_pub, reason = "it is a whole program")]
mod own_cipher;
#[path = "../socket/mod.rs"]
mod socket;

const PORT: &str = "SYNCLINE_TEST_PORT";
const FOLDER: &str = "SYNCLINE_TEST_STATE";
const BEGAN: &str = "SYNCLINE_TEST_BEGAN";

const GENERATIONS: u64 = 31;
/// How many times as fast as the machine's our clock goes: a token of a minute lasts for 150 milliseconds.
const TIMES: u32 = 400;

/// The connection, as a process has it.
fn connection(port: u16, folder: &Path) -> OAuth {
    let paths = EndpointPaths::new("/token").with_authorize("/authorize");
    let hosts = OrgHosts::new(Origin::loopback(port));
    let spec = OAuthSpec::new(hosts, EndpointsSpec::Paths(paths)).with_client(ClientProof::Form);
    let cipher = Arc::new(own_cipher::XChaCha::new(&[7; 32]));
    let state = Arc::new(LocalState::new(folder));
    let store = CredentialStore::new(Tenant::new("acme").unwrap(), state, cipher);
    let transport = Arc::new(ReqwestTransport::new().unwrap());
    let (org, grant) = (Org::Production, Grant::AuthorizationCode);
    // Three real seconds for a call.
    let time = Duration::from_secs(3) * TIMES;
    let terms = RefreshTerms::default().with_timeout(time).with_margin(time);
    let config = OAuthConfig::new("crm", spec, org, grant, "client", transport, store)
        .with_client_secret(Secret::new("hunter2"))
        .with_terms(terms);
    OAuth::new(config).unwrap()
}

fn context(began: i64) -> Context {
    Context::new().with_clock(Arc::new(clock::FastClock::new(began, TIMES)))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// What the next test runs in processes of their own: eight tasks that always want a token that lasts.
#[test]
#[ignore = "a process of the next test"]
fn wants_tokens() {
    let variable = |name| env::var(name).expect("run by the next test");
    let port = variable(PORT).parse().unwrap();
    let oauth = connection(port, Path::new(&variable(FOLDER)));
    let context = context(variable(BEGAN).parse().unwrap());
    runtime().block_on(async {
        let tasks = (0..8).map(|_| async {
            let mut seen = 0;
            while seen < GENERATIONS {
                match oauth.credential(&context, CredentialRequest::new()).await {
                    Ok(credential) => {
                        assert!(credential.generation() >= seen);
                        seen = credential.generation();
                    }
                    // The token has ended, and the next one may not be asked for yet.
                    Err(error) => assert_ne!(error.retry(), Retry::Never, "{error}"),
                }
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        });
        join_all(tasks).await;
    });
}

#[test]
fn two_processes_refresh_each_generation_once() {
    let world = World::new();
    world.server.books().lifetime = 60;
    let server = world.server.clone();
    let socket = socket::Socket::new(move |request| server.answer(request).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let began = clock::milliseconds();
    let oauth = connection(socket.port, folder.path());
    let here = context(began);
    runtime().block_on(async {
        let redirect = "https://host.example.com/callback".parse().unwrap();
        let request = syncline::authorization::BeginRequest::new("session", redirect);
        let callback = world.callback(&oauth.begin(&here, request).await.unwrap().url);
        oauth.complete(&here, callback).await.unwrap();
    });
    let start = |_| -> Child {
        Command::new(env::current_exe().unwrap())
            .args(["--exact", "processes::wants_tokens", "--ignored"])
            .env(PORT, socket.port.to_string())
            .env(FOLDER, folder.path())
            .env(BEGAN, began.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let processes: Vec<Child> = (0..2).map(start).collect();
    for mut process in processes {
        let said: Vec<_> = BufReader::new(process.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok)
            .collect();
        assert!(process.wait().unwrap().success(), "{said:#?}");
    }
    let books = world.server.books();
    // The code, and one refresh for each generation behind the first; no token was shown twice.
    assert!(books.issued >= GENERATIONS, "{}", books.issued);
    assert_eq!(books.token_requests, books.issued);
    assert!(books.shown.values().all(|times| *times == 1));
    assert_eq!(books.shown.len() as u64, books.issued - 1);
}
