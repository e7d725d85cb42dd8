//! Numbers with a decimal mark and a grouping of their own.

use crate::error::Problem;

/// Marks of a number, each a character of the text.
#[derive(Debug, Clone)]
pub(super) struct Marks {
    decimal: Mark,
    grouping: Option<Mark>,
}

/// A character as UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    bytes: [u8; 4],
    length: usize,
}

impl Mark {
    fn new(character: char) -> Self {
        let mut bytes = [0; 4];
        let length = character.encode_utf8(&mut bytes).len();
        Mark { bytes, length }
    }

    #[inline]
    fn strip<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        text.strip_prefix(self.bytes.get(..self.length)?)
    }
}

/// Numbers up to this length are rewritten without allocation.
const USUAL: usize = 64;

impl Marks {
    /// # Errors
    /// What is wrong with the marks, under `decimal_mark` and `grouping`.
    pub(super) fn new(decimal: char, grouping: Option<char>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let is_taken = |mark: char| {
            mark.is_alphanumeric() || mark.is_control() || matches!(mark, '+' | '-' | '\u{2212}')
        };
        if is_taken(decimal) || decimal.is_whitespace() {
            let message = "one character that is no digit, letter, sign or white space";
            problems.push(Problem::new("decimal_mark", message));
        }
        if grouping.is_some_and(is_taken) {
            let message = "one character that is no digit, letter or sign";
            problems.push(Problem::new("grouping", message));
        }
        if grouping == Some(decimal) {
            let message = "the same character as the decimal mark, which is `.` unless it is given; choose two";
            problems.push(Problem::new("grouping", message));
        }
        match problems.is_empty() {
            true => Ok(Marks {
                decimal: Mark::new(decimal),
                grouping: grouping.map(Mark::new),
            }),
            false => Err(problems),
        }
    }

    /// What `parse` makes of a number once its marks are the usual ones.
    #[inline]
    pub(super) fn read<V>(&self, text: &[u8], parse: impl FnOnce(&[u8]) -> Option<V>) -> Option<V> {
        let mut short = [0; USUAL];
        let mut long = Vec::new();
        let out = match short.get_mut(..text.len()) {
            Some(out) => out,
            None => {
                long.resize(text.len(), 0);
                long.as_mut_slice()
            }
        };
        let length = self.rewrite(text, out)?;
        parse(out.get(..length)?)
    }

    /// Writes a number with a point and no groups, which is never longer. What is no number for another reason than its
    /// marks is left to the parser.
    fn rewrite(&self, text: &[u8], out: &mut [u8]) -> Option<usize> {
        let mut rest = text;
        let mut written = 0;
        // In front of decimal mark and exponent: the digits since the last grouping mark, and whether there was one.
        let (mut whole, mut grouped, mut digits) = (true, false, 0usize);
        let closes = |grouped: bool, digits: usize| !grouped || digits == 3;
        while let Some((&byte, tail)) = rest.split_first() {
            let mut behind = tail;
            let put = match byte {
                b'0'..=b'9' => {
                    digits += 1;
                    byte
                }
                b'+' | b'-' => byte,
                b'e' | b'E' => {
                    if whole && !closes(grouped, digits) {
                        return None;
                    }
                    whole = false;
                    byte
                }
                _ if !whole => return None,
                _ => {
                    if let Some(tail) = self.decimal.strip(rest) {
                        if !closes(grouped, digits) {
                            return None;
                        }
                        whole = false;
                        behind = tail;
                        b'.'
                    } else {
                        rest = self.grouping.and_then(|mark| mark.strip(rest))?;
                        // A number that begins with 0 has no groups: `0.125` is another notation's.
                        let fits = match grouped {
                            true => digits == 3,
                            false => {
                                (1..=3).contains(&digits) && out.get(written - digits)? != &b'0'
                            }
                        };
                        if !fits {
                            return None;
                        }
                        (grouped, digits) = (true, 0);
                        continue;
                    }
                }
            };
            *out.get_mut(written)? = put;
            written += 1;
            rest = behind;
        }
        (!whole || closes(grouped, digits)).then_some(written)
    }
}
