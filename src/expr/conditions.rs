//! Conditions: ranges, lists, patterns, null tests, and labelled conditions joined by a text.

use super::typing::{Compiler, Operand};
use crate::spec::Expr;

pub(super) fn compile(compiler: &mut Compiler<'_>, _expr: &Expr) -> Option<Operand> {
    compiler.problem("this function is not built yet");
    None
}
