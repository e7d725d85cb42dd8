//! Applying a plan to a batch, column by column.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, new_null_array};

use crate::host::Context;
use crate::lookup::{Lookup, LookupKeys};
use crate::record::{Batch, Reason, Refusal, Reject};
use crate::{Error, Result};

use super::plan::{DefaultPlan, DirectPlan, MappingPlan, Step};
use super::resolve;

/// What a lookup came to for a row, for the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LookupState {
    /// One record matched.
    Resolved,
    /// None did.
    Unresolved,
    /// Several did, whatever the policy made of it.
    Ambiguous,
    /// A part of the key is null.
    Empty,
    /// A self lookup whose key is looked up at the end of the run.
    Pending,
}

/// A mapped batch.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Mapped {
    /// The rows in the plan's schema; rows refused in mapping have gone to its rejects.
    pub batch: Batch,
    /// How many rows the mapping's filter dropped.
    pub filtered: u64,
    /// For each [field with a lookup](MappingPlan::lookup_fields), its state for each row of `batch`.
    pub states: Vec<Vec<LookupState>>,
    /// For each [self lookup](MappingPlan::self_lookups), its keys for each row of `batch`; the field itself is null.
    pub self_keys: Vec<LookupKeys>,
}

/// A plan bound to its lookups.
#[derive(Debug, Clone)]
pub struct Mapper {
    plan: Arc<MappingPlan>,
    lookups: Vec<Arc<dyn Lookup>>,
}

impl MappingPlan {
    /// Binds the plan to its lookups, in the order of [`lookups`](Self::lookups).
    ///
    /// # Errors
    /// [`Contract`](crate::ErrorKind::Contract) if there are more or fewer of them, or one has other keys.
    pub fn bind(self: &Arc<Self>, lookups: Vec<Arc<dyn Lookup>>) -> Result<Mapper> {
        let fits = lookups.len() == self.lookups.len()
            && lookups.iter().zip(&self.lookups).all(|(lookup, request)| {
                lookup
                    .info()
                    .keys
                    .iter()
                    .map(|field| &field.name)
                    .eq(&request.keys)
                    && lookup.info().fetch.name == request.fetch
            });
        if !fits {
            return Err(Error::contract(
                "a mapping is bound to just the lookups that it asks for, in order",
            ));
        }
        Ok(Mapper {
            plan: Arc::clone(self),
            lookups,
        })
    }
}

/// The rows of a batch that are refused so far, each with its first reason.
#[derive(Debug, Default)]
pub(super) struct Refused(BTreeMap<u32, Refusal>);

impl Refused {
    /// Refuses a row, unless it is refused already.
    pub(super) fn add(&mut self, row: u32, refusal: impl FnOnce() -> Refusal) {
        self.0.entry(row).or_insert_with(refusal);
    }
}

impl Mapper {
    /// The plan.
    pub fn plan(&self) -> &MappingPlan {
        &self.plan
    }

    /// Whether mapping only computes, so that it may run on an executor's thread.
    pub fn in_memory(&self) -> bool {
        self.lookups.iter().all(|lookup| lookup.info().in_memory)
    }

    /// Bytes that the indexes of the lookups hold.
    pub fn lookup_bytes(&self) -> u64 {
        self.lookups
            .iter()
            .map(|lookup| lookup.info().memory_bytes)
            .sum()
    }

