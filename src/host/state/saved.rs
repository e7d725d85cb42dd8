//! The form in which state is saved.

use std::fmt;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StateKey;
use crate::{Error, ErrorKind, Result};

/// What saved state begins with.
const MAGIC: &[u8] = b"syncline";
/// The form of all that is around the payload.
const ENVELOPE: u8 = 1;
/// Bytes of the checksum, CRC-32 of all bytes in front of it.
const CHECKSUM_BYTES: usize = 4;

/// State with all that tells whether it can be trusted: the version of its format, the key that it was saved under, and a checksum.
///
/// The payload is JSON. Its type has `#[serde(deny_unknown_fields)]`, and a new version for every change, so that nobody
/// takes state for something else than it is. There is no way around an error: a run that went on without its state would read
/// everything anew.
///
/// ```
/// use syncline::{ErrorKind, Tenant};
/// use syncline::host::{Saved, StateKey, StateKind};
///
/// let key = StateKey::new(&Tenant::new("acme")?, StateKind::Checkpoint, ["nightly"])?;
/// let bytes = Saved::seal(&key, 1, &["2025-01-31", "42"])?;
/// let saved = Saved::open(&key, 1, &bytes)?;
/// assert_eq!(saved.version(), 1);
/// assert_eq!(saved.payload::<[String; 2]>()?, ["2025-01-31", "42"]);
///
/// // Bytes that were copied elsewhere, or damaged, or written by a later release, are refused.
/// let other = StateKey::new(&Tenant::new("acme")?, StateKind::Checkpoint, ["weekly"])?;
/// assert_eq!(Saved::open(&other, 1, &bytes).unwrap_err().kind(), ErrorKind::CorruptState);
/// let newer = Saved::seal(&key, 2, &true)?;
/// assert_eq!(Saved::open(&key, 1, &newer).unwrap_err().kind(), ErrorKind::NewerState);
/// # Ok::<(), syncline::Error>(())
/// ```
pub struct Saved {
    key: StateKey,
    version: u8,
    payload: Bytes,
}

impl Saved {
    /// The bytes to save a payload as, under this key and as this version of its format.
    ///
    /// They are `syncline`, the byte 1, the version's byte, the length of the key's path in two bytes, low first, the path, the payload
    /// as JSON, and in four bytes, low first, CRC-32 of all these.
    ///
    /// # Errors
    /// [`Contract`](ErrorKind::Contract) if the payload has no JSON, such as a map whose keys are no text.
    pub fn seal<T: Serialize + ?Sized>(key: &StateKey, version: u8, payload: &T) -> Result<Bytes> {
        let path = key.path();
        let length = u16::try_from(path.len())
            .map_err(|_| Error::contract("a key of saved state is too long").with("key", key))?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend([ENVELOPE, version]);
        bytes.extend(length.to_le_bytes());
        bytes.extend(path.as_bytes());
        // The error may name values.
        serde_json::to_writer(&mut bytes, payload)
            .map_err(|_| Error::contract("state cannot be written as JSON").with("key", key))?;
        let sum = crc32fast::hash(&bytes);
        bytes.extend(sum.to_le_bytes());
        Ok(bytes.into())
    }

    /// Opens what was saved under this key; `newest` is the latest version of its format that the caller can read.
    ///
    /// # Errors
    /// [`CorruptState`](ErrorKind::CorruptState) if a byte is not as it was written, or the bytes were written under another key;
    /// [`NewerState`](ErrorKind::NewerState) if the format is newer than `newest`.
    pub fn open(key: &StateKey, newest: u8, bytes: &Bytes) -> Result<Saved> {
        let Some((&envelope, _)) = bytes
            .strip_prefix(MAGIC)
            .and_then(|rest| rest.split_first())
        else {
            return Err(corrupt(key, "it does not begin as saved state does"));
        };
        // What a later envelope looks like, and where its checksum is, nobody knows yet.
        if envelope > ENVELOPE {
            return Err(newer(key, envelope, ENVELOPE));
        }
        let summed = bytes.len().checked_sub(CHECKSUM_BYTES);
        let Some((body, sum)) = summed.and_then(|at| bytes.split_at_checked(at)) else {
            return Err(corrupt(key, "it is cut off"));
        };
        if crc32fast::hash(body).to_le_bytes() != *sum || envelope != ENVELOPE {
            return Err(corrupt(key, "its checksum is wrong"));
        }
        let Some((version, path, payload)) = split(body) else {
            return Err(corrupt(key, "it is cut off"));
        };
        if path != key.path().as_bytes() {
            return Err(corrupt(key, "it was saved under another key"));
        }
        if version > newest {
            return Err(newer(key, version, newest));
        }
        Ok(Saved {
            key: key.clone(),
            version,
            payload: bytes.slice_ref(payload),
        })
    }

