//! The one public error.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, where, and what to do about it.
///
/// One word wide. Neither the message nor the context ever holds a row value or a secret: a bad
/// *record* is no `Error` but a [`Reject`](crate::record::Reject).
///
/// ```
/// use syncline::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::NotFound, "no such file; check the path in the job")
///     .during("open")
///     .with("file", "usage.csv");
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// assert_eq!(error.to_string(), "open: no such file; check the path in the job (file: usage.csv)");
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    retry: Retry,
    operation: Option<Cow<'static, str>>,
    message: Cow<'static, str>,
    context: Vec<(&'static str, String)>,
    problems: Vec<Problem>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kinds of [`Error`] that a caller may want to tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A spec or a request is wrong; [`Error::problems`] lists every finding with its path.
    Invalid,
    /// The named file, object, field or lookup does not exist.
    NotFound,
    /// The implementation cannot do what was asked; its capabilities say so beforehand.
    Unsupported,
    /// A credential would go to a host that its connection does not allow. Nothing was sent.
    HostNotAllowed,
    /// A callback that fits no authorization under way: unknown, used already, too late, or of somebody else. Nothing was sent.
    StateMismatch,
    /// The outside system grants less than is needed; [`Error::context`] names what is missing.
    InsufficientScope,
    /// Somebody consented for another organisation than the connection belongs to. What was there stays.
    OtherOrganization,
    /// An authorization server said what it must not: a wrong type of token, a time that cannot be, a redirect.
    BadTokenAnswer,
    /// The outside system no longer knows us: a person must authorize the connection again.
    ReauthorizationRequired,
    /// The input as a whole cannot be read (wrong header, wrong encoding), unlike a bad record.
    Malformed,
    /// A configured bound was passed.
    LimitExceeded,
    /// The account has no more calls for now, and nothing of this one was done; [`Error::retry`] says when there are more. A run
    /// that meets it [pauses](crate::job::Outcome::Paused).
    QuotaSpent,
    /// Too many calls in a row failed the same way, so this one was not made; [`Error::retry`] says when one is tried again.
    CircuitOpen,
    /// The source is not as the job was built on; [`Error::problems`] lists every change.
    Drifted,
    /// Somebody else changed the same thing.
    Conflict,
    /// A saved cursor belongs to another source, or to a version of it that is gone.
    OtherLineage,
    /// Saved state is not as it was written, or not where; nothing is done without it.
    CorruptState,
    /// A later release saved this state.
    NewerState,
    /// Reading or writing failed below us.
    Io,
    /// No answer came in time; nobody knows whether it was done.
    Timeout,
    /// The cancel token was set.
    Cancelled,
    /// The writer or port was used after its end.
    Closed,
    /// A contract was broken, ours or an implementation's: counts that disagree, rows that vanish.
    Contract,
}

impl ErrorKind {
    /// Its name, in lower case with `_`.
    pub fn word(self) -> &'static str {
        match self {
            ErrorKind::Invalid => "invalid",
            ErrorKind::NotFound => "not_found",
            ErrorKind::Unsupported => "unsupported",
            ErrorKind::HostNotAllowed => "host_not_allowed",
            ErrorKind::StateMismatch => "state_mismatch",
            ErrorKind::InsufficientScope => "insufficient_scope",
            ErrorKind::OtherOrganization => "other_organization",
            ErrorKind::BadTokenAnswer => "bad_token_answer",
            ErrorKind::ReauthorizationRequired => "reauthorization_required",
            ErrorKind::Malformed => "malformed",
            ErrorKind::LimitExceeded => "limit_exceeded",
            ErrorKind::QuotaSpent => "quota_spent",
            ErrorKind::CircuitOpen => "circuit_open",
            ErrorKind::Drifted => "drifted",
            ErrorKind::Conflict => "conflict",
            ErrorKind::OtherLineage => "other_lineage",
            ErrorKind::CorruptState => "corrupt_state",
            ErrorKind::NewerState => "newer_state",
            ErrorKind::Io => "io",
            ErrorKind::Timeout => "timeout",
            ErrorKind::Cancelled => "cancelled",
            ErrorKind::Closed => "closed",
            ErrorKind::Contract => "contract",
        }
    }
}

/// Whether doing the same again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retry {
    /// The same call will fail the same way.
    Never,
    /// The same call may succeed at once.
    Now,
    /// The same call may succeed after this time.
    After(Duration),
}

