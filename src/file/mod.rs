//! Delimited files: a [`Dataset`](crate::dataset::Dataset) that reads them, an encoder and a
//! [`Destination`](crate::destination::Destination) that write them, an [analysis](analyse()) of what a file is, a [test run](check()), reject files, and stores of files
//! and of state in a directory.
//!
//! A record that cannot be read becomes a [`Reject`](crate::record::Reject) with its position and its
//! bytes; only what makes the whole file unreadable (no header, a column missing, another encoding) is
//! an [`Error`](crate::Error).

mod analyse;
mod block;
mod blocks;
mod check;
mod cursor;
mod dataset;
mod decode;
mod destination;
mod dialect;
mod encode;
mod epochs;
mod guard;
mod header;
mod kept_rejects;
mod local;
mod opening;
mod rejects;
mod scan;
mod sink;
mod state;
mod transcode;
mod unpack;

pub use analyse::{
    Alternative, AnalyseRequest, AnalysedColumn, Analysis, Guess, analyse, analyse_bytes,
};
pub use check::{CheckReport, CheckRequest, check};
pub use dataset::DelimitedDataset;
pub use destination::FileDestination;
pub use encode::DelimitedEncoder;
pub use guard::{guard_cell, unguard_cell};
pub use local::LocalFiles;
pub use rejects::RejectFiles;
pub(crate) use rejects::rejects_as;
pub use sink::write_delimited;
pub use state::LocalState;
