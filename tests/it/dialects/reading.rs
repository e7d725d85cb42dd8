//! What is read, and what is rejected where.

use syncline::ErrorKind;
use syncline::record::Reason;
use syncline::spec::{Delimited, Escape, Header};

use super::{Row, format, read, read_in_pieces, row, texts};

#[test]
fn any_separator_with_any_qualifier() {
    for delimiter in [',', '|', ';', ' ', '\t', ':', '\u{1}'] {
        for quote in ['"', '\''] {
            let (d, q) = (delimiter, quote);
            let source = texts(
                &["a", "b"],
                format(|format| {
                    format.delimiter = delimiter;
                    format.quote = Some(quote);
                }),
            );
            let text =
                format!("a{d}b\n{q}1{d}2{q}{d}x{q}y\n{q}{q}{d}{q}a{q}{q}\r\n{q}\n3{d}4{d}5\n");
            let byte = text.find(&format!("3{d}4")).unwrap() as u64;
            let read = read(text, &source).unwrap();
            let inner = format!("1{d}2");
            let quoted = format!("x{q}y");
            let lines = format!("a{q}\r\n");
            assert_eq!(
                read.rows,
                [row(&[&inner, &quoted]), row(&["", &lines])],
                "{delimiter:?} {quote:?}"
            );
            assert_eq!(read.rejects, [(5, byte, Reason::WrongColumnCount)]);
        }
        let source = texts(
            &["a", "b"],
            format(|format| {
                format.delimiter = delimiter;
                format.quote = None;
            }),
        );
        let d = delimiter;
        let read = read(
            format!("a{d}b\n\"1\"{d}'2\n\"{d}\0\n3\n\"4{d}5\"{d}6\n{d}\n"),
            &source,
        )
        .unwrap();
        assert_eq!(
            read.rows,
            [row(&["\"1\"", "'2"]), row(&["\"", "\0"]), vec![None, None]]
        );
        assert_eq!(
            read.rejects,
            [
                (4, 15, Reason::WrongColumnCount),
                (5, 17, Reason::WrongColumnCount)
            ]
        );
        let advice = "without quotes no cell can hold the delimiter";
        assert!(read.messages[1].ends_with(advice), "{:?}", read.messages);
    }
}

#[test]
fn a_backslash_takes_the_meaning_from_one_byte() {
    let mut backslash = format(|format| format.escape = Escape::Backslash);
    backslash.null_tokens = vec![r"\N".into()];
    let source = texts(&["a", "b"], backslash.clone());
    let text = "a,b\n\
        1\\,2,\"3\\\"4\"\n\
        \\\"5,\\\\\n\
        6\\\r\n7,\"8\"\"\\\n9\"\n\
        \\N,\"\\N\"\n\
        \\NN,\\é\n\
        \"x\"\\,y\n\
        z,\\";
    let read_quoted = read(text, &source).unwrap();
    assert_eq!(
        read_quoted.rows,
        [
            row(&["1,2", "3\"4"]),
            row(&["\"5", "\\"]),
            row(&["6\r\n7", "8\"\n9"]),
            vec![None, Some("N".into())],
            row(&["NN", "é"]),
            row(&["z", "\\"]),
        ]
    );
    let byte = text.find("\"x\"").unwrap() as u64;
    assert_eq!(read_quoted.rejects, [(9, byte, Reason::BadQuotes)]);
    assert!(read_quoted.messages[0].contains("backslash"));

    backslash.quote = None;
    let source = texts(&["a", "b"], backslash);
    let read = read("a,b\n\"1\\,2\",\"\\\n\n3,4,5", &source).unwrap();
    assert_eq!(read.rows, [row(&["\"1,2\"", "\"\n"])]);
    assert_eq!(read.rejects, [(4, 15, Reason::WrongColumnCount)]);
    assert!(read.messages[0].contains("has a backslash in front"));
}

