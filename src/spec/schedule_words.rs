//! The words of a sentence.

use std::fmt::Write as _;
use std::str::FromStr;

/// The longest text that is read.
const LONGEST: usize = 16 * 1_024;

#[derive(Debug, Clone, PartialEq)]
enum Word<'a> {
    Plain(&'a str),
    Quoted(String),
    Comma,
    Semicolon,
}

/// The words of a text, read one by one. `,` and `;` are words; within double quotes everything is one, with `\` in front of `"` and `\`.
pub(super) struct Words<'a> {
    words: Vec<Word<'a>>,
    at: usize,
}

/// A text in double quotes.
pub(super) fn quoted(text: &str) -> String {
    let mut written = String::with_capacity(text.len() + 2);
    written.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            written.push('\\');
        }
        written.push(c);
    }
    written.push('"');
    written
}

impl<'a> Words<'a> {
    pub(super) fn of(text: &'a str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("it has more than {LONGEST} bytes"));
        }
        let mut words = Vec::new();
        let mut rest = text.trim_start();
        while let Some(c) = rest.chars().next() {
            let behind = rest.get(c.len_utf8()..).unwrap_or_default();
            rest = match c {
                ',' => {
                    words.push(Word::Comma);
                    behind
                }
                ';' => {
                    words.push(Word::Semicolon);
                    behind
                }
                '"' => {
                    let (text, behind) = unquote(behind)?;
                    words.push(Word::Quoted(text));
                    behind
                }
                _ => {
                    let ends = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '"');
                    let (word, behind) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
                    words.push(Word::Plain(word));
                    behind
                }
            }
            .trim_start();
        }
        Ok(Words { words, at: 0 })
    }

    /// The next word, if it is a plain one.
    pub(super) fn peek(&self) -> Option<&'a str> {
        self.plain(self.at)
    }

    /// The one behind it.
    pub(super) fn second(&self) -> Option<&'a str> {
        self.plain(self.at + 1)
    }

    fn plain(&self, at: usize) -> Option<&'a str> {
        match self.words.get(at) {
            Some(Word::Plain(word)) => Some(word),
            _ => None,
        }
    }

    pub(super) fn sees(&self, word: &str) -> bool {
        self.peek()
            .is_some_and(|next| next.eq_ignore_ascii_case(word))
    }

    /// Whether the last word read was this one.
    pub(super) fn was(&self, word: &str) -> bool {
        let last = self.at.checked_sub(1).and_then(|at| self.plain(at));
        last.is_some_and(|last| last.eq_ignore_ascii_case(word))
    }

    /// Reads any plain word.
    pub(super) fn any(&mut self) -> Option<&'a str> {
        let word = self.peek()?;
        self.at += 1;
        Some(word)
    }

    /// Reads this word, if it is the next.
    pub(super) fn eat(&mut self, word: &str) -> bool {
        let sees = self.sees(word);
        self.at += usize::from(sees);
        sees
    }

    pub(super) fn expect(&mut self, word: &str) -> Result<(), String> {
        match self.eat(word) {
            true => Ok(()),
            false => self.wrong(word),
        }
    }

    pub(super) fn comma(&mut self) -> bool {
        self.mark(&Word::Comma)
    }

    pub(super) fn semicolon(&mut self) -> bool {
        self.mark(&Word::Semicolon)
    }

    fn mark(&mut self, mark: &Word<'_>) -> bool {
        let sees = self.words.get(self.at) == Some(mark);
        self.at += usize::from(sees);
        sees
    }

    /// Reads a word that means something else, if it does.
    pub(super) fn parsed<T: FromStr>(&mut self) -> Option<T> {
        let read = self.peek()?.parse().ok()?;
        self.at += 1;
        Some(read)
    }

    pub(super) fn quoted(&mut self) -> Result<String, String> {
        match self.words.get(self.at) {
            Some(Word::Quoted(text)) => {
                self.at += 1;
                Ok(text.clone())
            }
            _ => self.wrong("a text in double quotes"),
        }
    }

    pub(super) fn end(&self) -> Result<(), String> {
        match self.at == self.words.len() {
            true => Ok(()),
            false => self.wrong("nothing more, or `;`"),
        }
    }

    /// Says what should stand where something else does.
    pub(super) fn wrong<T>(&self, expected: &str) -> Result<T, String> {
        let mut message = format!("{expected} should stand ");
        let place = match self.words.get(self.at) {
            Some(Word::Plain(word)) => write!(message, "in place of `{word}`"),
            Some(Word::Quoted(_)) => write!(message, "in place of a text in quotes"),
            Some(Word::Comma) => write!(message, "in place of `,`"),
            Some(Word::Semicolon) => write!(message, "in place of `;`"),
            None => write!(message, "at the end"),
        };
        // Writing into a text cannot fail.
        place.map_err(|_| String::new())?;
        Err(message)
    }
}

/// What stands in front of the closing quote, and what behind it.
fn unquote(text: &str) -> Result<(String, &str), String> {
    let mut read = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((read, text.get(at + 1..).unwrap_or_default())),
            '\\' => match chars.next() {
                Some((_, c @ ('"' | '\\'))) => read.push(c),
                _ => return Err("behind `\\` stands neither `\"` nor `\\`".into()),
            },
            _ => read.push(c),
        }
    }
    Err("a quote has no end".into())
}
