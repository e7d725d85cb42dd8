//! By what a record is known again: the canonical texts of its key.

use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::{Array as _, ArrayRef, RecordBatch, StringViewArray};

use crate::dataset::Dataset;
use crate::record::convert::Converter;
use crate::record::notation::Notation;
use crate::record::{Field, FieldType, RawRecord, Reject};
use crate::{Error, ErrorKind, Result};

use super::Entry;

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

    /// Whether the field is one of these columns.
    pub(super) fn is_in(&self, columns: &[String]) -> bool {
        place(columns, &self.field.name).is_some()
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
        let column = place(columns, &self.field.name);
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

/// Where a column of this name is. A header may be read without regard to case.
pub(super) fn place(columns: &[String], name: &str) -> Option<usize> {
    let exact = columns.iter().position(|column| column == name);
    let alike = |column: &String| column.trim().eq_ignore_ascii_case(name.trim());
    exact.or_else(|| columns.iter().position(alike))
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

    /// The keys of refused records; `None` for one that could not be split, or without a part of its key.
    pub(super) fn of_entries(&self, entries: &[Entry]) -> Result<Vec<Option<Key>>> {
        let key = |entry: &Entry| self.of_reject(&entry.columns, &entry.reject);
        entries.iter().map(key).collect()
    }

    /// The key of a refused record with these columns.
    pub(super) fn of_reject(&self, columns: &[String], reject: &Reject) -> Result<Option<Key>> {
        let RawRecord::Cells(cells) = &reject.raw else {
            return Ok(None);
        };
        let values = self.cells.iter().map(|field| {
            let texts = field.texts(columns, &[cells])?;
            Ok(field.values(&texts)?.0)
        });
        let keys = self.keys(&values.collect::<Result<Vec<_>>>()?)?;
        Ok(keys.into_iter().next().flatten())
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
