//! From a block of text to typed columns, one column after the other.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::builder::{BooleanBufferBuilder, StringViewBuilder};
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float64Type, Int64Type,
    TimestampMicrosecondType,
};
use arrow_array::{
    ArrayRef, BooleanArray, PrimitiveArray, RecordBatch, RecordBatchOptions, StringViewArray,
};
use arrow_buffer::NullBuffer;
use arrow_schema::SchemaRef;
use hashbrown::HashSet;

use super::block::Block;
use super::cursor::cursor;
use super::dialect::Cell;
use crate::Result;
use crate::record::notation::Notation;
use crate::record::{Batch, FieldType, Origins, Reason, Refusal, Reject, parse};

/// What a read wants of each block.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) wanted: Vec<Wanted>,
    /// Of the batches.
    pub(super) schema: SchemaRef,
    pub(super) batch_rows: usize,
}

/// A column that is wanted.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) name: String,
    /// Its number in the file.
    pub(super) column: usize,
    /// `None`: as text, unparsed.
    pub(super) field_type: Option<FieldType>,
    /// How its values are written, if not in the usual form.
    notation: Option<Notation>,
    /// Of a picklist, so that a cell costs the same in a list of any length.
    items: HashSet<String, foldhash::fast::RandomState>,
}

impl Wanted {
    pub(super) fn new(name: String, column: usize, field_type: Option<FieldType>) -> Self {
        let items = match &field_type {
            Some(FieldType::Picklist(items)) => items.iter().cloned().collect(),
            _ => HashSet::default(),
        };
        Wanted {
            name,
            column,
            field_type,
            notation: None,
            items,
        }
    }

    /// The same, with values that are written like this.
    pub(super) fn with_notation(mut self, notation: Option<Notation>) -> Self {
        self.notation = notation;
        self
    }

    fn is_text(&self) -> bool {
        self.field_type.as_ref().is_none_or(FieldType::is_textual)
    }
}

/// The batches of a block. The bytes of the file from `begin` up to the block's end count as theirs.
pub(super) fn decode(block: &Arc<Block>, plan: &Plan, begin: u64) -> Result<Vec<Batch>> {
    let index = &block.index;
    // Text is checked once for all cells. If some byte of the block is no UTF-8, each cell is.
    let text = match plan.wanted.iter().any(Wanted::is_text) {
        true => simdutf8::basic::from_utf8(&block.bytes).ok(),
        false => None,
    };
    let rows = index.records.len();
    // Batches of about one size: a small rest costs nearly as much as a large batch.
    let count = rows.div_ceil(plan.batch_rows).max(1);
    let batch_rows = rows.div_ceil(count);
    let mut batches = Vec::with_capacity(count);
    let mut refused = index.refused.as_slice();
    let mut behind = begin;
    let mut first = 0usize;
    loop {
        let last = rows.min(first.saturating_add(batch_rows));
        let end = match index.records.get(last) {
            Some(&record) => index.place(record),
            None => index.next,
        };
        let here =
            refused.partition_point(|refused| index.place(refused.record).record < end.record);
        let (scanned, rest) = refused.split_at(here);
        refused = rest;
        let rejects = scanned.iter().map(|r| block.reject_refused(r)).collect();
        let stretch = Stretch {
            block,
            plan,
            text,
            rows: first..last,
        };
        let mut batch = stretch.decode(rejects)?;
        if end.byte >= index.settled {
            batch = batch.with_resume(cursor(end));
        }
        batch.bytes_read = end.byte - behind;
        behind = end.byte;
        batches.push(batch);
        first = last;
        if first == rows {
            return Ok(batches);
        }
    }
}

/// The records of one batch.
struct Stretch<'a> {
    block: &'a Arc<Block>,
    plan: &'a Plan,
    /// The block's bytes, if they are UTF-8 and any text is wanted.
    text: Option<&'a str>,
    rows: Range<usize>,
}

