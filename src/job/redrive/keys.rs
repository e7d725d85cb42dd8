//! By what a record is known again: the canonical texts of its key.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::{Array as _, ArrayRef, RecordBatch, StringViewArray};

use crate::dataset::Dataset;
use crate::host::KeptRejects;
use crate::record::convert::Converter;
use crate::record::notation::Notation;
use crate::record::{Field, FieldType, RawRecord};
use crate::{Error, ErrorKind, Result};

/// A key as text.
pub(super) type Key = Box<[String]>;

/// Reads values of a dataset out of cells.
#[derive(Debug, Clone)]
pub(super) struct Cells {
    field: Field,
    reading: Option<Converter>,
}

impl Cells {
    /// The cells of a field.
    pub(super) fn new(dataset: &dyn Dataset, field: &Field) -> Result<Self> {
        let info = dataset.info();
        let notation = info.notations.iter().find(|(name, _)| *name == field.name);
        let notation: Option<&Notation> = notation.map(|(_, notation)| notation);
        let reading = match (notation, &field.field_type) {
            (Some(notation), _) => Some(Converter::reading(notation)),
            (None, FieldType::Text) => None,
            (None, field_type) => Some(converter(&FieldType::Text, field_type)?),
        };
        Ok(Cells {
            field: field.clone(),
            reading,
        })
    }

    /// The field's name.
    pub(super) fn name(&self) -> &str {
        &self.field.name
    }

    /// The field's type.
    pub(super) fn field_type(&self) -> &FieldType {
        &self.field.field_type
    }

    /// The texts of this field's cell, one for each record of these columns.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) if there is no such column.
    pub(super) fn texts(
        &self,
        columns: &[String],
        records: &[&[Option<bytes::Bytes>]],
    ) -> Result<ArrayRef> {
        let exact = columns.iter().position(|name| *name == self.field.name);
        // A header may be read without regard to case.
        let alike = |name: &String| name.trim().eq_ignore_ascii_case(self.field.name.trim());
        let column = exact.or_else(|| columns.iter().position(alike));
        let column = column.ok_or_else(|| no_column(&self.field.name))?;
        let cells = records.iter().map(|cells| cells.get(column)?.as_deref());
        let texts = cells.map(|cell| cell.and_then(|cell| std::str::from_utf8(cell).ok()));
        Ok(Arc::new(texts.collect::<StringViewArray>()))
    }

    /// The values of these texts, and the rows of those that are none.
    pub(super) fn values(&self, texts: &ArrayRef) -> Result<(ArrayRef, Vec<u32>)> {
        match &self.reading {
            None => Ok((Arc::clone(texts), Vec::new())),
            Some(reading) => {
                let read = reading.convert(texts)?;
                Ok((read.column, read.invalid))
            }
        }
    }
}

fn converter(from: &FieldType, to: &FieldType) -> Result<Converter> {
    Converter::new(from, to, false).map_err(|why| Error::contract(why).during("redrive"))
}

fn no_column(name: &str) -> Error {
    let message = "the records of the dataset have no such column, so it cannot be found in those that were refused";
    Error::new(ErrorKind::Unsupported, message)
        .during("redrive")
        .with("field", name)
}

/// The fields of a key.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    cells: Vec<Cells>,
    /// From a value to its canonical text.
    texts: Vec<Converter>,
}

/// The keys of refused records.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) by_position: HashMap<String, Key>,
    /// The positions of those that have none.
    pub(super) left: HashSet<String>,
}

impl Keys {
    pub(super) fn new(dataset: &dyn Dataset, names: &[String]) -> Result<Self> {
        let wrong =
            |message: &'static str| Error::new(ErrorKind::Invalid, message).during("redrive");
        if names.is_empty() {
            return Err(wrong(
                "a record is not found again without a key; name the fields that identify it in the source",
            ));
        }
        let mut cells = Vec::new();
        let mut texts = Vec::new();
        for name in names {
            let field = dataset.schema().field(name).ok_or_else(|| {
                wrong("the dataset has no such field; name one of its own").with("field", name)
            })?;
            cells.push(Cells::new(dataset, field)?);
            texts.push(converter(&field.field_type, &FieldType::Text)?);
        }
        Ok(Keys { cells, texts })
    }

    /// The names of the fields.
    pub(super) fn fields(&self) -> impl Iterator<Item = &str> {
        self.cells.iter().map(|cells| cells.field.name.as_str())
    }

    /// The keys of refused records, by the texts of their positions.
    pub(super) fn of_rejects(&self, kept: &[KeptRejects]) -> Result<Found> {
        let mut found = Found::default();
        for kept in kept {
            let mut records: Vec<&[Option<bytes::Bytes>]> = Vec::new();
            let mut positions = Vec::new();
            for reject in &kept.rejects {
                match &reject.raw {
                    RawRecord::Cells(cells) => {
                        records.push(cells);
                        positions.push(reject.position.to_string());
                    }
                    RawRecord::Unsplit { .. } => {
                        found.left.insert(reject.position.to_string());
                    }
                }
            }
            let values = self.cells.iter().map(|cells| {
                let texts = cells.texts(&kept.columns, &records)?;
                Ok(cells.values(&texts)?.0)
            });
            let keys = self.keys(&values.collect::<Result<Vec<_>>>()?)?;
            for (position, key) in positions.into_iter().zip(keys) {
                match key {
                    Some(key) => drop(found.by_position.insert(position, key)),
                    None => drop(found.left.insert(position)),
                }
            }
        }
        Ok(found)
    }

    /// The key of each row of a batch that has these columns; `None` where a part is null.
    pub(super) fn of_rows(&self, records: &RecordBatch) -> Result<Vec<Option<Key>>> {
        let column = |name: &str| {
            records.column_by_name(name).cloned().ok_or_else(|| {
                Error::contract("a batch lacks a column that was asked for").with("field", name)
            })
        };
        let values: Vec<ArrayRef> = self.fields().map(column).collect::<Result<_>>()?;
        self.keys(&values)
    }

    fn keys(&self, values: &[ArrayRef]) -> Result<Vec<Option<Key>>> {
        let rows = values.first().map_or(0, |column| column.len());
        let texts = self.texts.iter().zip(values);
        let texts = texts.map(|(text, values)| Ok(text.convert(values)?.column));
        let texts: Vec<ArrayRef> = texts.collect::<Result<_>>()?;
        let key = |row: usize| -> Option<Key> {
            let part = |column: &ArrayRef| {
                let column = column.as_string_view_opt()?;
                column.is_valid(row).then(|| column.value(row).to_owned())
            };
            texts.iter().map(part).collect()
        };
        Ok((0..rows).map(key).collect())
    }
}
