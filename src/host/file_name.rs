//! The rule of names that every file store keeps.

use crate::{Error, ErrorKind, Result};

/// Refuses a file name that breaks the contract of [`FileStore`](super::FileStore); for implementors.
///
/// # Errors
/// [`Invalid`](ErrorKind::Invalid) if the name is absolute, has a part that is empty, `.` or `..`, or
/// holds a backslash, a colon in its first part's second place (a drive) or NUL.
///
/// ```
/// use syncline::host::check_file_name;
///
/// assert!(check_file_name("in/usage.csv").is_ok());
/// assert!(check_file_name("../usage.csv").is_err());
/// ```
pub fn check_file_name(name: &str) -> Result<()> {
    let drive = matches!(name.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    let part_is_bad = |part: &str| matches!(part, "" | "." | "..");
    if drive || name.contains(['\\', '\0']) || name.split('/').any(part_is_bad) {
        return Err(Error::new(
            ErrorKind::Invalid,
            "not a name in a file store; use a relative name, its parts separated by `/`, none of them empty, `.` or `..`",
        )
        .with("file", name.escape_debug()));
    }
    Ok(())
}
