//! The host's ports over other crates, each behind a feature of its own.

#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "object-store")]
mod objects;
#[cfg(feature = "reqwest")]
mod reqwest;
#[cfg(feature = "tracing")]
mod tracing;

#[cfg(feature = "metrics")]
pub use self::metrics::MetricsObserver;
#[cfg(feature = "object-store")]
pub use self::objects::ObjectStoreState;
#[cfg(feature = "reqwest")]
pub use self::reqwest::ReqwestTransport;
#[cfg(feature = "tracing")]
pub use self::tracing::TracingObserver;
