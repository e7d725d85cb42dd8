//! Lookups of a batch: keys out, values and policies in.

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};

use crate::host::Context;
use crate::lookup::{Lookup, LookupKeys, Match};
use crate::record::{Reason, Refusal};
use crate::spec::{Dangling, EmptyKey, MultiMatch, NoMatch};
use crate::{Error, Result};

use super::apply::{LookupState, Refused, column};
use super::plan::{FieldPlan, KeyPlan, LookupPlan, SelfLookupPlan};

/// The column of a direct lookup, with what it came to for each row.
pub(super) struct Resolved {
    pub(super) column: ArrayRef,
    pub(super) states: Vec<LookupState>,
}

/// Key columns in the types of the fields they are compared with, and the rows with a value that no
/// such field can hold: nothing can match them.
struct Keys {
    keys: LookupKeys,
    hopeless: Vec<u32>,
}

fn keys(plans: &[KeyPlan], records: &RecordBatch) -> Result<Keys> {
    let mut keys = Keys {
        keys: LookupKeys::new(Vec::with_capacity(plans.len())),
        hopeless: Vec::new(),
    };
    for plan in plans {
        let converted = plan.convert.convert(column(records, &plan.source.name)?)?;
        keys.keys.columns.push(converted.column);
        keys.hopeless.extend(converted.invalid);
    }
    Ok(keys)
}

pub(super) async fn lookup(
    context: &Context,
    plan: &LookupPlan,
    field: &FieldPlan,
    lookup: &dyn Lookup,
    records: &RecordBatch,
    refused: &mut Refused,
) -> Result<Resolved> {
    let Keys { keys, hopeless } = keys(&plan.keys, records)?;
    let rows = records.num_rows();
    let mut matches = lookup.resolve(context, keys).await?;
    if matches.found.len() != rows || matches.values.len() != rows {
        return Err(
            Error::contract("a lookup must answer for every key").with("object", &field.field.name)
        );
    }
    for row in hopeless {
        matches.found[row as usize] = Match::None;
    }

    // The column as found, then three kinds of rows that the policies change.
    let (mut nulls, mut defaults) = (Vec::new(), Vec::new());
    let mut states = Vec::with_capacity(rows);
    for (row, found) in (0u32..).zip(&matches.found) {
        let missing = match found {
            Match::One => {
                states.push(LookupState::Resolved);
                continue;
            }
            Match::Many => {
                states.push(LookupState::Ambiguous);
                match plan.multi_match {
                    MultiMatch::Any | MultiMatch::First { .. } => {}
                    MultiMatch::Null => nulls.push(row),
                    MultiMatch::Reject => {
                        refused.add(row, || several(&plan.keys).of(&field.field.name))
                    }
                }
                continue;
            }
            Match::None => {
                states.push(LookupState::Unresolved);
                true
            }
            Match::Empty => {
                states.push(LookupState::Empty);
                match plan.empty {
                    EmptyKey::Null => false,
                    EmptyKey::NoMatch => true,
                    EmptyKey::Reject => {
                        refused.add(row, || empty(&plan.keys).of(&field.field.name));
                        false
                    }
                }
            }
        };
        match plan.no_match {
            NoMatch::Default if missing => defaults.push(row),
            NoMatch::Reject if missing => {
                refused.add(row, || none(&plan.keys).of(&field.field.name))
            }
            _ => nulls.push(row),
        }
    }

    let converted = plan.convert.convert(&without(matches.values, &nulls)?)?;
    for row in converted.invalid {
        refused.add(row, || {
            let to = plan.convert.to();
            Refusal::new(
                Reason::BadValue,
                format!(
                    "the `{}` that was found does not convert to {to}",
                    plan.fetch.name
                ),
            )
            .of(&field.field.name)
        });
    }
    let mut column = converted.column;
    if let (Some(default), false) = (&field.default, defaults.is_empty()) {
        column = default.value.put(&column, defaults)?;
    }
    Ok(Resolved { column, states })
}

/// The keys of a self lookup, with what is known of it before any row is written.
pub(super) struct SelfKeys {
    pub(super) keys: LookupKeys,
    pub(super) states: Vec<LookupState>,
}

pub(super) fn self_keys(
    plan: &SelfLookupPlan,
    records: &RecordBatch,
    refused: &mut Refused,
) -> Result<SelfKeys> {
    let Keys { keys, hopeless } = keys(&plan.keys, records)?;
    let mut states = vec![LookupState::Pending; records.num_rows()];
    for (row, state) in states.iter_mut().enumerate() {
        if keys.columns.iter().any(|column| column.is_null(row)) {
            *state = match plan.empty {
                EmptyKey::NoMatch => LookupState::Unresolved,
                EmptyKey::Null | EmptyKey::Reject => LookupState::Empty,
            };
        }
    }
    // Their keys are null by now, but they were not read so: no record can have them.
    for row in hopeless {
        states[row as usize] = LookupState::Unresolved;
    }
    for (row, state) in (0u32..).zip(&states) {
        match state {
            LookupState::Empty if plan.empty == EmptyKey::Reject => {
                refused.add(row, || empty(&plan.keys).of(&plan.field.name));
            }
            LookupState::Unresolved if plan.dangling == Dangling::Reject => {
                refused.add(row, || none(&plan.keys).of(&plan.field.name));
            }
            _ => {}
        }
    }
    Ok(SelfKeys { keys, states })
}

impl SelfLookupPlan {
    /// Why a row whose key no record has is refused.
    pub fn no_match(&self) -> Refusal {
        none(&self.keys).of(&self.field.name)
    }

    /// Why a row whose key several records have is refused.
    pub fn several_match(&self) -> Refusal {
        several(&self.keys).of(&self.field.name)
    }
}

/// The column with null in these rows.
fn without(column: ArrayRef, rows: &[u32]) -> Result<ArrayRef> {
    if rows.iter().all(|&row| column.is_null(row as usize)) {
        return Ok(column);
    }
    let mut hide = vec![false; column.len()];
    rows.iter().for_each(|&row| hide[row as usize] = true);
    Ok(arrow_select::nullif::nullif(
        &column,
        &BooleanArray::from(hide),
    )?)
}

fn sources(keys: &[KeyPlan]) -> String {
    keys.iter()
        .map(|key| key.source.name.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

fn none(keys: &[KeyPlan]) -> Refusal {
    Refusal::new(
        Reason::NoMatch,
        format!("no record has the key in: {}", sources(keys)),
    )
}

fn several(keys: &[KeyPlan]) -> Refusal {
    Refusal::new(
        Reason::MultiMatch,
        format!("several records have the key in: {}", sources(keys)),
    )
}

fn empty(keys: &[KeyPlan]) -> Refusal {
    Refusal::new(
        Reason::EmptyKey,
        format!("the key needs a value in: {}", sources(keys)),
    )
}
