//! Values as another type: exact, or refused, or null by name.

use std::sync::Arc;

use arrow_array::ArrayRef;

use super::evaluate::{Node, wrong_layout};
use super::families::is_text;
use super::kernel::Kernel;
use super::side::Value;
use super::typing::{Compiler, Operand};
use crate::Result;
use crate::record::convert::Converter;
use crate::record::{Reason, Refusal, parse};
use crate::spec::{Expr, Unfit};

pub(super) fn compile(compiler: &mut Compiler<'_>, expr: &Expr) -> Option<Operand> {
    let Expr::Convert {
        of,
        to,
        format,
        invalid,
    } = expr
    else {
        return None;
    };
    compiler.at(".convert", |this| {
        let operand = this.at(".of", |this| this.operand(of))?;
        let (converter, expected) = match format {
            None => {
                let converter = Converter::new(&operand.field_type, to, false);
                let converter = this.at(".to", |this| this.note(converter))?;
                (converter, parse::expected(to).to_owned())
            }
            Some(_) if !is_text(&operand.field_type) => {
                let message = format!(
                    "a format says how a text is written, and this is {}; leave it out",
                    operand.field_type
                );
                this.at(".format", |this| this.problem(message));
                return None;
            }
            Some(format) => {
                let notation = this.at(".format", |this| {
                    let notation = format.notation(to, this.path());
                    this.note_all(notation)
                })?;
                (Converter::reading(&notation), notation.expected())
            }
        };
        let convert = Convert {
            message: format!("does not convert to {to}: expected {expected}"),
            converter,
            invalid: *invalid,
        };
        Some(Operand::new(
            Node::Call(Arc::new(convert), vec![operand.node]),
            to.clone(),
        ))
    })
}

#[derive(Debug)]
struct Convert {
    converter: Converter,
    invalid: Unfit,
    message: String,
}

impl Kernel for Convert {
    fn compute(
        &self,
        operands: &[Value],
        rows: usize,
        refuse: &mut dyn FnMut(u32, Refusal),
    ) -> Result<ArrayRef> {
        let [value] = operands else {
            return Err(wrong_layout());
        };
        let column = value.clone().spread(rows)?;
        let converted = self.converter.convert(&column)?;
        if self.invalid == Unfit::Reject {
            for row in converted.invalid {
                refuse(row, Refusal::new(Reason::BadValue, self.message.clone()));
            }
        }
        Ok(converted.column)
    }
}
