//! Rejects as files.

use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt as _;
use futures::executor::block_on;
use proptest::prelude::*;
use syncline::ErrorKind;
use syncline::dataset::{Dataset as _, ReadRequest};
use syncline::file::{DelimitedDataset, RejectFiles};
use syncline::host::{Context, FileStore, RejectLedger, RejectSegment};
use syncline::memory::MemoryFiles;
use syncline::record::{Batch, FieldType, Position, RawRecord, Reason, Refusal, Reject};
use syncline::spec::{Column, FileSource};

fn reject(cells: Vec<Option<Bytes>>) -> Reject {
    let refusal = Refusal::new(Reason::BadValue, "expected a date").of("since");
    let position = Position::new("in.csv", 3).with_byte_and_line(40, 5);
    Reject::new(position, refusal, RawRecord::Cells(cells))
}

fn columns() -> Arc<[String]> {
    ["name", "seats"].map(String::from).into()
}

#[test]
fn a_line_has_the_cells_as_read_and_why() {
    let files = MemoryFiles::new();
    let ledger = RejectFiles::new(Arc::new(files.clone()));
    let unsplit = Reject::new(
        Position::new("in.csv", 4).with_byte_and_line(60, 6),
        Refusal::new(Reason::BadQuotes, "a quote is never closed"),
        RawRecord::Unsplit {
            bytes: "\"=open,1".into(),
            truncated: false,
        },
    );
    let bad = reject(vec![Some(b"=\xFF".as_slice().into()), None]);
    let empty = reject(vec![Some(Bytes::new()), Some("-1.5".into())]);
    block_on(async {
        let segment = RejectSegment::new(None, columns(), vec![bad]);
        ledger.append(segment).await.unwrap();
        let segment = RejectSegment::new(None, columns(), vec![empty, unsplit]);
        ledger.append(segment).await.unwrap();
        let empty = RejectSegment::new(Some("unused".into()), columns(), Vec::new());
        ledger.append(empty).await.unwrap();
        assert!(files.list("").await.unwrap().is_empty());
        ledger.seal().await.unwrap();
        ledger.seal().await.unwrap();
        assert_eq!(files.list("").await.unwrap(), ["rejects/_source.csv"]);
        let late = ledger
            .append(RejectSegment::new(None, columns(), Vec::new()))
            .await;
        assert_eq!(late.unwrap_err().kind(), ErrorKind::Closed);
    });
    let expected: &[u8] =
        b"name,seats,_reason,_field,_message,_position,_raw,_attempts,_version,_op\n\
        '=\xFF,,bad_value,since,expected a date,in.csv:5 (byte 40),,1,,\n\
        \"\",-1.5,bad_value,since,expected a date,in.csv:5 (byte 40),,1,,\n\
        ,,bad_quotes,,a quote is never closed,in.csv:6 (byte 60),\"\"\"=open,1\",1,,\n";
    assert_eq!(files.bytes("rejects/_source.csv").unwrap(), expected);
}

