//! Places in a file, as cursors.

use super::scan::Place;
use crate::record::Cursor;
use crate::{Error, ErrorKind, Result};

/// The cursor of a place.
pub(super) fn cursor(place: Place) -> Cursor {
    let Place { byte, line, record } = place;
    Cursor::new(format!("byte {byte}, line {line}, record {record}"))
}

/// The place of a cursor.
pub(super) fn place(cursor: &Cursor) -> Result<Place> {
    let mut parts = cursor.as_str().split(", ");
    let mut number = |name: &str| {
        let part = parts.next()?.strip_prefix(name)?.strip_prefix(' ')?;
        part.parse::<u64>().ok()
    };
    let numbers = (number("byte"), number("line"), number("record"));
    match (numbers, parts.next()) {
        ((Some(byte), Some(line), Some(record)), None) => Ok(Place { byte, line, record }),
        _ => Err(Error::new(
            ErrorKind::OtherLineage,
            "the cursor is none of a delimited file; read the file from its beginning",
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn a_cursor_is_its_place() {
        let there = Place {
            byte: u64::MAX,
            line: 77,
            record: 0,
        };
        assert_eq!(place(&cursor(there)).unwrap(), there);
        for bad in [
            "",
            "7",
            "byte 1, line 2",
            "byte 1, line 2, record -3",
            "byte 1, line 2, record 3, more",
            "byte 18446744073709551616, line 2, record 3",
        ] {
            let error = place(&Cursor::new(bad)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::OtherLineage);
        }
    }
}
