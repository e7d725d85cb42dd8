//! The text that joins labelled conditions: `(A OR B) AND NOT C`.

use std::collections::BTreeSet;

use hashbrown::HashMap;

use super::MAX_DEPTH;
use crate::spec::Condition;

/// Conditions, by their numbers from 0 on, and how they are joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tree {
    Condition(usize),
    Not(Box<Tree>),
    /// At least one.
    And(Vec<Tree>),
    /// At least one.
    Or(Vec<Tree>),
}

impl Tree {
    /// The conditions that it names.
    pub(super) fn conditions(&self) -> BTreeSet<usize> {
        match self {
            Tree::Condition(number) => BTreeSet::from([*number]),
            Tree::Not(part) => part.conditions(),
            Tree::And(parts) | Tree::Or(parts) => parts.iter().flat_map(Tree::conditions).collect(),
        }
    }
}

/// What a condition is called, in lower case, and its number from 0 on.
pub(super) type Labels = HashMap<String, usize, foldhash::fast::RandomState>;

/// The labels of conditions: their own, or a letter by their place; and their numbers from 1 on. Or which of them are wrong.
pub(super) fn labels(conditions: &[Condition]) -> Result<Labels, Vec<(usize, String)>> {
    let mut labels = Labels::default();
    let mut problems = Vec::new();
    for (number, condition) in conditions.iter().enumerate() {
        let label = match &condition.label {
            Some(label) => label.to_ascii_lowercase(),
            None => match (b'a'..=b'z').nth(number) {
                Some(letter) => char::from(letter).to_string(),
                None => continue,
            },
        };
        let mut characters = label.chars();
        let is_word = characters
            .next()
            .is_some_and(|first| first.is_ascii_alphabetic())
            && characters.all(|other| other.is_ascii_alphanumeric() || other == '_');
        if !is_word || matches!(label.as_str(), "and" | "or" | "not") {
            let message =
                "a label is a letter, then letters, digits and `_`, and none of AND, OR, NOT";
            problems.push((number, message.into()));
        } else if let Some(other) = labels.get(&label) {
            let message = format!(
                "`{}` is what condition {} is called, by its label or by its place; choose another label",
                label.to_ascii_uppercase(),
                other + 1
            );
            problems.push((number, message));
        } else {
            labels.insert(label, number);
        }
    }
    labels.extend((0..conditions.len()).map(|number| ((number + 1).to_string(), number)));
    if problems.is_empty() {
        Ok(labels)
    } else {
        Err(problems)
    }
}

/// Reads a text over these labels.
///
/// # Errors
/// What was expected, and at which character, counted from 1.
pub(super) fn parse(text: &str, labels: &Labels) -> Result<Tree, String> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        next: 0,
        labels,
        length: text.chars().count(),
    };
    let tree = parser.any(0)?;
    match parser.peek() {
        None => Ok(tree),
        Some(token) => Err(token.unexpected("AND, OR or the end")),
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Token<'t> {
    text: &'t str,
    /// Its first character, from 1 on.
    at: usize,
}

impl Token<'_> {
    fn is(&self, word: &str) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }

    fn unexpected(&self, expected: &str) -> String {
        format!(
            "at character {} (`{}`): expected {expected}",
            self.at, self.text
        )
    }
}

fn tokens(text: &str) -> Result<Vec<Token<'_>>, String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut at = 1;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let length = match first {
            '(' | ')' => 1,
            _ if first.is_whitespace() => first.len_utf8(),
            _ if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            _ => {
                return Err(format!(
                    "at character {at} (`{first}`): expected a condition, AND, OR, NOT or a parenthesis"
                ));
            }
        };
        let (token, behind) = rest.split_at(length);
        if !first.is_whitespace() {
            tokens.push(Token { text: token, at });
        }
        at += token.chars().count();
        rest = behind;
    }
    Ok(tokens)
}

