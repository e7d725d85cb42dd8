//! The records near the watermark that are known again: a bounded set of hashes.

use std::collections::HashMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::host::Bug;

/// A version of a record, as far as it is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    /// Which record it is of.
    pub(super) key: u64,
    /// Everything that was read of it.
    pub(super) content: u64,
    /// The value of its cursor field.
    pub(super) at: i64,
}

/// For each record near the watermark the version of it that was handed on last.
///
/// A version that is here is what the destinations were given last of its record, so it need not be written again. One that
/// is not here, because the set is bounded, is written again: forgetting costs work, and never a record. Hashes are seeded by
/// chance, so that nobody can make two versions that are taken for one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recent {
    pub(super) seeds: (u64, u64),
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    versions: HashMap<u64, (u64, i64)>,
}

impl Recent {
    pub(super) fn new(seeds: (u64, u64)) -> Self {
        Recent {
            seeds,
            versions: HashMap::new(),
        }
    }

    /// Whether this is the version that was handed on last.
    pub(super) fn has(&self, version: Version) -> bool {
        let known = self.versions.get(&version.key);
        match Bug::KnownByKeyAlone.is_on() {
            true => known.is_some(),
            false => known == Some(&(version.content, version.at)),
        }
    }

    /// This version was handed on. What is below `floor` is not asked for again, and of the rest the newest stay, `most` of
    /// them; twice as many until the next [`trim`](Self::trim).
    pub(super) fn put(&mut self, version: Version, floor: i64, most: usize) {
        if version.at < floor || most == 0 {
            // An older version of it must not stand for this one.
            self.versions.remove(&version.key);
            return;
        }
        self.versions
            .insert(version.key, (version.content, version.at));
        if self.versions.len() >= most.saturating_mul(2) {
            self.trim(floor, most);
        }
    }

    /// Keeps the newest, at most so many.
    pub(super) fn trim(&mut self, floor: i64, most: usize) {
        self.versions.retain(|_, (_, at)| *at >= floor);
        if let Some(surplus) = self.versions.len().checked_sub(most) {
            let mut order: Vec<(i64, u64)> = self
                .versions
                .iter()
                .map(|(key, (_, at))| (*at, *key))
                .collect();
            order.sort_unstable();
            for (_, key) in &order[..surplus] {
                self.versions.remove(key);
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.versions.clear();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.versions.len()
    }
}

/// 48 hexadecimal digits for each version: key, content and value, by key.
fn as_text<S: Serializer>(
    versions: &HashMap<u64, (u64, i64)>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    use std::fmt::Write as _;
    let mut sorted: Vec<_> = versions.iter().collect();
    sorted.sort_unstable();
    let mut text = String::with_capacity(sorted.len() * DIGITS);
    for (key, (content, at)) in sorted {
        // Writing into a text does not fail.
        let _ = write!(text, "{key:016x}{content:016x}{:016x}", *at as u64);
    }
    serializer.serialize_str(&text)
}

const DIGITS: usize = 48;

fn from_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<HashMap<u64, (u64, i64)>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong = || serde::de::Error::custom("versions are 48 hexadecimal digits each");
    let mut versions = HashMap::with_capacity(text.len() / DIGITS);
    for part in text.as_bytes().chunks(DIGITS) {
        let number = |at: usize| {
            let digits = part
                .get(at..at + 16)
                .and_then(|part| std::str::from_utf8(part).ok());
            let digits = digits.filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
            let number = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
            number.ok_or_else(wrong)
        };
        versions.insert(number(0)?, (number(16)?, number(32)? as i64));
    }
    Ok(versions)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn version(key: u64, content: u64, at: i64) -> Version {
        Version { key, content, at }
    }

    #[test]
    fn the_last_version_of_a_record_is_known_and_no_other() {
        let mut recent = Recent::new((1, 2));
        recent.put(version(1, 10, 5), 0, 9);
        assert!(recent.has(version(1, 10, 5)));
        assert!(!recent.has(version(1, 11, 5)) && !recent.has(version(2, 10, 5)));
        recent.put(version(1, 11, 5), 0, 9);
        assert!(!recent.has(version(1, 10, 5)) && recent.has(version(1, 11, 5)));
        // One that is too old to be kept takes the place of the other all the same.
        recent.put(version(1, 12, -1), 0, 9);
        assert!(!recent.has(version(1, 11, 5)) && !recent.has(version(1, 12, -1)));
    }

    #[test]
    fn it_never_grows_beyond_its_bound() {
        let mut recent = Recent::new((1, 2));
        for n in 0..1000 {
            recent.put(version(n, n, n as i64), 0, 10);
            assert!(recent.len() < 20);
        }
        recent.trim(0, 10);
        assert_eq!(recent.len(), 10);
        assert!((990..1000).all(|n| recent.has(version(n, n, n as i64))));
        recent.trim(995, 10);
        assert_eq!(recent.len(), 5);
        recent.put(version(7, 7, 7), 0, 0);
        assert!(!recent.has(version(7, 7, 7)));
    }

    #[test]
    fn what_is_near_enough_is_known_until_there_is_twice_too_much_of_it() {
        let mut recent = Recent::new((1, 2));
        (0..19).for_each(|n| recent.put(version(n, n, n as i64), 0, 10));
        assert!((0..19).all(|n| recent.has(version(n, n, n as i64))));
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let mut recent = Recent::new((3, u64::MAX));
        for n in [0, 1, u64::MAX] {
            recent.put(version(n, !n, -(n as i64 & 7)), i64::MIN, 10);
        }
        let text = serde_json::to_string(&recent).unwrap();
        assert_eq!(serde_json::from_str::<Recent>(&text).unwrap(), recent);
        for bad in ["0", "x", "+00000000000000"] {
            let text = format!(r#"{{"seeds": [1, 2], "versions": "{bad}"}}"#);
            assert!(serde_json::from_str::<Recent>(&text).is_err());
        }
        let signed = format!("+{}", "0".repeat(47));
        let text = format!(r#"{{"seeds": [1, 2], "versions": "{signed}"}}"#);
        assert!(serde_json::from_str::<Recent>(&text).is_err());
    }
}
