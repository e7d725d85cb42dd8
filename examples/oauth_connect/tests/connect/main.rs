//! The connections page, over HTTP and in a browser. Needs chromium and chromedriver: `.ci/connect` brings them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod browser;
mod clicks;
mod clock;
mod flow;
mod jobs;
mod life;
mod notices;
mod schedules;
mod visitor;

use std::time::Duration;

use oauth_connect::{Running, Settings, System, start};

/// The host with the local system, whose pages take this long.
async fn host(page_delay: Duration) -> Running {
    let system = System::Local { page_delay };
    start(Settings::default().with_system(system))
        .await
        .unwrap()
}

/// The same, as quick as it can be.
async fn quick() -> Running {
    host(Duration::ZERO).await
}
