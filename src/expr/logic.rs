//! SQL's three values: true, false, null.

use arrow_array::{Array, BooleanArray};
use arrow_buffer::{BooleanBuffer, NullBuffer};

use super::evaluate::wrong_layout;
use crate::Result;

/// Which operand decides the result alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decides {
    /// `and`: one false makes it false.
    False,
    /// `or`: one true makes it true.
    True,
}

/// Where the operand is true, and where it is false; neither where it is null.
fn split(operand: &BooleanArray) -> (BooleanBuffer, BooleanBuffer) {
    let values = operand.values();
    match operand.nulls() {
        Some(valid) => (values & valid.inner(), &!values & valid.inner()),
        None => (values.clone(), !values),
    }
}

/// `and` or `or` of two columns of one length.
pub(super) fn join(decides: Decides, left: &BooleanArray, right: &BooleanArray) -> BooleanArray {
    if left.null_count() == 0 && right.null_count() == 0 {
        let values = match decides {
            Decides::False => left.values() & right.values(),
            Decides::True => left.values() | right.values(),
        };
        return BooleanArray::new(values, None);
    }
    let ((left_true, left_false), (right_true, right_false)) = (split(left), split(right));
    let (is_true, is_false) = match decides {
        Decides::False => (&left_true & &right_true, &left_false | &right_false),
        Decides::True => (&left_true | &right_true, &left_false & &right_false),
    };
    let known = &is_true | &is_false;
    BooleanArray::new(is_true, Some(NullBuffer::new(known)))
}

/// `and` or `or` of at least one column.
pub(super) fn join_all(
    decides: Decides,
    parts: impl Iterator<Item = Result<BooleanArray>>,
) -> Result<BooleanArray> {
    parts
        .reduce(|joined, part| Ok(join(decides, &joined?, &part?)))
        .ok_or_else(wrong_layout)?
}

/// `not`; null stays null.
pub(super) fn not(operand: &BooleanArray) -> BooleanArray {
    BooleanArray::new(!operand.values(), operand.nulls().cloned())
}

/// Whether each value is null.
pub(super) fn is_null(operand: &dyn Array) -> BooleanArray {
    let nulls = match operand.nulls() {
        Some(valid) => !valid.inner(),
        None => BooleanBuffer::new_unset(operand.len()),
    };
    BooleanArray::new(nulls, None)
}
