//! Data-sync jobs as a library: read a dataset, map its fields onto objects, write them, account for
//! every record.
//!
//! Three doors:
//!
//! - **Embedders** have a [`workspace::Workspace`] for each customer, with connections and jobs as data, or a
//!   [`workspace::LocalWorkspace`] over files, or put a [`job::SyncJob`] together in code.
//! - **Connector authors** implement [`dataset::Dataset`], [`destination::Destination`] or a whole
//!   [`connection::Connection`], declare its kind as a [`connector::Connector`], and have it certified by the kit of the feature `testing`; its guide is `docs::connector_guide`.
//! - **Test writers** use [`memory`]: objects, datasets, files, rejects and a clock that are plain values.
//!
//! Start with the [quickstart](docs::quickstart); then [files](docs::files), [mapping](docs::mapping),
//! [expressions](docs::expressions), [policies](docs::policies), and the [job spec](docs::job_spec) field by field. The
//! [scheduling](docs::scheduling) guide says when they run. The
//! [authorization](docs::authorization) guide lets a connection into an outside system, [workspace](docs::workspace) is about a tenant's connections and jobs, [security](docs::security) says who guards what. The
//! [delivery](docs::delivery) guide says what is promised when, the [architecture](docs::architecture) how it hangs together, the [glossary](docs::glossary) what the words mean.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(
    feature = "object-store",
    feature = "reqwest",
    feature = "tracing",
    feature = "metrics"
))]
pub mod adapter;
pub mod authorization;
pub mod connection;
pub mod connector;
pub mod dataset;
pub mod destination;
mod error;
pub mod expr;
pub mod file;
pub mod host;
pub mod job;
pub mod lookup;
pub mod mapping;
pub mod memory;
mod name;
pub mod policy;
pub mod record;
pub mod schedule;
pub mod scheduler;
mod secret;
pub mod spec;
#[cfg(feature = "testing")]
pub mod testing;
pub mod workspace;

pub use error::{Error, ErrorKind, Problem, Result, Retry};
pub use name::Tenant;
pub use secret::Secret;

/// Guides.
pub mod docs {
    #[doc = include_str!("docs/architecture.md")]
    pub mod architecture {}
    #[doc = include_str!("docs/authorization.md")]
    pub mod authorization {}
    #[cfg(feature = "testing")]
    #[doc = include_str!("docs/connector-guide.md")]
    pub mod connector_guide {}
    #[doc = include_str!("docs/delivery.md")]
    pub mod delivery {}
    #[doc = include_str!("docs/expressions.md")]
    pub mod expressions {}
    #[doc = include_str!("docs/files.md")]
    pub mod files {}
    #[doc = include_str!("docs/glossary.md")]
    pub mod glossary {}
    #[doc = include_str!("docs/job-spec.md")]
    pub mod job_spec {}
    #[doc = include_str!("docs/mapping.md")]
    pub mod mapping {}
    #[doc = include_str!("docs/policies.md")]
    pub mod policies {}
    #[doc = include_str!("docs/quickstart.md")]
    pub mod quickstart {}
    #[doc = include_str!("docs/scheduling.md")]
    pub mod scheduling {}
    #[doc = include_str!("docs/security.md")]
    pub mod security {}
    #[doc = include_str!("docs/workspace.md")]
    pub mod workspace {}
}

/// The README's code is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
