//! Constants of a spec as one-row columns.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, UInt32Array};

use crate::record::FieldType;
use crate::spec::Literal;

/// A value in a field's type, ready to be repeated.
#[derive(Debug, Clone)]
pub(super) struct Constant(ArrayRef);

impl Constant {
    /// Reads a literal as a value of the type; `Err` says what would be right.
    pub(super) fn new(literal: &Literal, field_type: &FieldType) -> Result<Self, String> {
        crate::expr::constant(literal, field_type).map(Constant)
    }

    /// Whether it is null.
    pub(super) fn is_null(&self) -> bool {
        self.0.is_null(0)
    }

    /// A column of `rows` times the value.
    pub(super) fn repeat(&self, rows: usize) -> crate::Result<ArrayRef> {
        Ok(arrow_select::take::take(
            &self.0,
            &UInt32Array::from(vec![0; rows]),
            None,
        )?)
    }

    /// The column with the value in the chosen rows.
    pub(super) fn put(
        &self,
        column: &ArrayRef,
        rows: impl IntoIterator<Item = u32>,
    ) -> crate::Result<ArrayRef> {
        let mut places: Vec<(usize, usize)> = (0..column.len()).map(|row| (0, row)).collect();
        let mut any = false;
        for row in rows {
            places[row as usize] = (1, 0);
            any = true;
        }
        if !any {
            return Ok(Arc::clone(column));
        }
        Ok(arrow_select::interleave::interleave(
            &[&**column, &*self.0],
            &places,
        )?)
    }
}