/// One finding in a spec: where it is and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Problem {
    /// The path in the spec, e.g. `destinations[0].mapping.fields[3].lookup.keys`; empty for the whole.
    pub path: String,
    /// What is wrong there, and what would be right.
    pub message: String,
}

impl Problem {
    /// A finding at `path`.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Problem {
            path: path.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

impl Error {
    /// An error of `kind`; the message says what to do.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Error(Box::new(Inner {
            kind,
            retry: Retry::Never,
            operation: None,
            message: message.into(),
            context: Vec::new(),
            problems: Vec::new(),
            source: None,
        }))
    }

    /// An [`ErrorKind::Invalid`] that lists every finding at once.
    pub fn invalid(what: impl Into<Cow<'static, str>>, problems: Vec<Problem>) -> Self {
        let mut error = Error::new(ErrorKind::Invalid, what);
        error.0.problems = problems;
        error
    }

    /// Lists findings.
    #[must_use]
    pub(crate) fn with_problems(mut self, problems: Vec<Problem>) -> Self {
        self.0.problems = problems;
        self
    }

    /// A broken contract; `message` names the rule.
    pub fn contract(message: impl Into<Cow<'static, str>>) -> Self {
        Error::new(ErrorKind::Contract, message)
    }

    /// Names the operation that failed; the first name given stays.
    #[must_use]
    pub fn during(mut self, operation: impl Into<Cow<'static, str>>) -> Self {
        self.0.operation.get_or_insert(operation.into());
        self
    }

    /// Adds a place or a name; never a row value, never a secret. What was said before is not said again.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        let said = (key, value.to_string());
        if !self.0.context.contains(&said) {
            self.0.context.push(said);
        }
        self
    }

    /// Says whether a retry can help.
    #[must_use]
    pub fn retrying(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// Keeps the error below.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The kind.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether a retry can help.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// The operation that failed, if named.
    pub fn operation(&self) -> Option<&str> {
        self.0.operation.as_deref()
    }

    /// The message without operation and context.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Names and places, in the order they were added.
    pub fn context(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0
            .context
            .iter()
            .map(|(key, value)| (*key, value.as_str()))
    }

    /// Every finding of an [`ErrorKind::Invalid`], and of a [`Malformed`](ErrorKind::Malformed) header; empty for others.
    pub fn problems(&self) -> &[Problem] {
        &self.0.problems
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            operation,
            message,
            context,
            problems,
            source,
            ..
        } = &*self.0;
        if let Some(operation) = operation {
            write!(f, "{operation}: ")?;
        }
        f.write_str(message)?;
        for (i, (key, value)) in context.iter().enumerate() {
            f.write_str(if i == 0 { " (" } else { ", " })?;
            write!(f, "{key}: {value}")?;
        }
        if !context.is_empty() {
            f.write_str(")")?;
        }
        for problem in problems {
            write!(f, "\n  {problem}")?;
        }
        if let Some(source) = source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| &**source as _)
    }
}

impl From<std::io::Error> for Error {
    fn from(source: std::io::Error) -> Self {
        let (kind, message) = match source.kind() {
            std::io::ErrorKind::NotFound => (ErrorKind::NotFound, "not found; check the name"),
            std::io::ErrorKind::PermissionDenied => {
                (ErrorKind::Io, "no permission; check its owner and mode")
            }
            _ => (ErrorKind::Io, "input or output failed"),
        };
        let retry = match source.kind() {
            std::io::ErrorKind::Interrupted
            | std::io::ErrorKind::TimedOut
            | std::io::ErrorKind::WouldBlock
            | std::io::ErrorKind::ConnectionReset
            | std::io::ErrorKind::ConnectionAborted
            | std::io::ErrorKind::ConnectionRefused
            | std::io::ErrorKind::NotConnected
            | std::io::ErrorKind::BrokenPipe => Retry::Now,
            _ => Retry::Never,
        };
        Error::new(kind, message).retrying(retry).because(source)
    }
}

impl From<arrow_schema::ArrowError> for Error {
    /// Arrow errors may print row values, so only their kind is kept.
    fn from(source: arrow_schema::ArrowError) -> Self {
        let message = match source {
            arrow_schema::ArrowError::MemoryError(_) => {
                "an array would pass Arrow's size limit; use smaller batches"
            }
            arrow_schema::ArrowError::SchemaError(_) => "a batch does not fit its schema",
            _ => {
                "an array operation was refused; this is a defect of the implementation that made the batch"
            }
        };
        Error::contract(message)
    }
}
