//! Packed files: told by how they begin, and unpacked as they are read.

use crate::host::ByteStream;
use crate::spec::{Compression, Limits};
use crate::{Error, ErrorKind, Result};

/// How many bytes of a file [`told_by`] wants to see.
pub(super) const MAGIC_BYTES: usize = 10;

/// How a file is packed, by how it begins.
pub(super) fn told_by(front: &[u8]) -> Compression {
    match front {
        // Deflate, and no flag that is reserved.
        [0x1F, 0x8B, 8, flags, ..] if flags & 0xE0 == 0 => Compression::Gzip,
        // A block, or the end of an empty stream: a text could begin with the letters.
        [b'B', b'Z', b'h', b'1'..=b'9', rest @ ..]
            if rest.starts_with(&[0x31, 0x41, 0x59, 0x26, 0x53, 0x59])
                || rest.starts_with(&[0x17, 0x72, 0x45, 0x38, 0x50, 0x90]) =>
        {
            Compression::Bzip2
        }
        [0x28, 0xB5, 0x2F, 0xFD, ..] => Compression::Zstd,
        _ => Compression::None,
    }
}

/// # Errors
/// [`Malformed`](ErrorKind::Malformed) if a file is packed, by how it begins, and not in the way that is declared.
pub(super) fn check_magic(front: &[u8], declared: Compression) -> Result<()> {
    let found = told_by(front);
    if found == declared || found == Compression::None {
        return Ok(());
    }
    let name = name(found);
    let message =
        format!("the file is packed with {name}; set the format's `compression` to `{name}`");
    Err(Error::new(ErrorKind::Malformed, message))
}

/// As a spec has it.
fn name(compression: Compression) -> &'static str {
    match compression {
        Compression::None => "none",
        Compression::Gzip => "gzip",
        Compression::Bzip2 => "bzip2",
        Compression::Zstd => "zstd",
    }
}

#[cfg(not(feature = "compression"))]
pub(super) fn unpack(
    _: ByteStream,
    _: Option<u64>,
    compression: Compression,
    _: Limits,
) -> Result<ByteStream> {
    Err(Error::new(
        ErrorKind::Unsupported,
        "this build reads no packed files; turn the feature `compression` of the crate on, or unpack the file",
    )
    .with("compression", name(compression)))
}

#[cfg(feature = "compression")]
pub(super) use streaming::unpack;

#[cfg(feature = "compression")]
mod streaming {
    use std::io;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use async_compression::futures::bufread::{BzDecoder, GzipDecoder, ZstdDecoder};
    use bytes::Bytes;
    use futures::io::{AsyncRead, AsyncReadExt as _};
    use futures::{StreamExt as _, TryStreamExt as _, stream};

    use super::{ByteStream, Compression, Error, ErrorKind, Limits, Result, name};

    /// How much is unpacked at a time.
    const STEP: usize = 64 << 10;

    /// Up to here a file may grow as it likes.
    const ALWAYS_FINE: u64 = 64 << 20;

    /// What packed bytes hold, as they are read, in bounded memory: that of the decoder, which for Zstandard is a window of
    /// at most 128 MiB, and for the others under 4 MiB. `size` is how much is packed, if known.
    ///
    /// The stream fails as [`Malformed`](ErrorKind::Malformed) behind the last byte that could be had of a file that is
    /// damaged or cut off, and as [`LimitExceeded`](ErrorKind::LimitExceeded) where it passes a limit.
    pub(in crate::file) fn unpack(
        bytes: ByteStream,
        size: Option<u64>,
        compression: Compression,
        limits: Limits,
    ) -> Result<ByteStream> {
        let read = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&read);
        let packed = bytes
            .inspect_ok(move |piece| {
                counter.fetch_add(piece.len() as u64, Ordering::Relaxed);
            })
            .map_err(io::Error::other)
            .into_async_read();
        let reader: Pin<Box<dyn AsyncRead + Send>> = match compression {
            Compression::None => Box::pin(packed),
            Compression::Gzip => {
                let mut decoder = GzipDecoder::new(packed);
                decoder.multiple_members(true);
                Box::pin(decoder)
            }
            Compression::Bzip2 => {
                let mut decoder = BzDecoder::new(packed);
                decoder.multiple_members(true);
                Box::pin(decoder)
            }
            Compression::Zstd => {
                let mut decoder = ZstdDecoder::new(packed);
                decoder.multiple_members(true);
                Box::pin(decoder)
            }
        };
        let unpacking = Unpacking {
            reader,
            compression,
            limits,
            size,
            read,
            unpacked: 0,
        };
        let pieces = stream::try_unfold(unpacking, |mut unpacking| async move {
            let piece = unpacking.next().await?;
            Ok(piece.map(|piece| (piece, unpacking)))
        });
        Ok(pieces.boxed())
    }

    /// A file on its way out of its packing.
    struct Unpacking {
        reader: Pin<Box<dyn AsyncRead + Send>>,
        compression: Compression,
        limits: Limits,
        size: Option<u64>,
        /// Packed bytes that were read.
        read: Arc<AtomicU64>,
        unpacked: u64,
    }

    impl Unpacking {
        async fn next(&mut self) -> Result<Option<Bytes>> {
            let mut piece = vec![0; STEP];
            let length = match self.reader.read(&mut piece).await {
                Ok(0) => return Ok(None),
                Ok(length) => length,
                Err(error) => return Err(self.failed(error)),
            };
            piece.truncate(length);
            self.unpacked += length as u64;
            self.check()?;
            Ok(Some(piece.into()))
        }

        fn check(&self) -> Result<()> {
            let Limits {
                unpacked_bytes,
                expansion,
                ..
            } = self.limits;
            if self.unpacked > unpacked_bytes {
                return Err(Error::new(
                    ErrorKind::LimitExceeded,
                    "the packed file holds more than it may; if it is right, raise `unpacked_bytes` of the limits",
                )
                .with("limit", unpacked_bytes));
            }
            let packed = self
                .size
                .unwrap_or_else(|| self.read.load(Ordering::Relaxed));
            let most = packed.saturating_mul(u64::from(expansion));
            if self.unpacked > most.max(ALWAYS_FINE) {
                return Err(Error::new(
                    ErrorKind::LimitExceeded,
                    "the packed file grows to more times its size than it may; if it is right, raise `expansion` of the limits",
                )
                .with("limit", expansion));
            }
            Ok(())
        }

        fn failed(&self, error: io::Error) -> Error {
            let name = name(self.compression);
            let is_cut_off = error.kind() == io::ErrorKind::UnexpectedEof;
            match error.downcast::<Error>() {
                // The store's own.
                Ok(error) => error,
                Err(_) if is_cut_off => Error::new(
                    ErrorKind::Malformed,
                    "the file ends inside its packed data; get it again, and whole",
                ),
                Err(error) => {
                    let message = format!(
                        "the file is not packed with {name}, or damaged, or something follows its packed data; \
                         correct the format's `compression`, or get the file again"
                    );
                    Error::new(ErrorKind::Malformed, message).because(error)
                }
            }
        }
    }
}