struct Parser<'t> {
    tokens: Vec<Token<'t>>,
    next: usize,
    labels: &'t Labels,
    /// Of the text, in characters.
    length: usize,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> Option<&Token<'t>> {
        self.tokens.get(self.next)
    }

    /// Passes over the next token if it is this word.
    fn take(&mut self, word: &str) -> bool {
        let is_it = self.peek().is_some_and(|token| token.is(word));
        self.next += usize::from(is_it);
        is_it
    }

    /// `OR` binds loosest.
    fn any(&mut self, depth: usize) -> Result<Tree, String> {
        let mut parts = vec![self.all(depth)?];
        while self.take("or") {
            parts.push(self.all(depth)?);
        }
        Ok(alone(parts, Tree::Or))
    }

    fn all(&mut self, depth: usize) -> Result<Tree, String> {
        let mut parts = vec![self.one(depth)?];
        while self.take("and") {
            parts.push(self.one(depth)?);
        }
        Ok(alone(parts, Tree::And))
    }

    fn one(&mut self, depth: usize) -> Result<Tree, String> {
        const EXPECTED: &str = "a condition, NOT or `(`";
        let Some(token) = self.peek().cloned() else {
            return Err(format!(
                "at character {}: the text ends; expected {EXPECTED}",
                self.length + 1
            ));
        };
        if depth == MAX_DEPTH {
            return Err(format!(
                "at character {} (`{}`): nested deeper than {MAX_DEPTH} levels",
                token.at, token.text
            ));
        }
        self.next += 1;
        if token.is("not") {
            return Ok(Tree::Not(self.one(depth + 1)?.into()));
        }
        if token.is("(") {
            let tree = self.any(depth + 1)?;
            if self.take(")") {
                return Ok(tree);
            }
            return Err(match self.peek() {
                Some(other) => other.unexpected("AND, OR or `)`"),
                None => format!(
                    "at character {}: the text ends; expected `)`, as the parenthesis at character {} is open",
                    self.length + 1,
                    token.at
                ),
            });
        }
        if token.is(")") || token.is("and") || token.is("or") {
            return Err(token.unexpected(EXPECTED));
        }
        match self.labels.get(&token.text.to_ascii_lowercase()) {
            Some(number) => Ok(Tree::Condition(*number)),
            None => Err(token.unexpected(&format!("a condition; there are {}", self.known()))),
        }
    }

    /// The labels by their conditions; numbers only of those without.
    fn known(&self) -> String {
        let mut known: Vec<(usize, bool, &String)> = (self.labels.iter())
            .map(|(label, number)| {
                (
                    *number,
                    label.starts_with(|c: char| c.is_ascii_digit()),
                    label,
                )
            })
            .collect();
        known.sort_unstable();
        known.dedup_by_key(|(number, ..)| *number);
        let known: Vec<String> = known
            .iter()
            .map(|(_, _, label)| format!("`{}`", label.to_ascii_uppercase()))
            .collect();
        known.join(", ")
    }
}

