//! Random formats: what is written is read back, and what the `csv` crate reads is read the same.

use std::sync::Arc;

use futures::TryStreamExt as _;
use futures::executor::block_on;
use proptest::prelude::*;
use syncline::ErrorKind;
use syncline::dataset::{Dataset as _, ReadRequest};
use syncline::file::{DelimitedDataset, DelimitedEncoder};
use syncline::host::Context;
use syncline::memory::MemoryFiles;
use syncline::record::{Batch, Field, FieldType, Schema, array};
use syncline::spec::{Delimited, Escape, FileSource, Header};

use super::{Row, format, read_in_pieces, texts};

/// Any format that has no problem and can be written.
fn any_format() -> impl Strategy<Value = Delimited> {
    let mark = |marks: &'static [char]| prop::sample::select(marks);
    let tokens = prop::sample::subsequence(
        vec!["NULL", "N", r"\N", "-", "#", "'a'", "a,", "\"", r"\\"],
        0..4,
    );
    let rules = [
        Header::Exact,
        Header::Trimmed,
        Header::IgnoreCase,
        Header::Absent,
    ];
    let formats = (
        mark(&[',', ';', '|', '\t', ' ', '-', '\\', '"']),
        prop::option::weighted(0.6, mark(&['"', '\'', '-'])),
        prop::option::of(mark(&['#', '-', '"', '\'', ' '])),
        prop::sample::select(vec![Escape::Doubled, Escape::Backslash]),
        prop::sample::select(rules.to_vec()),
        tokens,
        any::<bool>(),
        any::<bool>(),
    );
    let formats = formats.prop_map(
        |(delimiter, quote, comment, escape, header, tokens, empty, guarded)| {
            format(|format| {
                format.delimiter = delimiter;
                format.quote = quote;
                format.comment = comment;
                format.escape = escape;
                format.header = header;
                format.null_tokens = tokens.into_iter().map(str::to_owned).collect();
                format.empty_is_text = empty;
                format.guarded = guarded;
            })
        },
    );
    formats.prop_filter("the marks differ", |format| format.problems("").is_empty())
}

