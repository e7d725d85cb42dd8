//! One account, shared by processes over one directory.

use std::collections::BTreeMap;
use std::env;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::executor::block_on;
use syncline::file::LocalState;
use syncline::host::Context;
use syncline::policy::{Account, CallLimits};
use syncline::{Error, ErrorKind, Tenant};

const FOLDER: &str = "SYNCLINE_TEST_ACCOUNT";
const SERVER: &str = "SYNCLINE_TEST_SERVER";

/// Calls in each window of so many milliseconds.
const WINDOWS: [(u32, u64); 2] = [(8, 500), (25, 2_000)];
const CALLS: usize = 30;

fn account(folder: impl Into<std::path::PathBuf>) -> Account {
    let mut limits = CallLimits::default()
        .with_margin(Duration::from_millis(50))
        .with_longest_wait(Duration::from_secs(60));
    for (calls, length) in WINDOWS {
        limits = limits.with_window(calls, Duration::from_millis(length));
    }
    let store = Arc::new(LocalState::new(folder));
    Account::new(&Tenant::new("acme").unwrap(), "crm", store, limits).unwrap()
}

/// One request to the server, which answers when it has counted.
fn ask(server: &str) -> syncline::Result<()> {
    let asked = || {
        let mut stream = TcpStream::connect(server)?;
        stream.write_all(b"?")?;
        stream.read_exact(&mut [0])
    };
    asked().map_err(|error| Error::new(ErrorKind::Io, "the server is gone").because(error))
}

/// What the other test runs in processes of their own.
#[test]
#[ignore = "a process of the other test here"]
fn asks() {
    let account = account(env::var_os(FOLDER).expect("run by the other test"));
    let server = env::var(SERVER).unwrap();
    for _ in 0..CALLS {
        block_on(account.call(&Context::new(), async { ask(&server) })).unwrap();
    }
}

fn asking(folder: &Path, server: &str) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "limits::processes::asks", "--ignored"])
        .env(FOLDER, folder)
        .env(SERVER, server)
        .spawn()
        .unwrap()
}

#[test]
fn a_server_counts_no_more_requests_in_any_window_than_it_allows() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let counted: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let counting = Arc::clone(&counted);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut byte = [0];
            if stream.read_exact(&mut byte).is_ok() {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
                counting.lock().unwrap().push(now);
                let _ = stream.write_all(&byte);
            }
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let mut processes: Vec<Child> = (0..2).map(|_| asking(folder.path(), &address)).collect();
    for process in &mut processes {
        assert!(process.wait().unwrap().success());
    }
    let times = counted.lock().unwrap().clone();
    assert_eq!(times.len(), 2 * CALLS);
    for (calls, length) in WINDOWS {
        let mut windows: BTreeMap<u128, u32> = BTreeMap::new();
        for time in &times {
            *windows
                .entry(time.as_millis() / u128::from(length))
                .or_default() += 1;
        }
        assert!(windows.values().all(|count| *count <= calls), "{windows:?}");
        // And what is allowed is used.
        assert!(windows.values().any(|count| *count == calls), "{windows:?}");
    }
}
