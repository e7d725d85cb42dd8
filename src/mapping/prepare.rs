//! Filter and formulas over a batch: a job has them for all its destinations, a mapping for its own.

use std::sync::Arc;

use arrow_array::{BooleanArray, RecordBatch};

use crate::Result;
use crate::error::Problem;
use crate::expr::{Filter, Formula};
use crate::record::{Batch, Field, Refusal, Reject, Schema};
use crate::spec::{Expr, FormulaSpec};

/// A compiled filter with compiled formulas.
#[derive(Debug)]
pub(crate) struct Preparation {
    filter: Option<Filter>,
    formulas: Vec<(Field, Formula)>,
    /// The fields that came in, with the formulas behind them.
    schema: Schema,
    /// The formulas that could not be made.
    broken: Vec<String>,
}

/// A batch with its formulas, without what was filtered out or refused.
pub(crate) struct Prepared {
    pub(crate) batch: Batch,
    pub(crate) filtered: u64,
}

impl Preparation {
    /// What can be compiled of a filter and formulas, and what is wrong with the rest. That it lacks one of the `broken`
    /// formulas, made for the source before, is told already.
    pub(crate) fn compile(
        source: &Schema,
        broken: &[String],
        filter: Option<&Expr>,
        formulas: &[FormulaSpec],
        path: &str,
    ) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut preparation = Preparation {
            filter: None,
            formulas: Vec::new(),
            schema: source.clone(),
            broken: broken.to_vec(),
        };
        let filter = filter.map(|filter| {
            Filter::compile_without(filter, source, broken, &format!("{path}.filter"))
        });
        match filter {
            Some(Ok(filter)) => preparation.filter = Some(filter),
            Some(Err(found)) => problems.extend(found),
            None => {}
        }
        for (i, spec) in formulas.iter().enumerate() {
            let path = format!("{path}.formulas[{i}]");
            if preparation.schema.field(&spec.name).is_some() {
                let message = format!(
                    "there is a field `{}` already; choose another name",
                    spec.name
                );
                problems.push(Problem::new(format!("{path}.name"), message));
                continue;
            }
            let (schema, broken) = (&preparation.schema, &preparation.broken);
            let path = format!("{path}.value");
            match Formula::compile_without(&spec.value, schema, broken, &path) {
                Ok(formula) => {
                    let field = Field::new(&spec.name, formula.field_type().clone());
                    let fields =
                        [preparation.schema.fields(), std::slice::from_ref(&field)].concat();
                    preparation.schema = Schema::new(fields);
                    preparation.formulas.push((field, formula));
                }
                Err(found) => {
                    problems.extend(found);
                    preparation.broken.push(spec.name.clone());
                }
            }
        }
        (preparation, problems)
    }

    /// The fields that came in, with the formulas behind them.
    pub(crate) fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The formulas that could not be made, those of the source included: that someone misses one is no second mistake.
    pub(crate) fn broken(&self) -> &[String] {
        &self.broken
    }

    /// Whether it leaves every batch as it is.
    pub(crate) fn is_empty(&self) -> bool {
        self.filter.is_none() && self.formulas.is_empty()
    }

    /// The fields that the filter reads, if there is one.
    pub(super) fn filter_fields(&self) -> Option<Vec<&str>> {
        self.filter.as_ref().map(|filter| filter.fields().collect())
    }

    /// The formulas, each with the fields that it reads.
    pub(super) fn formulas(&self) -> impl Iterator<Item = (&Field, Vec<&str>)> {
        self.formulas
            .iter()
            .map(|(field, formula)| (field, formula.fields().collect()))
    }

    /// The fields that filter and formulas read, formulas among them.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &str> {
        let filter = self.filter.iter().flat_map(Filter::fields);
        filter.chain(
            self.formulas
                .iter()
                .flat_map(|(_, formula)| formula.fields()),
        )
    }

    /// Filters first; then each formula, which rows that an earlier one refused do not reach.
    pub(crate) fn apply(&self, batch: Batch) -> Result<Prepared> {
        self.apply_if(batch, true)
    }

    /// The same; a filter says nothing about records that are gone.
    pub(crate) fn apply_if(&self, mut batch: Batch, filters: bool) -> Result<Prepared> {
        let mut filtered = 0;
        if let Some(filter) = self.filter.as_ref().filter(|_| filters) {
            let (keep, mut refused) = filter.evaluate(&batch.records)?;
            for (_, refusal) in &mut refused {
                refusal.message = format!("the filter: {}", refusal.message).into();
            }
            let left = batch.len() - refused.len();
            batch = without(batch, keep, refused)?;
            filtered = (left - batch.len()) as u64;
        }
        for (field, formula) in &self.formulas {
            let value = formula.evaluate(&batch.records)?;
            batch.records = with_column(&batch.records, field, value.column)?;
            if !value.refused.is_empty() {
                let keep = BooleanArray::from(vec![true; batch.len()]);
                let of_formula = |(row, refusal): (u32, Refusal)| (row, refusal.of(&field.name));
                batch = without(
                    batch,
                    keep,
                    value.refused.into_iter().map(of_formula).collect(),
                )?;
            }
        }
        Ok(Prepared { batch, filtered })
    }
}

/// The rows to keep; refused rows go to the batch's rejects, in source order.
fn without(mut batch: Batch, keep: BooleanArray, refused: Vec<(u32, Refusal)>) -> Result<Batch> {
    if refused.is_empty() {
        return batch.filter(&keep);
    }
    let mut kept: Vec<bool> = keep.iter().map(|keep| keep == Some(true)).collect();
    for (row, refusal) in refused {
        let row = row as usize;
        kept[row] = false;
        batch.rejects.push(Reject::new(
            batch.origins.position(row),
            refusal,
            batch.origins.raw(row),
        ));
    }
    batch.rejects.sort_by_key(|reject| reject.position.record);
    batch.filter(&BooleanArray::from(kept))
}

fn with_column(
    records: &RecordBatch,
    field: &Field,
    column: arrow_array::ArrayRef,
) -> Result<RecordBatch> {
    let mut fields = records.schema().fields().to_vec();
    fields.push(Arc::new(arrow_schema::Field::new(
        &field.name,
        field.field_type.data_type(),
        true,
    )));
    let mut columns = records.columns().to_vec();
    columns.push(column);
    Ok(RecordBatch::try_new(
        Arc::new(arrow_schema::Schema::new(fields)),
        columns,
    )?)
}
