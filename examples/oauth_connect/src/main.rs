//! Starts the example: `cargo run -p oauth_connect`. Its README says what to click, and which environment variables there are.
#![allow(clippy::print_stdout)]

use oauth_connect::{Settings, start};

#[tokio::main]
async fn main() -> syncline::Result<()> {
    let running = start(Settings::from_env(|name| std::env::var(name).ok())?).await?;
    println!("Open {} - stop with Ctrl-C.", running.address);
    asked_to_stop().await?;
    println!("Stopping: runs end behind the batch that they are at.");
    running.stop().await;
    Ok(())
}

/// Waits for Ctrl-C, or for what a service manager sends.
async fn asked_to_stop() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminated = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminated.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
