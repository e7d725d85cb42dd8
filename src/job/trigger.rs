//! What starts a run.

use serde::{Deserialize, Serialize};

/// What started a run. It changes nothing of the run, and is kept with its history.
///
/// ```
/// use std::sync::Arc;
/// use syncline::job::{RunRequest, Trigger};
/// use syncline::memory::MemoryRejects;
///
/// let request = RunRequest::new(Arc::new(MemoryRejects::new())).with_trigger(Trigger::Schedule);
/// assert_eq!(serde_json::to_string(&request.trigger)?, r#""schedule""#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Trigger {
    /// Somebody asked for it.
    #[default]
    Manual,
    /// It was due.
    Schedule,
    /// It is a link of a run of a chain.
    Chain {
        /// The chain, by id.
        chain: String,
        /// The run of it, by name.
        run: String,
    },
    /// Another job needs it [first](crate::spec::JobSpec::first): the name of that one.
    First(String),
    /// Something happened that it waits for, by the host's name for it.
    Event(String),
    /// Records that were refused before are sent again.
    Redrive,
}

impl Trigger {
    /// The word for people.
    pub fn word(&self) -> &'static str {
        match self {
            Trigger::Manual => "manual",
            Trigger::Schedule => "schedule",
            Trigger::Chain { .. } => "chain",
            Trigger::First(_) => "first",
            Trigger::Event(_) => "event",
            Trigger::Redrive => "redrive",
        }
    }
}
