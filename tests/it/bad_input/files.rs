//! Files that are not there, not files, not text, or not what they should be.

use std::sync::Arc;

use futures::executor::block_on;
use futures::{StreamExt as _, TryStreamExt as _};
use syncline::dataset::{Dataset as _, ReadRequest};
use syncline::file::{DelimitedDataset, LocalFiles};
use syncline::host::{Context, FileStore, FileWriter, OpenedFile};
use syncline::memory::MemoryFiles;
use syncline::record::{FieldType, Reason};
use syncline::spec::{Column, FileSource};
use syncline::{Error, ErrorKind, Result};

fn source() -> FileSource {
    FileSource::new(
        "f.csv",
        ["a", "b"].map(|name| Column::new(name, FieldType::Text)),
    )
}

/// The number of rows, and each reject as line, byte and reason.
type Read = (usize, Vec<(u64, u64, Reason)>);

fn read_from(files: Arc<dyn FileStore>, source: &FileSource) -> Result<Read> {
    let context = Context::new();
    block_on(async {
        let dataset = DelimitedDataset::open(&context, files, source).await?;
        let batches: Vec<_> = dataset
            .read(&context, ReadRequest::new())
            .try_collect()
            .await?;
        let rows = batches.iter().map(|batch| batch.len()).sum();
        let rejects = batches
            .iter()
            .flat_map(|batch| &batch.rejects)
            .map(|reject| {
                let position = &reject.position;
                let (byte, line) = position.byte_and_line.unwrap();
                (line, byte, reject.refusal.reason)
            });
        Ok((rows, rejects.collect()))
    })
}

/// Reads a file in pieces of some sizes; the sizes must not show.
fn read(bytes: &[u8], source: &FileSource) -> Result<Read> {
    let of_size = |size: usize| {
        let files = MemoryFiles::new().with_chunk_bytes(size);
        files.insert("f.csv", bytes.to_vec());
        read_from(Arc::new(files), source)
    };
    let whole = of_size(1 << 20);
    for size in [1, 2, 3, 7] {
        match (&whole, of_size(size)) {
            (Ok(whole), Ok(read)) => assert_eq!(*whole, read, "in pieces of {size}"),
            (Err(whole), Err(error)) => assert_eq!(whole.to_string(), error.to_string()),
            (whole, other) => panic!("{whole:?} and {other:?} in pieces of {size}"),
        }
    }
    whole
}

fn fails(bytes: &[u8]) -> Error {
    let error = read(bytes, &source()).unwrap_err();
    assert!(error.to_string().contains("file: f.csv"), "{error}");
    error
}

#[test]
fn a_missing_file_and_a_directory_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let files: Arc<dyn FileStore> = Arc::new(LocalFiles::new(folder.path()));
    let error = read_from(Arc::clone(&files), &source()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains("f.csv"), "{error}");

    std::fs::create_dir(folder.path().join("f.csv")).unwrap();
    let error = read_from(files, &source()).unwrap_err();
    assert!(error.to_string().contains("director"), "{error}");
    assert!(error.to_string().contains("f.csv"), "{error}");
}

#[test]
fn a_file_without_records() {
    for empty in ["", "\n\n", "\u{FEFF}", "\u{FEFF}\r\n"] {
        let error = fails(empty.as_bytes());
        assert_eq!(error.kind(), ErrorKind::Malformed);
        assert!(error.message().contains("is empty"), "{error}");
    }
    for header in ["a,b", "a,b\n", "b,a\r\n\r\n", "\u{FEFF}a,b\n"] {
        assert_eq!(
            read(header.as_bytes(), &source()).unwrap(),
            (0, Vec::new()),
            "{header}"
        );
    }
}

#[test]
fn columns_that_are_missing_or_there_twice() {
    let error = fails(b"a,c\n1,2\n");
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert!(error.to_string().contains("`b`"), "{error}");
    let error = fails(b"a,b,b\n1,2,3\n");
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert!(
        error.to_string().contains("twice") && error.to_string().contains("`b`"),
        "{error}"
    );
    let error = fails(format!("a,b{}\n", ",x".repeat(5000)).as_bytes());
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    assert!(
        error.to_string().contains("columns: 5002") && error.to_string().contains("limit: 4096"),
        "{error}"
    );
}

