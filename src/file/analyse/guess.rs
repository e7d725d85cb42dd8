//! What is likely, how likely, and what else it could be.

use serde::Serialize;

/// The likeliest of several readings.
///
/// A confidence is between 0 and 1, to two digits; those of the value and its alternatives are 1 together at most. It is
/// a rule of thumb, to sort by and to tell what a person should look at, and no probability: the same sample always gives
/// the same number.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Guess<T> {
    /// What it probably is.
    pub value: T,
    /// How sure that is.
    pub confidence: f64,
    /// What it could be as well, the likelier first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Alternative<T>>,
}

/// Another reading of a [`Guess`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Alternative<T> {
    /// What it could be.
    pub value: T,
    /// How likely that is.
    pub confidence: f64,
}

/// Less is not worth telling.
const LEAST: f64 = 0.01;

impl<T> Guess<T> {
    /// Nothing else comes into question.
    pub(super) fn only(value: T, confidence: f64) -> Self {
        Guess {
            value,
            confidence: two_digits(confidence),
            alternatives: Vec::new(),
        }
    }

    /// One of several by their scores, 0 to 1. A score that stands alone is its confidence; others take from it by their
    /// size.
    pub(super) fn by_score(
        value: T,
        others: impl IntoIterator<Item = (T, f64)>,
        score: f64,
    ) -> Self {
        let others: Vec<(T, f64)> = others.into_iter().collect();
        let all: f64 = score + others.iter().map(|(_, score)| score).sum::<f64>();
        let share = |score: f64| if all > 0.0 { score * score / all } else { 0.0 };
        Guess {
            value,
            confidence: two_digits(share(score)),
            alternatives: sorted(
                others
                    .into_iter()
                    .map(|(value, score)| (value, share(score))),
            ),
        }
    }

    /// One that is as likely as its rivals; what the evidence leaves open goes to the others in equal parts.
    /// `evidence` is how sure all is together, 0 to 1.
    pub(super) fn among(value: T, rivals: Vec<T>, others: Vec<T>, evidence: f64) -> Self {
        let confidence = evidence / (1 + rivals.len()) as f64;
        let open = (1.0 - evidence) / others.len().max(1) as f64;
        let rivals = rivals.into_iter().map(|value| (value, confidence));
        let others = others
            .into_iter()
            .map(|value| (value, open.min(confidence)));
        Guess {
            value,
            confidence: two_digits(confidence),
            alternatives: rivals
                .chain(others)
                .map(|(value, confidence)| Alternative {
                    value,
                    confidence: two_digits(confidence),
                })
                .collect(),
        }
    }

    /// The same about something else.
    pub(super) fn map<U>(self, f: impl Fn(T) -> U) -> Guess<U> {
        Guess {
            value: f(self.value),
            confidence: self.confidence,
            alternatives: self
                .alternatives
                .into_iter()
                .map(|other| Alternative {
                    value: f(other.value),
                    confidence: other.confidence,
                })
                .collect(),
        }
    }
}

/// The likelier first, equals in their order, without those that are not worth telling.
fn sorted<T>(scored: impl Iterator<Item = (T, f64)>) -> Vec<Alternative<T>> {
    let mut found: Vec<Alternative<T>> = scored
        .map(|(value, confidence)| Alternative {
            value,
            confidence: two_digits(confidence),
        })
        .filter(|other| other.confidence >= LEAST)
        .collect();
    found.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    found
}

/// Rounded down, so that parts of 1 stay so.
fn two_digits(confidence: f64) -> f64 {
    // A part that is a hundredth but for its last bit is that hundredth.
    (confidence * 100.0 + 1e-9).floor() / 100.0
}
