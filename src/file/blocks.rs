//! From a stream of bytes in pieces of any size to blocks of whole records.

use std::fmt;

use bytes::{Buf as _, Bytes};
use futures::{StreamExt as _, stream};

use super::scan::{Form, Index, Place, Scanner};
use crate::host::ByteStream;
use crate::{Error, Result};

/// The target size of a block: small enough for a second-level cache, large enough to be worth a task.
pub(super) const BLOCK_BYTES: usize = 512 << 10;

/// A buffer that is filled from a stream to an exact length, so that the stream's pieces never show.
pub(super) struct Filling {
    stream: ByteStream,
    /// What is left of the last piece.
    rest: Bytes,
    /// What was read and not used up.
    pub(super) buffer: Vec<u8>,
    /// Whether nothing follows the buffer.
    pub(super) eof: bool,
    /// Why nothing more comes, and how much was in the buffer when it was last filled.
    failed: Option<(Error, usize)>,
}

impl Filling {
    pub(super) fn new(stream: ByteStream) -> Self {
        Filling {
            stream,
            rest: Bytes::new(),
            buffer: Vec::new(),
            eof: false,
            failed: None,
        }
    }

    /// Drops the first bytes of the buffer.
    pub(super) fn skip(&mut self, bytes: usize) {
        self.buffer.drain(..bytes.min(self.buffer.len()));
    }

    /// Ends the text behind so many bytes from the front of the buffer on; nothing behind them is read.
    pub(super) fn end_behind(&mut self, bytes: u64) {
        let Some(more) = bytes.checked_sub(self.buffer.len() as u64) else {
            self.buffer.truncate(bytes as usize);
            self.rest.clear();
            (self.stream, self.failed, self.eof) = (stream::empty().boxed(), None, true);
            return;
        };
        let rest = stream::iter([Ok(std::mem::take(&mut self.rest))]);
        let all = rest.chain(std::mem::replace(&mut self.stream, stream::empty().boxed()));
        self.stream = first_bytes(all.boxed(), more);
    }

    /// Reads on until the buffer has `target` bytes or the stream ends. If the stream fails, what came before that can be
    /// used first: the error is told when the buffer is to be filled and nothing of it was used.
    pub(super) async fn fill(&mut self, target: usize) -> Result<()> {
        if let Some((error, seen)) = self.failed.take() {
            if seen == self.buffer.len() {
                return Err(error);
            }
            self.failed = Some((error, self.buffer.len()));
            return Ok(());
        }
        // Exactly: a vector that grows as it likes doubles.
        self.buffer
            .reserve_exact(target.saturating_sub(self.buffer.len()));
        // A stream that has ended is not asked again.
        while !self.eof && self.buffer.len() < target {
            if self.rest.is_empty() {
                match self.stream.next().await {
                    Some(Ok(piece)) => self.rest = piece,
                    Some(Err(error)) => {
                        self.stream = stream::empty().boxed();
                        self.failed = Some((error, self.buffer.len()));
                        return Ok(());
                    }
                    None => {
                        self.eof = true;
                        return Ok(());
                    }
                }
            }
            let wanted = self.rest.len().min(target - self.buffer.len());
            self.buffer
                .extend_from_slice(self.rest.get(..wanted).unwrap_or_default());
            self.rest.advance(wanted);
        }
        Ok(())
    }
}

/// The first so many bytes of a stream; what is behind them is not asked for.
fn first_bytes(bytes: ByteStream, count: u64) -> ByteStream {
    stream::unfold((bytes, count), |(mut bytes, left)| async move {
        if left == 0 {
            return None;
        }
        let piece = bytes.next().await?.map(|mut piece| {
            piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            piece
        });
        let taken = piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Some((piece, (bytes, left - taken)))
    })
    .boxed()
}

impl fmt::Debug for Filling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filling")
            .field("buffered", &self.buffer.len())
            .field("eof", &self.eof)
            .finish_non_exhaustive()
    }
}

/// The blocks of a file, one after the other.
#[derive(Debug)]
pub(super) struct Blocks {
    filling: Filling,
    scanner: Scanner,
    record_bytes: usize,
    block_bytes: usize,
    done: bool,
}

impl Blocks {
    /// `filling` goes on at `place`, which is in front of a record or at a line end.
    pub(super) fn new(mut filling: Filling, form: Form, place: Place, block_bytes: usize) -> Self {
        // Who filled it before did not use it up.
        if let Some((_, seen)) = &mut filling.failed {
            *seen = usize::MAX;
        }
        Blocks {
            filling,
            scanner: Scanner::new(form, place),
            record_bytes: form.record_bytes,
            block_bytes: block_bytes.clamp(1, Form::MOST_BYTES),
            done: false,
        }
    }

