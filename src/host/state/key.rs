//! What saved state is filed under.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::name::Tenant;
use crate::{Error, ErrorKind, Result};

/// The most bytes of a key's path. Object stores allow about a thousand, with the place of the store in front.
const PATH_BYTES: usize = 900;
/// The most bytes between two `/` of a path; file systems allow 255, and a store may add an ending.
const PIECE_BYTES: usize = 200;

/// What a piece of state is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum StateKind {
    /// How far a job has come in a dataset.
    Checkpoint,
    /// Who may run a job.
    Lease,
    /// Refused records of a run.
    Reject,
    /// The calls of an account at an outside system.
    Account,
    /// What a connection may show to its outside system.
    Credential,
    /// An authorization that waits for a person's consent.
    Consent,
    /// The connections and jobs of a workspace, and which edition of each job counts.
    Roster,
    /// One edition of a job of a workspace.
    Job,
    /// How far a run of a chain has come.
    Chain,
    /// The objects that a connection offered when it was looked at last.
    Catalog,
    /// When a job or a chain runs next, and whether it runs.
    Timetable,
    /// That a timetable is to be looked at, and when.
    Due,
    /// A place to run in, of those that a tenant or a connection has.
    Slot,
    /// What a run came to.
    Run,
    /// What happened in a run.
    Log,
    /// Who changed what, and when.
    Audit,
    /// What an address is to be told, and was told lately.
    Notice,
    /// What [`probe`](super::probe()) writes to try out a store.
    Probe,
}

impl StateKind {
    const ALL: [StateKind; 18] = [
        StateKind::Checkpoint,
        StateKind::Lease,
        StateKind::Reject,
        StateKind::Account,
        StateKind::Credential,
        StateKind::Consent,
        StateKind::Roster,
        StateKind::Job,
        StateKind::Chain,
        StateKind::Catalog,
        StateKind::Timetable,
        StateKind::Due,
        StateKind::Slot,
        StateKind::Run,
        StateKind::Log,
        StateKind::Audit,
        StateKind::Notice,
        StateKind::Probe,
    ];

    /// Its name in a path: lower-case letters.
    pub fn word(self) -> &'static str {
        match self {
            StateKind::Checkpoint => "checkpoint",
            StateKind::Lease => "lease",
            StateKind::Reject => "reject",
            StateKind::Account => "account",
            StateKind::Credential => "credential",
            StateKind::Consent => "consent",
            StateKind::Roster => "roster",
            StateKind::Job => "job",
            StateKind::Chain => "chain",
            StateKind::Catalog => "catalog",
            StateKind::Timetable => "timetable",
            StateKind::Due => "due",
            StateKind::Slot => "slot",
            StateKind::Run => "run",
            StateKind::Log => "log",
            StateKind::Audit => "audit",
            StateKind::Notice => "notice",
            StateKind::Probe => "probe",
        }
    }
}

/// What a piece of state is filed under: a tenant, a kind, and names such as those of a job and a dataset.
///
/// [`path`](StateKey::path) spells a key in a way that every file system and object store can take, and two keys
/// never the same; keys are ordered by it.
///
/// ```
/// use syncline::Tenant;
/// use syncline::host::{StateKey, StateKind};
///
/// let key = StateKey::new(&Tenant::new("acme")?, StateKind::Checkpoint, ["nightly", "Users.csv"])?;
/// assert_eq!(key.path(), "acme/checkpoint/nightly/%55sers%2ecsv");
/// assert_eq!(StateKey::from_path(key.path())?, key);
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Clone)]
pub struct StateKey(Arc<Inner>);

struct Inner {
    tenant: Tenant,
    kind: StateKind,
    parts: Vec<String>,
    path: String,
}

impl StateKey {
    /// A key of these names, which may be any text, even an empty one.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) if there is no name, or the path would have more than 900 bytes. A character that is
    /// not a lower-case letter of ASCII, a digit, `-` or `_` takes three bytes for each of its own.
    pub fn new<P>(tenant: &Tenant, kind: StateKind, parts: P) -> Result<Self>
    where
        P: IntoIterator,
        P::Item: Into<String>,
    {
        let parts: Vec<String> = parts.into_iter().map(Into::into).collect();
        if parts.is_empty() {
            let message = "a key of saved state has no names behind its kind; give it one at least";
            return Err(Error::new(ErrorKind::Invalid, message).with("kind", kind.word()));
        }
        let mut path = Self::prefix(tenant, kind);
        for (at, part) in parts.iter().enumerate() {
            if at > 0 {
                path.push('/');
            }
            spell(part, &mut path);
        }
        if path.len() > PATH_BYTES {
            let message = "a key of saved state would be too long; shorten the names of tenant, job and dataset";
            return Err(Error::new(ErrorKind::Invalid, message)
                .with("bytes", path.len())
                .with("at most", PATH_BYTES));
        }
        Ok(StateKey(Arc::new(Inner {
            tenant: tenant.clone(),
            kind,
            parts,
            path,
        })))
    }

