//! Backends in memory, each with the whole contract: objects, datasets, rejects, a clock.

mod apply;
mod chunks;
mod cipher;
mod clock;
mod connection;
mod dataset;
mod destination;
mod files;
mod ids;
mod lookup;
mod object;
mod plan;
mod rejects;
mod state;
mod store;
mod table;
mod texts;
mod touched;
mod transaction;
mod transport;
mod versions;
mod writer;

pub use crate::host::SeededEntropy;
pub use cipher::MemoryCipher;
pub use clock::ManualClock;
pub use connection::MemoryConnection;
pub use dataset::MemoryDataset;
pub use destination::{Commits, MemoryDestination};
pub use files::MemoryFiles;
pub use object::MemoryObject;
pub use rejects::MemoryRejects;
pub use state::MemoryState;
pub use transport::MemoryTransport;
