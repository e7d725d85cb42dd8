//! Whether an implementation keeps the contract that it implements: suites of numbered clauses for anyone's backend.
//!
//! There is a [`Suite`] for each contract and port. It is data: each [`Clause`] has a number that it keeps, a sentence, a
//! reason, and the [`Capability`] that owes it, if not everyone does. An author makes a *fixture*, which is the implementation
//! and what must be known of it, and has it tried out, each clause on a fixture of its own:
//!
//! | suite | clauses | of | fixture |
//! |---|---|---|---|
//! | [`STATE_STORE`] | `SS` | [`StateStore`](crate::host::StateStore) | [`StateStoreFixture`]: gives handles of one place |
//! | [`FILE_STORE`] | `FS` | [`FileStore`](crate::host::FileStore) and its writers | [`FileStoreFixture`]: gives handles of one place |
//! | [`REJECT_LEDGER`] | `RL` | [`RejectLedger`](crate::host::RejectLedger) | [`RejectLedgerFixture`]: reads what is kept |
//! | [`EXECUTOR`] | `EX` | [`Executor`](crate::host::Executor) | [`ExecutorFixture`] |
//! | [`CIPHER`] | `CI` | [`Cipher`](crate::host::Cipher) | [`CipherFixture`] |
//! | [`CREDENTIALS`] | `CR` | [`CredentialStore`](crate::authorization::CredentialStore), over a host's state store and cipher | [`CredentialsFixture`]: gives handles of one place |
//! | [`NOTIFICATIONS`] | `NT` | [`Notifications`](crate::host::Notifications) | [`NotificationsFixture`]: looks at what is shown |
//! | [`TRANSPORT`] | `TR` | [`Transport`](crate::host::Transport) | [`TransportFixture`]: with a server that answers as the kit says |
//! | [`AUTHORIZATION`] | `AU` | [`Authorization`](crate::authorization::Authorization) | [`AuthorizationFixture`]: one that stands |
//! | [`DATASET`] | `DS` | [`Dataset`](crate::dataset::Dataset) | [`DatasetFixture`]: a few records |
//! | [`CONNECTION`] | `CN` | [`Connection`](crate::connection::Connection) | [`ConnectionFixture`] |
//! | [`DESTINATION`] | `DW` | [`Destination`](crate::destination::Destination) and its writers | [`DestinationFixture`]: reads what is kept |
//! | [`LOOKUP`] | `LK` | [`Lookup`](crate::lookup::Lookup) | [`LookupFixture`]: with the records that it looks into |
//! | [`SCHEDULE`] | `SC` | [`Schedule`](crate::schedule::Schedule) | [`ScheduleFixture`]: asked from an instant |
//! | [`JOB`] | `JB` | [`Job`](crate::job::Job) | [`JobFixture`]: looks at the world |
//!
//! [`conformance!`](crate::conformance!) makes named tests of a suite; [`Suite::run`] gives a [`Report`] of four verdicts, and
//! [`Report::assert_conforms`] lets nothing pass but what was seen to hold and what is named, with the reason why it is not owed. A
//! suite that cannot see what it must see says [`NotReached`](Verdict::NotReached) and never [`Pass`](Verdict::Pass).

mod authorization;
mod cipher;
mod clause;
mod connection;
mod corpus;
mod credentials;
mod dataset;
mod destination;
mod executor;
mod file_store;
mod job;
mod lookup;
mod named;
mod notifications;
mod reject_ledger;
mod report;
mod schedule;
mod shapes;
mod state_store;
mod transport;

pub use authorization::{AUTHORIZATION, AuthorizationFixture};
pub use cipher::{CIPHER, CipherFixture};
pub use clause::{Capability, Check, Checked, Clause, Finding, Fixture, Suite};
pub use connection::{CONNECTION, ConnectionFixture};
pub use corpus::{corpus, every_type, fidelity};
pub use credentials::{CREDENTIALS, CredentialsFixture};
pub use dataset::{DATASET, DatasetFixture};
pub use destination::{DESTINATION, DestinationFixture};
pub use executor::{EXECUTOR, ExecutorFixture};
pub use file_store::{FILE_STORE, FileStoreFixture};
pub use job::{JOB, JobFixture};
pub use lookup::{LOOKUP, LookupFixture};
#[doc(hidden)]
pub use named::{certify, complete};
pub use notifications::{NOTIFICATIONS, NotificationsFixture};
pub use reject_ledger::{KeptReject, REJECT_LEDGER, RejectLedgerFixture};
pub use report::{Judged, Report, Verdict};
pub use schedule::{SCHEDULE, ScheduleFixture};
pub use state_store::{STATE_STORE, StateStoreFixture};
pub use transport::{TRANSPORT, TransportFixture, kit_answer};
