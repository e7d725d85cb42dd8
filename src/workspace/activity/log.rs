//! What happened in a run, as it is kept.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::host::Event;

/// The most entries of a log.
const ENTRIES: usize = 500;
/// How many of them are the first: of the others the latest are kept.
const FIRST: usize = 100;

/// The log of a run: its first hundred events and the latest four hundred. Progress is not in it, but in the
/// [record](super::RunRecord::progress).
///
/// As JSON an entry is an [event](Event) with its time in `at`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RunLog {
    /// In the order in which they happened.
    pub entries: VecDeque<LogEntry>,
    /// How many were left out behind the first hundred.
    pub left_out: u64,
}

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LogEntry {
    /// When.
    pub at: DateTime<Utc>,
    /// The [name](Event::name) of the event.
    pub event: String,
    /// The fields of the event.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

impl RunLog {
    pub(super) fn add(&mut self, at: DateTime<Utc>, event: &Event<'_>) {
        // An event is an object of names and numbers, which always has a JSON.
        let Ok(Value::Object(mut fields)) = serde_json::to_value(event) else {
            return;
        };
        fields.shift_remove("event");
        if self.entries.len() >= ENTRIES {
            self.entries.remove(FIRST);
            self.left_out += 1;
        }
        self.entries.push_back(LogEntry {
            at,
            event: event.name().to_owned(),
            fields,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_latest_are_kept() {
        let mut log = RunLog::default();
        for group in 0..2_000 {
            log.add(
                DateTime::UNIX_EPOCH,
                &Event::Committed { group, records: 1 },
            );
        }
        let groups: Vec<u64> = log
            .entries
            .iter()
            .filter_map(|entry| entry.fields["group"].as_u64())
            .collect();
        let expected: Vec<u64> = (0..100).chain(1_600..2_000).collect();
        assert_eq!((groups, log.left_out), (expected, 1_500));
    }
}