    /// The version of the payload's format, at most the one that the caller can read.
    pub fn version(&self) -> u8 {
        self.version
    }

    /// What was saved.
    ///
    /// # Errors
    /// [`CorruptState`](ErrorKind::CorruptState) if it is no such value.
    pub fn payload<T: DeserializeOwned>(&self) -> Result<T> {
        // The error may name values, so only its place is kept.
        serde_json::from_slice(&self.payload).map_err(|error| {
            corrupt(&self.key, "it does not have the form of its version")
                .with("version", self.version)
                .with("column", error.column())
        })
    }
}

/// Version, path and payload of what is in front of a checksum that is right.
fn split(body: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (head, rest) = body.split_at_checked(MAGIC.len() + 4)?;
    let &[.., version, low, high] = head else {
        return None;
    };
    let (path, payload) = rest.split_at_checked(usize::from(u16::from_le_bytes([low, high])))?;
    Some((version, path, payload))
}

fn corrupt(key: &StateKey, what: &'static str) -> Error {
    let message =
        "saved state cannot be trusted; put back a copy of it, or delete it to begin anew";
    Error::new(ErrorKind::CorruptState, message)
        .during("read state")
        .with("key", key)
        .with("because", what)
}

fn newer(key: &StateKey, version: u8, newest: u8) -> Error {
    let message =
        "a later release of this crate saved this state; use that one, the state is untouched";
    Error::new(ErrorKind::NewerState, message)
        .during("read state")
        .with("key", key)
        .with("format", version)
        .with("newest known", newest)
}

/// The payload may hold values of rows: where a source was is a value of its cursor.
impl fmt::Debug for Saved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Saved")
            .field("key", &self.key)
            .field("version", &self.version)
            .field("bytes", &self.payload.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::super::StateKind;
    use super::*;
    use crate::name::Tenant;

    fn key(name: &str) -> StateKey {
        StateKey::new(&Tenant::new("acme").unwrap(), StateKind::Lease, [name]).unwrap()
    }

    #[test]
    fn no_byte_can_change_and_none_can_be_missing() {
        let bytes = Saved::seal(&key("a"), 3, &(1, "two")).unwrap();
        assert_eq!(
            Saved::open(&key("a"), 9, &bytes)
                .unwrap()
                .payload::<(u8, String)>()
                .unwrap(),
            (1, "two".to_owned())
        );
        let refused = |bytes: Vec<u8>| {
            let kind = Saved::open(&key("a"), 9, &bytes.into()).unwrap_err().kind();
            assert!(
                matches!(kind, ErrorKind::CorruptState | ErrorKind::NewerState),
                "{kind:?}"
            );
            kind
        };
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bytes = bytes.to_vec();
                bytes[at] ^= 1 << bit;
                let is_envelope = at == MAGIC.len() && bytes[at] > ENVELOPE;
                let expected = if is_envelope {
                    ErrorKind::NewerState
                } else {
                    ErrorKind::CorruptState
                };
                assert_eq!(refused(bytes), expected, "bit {bit} of byte {at}");
            }
            assert_eq!(refused(bytes[..at].to_vec()), ErrorKind::CorruptState);
        }
        refused([&bytes[..], b"\0"].concat());
    }

    /// Found by the fuzz target: JSON may be read to a neighbour of the number that was written.
    #[test]
    fn numbers_come_back_to_the_last_bit() {
        let numbers = [
            98_446_744_073_709_551_615_f64,
            5e-324,
            0.1 + 0.2,
            1.7976931348623157e308,
        ];
        let bytes = Saved::seal(&key("a"), 1, &numbers).unwrap();
        let read: [f64; 4] = Saved::open(&key("a"), 1, &bytes)
            .unwrap()
            .payload()
            .unwrap();
        assert_eq!(read.map(f64::to_bits), numbers.map(f64::to_bits));
    }

    #[test]
    fn a_payload_of_another_form_is_refused_without_its_values() {
        let bytes = Saved::seal(&key("a"), 1, &"hunter2").unwrap();
        let saved = Saved::open(&key("a"), 1, &bytes).unwrap();
        let error = saved.payload::<u8>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CorruptState);
        assert!(
            !format!("{error:?} {saved:?}").contains("hunter2"),
            "{error:?}"
        );
    }
}
