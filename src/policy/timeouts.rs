//! How long a call may take.

use std::time::Duration;

/// How long the run waits for an answer from outside. A call that takes longer is given up, which is an error of the kind
/// [`Timeout`](crate::ErrorKind::Timeout): nobody knows whether it was done.
///
/// A run under a lease waits for `open`, `write`, `commit` and `rejects` no longer than the lease's terms allow.
///
/// ```
/// use std::time::Duration;
/// use syncline::policy::Timeouts;
///
/// let timeouts = Timeouts { write: Duration::from_secs(10), ..Timeouts::default() };
/// assert_eq!((timeouts.read.as_secs(), timeouts.write.as_secs()), (120, 10));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To ask a connection for its objects, and to make a lookup, which may read a whole object. 10 minutes.
    pub prepare: Duration,
    /// To open a writer. 5 minutes.
    pub open: Duration,
    /// To read a batch. 2 minutes.
    pub read: Duration,
    /// To write a batch, or to patch or delete records. 1 minute.
    pub write: Duration,
    /// To commit a group, or to abort. 5 minutes.
    pub commit: Duration,
    /// To look up a batch of keys. 1 minute.
    pub lookup: Duration,
    /// To get or put saved state. 30 seconds.
    pub state: Duration,
    /// To keep refused records. 1 minute.
    pub rejects: Duration,
    /// To tell the source what is safe. 1 minute.
    pub acknowledge: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Timeouts {
            prepare: seconds(600),
            open: seconds(300),
            read: seconds(120),
            write: seconds(60),
            commit: seconds(300),
            lookup: seconds(60),
            state: seconds(30),
            rejects: seconds(60),
            acknowledge: seconds(60),
        }
    }
}

impl Timeouts {
    /// Waits for ever.
    pub fn none() -> Self {
        Self::all(Duration::MAX)
    }

    /// Waits so long for each call.
    pub fn all(time: Duration) -> Self {
        Timeouts {
            prepare: time,
            open: time,
            read: time,
            write: time,
            commit: time,
            lookup: time,
            state: time,
            rejects: time,
            acknowledge: time,
        }
    }

    pub(super) fn of(&self, call: Call) -> Duration {
        match call {
            Call::Prepare => self.prepare,
            Call::Open => self.open,
            Call::Read => self.read,
            Call::Write => self.write,
            Call::Commit => self.commit,
            Call::Lookup => self.lookup,
            Call::State => self.state,
            Call::Rejects => self.rejects,
            Call::Acknowledge => self.acknowledge,
        }
    }
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Prepare,
    Open,
    Read,
    Write,
    Commit,
    Lookup,
    State,
    Rejects,
    Acknowledge,
}

impl Call {
    pub(super) fn word(self) -> &'static str {
        match self {
            Call::Prepare => "prepare",
            Call::Open => "open",
            Call::Read => "read",
            Call::Write => "write",
            Call::Commit => "commit",
            Call::Lookup => "lookup",
            Call::State => "saved state",
            Call::Rejects => "keep rejects",
            Call::Acknowledge => "acknowledge",
        }
    }
}
