//! The way to the text of a file: opened, unpacked, as UTF-8.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt as _, stream};

use super::blocks::{BLOCK_BYTES, Filling};
use super::{transcode, unpack};
use crate::host::{ByteStream, FileStore};
use crate::spec::{Compression, Encoding, FileSource, Limits};
use crate::{Error, ErrorKind, Result};

/// How the text of a file is got at, which is the same each time it is read.
#[derive(Debug)]
pub(super) struct Opening {
    files: Arc<dyn FileStore>,
    name: String,
    compression: Compression,
    encoding: Encoding,
    limits: Limits,
}

impl Opening {
    pub(super) fn new(files: Arc<dyn FileStore>, source: &FileSource) -> Self {
        Opening {
            files,
            name: source.name.clone(),
            compression: source.format.compression,
            encoding: source.format.encoding,
            limits: source.format.limits,
        }
    }

    /// The text from its beginning.
    pub(super) async fn open(&self) -> Result<Text> {
        let opened = self.files.open(&self.name, 0).await?;
        let (front, mut bytes) = peek(opened.bytes, unpack::MAGIC_BYTES).await?;
        unpack::check_magic(&front, self.compression)?;
        let mut size = opened.size;
        // An empty file is empty in any packing.
        if self.compression != Compression::None && !front.is_empty() {
            bytes = unpack::unpack(bytes, size, self.compression, self.limits)?;
            size = None;
        }
        let (front, bytes) = peek(bytes, transcode::MARK_BYTES).await?;
        let text = transcode::to_utf8(bytes, &front, self.encoding)?;
        if self.encoding != Encoding::Utf8 {
            size = None;
        }
        Ok(Text {
            filling: Filling::new(text),
            size,
            version: opened.version,
        })
    }

    /// The text from `byte` on, given the text from `at` on: what is packed or in another encoding is read past.
    pub(super) async fn go_on(&self, mut front: Filling, at: u64, byte: u64) -> Result<Filling> {
        if self.compression == Compression::None && self.encoding == Encoding::Utf8 {
            let opened = self.files.open(&self.name, byte).await?;
            return Ok(Filling::new(opened.bytes));
        }
        let mut left = byte.saturating_sub(at);
        while left > 0 {
            let step = usize::try_from(left).map_or(BLOCK_BYTES, |left| left.min(BLOCK_BYTES));
            front.fill(step).await?;
            let step = step.min(front.buffer.len());
            if step == 0 {
                return Err(changed());
            }
            front.skip(step);
            left -= step as u64;
        }
        Ok(front)
    }
}

/// The text of a file.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) filling: Filling,
    /// Its size in bytes if that is known: of a file that is UTF-8 and not packed.
    pub(super) size: Option<u64>,
    /// Which version of the file it is of.
    pub(super) version: Option<String>,
}

/// The file is not the one that a cursor points into.
pub(super) fn changed() -> Error {
    Error::new(
        ErrorKind::OtherLineage,
        "the file has changed since the cursor was saved; read it from its beginning",
    )
}

/// How a stream begins, in `length` bytes or all it has; and the whole stream.
pub(super) async fn peek(mut bytes: ByteStream, length: usize) -> Result<(Vec<u8>, ByteStream)> {
    let mut front = Vec::with_capacity(length);
    let mut pieces: Vec<Result<Bytes>> = Vec::new();
    while front.len() < length {
        let Some(piece) = bytes.next().await.transpose()? else {
            return Ok((front, stream::iter(pieces).boxed()));
        };
        let wanted = piece.len().min(length - front.len());
        front.extend_from_slice(piece.get(..wanted).unwrap_or_default());
        pieces.push(Ok(piece));
    }
    Ok((front, stream::iter(pieces).chain(bytes).boxed()))
}