#[test]
fn comments_are_no_records_and_count_as_lines() {
    let commented = format(|format| format.comment = Some('#'));
    let source = texts(&["a", "b"], commented.clone());
    let text = "\u{FEFF}# made by \"x\n#\r\n\na,b\n#1,2\r\n1,#\n#,\n\"\n#\",2\n #,3\n4\n#end";
    let read_all = read(text, &source).unwrap();
    assert_eq!(
        read_all.rows,
        [row(&["1", "#"]), row(&["\n#", "2"]), row(&[" #", "3"])]
    );
    let byte = text.find("4\n#end").unwrap() as u64;
    assert_eq!(read_all.rejects, [(11, byte, Reason::WrongColumnCount)]);

    // No longer than a record may be.
    let mut source = source;
    source.format.limits.record_bytes = 8;
    let long = format!("a,b\n#{}\n1,2\n", "x,\"".repeat(100));
    assert_eq!(read(long, &source).unwrap().rows, [row(&["1", "2"])]);

    for nothing in ["#a,b", "#\n", "\n#a\r\n\r\n#"] {
        let error = read(nothing, &source).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        assert!(error.message().contains("is empty"), "{error}");
    }
    source.format.limits.header_bytes = 100;
    let error = read(format!("#{}\na,b\n", "x".repeat(100)), &source).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    assert!(error.message().contains("comments"), "{error}");
}

#[test]
fn lines_in_front_are_passed_over_whatever_is_in_them() {
    let skipping = |lines| texts(&["a"], format(|format| format.skip_lines = lines));
    for front in ["x\n\"y\n", "\r\n\r\n", "\u{FEFF}\r\r", "\n\"\",,\r"] {
        let text = format!("{front}a\n1\n\"2\n");
        let read = read(&text, &skipping(2)).unwrap();
        assert_eq!(read.rows, [row(&["1"])], "{front:?}");
        let byte = front.len() as u64 + 4;
        assert_eq!(read.rejects, [(5, byte, Reason::BadQuotes)], "{front:?}");
    }
    let long = format!("{}\r\na\n1", "x".repeat(100_000));
    assert_eq!(
        read_in_pieces(long.as_bytes(), &skipping(1), 999)
            .unwrap()
            .rows,
        [row(&["1"])]
    );
    for (text, lines) in [
        ("", 1),
        ("x\ny", 2),
        ("x\ny", 3),
        ("x\r\n", 1),
        ("x\n\n", 2),
        ("\u{FEFF}", 9),
    ] {
        let error = read(text, &skipping(lines)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        assert!(error.message().contains("is empty"), "{error}");
        assert!(error.message().contains("skip_lines"), "{error}");
    }
}

#[test]
fn without_header_columns_are_found_by_their_place() {
    let absent = format(|format| format.header = Header::Absent);
    let source = texts(&["a", "b"], absent);
    let read_all = read("\u{FEFF}1,2\n\n3\n4,5,6\n\"7\",\"\"", &source).unwrap();
    assert_eq!(read_all.columns, ["a", "b"]);
    assert_eq!(read_all.rows, [row(&["1", "2"]), row(&["7", ""])]);
    assert_eq!(
        read_all.rejects,
        [
            (3, 8, Reason::WrongColumnCount),
            (4, 10, Reason::WrongColumnCount)
        ]
    );
    assert_eq!(
        read_all.messages,
        [
            "1 of the 2 cells that are declared; write the others, empty if need be",
            "more cells than the 2 declared; a cell with the delimiter in it is quoted"
        ]
    );
    for empty in ["", "\u{FEFF}", "\r\n\n"] {
        assert_eq!(read(empty, &source).unwrap().rows, Vec::<Row>::new());
    }
    let mut source = source;
    source.format.skip_lines = 2;
    source.format.comment = Some('#');
    let read_rest = read("a,b\n\"\n#x\n1,2\n3", &source).unwrap();
    assert_eq!(read_rest.rows, [row(&["1", "2"])]);
    assert_eq!(read_rest.rejects, [(5, 13, Reason::WrongColumnCount)]);
    assert_eq!(read("x\ny", &source).unwrap().rows, Vec::<Row>::new());
    let error = read("x", &source).unwrap_err();
    assert!(error.message().contains("is empty"), "{error}");
}

#[test]
fn a_header_is_compared_as_its_rule_says() {
    let with = |rule, names: &[&str]| texts(names, format(|format| format.header = rule));
    let header = " Name ,\"ÉTAT\tcivil\",\u{A0}x\u{3000}\n1,2,3\n";
    for (rule, names) in [
        (Header::Exact, [" Name ", "ÉTAT\tcivil", "\u{A0}x\u{3000}"]),
        (Header::Trimmed, ["Name", " ÉTAT\tcivil", "x"]),
        (Header::IgnoreCase, ["NAME ", "état\tCIVIL", "X"]),
    ] {
        let source = with(rule, &names);
        assert_eq!(source.problems("s"), []);
        let read = read(header, &source).unwrap();
        assert_eq!(read.rows, [row(&["1", "2", "3"])]);
        // As they are written.
        assert_eq!(read.columns, [" Name ", "ÉTAT\tcivil", "\u{A0}x\u{3000}"]);
    }
    for (rule, header, name, spellings) in [
        (Header::Exact, "a,b,a\n", "a", "`a` and `a`"),
        (Header::Trimmed, "a,b,\" a\"\n", "a", "`a` and ` a`"),
        (Header::IgnoreCase, "É,b, é\n", "É", "`É` and ` é`"),
    ] {
        let error = read(header, &with(rule, &["b", name])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        let [problem] = error.problems() else {
            panic!("{error}")
        };
        assert_eq!(problem.path, "columns[1].name");
        assert!(problem.message.ends_with(spellings), "{error}");
        // What is not asked for may be there as often as it likes.
        assert!(read(header, &with(rule, &["b"])).is_ok());
    }
}

#[test]
fn missing_columns_are_told_all_at_once() {
    let source = texts(&["id", "Unit Price", "city"], Delimited::csv());
    let error = read("ID,city,unit_price\n", &source).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    let paths: Vec<&str> = error.problems().iter().map(|p| p.path.as_str()).collect();
    assert_eq!(paths, ["columns[0].name", "columns[1].name"]);
    let text = error.to_string();
    let missing = "missing: `id` (the header has `ID`), `Unit Price` (the header has `unit_price`)";
    assert!(text.contains(missing), "{text}");
    assert!(text.contains("`header`"), "{text}");
}

#[test]
fn two_columns_of_one_name_are_one_too_many() {
    let source = |header| texts(&["a", " A"], format(|format| format.header = header));
    assert_eq!(source(Header::Exact).problems("s"), []);
    assert_eq!(source(Header::Trimmed).problems("s"), []);
    let problems = source(Header::IgnoreCase).problems("s");
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].path, "s.columns[1].name");
    assert!(
        problems[0]
            .message
            .starts_with("`a` and ` A` are the same column")
    );
}

