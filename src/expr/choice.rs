//! The first value that fits: `case` and `coalesce`.

use super::typing::{Compiler, Operand};
use crate::spec::Expr;

pub(super) fn compile(compiler: &mut Compiler<'_>, _expr: &Expr) -> Option<Operand> {
    compiler.problem("this function is not built yet");
    None
}
