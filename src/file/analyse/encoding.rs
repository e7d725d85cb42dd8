//! How a sample's characters are written.

use super::guess::Guess;
use crate::spec::Encoding;

/// Of windows-1252 these mean nothing.
const GAPS: [u8; 5] = [0x81, 0x8D, 0x8F, 0x90, 0x9D];

/// By the byte order mark, by what is UTF-8 or has the zero bytes of UTF-16, and else by what is usual.
pub(super) fn guess(sample: &[u8], is_whole: bool) -> Guess<Encoding> {
    match sample {
        [0xEF, 0xBB, 0xBF, ..] => return Guess::only(Encoding::Utf8, 1.0),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => return Guess::only(Encoding::Utf16, 1.0),
        _ => {}
    }
    if let Some(encoding) = utf_16(sample) {
        return Guess::only(encoding, 0.9);
    }
    let (characters, broken) = utf_8(sample, is_whole);
    if broken == 0 {
        // ASCII is the same in all of them, and what follows the sample may be anything.
        let open = if characters == 0 { 0.1 } else { 0.01 };
        return Guess::by_score(Encoding::Utf8, [(Encoding::Windows1252, open)], 1.0 - open);
    }
    if characters >= 8 * broken {
        return Guess::by_score(Encoding::Utf8, [(Encoding::Windows1252, 0.1)], 0.9);
    }
    let has_gaps = sample.iter().any(|byte| GAPS.contains(byte));
    let has_controls = sample.iter().any(|byte| (0x80..0xA0).contains(byte));
    let (value, score, others) = match (has_gaps, has_controls) {
        (true, _) => (
            Encoding::Iso8859_1,
            0.4,
            [(Encoding::Iso8859_15, 0.2), (Encoding::Iso8859_2, 0.2)],
        ),
        (false, true) => (
            Encoding::Windows1252,
            0.8,
            [(Encoding::Iso8859_1, 0.05), (Encoding::Iso8859_15, 0.05)],
        ),
        (false, false) => (
            Encoding::Windows1252,
            0.5,
            [(Encoding::Iso8859_15, 0.3), (Encoding::Iso8859_2, 0.1)],
        ),
    };
    Guess::by_score(value, others, score)
}

/// UTF-16 without a mark: most characters of a delimited file are ASCII, so each has a zero byte on the same side.
fn utf_16(sample: &[u8]) -> Option<Encoding> {
    let pairs = sample.len() / 2;
    let zeros = |side: usize| {
        sample
            .iter()
            .skip(side)
            .step_by(2)
            .filter(|byte| **byte == 0)
            .count()
    };
    let (front, back) = (zeros(0), zeros(1));
    match pairs > 0 {
        true if back * 3 > pairs && front * 50 < pairs => Some(Encoding::Utf16Le),
        true if front * 3 > pairs && back * 50 < pairs => Some(Encoding::Utf16Be),
        _ => None,
    }
}

/// How many characters of more than a byte there are, and how many places that are not UTF-8.
fn utf_8(sample: &[u8], is_whole: bool) -> (usize, usize) {
    let (mut characters, mut broken) = (0, 0);
    for chunk in sample.utf8_chunks() {
        characters += chunk
            .valid()
            .chars()
            .filter(|character| !character.is_ascii())
            .count();
        broken += usize::from(!chunk.invalid().is_empty());
    }
    // The sample may end within a character.
    if let (false, Err(error)) = (is_whole, std::str::from_utf8(last_bytes(sample))) {
        broken -= usize::from(broken > 0 && error.error_len().is_none());
    }
    (characters, broken)
}

/// From the last byte that begins a character on.
fn last_bytes(sample: &[u8]) -> &[u8] {
    let from = sample.iter().rposition(|byte| byte & 0xC0 != 0x80);
    sample.get(from.unwrap_or(0)..).unwrap_or_default()
}
