//! The patterns of `like`.

use std::iter::Peekable;

use arrow_array::ArrayRef;

use super::conditions::each;
use super::evaluate::wrong_layout;
use super::kernel::Kernel;
use super::side::{Texts, Value};
use crate::Result;
use crate::record::Refusal;

/// A compiled pattern: what stands between its `%`.
#[derive(Debug)]
pub(super) struct Like {
    /// At least one. The first is at the text's front, the last at its end, the others anywhere between, in order.
    segments: Vec<Vec<Mark>>,
    ignore_case: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// `_`
    Any,
    One(char),
}

impl Mark {
    fn fits(self, character: char) -> bool {
        match self {
            Mark::Any => true,
            Mark::One(expected) => expected == character,
        }
    }
}

impl Like {
    pub(super) fn new(pattern: &str, ignore_case: bool) -> Result<Self, String> {
        let mut segments = vec![Vec::new()];
        let mut characters = pattern.chars();
        while let Some(character) = characters.next() {
            let mark = match character {
                '%' => {
                    segments.push(Vec::new());
                    continue;
                }
                '_' => Mark::Any,
                '\\' => match characters.next() {
                    Some(escaped) => Mark::One(escaped),
                    None => {
                        return Err(
                            "a backslash at the end makes nothing ordinary; write two for one"
                                .into(),
                        );
                    }
                },
                other => Mark::One(other),
            };
            let mark = match mark {
                Mark::One(character) if ignore_case => Mark::One(lower(character)),
                other => other,
            };
            if let Some(segment) = segments.last_mut() {
                segment.push(mark);
            }
        }
        Ok(Like {
            segments,
            ignore_case,
        })
    }

    fn matches(&self, text: &str) -> bool {
        if !self.ignore_case {
            return self.matches_characters(text.chars());
        }
        let lower: String = text.chars().map(lower).collect();
        self.matches_characters(lower.chars())
    }

    fn matches_characters(&self, mut text: std::str::Chars<'_>) -> bool {
        let Some((first, rest)) = self.segments.split_first() else {
            return false;
        };
        if !take_front(&mut text, first) {
            return false;
        }
        let Some((last, middle)) = rest.split_last() else {
            return text.as_str().is_empty();
        };
        // Of several places for a segment the first leaves the most for those behind it.
        for segment in middle {
            loop {
                let here = text.clone();
                if take_front(&mut text, segment) {
                    break;
                }
                text = here;
                if text.next().is_none() {
                    return false;
                }
            }
        }
        let mut marks = last.iter().rev().peekable();
        take_back(&mut text, &mut marks)
    }
}

/// The lower case of a character, if that is one character.
fn lower(character: char) -> char {
    let mut lower = character.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(lower), None) => lower,
        _ => character,
    }
}

fn take_front(text: &mut std::str::Chars<'_>, segment: &[Mark]) -> bool {
    segment
        .iter()
        .all(|mark| text.next().is_some_and(|character| mark.fits(character)))
}

fn take_back<'m>(
    text: &mut std::str::Chars<'_>,
    marks: &mut Peekable<impl Iterator<Item = &'m Mark>>,
) -> bool {
    marks.all(|mark| {
        text.next_back()
            .is_some_and(|character| mark.fits(character))
    })
}

impl Kernel for Like {
    fn compute(
        &self,
        operands: &[Value],
        rows: usize,
        _: &mut dyn FnMut(u32, Refusal),
    ) -> Result<ArrayRef> {
        let [value] = operands else {
            return Err(wrong_layout());
        };
        let texts = Texts::of(value).ok_or_else(wrong_layout)?;
        Ok(each(texts, rows, |text| self.matches(text)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_pattern_matches_the_whole_text() {
        for (pattern, text, matches) in [
            ("", "", true),
            ("", "a", false),
            ("%", "", true),
            ("a%", "abc", true),
            ("a%", "bac", false),
            ("%c", "abc", true),
            ("%b%", "abc", true),
            ("a_c", "abc", true),
            ("a_c", "a\u{1F600}c", true),
            ("a_c", "ac", false),
            ("a%b%c", "axxbyyc", true),
            ("a%b%c", "axxcyyb", false),
            ("%aab", "aaab", true),
            ("%ab%ab%", "abab", true),
            ("%ab%ab%", "aab", false),
            ("a%a", "a", false),
            ("50\\%", "50%", true),
            ("50\\%", "505", false),
            ("\\_\\\\", "_\\", true),
            ("ABC", "abc", false),
        ] {
            let like = Like::new(pattern, false).unwrap();
            assert_eq!(like.matches(text), matches, "{pattern} of {text}");
        }
        let like = Like::new("STRASS%ß", true).unwrap();
        assert!(like.matches("Strasse ẞ") && !like.matches("Straße"));
        assert!(
            Like::new("ΑΣ", true).unwrap().matches("ας")
                == Like::new("ας", true).unwrap().matches("ΑΣ")
        );
        assert!(Like::new("\\a\\_", false).unwrap().matches("a_"));
        assert!(Like::new("a\\", false).unwrap_err().contains("backslash"));
    }

    #[test]
    fn many_wildcards_stay_quick() {
        let like = Like::new(&"%a".repeat(2000), false).unwrap();
        assert!(!like.matches(&"a".repeat(1999)));
        let like = Like::new(&format!("%{}b%", "a".repeat(500)), false).unwrap();
        assert!(!like.matches(&"a".repeat(2000)));
    }
}