#[test]
fn records_that_are_no_records_cost_themselves() {
    use Reason::*;
    for (name, bytes, rows, rejects) in [
        (
            "ragged",
            &b"a,b\n1\n2,3\n4,5,6\n"[..],
            1,
            vec![(2, 4, WrongColumnCount), (4, 10, WrongColumnCount)],
        ),
        // The line of the open quote, no more.
        (
            "unclosed quote",
            b"a,b\n1,\"2\n3,4\n5,6\n",
            2,
            vec![(2, 4, BadQuotes)],
        ),
        (
            "text behind a closing quote",
            b"a,b\n\"1\"x,2\n3,4\n",
            1,
            vec![(2, 4, BadQuotes)],
        ),
        (
            "a quote inside a plain cell is text",
            b"a,b\n1\"2,\"\"\n",
            1,
            vec![],
        ),
        ("NUL is a character", b"a,b\n\0,\0\0\n", 1, vec![]),
        (
            "lone CR ends a line",
            b"a,b\r1,2\r3\r",
            1,
            vec![(3, 8, WrongColumnCount)],
        ),
        (
            "mixed line ends",
            b"a,b\r\n1,2\n3,4\r5\n6,7\r\n",
            3,
            vec![(4, 13, WrongColumnCount)],
        ),
        (
            "invalid UTF-8 in the middle",
            b"a,b\n1,2\n3,\xFFx\n4,\xC3\n5,6\n",
            2,
            vec![(3, 8, BadEncoding), (4, 13, BadEncoding)],
        ),
        (
            "a byte order mark inside is text",
            b"a,b\n\xEF\xBB\xBF1,2\n",
            1,
            vec![],
        ),
        (
            "a byte order mark in front is none",
            b"\xEF\xBB\xBFa,b\n1,2\n3\n",
            1,
            vec![(3, 11, WrongColumnCount)],
        ),
        (
            "a quoted header after the mark",
            b"\xEF\xBB\xBF\"a\",b\n1,2\n",
            1,
            vec![],
        ),
    ] {
        assert_eq!(read(bytes, &source()).unwrap(), (rows, rejects), "{name}");
    }
}

/// A file that is made while it is read: `head`, then `fill` over and over, then `tail`.
#[derive(Debug)]
struct Endless {
    head: &'static str,
    fill: &'static str,
    times: usize,
    tail: &'static str,
}

#[async_trait::async_trait]
impl FileStore for Endless {
    async fn list(&self, _prefix: &str) -> Result<Vec<String>> {
        Ok(vec!["f.csv".into()])
    }

    async fn open(&self, _name: &str, _offset: u64) -> Result<OpenedFile> {
        let fill = bytes::Bytes::from(self.fill.repeat(1 << 20));
        let middle = std::iter::repeat_n(fill, self.times);
        let pieces = std::iter::once(bytes::Bytes::from(self.head)).chain(middle);
        let pieces = pieces.chain([bytes::Bytes::from(self.tail)]);
        Ok(OpenedFile::new(
            futures::stream::iter(pieces.map(Ok)).boxed(),
            None,
        ))
    }

    async fn create(&self, _name: &str) -> Result<Box<dyn FileWriter>> {
        Err(Error::new(ErrorKind::Unsupported, "only read"))
    }

    async fn remove(&self, _name: &str) -> Result<()> {
        Err(Error::new(ErrorKind::Unsupported, "only read"))
    }
}

#[test]
fn a_field_of_a_gibibyte_is_one_reject() {
    let file = Endless {
        head: "a,b\n1,2\n3,\"",
        fill: "x",
        times: 1024,
        tail: "\"\n4,5\n",
    };
    let (rows, rejects) = read_from(Arc::new(file), &source()).unwrap();
    assert_eq!((rows, rejects), (2, vec![(3, 8, Reason::TooLarge)]));
}