/// Cells that are no value of their type: row in the stretch, number in [`Plan::wanted`].
type BadCells = Vec<(usize, usize)>;

impl Stretch<'_> {
    fn decode(&self, mut rejects: Vec<Reject>) -> Result<Batch> {
        let mut bad = BadCells::new();
        let columns = (0..)
            .zip(&self.plan.wanted)
            .map(|(number, wanted)| self.column(wanted, |row| bad.push((row, number))))
            .collect::<Result<Vec<ArrayRef>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows.len()));
        let schema = Arc::clone(&self.plan.schema);
        let mut records = RecordBatch::try_new_with_options(schema, columns, &options)?;
        let index = &self.block.index;
        let taken = index.records.get(self.rows.clone()).unwrap_or_default();
        let mut numbers: Vec<u32> = taken.iter().map(|record| record.number).collect();
        if !bad.is_empty() {
            bad.sort_unstable();
            let mut good = vec![true; numbers.len()];
            for cells in bad.chunk_by(|a, b| a.0 == b.0) {
                let Some((row, _)) = cells.first() else {
                    continue;
                };
                if let (Some(good), Some(&record)) = (good.get_mut(*row), taken.get(*row)) {
                    *good = false;
                    let refusal = self.refusal(cells);
                    let row = self.rows.start + row;
                    rejects.push(self.block.reject(row, record, refusal));
                }
            }
            rejects.sort_by_key(|reject| reject.position.record);
            let mut keep = good.iter();
            numbers.retain(|_| keep.next().copied().unwrap_or(false));
            records = arrow_select::filter::filter_record_batch(&records, &good.into())?;
        }
        let source = Arc::clone(self.block);
        let origins = Origins::new(source, index.first.record, numbers);
        Ok(Batch::new(records, origins).with_rejects(rejects))
    }

    /// A column of the stretch, null where `bad` is told of a cell.
    fn column(&self, wanted: &Wanted, bad: impl FnMut(usize)) -> Result<ArrayRef> {
        let column = wanted.column;
        let Some(field_type) = &wanted.field_type else {
            return Ok(Arc::new(self.text(column, bad, |_| true)));
        };
        if let Some(notation) = &wanted.notation {
            return self.noted(notation, column, bad);
        }
        Ok(match field_type {
            FieldType::Integer => Arc::new(self.numbers::<Int64Type>(column, bad, parse::integer)),
            FieldType::Decimal { precision, scale }
            | FieldType::Currency { precision, scale }
            | FieldType::Percent { precision, scale } => Arc::new(
                self.numbers::<Decimal128Type>(column, bad, |cell| {
                    parse::decimal(cell, *precision, *scale)
                })
                .with_precision_and_scale(*precision, *scale as i8)?,
            ),
            FieldType::Float => Arc::new(self.numbers::<Float64Type>(column, bad, parse::float)),
            FieldType::Boolean => Arc::new(self.booleans(column, bad, parse::boolean)),
            FieldType::Date => Arc::new(self.numbers::<Date32Type>(column, bad, parse::date)),
            FieldType::DateTime => Arc::new(
                self.numbers::<TimestampMicrosecondType>(column, bad, parse::datetime)
                    .with_timezone("UTC"),
            ),
            FieldType::LocalDateTime => Arc::new(self.numbers::<TimestampMicrosecondType>(
                column,
                bad,
                parse::local_datetime,
            )),
            FieldType::Text => Arc::new(self.text(column, bad, |_| true)),
            FieldType::Picklist(_) => {
                Arc::new(self.text(column, bad, |text| wanted.items.contains(text)))
            }
            textual => Arc::new(self.text(column, bad, |text| parse::is_textual(textual, text))),
        })
    }

    /// As [`column`](Self::column), of values that are written in their own way.
    fn noted(
        &self,
        notation: &Notation,
        column: usize,
        bad: impl FnMut(usize),
    ) -> Result<ArrayRef> {
        Ok(match notation.field_type() {
            FieldType::Integer => {
                Arc::new(self.numbers::<Int64Type>(column, bad, |cell| notation.integer(cell)))
            }
            FieldType::Float => {
                Arc::new(self.numbers::<Float64Type>(column, bad, |cell| notation.float(cell)))
            }
            FieldType::Boolean => {
                Arc::new(self.booleans(column, bad, |cell| notation.boolean(cell)))
            }
            FieldType::Date => {
                Arc::new(self.numbers::<Date32Type>(column, bad, |cell| notation.date(cell)))
            }
            FieldType::DateTime => Arc::new(
                self.numbers::<TimestampMicrosecondType>(column, bad, |cell| {
                    notation.datetime(cell)
                })
                .with_timezone("UTC"),
            ),
            FieldType::LocalDateTime => Arc::new(self.numbers::<TimestampMicrosecondType>(
                column,
                bad,
                |cell| notation.local_datetime(cell),
            )),
            other => {
                let (precision, scale) = other.decimal().unwrap_or_default();
                Arc::new(
                    self.numbers::<Decimal128Type>(column, bad, |cell| notation.decimal(cell))
                        .with_precision_and_scale(precision, scale as i8)?,
                )
            }
        })
    }

    #[inline(always)]
    fn cells(&self, column: usize) -> impl Iterator<Item = (usize, Cell)> {
        // `enumerate` keeps this a loop of the inside, which `zip` would not.
        self.block.column(self.rows.clone(), column).enumerate()
    }

    /// Gives each cell of a column to `take`, with its row in the stretch; `None` is null.
    #[inline(always)]
    fn each(&self, column: usize, mut take: impl FnMut(usize, Option<&[u8]>)) {
        let mut unescaped = Vec::new();
        let bytes = self.block.bytes.as_slice();
        self.cells(column).for_each(|(row, cell)| match cell {
            Cell::Null => take(row, None),
            Cell::Plain(range) => take(row, Some(bytes.get(range).unwrap_or_default())),
            Cell::Escaped(range) => {
                unescaped.clear();
                let cell = bytes.get(range).unwrap_or_default();
                self.block.file.dialect.unescape(cell, &mut unescaped);
                take(row, Some(&unescaped));
            }
        });
    }

    /// The values of a column, each by `parse`, and which are null.
    #[inline(always)]
    fn values<V: Copy + Default>(
        &self,
        column: usize,
        mut bad: impl FnMut(usize),
        parse: impl Fn(&[u8]) -> Option<V>,
    ) -> (Vec<V>, Option<NullBuffer>) {
        let mut values = Vec::with_capacity(self.rows.len());
        let mut nulls = Vec::new();
        self.each(column, |row, cell| {
            let value = cell.and_then(&parse);
            if value.is_none() {
                nulls.push(row);
                if cell.is_some() {
                    bad(row);
                }
            }
            values.push(value.unwrap_or_default());
        });
        // Most columns have no nulls, and then there is no buffer either.
        let nulls = (!nulls.is_empty()).then(|| {
            let mut valid = BooleanBufferBuilder::new(values.len());
            valid.append_n(values.len(), true);
            for row in nulls {
                valid.set_bit(row, false);
            }
            NullBuffer::new(valid.finish())
        });
        (values, nulls)
    }

    fn numbers<T: ArrowPrimitiveType>(
        &self,
        column: usize,
        bad: impl FnMut(usize),
        parse: impl Fn(&[u8]) -> Option<T::Native>,
    ) -> PrimitiveArray<T> {
        let (values, nulls) = self.values(column, bad, parse);
        PrimitiveArray::new(values.into(), nulls)
    }

    fn booleans(
        &self,
        column: usize,
        bad: impl FnMut(usize),
        parse: impl Fn(&[u8]) -> Option<bool>,
    ) -> BooleanArray {
        let (values, nulls) = self.values(column, bad, parse);
        BooleanArray::new(values.into(), nulls)
    }

    /// Text is copied, so that a batch that is kept does not keep its block.
    fn text(
        &self,
        column: usize,
        mut bad: impl FnMut(usize),
        is_good: impl Fn(&str) -> bool,
    ) -> StringViewArray {
        let mut builder = StringViewBuilder::with_capacity(self.rows.len())
            .with_fixed_block_size(self.text_bytes(column));
        let mut unescaped = Vec::new();
        self.cells(column).for_each(|(row, cell)| {
            let text = match cell {
                Cell::Null => return builder.append_null(),
                Cell::Plain(range) => match self.text {
                    Some(text) => text.get(range),
                    None => self.utf8(range),
                },
                Cell::Escaped(range) => {
                    unescaped.clear();
                    let cell = self.block.bytes.get(range).unwrap_or_default();
                    self.block.file.dialect.unescape(cell, &mut unescaped);
                    std::str::from_utf8(&unescaped).ok()
                }
            };
            match text {
                Some(text) if is_good(text) => builder.append_value(text),
                _ => {
                    bad(row);
                    builder.append_null();
                }
            }
        });
        builder.finish()
    }

    fn utf8(&self, range: Range<usize>) -> Option<&str> {
        std::str::from_utf8(self.block.bytes.get(range)?).ok()
    }

    /// Room for the column's text that does not fit its view, so that it has one buffer.
    fn text_bytes(&self, column: usize) -> u32 {
        let fields = self.block.index.fields(self.rows.clone(), column);
        let lengths = fields.map(|(start, end)| end - start);
        let total: usize = lengths.filter(|&length| length > 12).sum();
        u32::try_from(total).unwrap_or(u32::MAX).max(1)
    }

    /// Why a record with these bad cells, in the order wanted, is refused.
    fn refusal(&self, cells: &[(usize, usize)]) -> Refusal {
        let mut wanted = cells
            .iter()
            .filter_map(|&(row, number)| Some((row, self.plan.wanted.get(number)?)));
        let Some((row, first)) = wanted.next() else {
            return Refusal::new(Reason::BadValue, "a value is bad");
        };
        let others: Vec<String> = wanted
            .map(|(_, other)| format!("`{}`", other.name))
            .collect();
        let cell = self.block.text(self.rows.start + row, first.column);
        let cell = cell.as_deref().unwrap_or_default();
        let (reason, mut message) = match (&first.field_type, std::str::from_utf8(cell)) {
            (Some(field_type), Ok(text)) => {
                let message = match &first.notation {
                    Some(notation) => notation.refusal(cell),
                    None => {
                        let advice = match looks_formatted(field_type, text) {
                            true => "; if it is written in another way, say so in the column's `format`",
                            false => "",
                        };
                        format!("expected {}{advice}", parse::expected(field_type))
                    }
                };
                (Reason::BadValue, message)
            }
            _ => (
                Reason::BadEncoding,
                "holds bytes that mean nothing in the file's encoding; correct them, or the format's `encoding`".to_owned(),
            ),
        };
        if !others.is_empty() {
            message = format!("{message}; also bad: {}", others.join(", "));
        }
        Refusal::new(reason, message).of(&first.name)
    }
}

/// Whether a text that is no value of a type may be one that is written in another way: `03/04/2025`, `1.234,5`, `yes`.
fn looks_formatted(field_type: &FieldType, text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    match field_type {
        FieldType::Boolean => true,
        FieldType::Date | FieldType::DateTime | FieldType::LocalDateTime => digits >= 4,
        FieldType::Integer
        | FieldType::Float
        | FieldType::Decimal { .. }
        | FieldType::Currency { .. }
        | FieldType::Percent { .. } => {
            let is_of_number = |c: char| c.is_ascii_digit() || !c.is_alphanumeric();
            digits > 0 && text.contains(is_mark) && text.chars().all(is_of_number)
        }
        _ => false,
    }
}

fn is_mark(character: char) -> bool {
    matches!(character, ',' | '.' | '\'' | ' ' | '\u{A0}' | '\u{202F}')
}
