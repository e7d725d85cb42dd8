//! A checked [`Delimited`]: bytes in place of characters.

use std::ops::Range;

use super::scan::Form;
use crate::spec::{Delimited, Limits};
use crate::{Error, Result};

/// How cells are told apart and what they mean.
#[derive(Debug, Clone)]
pub(super) struct Dialect {
    pub(super) delimiter: u8,
    pub(super) quote: u8,
    pub(super) nulls: Vec<Box<[u8]>>,
    pub(super) empty_is_text: bool,
    pub(super) limits: Limits,
}

/// A cell, as offsets into the bytes that it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    /// No value.
    Null,
    /// The bytes as they are.
    Plain(Range<usize>),
    /// The bytes once each pair of quotes is made one.
    Doubled(Range<usize>),
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
            quote: format.quote.map_or(0, |quote| quote as u8),
            nulls: format
                .null_tokens
                .iter()
                .filter(|token| !token.is_empty())
                .map(|token| token.as_bytes().into())
                .collect(),
            empty_is_text: format.empty_is_text,
            limits: format.limits,
        })
    }

    /// What the scanner looks for.
    pub(super) fn form(&self, columns: usize) -> Form {
        Form {
            delimiter: self.delimiter,
            quote: self.quote,
            columns,
            record_bytes: self.limits.record_bytes as usize,
            field_bytes: self.limits.field_bytes as usize,
        }
    }

    /// What a field of a good record is, given its bytes with their quotes and the offset of the first.
    #[inline]
    pub(super) fn cell(&self, bytes: &[u8], at: usize) -> Cell {
        match bytes {
            [] if self.empty_is_text => Cell::Plain(at..at),
            [] => Cell::Null,
            [first, inner @ .., _] if *first == self.quote => {
                let range = at + 1..at + 1 + inner.len();
                match memchr::memchr(self.quote, inner) {
                    Some(_) => Cell::Doubled(range),
                    None => Cell::Plain(range),
                }
            }
            _ if self.is_null_token(bytes) => Cell::Null,
            _ => Cell::Plain(at..at + bytes.len()),
        }
    }

    /// Whether an unquoted cell of these bytes is one of the null tokens.
    #[inline]
    pub(super) fn is_null_token(&self, bytes: &[u8]) -> bool {
        !self.nulls.is_empty() && self.nulls.iter().any(|token| **token == *bytes)
    }

    /// Appends bytes with each pair of quotes made one.
    pub(super) fn undouble(&self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while let Some(at) = memchr::memchr(self.quote, bytes) {
            let (head, rest) = bytes.split_at(at + 1);
            out.extend_from_slice(head);
            bytes = rest.get(1..).unwrap_or_default();
        }
        out.extend_from_slice(bytes);
    }
}
