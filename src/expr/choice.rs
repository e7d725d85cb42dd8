//! The first value that fits: `case` and `coalesce`. Only what a row reaches counts: what would refuse it elsewhere does not.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, new_null_array};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};
use arrow_schema::DataType;
use arrow_select::zip::zip;

use super::evaluate::{Evaluation, Node, wrong_layout};
use super::families::unify;
use super::kernel::Kernel;
use super::literal::{self, Typed};
use super::side::Value;
use super::typing::{Compiler, Operand, Term};
use crate::Result;
use crate::record::convert::Converter;
use crate::record::{FieldType, Refusal};
use crate::spec::{Branch, Expr, Literal};

/// Values of one type, each with the rows that it is for: of the rows that no value before took, those where the condition
/// is true; without one, those where the value is not null.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    branches: Vec<(Option<Node>, Node)>,
    layout: DataType,
}

pub(super) fn compile(compiler: &mut Compiler<'_>, expr: &Expr) -> Option<Operand> {
    match expr {
        Expr::Coalesce(parts) => {
            if parts.is_empty() {
                compiler.at(".coalesce", |this| {
                    this.problem("`coalesce` needs at least one part");
                });
                return None;
            }
            let values = (parts.iter().enumerate())
                .map(|(i, part)| (format!("[{i}]"), part))
                .collect();
            let (values, field_type) = compiler.at(".coalesce", |this| unified(this, values))?;
            Some(choice(
                values.into_iter().map(|value| (None, value)),
                field_type,
            ))
        }
        Expr::Case { when, otherwise } => {
            compiler.at(".case", |this| case(this, when, otherwise.as_deref()))
        }
        _ => None,
    }
}

fn case(compiler: &mut Compiler<'_>, when: &[Branch], otherwise: Option<&Expr>) -> Option<Operand> {
    if when.is_empty() {
        compiler.at(".when", |this| {
            this.problem("`case` needs at least one branch")
        });
        return None;
    }
    let conditions: Vec<Option<Node>> = (when.iter().enumerate())
        .map(|(i, branch)| {
            compiler.at(&format!(".when[{i}].if"), |this| {
                this.boolean(&branch.condition)
            })
        })
        .collect();
    let values = (when.iter().enumerate())
        .map(|(i, branch)| (format!(".when[{i}].then"), &branch.value))
        .chain(otherwise.map(|value| (".else".to_owned(), value)))
        .collect();
    let unified = unified(compiler, values);
    let conditions: Option<Vec<Node>> = conditions.into_iter().collect();
    let (conditions, (values, field_type)) = (conditions?, unified?);
    // The value behind the last condition is that of the rows left.
    let conditions = conditions
        .into_iter()
        .map(Some)
        .chain(std::iter::once(None));
    Some(choice(conditions.zip(values), field_type))
}

fn choice(branches: impl Iterator<Item = (Option<Node>, Node)>, field_type: FieldType) -> Operand {
    let choice = Choice {
        branches: branches.collect(),
        layout: field_type.data_type(),
    };
    Operand::new(Node::Choice(choice.into()), field_type)
}