    /// The key that a path spells.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) if it is the path of no key.
    pub fn from_path(path: &str) -> Result<Self> {
        let read = || {
            let mut pieces = path.split('/');
            let tenant = Tenant::new(read_part(&mut pieces)?).ok()?;
            let word = pieces.next()?;
            let kind = StateKind::ALL
                .into_iter()
                .find(|kind| kind.word() == word)?;
            let mut parts = Vec::new();
            let mut pieces = pieces.peekable();
            while pieces.peek().is_some() {
                parts.push(read_part(&mut pieces)?);
            }
            let key = StateKey::new(&tenant, kind, parts).ok()?;
            // Only the one spelling is a path.
            (key.path() == path).then_some(key)
        };
        read().ok_or_else(|| {
            let message = "this is the path of no saved state; keep other files out of the store";
            Error::new(ErrorKind::Invalid, message).with("path", path)
        })
    }

    /// What the paths of all keys of a tenant and a kind begin with, up to and with the `/` behind the kind.
    pub fn prefix(tenant: &Tenant, kind: StateKind) -> String {
        let mut path = String::new();
        spell(tenant.as_ref(), &mut path);
        path.push('/');
        path.push_str(kind.word());
        path.push('/');
        path
    }

    /// Whom it belongs to.
    pub fn tenant(&self) -> &Tenant {
        &self.0.tenant
    }

    /// What it is.
    pub fn kind(&self) -> StateKind {
        self.0.kind
    }

    /// The names behind the kind.
    pub fn parts(&self) -> &[String] {
        &self.0.parts
    }

    /// `tenant/kind/part/part`, where only lower-case ASCII letters, digits, `-`, `_`, `%`, `+` and the separating `/` occur: all
    /// else is `%` and two hexadecimal digits for each byte of its UTF-8. So no file system that ignores case can take two
    /// keys for one. No piece between two `/` is empty, longer than 200 bytes, or a name that Windows keeps for a device.
    pub fn path(&self) -> &str {
        &self.0.path
    }
}

/// Names that Windows keeps for devices, whatever ending they have.
fn is_device(name: &str) -> bool {
    let numbered = |word| {
        let digit = name.strip_prefix(word).map(str::as_bytes);
        matches!(digit, Some([b'0'..=b'9']))
    };
    matches!(name, "con" | "prn" | "aux" | "nul") || numbered("com") || numbered("lpt")
}

/// Appends the spelling of one name. Decoding `%` gives the name back, which makes it the spelling of no other.
fn spell(name: &str, path: &mut String) {
    // The one piece with a `%` that no digits follow.
    if name.is_empty() {
        path.push('%');
        return;
    }
    let device = is_device(name);
    let mut length = 0;
    for (at, &byte) in name.as_bytes().iter().enumerate() {
        let plain = matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        let plain = plain && !(device && at == 0);
        let bytes = if plain { 1 } else { 3 };
        // A long name goes on in the next piece.
        if length + bytes > PIECE_BYTES - 1 {
            path.push_str("+/");
            length = 0;
        }
        length += bytes;
        if plain {
            path.push(char::from(byte));
        } else {
            path.push('%');
            let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
            path.extend([digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

/// The name that the next pieces spell.
fn read_part<'a>(pieces: &mut impl Iterator<Item = &'a str>) -> Option<String> {
    let mut name = Vec::new();
    loop {
        let piece = pieces.next()?;
        if piece == "%" {
            return name.is_empty().then(String::new);
        }
        let (text, goes_on) = match piece.strip_suffix('+') {
            Some(text) => (text, true),
            None => (piece, false),
        };
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            if byte == b'%' {
                let mut half = || char::from(bytes.next()?).to_digit(16);
                let value = half()? << 4 | half()?;
                name.push(u8::try_from(value).ok()?);
            } else {
                name.push(byte);
            }
        }
        if !goes_on {
            return String::from_utf8(name).ok();
        }
    }
}

impl fmt::Debug for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StateKey({})", self.path())
    }
}

impl fmt::Display for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path())
    }
}

