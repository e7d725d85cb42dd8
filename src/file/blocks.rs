//! From a stream of bytes in pieces of any size to blocks of whole records.

use std::fmt;

use bytes::{Buf as _, Bytes};
use futures::StreamExt as _;

use super::scan::{Form, Index, Place, Scanner};
use crate::Result;
use crate::host::ByteStream;

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
}

impl Filling {
    pub(super) fn new(stream: ByteStream) -> Self {
        Filling {
            stream,
            rest: Bytes::new(),
            buffer: Vec::new(),
            eof: false,
        }
    }

    /// Reads on until the buffer has `target` bytes or the stream ends.
    pub(super) async fn fill(&mut self, target: usize) -> Result<()> {
        self.buffer
            .reserve(target.saturating_sub(self.buffer.len()));
        while self.buffer.len() < target {
            if self.rest.is_empty() {
                match self.stream.next().await {
                    Some(piece) => self.rest = piece?,
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
    /// `stream` begins at `place`, which is in front of a record or at a line end.
    pub(super) fn new(stream: ByteStream, form: Form, place: Place, block_bytes: usize) -> Self {
        Blocks {
            filling: Filling::new(stream),
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
