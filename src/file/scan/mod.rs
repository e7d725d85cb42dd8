//! Where records and fields are in delimited text.
//!
//! - A record ends at `\n`, `\r\n` or a lone `\r`; blank lines are no records, `""` alone is one.
//! - A quote opens a quoted field only as a field's first byte; inside, two quotes are one. Any other
//!   quote outside quoted fields is text. A format may have no quotes.
//! - An escape, if the format has one, takes the meaning from the byte behind it, inside quotes and outside;
//!   of an escaped `\r\n` from both. At the end of the file it is text.
//! - A **comment**, if the format has them, is a line that begins, where a record could, with the comment
//!   byte. It ends at its line end, whatever is in it, is as long as it likes, and is no record.
//! - **Bad quotes** (text behind a closing quote, or no closing quote before the end of the file or the
//!   record limit) refuse the record's first *line*, and the scan goes on at the next: a stray quote
//!   costs one line and not the file.
//! - A record over its limit ends at the first line end behind the limit: whether a quote that opens
//!   behind the limit is ever closed cannot be known in bounded memory.
//!
//! **Same for any split.** A scan keeps nothing about an open record: the caller gives its bytes again,
//! with more behind them, and every decision depends on bytes within the record limit only.
//!
//! **Linear.** Bad quotes make the scan go back, and no further than the record limit; but a file can be
//! made so that each line of such a stretch goes over the rest of it again. So the bytes gone over
//! again are counted, and past a fixed multiple of the stretch its lines stand alone: a record
//! that goes over a line end there is bad at once.

mod index;
mod marks;
mod walk;

pub(crate) use index::{Fault, Index, Place, Record, Refused};

use crate::spec::Limits;
use marks::Marks;
use walk::{State, Stop, Walk};

/// How many times a stretch may be gone over for bad quotes before its lines stand alone.
const TRIES: u64 = 8;

/// How many bytes of a refused record are kept.
const KEPT: usize = 64 << 10;

/// What is scanned for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    pub(crate) delimiter: u8,
    pub(crate) quote: Option<u8>,
    pub(crate) escape: Option<u8>,
    pub(crate) comment: Option<u8>,
    /// Fields of a record.
    pub(crate) columns: usize,
    /// The longest record, without its line end. At most [`Form::MOST_BYTES`].
    pub(crate) record_bytes: usize,
    /// The longest field, with its quotes.
    pub(crate) field_bytes: usize,
}

impl Form {
    /// Offsets in a block have 32 bits, and a block holds a record and more.
    pub(crate) const MOST_BYTES: usize = Limits::MOST_BYTES as usize;

    fn marks(&self) -> Marks {
        Marks {
            delimiter: self.delimiter,
            quote: self.quote.unwrap_or(self.delimiter),
            escape: self.escape,
            comment: self.comment,
        }
    }
}

/// Scans a file block by block.
#[derive(Debug)]
pub(crate) struct Scanner {
    form: Form,
    place: Place,
    after_cr: bool,
    /// Inside the rest of a record over its limit, or of a comment.
    skipping: bool,
    stretch: Stretch,
    /// Records to expect: a little more than the last block had.
    room: usize,
}

/// Bytes that were gone over for bad quotes, and how often. Offsets in the file.
#[derive(Debug, Default)]
struct Stretch {
    start: u64,
    end: u64,
    gone_over: u64,
}

impl Stretch {
    /// The record at `start` had bad quotes, as was seen at `end`.
    fn note(&mut self, start: u64, end: u64) {
        if start >= self.end {
            *self = Stretch {
                start,
                ..Self::default()
            };
        }
        self.end = self.end.max(end);
        self.gone_over += end - start;
    }

    /// Whether the line at `start` stands alone.
    fn is_worn(&self, start: u64) -> bool {
        start < self.end && self.gone_over > TRIES * (self.end - self.start)
    }
}

impl Scanner {
    /// Scans from `place` on, which is in front of a record or a blank line.
    pub(crate) fn new(form: Form, place: Place) -> Self {
        Scanner {
            form,
            place,
            after_cr: false,
            skipping: false,
            stretch: Stretch::default(),
            room: 0,
        }
    }

    /// Finds the records in `data`, which begins behind the bytes that earlier calls used up; `eof` says that
    /// nothing follows it. Answers with how many bytes are used up: the rest is an open record, shorter
    /// than [`Form::record_bytes`] plus one, whose bytes must be given again with more behind them.
    pub(crate) fn scan(&mut self, data: &[u8], eof: bool) -> (Index, usize) {
        // A good record has a byte for each column at least.
        let room = self.room.min(data.len() / self.form.columns.max(1));
        let mut index = Index::new(self.place, self.form.columns, room);
        let mut walk = Walk {
            data,
            marks: self.form.marks(),
            columns: self.form.columns,
            longest: self.form.record_bytes.min(self.form.field_bytes),
            after_cr: self.after_cr,
            start: 0,
            line: 0,
            inner_lines: 0,
        };
        if self.skipping {
            self.skip(&mut walk, 0);
        }
        while walk.start < data.len() && self.step(&mut walk, &mut index, eof) {}
        let used = walk.start;
        self.after_cr = match used.checked_sub(1) {
            Some(last) => data.get(last) == Some(&b'\r'),
            None => self.after_cr,
        };
        index.next = self.place.plus(used, walk.line, index.next_number());
        // What was decided in front of a place must not rest on what is behind it, nor the other way round.
        index.settled = self.stretch.end;
        if self.skipping && !eof {
            index.settled = index.settled.max(index.next.byte + 1);
        }
        self.place = index.next;
        self.room = index.records.len() + index.records.len() / 16;
        (index, used)
    }

