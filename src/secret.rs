//! What must never be shown.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};

/// Text that must never be shown: a token, a password, a key. It is wiped from memory when it is dropped.
///
/// It has neither `Display` nor `Serialize`, and its `Debug` is the same for all secrets, whatever their length. So one that is formatted by
/// mistake shows nothing, and to write one into a spec does not compile. Who must have the text says so with
/// [`expose`](Secret::expose), where a reader of the code finds it.
///
/// ```
/// use syncline::Secret;
///
/// let token = Secret::new("hunter2");
/// assert_eq!(format!("{token:?}"), "Secret(…)");
/// assert_eq!(token.expose(), "hunter2");
/// ```
///
/// ```compile_fail
/// serde_json::to_string(&syncline::Secret::new("hunter2"));
/// ```
///
/// ```compile_fail
/// println!("{}", syncline::Secret::new("hunter2"));
/// ```
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Keeps a text. What the caller has of it besides stays with the caller.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(SecretString::from(text.into()))
    }

    /// The text. To be put where it is needed, and nowhere else.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether both are the same. The time that this takes tells of their length only.
    pub fn matches(&self, other: &Secret) -> bool {
        let (a, b) = (self.expose().as_bytes(), other.expose().as_bytes());
        let differ = a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b));
        a.len() == b.len() && std::hint::black_box(differ) == 0
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_match_by_their_whole_text() {
        for (a, b, same) in [
            ("", "", true),
            ("a", "a", true),
            ("a", "b", false),
            ("a", "ab", false),
            ("ab", "a", false),
        ] {
            assert_eq!(Secret::new(a).matches(&Secret::new(b)), same, "{a} {b}");
        }
    }

    #[test]
    fn debug_does_not_tell_the_length() {
        let shown = |text: &str| format!("{:?} {:#?}", Secret::new(text), Secret::new(text));
        assert_eq!(shown("a"), shown("a longer one"));
    }
}
