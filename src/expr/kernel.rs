//! What a function does with the columns of its operands.

use std::fmt;

use arrow_array::ArrayRef;

use super::side::Value;
use crate::Result;
use crate::record::Refusal;

/// A typed function: its operands have the types that it wants, its answer the type that it was compiled to.
pub(super) trait Kernel: fmt::Debug + Send + Sync {
    /// A value or null for each of `rows` rows. A row that it refuses is told to `refuse`, at most once, and null.
    ///
    /// An operand that is the same in every row has one value, see [`Value::constant`].
    fn compute(
        &self,
        operands: &[Value],
        rows: usize,
        refuse: &mut dyn FnMut(u32, Refusal),
    ) -> Result<ArrayRef>;
}
