//! A checked [`Delimited`]: bytes in place of characters.

use std::ops::Range;

use super::guard::unguard_cell;
use super::scan::Form;
use crate::spec::{Delimited, Escape, Header, Limits};
use crate::{Error, Result};

/// The only escape there is.
pub(super) const ESCAPE: u8 = b'\\';

/// How cells are told apart and what they mean.
#[derive(Debug, Clone)]
pub(super) struct Dialect {
    pub(super) delimiter: u8,
    pub(super) quote: Option<u8>,
    /// Whether a backslash takes the meaning from the byte behind it.
    pub(super) has_escape: bool,
    pub(super) comment: Option<u8>,
    pub(super) nulls: Vec<Box<[u8]>>,
    pub(super) empty_is_text: bool,
    /// Whether what a spreadsheet would take for a formula has an apostrophe in front.
    pub(super) is_guarded: bool,
    /// Lines in front of the header, or of the first record.
    pub(super) skip_lines: u32,
    pub(super) header: Header,
    pub(super) limits: Limits,
}

/// A cell, as offsets into the bytes that it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    /// No value.
    Null,
    /// The bytes as they are.
    Plain(Range<usize>),
    /// What [`Dialect::unescape`] makes of the bytes.
    Escaped(Range<usize>),
}

/// What tells cells apart, small enough for the registers of a loop over them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cells<'a> {
    quote: Option<u8>,
    has_escape: bool,
    empty_is_text: bool,
    is_guarded: bool,
    nulls: &'a [Box<[u8]>],
}

impl Dialect {
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a format with [problems](Delimited::problems).
    pub(super) fn new(format: &Delimited) -> Result<Self> {
        let problems = format.problems("format");
        if !problems.is_empty() {
            return Err(Error::invalid("the format of a file is wrong", problems));
        }
        Ok(Dialect {
            // ASCII, as the problems would say otherwise.
            delimiter: format.delimiter as u8,
            quote: format.quote.map(|quote| quote as u8),
            has_escape: format.escape == Escape::Backslash,
            comment: format.comment.map(|comment| comment as u8),
            nulls: format
                .null_tokens
                .iter()
                .filter(|token| !token.is_empty())
                .map(|token| token.as_bytes().into())
                .collect(),
            empty_is_text: format.empty_is_text,
            is_guarded: format.guarded,
            skip_lines: format.skip_lines,
            header: format.header,
            limits: format.limits,
        })
    }

    /// What the scanner looks for.
    pub(super) fn form(&self, columns: usize) -> Form {
        Form {
            delimiter: self.delimiter,
            quote: self.quote,
            escape: self.has_escape.then_some(ESCAPE),
            comment: self.comment,
            columns,
            record_bytes: self.limits.record_bytes as usize,
            field_bytes: self.limits.field_bytes as usize,
        }
    }

    /// What tells the cells of good records.
    #[inline]
    pub(super) fn cells(&self) -> Cells<'_> {
        Cells {
            quote: self.quote,
            has_escape: self.has_escape,
            empty_is_text: self.empty_is_text,
            nulls: &self.nulls,
            is_guarded: self.is_guarded,
        }
    }

    /// Whether an unquoted cell of these bytes is one of the null tokens.
    #[inline]
    pub(super) fn is_null_token(&self, bytes: &[u8]) -> bool {
        self.cells().is_null_token(bytes)
    }

    /// Appends what a field of a good record stands for, given with the quotes around it if it has them.
    pub(super) fn unescape(&self, field: &[u8], out: &mut Vec<u8>) {
        let begin = out.len();
        self.unquote(field, out);
        let text = out.get(begin..).unwrap_or_default();
        if self.is_guarded && unguard_cell(text).len() < text.len() {
            out.remove(begin);
        }
    }

    fn unquote(&self, field: &[u8], out: &mut Vec<u8>) {
        let (quote, mut bytes) = match field {
            [first, inner @ .., _] if Some(*first) == self.quote => (Some(*first), inner),
            _ => (None, field),
        };
        // Either mark goes away, and what is behind it is text, even if it is a mark itself.
        let find = |bytes: &[u8]| match (quote, self.has_escape) {
            (Some(quote), true) => memchr::memchr2(quote, ESCAPE, bytes),
            (Some(quote), false) => memchr::memchr(quote, bytes),
            (None, true) => memchr::memchr(ESCAPE, bytes),
            (None, false) => None,
        };
        while let Some(at) = find(bytes) {
            let (text, rest) = bytes.split_at(at);
            out.extend_from_slice(text);
            bytes = match rest {
                [_, behind, rest @ ..] => {
                    out.push(*behind);
                    rest
                }
                // An escape at the end of the file.
                last => return out.extend_from_slice(last),
            };
        }
        out.extend_from_slice(bytes);
    }
}

impl Cells<'_> {
    /// What a field of a good record is, given its bytes with their quotes and the offset of the first.
    #[inline(always)]
    pub(super) fn cell(self, bytes: &[u8], at: usize) -> Cell {
        match bytes {
            [] if self.empty_is_text => Cell::Plain(at..at),
            [] => Cell::Null,
            [first, inner @ .., _] if Some(*first) == self.quote => {
                let escaped = match self.has_escape {
                    true => memchr::memchr2(*first, ESCAPE, inner),
                    false => memchr::memchr(*first, inner),
                };
                match escaped {
                    Some(_) => Cell::Escaped(at..at + bytes.len()),
                    None if self.is_guarded && inner.starts_with(b"'") => {
                        Cell::Escaped(at..at + bytes.len())
                    }
                    None => Cell::Plain(at + 1..at + 1 + inner.len()),
                }
            }
            // As they are written: `\N` is one.
            _ if self.is_null_token(bytes) => Cell::Null,
            _ if self.has_escape && memchr::memchr(ESCAPE, bytes).is_some() => {
                Cell::Escaped(at..at + bytes.len())
            }
            [b'\'', ..] if self.is_guarded => Cell::Escaped(at..at + bytes.len()),
            _ => Cell::Plain(at..at + bytes.len()),
        }
    }

    #[inline(always)]
    fn is_null_token(self, bytes: &[u8]) -> bool {
        !self.nulls.is_empty() && self.nulls.iter().any(|token| **token == *bytes)
    }
}
