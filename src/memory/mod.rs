//! Backends in memory, for tests and for small data.

mod files;

pub use files::MemoryFiles;
