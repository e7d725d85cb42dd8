//! Compiled steps, and their evaluation over a batch.

use std::sync::Arc;

use arrow_array::builder::StringViewBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, BooleanArray, PrimitiveArray, RecordBatch, new_null_array};
use arrow_buffer::BooleanBufferBuilder;
use arrow_schema::DataType;

use super::arithmetic::{self, Number, Operation};
use super::choice::Choice;
use super::compare::{self, Comparison};
use super::kernel::Kernel;
use super::logic::{self, Decides};
use super::side::Value;
use super::text;
use crate::record::format::ColumnText;
use crate::record::{Reason, Refusal};
use crate::{Error, Result};

/// A typed step. Its operands have the types that it wants.
#[derive(Debug, Clone)]
pub(super) enum Node {
    /// The number of an [`Input`].
    Field(usize),
    /// One value for all rows, not null.
    Constant(ArrayRef),
    Compare(Comparison, Box<[Node; 2]>),
    /// `and` or `or`; at least one operand.
    Join(Decides, Vec<Node>),
    Not(Box<Node>),
    IsNull(Box<Node>),
    /// The message tells what did not fit.
    Arithmetic(Operation, Number, Box<[Node; 2]>, Arc<str>),
    Concat(Vec<Node>),
    UtcDay(Box<Node>),
    /// Null in every row.
    Null(DataType),
    Choice(Box<Choice>),
    /// A function of its operands.
    Call(Arc<dyn Kernel>, Vec<Node>),
}

/// A column that the expression reads.
#[derive(Debug, Clone)]
pub(super) struct Input {
    pub(super) name: String,
    pub(super) layout: DataType,
}

impl Input {
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

pub(super) fn wrong_layout() -> Error {
    Error::contract("a column does not have the Arrow layout of its field's type")
}

pub(super) fn evaluate(
    node: &Node,
    inputs: &[Input],
    records: &RecordBatch,
) -> Result<(ArrayRef, Vec<(u32, Refusal)>)> {
    let columns = inputs
        .iter()
        .map(|input| match records.column_by_name(&input.name) {
            Some(column) if *column.data_type() == input.layout => Ok(column),
            Some(_) => Err(wrong_layout().with("column", &input.name)),
            None => Err(
                Error::contract("a batch lacks a column that an expression reads")
                    .with("column", &input.name),
            ),
        })
        .collect::<Result<Vec<_>>>()?;
    let mut evaluation = Evaluation {
        columns,
        rows: records.num_rows(),
        refused: Vec::new(),
    };
    let column = evaluation.column(node)?;
    let mut refused = evaluation.refused;
    if refused.is_empty() {
        return Ok((column, refused));
    }
    // Stable, so that of several refusals of a row the first stays.
    refused.sort_by_key(|(row, _)| *row);
    refused.dedup_by_key(|(row, _)| *row);
    let mut mask = BooleanBufferBuilder::new(column.len());
    mask.append_n(column.len(), false);
    for (row, _) in &refused {
        mask.set_bit(*row as usize, true);
    }
    let mask = BooleanArray::new(mask.finish(), None);
    Ok((arrow_select::nullif::nullif(&column, &mask)?, refused))
}

pub(super) struct Evaluation<'a> {
    /// For each input.
    columns: Vec<&'a ArrayRef>,
    rows: usize,
    pub(super) refused: Vec<(u32, Refusal)>,
}

impl Evaluation<'_> {
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    fn value(&mut self, node: &Node) -> Result<Value> {
        Ok(Value::column(match node {
            Node::Field(input) => match self.columns.get(*input) {
                Some(&column) => ArrayRef::clone(column),
                None => return Err(wrong_layout()),
            },
            Node::Constant(array) => {
                return Ok(Value {
                    array: ArrayRef::clone(array),
                    constant: true,
                });
            }
            Node::Compare(op, sides) => {
                let (left, right) = self.sides(sides)?;
                Arc::new(compare::compare(*op, &left, &right)?)
            }
            Node::Join(decides, parts) => {
                let parts = parts.iter().map(|part| self.boolean(part));
                Arc::new(logic::join_all(*decides, parts)?)
            }
            Node::Not(part) => Arc::new(logic::not(&self.boolean(part)?)),
            Node::IsNull(part) => Arc::new(logic::is_null(&self.column(part)?)),
            Node::Arithmetic(op, number, sides, message) => {
                let (left, right) = self.sides(sides)?;
                let overflow = |row| {
                    let refusal = Refusal::new(Reason::Overflow, message.to_string());
                    self.refused.push((row, refusal));
                };
                arithmetic::compute(*op, *number, &left, &right, overflow)?
            }
            Node::Concat(parts) => self.concat(parts)?,
            Node::Null(layout) => new_null_array(layout, self.rows),
            Node::Choice(choice) => choice.evaluate(self)?,
            Node::Call(kernel, operands) => {
                let operands: Vec<Value> = (operands.iter())
                    .map(|operand| self.value(operand))
                    .collect::<Result<_>>()?;
                let refused = &mut self.refused;
                kernel.compute(&operands, self.rows, &mut |row, refusal| {
                    refused.push((row, refusal));
                })?
            }
            Node::UtcDay(part) => {
                let instants = self.column(part)?;
                let instants = instants
                    .as_primitive_opt::<TimestampMicrosecondType>()
                    .ok_or_else(wrong_layout)?;
                // 64 bits of microseconds are fewer than 32 bits of days.
                let day = |micros: i64| micros.div_euclid(86_400_000_000) as i32;
                let days: PrimitiveArray<Date32Type> = instants.unary(day);
                Arc::new(days)
            }
        }))
    }

    /// A value for each row.
    pub(super) fn column(&mut self, node: &Node) -> Result<ArrayRef> {
        self.value(node)?.spread(self.rows)
    }

    fn boolean(&mut self, node: &Node) -> Result<BooleanArray> {
        let column = self.column(node)?;
        column.as_boolean_opt().cloned().ok_or_else(wrong_layout)
    }

    /// Two values, of which at least one is a column.
    fn sides(&mut self, sides: &[Node; 2]) -> Result<(Value, Value)> {
        let [left, right] = sides;
        let (mut left, right) = (self.value(left)?, self.value(right)?);
        if left.constant && right.constant {
            left = Value::column(left.spread(self.rows)?);
        }
        Ok((left, right))
    }

    fn concat(&mut self, parts: &[Node]) -> Result<ArrayRef> {
        let values: Vec<Value> = (parts.iter())
            .map(|part| self.value(part))
            .collect::<Result<_>>()?;
        let texts: Vec<(ColumnText<'_>, bool)> = (values.iter())
            .map(|value| Some((ColumnText::new(&value.array)?, value.constant)))
            .collect::<Option<_>>()
            .ok_or_else(wrong_layout)?;
        let mut out = StringViewBuilder::with_capacity(self.rows);
        let mut joined = Vec::new();
        for row in 0..self.rows {
            joined.clear();
            let complete = (texts.iter())
                .all(|(text, constant)| text.append(if *constant { 0 } else { row }, &mut joined));
            if complete && joined.len() > text::MOST_BYTES {
                out.append_null();
                self.refused.push((row as u32, text::too_large()));
            } else if complete {
                out.append_value(std::str::from_utf8(&joined).map_err(|_| wrong_layout())?);
            } else {
                out.append_null();
            }
        }
        Ok(Arc::new(out.finish()))
    }
}
