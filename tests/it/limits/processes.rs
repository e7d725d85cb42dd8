//! One account, shared by processes over one directory.

use std::collections::BTreeMap;
use std::env;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::executor::block_on;
use syncline::file::LocalState;
use syncline::host::Context;
use syncline::policy::{Account, CallLimits};
use syncline::{Error, ErrorKind, Tenant};

const FOLDER: &str = "SYNCLINE_TEST_ACCOUNT";
const SERVER: &str = "SYNCLINE_TEST_SERVER";
const LIMITS: &str = "SYNCLINE_TEST_LIMITS";

/// Calls in each window of so many milliseconds.
const WINDOWS: [(u32, u64); 2] = [(8, 500), (25, 2_000)];
const CALLS: usize = 30;

const RATE: u32 = 50;
const AT_ONCE: u32 = 3;

/// By the name of the test that has them.
fn limits(name: &str) -> CallLimits {
    let limits = CallLimits::default().with_longest_wait(Duration::from_secs(60));
    match name {
        "rate" => limits.with_rate(RATE),
        "concurrency" => limits.with_concurrency(AT_ONCE),
        _ => {
            let limits = limits.with_margin(Duration::from_millis(50));
            WINDOWS.iter().fold(limits, |limits, (calls, length)| {
                limits.with_window(*calls, Duration::from_millis(*length))
            })
        }
    }
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
    let folder = env::var_os(FOLDER).expect("run by the other test");
    let store = Arc::new(LocalState::new(folder));
    let limits = limits(&env::var(LIMITS).unwrap());
    let account = Account::new(&Tenant::new("acme").unwrap(), "crm", store, limits).unwrap();
    let server = env::var(SERVER).unwrap();
    for _ in 0..CALLS {
        block_on(account.call(&Context::new(), async { ask(&server) })).unwrap();
    }
}

#[derive(Default)]
struct Counted {
    times: Vec<Duration>,
    under_way: u32,
    most: u32,
}

/// Lets as many processes ask as many times as they may, and answers what a server counted. It lets nobody go before so many
/// were there at the same time.
fn count(name: &str, processes: u32, at_once: u32) -> Counted {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let counted: Arc<(Mutex<Counted>, Condvar)> = Arc::default();
    let counting = Arc::clone(&counted);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, counting) = (stream.unwrap(), Arc::clone(&counting));
            thread::spawn(move || {
                let mut byte = [0];
                if stream.read_exact(&mut byte).is_err() {
                    return;
                }
                let (counted, came) = &*counting;
                let mut now = counted.lock().unwrap();
                now.times.push(passed());
                now.under_way += 1;
                now.most = now.most.max(now.under_way);
                came.notify_all();
                now = came.wait_while(now, |now| now.most < at_once).unwrap();
                now.under_way -= 1;
                drop(now);
                let _ = stream.write_all(&byte);
            });
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let asking = |_| {
        Command::new(env::current_exe().unwrap())
            .args(["--exact", "limits::processes::asks", "--ignored"])
            .env(FOLDER, folder.path())
            .env(SERVER, &address)
            .env(LIMITS, name)
            .spawn()
            .unwrap()
    };
    let mut asking: Vec<Child> = (0..processes).map(asking).collect();
    for process in &mut asking {
        assert!(process.wait().unwrap().success());
    }
    let counted = std::mem::take(&mut *counted.0.lock().unwrap());
    assert_eq!(counted.times.len(), processes as usize * CALLS);
    counted
}

/// Since 1970.
fn passed() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

#[test]
fn a_server_counts_no_more_requests_in_any_window_than_it_allows() {
    let times = count("windows", 2, 0).times;
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

/// How far the way spreads two calls nobody knows; but the last one begins no earlier than all before it allow.
#[test]
fn processes_share_a_rate() {
    let began = passed();
    let times = count("rate", 2, 0).times;
    let least = Duration::from_secs(1) / RATE * (times.len() as u32 - 1);
    assert!(times[times.len() - 1] - began >= least);
}

#[test]
fn a_server_never_has_more_requests_at_the_same_time_than_it_allows() {
    // One process has one call under way, so a fourth one would be one too many.
    let counted = count("concurrency", AT_ONCE + 1, AT_ONCE);
    assert_eq!(counted.most, AT_ONCE);
}
