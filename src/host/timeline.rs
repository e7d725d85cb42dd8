//! What happened in a run, to be shown afterwards.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::{Clock, Event, Observer};

/// The most entries that a timeline keeps.
const ENTRIES: usize = 10_000;

/// Keeps the events of a run with their times, to be shown or stored as JSON. Clones share it.
///
/// Progress that directly follows progress takes its place, so that a long run stays short; beyond 10,000 entries only the
/// [number](Timeline::left_out) of the others is kept.
///
/// ```
/// use std::sync::Arc;
/// use syncline::host::{Context, Event, Observer, Timeline};
/// use syncline::memory::ManualClock;
///
/// let clock = Arc::new(ManualClock::new("2025-01-31T06:00:00Z".parse().unwrap()));
/// let timeline = Timeline::new(clock.clone());
/// let context = Context::new().with_clock(clock).with_observer(Arc::new(timeline.clone()));
/// context.observer().observe(&Event::Committed { group: 1, records: 5 });
/// assert_eq!(
///     serde_json::to_string(&timeline)?,
///     r#"[{"at":"2025-01-31T06:00:00Z","event":"committed","group":1,"records":5}]"#
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Timeline(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Arc<dyn Clock>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    entries: Vec<Entry>,
    left_out: u64,
}

/// Something that happened at some time.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Entry {
    at: DateTime<Utc>,
    #[serde(flatten)]
    event: Value,
    #[serde(skip)]
    is_progress: bool,
}

impl Timeline {
    /// An empty one, by this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Timeline(Arc::new(Inner {
            clock,
            kept: Mutex::default(),
        }))
    }

    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.kept().entries.len()
    }

    /// Whether nothing happened yet.
    pub fn is_empty(&self) -> bool {
        self.kept().entries.is_empty()
    }

    /// How many events were left out, since there were too many.
    pub fn left_out(&self) -> u64 {
        self.kept().left_out
    }

    /// No panic can leave it half changed.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A list of objects, each with `at` and the event's own fields.
impl Serialize for Timeline {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.kept().entries.serialize(serializer)
    }
}

impl Observer for Timeline {
    fn observe(&self, event: &Event<'_>) {
        // An event is an object of names and numbers, which always has a JSON.
        let entry = Entry {
            at: self.0.clock.now(),
            event: serde_json::to_value(event).unwrap_or_default(),
            is_progress: matches!(event, Event::Progress { .. }),
        };
        let mut kept = self.kept();
        let has_room = kept.entries.len() < ENTRIES;
        match kept.entries.last_mut() {
            Some(last) if last.is_progress && entry.is_progress => *last = entry,
            // The end is always told.
            _ if has_room || matches!(event, Event::RunFinished { .. }) => kept.entries.push(entry),
            _ => kept.left_out += 1,
        }
    }
}