#[test]
fn a_column_whose_name_is_guarded_is_found_by_its_name() {
    let files = MemoryFiles::new();
    files.insert(
        "r.csv",
        "'=total,\"'-\"\"x\",'plain\n'+1 a,'-5,'x\n-5,-5,''=\n",
    );
    let names = ["=total", "-\"x", "'plain"];
    let mut source = FileSource::new(
        "r.csv",
        names.map(|name| Column::new(name, FieldType::Text)),
    );
    source.columns[1].field_type = FieldType::Integer;
    source.format.guarded = true;
    let context = Context::new();
    let batch = block_on(async {
        let dataset = DelimitedDataset::open(&context, Arc::new(files), &source)
            .await
            .unwrap();
        let batches: Vec<Batch> = dataset
            .read(&context, ReadRequest::new())
            .try_collect()
            .await
            .unwrap();
        batches.into_iter().next().unwrap()
    });
    assert!(batch.rejects.is_empty(), "{:?}", batch.rejects);
    let cells = |row| match batch.origins.raw(row) {
        RawRecord::Cells(cells) => cells
            .into_iter()
            .map(|cell| String::from_utf8(cell.unwrap().to_vec()).unwrap())
            .collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(cells(0), ["+1 a", "-5", "'x"]);
    assert_eq!(cells(1), ["-5", "-5", "'="]);
}

#[test]
fn a_record_that_was_cut_is_said_to_be() {
    let files = MemoryFiles::new();
    let ledger = RejectFiles::new(Arc::new(files.clone()));
    let mut cut = reject(Vec::new());
    cut.raw = RawRecord::Unsplit {
        bytes: "a,b,c".into(),
        truncated: true,
    };
    block_on(async {
        ledger
            .append(RejectSegment::new(None, columns(), vec![cut]))
            .await
            .unwrap();
        ledger.seal().await.unwrap();
    });
    let text = files.bytes("rejects/_source.csv").unwrap();
    let says = "expected a date; `_raw` has its front only, the rest is in the source";
    assert!(String::from_utf8(text.to_vec()).unwrap().contains(says));
}

#[test]
fn a_reject_file_that_is_read_again_has_fresh_reasons() {
    let files = MemoryFiles::new();
    let ledger = RejectFiles::new(Arc::new(files.clone()));
    let columns: Arc<[String]> = ["_reason", "name", "_position", "_raw", "_other"]
        .map(String::from)
        .into();
    let cells = ["old", "Ada", "in.csv:9", "old", "x"].map(|cell| Some(cell.into()));
    let segment = RejectSegment::new(None, columns, vec![reject(cells.into())]);
    block_on(async {
        ledger.append(segment).await.unwrap();
        ledger.seal().await.unwrap();
    });
    let expected = "name,_other,_reason,_field,_message,_position,_raw,_attempts,_version,_op\n\
        Ada,x,bad_value,since,expected a date,in.csv:5 (byte 40),,1,,\n";
    assert_eq!(files.bytes("rejects/_source.csv").unwrap(), expected);
}

#[test]
fn columns_without_a_name_of_their_own_are_numbered() {
    let files = MemoryFiles::new();
    let ledger = RejectFiles::new(Arc::new(files.clone()));
    let columns: Arc<[String]> = ["a", "", "a", "a_2", "a", "", "column_6"]
        .map(String::from)
        .into();
    let segment = RejectSegment::new(None, columns, vec![reject(vec![None; 7])]);
    block_on(async {
        ledger.append(segment).await.unwrap();
        ledger.seal().await.unwrap();
    });
    let text = files.bytes("rejects/_source.csv").unwrap();
    let header = "a,column_2,a_3,a_2,a_4,column_7,column_6,_reason,";
    assert!(text.starts_with(header.as_bytes()), "{text:?}");
}

#[test]
fn each_destination_has_a_file_of_its_own() {
    let files = MemoryFiles::new();
    for name in [
        "rejects/old.csv",
        "rejects/notes.txt",
        "rejects/deep/x.csv",
        "old.csv",
    ] {
        files.insert(name, "");
    }
    let ledger = RejectFiles::new(Arc::new(files.clone()));
    block_on(async {
        ledger.clear_stale().await.unwrap();
        for destination in ["accounts", "_source", "../x", "顧客 1", ".tmp"] {
            let rejects = vec![reject(vec![None, None])];
            let segment = RejectSegment::new(Some(destination.into()), columns(), rejects);
            ledger.append(segment).await.unwrap();
        }
        let others = RejectSegment::new(
            Some("accounts".into()),
            Arc::new([]),
            vec![reject(Vec::new())],
        );
        assert_eq!(
            ledger.append(others).await.unwrap_err().kind(),
            ErrorKind::Contract
        );
        ledger.seal().await.unwrap();
    });
    let mut names = block_on(files.list("")).unwrap();
    names.sort();
    assert_eq!(
        names,
        [
            "old.csv",
            "rejects/%2E.%2Fx.csv",
            "rejects/%2Etmp.csv",
            "rejects/%5Fsource.csv",
            "rejects/accounts.csv",
            "rejects/deep/x.csv",
            "rejects/notes.txt",
            "rejects/顧客 1.csv",
        ]
    );
}

/// The raw records of a file, whatever is in them.
fn raw_records(files: &MemoryFiles, name: &str) -> Vec<Vec<Option<Bytes>>> {
    let context = Context::new();
    let mut source = FileSource::new(name, [Column::new("_reason", FieldType::Text)]);
    source.format.guarded = true;
    let batches: Vec<Batch> = block_on(async {
        let files = Arc::new(files.clone());
        let dataset = DelimitedDataset::open(&context, files, &source)
            .await
            .unwrap();
        let request = ReadRequest::new().with_fields(Vec::new());
        dataset.read(&context, request).try_collect().await.unwrap()
    });
    let mut records = Vec::new();
    for batch in batches {
        assert!(batch.rejects.is_empty(), "{:?}", batch.rejects);
        for row in 0..batch.len() {
            let RawRecord::Cells(cells) = batch.origins.raw(row) else {
                panic!("a good record has cells");
            };
            records.push(cells);
        }
    }
    records
}

/// Any bytes, or such as a spreadsheet or a reader may take for something.
fn raw_cell() -> impl Strategy<Value = Option<Bytes>> {
    let bytes = prop_oneof![
        2 => prop::collection::vec(any::<u8>(), 0..9),
        3 => "['=+@＝\u{FEFF}\",\t\r\n\\\\#a1.-]{0,6}".prop_map(String::into_bytes),
    ];
    prop::option::weighted(0.8, bytes.prop_map(Bytes::from))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_reject_file_gives_back_each_byte(
        names in prop::collection::vec("['=@a\", \n]{1,4}", 1..4),
        rows in prop::collection::vec((prop::collection::vec(raw_cell(), 3), any::<bool>()), 1..6),
    ) {
        let files = MemoryFiles::new();
        let ledger = RejectFiles::new(Arc::new(files.clone()));
        let width = names.len();
        let (mut rejects, mut expected) = (Vec::new(), Vec::new());
        for (mut cells, is_split) in rows {
            cells.truncate(width);
            let mut row = vec![None; width];
            if is_split {
                row.clone_from(&cells);
                row.push(None);
                rejects.push(reject(cells));
            } else {
                let bytes = Bytes::from(cells.iter().flatten().fold(Vec::new(), |all, cell| [&all[..], cell].concat()));
                row.push(Some(bytes.clone()));
                let mut unsplit = reject(Vec::new());
                unsplit.raw = RawRecord::Unsplit { bytes, truncated: false };
                rejects.push(unsplit);
            }
            expected.push(row);
        }
        block_on(async {
            ledger.append(RejectSegment::new(None, names.into(), rejects)).await.unwrap();
            ledger.seal().await.unwrap();
        });
        let found: Vec<Vec<Option<Bytes>>> = raw_records(&files, "rejects/_source.csv")
            .into_iter()
            .map(|cells| {
                assert_eq!(cells.len(), width + 8);
                let mut row = cells[..width].to_vec();
                row.push(cells[width + 4].clone());
                row
            })
            .collect();
        prop_assert_eq!(found, expected);
    }
}