/// Rows of one to three cells; what has a meaning somewhere is likely.
fn any_rows() -> impl Strategy<Value = (usize, Vec<Row>)> {
    let cell = prop_oneof![
        1 => Just(None),
        4 => "[,;|\t \"'\\\\#\n\rN\u{E9}\u{FEFF}a=1＝-]{0,5}".prop_map(Some),
        1 => prop::sample::select(vec!["NULL", "N", r"\N", "-", "\r", "\\", ""]).prop_map(|text| Some(text.to_owned())),
        1 => "[a-z\u{E9}\\\\]{1,40}".prop_map(Some),
    ];
    (1..4usize).prop_flat_map(move |columns| {
        let row = prop::collection::vec(cell.clone(), columns);
        (Just(columns), prop::collection::vec(row, 0..9))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn what_is_written_in_any_format_is_read(format in any_format(), (columns, rows) in any_rows()) {
        let names = &["a", "b", "c"][..columns];
        let encoder = DelimitedEncoder::new(&format).unwrap();
        let mut bytes = Vec::new();
        encoder.header(names, &mut bytes).unwrap();
        let header = bytes.len();
        let mut written = Vec::new();
        for row in rows {
            let before = bytes.len();
            match encoder.cells(row.iter().map(|cell| Some(cell.as_ref()?.as_bytes())), &mut bytes) {
                Ok(()) => written.push(row),
                Err(error) => {
                    prop_assert_eq!(error.kind(), ErrorKind::Invalid);
                    prop_assert_eq!(bytes.len(), before);
                    // Quotes express every text, and an escape nearly every one.
                    let has_null = row.iter().any(Option::is_none);
                    let is_hard = |text: &String| match format.escape {
                        Escape::Backslash => text.is_empty() || format.null_tokens.iter().any(|token| token.ends_with(text)),
                        _ => true,
                    };
                    let hard = format.quote.is_none() && row.iter().flatten().any(is_hard);
                    prop_assert!(has_null || hard, "{row:?}");
                }
            }
        }
        let read = read_in_pieces(&bytes, &texts(names, format), 1 << 20).unwrap();
        prop_assert_eq!(&read.rows, &written);
        prop_assert_eq!(read.rejects, []);

        let column = |at: usize| -> array::ArrayRef {
            let texts = written.iter().map(|row| row[at].as_deref());
            Arc::new(texts.collect::<array::StringViewArray>())
        };
        let arrays = names.iter().copied().zip((0..columns).map(column));
        let batch = array::RecordBatch::try_from_iter_with_nullable(
            arrays.map(|(name, array)| (name, array, true)),
        ).unwrap();
        let mut again = Vec::new();
        encoder.batch(&batch, &mut again).unwrap();
        prop_assert_eq!(&again, &bytes[header..]);
    }

    #[test]
    fn valid_text_is_read_as_the_csv_crate_reads_it(
        rows in prop::collection::vec(prop::collection::vec(("[a-z#'\"\\\\,;\n\r\u{E9} ]{0,9}", 0..3u8), 2), 0..20),
        comments in prop::collection::vec(prop::option::of("[a-z#'\"\\\\,; ]{0,80}"), 1..9),
        delimiter in prop::sample::select(vec![',', ';', '|', '\t']),
        quote in prop::sample::select(vec![Some('"'), Some('\''), None]),
        escape in prop::sample::select(vec![Escape::Doubled, Escape::Backslash]),
        has_header in any::<bool>(),
        end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
    ) {
        // Escapes outside quotes are ours alone.
        let escape = if quote.is_some() { escape } else { Escape::Doubled };
        let mut text = String::new();
        if has_header {
            text = format!("a{delimiter}b{end}");
        }
        let mut comments = comments.iter().cycle();
        for row in &rows {
            // That crate ends a comment at `\n` only.
            if let (Some(comment), true) = (comments.next().unwrap(), end != "\r") {
                text.push_str(&format!("#{comment}{end}"));
            }
            for (number, (cell, how)) in row.iter().enumerate() {
                if number > 0 {
                    text.push(delimiter);
                }
                let marks = ['\n', '\r', '\\', '#', delimiter, quote.unwrap_or('\n')];
                match (quote, how) {
                    (Some(quote), 0 | 1) => {
                        text.push(quote);
                        for character in cell.chars() {
                            match (escape, character) {
                                (Escape::Backslash, '\\') => text.push('\\'),
                                (Escape::Backslash, 'a' | '\n') => text.push('\\'),
                                (Escape::Backslash, mark) if mark == quote && *how == 1 => text.push('\\'),
                                (_, mark) if mark == quote => text.push(quote),
                                _ => {}
                            }
                            text.push(character);
                        }
                        text.push(quote);
                    }
                    _ => text.push_str(&cell.replace(marks, "x")),
                }
            }
            text.push_str(end);
        }
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter as u8)
            .quoting(quote.is_some())
            .quote(quote.unwrap_or('"') as u8)
            .escape((escape == Escape::Backslash).then_some(b'\\'))
            .comment(Some(b'#'))
            .has_headers(has_header)
            .from_reader(text.as_bytes());
        let expected: Vec<Row> = reader
            .records()
            .map(|row| row.unwrap().iter().map(|cell| Some(cell.to_owned())).collect())
            .collect();
        prop_assert_eq!(expected.len(), rows.len());
        let format = format(|format| {
            format.delimiter = delimiter;
            format.quote = quote;
            format.escape = escape;
            format.comment = Some('#');
            format.empty_is_text = true;
            if !has_header {
                format.header = Header::Absent;
            }
        });
        prop_assert_eq!(read_in_pieces(text.as_bytes(), &texts(&["a", "b"], format), 99).unwrap().rows, expected);
    }

    #[test]
    fn numbers_and_dates_are_read_in_any_format(
        format in any_format(),
        rows in prop::collection::vec((any::<i32>(), -9999..9999i64, -40_000..40_000i32), 1..5),
    ) {
        let schema = Schema::new(vec![
            Field::new("i", FieldType::Integer),
            Field::new("c", "decimal(9,2)".parse().unwrap()),
            Field::new("d", FieldType::Date),
        ]);
        let integers: array::Int64Array = rows.iter().map(|row| Some(i64::from(row.0))).collect();
        let decimals: array::Decimal128Array = rows.iter().map(|row| Some(i128::from(row.1))).collect();
        let dates: array::Date32Array = rows.iter().map(|row| Some(row.2)).collect();
        let records = array::RecordBatch::try_new(Arc::clone(schema.arrow()), vec![
            Arc::new(integers),
            Arc::new(decimals.with_precision_and_scale(9, 2).unwrap()),
            Arc::new(dates),
        ]).unwrap();
        let encoder = DelimitedEncoder::new(&format).unwrap();
        let mut bytes = Vec::new();
        encoder.header(["i", "c", "d"], &mut bytes).unwrap();
        if encoder.batch(&records, &mut bytes).is_err() {
            prop_assert!(format.quote.is_none());
            return Ok(());
        }
        let mut source = FileSource::new("f", schema.fields().to_vec());
        source.format = format;
        let files = MemoryFiles::new();
        files.insert("f", bytes);
        let context = Context::new();
        let batches: Vec<Batch> = block_on(async {
            let dataset = DelimitedDataset::open(&context, Arc::new(files), &source).await.unwrap();
            dataset.read(&context, ReadRequest::new()).try_collect().await.unwrap()
        });
        prop_assert_eq!(batches.len(), 1);
        prop_assert_eq!(batches[0].records.columns(), records.columns());
    }
}
