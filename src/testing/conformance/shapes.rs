//! Whether a text can be read in bytes, in any notation that is usual.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// The text as it is, as hexadecimal and decimal numbers, in percents, backwards, and as base64 behind whatever else.
fn shapes(text: &str) -> Vec<String> {
    let bytes = text.as_bytes();
    let joined = |shown: &dyn Fn(&u8) -> String, by: &str| {
        let shown: Vec<String> = bytes.iter().map(shown).collect();
        shown.join(by)
    };
    let hex = joined(&|byte| format!("{byte:02x}"), "");
    let percent = joined(&|byte| format!("%{byte:02X}"), "");
    let mut shapes = vec![
        text.to_owned(),
        text.chars().rev().collect(),
        hex.to_uppercase(),
        hex,
        percent.to_lowercase(),
        percent,
        joined(&u8::to_string, ","),
        joined(&u8::to_string, ", "),
    ];
    // What stands in front decides between three forms, of which the inner part is always the same.
    for before in 0..3 {
        let shifted = [&vec![b' '; before], bytes].concat();
        for encoded in [STANDARD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)] {
            let encoded = encoded.trim_end_matches('=');
            let inner = encoded.get(4..encoded.len().saturating_sub(4));
            shapes.extend(inner.filter(|inner| inner.len() >= 8).map(str::to_owned));
        }
    }
    shapes
}

/// Whether the text is in these bytes. It must be long enough that it is there by no chance.
pub(super) fn is_seen(text: &str, bytes: &[u8]) -> bool {
    shapes(text).iter().any(|shape| {
        let shape = shape.as_bytes();
        bytes.windows(shape.len()).any(|window| window == shape)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_seen_in_each_of_its_shapes() {
        let canary = "c4n4ry-Zq81-xyzzy-77";
        for shape in shapes(canary) {
            assert!(is_seen(canary, format!("<{shape}>").as_bytes()), "{shape}");
        }
        for before in ["", "a", "ab", "abc"] {
            let wrapped = STANDARD.encode(format!("{before}{canary}!"));
            assert!(is_seen(canary, wrapped.as_bytes()), "{before}");
        }
        assert!(!is_seen(canary, b"c4n4ry-Zq82-xyzzy-77"));
    }
}
