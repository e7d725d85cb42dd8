//! A server on a socket of this process, for the tests of several binaries.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::executor::block_on;
use http::header::{CONTENT_LENGTH, HeaderName};
use syncline::host::{HttpRequest, HttpResponse};

/// Answers on a port of this machine as long as the process lives: one request for each connection.
pub(crate) struct Socket {
    pub(crate) port: u16,
    connections: Arc<AtomicUsize>,
}

impl Socket {
    pub(crate) fn new(
        answer: impl Fn(&HttpRequest) -> HttpResponse + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::SeqCst);
                let answer = Arc::clone(&answer);
                std::thread::spawn(move || serve(stream, port, &*answer));
            }
        });
        Socket { port, connections }
    }

    /// How many connections were made.
    #[allow(dead_code, reason = "not every binary counts")]
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Reads one request; `None` if the connection was made and not used.
fn read(stream: &TcpStream, port: u16) -> Option<HttpRequest> {
    let mut lines = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        match lines.read_line(&mut line).unwrap() {
            0 => return None,
            _ if line == "\r\n" => break,
            _ => head.push(line.trim_end().to_owned()),
        }
    }
    let mut first = head[0].split(' ');
    let (method, path) = (first.next().unwrap(), first.next().unwrap());
    let url = format!("http://127.0.0.1:{port}{path}");
    let mut request = HttpRequest::new(method.parse().unwrap(), url.parse().unwrap());
    for line in &head[1..] {
        let (name, value) = line.split_once(": ").unwrap();
        let name: HeaderName = name.parse().unwrap();
        request.headers.insert(name, value.parse().unwrap());
    }
    if let Some(length) = request.headers.get(CONTENT_LENGTH) {
        let mut body = vec![0; length.to_str().unwrap().parse().unwrap()];
        lines.read_exact(&mut body).unwrap();
        request.body = body.into();
    }
    Some(request)
}

fn serve(mut stream: TcpStream, port: u16, answer: &dyn Fn(&HttpRequest) -> HttpResponse) {
    let Some(request) = read(&stream, port) else {
        return;
    };
    let answer = answer(&request);
    let mut text = format!("HTTP/1.1 {}\r\nconnection: close\r\n", answer.status);
    for (name, value) in &answer.headers {
        text.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
    }
    let empty = answer.status.as_u16() == 204;
    let body = block_on(answer.bytes()).unwrap();
    if !empty {
        text.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    // Who takes no more of a body hangs up.
    let _ = stream.write_all(&[text.as_bytes(), b"\r\n", &body].concat());
}
