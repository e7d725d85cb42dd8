//! x
pub mod connection;
pub mod dataset;
pub mod destination;
mod error;
pub mod host;
pub mod lookup;
pub mod mapping;
pub mod record;
pub mod spec;
pub use error::{Error, ErrorKind, Problem, Result, Retry};
/// Guides.
pub mod docs {
    /// x
    pub mod job_spec {}
}
