//! What is written, and what a format cannot express.

use std::sync::Arc;

use futures::executor::block_on;
use syncline::ErrorKind;
use syncline::destination::{CommitRequest, Destination as _, OpenRequest, WriteField};
use syncline::file::{DelimitedEncoder, FileDestination};
use syncline::host::Context;
use syncline::memory::MemoryFiles;
use syncline::record::{Batch, Field, FieldType, Reason, RowsAsRead, Schema, array};
use syncline::spec::{Compression, Delimited, Encoding, Escape, Header, WriteMode};

use super::format;

#[test]
fn files_are_written_as_plain_utf8() {
    let strange = format(|format| {
        format.encoding = Encoding::Utf16Le;
        format.compression = Compression::Gzip;
        format.skip_lines = 1;
    });
    let error = DelimitedEncoder::new(&strange).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let paths: Vec<&str> = error.problems().iter().map(|p| p.path.as_str()).collect();
    assert_eq!(
        paths,
        ["format.encoding", "format.compression", "format.skip_lines"]
    );
    for problem in error.problems() {
        assert!(problem.message.contains("plain UTF-8"), "{problem}");
        assert!(problem.message.contains("leave it at"), "{problem}");
    }
}

#[test]
fn what_a_format_cannot_express_is_an_error_and_nothing_is_written() {
    let unquoted = format(|format| {
        format.quote = None;
        format.comment = Some('#');
        format.null_tokens = vec!["-".into()];
    });
    let encoder = DelimitedEncoder::new(&unquoted).unwrap();
    let mut out = b"x\n".to_vec();
    for text in ["", ",", "a\nb", "\r", "-", "#", "\u{FEFF}a"] {
        let error = encoder
            .cells([Some(text.as_bytes()), Some(b"good")], &mut out)
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{text:?}");
        assert!(error.to_string().contains("`quote`"), "{error}");
        assert!(error.to_string().contains("column: number 1"), "{error}");
        assert_eq!(out, b"x\n");
    }
    let error = encoder.header(["good", "a,b"], &mut out).unwrap_err();
    assert!(error.to_string().contains("column: number 2"), "{error}");
    encoder
        .cells([Some(&b"\"\\"[..]), Some(b"#"), None], &mut out)
        .unwrap();
    assert_eq!(out, b"x\n\"\\,#,\n");

    let absent = format(|format| format.header = Header::Absent);
    let mut out = Vec::new();
    DelimitedEncoder::new(&absent)
        .unwrap()
        .header(["a"], &mut out)
        .unwrap();
    assert_eq!(out, b"");
}

#[test]
fn a_header_has_no_two_names_that_are_read_as_one() {
    for (rule, other) in [
        (Header::Exact, "é"),
        (Header::Trimmed, " é"),
        (Header::IgnoreCase, "É "),
    ] {
        let encoder = DelimitedEncoder::new(&format(|format| format.header = rule)).unwrap();
        let mut out = Vec::new();
        let error = encoder.header(["é", "b", other], &mut out).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("column: number 3"), "{error}");
        assert_eq!(out, b"");
        encoder.header(["é", "b", "É2"], &mut out).unwrap();
    }
}

#[test]
fn what_needs_an_escape_gets_one() {
    let written = |format: Delimited, cells: &[&str]| {
        let mut out = Vec::new();
        let cells = cells.iter().map(|cell| Some(cell.as_bytes()));
        DelimitedEncoder::new(&format)
            .unwrap()
            .cells(cells, &mut out)
            .unwrap();
        String::from_utf8(out).unwrap()
    };
    let mut backslash = format(|format| {
        format.escape = Escape::Backslash;
        format.comment = Some('#');
        format.null_tokens = vec!["-".into(), r"\N".into()];
    });
    assert_eq!(
        written(backslash.clone(), &["#", "a\"b\\", "-", "x"]),
        "\"#\",\"a\\\"b\\\\\",\"-\",x\n"
    );
    backslash.quote = None;
    assert_eq!(
        written(backslash.clone(), &["#", "a\"b\\,", "-", "\r\n", "\r"]),
        "\\#,a\"b\\\\\\,,\\-,\\\r\\\n,\\\r\r\n"
    );
    // `N` with a backslash in front would be null.
    backslash.null_tokens.push("N".into());
    let encoder = DelimitedEncoder::new(&backslash).unwrap();
    let error = encoder
        .cells([Some(&b"N"[..])], &mut Vec::new())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(written(backslash, &["NN"]), "NN\n");
}

#[test]
fn a_file_destination_refuses_what_its_format_cannot_express() {
    let plain = format(|format| {
        format.quote = None;
        format.header = Header::Absent;
    });
    let schema = Schema::new(vec![
        Field::new("a", FieldType::Text),
        Field::new("b", FieldType::Text),
    ]);
    let texts = |cells: [Option<&str>; 4]| -> array::ArrayRef {
        Arc::new(array::StringViewArray::from(cells.to_vec()))
    };
    let columns = vec![
        texts([Some("1"), Some("x,y"), None, Some("2")]),
        texts([Some("\""), Some("z"), Some(""), None]),
    ];
    let records = array::RecordBatch::try_new(Arc::clone(schema.arrow()), columns).unwrap();
    let files = MemoryFiles::new();
    let context = Context::new();
    let shared = Arc::new(files.clone());
    let destination = FileDestination::new(shared, "o", "o", schema, plain.clone());
    let report = block_on(async {
        let fields = ["a", "b"].map(WriteField::new);
        let request = OpenRequest::new("job", fields.to_vec(), WriteMode::Insert);
        let mut writer = destination.open(&context, request).await.unwrap().writer;
        let report = writer
            .write(
                &context,
                Batch::new(
                    records.clone(),
                    RowsAsRead::new("t", 0, records).into_origins(),
                ),
            )
            .await
            .unwrap();
        writer
            .commit(&context, CommitRequest::new(1).as_last())
            .await
            .unwrap();
        report
    });
    let refused: Vec<_> = report
        .refusals
        .iter()
        .map(|(row, refusal)| (*row, refusal.reason, refusal.field.as_deref()))
        .collect();
    assert_eq!(
        refused,
        [
            (1, Reason::Refused, Some("a")),
            (2, Reason::Refused, Some("b"))
        ]
    );
    assert_eq!(files.bytes("o").unwrap(), "1,\"\n2,\n");
}