impl PartialEq for StateKey {
    fn eq(&self, other: &Self) -> bool {
        self.path() == other.path()
    }
}

impl Eq for StateKey {}

impl PartialOrd for StateKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for StateKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.path().cmp(other.path())
    }
}

/// Keys are equal, ordered and hashed as their paths are, so an ordered map of them can be searched by a part of a path.
impl Borrow<str> for StateKey {
    fn borrow(&self) -> &str {
        self.path()
    }
}

impl Hash for StateKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.path().hash(state);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn key(parts: &[&str]) -> Result<StateKey> {
        let tenant = Tenant::new("acme").unwrap();
        StateKey::new(&tenant, StateKind::Checkpoint, parts.iter().copied())
    }

    #[test]
    fn paths_are_safe_everywhere() {
        let cases = [
            (&["nightly", "users"][..], "acme/checkpoint/nightly/users"),
            (&["", "."], "acme/checkpoint/%/%2e"),
            (&["..", "a/b"], "acme/checkpoint/%2e%2e/a%2fb"),
            (&["Ab", "ab"], "acme/checkpoint/%41b/ab"),
            (
                &["con", "com1", "com10", "lpt"],
                "acme/checkpoint/%63on/%63om1/com10/lpt",
            ),
            (&["é%+\\"], "acme/checkpoint/%c3%a9%25%2b%5c"),
        ];
        for (parts, path) in cases {
            let key = key(parts).unwrap();
            assert_eq!(key.path(), path);
            assert_eq!(StateKey::from_path(path).unwrap().parts(), parts);
        }
        let long = "a".repeat(199) + "b";
        let pieces = format!("acme/checkpoint/{}+/b", "a".repeat(199));
        assert_eq!(key(&[&long]).unwrap().path(), pieces);
        assert_eq!(key(&[]).unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(
            key(&[&"あ".repeat(99)]).unwrap_err().kind(),
            ErrorKind::Invalid
        );
    }

    #[test]
    fn other_paths_are_of_no_key() {
        for path in [
            "",
            "acme",
            "acme/checkpoint",
            "acme/checkpoint/",
            "acme/surprise/a",
            "Acme/checkpoint/a",
            "acme/checkpoint/A",
            "acme/checkpoint/%41",
            "acme/checkpoint/%4",
            "acme/checkpoint/%zz",
            "acme/checkpoint/%61",
            "acme/checkpoint/con",
            "acme/checkpoint/a+",
            "acme/checkpoint/a+/b",
            "acme/checkpoint/a//b",
            "acme/checkpoint/%FF",
            "acme/checkpoint/%ff",
            "acme/checkpoint/a/%+/b",
            "/acme/checkpoint/a",
        ] {
            let known = path == "acme/checkpoint/%41";
            assert_eq!(StateKey::from_path(path).is_ok(), known, "{path}");
        }
    }

    proptest! {
        #[test]
        fn a_path_gives_its_key_back(
            tenant in "\\PC{1,9}",
            parts in prop::collection::vec("[aA.%+/é-]{0,9}|\\PC{0,20}|[b-z]{150,350}", 1..4),
        ) {
            let tenant = Tenant::new(tenant).unwrap();
            let key = StateKey::new(&tenant, StateKind::Lease, parts.clone());
            prop_assume!(key.is_ok());
            let key = key.unwrap();
            let read = StateKey::from_path(key.path()).unwrap();
            prop_assert_eq!((read.tenant(), read.kind(), read.parts()), (&tenant, StateKind::Lease, &*parts));
            prop_assert!(key.path().starts_with(&StateKey::prefix(&tenant, StateKind::Lease)));
            for piece in key.path().split('/') {
                prop_assert!((1..=PIECE_BYTES).contains(&piece.len()), "{}", piece);
                prop_assert!(piece.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'%' | b'+')));
            }
        }
    }

    #[test]
    fn no_two_keys_share_a_path() {
        let names = [
            "", "a", "A", "a/", "/", ".", "%", "%2e", "+", "a+", "-", "con", "Con", "aa",
        ];
        let mut seen = HashMap::new();
        for first in names {
            for second in names {
                for parts in [vec![first], vec![first, second]] {
                    let path = key(&parts).unwrap().path().to_owned();
                    let before = seen.insert(path, parts.clone());
                    assert!(before.is_none_or(|before| before == parts));
                }
            }
        }
    }
}
