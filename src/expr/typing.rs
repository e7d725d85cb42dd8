//! From an expression to typed steps: every mistake is found here, with its path.

use std::sync::Arc;

use super::arithmetic::{Number, Operation};
use super::compare::Comparison;
use super::evaluate::{Input, Node};
use super::families::{arithmetic_type, comparable, is_text};
use super::literal::{self, Typed};
use super::logic::Decides;
use super::{MAX_DEPTH, choice, conditions, conversion, number, text, time};
use crate::Problem;
use crate::record::{FieldType, Schema};
use crate::spec::{Expr, Literal};

pub(super) struct Compiled {
    pub(super) node: Node,
    pub(super) field_type: FieldType,
    pub(super) fields: Vec<Input>,
}

/// That one of the `broken` fields is not there is no problem of this expression: what is wrong with them is told already.
pub(super) fn compile(
    expr: &Expr,
    schema: &Schema,
    broken: &[String],
    path: &str,
) -> Result<Compiled, Vec<Problem>> {
    let mut compiler = Compiler {
        schema,
        broken,
        path: path.to_owned(),
        depth: 0,
        problems: Vec::new(),
        fields: Vec::new(),
    };
    match compiler.operand(expr) {
        Some(operand) if compiler.problems.is_empty() => Ok(Compiled {
            node: operand.node,
            field_type: operand.field_type,
            fields: compiler.fields,
        }),
        _ => Err(compiler.problems),
    }
}

/// A typed step and what arithmetic wants to know of it.
pub(super) struct Operand {
    pub(super) node: Node,
    pub(super) field_type: FieldType,
    /// Precision and scale, if it is an exact number written as a literal.
    pub(super) literal: Option<(u8, u8)>,
}

impl Operand {
    pub(super) fn new(node: Node, field_type: FieldType) -> Self {
        Operand {
            node,
            field_type,
            literal: None,
        }
    }

    pub(super) fn constant(typed: Typed) -> Self {
        Operand {
            node: Node::Constant(typed.column),
            field_type: typed.field_type,
            literal: typed.digits,
        }
    }
}

/// An operand, or a literal that still waits for a type.
pub(super) enum Term<'e> {
    Operand(Operand),
    Literal(&'e Literal),
}

/// A method that answers `None` has noted a problem; its callers go on to find the others.
pub(super) struct Compiler<'a> {
    schema: &'a Schema,
    broken: &'a [String],
    path: String,
    depth: usize,
    problems: Vec<Problem>,
    fields: Vec<Input>,
}

