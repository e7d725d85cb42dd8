//! The way to the text of a file: opened, unpacked, as UTF-8.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt as _, stream};

use super::blocks::Filling;
use super::{transcode, unpack};
use crate::Result;
use crate::host::{ByteStream, FileStore};
use crate::spec::{Compression, Encoding, FileSource, Limits};

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

    /// The text from its beginning, and its size in bytes if that is known: of a file that is UTF-8 and not packed.
    pub(super) async fn open(&self) -> Result<(Filling, Option<u64>)> {
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
        Ok((Filling::new(text), size))
    }
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
