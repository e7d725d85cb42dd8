//! The servers: each a process that ends with the test that started it.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use syncline::spec::Origin;

const NODE: &str = "SYNCLINE_LIVE_NODE";
const SERVERS: &str = "SYNCLINE_LIVE_OAUTH";

/// A server on a port of this machine.
pub(crate) struct Server {
    pub(crate) address: String,
    talk: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    process: Child,
}

impl Server {
    fn start(program: &str, arguments: &[&str]) -> Self {
        static NEEDED: &str =
            "these tests need servers: run `.ci/live`, which installs them and runs the tests";
        let folder = env::var_os(SERVERS).expect(NEEDED);
        let mut process = Command::new(env::var_os(NODE).expect(NEEDED))
            .current_dir(folder)
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = process.stdin.take().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap());
        let mut address = String::new();
        lines.read_line(&mut address).unwrap();
        let address = address.trim().to_owned();
        assert!(
            address.starts_with("http://127.0.0.1:"),
            "no server: {address:?}"
        );
        Server {
            address,
            talk: Mutex::new((input, lines)),
            process,
        }
    }

    /// An authorization server whose access tokens last for so many seconds, by its own clock.
    pub(crate) fn provider(kind: &str, seconds: u64) -> Self {
        Self::start("provider.mjs", &[kind, &seconds.to_string()])
    }

    /// One that does as it is told.
    pub(crate) fn mock() -> Self {
        Self::start("mock.mjs", &[])
    }

    /// Tells it what to do from now on.
    pub(crate) fn tell(&self, order: &serde_json::Value) {
        let (input, lines) = &mut *self.talk.lock().unwrap();
        writeln!(input, "{order}").unwrap();
        let mut answer = String::new();
        lines.read_line(&mut answer).unwrap();
        assert_eq!(answer.trim(), "so be it");
    }

    pub(crate) fn origin(&self) -> Origin {
        origin(&self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The origin of an address on this machine.
pub(crate) fn origin(address: &str) -> Origin {
    let (_, port) = address.rsplit_once(':').unwrap();
    Origin::loopback(port.parse().unwrap())
}

/// The server of tests that change nothing of it.
pub(crate) fn production() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::provider("production", 600))
}

pub(crate) fn sandbox() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::provider("sandbox", 600))
}
