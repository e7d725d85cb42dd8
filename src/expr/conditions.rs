//! Conditions: ranges, lists, patterns, null tests, and labelled conditions joined by a text.

use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::BooleanBuffer;

use super::compare::{Comparison, compare};
use super::evaluate::{Node, wrong_layout};
use super::families::comparable;
use super::kernel::Kernel;
use super::like::Like;
use super::literal;
use super::logic::{self, Decides};
use super::logic_text::{self, Tree};
use super::one_of::OneOf;
use super::side::{Texts, Value};
use super::typing::{Compiler, Operand};
use crate::Result;
use crate::record::{FieldType, Refusal};
use crate::spec::{Expr, Literal, Logic};

pub(super) fn compile(compiler: &mut Compiler<'_>, expr: &Expr) -> Option<Operand> {
    let node = match expr {
        Expr::Between { of, from, to } => {
            compiler.at(".between", |this| between(this, [of, from, to]))?
        }
        Expr::In { of, list } => compiler.at(".in", |this| one_of(this, of, list))?,
        Expr::Like {
            of,
            pattern,
            ignore_case,
        } => compiler.at(".like", |this| {
            let of = this.at(".of", |this| this.text(of));
            let like = Like::new(pattern, *ignore_case);
            let like = this.at(".pattern", |this| this.note(like));
            Some(Node::Call(Arc::new(like?), vec![of?]))
        })?,
        Expr::Contains(sides) => test(compiler, "contains", Test::Contains, sides)?,
        Expr::StartsWith(sides) => test(compiler, "starts_with", Test::StartsWith, sides)?,
        Expr::EndsWith(sides) => test(compiler, "ends_with", Test::EndsWith, sides)?,
        Expr::IsNotNull(part) => {
            let part = compiler.at(".is_not_null", |this| this.operand(part))?;
            Node::Not(Node::IsNull(part.node.into()).into())
        }
        Expr::Logic(logic) => compiler.at(".logic", |this| labelled(this, logic))?,
        _ => return None,
    };
    Some(Operand::new(node, FieldType::Boolean))
}

fn between(compiler: &mut Compiler<'_>, [of, from, to]: [&Expr; 3]) -> Option<Node> {
    let [of, from, to] = compiler.abreast([(".of", of), (".from", from), (".to", to)])?;
    let mut limit = |op: Comparison, path: &str, limit: Operand| {
        let comparable = comparable(op, &of.field_type, &limit.field_type);
        compiler.at(path, |this| this.note(comparable))?;
        Some(limit.node)
    };
    let from = limit(Comparison::Ge, ".from", from);
    let to = limit(Comparison::Le, ".to", to);
    Some(Node::Call(Arc::new(Between), vec![of.node, from?, to?]))
}

/// Neither less than the second nor greater than the third.
#[derive(Debug)]
struct Between;

impl Kernel for Between {
    fn compute(
        &self,
        operands: &[Value],
        rows: usize,
        _: &mut dyn FnMut(u32, Refusal),
    ) -> Result<ArrayRef> {
        let [of, from, to] = operands else {
            return Err(wrong_layout());
        };
        let of = Value::column(of.clone().spread(rows)?);
        let least = compare(Comparison::Ge, &of, from)?;
        let greatest = compare(Comparison::Le, &of, to)?;
        Ok(Arc::new(logic::join(Decides::False, &least, &greatest)))
    }
}

fn one_of(compiler: &mut Compiler<'_>, of: &Expr, list: &[Literal]) -> Option<Node> {
    let of = compiler.at(".of", |this| this.operand(of));
    if list.is_empty() {
        compiler.at(".list", |this| {
            this.problem("the list needs at least one constant")
        });
        return None;
    }
    let of = of?;
    let comparable = comparable(Comparison::Eq, &of.field_type, &of.field_type);
    compiler.at(".of", |this| this.note(comparable))?;
    let constants: Vec<Option<ArrayRef>> = (list.iter().enumerate())
        .map(|(i, constant)| {
            compiler.at(&format!(".list[{i}]"), |this| {
                let typed = this.note(literal::beside(constant, &of.field_type))?;
                Some(typed.column)
            })
        })
        .collect();
    let constants: Option<Vec<ArrayRef>> = constants.into_iter().collect();
    let one_of = OneOf::new(&constants?, &of.field_type)?;
    Some(Node::Call(Arc::new(one_of), vec![of.node]))
}

/// How a text is looked for in another.
#[derive(Debug, Clone, Copy)]
enum Test {
    Contains,
    StartsWith,
    EndsWith,
}

fn test(compiler: &mut Compiler<'_>, name: &str, test: Test, sides: &[Expr; 2]) -> Option<Node> {
    let texts = compiler.texts(name, sides)?;
    Some(Node::Call(Arc::new(test), texts))
}

