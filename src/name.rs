//! Names that are checked once and then trusted.

use std::fmt;

use crate::{Error, ErrorKind, Result};

/// The most bytes that a tenant's name may have.
const TENANT_BYTES: usize = 128;

/// Whom something belongs to: one customer of the host. Every key of saved state begins with one, so that no
/// tenant can ask for what another one saved.
///
/// 1 to 128 bytes, without control characters.
///
/// ```
/// use syncline::Tenant;
///
/// let tenant = Tenant::new("acme")?;
/// assert_eq!(tenant.as_ref(), "acme");
/// assert!(Tenant::new("").is_err() && Tenant::new("a\nb").is_err());
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tenant(Box<str>);

impl Tenant {
    /// A tenant of this name.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) if the name is empty, has more than 128 bytes or a control character.
    pub fn new(name: impl Into<Box<str>>) -> Result<Self> {
        let name = name.into();
        let message = if name.is_empty() {
            "a tenant's name is empty; give every tenant one"
        } else if name.len() > TENANT_BYTES {
            "a tenant's name has more than 128 bytes; use its id"
        } else if name.contains(char::is_control) {
            "a tenant's name has a control character; use its id"
        } else {
            return Ok(Tenant(name));
        };
        Err(Error::new(ErrorKind::Invalid, message))
    }
}

impl AsRef<str> for Tenant {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_has_a_name_of_bounded_length() {
        assert!(Tenant::new("a".repeat(128)).is_ok());
        assert!(Tenant::new("a".repeat(129)).is_err());
        assert!(Tenant::new("会社 / Ünïcode..").is_ok());
        for bad in ["", "\0", "a\u{85}b", "\u{7f}"] {
            assert!(Tenant::new(bad).is_err(), "{bad:?}");
        }
    }
}
