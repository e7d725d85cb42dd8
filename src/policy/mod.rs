//! How long a call may take and whether it is tried again: wrappers over the contracts.

mod connection;
mod dataset;
mod patience;
mod ports;
mod retry;
mod timeouts;

pub use patience::Patience;
pub use retry::{RetryPolicy, UnansweredInserts};
pub use timeouts::Timeouts;
