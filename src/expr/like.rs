//! The patterns of `like`.

use arrow_array::ArrayRef;
use memchr::memmem::Finder;

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
    segments: Vec<Segment>,
    ignore_case: bool,
}

#[derive(Debug, Default)]
struct Segment {
    marks: Vec<Mark>,
    /// Finds the segment, if its characters are all told and in one case only.
    finder: Option<Finder<'static>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// `_`
    Any,
    One(char),
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
        let segment = |marks: Vec<Mark>| {
            let told: Option<String> = (marks.iter())
                .map(|mark| match mark {
                    Mark::One(character) if !ignore_case => Some(*character),
                    _ => None,
                })
                .collect();
            Segment {
                finder: told.map(|text| Finder::new(&text).into_owned()),
                marks,
            }
        };
        Ok(Like {
            segments: segments.into_iter().map(segment).collect(),
            ignore_case,
        })
    }

    fn matches(&self, text: &str) -> bool {
        let Some((first, rest)) = self.segments.split_first() else {
            return false;
        };
        let Some(mut text) = self.behind(text, first) else {
            return false;
        };
        let Some((last, middle)) = rest.split_last() else {
            return text.is_empty();
        };
        // Of several places for a segment the first leaves the most for those behind it.
        for segment in middle {
            match self.behind_first(text, segment) {
                Some(rest) => text = rest,
                None => return false,
            }
        }
        let mut text = text.chars();
        (last.marks.iter().rev()).all(|mark| text.next_back().is_some_and(|c| self.fits(*mark, c)))
    }

    fn fits(&self, mark: Mark, character: char) -> bool {
        match mark {
            Mark::Any => true,
            Mark::One(expected) if self.ignore_case => expected == lower(character),
            Mark::One(expected) => expected == character,
        }
    }

    /// What follows a segment at the text's front; `None` if it does not stand there.
    fn behind<'t>(&self, text: &'t str, segment: &Segment) -> Option<&'t str> {
        let mut text = text.chars();
        let mut marks = segment.marks.iter();
        marks
            .all(|mark| text.next().is_some_and(|c| self.fits(*mark, c)))
            .then_some(text.as_str())
    }

    /// What follows the first place of a segment in a text; `None` if there is none.
    fn behind_first<'t>(&self, text: &'t str, segment: &Segment) -> Option<&'t str> {
        if let Some(finder) = &segment.finder {
            let at = finder.find(text.as_bytes())?;
            return text.get(at + finder.needle().len()..);
        }
        let mut from = text.chars();
        loop {
            if let Some(rest) = self.behind(from.as_str(), segment) {
                return Some(rest);
            }
            from.next()?;
        }
    }
}

/// Unicode's simple lower case: of the dotted capital I, whose full one has two characters, the first.
fn lower(character: char) -> char {
    character.to_lowercase().next().unwrap_or(character)
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
        // The full lower case of the dotted capital I has two characters.
        assert!(Like::new("i%", true).unwrap().matches("İzmir"));
        assert!(Like::new("İ_mir", true).unwrap().matches("izmir"));
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
