//! Host names, checked once and then trusted.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use url::Host;

use crate::{Error, ErrorKind, Result};

/// Names that no public server has.
const PRIVATE: [&str; 10] = [
    "localhost",
    "local",
    "internal",
    "intranet",
    "corp",
    "home",
    "lan",
    "invalid",
    "arpa",
    "onion",
];

/// The name of a host on the internet, in its one canonical form: ASCII, lower case, international names as `xn--`, two labels at least.
///
/// What a person types is taken only if it is nothing but such a name. Refused are addresses in every notation, user names, ports, paths,
/// a dot at the end, names of private networks, and letters that only look like those of ASCII.
///
/// ```
/// use syncline::spec::Domain;
///
/// assert_eq!(Domain::parse("Acme.Example.com")?.as_str(), "acme.example.com");
/// assert_eq!(Domain::parse("bücher.example.com")?.as_str(), "xn--bcher-kva.example.com");
/// for bad in ["127.0.0.1", "2130706433", "acme@evil.example", "acme.example.com:8443", "https://acme.example.com", "ａcme.example.com"] {
///     assert!(Domain::parse(bad).is_err(), "{bad}");
/// }
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(Box<str>);

impl Domain {
    /// The host of this name.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid), with the reason, for anything else than the name of a host.
    pub fn parse(text: &str) -> Result<Self> {
        let canonical = canonical(text).map_err(|because| {
            let message =
                "this is not the name of a host; give its name alone, such as `acme.example.com`";
            Error::new(ErrorKind::Invalid, message).with("because", because)
        })?;
        Ok(Domain(canonical))
    }

    /// The canonical form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is `suffix` or stands below it, at the border of a label: `a.b.com` is within `b.com`, `ab.com` is not.
    pub fn is_within(&self, suffix: &Domain) -> bool {
        within(&self.0, &suffix.0)
    }
}

/// Whether a canonical name is the suffix or stands below it.
pub(super) fn within(name: &str, suffix: &str) -> bool {
    let rest = name.strip_suffix(suffix);
    let below = |rest: &str| rest.ends_with('.') && !rest.starts_with('.') && !rest.contains("..");
    rest.is_some_and(|rest| rest.is_empty() || below(rest))
}

/// The canonical form of a name, or what is wrong with it.
fn canonical(text: &str) -> std::result::Result<Box<str>, &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    // Longer than any name, so that nothing is computed for it.
    if text.len() > 1_024 {
        return Err("it is too long");
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if let Some(bad) = text.chars().find(|c| c.is_ascii() && !plain(*c)) {
        return Err(match bad {
            ':' => "it has a port, a scheme or an address of version 6",
            '@' => "it has a user name",
            '/' | '\\' | '?' | '#' => "it has a path, a query or a scheme",
            '%' => "it has characters in percent notation",
            _ => "it has characters that no host name has",
        });
    }
    if text.chars().any(|c| !c.is_ascii() && !c.is_alphanumeric()) {
        return Err("it has characters that are neither letters nor digits");
    }
    let Ok(Host::Domain(name)) = Host::parse(text) else {
        return Err("it is an address, or no name at all");
    };
    if name.len() > 253 {
        return Err("it is too long");
    }
    let (typed, labels): (Vec<&str>, Vec<&str>) =
        (text.split('.').collect(), name.split('.').collect());
    if labels.len() < 2 {
        return Err("it has only one label");
    }
    if typed.len() != labels.len() {
        return Err("it has characters that look like a dot");
    }
    for (typed, label) in typed.iter().zip(&labels) {
        let letters = label
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if !letters || label.is_empty() || label.len() > 63 {
            return Err(
                "it has an empty label, one that is too long, or characters that no host name has",
            );
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err("it has a label with `-` at its border");
        }
        // Letters that turn into ASCII, or vanish, are there to deceive.
        if !typed.is_ascii() && !label.starts_with("xn--") {
            return Err("it has characters that only look like others, or cannot be seen");
        }
    }
    match labels.last() {
        Some(last) if PRIVATE.contains(last) => Err("it is a name of private networks"),
        Some(last) if last.bytes().all(|b| b.is_ascii_digit()) => Err("it is an address"),
        _ => Ok(name.into()),
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Domain({})", self.0)
    }
}

impl Serialize for Domain {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Domain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Domain::parse(&text).map_err(de::Error::custom)
    }
}
