//! Two processes that share a connection: any refresh token that is shown twice ends it.

use std::env;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use syncline::authorization::{Authorization as _, CredentialRequest, Grant, OAuth, RefreshTerms};
use syncline::file::LocalState;
use syncline::host::HttpRequest;
use syncline::spec::Org;

use super::clock::{FastClock, milliseconds};
use super::person::authorizes;
use super::server::{Server, origin};
use super::world::World;

const ADDRESS: &str = "SYNCLINE_LIVE_ADDRESS";
const FOLDER: &str = "SYNCLINE_LIVE_FOLDER";
const BEGAN: &str = "SYNCLINE_LIVE_BEGAN";

const GENERATIONS: u64 = 31;
/// Of a token, by the server. On our clock that is 150 milliseconds.
const LIFE: u64 = 60;
const TIMES: u32 = 400;

/// A process of the connection: its state is in the folder, and its clock is that of all.
fn world(address: &str, folder: &str, began: i64) -> World {
    let mut world = World::new(origin(address), None);
    world.clock = Arc::new(FastClock::new(began, TIMES));
    world.context = world.context.clone().with_clock(world.clock.clone());
    world.state = Arc::new(LocalState::new(folder));
    world
}

fn oauth(world: &World) -> OAuth {
    let config = world.config(Org::Production, Grant::AuthorizationCode);
    // Three real seconds for a call.
    let timeout = Duration::from_secs(3) * TIMES;
    let terms = RefreshTerms::default()
        .with_timeout(timeout)
        .with_margin(timeout);
    OAuth::new(config.with_terms(terms)).unwrap()
}

/// What the next test runs in processes of their own: eight tasks that always want a token that lasts.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a process of the next test"]
async fn wants_tokens() {
    let variable = |name| env::var(name).expect("run by the next test");
    let began = variable(BEGAN).parse().unwrap();
    let world = world(&variable(ADDRESS), &variable(FOLDER), began);
    let oauth = oauth(&world);
    let tasks = (0..8).map(|_| async {
        let mut seen = 0;
        while seen < GENERATIONS {
            let request = CredentialRequest::new();
            match oauth.credential(&world.context, request).await {
                Ok(credential) => seen = credential.generation(),
                // The token has ended, and the next one may not be asked for yet.
                Err(error) => assert_ne!(error.retry(), syncline::Retry::Never, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    });
    join_all(tasks).await;
    println!("asked {}", world.transport.to("/token"));
    assert_eq!(world.ask_api(&oauth).await.unwrap().0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_refresh_each_generation_once() {
    let server = Server::provider("production", LIFE);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let began = milliseconds();
    let here = world(&server.address, path, began);
    authorizes(&oauth(&here), &here.context, "acme")
        .await
        .unwrap();
    let start = |_| -> Child {
        Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "processes::wants_tokens",
                "--ignored",
                "--nocapture",
            ])
            .env(ADDRESS, &server.address)
            .env(FOLDER, path)
            .env(BEGAN, began.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let processes: Vec<Child> = (0..2).map(start).collect();
    let mut asked: Vec<u64> = Vec::new();
    for mut process in processes {
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let counts = lines.filter_map(|line| {
            let line = line.unwrap();
            line.split_once("asked ")?.1.parse().ok()
        });
        asked.extend(counts.collect::<Vec<u64>>());
        assert!(process.wait().unwrap().success());
    }
    let record = here.store().load("crm").await.unwrap().unwrap().record;
    let books = HttpRequest::get(format!("{}/api/books", server.address).parse().unwrap());
    let (_, books) = here.send(books).await;
    println!("generation {}, asked {asked:?}, {books}", record.generation);
    assert!(record.generation >= GENERATIONS);
    // The first one came by the code.
    assert_eq!(books["refreshed"], record.generation - 1);
    assert_eq!(books["refused"], 0);
    assert_eq!(asked.iter().sum::<u64>(), record.generation - 1);
    assert!(
        asked.len() == 2 && asked.iter().all(|asked| *asked > 0),
        "one did all: {asked:?}"
    );
}
