//! A headless Chromium, by the WebDriver protocol: as much of it as a person's hands and eyes need.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Client, Method, Url};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The names of the keys that are pressed.
pub(crate) const TAB: char = '\u{E004}';
pub(crate) const ENTER: char = '\u{E007}';
pub(crate) const SPACE: char = ' ';
pub(crate) const DOWN: char = '\u{E015}';

/// A browser with one window; both end with it.
pub(crate) struct Browser {
    driver: Child,
    client: Client,
    session: Url,
    width: u32,
    downloads: TempDir,
}

impl Browser {
    /// A window so many pixels wide; up to 480 it is a phone's.
    pub(crate) async fn open(width: u32) -> Self {
        let (driver, port) = driver();
        let downloads = tempfile::tempdir().unwrap();
        let mut browser = Browser {
            driver,
            client: Client::builder().no_proxy().build().unwrap(),
            session: format!("http://127.0.0.1:{port}/session").parse().unwrap(),
            width,
            downloads,
        };
        let options = json!({
            "args": ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--window-size=1280,900"],
            "prefs": {"download.default_directory": browser.downloads.path()},
        });
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let made = browser.call(Method::POST, "", &wanted).await;
        let id = made["sessionId"].as_str().unwrap();
        browser.session = format!("{}/{id}", browser.session).parse().unwrap();
        let mobile = width <= 480;
        let height = if mobile { 740 } else { 900 };
        let screen =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile});
        browser
            .command("Emulation.setDeviceMetricsOverride", screen)
            .await;
        browser
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Value {
        let request = self
            .client
            .request(method.clone(), format!("{}{path}", self.session));
        let request = match method {
            Method::POST => request.body(body.to_string()),
            _ => request,
        };
        let answer = request.timeout(PATIENCE).send().await.unwrap();
        let text = answer.text().await.unwrap();
        let answer: Value = serde_json::from_str(&text).unwrap();
        let error = &answer["value"]["error"];
        assert!(error.is_null(), "{path}: {text}");
        answer["value"].clone()
    }

    /// A command of Chromium's own protocol.
    pub(crate) async fn command(&self, name: &str, parameters: Value) -> Value {
        let body = json!({"cmd": name, "params": parameters});
        self.call(Method::POST, "/goog/cdp/execute", &body).await
    }

    pub(crate) async fn go(&self, url: &Url) {
        self.call(Method::POST, "/url", &json!({"url": url})).await;
    }

    /// What a piece of script answers.
    pub(crate) async fn script(&self, script: &str, argument: impl Into<Value>) -> Value {
        let body = json!({"script": script, "args": [argument.into()]});
        self.call(Method::POST, "/execute/sync", &body).await
    }

    pub(crate) async fn title(&self) -> String {
        let title = self.script("return document.title", Value::Null).await;
        title.as_str().unwrap().to_owned()
    }

    /// Waits until the page has this heading.
    pub(crate) async fn arrives(&self, heading: &str) {
        let script = "return document.readyState == 'complete' && [...document.querySelectorAll('h1, h2')].some(h => h.textContent == arguments[0])";
        self.until(script, heading).await;
    }

    /// Waits until the script answers with true.
    pub(crate) async fn until(&self, script: &str, argument: &str) {
        let began = Instant::now();
        while self.script(script, argument).await != true {
            if began.elapsed() > PATIENCE {
                let text = self
                    .script("return document.body.innerText", Value::Null)
                    .await;
                panic!("`{argument}` has not come; there is: {text}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Clicks, as a person does, the one link, button, label or summary with this text.
    pub(crate) async fn click(&self, text: &str) {
        let script = "return [...document.querySelectorAll('a, button, label, summary')].filter(e => e.textContent.trim() == arguments[0])[0]";
        let found = self.script(script, text).await;
        let (_, id) = found.as_object().and_then(|o| o.iter().next()).expect(text);
        let place = format!("/element/{}/click", id.as_str().unwrap());
        self.call(Method::POST, &place, &json!({})).await;
    }

    /// Presses keys, one behind the other, wherever the focus is.
    pub(crate) async fn press(&self, keys: &[char]) {
        let stroke = |key: &char| {
            let key = key.to_string();
            [
                json!({"type": "keyDown", "value": key}),
                json!({"type": "keyUp", "value": key}),
            ]
        };
        let actions: Vec<Value> = keys.iter().flat_map(stroke).collect();
        let body = json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]});
        self.call(Method::POST, "/actions", &body).await;
    }

    /// Goes with the tab key to what has this text, and looks that the focus is seen at each stop.
    pub(crate) async fn tab_to(&self, text: &str) {
        let script = "const e = document.activeElement, s = getComputedStyle(e);
            return {left: e == document.body, text: (e.labels?.[0] ?? e).textContent.trim(), seen: s.outlineStyle != 'none' && parseFloat(s.outlineWidth) >= 2}";
        let mut stops = Vec::new();
        for _ in 0..40 {
            self.press(&[TAB]).await;
            let at = self.script(script, Value::Null).await;
            // Behind the last stop the focus leaves the page for a moment.
            if at["left"] == true {
                continue;
            }
            assert_eq!(at["seen"], true, "the focus is not seen at {at}");
            if at["text"] == text {
                return;
            }
            stops.push(at["text"].clone());
        }
        panic!("the tab key does not lead to `{text}`, but to: {stops:?}");
    }

    /// What is wrong with the page for people with a small screen, a keyboard, a screen reader or weak eyes.
    pub(crate) async fn looks_right(&self, picture: &str) {
        let shot = self.call(Method::GET, "/screenshot", &Value::Null).await;
        keep(
            &format!("{picture}-{}.png", self.width),
            shot.as_str().unwrap(),
        );
        assert_eq!(self.looks().await, json!([]), "{picture} at {}", self.width);
        // A policy that forbids what a page does shows here. That a page has the status of an error is no mistake.
        let log = self
            .call(Method::POST, "/se/log", &json!({"type": "browser"}))
            .await;
        let is_mistake = |entry: &&Value| {
            let message = entry["message"].as_str().unwrap();
            entry["level"] == "SEVERE" && !message.contains("responded with a status of 4")
        };
        let mistakes: Vec<&Value> = log.as_array().unwrap().iter().filter(is_mistake).collect();
        assert!(mistakes.is_empty(), "{mistakes:?}");
    }

    /// What is wrong with the page, as a list of texts.
    pub(crate) async fn looks(&self) -> Value {
        self.script(include_str!("looks.js"), self.width).await
    }

    /// The file that is downloaded, as soon as it is there as a whole.
    pub(crate) async fn downloaded(&self, name: &str) -> String {
        let path = self.downloads.path().join(name);
        let began = Instant::now();
        while !path.is_file() {
            assert!(began.elapsed() < PATIENCE, "{name} has not come");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        std::fs::read_to_string(path).unwrap()
    }
}

/// The window is closed first, also when a test fails: a browser outlives its driver.
impl Drop for Browser {
    fn drop(&mut self) {
        // What has ended already cannot be ended, which is as well.
        let _ = self.close();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

impl Browser {
    /// Ends the session, without the client, which needs somebody who waits.
    fn close(&self) -> std::io::Result<()> {
        let (host, path) = (Ipv4Addr::LOCALHOST, self.session.path());
        let port = self.session.port().unwrap_or_default();
        let mut driver = TcpStream::connect((host, port))?;
        driver.set_read_timeout(Some(PATIENCE))?;
        let request = format!("DELETE {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n");
        driver.write_all(request.as_bytes())?;
        // The answer comes when the browser has ended; what it says is not needed.
        driver.read(&mut [0; 64]).map(drop)
    }
}

/// Starts the driver on a free port, which it tells.
fn driver() -> (Child, u16) {
    let started = Command::new("chromedriver")
        .arg("--port=0")
        .stdout(Stdio::piped())
        .spawn();
    let mut driver =
        started.expect("chromedriver is not there; run .ci/connect, which installs it");
    let lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let port = lines.map(Result::unwrap).find_map(|line| {
        let (_, port) = line.split_once("started successfully on port ")?;
        port.trim_end_matches('.').parse().ok()
    });
    let port = port.expect("chromedriver tells its port");
    (driver, port)
}

/// Keeps a picture, if somebody wants to look at it.
fn keep(name: &str, base64: &str) {
    use base64::Engine as _;
    let Some(folder) = std::env::var_os("SYNCLINE_CONNECT_PICTURES") else {
        return;
    };
    let folder = PathBuf::from(folder);
    std::fs::create_dir_all(&folder).unwrap();
    let picture = base64::engine::general_purpose::STANDARD
        .decode(base64)
        .unwrap();
    std::fs::write(folder.join(name), picture).unwrap();
}