    /// Walks on to the next record that needs a decision, and decides. False: more bytes are needed.
    fn step(&mut self, walk: &mut Walk<'_>, index: &mut Index, eof: bool) -> bool {
        let data = walk.data;
        let limit = self.form.record_bytes;
        let alone = self.stretch.is_worn(self.place.byte + walk.start as u64);
        let mut cut = false;
        if alone {
            match line_end(data, walk.start, limit) {
                Some(end) => {
                    walk.data = data.get(..=end).unwrap_or(data);
                    cut = true;
                }
                None if eof || data.len() - walk.start > limit => {}
                None => return false,
            }
        }
        let stop = walk.run(index);
        let seen = walk.data.len();
        walk.data = data;
        let open = seen - walk.start;

        // A decision may rest on nothing behind the limit, or it would differ from split to split.
        let decided = match stop {
            Stop::End { .. } if open == 0 => return true,
            Stop::End {
                state: State::Comment,
            } => {
                self.skip(walk, walk.start);
                return true;
            }
            Stop::End { .. } if cut => Decision::Bad { seen },
            Stop::End { .. } if open > limit => self.over_limit(walk),
            Stop::End { .. } if !eof => {
                index.ends.truncate(index.records.len() * index.columns);
                return false;
            }
            Stop::End {
                state: State::Quoted,
            } => Decision::Bad { seen },
            Stop::End {
                state: State::Closed { at },
            } if at + 1 < seen => Decision::Bad { seen: at + 1 },
            Stop::End { .. } => {
                index.ends.push(seen as u32);
                Decision::Whole { end: seen }
            }
            Stop::Record { end } if end - walk.start > limit => self.over_limit(walk),
            Stop::Record { end } => Decision::Whole { end },
            Stop::BadQuotes { at } if at - walk.start >= limit => self.over_limit(walk),
            Stop::BadQuotes { at } => Decision::Bad { seen: at },
        };
        match decided {
            Decision::Whole { end } => {
                self.take_whole(walk, index, end);
                true
            }
            Decision::Bad { seen } => {
                index.ends.truncate(index.records.len() * index.columns);
                let start = self.place.byte + walk.start as u64;
                let done = self.refuse_line(walk, index, eof);
                if done && !alone {
                    self.stretch.note(start, self.place.byte + seen as u64);
                }
                done
            }
            Decision::Long => {
                index.ends.truncate(index.records.len() * index.columns);
                self.refuse_long(walk, index);
                true
            }
        }
    }

    /// What to do with a record that goes on behind its limit: it depends on whether the limit is inside quotes.
    fn over_limit(&self, walk: &mut Walk<'_>) -> Decision {
        let end = walk.start + self.form.record_bytes;
        let mut to_limit = Walk {
            data: walk.data.get(..end).unwrap_or(walk.data),
            columns: 0,
            ..*walk
        };
        let stop = to_limit.run(&mut Index::new(Place::START, 0, 0));
        walk.inner_lines = to_limit.inner_lines;
        match stop {
            Stop::End {
                state: State::Quoted,
            } => Decision::Bad { seen: end },
            Stop::End {
                state: State::Closed { at },
            } if at + 1 < end => Decision::Bad { seen: at + 1 },
            Stop::BadQuotes { at } => Decision::Bad { seen: at },
            Stop::End { .. } | Stop::Record { .. } => Decision::Long,
        }
    }

    /// Takes or refuses the record that ends at `end`; the walk goes on at its line end.
    fn take_whole(&self, walk: &mut Walk<'_>, index: &mut Index, end: usize) {
        let first_end = index.records.len() * index.columns;
        let ends = index.ends.get(first_end..).unwrap_or_default();
        let fault = match ends.len() {
            found if found > index.columns => Some(Fault::TooManyFields),
            found if found < index.columns => Some(Fault::TooFewFields(found as u32)),
            _ => {
                let starts =
                    std::iter::once(walk.start).chain(ends.iter().map(|&e| e as usize + 1));
                starts
                    .zip(ends)
                    .position(|(start, &end)| end as usize - start > self.form.field_bytes)
                    .map(|column| Fault::LongField(column as u32))
            }
        };
        let record = Record {
            start: walk.start as u32,
            line: walk.line,
            number: index.next_number(),
        };
        match fault {
            None => index.records.push(record),
            Some(fault) => {
                index.ends.truncate(first_end);
                index.refused.push(refused(record, end, fault));
            }
        }
        walk.line += walk.inner_lines;
        walk.start = end;
    }