impl Kernel for Test {
    fn compute(
        &self,
        operands: &[Value],
        rows: usize,
        _: &mut dyn FnMut(u32, Refusal),
    ) -> Result<ArrayRef> {
        let [text, part] = operands else {
            return Err(wrong_layout());
        };
        let (Some(texts), Some(parts)) = (Texts::of(text), Texts::of(part)) else {
            return Err(wrong_layout());
        };
        if let (Test::Contains, Texts::Constant(part)) = (self, parts) {
            let finder = memchr::memmem::Finder::new(part);
            return Ok(each(texts, rows, |text| {
                finder.find(text.as_bytes()).is_some()
            }));
        }
        let found = (0..rows).map(|row| {
            let (text, part) = (texts.get(row)?, parts.get(row)?);
            Some(match self {
                Test::Contains => text.contains(part),
                Test::StartsWith => text.starts_with(part),
                Test::EndsWith => text.ends_with(part),
            })
        });
        Ok(Arc::new(BooleanArray::from_iter(found)))
    }
}

/// The answer for each text; null for null.
pub(super) fn each(texts: Texts<'_>, rows: usize, f: impl Fn(&str) -> bool) -> ArrayRef {
    let answers = (0..rows).map(|row| texts.get(row).map(&f));
    Arc::new(BooleanArray::from_iter(answers))
}

fn labelled(compiler: &mut Compiler<'_>, logic: &Logic) -> Option<Node> {
    if logic.conditions.is_empty() {
        compiler.at(".conditions", |this| {
            this.problem("name at least one condition")
        });
        return None;
    }
    let conditions: Vec<Option<Node>> = (logic.conditions.iter().enumerate())
        .map(|(i, condition)| {
            let node = compiler.at(&format!(".conditions[{i}].when"), |this| {
                this.boolean(&condition.when)
            })?;
            Some(match condition.include_nulls {
                true => Node::Call(Arc::new(IncludeNulls), vec![node]),
                false => node,
            })
        })
        .collect();
    let labels = logic_text::labels(&logic.conditions);
    let labels = match labels {
        Ok(labels) => Some(labels),
        Err(problems) => {
            for (i, message) in problems {
                let path = format!(".conditions[{i}].label");
                compiler.at(&path, |this| this.problem(message));
            }
            None
        }
    };
    let tree = match &logic.text {
        None => Tree::And((0..conditions.len()).map(Tree::Condition).collect()),
        Some(text) => {
            let tree = logic_text::parse(text, &labels?);
            let tree = compiler.at(".text", |this| this.note(tree))?;
            let named = tree.conditions();
            for i in (0..conditions.len()).filter(|i| !named.contains(i)) {
                compiler.at(&format!(".conditions[{i}]"), |this| {
                    this.problem("the text never names this condition; name it, or take it away");
                });
            }
            tree
        }
    };
    let conditions: Option<Vec<Node>> = conditions.into_iter().collect();
    Some(Node::Call(Arc::new(tree), conditions?))
}

/// Each condition is evaluated once, however often the text names it: nested texts would repeat the innermost without end.
impl Kernel for Tree {
    fn compute(
        &self,
        operands: &[Value],
        rows: usize,
        _: &mut dyn FnMut(u32, Refusal),
    ) -> Result<ArrayRef> {
        let conditions: Vec<BooleanArray> = (operands.iter())
            .map(|operand| {
                let column = operand.clone().spread(rows)?;
                column.as_boolean_opt().cloned().ok_or_else(wrong_layout)
            })
            .collect::<Result<_>>()?;
        Ok(Arc::new(self.answer(&conditions)?))
    }
}

impl Tree {
    fn answer(&self, conditions: &[BooleanArray]) -> Result<BooleanArray> {
        let all = |decides, parts: &[Tree]| {
            logic::join_all(decides, parts.iter().map(|part| part.answer(conditions)))
        };
        match self {
            Tree::Condition(number) => conditions.get(*number).cloned().ok_or_else(wrong_layout),
            Tree::Not(part) => Ok(logic::not(&part.answer(conditions)?)),
            Tree::And(parts) => all(Decides::False, parts),
            Tree::Or(parts) => all(Decides::True, parts),
        }
    }
}

/// True where the condition is null.
#[derive(Debug)]
struct IncludeNulls;

impl Kernel for IncludeNulls {
    fn compute(
        &self,
        operands: &[Value],
        rows: usize,
        _: &mut dyn FnMut(u32, Refusal),
    ) -> Result<ArrayRef> {
        let [value] = operands else {
            return Err(wrong_layout());
        };
        let condition = value.array.as_boolean_opt().ok_or_else(wrong_layout)?;
        if value.constant {
            let value = condition.iter().next().flatten().unwrap_or(true);
            let all = if value {
                BooleanBuffer::new_set(rows)
            } else {
                BooleanBuffer::new_unset(rows)
            };
            return Ok(Arc::new(BooleanArray::new(all, None)));
        }
        let values = match condition.nulls() {
            Some(valid) => &(condition.values() & valid.inner()) | &!valid.inner(),
            None => condition.values().clone(),
        };
        Ok(Arc::new(BooleanArray::new(values, None)))
    }
}