#[test]
fn marks_are_ascii_and_differ() {
    type Change = fn(&mut Delimited);
    let changes: [(&[&str], Change); 12] = [
        (&["delimiter"], |format| format.delimiter = 'x'),
        (&["delimiter"], |format| format.delimiter = '\r'),
        (&["quote"], |format| format.quote = Some('0')),
        (&["quote"], |format| format.quote = Some('»')),
        (&["quote"], |format| format.quote = Some(',')),
        (&["comment"], |format| format.comment = Some('\n')),
        (&["comment"], |format| format.comment = Some('\0')),
        (&["comment"], |format| format.comment = Some(',')),
        (&["comment"], |format| format.comment = Some('"')),
        (&["delimiter"], |format| {
            (format.delimiter, format.escape) = ('\\', Escape::Backslash);
        }),
        (&["comment"], |format| {
            (format.comment, format.escape) = (Some('\\'), Escape::Backslash);
        }),
        (&["quote", "comment"], |format| {
            (format.quote, format.comment) = (Some('é'), Some('é'));
        }),
    ];
    for (number, (fields, change)) in changes.into_iter().enumerate() {
        let problems = format(change).problems("f");
        let mut paths: Vec<&str> = problems
            .iter()
            .map(|problem| problem.path.as_str())
            .collect();
        paths.dedup();
        let expected: Vec<String> = fields.iter().map(|field| format!("f.{field}")).collect();
        assert_eq!(paths, expected, "{number}");
    }
    let unquoted = format(|format| (format.quote, format.delimiter) = (None, '"'));
    assert_eq!(unquoted.problems("f"), []);
    let backslash = format(|format| format.delimiter = '\\');
    assert_eq!(backslash.problems("f"), []);
    let read = read("a\\b\n1\\\"\\\"\n", &texts(&["a", "b"], backslash)).unwrap();
    assert_eq!(read.rows, [row(&["1", "\\"])]);
}
