//! How a source differs from what its job was built on.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Serialize, Serializer};

use crate::error::Problem;
use crate::record::convert::Converter;
use crate::record::{Field, FieldType, Schema};
use crate::spec::DriftMode;

/// How a source differs from what its job was built on.
///
/// ```
/// use syncline::job::{Change, DriftReport};
/// use syncline::record::{Field, FieldType, Schema};
/// use syncline::spec::DriftMode;
///
/// let then = Schema::new(vec![Field::new("mail", FieldType::Email), Field::new("seats", FieldType::Integer)]);
/// let now = Schema::new(vec![Field::new("e_mail", FieldType::Email), Field::new("seats", FieldType::Text)]);
/// let drift = DriftReport::between(&then, &now, DriftMode::Freeze);
/// assert_eq!(drift.changes.len(), 2);
/// assert!(matches!(&drift.changes[0], Change::Renamed { from, to } if from.name == "mail" && to.name == "e_mail"));
/// assert_eq!(drift.changes[1].to_string(), "`seats` was integer and is text now");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DriftReport {
    /// What the job does about it.
    pub mode: DriftMode,
    /// The changes, in the order of the fields of then, new ones behind.
    pub changes: Vec<Change>,
    /// Values that were dropped since they did not fit, where the mode says so. Those of a batch that was read again count again.
    pub discarded: u64,
}

/// One change of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Change {
    /// A field is new.
    Added {
        /// The field.
        field: Field,
    },
    /// A field is gone.
    Removed {
        /// As it was.
        field: Field,
    },
    /// A field is gone and one that resembles it is new: of the same type, with nearly the same name. That is a guess, and nothing is
    /// done upon it.
    Renamed {
        /// As it was.
        from: Field,
        /// The new one.
        to: Field,
    },
    /// A field has another type.
    Retyped {
        /// The field.
        field: String,
        /// Its type then.
        #[serde(serialize_with = "as_text")]
        from: FieldType,
        /// Its type now.
        #[serde(serialize_with = "as_text")]
        to: FieldType,
    },
    /// A picklist has other items.
    Items {
        /// The field.
        field: String,
        /// Those that are new.
        added: Vec<String>,
        /// Those that are gone.
        removed: Vec<String>,
    },
}

fn as_text<S: Serializer>(field_type: &FieldType, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(field_type)
}

impl DriftReport {
    /// The changes between two schemas. Order does not count, and neither does whether a field is required: a source may
    /// fill what it likes.
    pub fn between(then: &Schema, now: &Schema, mode: DriftMode) -> Self {
        let is_in = |schema: &Schema, field: &&Field| schema.field(&field.name).is_some();
        let mut added: Vec<&Field> = now.fields().iter().filter(|f| !is_in(then, f)).collect();
        let mut changes = Vec::new();
        for field in then.fields() {
            let Some(found) = now.field(&field.name) else {
                let twin = added.iter().position(|new| resembles(field, new));
                changes.push(match twin {
                    Some(at) => Change::Renamed {
                        from: field.clone(),
                        to: added.remove(at).clone(),
                    },
                    None => Change::Removed {
                        field: field.clone(),
                    },
                });
                continue;
            };
            let (from, to) = (&field.field_type, &found.field_type);
            changes.extend(match (items(from), items(to)) {
                _ if from == to => None,
                (Some(were), Some(are)) if is_multi(from) == is_multi(to) => {
                    let other = |these: &[String], those: &[String]| -> Vec<String> {
                        these
                            .iter()
                            .filter(|item| !those.contains(item))
                            .cloned()
                            .collect()
                    };
                    let (added, removed) = (other(are, were), other(were, are));
                    // The order of a list is its owner's affair.
                    let same = added.is_empty() && removed.is_empty();
                    (!same).then(|| Change::Items {
                        field: field.name.clone(),
                        added,
                        removed,
                    })
                }
                _ => Some(Change::Retyped {
                    field: field.name.clone(),
                    from: from.clone(),
                    to: to.clone(),
                }),
            });
        }
        let added = added.into_iter().cloned();
        changes.extend(added.map(|field| Change::Added { field }));
        DriftReport {
            mode,
            changes,
            discarded: 0,
        }
    }

