//! The hot loop: from one byte that matters to the next.

use super::index::{Index, Record};
use super::marks::Marks;

/// Between bytes that matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Outside quotes.
    Plain,
    /// Inside a quoted field.
    Quoted,
    /// Behind the quote at `at`, which closes the field unless another follows it.
    Closed { at: usize },
    /// Inside a comment: `start` is its first byte.
    Comment,
}

/// Why the walk stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// All bytes were seen. Without an open record, `start` is the end of the data.
    End { state: State },
    /// The record's end was found, and it is not good as it is. Its last field's end was noted.
    Record { end: usize },
    /// The byte at `at` follows a closing quote and may not.
    BadQuotes { at: usize },
}

/// A walk over records from `start` on; good ones go to the index.
///
/// Assumes that `start` is the first byte of a record (or of a blank line) and that the offsets of
/// `data` fit 32 bits. A good record has exactly `columns` fields and no more than `longest` bytes;
/// the walk stops at any other, since such are rare, and leaves `start`, `line` and the field ends
/// of the open record to the caller.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    pub(super) data: &'a [u8],
    pub(super) marks: Marks,
    pub(super) columns: usize,
    pub(super) longest: usize,
    /// Whether the byte before `data` is `\r`: then a `\n` in front ends no line of its own.
    pub(super) after_cr: bool,
    /// First byte of the open record.
    pub(super) start: usize,
    /// Line ends in front of the open record.
    pub(super) line: u32,
    /// Line ends inside the open record.
    pub(super) inner_lines: u32,
}

impl Walk<'_> {
    /// Walks to the end of the data, or to the first record that is not good.
    pub(super) fn run(&mut self, index: &mut Index) -> Stop {
        // Formats without escape and comments do not pay for them.
        match self.marks.has_extra() {
            true => self.walk::<true>(index),
            false => self.walk::<false>(index),
        }
    }

    fn walk<const EXTRA: bool>(&mut self, index: &mut Index) -> Stop {
        let data = self.data;
        let marks = self.marks;
        let after_cr = self.after_cr;
        // A `\n` right behind a `\r` ends the same line.
        let ends_line = |at: usize, byte: u8| {
            byte == b'\r'
                || match at.checked_sub(1) {
                    Some(before) => data.get(before) != Some(&b'\r'),
                    None => !after_cr,
                }
        };
        let front_of_record = |start: usize| match data.get(start) {
            Some(byte) if EXTRA && marks.comment == Some(*byte) => State::Comment,
            _ => State::Plain,
        };
        let mut start = self.start;
        let mut line = self.line;
        let mut inner_lines = 0u32;
        let mut field = start;
        let mut state = front_of_record(start);
        // The byte behind an escape, once there was one.
        let mut escaped = usize::MAX;
        let mut first_end = index.ends.len();
        // One end too many tells that there are too many; more would only cost memory.
        let most = self.columns.saturating_add(1);
        let mut at = start;

        let stop = 'walk: loop {
            let rest = data.get(at..).unwrap_or_default();
            let mut mask = match rest.first_chunk::<64>() {
                Some(chunk) => marks.of::<EXTRA>(chunk),
                None if rest.is_empty() => break Stop::End { state },
                None => marks.of_tail::<EXTRA>(rest),
            };
            while mask != 0 {
                let here = at + mask.trailing_zeros() as usize;
                mask &= mask - 1;
                let Some(&byte) = data.get(here) else { break };
                if EXTRA && here == escaped && state != State::Comment {
                    if matches!(byte, b'\n' | b'\r') && ends_line(here, byte) {
                        inner_lines += 1;
                    }
                    if byte == b'\r' && data.get(here + 1) == Some(&b'\n') {
                        escaped = here + 1;
                    }
                    continue;
                }
                let escapes = EXTRA && marks.escape == Some(byte);
                match state {
                    State::Plain | State::Quoted if escapes => {
                        escaped = here + 1;
                        continue;
                    }
                    State::Plain => {}
                    State::Closed { at } if escapes => {
                        break 'walk Stop::BadQuotes { at: at + 1 };
                    }
                    State::Comment => {
                        if !matches!(byte, b'\n' | b'\r') {
                            continue;
                        }
                        // All of it is as a blank line.
                        start = here;
                        state = State::Plain;
                    }
                    State::Quoted => {
                        if byte == marks.quote {
                            state = State::Closed { at: here };
                        } else if byte != marks.delimiter && ends_line(here, byte) {
                            inner_lines += 1;
                        }
                        continue;
                    }
                    State::Closed { at } => {
                        if here != at + 1 {
                            break 'walk Stop::BadQuotes { at: at + 1 };
                        }
                        if byte == marks.quote {
                            state = State::Quoted;
                            continue;
                        }
                        state = State::Plain;
                    }
                }
                if byte == marks.delimiter {
                    if index.ends.len() - first_end < most {
                        index.ends.push(here as u32);
                    }
                    field = here + 1;
                } else if byte == marks.quote {
                    if here == field {
                        state = State::Quoted;
                    }
                } else {
                    // A blank line is no record.
                    if here != start {
                        index.ends.push(here as u32);
                        if index.ends.len() - first_end != self.columns
                            || here - start > self.longest
                        {
                            break 'walk Stop::Record { end: here };
                        }
                        index.records.push(Record {
                            start: start as u32,
                            line,
                            number: index.next_number(),
                        });
                        first_end = index.ends.len();
                    }
                    line += inner_lines + u32::from(ends_line(here, byte));
                    inner_lines = 0;
                    start = here + 1;
                    field = start;
                    if EXTRA {
                        state = front_of_record(start);
                    }
                }
            }
            at += 64;
        };
        self.start = start;
        self.line = line;
        self.inner_lines = inner_lines;
        stop
    }
}