impl Compiler<'_> {
    /// Does `f` one step further down the path.
    pub(super) fn at<R>(&mut self, step: &str, f: impl FnOnce(&mut Self) -> R) -> R {
        let length = self.path.len();
        self.path.push_str(step);
        let result = f(self);
        self.path.truncate(length);
        result
    }

    pub(super) fn problem(&mut self, message: impl Into<String>) {
        self.problems.push(Problem::new(self.path.clone(), message));
    }

    /// The success, or `None` with its problem noted.
    pub(super) fn note<T>(&mut self, result: Result<T, String>) -> Option<T> {
        result.map_err(|message| self.problem(message)).ok()
    }

    /// The success, or `None` with its problems noted, which have their paths.
    pub(super) fn note_all<T>(&mut self, result: Result<T, Vec<Problem>>) -> Option<T> {
        result
            .map_err(|problems| self.problems.extend(problems))
            .ok()
    }

    /// Where it is.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// A typed step; a literal has the type that it has by itself.
    pub(super) fn operand(&mut self, expr: &Expr) -> Option<Operand> {
        match self.term(expr)? {
            Term::Operand(operand) => Some(operand),
            Term::Literal(literal) => {
                let typed = self.at(".value", |this| this.note(literal::alone(literal)))?;
                Some(Operand::constant(typed))
            }
        }
    }

    pub(super) fn term<'e>(&mut self, expr: &'e Expr) -> Option<Term<'e>> {
        if self.depth == MAX_DEPTH {
            self.problem(format!(
                "the expression is nested deeper than {MAX_DEPTH} levels; lists of `and`, `or` and `concat` \
                 can be long instead of deep"
            ));
            return None;
        }
        self.depth += 1;
        let term = self.step(expr);
        self.depth -= 1;
        term
    }

    fn step<'e>(&mut self, expr: &'e Expr) -> Option<Term<'e>> {
        let operand = match expr {
            Expr::Value(literal) => return Some(Term::Literal(literal)),
            Expr::Field(name) => self.at(".field", |this| this.field(name)),
            Expr::Eq(sides) => self.compare(Comparison::Eq, sides),
            Expr::Ne(sides) => self.compare(Comparison::Ne, sides),
            Expr::Lt(sides) => self.compare(Comparison::Lt, sides),
            Expr::Le(sides) => self.compare(Comparison::Le, sides),
            Expr::Gt(sides) => self.compare(Comparison::Gt, sides),
            Expr::Ge(sides) => self.compare(Comparison::Ge, sides),
            Expr::And(parts) => self.join("and", Decides::False, parts),
            Expr::Or(parts) => self.join("or", Decides::True, parts),
            Expr::Not(part) => self.at(".not", |this| {
                let node = this.boolean(part)?;
                Some(Operand::new(Node::Not(node.into()), FieldType::Boolean))
            }),
            Expr::IsNull(part) => self.at(".is_null", |this| {
                let part = this.operand(part)?;
                let node = Node::IsNull(part.node.into());
                Some(Operand::new(node, FieldType::Boolean))
            }),
            Expr::Add(sides) => self.arithmetic(Operation::Add, sides),
            Expr::Subtract(sides) => self.arithmetic(Operation::Subtract, sides),
            Expr::Multiply(sides) => self.arithmetic(Operation::Multiply, sides),
            Expr::Concat(parts) => {
                let parts = self.parts("concat", parts, |this, part| {
                    this.operand(part).map(|part| part.node)
                })?;
                Some(Operand::new(Node::Concat(parts), FieldType::Text))
            }
            Expr::Between { .. }
            | Expr::In { .. }
            | Expr::Like { .. }
            | Expr::Contains(_)
            | Expr::StartsWith(_)
            | Expr::EndsWith(_)
            | Expr::IsNotNull(_)
            | Expr::Logic(_) => conditions::compile(self, expr),
            Expr::Coalesce(_) | Expr::Case { .. } => choice::compile(self, expr),
            Expr::Convert { .. } => conversion::compile(self, expr),
            Expr::Divide { .. }
            | Expr::Modulo(_)
            | Expr::Round { .. }
            | Expr::Ceil(_)
            | Expr::Floor(_)
            | Expr::Abs(_)
            | Expr::Negate(_)
            | Expr::Sqrt(_)
            | Expr::Exp(_)
            | Expr::Log { .. } => number::compile(self, expr),
            Expr::Length(_)
            | Expr::Upper(_)
            | Expr::Lower(_)
            | Expr::Trim { .. }
            | Expr::Pad { .. }
            | Expr::Substring { .. }
            | Expr::Position(_)
            | Expr::Replace { .. }
            | Expr::Split { .. }
            | Expr::Before { .. }
            | Expr::After { .. } => text::compile(self, expr),
            Expr::Day { .. }
            | Expr::ToLocal { .. }
            | Expr::ToInstant { .. }
            | Expr::DateAdd { .. }
            | Expr::DateDiff { .. }
            | Expr::Truncate { .. }
            | Expr::Part { .. }
            | Expr::Format { .. } => time::compile(self, expr),
            Expr::UtcDay(part) => self.at(".utc_day", |this| {
                let part = this.operand(part)?;
                if part.field_type != FieldType::DateTime {
                    this.problem(format!(
                        "only a datetime has a UTC day, and this is {}",
                        part.field_type
                    ));
                    return None;
                }
                Some(Operand::new(
                    Node::UtcDay(part.node.into()),
                    FieldType::Date,
                ))
            }),
        };
        operand.map(Term::Operand)
    }

    fn field(&mut self, name: &str) -> Option<Operand> {
        let Some(field) = self.schema.field(name) else {
            if !self.broken.iter().any(|broken| broken == name) {
                let names = self.schema.names();
                self.problem(format!("there is no field `{name}`; there are: {names}"));
            }
            return None;
        };
        let known = self.fields.iter().position(|input| input.name == name);
        let input = known.unwrap_or_else(|| {
            self.fields.push(Input {
                name: name.to_owned(),
                layout: field.field_type.data_type(),
            });
            self.fields.len() - 1
        });
        Some(Operand::new(Node::Field(input), field.field_type.clone()))
    }

    pub(super) fn boolean(&mut self, expr: &Expr) -> Option<Node> {
        let operand = self.operand(expr)?;
        if operand.field_type != FieldType::Boolean {
            self.problem(format!(
                "this must be true or false and is {}; compare it with something",
                operand.field_type
            ));
            return None;
        }
        Some(operand.node)
    }

    /// The operands of a list; all are looked at, even if one is wrong.
    pub(super) fn parts(
        &mut self,
        name: &str,
        parts: &[Expr],
        mut one: impl FnMut(&mut Self, &Expr) -> Option<Node>,
    ) -> Option<Vec<Node>> {
        if parts.is_empty() {
            self.at(&format!(".{name}"), |this| {
                this.problem(format!("`{name}` needs at least one part"));
            });
            return None;
        }
        let nodes: Vec<Option<Node>> = (parts.iter().enumerate())
            .map(|(i, part)| self.at(&format!(".{name}[{i}]"), |this| one(this, part)))
            .collect();
        nodes.into_iter().collect()
    }

    fn join(&mut self, name: &str, decides: Decides, parts: &[Expr]) -> Option<Operand> {
        let parts = self.parts(name, parts, Self::boolean)?;
        Some(Operand::new(Node::Join(decides, parts), FieldType::Boolean))
    }

    /// The two operands of a list.
    pub(super) fn sides(&mut self, name: &str, sides: &[Expr; 2]) -> Option<[Operand; 2]> {
        let [left, right] = sides;
        let paths = [format!(".{name}[0]"), format!(".{name}[1]")];
        self.abreast([(&paths[0], left), (&paths[1], right)])
    }

    /// Operands with their steps of the path; a literal takes the type of the first that is none, or else of the first.
    pub(super) fn abreast<const N: usize>(
        &mut self,
        parts: [(&str, &Expr); N],
    ) -> Option<[Operand; N]> {
        let terms = parts.map(|(path, part)| (path, self.at(path, |this| this.term(part))));
        let mut beside = terms.iter().find_map(|(_, term)| match term {
            Some(Term::Operand(operand)) => Some(operand.field_type.clone()),
            _ => None,
        });
        if terms.iter().any(|(_, term)| term.is_none()) {
            return None;
        }
        let operands = terms.map(|(path, term)| match term? {
            Term::Operand(operand) => Some(operand),
            Term::Literal(literal) => {
                let typed = match &beside {
                    Some(other) => literal::beside(literal, other),
                    None => literal::alone(literal),
                };
                let typed = self.at(&format!("{path}.value"), |this| this.note(typed))?;
                beside.get_or_insert_with(|| typed.field_type.clone());
                Some(Operand::constant(typed))
            }
        });
        let operands: Option<Vec<Operand>> = operands.into_iter().collect();
        operands?.try_into().ok()
    }

    /// An operand of a known type; a literal is read as it.
    pub(super) fn of_type(&mut self, expr: &Expr, field_type: &FieldType) -> Option<Operand> {
        match self.term(expr)? {
            Term::Operand(operand) if operand.field_type == *field_type => Some(operand),
            Term::Operand(operand) => {
                self.problem(format!(
                    "this must be {field_type} and is {}; `convert` it",
                    operand.field_type
                ));
                None
            }
            Term::Literal(literal) => {
                let typed = match literal {
                    Literal::Null => literal::alone(literal),
                    _ => literal::constant(literal, field_type)
                        .map(|column| Typed::new(column, field_type.clone())),
                };
                self.at(".value", |this| this.note(typed))
                    .map(Operand::constant)
            }
        }
    }

    /// An operand of one of the textual types; a literal is a text.
    pub(super) fn text(&mut self, expr: &Expr) -> Option<Node> {
        match self.term(expr)? {
            Term::Operand(operand) if is_text(&operand.field_type) => Some(operand.node),
            Term::Operand(operand) => {
                self.problem(format!(
                    "this must be a text and is {}; `concat` makes a text of any value",
                    operand.field_type
                ));
                None
            }
            Term::Literal(literal) => {
                let typed = literal::beside(literal, &FieldType::Text);
                let typed = self.at(".value", |this| this.note(typed))?;
                Some(Operand::constant(typed).node)
            }
        }
    }

    /// Two texts of a list.
    pub(super) fn texts(&mut self, name: &str, sides: &[Expr; 2]) -> Option<Vec<Node>> {
        let [left, right] = sides;
        let left = self.at(&format!(".{name}[0]"), |this| this.text(left));
        let right = self.at(&format!(".{name}[1]"), |this| this.text(right));
        Some(vec![left?, right?])
    }

    fn compare(&mut self, op: Comparison, sides: &[Expr; 2]) -> Option<Operand> {
        let [left, right] = self.sides(op.name(), sides)?;
        let comparable = comparable(op, &left.field_type, &right.field_type);
        self.at(&format!(".{}", op.name()), |this| this.note(comparable))?;
        let node = match (equal_to(op, &left, &right), equal_to(op, &right, &left)) {
            (Some(true), _) => left.node,
            (Some(false), _) => Node::Not(left.node.into()),
            (_, Some(true)) => right.node,
            (_, Some(false)) => Node::Not(right.node.into()),
            _ => Node::Compare(op, Box::new([left.node, right.node])),
        };
        Some(Operand::new(node, FieldType::Boolean))
    }

    fn arithmetic(&mut self, op: Operation, sides: &[Expr; 2]) -> Option<Operand> {
        let [left, right] = self.sides(op.name(), sides)?;
        let field_type = arithmetic_type(op, &left, &right);
        let field_type = self.at(&format!(".{}", op.name()), |this| this.note(field_type))?;
        let message = format!("the result of `{}` does not fit {field_type}", op.name());
        let node = Node::Arithmetic(
            op,
            Number::of(&field_type),
            Box::new([left.node, right.node]),
            Arc::from(message),
        );
        Some(Operand::new(node, field_type))
    }
}

/// `active = true` is `active` itself, and `active = false` its negation: the value that a boolean
/// is compared with, turned around by `ne`; `None` if it is no such comparison.
fn equal_to(op: Comparison, column: &Operand, constant: &Operand) -> Option<bool> {
    use arrow_array::cast::AsArray;
    match (&column.node, &constant.node, &constant.field_type) {
        (Node::Constant(_), ..) => None,
        (_, Node::Constant(value), FieldType::Boolean) => {
            let value = value.as_boolean_opt()?.iter().next()??;
            match op {
                Comparison::Eq => Some(value),
                Comparison::Ne => Some(!value),
                _ => None,
            }
        }
        _ => None,
    }
}
