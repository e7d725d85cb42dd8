//! The first record of a file: the names of its columns.

use std::borrow::Cow;

use super::blocks::Filling;
use super::dialect::{Cell, Dialect};
use super::scan::{FirstRecord, Place, first_record};
use crate::{Error, ErrorKind, Result};

/// The names of a file's columns, and where its records begin.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) columns: Vec<String>,
    pub(super) behind: Place,
}

/// How much is read for a header at first; it doubles.
const FIRST_READ: usize = 16 << 10;

impl Header {
    /// Reads the header of the file that `filling` begins; what was read stays in its buffer.
    pub(super) async fn read(filling: &mut Filling, dialect: &Dialect) -> Result<Self> {
        let mut form = dialect.form(0);
        form.record_bytes = dialect.limits.header_bytes as usize;
        let mut target = FIRST_READ;
        loop {
            filling.fill(target).await?;
            let start = behind_byte_order_mark(&filling.buffer);
            match first_record(form, &filling.buffer, start, filling.eof) {
                FirstRecord::Open => target *= 2,
                FirstRecord::Found(fields, behind) => {
                    let columns = names(dialect, &filling.buffer, &fields)?;
                    return Ok(Header { columns, behind });
                }
                FirstRecord::None => {
                    return Err(malformed(
                        "the file is empty; its first record must name its columns",
                    ));
                }
                FirstRecord::BadQuotes => {
                    return Err(malformed(
                        "the header has a quote that is not closed, or text behind a closing quote; \
                         correct the header or the format's `quote`",
                    ));
                }
                FirstRecord::Long => {
                    return Err(Error::new(
                        ErrorKind::LimitExceeded,
                        "the header, with the blank lines in front of it, is too long; is this a delimited file with a header? If so, raise `header_bytes`",
                    )
                    .with("limit", dialect.limits.header_bytes));
                }
            }
        }
    }
}

fn malformed(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Malformed, message)
}

/// The offset behind a UTF-8 byte order mark; those of other encodings are gone by now.
fn behind_byte_order_mark(bytes: &[u8]) -> usize {
    match bytes {
        [0xEF, 0xBB, 0xBF, ..] => 3,
        _ => 0,
    }
}

fn names(dialect: &Dialect, bytes: &[u8], fields: &[(usize, usize)]) -> Result<Vec<String>> {
    let most = dialect.limits.columns;
    if fields.len() > most as usize {
        return Err(Error::new(
            ErrorKind::LimitExceeded,
            "the header has too many columns; if the delimiter is right, raise `columns` of the limits",
        )
        .with("columns", fields.len())
        .with("limit", most));
    }
    let mut columns = Vec::with_capacity(fields.len());
    for (number, &(start, end)) in (1..).zip(fields) {
        let mut name = Vec::new();
        match dialect.cell(bytes.get(start..end).unwrap_or_default(), start) {
            // A null token is a name like any other.
            Cell::Null => name.extend_from_slice(bytes.get(start..end).unwrap_or_default()),
            Cell::Plain(range) => name.extend_from_slice(bytes.get(range).unwrap_or_default()),
            Cell::Doubled(range) => {
                dialect.undouble(bytes.get(range).unwrap_or_default(), &mut name);
            }
        }
        columns.push(String::from_utf8(name).map_err(|_| {
            malformed("the name of a column is not UTF-8; save the file as UTF-8")
                .with("column", format_args!("number {number}"))
        })?);
    }
    Ok(columns)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use bytes::Bytes;
    use futures::StreamExt as _;
    use futures::executor::block_on;
    use futures::stream;

    use super::*;
    use crate::spec::Delimited;

    #[test]
    fn blank_lines_without_end_are_not_kept() {
        let piece = Bytes::from("\n".repeat(64 << 10));
        let endless = stream::repeat_with(move || Ok(piece.clone())).boxed();
        let dialect = Dialect::new(&Delimited::csv()).unwrap();
        let mut filling = Filling::new(endless);
        let error = block_on(Header::read(&mut filling, &dialect)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded);
        assert!(filling.buffer.capacity() <= 2 * dialect.limits.header_bytes as usize);
    }
}
