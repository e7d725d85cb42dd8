//! How long a call may take, whether it is tried again, and how many an account may make: wrappers over the contracts.

mod account;
mod breaker;
mod connection;
mod dataset;
mod layer;
mod limits;
mod patience;
mod ports;
mod retry;
mod timeouts;

pub use account::Account;
pub use breaker::{Breaker, BreakerPolicy};
pub use limits::{CallLimits, CallWindow};
pub use patience::Patience;
pub use retry::{RetryPolicy, UnansweredInserts};
pub use timeouts::Timeouts;