    /// Refuses the first line of the record; the walk goes on at its end. False: the line's end is needed.
    fn refuse_line(&mut self, walk: &mut Walk<'_>, index: &mut Index, eof: bool) -> bool {
        let data = walk.data;
        let end = match line_end(data, walk.start, self.form.record_bytes) {
            Some(end) => end,
            None if data.len() - walk.start > self.form.record_bytes => {
                walk.inner_lines = 0;
                self.refuse_long(walk, index);
                return true;
            }
            None if eof => data.len(),
            None => return false,
        };
        let record = Record {
            start: walk.start as u32,
            line: walk.line,
            number: index.next_number(),
        };
        index.refused.push(refused(record, end, Fault::Quotes));
        walk.start = end;
        true
    }

    /// Refuses a record over its limit; the walk goes on at the first line end behind the limit.
    fn refuse_long(&mut self, walk: &mut Walk<'_>, index: &mut Index) {
        let kept = walk.start + self.form.record_bytes.min(KEPT);
        index.refused.push(Refused {
            record: Record {
                start: walk.start as u32,
                line: walk.line,
                number: index.next_number(),
            },
            end: kept as u32,
            truncated: true,
            fault: Fault::LongRecord,
        });
        walk.line += walk.inner_lines;
        self.skip(walk, walk.start + self.form.record_bytes);
    }

    fn skip(&mut self, walk: &mut Walk<'_>, from: usize) {
        let end = line_end(walk.data, from, walk.data.len());
        self.skipping = end.is_none();
        walk.start = end.unwrap_or(walk.data.len());
    }
}

/// A refused record (or line) that ends at `end`.
fn refused(record: Record, end: usize, fault: Fault) -> Refused {
    let kept = end.min(record.start as usize + KEPT);
    Refused {
        record,
        end: kept as u32,
        truncated: kept < end,
        fault,
    }
}

/// What becomes of an open record.
#[derive(Debug)]
enum Decision {
    /// It ends at `end`; its field ends are noted.
    Whole { end: usize },
    /// Its quotes are bad, as was seen at `seen`.
    Bad { seen: usize },
    /// It is over its limit.
    Long,
}

/// The first line end from `start` on, with at most `limit` bytes in front of it.
fn line_end(data: &[u8], start: usize, limit: usize) -> Option<usize> {
    let end = data
        .len()
        .min(start.saturating_add(limit).saturating_add(1));
    let line = data.get(start..end)?;
    Some(start + memchr::memchr2(b'\n', b'\r', line)?)
}

/// The first record of a file, of any number of fields.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FirstRecord {
    /// It was found.
    Found {
        /// The offsets of its fields.
        fields: Vec<(usize, usize)>,
        /// The offset of its line end, where the scan of the others begins.
        end: usize,
        /// Lines in front of that.
        line: u32,
    },
    /// More bytes are needed.
    Open,
    /// There is no record.
    None,
    /// Text follows a closing quote, or a quote is never closed.
    BadQuotes {
        /// The offset of the record.
        start: usize,
    },
    /// It is longer than [`Form::record_bytes`], together with the blank lines and comments in front of it.
    Long {
        /// The offset of the record.
        start: usize,
    },
}

/// Finds the first record in data that begins where a record could.
pub(crate) fn first_record(form: Form, data: &[u8], eof: bool) -> FirstRecord {
    let mut index = Index::new(Place::START, usize::MAX, 0);
    let mut walk = Walk {
        data,
        marks: form.marks(),
        columns: usize::MAX,
        longest: 0,
        after_cr: false,
        start: 0,
        line: 0,
        inner_lines: 0,
    };
    let stop = walk.run(&mut index);
    let end = match stop {
        Stop::End { .. } => data.len(),
        Stop::Record { end } => end,
        Stop::BadQuotes { at } => at,
    };
    // What is in front of it counts, or a file of nothing else would be kept whole.
    if end > form.record_bytes {
        return FirstRecord::Long { start: walk.start };
    }
    match stop {
        Stop::Record { .. } => {}
        Stop::BadQuotes { .. } => return FirstRecord::BadQuotes { start: walk.start },
        Stop::End { .. } if !eof => return FirstRecord::Open,
        Stop::End { .. } if walk.start == end => return FirstRecord::None,
        Stop::End {
            state: State::Comment,
        } => return FirstRecord::None,
        Stop::End {
            state: State::Quoted,
        } => return FirstRecord::BadQuotes { start: walk.start },
        Stop::End {
            state: State::Closed { at },
        } if at + 1 < end => return FirstRecord::BadQuotes { start: walk.start },
        Stop::End { .. } => index.ends.push(end as u32),
    }
    let starts = std::iter::once(walk.start).chain(index.ends.iter().map(|&end| end as usize + 1));
    let fields = starts
        .zip(&index.ends)
        .map(|(start, &end)| (start, end as usize))
        .collect();
    FirstRecord::Found {
        fields,
        end,
        line: walk.line + walk.inner_lines,
    }
}

#[cfg(test)]
mod tests;