fn alone(mut parts: Vec<Tree>, join: impl Fn(Vec<Tree>) -> Tree) -> Tree {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            join(parts)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use proptest::prelude::*;

    use super::*;
    use crate::spec::Expr;

    fn conditions(labels: &[Option<&str>]) -> Vec<Condition> {
        let condition = |label: &Option<&str>| match label {
            Some(label) => Condition::new(Expr::value(true)).labelled(*label),
            None => Condition::new(Expr::value(true)),
        };
        labels.iter().map(condition).collect()
    }

    fn error(text: &str) -> String {
        parse(
            text,
            &labels(&conditions(&[None, None, Some("late")])).unwrap(),
        )
        .unwrap_err()
    }

    #[test]
    fn errors_point_at_the_character() {
        for (text, message) in [
            (
                "",
                "at character 1: the text ends; expected a condition, NOT or `(`",
            ),
            (
                "A AND",
                "at character 6: the text ends; expected a condition, NOT or `(`",
            ),
            ("A B", "at character 3 (`B`): expected AND, OR or the end"),
            (
                "(A OR B",
                "at character 8: the text ends; expected `)`, as the parenthesis at character 1 is open",
            ),
            ("(A 2)", "at character 4 (`2`): expected AND, OR or `)`"),
            (
                "A OR )",
                "at character 6 (`)`): expected a condition, NOT or `(`",
            ),
            (
                "A) AND B",
                "at character 2 (`)`): expected AND, OR or the end",
            ),
            (
                "é",
                "at character 1 (`é`): expected a condition, AND, OR, NOT or a parenthesis",
            ),
            (
                "A AND  && B",
                "at character 8 (`&`): expected a condition, AND, OR, NOT or a parenthesis",
            ),
            (
                "A AND C",
                "at character 7 (`C`): expected a condition; there are `A`, `B`, `LATE`",
            ),
            (
                "4",
                "at character 1 (`4`): expected a condition; there are `A`, `B`, `LATE`",
            ),
        ] {
            assert_eq!(error(text), message, "{text}");
        }
        for deep in ["(".repeat(100_000), "NOT ".repeat(100_000)] {
            assert!(error(&deep).contains("nested deeper than 64 levels"));
        }
    }

    #[test]
    fn conditions_are_called_by_letter_number_or_label() {
        let many = labels(&conditions(&[None; 30])).unwrap();
        for (text, number) in [("a", 0), ("Z", 25), ("1", 0), ("30", 29)] {
            assert_eq!(parse(text, &many), Ok(Tree::Condition(number)));
        }
        let wrong = labels(&conditions(&[
            Some("b"),
            None,
            Some("or"),
            Some("1a"),
            Some(""),
        ]))
        .unwrap_err();
        let places: Vec<usize> = wrong.iter().map(|(place, _)| *place).collect();
        assert_eq!(places, [1, 2, 3, 4]);
        assert!(
            wrong[0].1.contains("`B` is what condition 1 is called"),
            "{wrong:?}"
        );
    }

    fn tree() -> impl Strategy<Value = Tree> {
        (0..4usize)
            .prop_map(Tree::Condition)
            .prop_recursive(5, 24, 4, |part| {
                prop_oneof![
                    part.clone().prop_map(|part| Tree::Not(part.into())),
                    prop::collection::vec(part.clone(), 2..4).prop_map(Tree::And),
                    prop::collection::vec(part, 2..4).prop_map(Tree::Or),
                ]
            })
    }

    /// The tree as text; `style` decides on case, blanks, names and parentheses that are not needed.
    fn write(tree: &Tree, level: u8, style: &mut impl Iterator<Item = u8>, out: &mut String) {
        let mut next = || style.next().unwrap_or(0);
        let own = match tree {
            Tree::Or(_) => 0,
            Tree::And(_) => 1,
            Tree::Not(_) | Tree::Condition(_) => 2,
        };
        let parentheses = own < level || next() % 4 == 0;
        if parentheses {
            out.push('(');
        }
        let level = if parentheses { 0 } else { level };
        match tree {
            Tree::Condition(number) => match next() % 3 {
                0 => out.push_str(&(number + 1).to_string()),
                1 => out.push((b'a' + *number as u8).into()),
                _ => out.push((b'A' + *number as u8).into()),
            },
            Tree::Not(part) => {
                out.push_str(["NOT ", "not  "][usize::from(next() % 2)]);
                write(part, 2, style, out);
            }
            Tree::And(parts) | Tree::Or(parts) => {
                let word = if own == 1 {
                    [" AND ", " and "]
                } else {
                    [" OR ", "\tOr "]
                };
                for (number, part) in parts.iter().enumerate() {
                    if number > 0 {
                        out.push_str(word[usize::from(style.next().unwrap_or(0) % 2)]);
                    }
                    // A part of the same kind keeps its own parentheses only if it has some.
                    write(part, own.max(level) + u8::from(own < 2), style, out);
                }
            }
        }
        if parentheses {
            out.push(')');
        }
    }

    fn truth(tree: &Tree, values: &[Option<bool>; 4]) -> Option<bool> {
        let all = |parts: &[Tree], decides: bool| {
            let parts: Vec<_> = parts.iter().map(|part| truth(part, values)).collect();
            match () {
                () if parts.contains(&Some(decides)) => Some(decides),
                () if parts.contains(&None) => None,
                () => Some(!decides),
            }
        };
        match tree {
            Tree::Condition(number) => values[*number],
            Tree::Not(part) => truth(part, values).map(|value| !value),
            Tree::And(parts) => all(parts, false),
            Tree::Or(parts) => all(parts, true),
        }
    }

    proptest! {
        #[test]
        fn a_text_has_the_truth_table_of_what_it_was_written_from(
            tree in tree(),
            style in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let mut text = String::new();
            write(&tree, 0, &mut style.into_iter(), &mut text);
            let read = parse(&text, &labels(&conditions(&[None; 4])).unwrap());
            let read = read.map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
            for row in 0..81usize {
                let value = |place: u32| [Some(true), Some(false), None][row / 3usize.pow(place) % 3];
                let values = [value(0), value(1), value(2), value(3)];
                prop_assert_eq!(truth(&read, &values), truth(&tree, &values), "{} of {:?}", text, values);
            }
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "[AbC1-3()andortNOT \u{E9}]{0,40}") {
            let _ = parse(&text, &labels(&conditions(&[None; 3])).unwrap());
        }
    }
}
