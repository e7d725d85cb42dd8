//! Functions of one number.

use std::sync::Arc;

use arrow_array::types::{ArrowPrimitiveType, Decimal128Type, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, PrimitiveArray, UInt32Array};
use arrow_schema::DataType;

use super::evaluate::{Node, wrong_layout};
use super::kernel::Kernel;
use super::side::Value;
use super::typing::{Compiler, Operand};
use crate::Result;
use crate::record::{FieldType, Reason, Refusal};
use crate::spec::Expr;

pub(super) fn compile(compiler: &mut Compiler<'_>, expr: &Expr) -> Option<Operand> {
    let (name, of, function) = match expr {
        Expr::Ceil(of) => ("ceil", of, Function::Ceil),
        Expr::Floor(of) => ("floor", of, Function::Floor),
        Expr::Abs(of) => ("abs", of, Function::Abs),
        Expr::Negate(of) => ("negate", of, Function::Negate),
        Expr::Sqrt(of) => ("sqrt", of, Function::Sqrt),
        Expr::Exp(of) => ("exp", of, Function::Exp),
        _ => {
            compiler.problem("this function is not built yet");
            return None;
        }
    };
    compiler.at(&format!(".{name}"), |this| {
        let of = this.operand(of)?;
        let field_type = function.result(name, &of.field_type);
        let field_type = this.note(field_type)?;
        let kernel = Unary {
            function,
            name,
            layout: field_type.data_type(),
        };
        Some(Operand::new(
            Node::Call(Arc::new(kernel), vec![of.node]),
            field_type,
        ))
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    Ceil,
    Floor,
    Abs,
    Negate,
    Sqrt,
    Exp,
}

impl Function {
    fn result(self, name: &str, of: &FieldType) -> Result<FieldType, String> {
        let is_exact = *of == FieldType::Integer || of.decimal().is_some();
        match self {
            _ if *of == FieldType::Float => Ok(FieldType::Float),
            _ if !is_exact => Err(format!("`{name}` wants a number and has {of}")),
            Function::Sqrt | Function::Exp => Err(format!(
                "`{name}` wants a float and has {of}; `convert` it to float first"
            )),
            Function::Abs | Function::Negate => Ok(of.clone()),
            // The whole digits, and one more: the ceiling of 9.9 is 10.
            Function::Ceil | Function::Floor => Ok(match of.decimal() {
                Some((precision, scale)) if scale > 0 => {
                    let (precision, scale) = (precision.saturating_sub(scale) + 1, 0);
                    match of {
                        FieldType::Currency { .. } => FieldType::Currency { precision, scale },
                        FieldType::Percent { .. } => FieldType::Percent { precision, scale },
                        _ => FieldType::Decimal { precision, scale },
                    }
                }
                _ => of.clone(),
            }),
        }
    }

    fn integer(self, value: i64) -> Option<i64> {
        match self {
            Function::Abs => value.checked_abs(),
            Function::Negate => value.checked_neg(),
            _ => Some(value),
        }
    }

    /// Of units of which `unit` are one.
    fn decimal(self, value: i128, unit: i128) -> Option<i128> {
        match self {
            Function::Abs => value.checked_abs(),
            Function::Negate => value.checked_neg(),
            Function::Floor => value.checked_div_euclid(unit),
            _ => value.checked_neg()?.checked_div_euclid(unit)?.checked_neg(),
        }
    }

    fn float(self, value: f64) -> Result<f64, Reason> {
        let result = match self {
            Function::Sqrt if value < 0.0 => return Err(Reason::OutOfRange),
            Function::Ceil => value.ceil(),
            Function::Floor => value.floor(),
            Function::Abs => value.abs(),
            Function::Negate => -value,
            Function::Sqrt => value.sqrt(),
            Function::Exp => value.exp(),
        };
        if result.is_finite() {
            Ok(result)
        } else {
            Err(Reason::Overflow)
        }
    }
}

#[derive(Debug)]
struct Unary {
    function: Function,
    name: &'static str,
    layout: DataType,
}

impl Kernel for Unary {
    fn compute(
        &self,
        operands: &[Value],
        rows: usize,
        refuse: &mut dyn FnMut(u32, Refusal),
    ) -> Result<ArrayRef> {
        let [of] = operands else {
            return Err(wrong_layout());
        };
        let mut tell = |row: usize, reason: Reason| {
            let refusal = || Refusal::new(reason, self.message(reason));
            match of.constant {
                true => (0..rows as u32).for_each(|row| refuse(row, refusal())),
                false => refuse(row as u32, refusal()),
            }
        };
        let array: ArrayRef = match of.array.data_type() {
            DataType::Int64 => Arc::new(map::<Int64Type>(&of.array, &mut tell, |value| {
                self.function.integer(value).ok_or(Reason::Overflow)
            })?),
            DataType::Decimal128(_, scale) => {
                let unit = 10i128.saturating_pow(scale.unsigned_abs().into());
                let units = map::<Decimal128Type>(&of.array, &mut tell, |value| {
                    self.function.decimal(value, unit).ok_or(Reason::Overflow)
                })?;
                Arc::new(units.with_data_type(self.layout.clone()))
            }
            DataType::Float64 => Arc::new(map::<Float64Type>(&of.array, &mut tell, |value| {
                self.function.float(value)
            })?),
            _ => return Err(wrong_layout()),
        };
        if !of.constant {
            return Ok(array);
        }
        let first = UInt32Array::from(vec![0; rows]);
        Ok(arrow_select::take::take(&array, &first, None)?)
    }
}

impl Unary {
    fn message(&self, reason: Reason) -> String {
        match reason {
            Reason::OutOfRange => format!("`{}` of a negative number is no number", self.name),
            _ => format!("the result of `{}` does not fit its type", self.name),
        }
    }
}

/// Each value that is not null; one without an answer is told, and null.
fn map<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    tell: &mut dyn FnMut(usize, Reason),
    f: impl Fn(T::Native) -> Result<T::Native, Reason>,
) -> Result<PrimitiveArray<T>> {
    use arrow_array::cast::AsArray;
    let array = array.as_primitive_opt::<T>().ok_or_else(wrong_layout)?;
    Ok((array.iter().enumerate())
        .map(|(row, value)| match f(value?) {
            Ok(value) => Some(value),
            Err(reason) => {
                tell(row, reason);
                None
            }
        })
        .collect())
}
