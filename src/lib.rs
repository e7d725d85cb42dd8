//! syncline.

pub mod connection;
pub mod dataset;
pub mod destination;
mod error;
pub mod expr;
pub mod host;
pub mod lookup;
pub mod record;
pub mod spec;

/// Guides.
pub mod docs {
    /// The job spec, field by field.
    pub mod job_spec {}
}

pub use error::{Error, ErrorKind, Problem, Result, Retry};
