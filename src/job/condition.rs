//! What a run did, as far as conditions ask.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde::{Deserialize, Serialize};

use crate::record::CursorValue;
use crate::spec::{Ended, RunCondition};

use super::{Outcome, RunReport};

/// What a run did, as far as a [`RunCondition`] asks; small, so that it can be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deed {
    pub(crate) ended: Way,
    records: u64,
    rejected: u64,
    /// How many seconds older than the end of the run its watermark was, if it has one that is a time.
    watermark_age: Option<u64>,
}

/// How a run ended, as far as a condition asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Way {
    /// With all records written.
    Whole,
    /// With some that were refused.
    Partly,
    /// With a failure, or not to its end.
    Not,
}

impl Way {
    pub(crate) fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Success => Way::Whole,
            Outcome::PartialSuccess => Way::Partly,
            Outcome::Failed | Outcome::Cancelled | Outcome::Paused { .. } => Way::Not,
        }
    }

    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Way::Whole => Outcome::Success,
            Way::Partly => Outcome::PartialSuccess,
            Way::Not => Outcome::Failed,
        }
    }
}

impl Deed {
    /// What a run did.
    pub(crate) fn of(report: &RunReport) -> Self {
        let rejected = report.destinations.iter().map(|d| d.rejected).max();
        let watermark = report.window.as_ref().and_then(|window| window.watermark);
        Deed {
            ended: Way::of(report.outcome),
            records: report.records,
            rejected: rejected.unwrap_or_default(),
            watermark_age: watermark.and_then(|watermark| age(watermark, report.finished_at)),
        }
    }

    /// What several runs did that ended so as a whole: the sums of their counts, and the oldest of their watermarks.
    pub(crate) fn sum<'a>(ended: Way, deeds: impl IntoIterator<Item = &'a Deed>) -> Self {
        let nothing = Deed {
            ended,
            records: 0,
            rejected: 0,
            watermark_age: None,
        };
        deeds.into_iter().fold(nothing, |sum, deed| Deed {
            ended,
            records: sum.records.saturating_add(deed.records),
            rejected: sum.rejected.saturating_add(deed.rejected),
            watermark_age: sum.watermark_age.max(deed.watermark_age),
        })
    }

    /// The records that were read, and of them those that were refused.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.records, self.rejected)
    }

    /// What it lacks for a condition, in words behind the name of who did it; `None` if it is enough.
    pub(crate) fn lacks(&self, condition: &RunCondition) -> Option<String> {
        let ended = match condition.ended {
            Ended::Anyhow => true,
            Ended::Written => self.ended != Way::Not,
            Ended::Whole => self.ended == Way::Whole,
        };
        if !ended {
            return Some(match self.ended {
                Way::Not => "failed".into(),
                Way::Whole | Way::Partly => "refused records".into(),
            });
        }
        if self.records < condition.at_least {
            return Some(format!("read {} records", self.records));
        }
        let most = u64::from(condition.rejects_percent.unwrap_or(100));
        if self.rejected.saturating_mul(100) > self.records.saturating_mul(most) {
            return Some(format!(
                "refused {} of {} records",
                self.rejected, self.records
            ));
        }
        let most = u64::from(condition.watermark_within?);
        match self.watermark_age {
            None => Some("has no watermark that is a time".into()),
            Some(age) if age > most => {
                Some(format!("ended with a watermark that was {age} seconds old"))
            }
            Some(_) => None,
        }
    }
}

/// How many seconds a watermark is older than this; a day is as new as its last moment. `None` if it is no time.
fn age(watermark: CursorValue, at: DateTime<Utc>) -> Option<u64> {
    let newest = match watermark {
        CursorValue::Integer(_) => return None,
        CursorValue::Date(day) => day
            .succ_opt()
            .unwrap_or(NaiveDate::MAX)
            .and_time(NaiveTime::MIN)
            .and_utc(),
        CursorValue::DateTime(instant) => instant,
    };
    // A part of a second makes it older.
    let millis = u64::try_from((at - newest).num_milliseconds()).unwrap_or(0);
    Some(millis.div_ceil(1_000))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::job::{DestinationReport, WindowReport};

    fn ended(watermark: Option<CursorValue>) -> RunReport {
        let at: DateTime<Utc> = "2025-01-31T06:00:00Z".parse().unwrap();
        let mut report = RunReport::new("a", at, at);
        report.records = 200;
        let mut destination = DestinationReport::new("x", []);
        destination.rejected = 11;
        report.destinations.push(destination);
        report.outcome = Outcome::PartialSuccess;
        let mut window = WindowReport::new("at");
        window.watermark = watermark;
        report.window = Some(window);
        report
    }

    fn lacks(report: &RunReport, condition: RunCondition) -> Option<String> {
        Deed::of(report).lacks(&condition)
    }

    #[test]
    fn each_part_of_a_condition_must_hold() {
        let report = ended(None);
        let written = RunCondition::default;
        assert_eq!(lacks(&report, written().with_records(200)), None);
        assert_eq!(lacks(&report, written().with_rejects(6)), None);
        let told = |condition| lacks(&report, condition).unwrap();
        assert_eq!(told(RunCondition::new(Ended::Whole)), "refused records");
        assert_eq!(told(written().with_records(201)), "read 200 records");
        assert_eq!(told(written().with_rejects(5)), "refused 11 of 200 records");
        let mut failed = ended(None);
        failed.outcome = Outcome::Failed;
        assert_eq!(lacks(&failed, written()).unwrap(), "failed");
        let anyhow = RunCondition::new(Ended::Anyhow);
        assert_eq!(lacks(&failed, anyhow.with_records(200)), None);
        assert!(lacks(&failed, anyhow.with_records(201)).is_some());
    }

    #[test]
    fn a_watermark_is_as_old_as_it_was_when_the_run_ended() {
        let within = |watermark, seconds| {
            let condition = RunCondition::default().with_watermark(seconds);
            lacks(&ended(watermark), condition).is_none()
        };
        let instant = |text: &str| Some(CursorValue::DateTime(text.parse().unwrap()));
        assert!(within(instant("2025-01-31T05:59:00Z"), 60));
        assert!(!within(instant("2025-01-31T05:58:59.999Z"), 60));
        assert!(within(instant("2026-01-01T00:00:00Z"), 0));
        // Yesterday was over six hours ago.
        let day = |text: &str| Some(CursorValue::Date(text.parse().unwrap()));
        assert!(within(day("2025-01-31"), 0));
        assert!(within(day("2025-01-30"), 6 * 3_600));
        assert!(!within(day("2025-01-30"), 6 * 3_600 - 1));
        // What is no time, or not there, is never new enough.
        assert!(!within(Some(CursorValue::Integer(7)), u32::MAX));
        assert!(!within(None, u32::MAX));
    }

    #[test]
    fn a_sum_has_all_counts_and_the_oldest_watermark() {
        let instant = |text: &str| Some(CursorValue::DateTime(text.parse().unwrap()));
        let deeds = [
            Deed::of(&ended(instant("2025-01-31T05:00:00Z"))),
            Deed::of(&ended(None)),
            Deed::of(&ended(instant("2025-01-31T05:59:00Z"))),
        ];
        let sum = Deed::sum(Way::Whole, &deeds);
        let condition = RunCondition::new(Ended::Whole)
            .with_records(600)
            .with_watermark(3_600);
        assert_eq!(sum.lacks(&condition), None);
        assert!(sum.lacks(&condition.with_records(601)).is_some());
        assert!(sum.lacks(&condition.with_watermark(3_599)).is_some());
    }
}
