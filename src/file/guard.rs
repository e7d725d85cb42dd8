//! Cells that a spreadsheet would take for formulas.

use std::borrow::Cow;

use crate::record::parse;

/// A cell that no spreadsheet runs: with an apostrophe in front if it begins, behind any number of
/// apostrophes, with `=`, `+`, `-`, `@` (or their full-width forms), a tab or a line break, and is no plain
/// number.
///
/// ```
/// use syncline::file::{guard_cell, unguard_cell};
///
/// assert_eq!(*guard_cell(b"=1+1"), *b"'=1+1");
/// assert_eq!(*guard_cell(b"-1.50"), *b"-1.50");
/// assert_eq!(unguard_cell(&guard_cell(b"=1+1")), b"=1+1");
/// ```
pub fn guard_cell(cell: &[u8]) -> Cow<'_, [u8]> {
    if looks_like_formula(cell) && parse::nearest_float(cell).is_none() {
        Cow::Owned([b"'", cell].concat())
    } else {
        Cow::Borrowed(cell)
    }
}

/// What [`guard_cell`] was given.
pub fn unguard_cell(cell: &[u8]) -> &[u8] {
    match cell {
        // Every guarded cell has an apostrophe, and every such cell that has one was guarded.
        [b'\'', rest @ ..] if looks_like_formula(cell) => rest,
        _ => cell,
    }
}

/// The same for a text.
pub(super) fn unguard_text(text: &str) -> &str {
    let skipped = text.len() - unguard_cell(text.as_bytes()).len();
    text.get(skipped..).unwrap_or(text)
}

fn looks_like_formula(cell: &[u8]) -> bool {
    let begin = cell.iter().position(|byte| *byte != b'\'');
    let bare = begin
        .and_then(|begin| cell.get(begin..))
        .unwrap_or_default();
    match bare {
        [b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\n', ..] => true,
        // Full-width forms, in UTF-8.
        [0xEF, ..] => ["＝", "＋", "－", "＠"]
            .iter()
            .any(|form| bare.starts_with(form.as_bytes())),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn formulas_are_guarded_and_numbers_are_not() {
        for formula in [
            "=1", "+cmd", "-1a", "@x", "\t1", "\r=1", "'=1", "''-5", "-", "+1e999", "--1", "\n=1",
            "＝1", "'＋1", "－1", "＠x",
        ] {
            let guarded = guard_cell(formula.as_bytes());
            assert_eq!(*guarded, *format!("'{formula}").as_bytes(), "{formula}");
        }
        for plain in [
            "",
            "a=1",
            "'",
            "'a",
            "-5",
            "+5",
            "-0.25",
            "-1.5e-3",
            "1=1",
            "-9007199254740993",
            "１",
            "！",
        ] {
            assert_eq!(*guard_cell(plain.as_bytes()), *plain.as_bytes(), "{plain}");
        }
    }

    proptest! {
        #[test]
        fn a_guard_can_be_taken_off(
            cell in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..9),
                "['=+@＝＋－＠１\t\r\n0-9.e-]{0,6}".prop_map(String::into_bytes),
            ],
        ) {
            let guarded = guard_cell(&cell);
            prop_assert_eq!(unguard_cell(&guarded), &*cell);
        }
    }
}
