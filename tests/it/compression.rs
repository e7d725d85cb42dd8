//! Packed files: what they hold, what is wrong with them, and what they may grow to.

use std::sync::Arc;

use futures::executor::block_on;
use futures::io::{AsyncReadExt, BufReader, Cursor};
use futures::stream::{self, StreamExt};
use futures::{AsyncRead, TryStreamExt};
use proptest::prelude::*;
use syncline::dataset::{Dataset, ReadRequest};
use syncline::file::DelimitedDataset;
use syncline::host::{Context, FileStore, FileWriter, OpenedFile};
use syncline::memory::MemoryFiles;
use syncline::record::{Field, FieldType};
use syncline::spec::{Compression, Encoding, FileSource};
use syncline::{Error, ErrorKind, Result};

use async_compression::futures::bufread::{BzEncoder, GzipEncoder, ZstdEncoder};

const ALL: [Compression; 3] = [Compression::Gzip, Compression::Bzip2, Compression::Zstd];

fn all(mut reader: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut bytes = Vec::new();
    block_on(reader.read_to_end(&mut bytes)).unwrap();
    bytes
}

fn pack(bytes: &[u8], compression: Compression) -> Vec<u8> {
    let bytes = Cursor::new(bytes.to_vec());
    match compression {
        Compression::Gzip => all(GzipEncoder::new(bytes)),
        Compression::Bzip2 => all(BzEncoder::new(bytes)),
        Compression::Zstd => all(ZstdEncoder::new(bytes)),
        _ => bytes.into_inner(),
    }
}

fn source(compression: Compression) -> FileSource {
    let columns = [
        Field::new("a", FieldType::Text),
        Field::new("n", FieldType::Integer),
    ];
    let mut source = FileSource::new("t.csv", columns);
    source.format.compression = compression;
    source
}

/// The records that were read, the rejects, and what ended the read.
#[derive(Debug, Default)]
struct Read {
    rows: usize,
    rejects: Vec<String>,
    bytes: u64,
    size: Option<u64>,
    failed: Option<Error>,
}

fn read_from(files: Arc<dyn FileStore>, source: &FileSource) -> Read {
    let context = Context::new();
    block_on(async {
        let mut read = Read::default();
        let dataset = match DelimitedDataset::open(&context, files, source).await {
            Ok(dataset) => dataset,
            Err(error) => {
                read.failed = Some(error);
                return read;
            }
        };
        read.size = dataset.info().size_bytes;
        let mut batches = dataset.read(&context, ReadRequest::new());
        while let Some(batch) = batches.next().await {
            match batch {
                Ok(batch) => {
                    read.rows += batch.len();
                    read.bytes += batch.bytes_read;
                    let rejects = batch.rejects.iter();
                    read.rejects
                        .extend(rejects.map(|reject| reject.position.to_string()));
                }
                Err(error) => read.failed = Some(error),
            }
        }
        read
    })
}

fn read(bytes: &[u8], pieces: usize, source: &FileSource) -> Read {
    let files = MemoryFiles::new().with_chunk_bytes(pieces);
    files.insert("t.csv", bytes.to_vec());
    read_from(Arc::new(files), source)
}

/// The kind and text of what ended a read.
fn failure(read: &Read) -> (ErrorKind, String) {
    let error = read.failed.as_ref().unwrap();
    assert!(error.to_string().contains("file: t.csv"), "{error}");
    (error.kind(), error.to_string())
}

#[test]
fn a_packed_file_reads_like_its_text() {
    let text = "a,n\nx,1\ny,many\n\"z\nz\",3\n";
    for compression in ALL {
        // One member, and several of which some are empty.
        let whole = pack(text.as_bytes(), compression);
        let (front, back) = text.split_at(11);
        let members = [front, "", back, ""].map(|part| pack(part.as_bytes(), compression));
        for packed in [whole, members.concat()] {
            for pieces in [1, 2, 7, 1 << 20] {
                let read = read(&packed, pieces, &source(compression));
                assert!(read.failed.is_none(), "{compression:?}: {:?}", read.failed);
                assert_eq!(
                    (read.rows, read.bytes, read.size),
                    (2, text.len() as u64, None)
                );
                assert_eq!(read.rejects, ["t.csv:3 (byte 8)"]);
            }
        }
    }
}