/// Values, each with its step of the path, as steps of one type.
fn unified(
    compiler: &mut Compiler<'_>,
    values: Vec<(String, &Expr)>,
) -> Option<(Vec<Node>, FieldType)> {
    let terms: Vec<(String, Option<Term<'_>>)> = (values.into_iter())
        .map(|(path, value)| {
            let term = compiler.at(&path, |this| this.term(value));
            (path, term)
        })
        .collect();
    // A literal takes the type of the first value that has one by itself.
    let typed = terms.iter().find_map(|(_, term)| match term {
        Some(Term::Operand(operand)) => Some(operand.field_type.clone()),
        _ => None,
    });
    let mut operands: Vec<Option<Operand>> = Vec::new();
    let mut is_complete = true;
    for (path, term) in terms {
        let operand = match term {
            Some(Term::Operand(operand)) => Some(operand),
            // A null has the type of the others.
            Some(Term::Literal(Literal::Null)) => {
                operands.push(None);
                continue;
            }
            Some(Term::Literal(literal)) => {
                let read: Result<Typed, String> = match &typed {
                    Some(other) => literal::beside(literal, other),
                    None => literal::alone(literal),
                };
                let read = compiler.at(&format!("{path}.value"), |this| this.note(read));
                read.map(Operand::constant)
            }
            None => None,
        };
        is_complete &= operand.is_some();
        operands.push(operand);
    }
    if !is_complete {
        return None;
    }
    let known: Vec<&Operand> = operands.iter().flatten().collect();
    if known.is_empty() {
        compiler.problem("all values are null, so there is no type; name one that is not");
        return None;
    }
    let field_type = unify(&known);
    let field_type = compiler.note(field_type)?;
    let layout = field_type.data_type();
    let nodes = operands.into_iter().map(|operand| {
        let Some(operand) = operand else {
            return Some(Node::Null(layout.clone()));
        };
        if operand.field_type.data_type() == layout {
            return Some(operand.node);
        }
        let converter = Converter::new(&operand.field_type, &field_type, false);
        let converter = compiler.note(converter)?;
        Some(Node::Call(Arc::new(Widen(converter)), vec![operand.node]))
    });
    let nodes: Option<Vec<Node>> = nodes.collect();
    Some((nodes?, field_type))
}

/// A value in a type that holds it for sure.
#[derive(Debug)]
struct Widen(Converter);

impl Kernel for Widen {
    fn compute(
        &self,
        operands: &[Value],
        rows: usize,
        _: &mut dyn FnMut(u32, Refusal),
    ) -> Result<ArrayRef> {
        let [value] = operands else {
            return Err(wrong_layout());
        };
        let converted = self.0.convert(&value.array)?;
        if !converted.invalid.is_empty() {
            return Err(wrong_layout());
        }
        let array = converted.column;
        match value.constant {
            true => Value {
                array,
                constant: true,
            }
            .spread(rows),
            false => Ok(array),
        }
    }
}

impl Choice {
    pub(super) fn evaluate(&self, evaluation: &mut Evaluation<'_>) -> Result<ArrayRef> {
        let rows = evaluation.rows();
        let mut result = new_null_array(&self.layout, rows);
        // The rows that no value took yet.
        let mut open = BooleanBuffer::new_set(rows);
        for (condition, value) in &self.branches {
            if open.count_set_bits() == 0 {
                break;
            }
            let reached = match condition {
                None => open.clone(),
                Some(condition) => {
                    let (answer, refused) = evaluation.apart(condition)?;
                    let refused = evaluation.refuse_among(refused, &open);
                    open = &open & &!&refused;
                    let answer = answer
                        .as_any()
                        .downcast_ref::<BooleanArray>()
                        .ok_or_else(wrong_layout)?;
                    let is_true = match answer.nulls() {
                        Some(valid) => answer.values() & valid.inner(),
                        None => answer.values().clone(),
                    };
                    &open & &is_true
                }
            };
            if reached.count_set_bits() == 0 {
                continue;
            }
            let (column, refused) = evaluation.apart(value)?;
            let refused = evaluation.refuse_among(refused, &reached);
            let takes = match (condition, column.nulls()) {
                (None, Some(valid)) => &reached & valid.inner(),
                _ => reached,
            };
            let takes = &takes & &!&refused;
            result = zip(&BooleanArray::new(takes.clone(), None), &column, &result)?;
            open = &open & &!&(&takes | &refused);
        }
        Ok(result)
    }
}

impl Evaluation<'_> {
    /// The values of a step, and the rows that it refuses, which are not refused yet.
    fn apart(&mut self, node: &Node) -> Result<(ArrayRef, Vec<(u32, Refusal)>)> {
        let before = std::mem::take(&mut self.refused);
        let column = self.column(node);
        let refused = std::mem::replace(&mut self.refused, before);
        Ok((column?, refused))
    }

    /// Refuses those of the rows that are among `reached`; answers which.
    fn refuse_among(
        &mut self,
        refused: Vec<(u32, Refusal)>,
        reached: &BooleanBuffer,
    ) -> BooleanBuffer {
        let mut mask = BooleanBufferBuilder::new(reached.len());
        mask.append_n(reached.len(), false);
        for (row, refusal) in refused {
            let at = row as usize;
            if at < reached.len() && reached.value(at) {
                mask.set_bit(at, true);
                self.refused.push((row, refusal));
            }
        }
        mask.finish()
    }
}
