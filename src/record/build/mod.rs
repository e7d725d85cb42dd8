//! Batches for those who think in rows.

mod cell;
mod finite;
mod serialize;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use serde::Serialize;
use serde_json::{Map, Value};

use self::cell::{Cell, Column};
use super::{Batch, Field, Reason, Refusal, RowsAsRead, Schema, parse};
use crate::Result;

/// Makes record batches out of rows.
///
/// A row is a JSON object or any struct or map that serializes like one. A key that is missing is null, and so is
/// JSON's null. The types read:
/// - any type of field a **text**, exactly as from a file: `"12.50"`, `"2025-01-31"`, `"2025-01-31T12:34:56Z"`;
///   days and times have no other form
/// - integer, float and the decimals a **number** that has an equal value there: a number with a point goes by
///   its text, so 0.1 is the decimal 0.1; what has too many digits is refused, not rounded
/// - boolean **true** and **false**
/// - multi_picklist also a **list** of its items, in any order
/// - json **any** value, which becomes the document (a text becomes a JSON string)
///
/// A row with a wrong value, an unknown key or a key given twice is refused as a whole with
/// [`Reason::BadValue`], which names the field: nothing of it is kept and the builder goes on. Whether required
/// fields are there is asked where records are written.
///
/// ```
/// use syncline::record::{Field, FieldType, RecordBuilder, Schema};
///
/// #[derive(serde::Serialize)]
/// struct Account<'a> { name: &'a str, seats: Option<u32>, mrr: &'a str }
///
/// let schema = Schema::new(vec![
///     Field::new("name", FieldType::Text),
///     Field::new("seats", FieldType::Integer),
///     Field::new("mrr", FieldType::Currency { precision: 12, scale: 2 }),
/// ]);
/// let mut accounts = RecordBuilder::new(&schema);
/// accounts.push(&Account { name: "Initech", seats: Some(12), mrr: "99.50" }).unwrap();
/// accounts.push(&serde_json::json!({ "name": "Hooli", "mrr": 120 })).unwrap();
///
/// let refusal = accounts.push(&Account { name: "Acme", seats: None, mrr: "99.505" }).unwrap_err();
/// assert_eq!(refusal.field.as_deref(), Some("mrr"));
///
/// let batch = accounts.finish_batch("accounts", 0)?;
/// assert_eq!(batch.len(), 2);
/// assert_eq!(batch.origins.position(1).to_string(), "accounts#1");
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Debug)]
pub struct RecordBuilder {
    schema: Schema,
    columns: Vec<Column>,
    /// The row at hand: `None` is a key that was not given.
    row: Vec<Option<Cell>>,
    rows: usize,
}

impl RecordBuilder {
    /// A builder of batches of this schema.
    pub fn new(schema: &Schema) -> Self {
        let fields = schema.fields();
        RecordBuilder {
            schema: schema.clone(),
            columns: fields
                .iter()
                .map(|field| Column::new(&field.field_type))
                .collect(),
            row: fields.iter().map(|_| None).collect(),
            rows: 0,
        }
    }

    /// Number of rows since the last batch.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are no rows since the last batch.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Adds a row that serializes as a struct or a map with texts as keys.
    ///
    /// # Errors
    /// The refusal of this row.
    pub fn push<T: Serialize + ?Sized>(&mut self, row: &T) -> Result<(), Refusal> {
        self.row_of(|builder| serialize::row(row, builder))
    }

    /// Adds a row; as [`push`](Self::push), and a number of a `serde_json` with arbitrary precision keeps all
    /// its digits.
    ///
    /// # Errors
    /// The refusal of this row.
    pub fn push_map(&mut self, row: &Map<String, Value>) -> Result<(), Refusal> {
        self.row_of(|builder| {
            let mut place = 0;
            for (key, value) in row {
                builder.set(key, &mut place, |field| {
                    cell::of_json(value, &field.field_type)
                })?;
            }
            Ok(())
        })
    }

    /// The rows since the last batch; the builder is empty again.
    ///
    /// # Errors
    /// [`Contract`](crate::ErrorKind::Contract) if the schema is none that a batch can have (a decimal of
    /// more than 38 digits).
    pub fn finish(&mut self) -> Result<RecordBatch> {
        let columns = (self.columns.iter_mut().zip(self.schema.fields()))
            .map(|(column, field)| column.finish(&field.field_type))
            .collect::<Result<Vec<ArrayRef>>>()?;
        let rows = std::mem::take(&mut self.rows);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::clone(self.schema.arrow());
        Ok(RecordBatch::try_new_with_options(
            schema, columns, &options,
        )?)
    }

    /// The rows since the last batch, as records of `source` that begin at number `first_record`; each
    /// row is its own origin ([`RowsAsRead`]). The builder is empty again.
    ///
    /// Records that were refused do not count here: a source that rejects them must say so in the numbers.
    ///
    /// # Errors
    /// As [`finish`](Self::finish).
    pub fn finish_batch(&mut self, source: &str, first_record: u64) -> Result<Batch> {
        let records = self.finish()?;
        let origins = RowsAsRead::new(source, first_record, records.clone()).into_origins();
        Ok(Batch::new(records, origins))
    }

    /// Reads a row, and keeps it only as a whole.
    fn row_of(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        self.row.iter_mut().for_each(|cell| *cell = None);
        read(self)?;
        for (column, cell) in self.columns.iter_mut().zip(&mut self.row) {
            column.append(cell.take().unwrap_or(Cell::Null));
        }
        self.rows += 1;
        Ok(())
    }

    /// Sets a cell of the row at hand. `place` is where the key is looked for first: rows mostly have
    /// their keys in the schema's order.
    fn set(
        &mut self,
        key: &str,
        place: &mut usize,
        read: impl FnOnce(&Field) -> Option<Cell>,
    ) -> Result<(), Refusal> {
        let fields = self.schema.fields();
        let bad = |message| Refusal::new(Reason::BadValue, message).of(key);
        let here = fields.get(*place).is_some_and(|field| field.name == key);
        let index = if here {
            Some(*place)
        } else {
            self.schema.index_of(key)
        };
        let known =
            index.and_then(|index| Some((index, fields.get(index)?, self.row.get_mut(index)?)));
        let Some((index, field, cell)) = known else {
            return Err(bad("the schema has no field of this name".to_owned()));
        };
        if cell.is_some() {
            return Err(bad("the field is given twice".to_owned()));
        }
        *cell = Some(read(field).ok_or_else(|| {
            bad(format!(
                "the value must be {}",
                parse::expected(&field.field_type)
            ))
        })?);
        *place = index + 1;
        Ok(())
    }
}