    /// Maps a batch of the dataset. Rejects that the batch brings along are not passed on.
    ///
    /// # Errors
    /// Those of the lookups; [`Contract`](crate::ErrorKind::Contract) if the batch lacks a field that the plan uses.
    pub async fn map(&self, context: &Context, batch: &Batch) -> Result<Mapped> {
        let (batch, filtered) = self.prepare(batch)?;
        let records = &batch.records;
        let mut refused = Refused::default();
        let (mut columns, mut states, mut self_keys) = (Vec::new(), Vec::new(), Vec::new());
        for field in &self.plan.fields {
            let data_type = field.field.field_type.data_type();
            columns.push(match &field.step {
                Step::Direct(plan) => direct(plan, field.default.as_ref(), records, &mut refused)?,
                Step::Constant(value) => value.repeat(batch.len())?,
                Step::Lookup(plan) => {
                    let lookup = &*self.lookups[plan.index];
                    let resolved =
                        resolve::lookup(context, plan, field, lookup, records, &mut refused)
                            .await?;
                    states.push(resolved.states);
                    resolved.column
                }
                Step::SelfLookup(plan) => {
                    let keyed = resolve::self_keys(plan, records, &mut refused)?;
                    states.push(keyed.states);
                    self_keys.push(keyed.keys);
                    new_null_array(&data_type, batch.len())
                }
            });
        }
        let schema = Arc::clone(self.plan.schema().arrow());
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(batch.len()));
        let mapped = RecordBatch::try_new_with_options(schema, columns, &options)?;
        let mut out = Batch::new(mapped, batch.origins.clone());
        out.ops = batch.ops.clone();
        out.resume = batch.resume.clone();
        let out = Mapped {
            batch: out,
            filtered,
            states,
            self_keys,
        };
        let mut out = out.without(refused)?;
        if !batch.rejects.is_empty() {
            out.batch.rejects.extend_from_slice(&batch.rejects);
            out.batch
                .rejects
                .sort_by_key(|reject| reject.position.record);
        }
        Ok(out)
    }

    /// The batch behind the mapping's own filter and formulas, with the rows that those refused as its
    /// only rejects; and how many rows the filter dropped.
    fn prepare<'a>(&self, batch: &'a Batch) -> Result<(Cow<'a, Batch>, u64)> {
        let preparation = &self.plan.preparation;
        if preparation.is_empty() && batch.rejects.is_empty() {
            return Ok((Cow::Borrowed(batch), 0));
        }
        let mut own = Batch::new(batch.records.clone(), batch.origins.clone());
        own.ops = batch.ops.clone();
        own.resume = batch.resume.clone();
        let prepared = preparation.apply(own)?;
        Ok((Cow::Owned(prepared.batch), prepared.filtered))
    }
}

impl Mapped {
    /// Moves the refused rows to the rejects.
    fn without(self, refused: Refused) -> Result<Self> {
        if refused.0.is_empty() {
            return Ok(self);
        }
        let origins = &self.batch.origins;
        let reject = |(&row, refusal): (&u32, &Refusal)| {
            let row = row as usize;
            Reject::new(origins.position(row), refusal.clone(), origins.raw(row))
        };
        let rejects = refused.0.iter().map(reject).collect();
        let mut keep = vec![true; self.batch.len()];
        for &row in refused.0.keys() {
            if let Some(keep) = keep.get_mut(row as usize) {
                *keep = false;
            }
        }
        let mut kept = self.filter(&keep.into())?;
        kept.batch.rejects = rejects;
        Ok(kept)
    }

    /// Keeps the rows where `keep` is true.
    ///
    /// # Errors
    /// [`Contract`](crate::ErrorKind::Contract) if `keep` is not as long as the batch.
    pub fn filter(self, keep: &BooleanArray) -> Result<Self> {
        let kept = |states: Vec<LookupState>| -> Vec<LookupState> {
            states
                .into_iter()
                .zip(keep.values())
                .filter_map(|(state, keep)| keep.then_some(state))
                .collect()
        };
        let keys = |keys: LookupKeys| -> Result<LookupKeys> {
            let columns = keys
                .columns
                .iter()
                .map(|column| arrow_select::filter::filter(column, keep));
            Ok(LookupKeys::new(columns.collect::<Result<_, _>>()?))
        };
        Ok(Mapped {
            batch: self.batch.filter(keep)?,
            filtered: self.filtered,
            states: self.states.into_iter().map(kept).collect(),
            self_keys: self
                .self_keys
                .into_iter()
                .map(keys)
                .collect::<Result<_>>()?,
        })
    }

    /// Part of the rows; it has no rejects and nothing filtered.
    pub fn slice(&self, offset: usize, length: usize) -> Self {
        let rows: Vec<u32> = (offset as u32..(offset + length) as u32).collect();
        let mut batch = Batch::new(
            self.batch.records.slice(offset, length),
            self.batch.origins.take(&rows),
        );
        batch.ops = self
            .batch
            .ops
            .as_ref()
            .map(|ops| ops[offset..offset + length].to_vec());
        let slice = |keys: &LookupKeys| {
            LookupKeys::new(
                keys.columns
                    .iter()
                    .map(|c| c.slice(offset, length))
                    .collect(),
            )
        };
        Mapped {
            batch,
            filtered: 0,
            states: self
                .states
                .iter()
                .map(|states| states[offset..offset + length].to_vec())
                .collect(),
            self_keys: self.self_keys.iter().map(slice).collect(),
        }
    }
}

/// The named column of a batch.
pub(super) fn column<'a>(records: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef> {
    let missing =
        || Error::contract("a batch lacks a field that the plan uses").with("field", name);
    records.column_by_name(name).ok_or_else(missing)
}