    /// The next block's bytes and index; `None` after the one that ends the file.
    pub(super) async fn next(&mut self) -> Result<Option<(Vec<u8>, Index)>> {
        while !self.done {
            // An open record is scanned again from its front. Doubling keeps that linear, and the bound
            // keeps the buffer at a record and a block: the scanner decides what is longer than a record.
            let open = self.filling.buffer.len();
            let target = (2 * open)
                .min(self.record_bytes + self.block_bytes)
                .max(self.block_bytes);
            self.filling.fill(target).await?;
            let eof = self.filling.eof;
            let (index, used) = self.scanner.scan(&self.filling.buffer, eof);
            self.done = eof;
            if used == 0 && !eof {
                continue;
            }
            let rest = self.filling.buffer.get(used..).unwrap_or_default();
            let mut next = Vec::with_capacity(self.block_bytes.max(rest.len()));
            next.extend_from_slice(rest);
            let mut block = std::mem::replace(&mut self.filling.buffer, next);
            block.truncate(used);
            return Ok(Some((block, index)));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use futures::executor::block_on;

    use super::super::scan::Fault;
    use super::*;

    const MIB: usize = 1 << 20;

    /// The blocks of a file of these pieces; all buffers on the way are bounded.
    fn blocks(
        pieces: impl IntoIterator<Item = Bytes, IntoIter: Send + 'static>,
    ) -> Vec<(Vec<u8>, Index)> {
        let form = Form {
            delimiter: b',',
            quote: Some(b'"'),
            escape: None,
            comment: None,
            columns: 2,
            record_bytes: 2 * MIB,
            field_bytes: MIB,
        };
        let stream = stream::iter(pieces.into_iter().map(Ok)).boxed();
        let mut blocks = Blocks::new(Filling::new(stream), form, Place::START, BLOCK_BYTES);
        let mut found = Vec::new();
        while let Some((mut bytes, index)) = block_on(blocks.next()).unwrap() {
            let bound = form.record_bytes + 2 * BLOCK_BYTES;
            assert!(bytes.capacity() <= bound && blocks.filling.buffer.capacity() <= bound);
            if !index.refused.iter().any(|refused| refused.truncated) {
                bytes.clear();
            }
            found.push((bytes, index));
        }
        found
    }

    fn faults(blocks: &[(Vec<u8>, Index)]) -> Vec<Fault> {
        let refused = blocks.iter().flat_map(|(_, index)| &index.refused);
        refused.map(|refused| refused.fault).collect()
    }

    fn good(blocks: &[(Vec<u8>, Index)]) -> usize {
        blocks.iter().map(|(_, index)| index.records.len()).sum()
    }

    /// `front`, 64 MiB of `fill`, `back`, in pieces of an odd size.
    fn huge(front: &str, fill: &str, back: &str) -> Vec<Bytes> {
        let fill = Bytes::from(fill.repeat(100_003 / fill.len()));
        let times = 64 * MIB / fill.len();
        let mut pieces = vec![fill; times];
        pieces.insert(0, Bytes::copy_from_slice(front.as_bytes()));
        pieces.push(Bytes::copy_from_slice(back.as_bytes()));
        pieces
    }

    #[test]
    fn a_huge_field_is_one_reject_in_bounded_memory() {
        for (front, back) in [
            ("1,2\n3,\"", "\"\n4,5\n"),
            ("1,2\n3,", "\n4,5"),
            ("1,2\n", ",3\n4,5\n"),
        ] {
            let found = blocks(huge(front, "x", back));
            assert_eq!(faults(&found), [Fault::LongRecord]);
            assert_eq!(good(&found), 2);
            let refused = found
                .iter()
                .flat_map(|(_, index)| &index.refused)
                .next()
                .unwrap();
            assert!(refused.truncated);
            assert_eq!(refused.end - refused.record.start, 64 << 10);
        }
    }

    #[test]
    fn of_a_refused_record_a_bounded_part_is_kept() {
        let long = "x".repeat(MIB);
        for (record, fault) in [
            (long.clone(), Fault::TooFewFields(1)),
            (format!("{long},2,3"), Fault::TooManyFields),
            (format!("\"\"{long},2"), Fault::Quotes),
            (format!("{long}x,2"), Fault::LongField(0)),
        ] {
            let found = blocks([Bytes::from(format!("1,2\n{record}\n3,4\n"))]);
            assert_eq!((faults(&found), good(&found)), (vec![fault], 2));
            let mut refused = found.iter().flat_map(|(_, index)| &index.refused);
            let refused = refused.next().unwrap();
            assert!(refused.truncated);
            assert_eq!(refused.end - refused.record.start, 64 << 10);
        }
    }

    #[test]
    fn a_huge_record_of_commas_does_not_fill_the_index() {
        let found = blocks(huge("1,2\n", ",", "\n4,5\n"));
        assert_eq!((faults(&found), good(&found)), (vec![Fault::LongRecord], 2));
        assert!(found.iter().all(|(_, index)| index.ends.capacity() < 1000));
    }

    #[test]
    fn an_open_quote_in_a_large_file_costs_its_line() {
        let found = blocks(huge("1,2\n\"3,4\n", "5,6\n", ""));
        assert_eq!(faults(&found), [Fault::Quotes]);
        assert_eq!(good(&found), 1 + 25_000 * (64 * MIB / 100_000));
    }

    #[test]
    fn a_quoted_field_over_its_limit_is_refused_with_its_record() {
        let pieces = vec![
            Bytes::from("1,\""),
            Bytes::from("x\n".repeat(MIB * 3 / 4)),
            Bytes::from("\"\n2,3\n"),
        ];
        let found = blocks(pieces);
        assert_eq!(
            (faults(&found), good(&found)),
            (vec![Fault::LongField(1)], 1)
        );
        let (_, last) = found.last().unwrap();
        assert_eq!(last.next.line, 3 + (MIB * 3 / 4) as u64);
    }
}
