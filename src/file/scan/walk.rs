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
        let mut open = Open {
            start: self.start,
            field: self.start,
            first_end: index.ends.len(),
            line: self.line,
            inner_lines: 0,
        };
        let mut state = front_of_record(open.start);
        // The byte behind an escape, once there was one.
        let mut escaped = usize::MAX;
        let (columns, longest) = (self.columns, self.longest);
        let mut at = open.start;

        let stop = 'walk: loop {
            let rest = data.get(at..).unwrap_or_default();
            let found = match rest.first_chunk::<64>() {
                Some(chunk) => marks.of::<EXTRA>(chunk),
                None if rest.is_empty() => break Stop::End { state },
                None => marks.of_tail::<EXTRA>(rest),
            };
            let mut mask = found.all();
            // Most stretches have no quotes: then nothing but delimiters and line ends is here.
            if !EXTRA && found.quotes == 0 && state == State::Plain {
                while mask != 0 {
                    let here = at + mask.trailing_zeros() as usize;
                    let is_delimiter = found.delimiters & mask & mask.wrapping_neg() != 0;
                    mask &= mask - 1;
                    if is_delimiter {
                        open.delimiter(index, here, columns);
                        continue;
                    }
                    let ends_line = data.get(here).is_some_and(|&byte| ends_line(here, byte));
                    if !open.line_end(index, here, ends_line, columns, longest) {
                        break 'walk Stop::Record { end: here };
                    }
                }
                at += 64;
                continue;
            }
            while mask != 0 {
                let here = at + mask.trailing_zeros() as usize;
                mask &= mask - 1;
                let Some(&byte) = data.get(here) else { break };
                if EXTRA && here == escaped && state != State::Comment {
                    if matches!(byte, b'\n' | b'\r') && ends_line(here, byte) {
                        open.inner_lines += 1;
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
                        open.start = here;
                        state = State::Plain;
                    }
                    State::Quoted => {
                        if byte == marks.quote {
                            state = State::Closed { at: here };
                        } else if byte != marks.delimiter && ends_line(here, byte) {
                            open.inner_lines += 1;
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
                    open.delimiter(index, here, columns);
                } else if byte == marks.quote {
                    if here == open.field {
                        state = State::Quoted;
                    }
                } else {
                    if !open.line_end(index, here, ends_line(here, byte), columns, longest) {
                        break 'walk Stop::Record { end: here };
                    }
                    if EXTRA {
                        state = front_of_record(open.start);
                    }
                }
            }
            at += 64;
        };
        self.start = open.start;
        self.line = open.line;
        self.inner_lines = open.inner_lines;
        stop
    }
}

/// The record that is open.
struct Open {
    /// Its first byte.
    start: usize,
    /// The first byte of its open field.
    field: usize,
    /// Its first place among the field ends of the index.
    first_end: usize,
    /// Line ends in front of it.
    line: u32,
    /// Line ends inside it.
    inner_lines: u32,
}

impl Open {
    #[inline(always)]
    fn delimiter(&mut self, index: &mut Index, here: usize, columns: usize) {
        // One end too many tells that there are too many; more would only cost memory.
        if index.ends.len() - self.first_end <= columns {
            index.ends.push(here as u32);
        }
        self.field = here + 1;
    }

    /// Ends the record, or a blank line, which is none; the next one is open then. False, and nothing but the
    /// field's end is noted: the record is not good.
    #[inline(always)]
    fn line_end(
        &mut self,
        index: &mut Index,
        here: usize,
        ends_line: bool,
        columns: usize,
        longest: usize,
    ) -> bool {
        if here != self.start {
            index.ends.push(here as u32);
            if index.ends.len() - self.first_end != columns || here - self.start > longest {
                return false;
            }
            index.records.push(Record {
                start: self.start as u32,
                line: self.line,
                number: index.next_number(),
            });
            self.first_end = index.ends.len();
        }
        self.line += self.inner_lines + u32::from(ends_line);
        self.inner_lines = 0;
        self.start = here + 1;
        self.field = self.start;
        true
    }
}
