//! The host's ports over other crates, each behind a feature of its own.

mod objects;

pub use objects::ObjectStoreState;