#[test]
fn what_is_unpacked_is_decoded() {
    let text = "\u{FEFF}a,n\n\u{E9}\u{1F600},1\n";
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for compression in ALL {
        let mut source = source(compression);
        source.format.encoding = Encoding::Utf16;
        let read = read(&pack(&units, compression), 3, &source);
        assert!(read.failed.is_none(), "{:?}", read.failed);
        assert_eq!(read.rows, 1);
    }
}

#[test]
fn a_file_that_is_cut_off_gives_what_came_before() {
    let text = "a,n\nx,1\ny,2\n";
    for compression in ALL {
        let packed = pack(text.as_bytes(), compression);
        for length in 1..packed.len() {
            let read = read(&packed[..length], 3, &source(compression));
            let (kind, message) = failure(&read);
            assert_eq!(kind, ErrorKind::Malformed, "{length}: {message}");
            assert!(
                message.contains("ends inside its packed data"),
                "{length}: {message}"
            );
            assert!(read.rows <= 2);
        }
        // Nothing is an empty file in any packing.
        let (kind, message) = failure(&read(b"", 3, &source(compression)));
        assert_eq!(kind, ErrorKind::Malformed);
        assert!(message.contains("is empty"), "{message}");
    }
    // Enough to be had in front of the cut.
    let lines: String = (0..200_000u64)
        .map(|n| format!("{},{n}\n", n * n % 7919))
        .collect();
    for compression in ALL {
        let packed = pack(format!("a,n\n{lines}").as_bytes(), compression);
        let read = read(&packed[..packed.len() * 9 / 10], 4096, &source(compression));
        assert!(
            (50_000..200_000).contains(&read.rows),
            "{compression:?} {}",
            read.rows
        );
        assert!(read.rejects.is_empty());
        assert_eq!(failure(&read).0, ErrorKind::Malformed);
    }
}

#[test]
fn what_is_not_packed_as_declared_is_told() {
    let text = b"a,n\nx,1\n";
    for compression in ALL {
        let name = format!("{compression:?}").to_lowercase();
        // Text, and text behind the packed data.
        let (kind, message) = failure(&read(text, 3, &source(compression)));
        assert_eq!(kind, ErrorKind::Malformed);
        assert!(
            message.contains(&format!("not packed with {name}")),
            "{message}"
        );
        let behind = [pack(text, compression), b"tail, and more of it".to_vec()].concat();
        let spoilt = read(&behind, 3, &source(compression));
        assert_eq!(failure(&spoilt).0, ErrorKind::Malformed);
        assert_eq!(spoilt.rows, 1);
        // Declared as something else.
        for other in [Compression::None].into_iter().chain(ALL) {
            if other != compression {
                let (kind, message) = failure(&read(&pack(text, compression), 3, &source(other)));
                assert_eq!(kind, ErrorKind::Malformed);
                let advice = format!("set the format's `compression` to `{name}`");
                assert!(message.contains(&advice), "{message}");
            }
        }
    }
}

