//! What stands in front of a file's records: lines that are passed over, and the names of its columns.

use std::borrow::Cow;

use super::blocks::Filling;
use super::dialect::{Cell, Dialect};
use super::scan::{FirstRecord, Place, first_record};
use crate::spec;
use crate::{Error, ErrorKind, Result};

/// The names of a file's columns, and where its records begin.
#[derive(Debug)]
pub(super) struct Header {
    /// `None` in a file without header.
    pub(super) columns: Option<Vec<String>>,
    pub(super) behind: Place,
}

/// How much is read for a header at first; it doubles.
const FIRST_READ: usize = 16 << 10;

const BYTE_ORDER_MARK: &[u8] = "\u{FEFF}".as_bytes();

impl Header {
    /// Reads the front of the file that `filling` begins; its buffer goes on behind it. What is there is looked at before
    /// more is asked for: where a stream fails, what came before is whole.
    pub(super) async fn read(filling: &mut Filling, dialect: &Dialect) -> Result<Self> {
        filling.fill(FIRST_READ).await?;
        let mut front = Place::START;
        // Marks of other encodings are gone by now.
        if filling.buffer.starts_with(BYTE_ORDER_MARK) {
            filling.skip(BYTE_ORDER_MARK.len());
            front = front.plus(BYTE_ORDER_MARK.len(), 0, 0);
        }
        let front = skip_lines(filling, front, dialect.skip_lines).await?;
        if dialect.header == spec::Header::Absent {
            return Ok(Header {
                columns: None,
                behind: front,
            });
        }
        let mut form = dialect.form(0);
        form.record_bytes = dialect.limits.header_bytes as usize;
        let mut target = FIRST_READ;
        loop {
            match first_record(form, &filling.buffer, filling.eof) {
                FirstRecord::Open => {
                    filling.fill(target).await?;
                    target *= 2;
                }
                FirstRecord::Found { fields, end, line } => {
                    let columns = names(dialect, &filling.buffer, &fields)?;
                    filling.skip(end);
                    return Ok(Header {
                        columns: Some(columns),
                        behind: front.plus(end, line, 0),
                    });
                }
                FirstRecord::None => {
                    return Err(malformed(match dialect.skip_lines {
                        0 => "the file is empty; its first record must name its columns",
                        _ => {
                            "the file is empty behind the lines that are skipped; the next record must name its \
                             columns: correct the file or the format's `skip_lines`"
                        }
                    }));
                }
                FirstRecord::BadQuotes { .. } => {
                    return Err(malformed(
                        "the header has a quote that is not closed, or text behind a closing quote; \
                         correct the header or the format's `quote`",
                    ));
                }
                FirstRecord::Long { .. } => {
                    return Err(Error::new(
                        ErrorKind::LimitExceeded,
                        "the header, with the blank lines and comments in front of it, is too long; is this a delimited file with a header? If so, raise `header_bytes`",
                    )
                    .with("limit", dialect.limits.header_bytes));
                }
            }
        }
    }
}

/// Passes over so many lines from `front` on, of any length and whatever is in them; answers with the place behind them.
async fn skip_lines(filling: &mut Filling, front: Place, lines: u32) -> Result<Place> {
    let mut place = front;
    let mut left = lines;
    let mut inside = false;
    while left > 0 {
        let mut used = 0;
        while left > 0 {
            let rest = filling.buffer.get(used..).unwrap_or_default();
            let (length, ended) = line_length(rest, filling.eof);
            used += length;
            if !ended {
                inside = inside || length > 0;
                break;
            }
            inside = false;
            left -= 1;
        }
        place = place.plus(used, 0, 0);
        filling.skip(used);
        // The last line may have no end.
        if left == 1 && filling.eof && inside {
            break;
        }
        if left > 0 && filling.eof {
            return Err(malformed(
                "the file is empty behind the lines that are skipped: it has fewer; correct the file or the format's \
                 `skip_lines`",
            )
            .with("skip_lines", lines));
        }
        if left > 0 {
            filling.fill(FIRST_READ).await?;
        }
    }
    Ok(place.plus(0, lines - left, 0))
}

/// How many bytes of a line there are, with its end if that is known to be whole; and whether it is.
fn line_length(bytes: &[u8], eof: bool) -> (usize, bool) {
    let Some(end) = memchr::memchr2(b'\n', b'\r', bytes) else {
        return (bytes.len(), false);
    };
    match bytes.get(end..).unwrap_or_default() {
        [b'\r', b'\n', ..] => (end + 2, true),
        [b'\r'] if !eof => (end, false),
        _ => (end + 1, true),
    }
}

fn malformed(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Malformed, message)
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
        match dialect
            .cells()
            .cell(bytes.get(start..end).unwrap_or_default(), start)
        {
            // A null token is a name like any other.
            Cell::Null => name.extend_from_slice(bytes.get(start..end).unwrap_or_default()),
            Cell::Plain(range) => name.extend_from_slice(bytes.get(range).unwrap_or_default()),
            Cell::Escaped(range) => {
                dialect.unescape(bytes.get(range).unwrap_or_default(), &mut name);
            }
        }
        columns.push(String::from_utf8(name).map_err(|_| {
            malformed(
                "the name of a column holds bytes that mean nothing in the file's encoding; correct the name, or the format's \
                 `encoding`",
            )
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
    fn a_skipped_line_of_any_length_is_not_kept() {
        let piece = Bytes::from("x".repeat(64 << 10));
        let long = stream::repeat_with(move || Ok(piece.clone())).take(999);
        let end = stream::iter(["\r", "\na,b\r\n"]).map(|text| Ok(Bytes::from(text)));
        let mut format = Delimited::csv();
        format.skip_lines = 1;
        let dialect = Dialect::new(&format).unwrap();
        let mut filling = Filling::new(long.chain(end).boxed());
        let header = block_on(Header::read(&mut filling, &dialect)).unwrap();
        assert_eq!(header.columns.unwrap(), ["a", "b"]);
        let Place { byte, line, record } = header.behind;
        assert_eq!((byte, line, record), (999 * (64 << 10) + 5, 2, 0));
        assert!(filling.buffer.capacity() <= 2 * FIRST_READ);
    }

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
