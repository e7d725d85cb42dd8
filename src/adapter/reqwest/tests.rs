//! Against a server of this process, on a socket.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::*;
use crate::Secret;

/// Answers each connection by its path; counts connections, and keeps what it was sent.
struct Server {
    port: u16,
    connections: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
}

fn answer(stream: TcpStream, heads: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && lines.read_line(&mut head).unwrap() > 0 {}
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    heads.lock().unwrap().push(head);
    let mut stream = stream;
    let found = |body: &str| {
        format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    let leads = |place: &str| {
        format!(
            "HTTP/1.1 302 Found\r\nlocation: {place}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        )
    };
    let text = match path.split('?').next().unwrap_or_default() {
        "/silent" => {
            std::thread::sleep(Duration::from_millis(600));
            return;
        }
        "/cut" => "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort".to_owned(),
        "/none" => "nonsense\r\n\r\n".to_owned(),
        "/there" => leads("/here"),
        "/round" => leads("/round"),
        "/inside" => leads("http://169.254.169.254/latest"),
        "/long" => found(&"a".repeat(1_000)),
        _ => found("here"),
    };
    let _ = stream.write_all(text.as_bytes());
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (connections, heads) = (Arc::new(AtomicUsize::new(0)), Arc::default());
        let (count, kept) = (Arc::clone(&connections), Arc::clone(&heads));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::Relaxed);
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || answer(stream, &kept));
            }
        });
        Server {
            port,
            connections,
            heads,
        }
    }

    fn get(&self, host: &str, path: &str) -> HttpRequest {
        let url = format!("http://{host}:{}{path}", self.port);
        HttpRequest::get(url.parse().unwrap()).with_addresses(AddressPolicy::Loopback)
    }
}

fn send(request: HttpRequest) -> Result<(u16, Result<bytes::Bytes>)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let answer = ReqwestTransport::new()?.send(request).await?;
        Ok((answer.status.as_u16(), answer.bytes().await))
    })
}

fn kind(request: HttpRequest) -> ErrorKind {
    let error = match send(request) {
        Err(error) | Ok((_, Err(error))) => error,
        Ok(fine) => panic!("{fine:?}"),
    };
    let text = format!("{error} {error:?}");
    assert!(!text.contains("hunter2"), "{text}");
    error.kind()
}

#[test]
fn a_request_goes_where_its_policy_allows() {
    let server = Server::start();
    for host in ["127.0.0.1", "localhost", "2130706433", "[::ffff:7f00:1]"] {
        let request = server.get(host, "/here?key=hunter2");
        for policy in [AddressPolicy::Public, AddressPolicy::default()] {
            let refused = kind(request.clone().with_addresses(policy));
            assert_eq!(refused, ErrorKind::HostNotAllowed, "{host}");
        }
    }
    assert_eq!(server.connections.load(Ordering::Relaxed), 0);
    for host in ["127.0.0.1", "localhost"] {
        for policy in [AddressPolicy::Loopback, AddressPolicy::Any] {
            let (status, body) = send(server.get(host, "/here").with_addresses(policy)).unwrap();
            assert_eq!((status, body.unwrap().as_ref()), (200, &b"here"[..]));
        }
    }
}

#[test]
fn a_name_that_leads_elsewhere_a_moment_later_leads_nowhere() {
    let at = |text: &str| -> SocketAddr { format!("{text}:443").parse().unwrap() };
    let public = AddressPolicy::Public;
    let found = filtered(public, [at("10.0.0.1"), at("1.1.1.1")].into_iter());
    assert_eq!(found.unwrap(), [at("1.1.1.1")]);
    // The same name again: each resolving is filtered, and what is connected to is what was filtered.
    assert!(filtered(public, [at("10.0.0.1"), at("[::1]")].into_iter()).is_err());
    assert!(filtered(public, std::iter::empty()).unwrap().is_empty());
}

#[test]
fn redirects_are_followed_without_a_secret_only() {
    let server = Server::start();
    let there = || server.get("127.0.0.1", "/there");
    let status = |request| send(request).unwrap().0;
    assert_eq!(status(there()), 302);
    assert_eq!(status(there().with_redirects(Redirects::Follow(1))), 200);
    let round = server
        .get("127.0.0.1", "/round")
        .with_redirects(Redirects::Follow(3));
    assert_eq!(status(round), 302);
    let inside = server
        .get("127.0.0.1", "/inside")
        .with_redirects(Redirects::Follow(3));
    assert_eq!(kind(inside), ErrorKind::HostNotAllowed);
    let secret = there()
        .with_redirects(Redirects::Follow(3))
        .with_secret_header("accesskey", &Secret::new("hunter2"))
        .unwrap();
    assert_eq!(status(secret), 302);
    let heads = server.heads.lock().unwrap();
    let shown: Vec<_> = heads
        .iter()
        .filter(|head| head.contains("hunter2"))
        .collect();
    assert!(shown.len() == 1 && shown[0].starts_with("GET /there "));
}

#[test]
fn what_goes_wrong_is_said_without_the_url() {
    let server = Server::start();
    let get = |path: &str| server.get("127.0.0.1", &format!("{path}?key=hunter2"));
    let soon = Duration::from_millis(150);
    assert_eq!(kind(get("/silent").with_timeout(soon)), ErrorKind::Timeout);
    assert_eq!(kind(get("/cut")), ErrorKind::Io);
    assert_eq!(kind(get("/none")), ErrorKind::Io);
    assert_eq!(
        kind(get("/long").with_max_body(999)),
        ErrorKind::LimitExceeded
    );
    assert_eq!(
        send(get("/long").with_max_body(1_000))
            .unwrap()
            .1
            .unwrap()
            .len(),
        1_000
    );
    let nowhere = "http://127.0.0.1:1/?key=hunter2".parse().unwrap();
    let nowhere = HttpRequest::get(nowhere).with_addresses(AddressPolicy::Loopback);
    assert_eq!(kind(nowhere), ErrorKind::Io);
    let unknown = "https://no-such-host.invalid/?key=hunter2".parse().unwrap();
    assert_eq!(kind(HttpRequest::get(unknown)), ErrorKind::Io);
}