    /// Those changes with which a job that uses these fields cannot run, as findings at the fields' paths. The source itself is asked for
    /// bounds of those in `ordered`.
    pub(super) fn breaking(
        &self,
        used: &BTreeSet<String>,
        ordered: &BTreeSet<&str>,
    ) -> Vec<Problem> {
        let breaks = |change: &&Change| match change {
            Change::Removed { field } | Change::Renamed { from: field, .. } => {
                used.contains(&field.name)
            }
            // Taken as it is, a type may fit or not: that is found where the mapping is compiled.
            Change::Retyped { field, from, to } => {
                let conforms = matches!(self.mode, DriftMode::DiscardRow | DriftMode::DiscardValue);
                let never_fits = || Converter::new(to, from, false).is_err();
                // Bounds of then would be compared with values of now: as texts, 10 comes before 9.
                let misread = ordered.contains(field.as_str());
                conforms && used.contains(field) && (misread || never_fits())
            }
            Change::Added { .. } | Change::Items { .. } => false,
        };
        self.problems(self.changes.iter().filter(breaks))
    }

    /// All changes, as findings at the fields' paths.
    pub(super) fn all(&self) -> Vec<Problem> {
        self.problems(self.changes.iter())
    }

    fn problems<'a>(&self, changes: impl Iterator<Item = &'a Change>) -> Vec<Problem> {
        let problem = |change: &Change| {
            Problem::new(format!("dataset.{}", change.field()), change.to_string())
        };
        changes.map(problem).collect()
    }
}

impl Change {
    /// The field's name: of then, if it was there.
    pub fn field(&self) -> &str {
        match self {
            Change::Added { field } | Change::Removed { field } => &field.name,
            Change::Renamed { from, .. } => &from.name,
            Change::Retyped { field, .. } | Change::Items { field, .. } => field,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Added { field } => {
                write!(f, "`{}`, {}, is new", field.name, field.field_type)
            }
            Change::Removed { field } => write!(f, "`{}` is gone", field.name),
            Change::Renamed { from, to } => {
                write!(
                    f,
                    "`{}` is gone; `{}`, which is new, may be what it is called now",
                    from.name, to.name
                )
            }
            Change::Retyped { field, from, to } => {
                write!(f, "`{field}` was {from} and is {to} now")
            }
            Change::Items {
                field,
                added,
                removed,
            } => {
                write!(f, "`{field}` has other items:")?;
                let both = [("new", added), ("gone", removed)];
                let said = both.into_iter().filter(|(_, items)| !items.is_empty());
                for (i, (word, items)) in said.enumerate() {
                    write!(
                        f,
                        "{} {word} `{}`",
                        if i > 0 { "," } else { "" },
                        items.join("`, `")
                    )?;
                }
                Ok(())
            }
        }
    }
}

fn items(field_type: &FieldType) -> Option<&[String]> {
    match field_type {
        FieldType::Picklist(items) | FieldType::MultiPicklist(items) => Some(items),
        _ => None,
    }
}

fn is_multi(field_type: &FieldType) -> bool {
    matches!(field_type, FieldType::MultiPicklist(_))
}

/// Whether a new field may be an old one under another name: of its type, and with the same letters and digits, or nearly so.
fn resembles(old: &Field, new: &Field) -> bool {
    let core = |name: &str| -> Vec<char> {
        let letters = name.chars().filter(|c| c.is_alphanumeric());
        letters.flat_map(char::to_lowercase).collect()
    };
    let (a, b) = (core(&old.name), core(&new.name));
    let longest = a.len().max(b.len());
    old.field_type == new.field_type && edits(&a, &b) * 3 <= longest
}

/// The least number of characters to put in, take out or change to make one of the other.
fn edits(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (y, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let changed = diagonal + usize::from(x != y);
            diagonal = *cell;
            left = changed.min(diagonal + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn the_distance_of_two_names() {
        let distance = |a: &str, b: &str| {
            let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
            assert_eq!(edits(&a, &b), edits(&b, &a));
            edits(&a, &b)
        };
        assert_eq!(distance("", ""), 0);
        assert_eq!(distance("mail", ""), 4);
        assert_eq!(distance("mail", "email"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("abc", "cab"), 2);
    }

    #[test]
    fn what_looks_renamed() {
        let field = |name: &str| Field::new(name, FieldType::Text);
        let looks = |old, new| resembles(&field(old), &field(new));
        assert!(looks("First Name", "first_name"));
        assert!(looks("e-mail", "Email"));
        assert!(looks("account_id", "accountid2"));
        assert!(!looks("name", "seats"));
        assert!(
            !looks("id", "ip"),
            "one letter of two is not nearly the same"
        );
        let other = Field::new("first_name", FieldType::Email);
        assert!(!resembles(&field("First Name"), &other));
    }
}
