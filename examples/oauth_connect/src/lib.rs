//! A small host with a connections page: pick a connector, consent, sync, look at what happened. See the README beside it.

mod cipher;
mod crm;
mod host;
mod live;
mod notices;
mod overview;
mod pages;
mod provider;
mod rejects;
mod routes;
mod session;
mod settings;

use std::net::Ipv4Addr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use syncline::host::{Entropy as _, SystemEntropy};
use syncline::{Error, ErrorKind, Result};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use url::Url;

use self::host::Host;
use self::provider::Instance;
pub use self::provider::Provider;
pub use self::settings::{RealSystem, Settings, System};

/// The host, as it runs.
#[derive(Debug)]
pub struct Running {
    /// Where its pages are.
    pub address: Url,
    /// The local systems, production first; none if it connects to a real one.
    pub providers: Vec<Provider>,
    host: Arc<Host>,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
    scheduler: JoinHandle<()>,
    notices: JoinHandle<()>,
    local: Vec<JoinHandle<()>>,
}

/// Starts the host, and what it connects to.
///
/// # Errors
/// [`Io`](ErrorKind::Io) if a port is taken, and what is wrong with the settings.
pub async fn start(settings: Settings) -> Result<Running> {
    let listener = listen(settings.port).await?;
    let address = address_of(&listener)?;
    let redirect = match &settings.redirect {
        Some(redirect) => redirect.clone(),
        None => joined(&address, "callback")?,
    };
    let (mut providers, mut local) = (Vec::new(), Vec::new());
    let (connector, client) = match &settings.system {
        System::Real(real) => real.connector()?,
        System::Local { page_delay } => {
            let secret = drawn();
            for instance in [Instance::Production, Instance::Sandbox] {
                let listener = listen(0).await?;
                let port = listener.local_addr()?.port();
                let provider =
                    Provider::new(instance, port, redirect.as_str(), &secret, *page_delay);
                providers.push(provider.clone());
                local.push(tokio::spawn(async move {
                    if let Err(error) = provider.serve(listener).await {
                        complain(&error);
                    }
                }));
            }
            settings::local_connector(&providers, secret)?
        }
    };
    let host = Arc::new(Host::new(&settings, redirect, connector, client)?);
    host.put_timetables().await?;
    let scheduled = Arc::clone(&host);
    let scheduler = tokio::spawn(async move {
        if let Err(error) = scheduled.run_what_is_due().await {
            complain(&error);
        }
    });
    let told = Arc::clone(&host);
    let notices = tokio::spawn(async move { told.tell_what_waits().await });
    let (stop, stopped) = oneshot::channel();
    let routes = routes::routes(Arc::clone(&host));
    let server = tokio::spawn(async move {
        let served = axum::serve(listener, routes).with_graceful_shutdown(async {
            // Whoever dropped the sender wants the same.
            let _ = stopped.await;
        });
        if let Err(error) = served.await {
            complain(&error);
        }
    });
    Ok(Running {
        address,
        providers,
        host,
        stop: Some(stop),
        server,
        scheduler,
        notices,
        local,
    })
}

impl Running {
    /// Stops tidily: runs end behind the batch that they are at and keep what they did, pages are answered to their end.
    pub async fn stop(mut self) {
        self.host.stop();
        if let Err(error) = (&mut self.scheduler).await {
            complain(&error);
        }
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Err(error) = (&mut self.server).await {
            complain(&error);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.server.abort();
        self.scheduler.abort();
        // What breaks off is delivered again.
        self.notices.abort();
        self.local.iter().for_each(JoinHandle::abort);
    }
}

async fn listen(port: u16) -> Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    listener.map_err(|error| Error::from(error).during("listen").with("port", port))
}

fn address_of(listener: &TcpListener) -> Result<Url> {
    let port = listener.local_addr()?.port();
    url(&format!("http://127.0.0.1:{port}/"))
}

fn joined(address: &Url, path: &str) -> Result<Url> {
    url(&format!("{address}{path}"))
}

fn url(text: &str) -> Result<Url> {
    Url::parse(text)
        .map_err(|_| Error::new(ErrorKind::Invalid, "this is no URL").with("text", text))
}

/// 256 bits of chance in 43 characters.
fn drawn() -> String {
    let mut bytes = [0; 32];
    SystemEntropy.fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What the operator should know of.
#[allow(clippy::print_stderr)]
fn complain(error: &dyn std::fmt::Display) {
    eprintln!("oauth_connect: {error}");
}
