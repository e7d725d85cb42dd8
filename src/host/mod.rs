//! Ports: what the host lends to a run. Every effect and every source of surprise comes in here.

mod bug;
mod cancel;
mod cipher;
mod clock;
mod context;
mod entropy;
mod executor;
mod file_name;
mod files;
mod notices;
mod observer;
mod rejects;
mod state;
pub(crate) mod sync;
mod timeline;
mod transport;

#[cfg(not(feature = "testing"))]
pub(crate) use bug::Bug;
#[cfg(feature = "testing")]
pub use bug::Bug;
pub use cancel::CancelToken;
pub use cipher::Cipher;
pub(crate) use clock::within;
pub use clock::{Clock, SystemClock};
pub use context::Context;
pub use entropy::{Entropy, SeededEntropy, SystemEntropy};
pub(crate) use entropy::{SplitMix, hex, unique};
pub use executor::{Executor, Inline, ThreadPool, run_on};
pub use file_name::check_file_name;
pub use files::{ByteStream, FileStore, FileWriter, OpenedFile};
pub use notices::{Notice, NoticeCounts, NoticeItem, NoticeKind, NoticeSubject, Notifications};
pub use observer::{Event, Ignore, Observer};
pub use rejects::{KeptRejects, RejectKey, RejectLedger, RejectMarks, RejectRewind, RejectSegment};
pub(crate) use state::check_value;
pub use state::{
    Expected, Saved, StateKey, StateKind, StateStore, StateVersion, Stored, Swap, probe,
};
pub use timeline::Timeline;
pub(crate) use transport::secret_header;
pub use transport::{AddressPolicy, HttpRequest, HttpResponse, Redirects, Transport};