#[test]
fn a_bomb_stops_at_its_limit() {
    let zeros = stream::iter((0..1 << 14).map(|_| Ok(vec![0u8; 1 << 16])));
    let bomb = all(GzipEncoder::new(BufReader::new(zeros.into_async_read())));
    assert!(bomb.len() < 4 << 20);
    let packed = [pack(b"a,n\nx,1\n", Compression::Gzip), bomb].concat();
    let size = packed.len() as u64;

    let mut source = source(Compression::Gzip);
    let bombed = read(&packed, 1 << 16, &source);
    let (kind, message) = failure(&bombed);
    assert_eq!(kind, ErrorKind::LimitExceeded, "{message}");
    assert!(
        message.contains("raise `expansion`") && message.contains("limit: 250"),
        "{message}"
    );
    assert_eq!(bombed.rows, 1);
    assert!(bombed.bytes <= 250 * size);
    // Without a size the bytes read so far count.
    let files = Arc::new(Unsized(packed.clone()));
    assert_eq!(
        failure(&read_from(files, &source)).0,
        ErrorKind::LimitExceeded
    );

    source.format.limits.expansion = u32::MAX;
    source.format.limits.unpacked_bytes = 32 << 20;
    let (kind, message) = failure(&read(&packed, 1 << 16, &source));
    assert_eq!(kind, ErrorKind::LimitExceeded, "{message}");
    assert!(message.contains("raise `unpacked_bytes`"), "{message}");
    // Up to 64 MiB a file may grow as it likes.
    let small = pack("x,1\n".repeat(1 << 20).as_bytes(), Compression::Zstd);
    let small = [pack(b"a,n\n", Compression::Zstd), small].concat();
    assert_eq!(
        read(&small, 1 << 16, &self::source(Compression::Zstd)).rows,
        1 << 20
    );
}

/// A store that does not know how large its file is.
#[derive(Debug)]
struct Unsized(Vec<u8>);

#[async_trait::async_trait]
impl FileStore for Unsized {
    async fn open(&self, _: &str, _: u64) -> Result<OpenedFile> {
        let pieces: Vec<_> = self
            .0
            .chunks(4096)
            .map(|piece| Ok(piece.to_vec().into()))
            .collect();
        Ok(OpenedFile::new(stream::iter(pieces).boxed(), None))
    }
    async fn create(&self, _: &str) -> Result<Box<dyn FileWriter>> {
        Err(Error::new(ErrorKind::Unsupported, "for reading"))
    }
    async fn list(&self, _: &str) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
    async fn remove(&self, _: &str) -> Result<()> {
        Ok(())
    }
}

/// A store whose file breaks off with an error of its own.
#[derive(Debug)]
struct Breaking(Vec<u8>);

#[async_trait::async_trait]
impl FileStore for Breaking {
    async fn open(&self, _: &str, _: u64) -> Result<OpenedFile> {
        let error = Error::new(
            ErrorKind::Conflict,
            "the file was replaced while it was read",
        );
        let pieces = [Ok(self.0.clone().into()), Err(error)];
        Ok(OpenedFile::new(stream::iter(pieces).boxed(), None))
    }
    async fn create(&self, _: &str) -> Result<Box<dyn FileWriter>> {
        Err(Error::new(ErrorKind::Unsupported, "for reading"))
    }
    async fn list(&self, _: &str) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
    async fn remove(&self, _: &str) -> Result<()> {
        Ok(())
    }
}

#[test]
fn an_error_of_the_store_stays_itself() {
    for compression in [Compression::None].into_iter().chain(ALL) {
        // Without the last bytes, which end the data.
        let packed = pack(b"a,n\nx,1\ny,2\n", compression);
        let cut = packed.len() - 1;
        let read = read_from(
            Arc::new(Breaking(packed[..cut].to_vec())),
            &source(compression),
        );
        let (kind, message) = failure(&read);
        assert_eq!(kind, ErrorKind::Conflict, "{compression:?}");
        assert!(message.contains("was replaced"), "{message}");
        if compression == Compression::None {
            assert_eq!(read.rows, 1);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A byte that is another one: the read ends, and does not panic.
    #[test]
    fn damage_is_survived(at in any::<prop::sample::Index>(), byte in any::<u8>(), pieces in 1..50usize) {
        let text: String = (0..300u64).map(|n| format!("{},{n}\n", n * n % 7919)).collect();
        for compression in ALL {
            let mut packed = pack(format!("a,n\n{text}").as_bytes(), compression);
            let at = at.index(packed.len());
            let same = packed[at] == byte;
            packed[at] = byte;
            let read = read(&packed, pieces, &source(compression));
            if same {
                prop_assert!(read.failed.is_none() && read.rows == 300);
            }
        }
    }
}