fn direct(
    plan: &DirectPlan,
    default: Option<&DefaultPlan>,
    records: &RecordBatch,
    refused: &mut Refused,
) -> Result<ArrayRef> {
    let source = column(records, &plan.source.name)?;
    let mut invalid = Vec::new();
    let parsed = match &plan.parse {
        None => Arc::clone(source),
        Some(parse) => {
            let parsed = parse.convert(source)?;
            invalid = parsed.invalid;
            parsed.column
        }
    };
    let converted = plan.convert.convert(&parsed)?;
    let mut result = converted.column;
    invalid.extend(converted.invalid);
    if let Some(default) = default {
        // Missing first: an invalid value is null in the converted column too, but not in the source.
        if let (true, Some(nulls)) = (default.when_missing, source.nulls()) {
            let missing = (0..source.len())
                .filter(|&row| nulls.is_null(row))
                .map(|row| row as u32);
            result = default.value.put(&result, missing)?;
        }
        if default.when_invalid {
            return default.value.put(&result, invalid);
        }
    }
    for row in invalid {
        refused.add(row, || {
            let to = plan.convert.to();
            let message = format!(
                "does not convert to {to}: expected {}",
                crate::record::parse::expected(to)
            );
            Refusal::new(Reason::BadValue, message).of(&plan.source.name)
        });
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use arrow_array::Int64Array;

    use super::*;
    use crate::lookup::{LookupIndexBuilder, LookupRequest};
    use crate::mapping::CompileRequest;
    use crate::record::{Field, FieldType, RowOp, RowsAsRead, Schema};
    use crate::spec::{Identity, MappingSpec, WriteMode};

    fn numbers(names: &[&str]) -> Schema {
        let field = |name: &&str| Field::new(*name, FieldType::Integer);
        Schema::new(names.iter().map(field).collect::<Vec<_>>())
    }

    #[test]
    fn a_mapping_takes_no_lookups_but_those_that_it_asks_for() {
        let objects = [("person".to_owned(), numbers(&["id", "no", "age"]))];
        let rule = r#"{"fields": [{"field": "owner", "lookup": {"object": "person", "fetch": "id",
            "keys": [{"source": "owner", "field": "no"}]}}]}"#;
        let spec: MappingSpec = serde_json::from_str(rule).unwrap();
        let rows = numbers(&["owner"]);
        let request = CompileRequest::new(&rows, "pet", &rows, &Identity::None, &WriteMode::Insert);
        let plan = MappingPlan::compile(&spec, &request.with_objects(&objects), "mapping").unwrap();
        let plan = Arc::new(plan);
        let lookup = |key: &str, fetch| -> Arc<dyn Lookup> {
            let request = LookupRequest::new("person", vec![key.into()], fetch);
            let builder = LookupIndexBuilder::new(&request, &objects[0].1, 1 << 20).unwrap();
            Arc::new(builder.finish().unwrap())
        };
        let asked = || lookup("no", "id");
        plan.bind(vec![asked()]).unwrap();
        for other in [
            vec![],
            vec![asked(), asked()],
            vec![lookup("age", "id")],
            vec![lookup("no", "age")],
        ] {
            let error = plan.bind(other).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Contract);
        }
    }

    #[test]
    fn a_slice_has_all_that_belongs_to_its_rows() {
        use LookupState::{Ambiguous, Empty, Pending, Resolved, Unresolved};
        use RowOp::{Delete, Upsert};
        let column = |rows: std::ops::Range<i64>| -> ArrayRef {
            Arc::new(Int64Array::from_iter_values(rows))
        };
        let records = RecordBatch::try_from_iter([("n", column(0..5))]).unwrap();
        let mut batch = Batch::new(
            records.clone(),
            RowsAsRead::new("rows", 0, records).into_origins(),
        );
        batch.ops = Some(vec![Upsert, Delete, Upsert, Delete, Delete]);
        let whole = Mapped {
            batch,
            filtered: 7,
            states: vec![vec![Resolved, Unresolved, Ambiguous, Empty, Pending]],
            self_keys: vec![LookupKeys::new(vec![column(0..5)])],
        };
        let part = whole.slice(1, 3);
        assert_eq!((part.batch.len(), part.filtered), (3, 0));
        assert_eq!(part.batch.records.column(0), &column(1..4));
        assert_eq!(
            (
                part.batch.origins.sequence(0),
                part.batch.origins.sequence(2)
            ),
            (1, 3)
        );
        assert_eq!(part.batch.ops.unwrap(), [Delete, Upsert, Delete]);
        assert_eq!(part.states, [[Unresolved, Ambiguous, Empty]]);
        assert_eq!(part.self_keys[0].columns, [column(1..4)]);
    }
}
