//! A tidy stop.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::sync::AtomicBool;

/// Asks a run to stop between two batches and to report what it did.
///
/// Clones share one state. Dropping a run's future stops it too, at once and without a report.
///
/// ```
/// let token = syncline::host::CancelToken::new();
/// let elsewhere = token.clone();
/// elsewhere.cancel();
/// assert!(token.is_cancelled());
/// ```
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A token that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the token, for good.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the token is set.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
