//! Files as programs export them: what an analysis must not be wrong about.

use std::sync::Arc;

use futures::executor::block_on;
use syncline::file::{Analysis, CheckReport, CheckRequest, analyse_bytes, check};
use syncline::host::Context;
use syncline::memory::MemoryFiles;
use syncline::record::FieldType;
use syncline::spec::{Escape, Header, ValueFormat};

fn of(text: impl AsRef<[u8]>) -> Analysis {
    analyse_bytes(text.as_ref(), true).unwrap()
}

/// Of a file of one column of these values beside another.
fn beside(values: &[impl AsRef<str>]) -> Analysis {
    let lines = values
        .iter()
        .map(|value| format!("k\t{}\n", value.as_ref()));
    of(format!("key\tit\n{}", lines.collect::<String>()))
}

/// The whole file read as its analysis says.
fn read(text: &str, found: &Analysis) -> CheckReport {
    let files = MemoryFiles::new();
    files.insert("f.csv", text.to_owned());
    let request = CheckRequest::new();
    let source = found.source("f.csv");
    block_on(check(&Context::new(), Arc::new(files), &source, request)).unwrap()
}

fn patterns(found: &Analysis) -> Vec<String> {
    let guess = &found.columns[1].column;
    let others = guess.alternatives.iter().map(|other| &other.value);
    let formats = std::iter::once(&guess.value).chain(others);
    let patterns = formats.filter_map(|column| match &column.format {
        Some(ValueFormat::Time { patterns, .. }) => Some(patterns.concat()),
        _ => None,
    });
    patterns.collect()
}

fn types(found: &Analysis) -> Vec<String> {
    let types = found.columns.iter();
    types
        .map(|column| column.column.value.field_type.to_string())
        .collect()
}

fn warned(found: &Analysis, path: &str) -> bool {
    found.warnings.iter().any(|warning| warning.path == path)
}

#[test]
fn one_code_makes_a_column_of_texts() {
    // As numbers these would be read, and would lose what tells them from others.
    for code in ["02134", "+4930123456", "00", "10E3", "+5"] {
        let mut values: Vec<String> = (10_000..10_060).map(|n: u32| n.to_string()).collect();
        values[40] = code.into();
        let found = beside(&values);
        assert_eq!(types(&found)[1], "text", "{code}");
        assert_eq!(found.columns[1].unfit, 0);
    }
    for (values, field_type) in [
        (&["0.5", "12", "0"][..], "decimal(18,1)"),
        (&[".5", "-.25", "1"], "decimal(18,2)"),
        (&["-0", "7"], "integer"),
        (&["1.5E+10", "2e-05", "3", "1E5"], "float"),
        (&["123.4E3", "12E+3"], "float"),
        (&["12Easy", "12Easy"], "text"),
    ] {
        assert_eq!(types(&beside(values))[1], field_type, "{values:?}");
    }
}

#[test]
fn days_and_months_that_could_change_places_are_both_offered() {
    for mark in ['/', '-'] {
        for year in ["2025", "25"] {
            for (day, month) in [("01", "02"), ("1", "2")] {
                let value = format!("{day}{mark}{month}{mark}{year}");
                let found = beside(&[value.as_str(), value.as_str()]);
                let guess = &found.columns[1].column;
                assert_eq!(guess.value.field_type, FieldType::Date, "{value}");
                let both = patterns(&found);
                let begins = |front: &[&str]| {
                    let is_one = |pattern: &&String| front.iter().any(|f| pattern.starts_with(f));
                    both.iter().any(|pattern| is_one(&pattern))
                };
                assert!(begins(&["%d", "%-d"]), "{value}: {both:?}");
                assert!(begins(&["%m", "%-m"]), "{value}: {both:?}");
                assert!(guess.confidence <= 0.5 && warned(&found, "columns[1]"));
                // A day behind the twelfth decides.
                for (decided, front) in [
                    (format!("13{mark}{month}{mark}{year}"), "d"),
                    (format!("{month}{mark}13{mark}{year}"), "m"),
                ] {
                    let found = beside(&[value.as_str(), decided.as_str()]);
                    let first = &patterns(&found)[0];
                    let letter = first.trim_start_matches(['%', '-']);
                    assert!(letter.starts_with(front), "{decided}: {first}");
                    assert_eq!(found.columns[1].unfit, 0);
                }
            }
        }
    }
}

#[test]
fn times_of_databases_and_spreadsheets_are_read() {
    for (value, field_type) in [
        ("2025-01-31 12:34:56.789+00", "datetime"),
        ("2025-01-31 12:34:56-03", "datetime"),
        ("2025-01-31 12:34:56 UTC", "datetime"),
        ("Fri, 31 Jan 2025 12:34:56 GMT", "datetime"),
        ("1/31/2025 9:05:03", "local_datetime"),
        ("2025/1/5", "date"),
        ("2025年1月5日", "date"),
        ("5-Jan-25", "date"),
        ("5.1.25", "date"),
    ] {
        let text = format!("key;it\n{}", format!("k;{value}\n").repeat(3));
        let found = of(&text);
        assert_eq!(types(&found)[1], field_type, "{value}");
        let report = read(&text, &found);
        assert_eq!((report.good, report.rejected), (3, 0), "{value}");
    }
    // The word is the zone.
    let found = beside(&["2025-01-31 12:34:56 UTC"]);
    let format = serde_json::to_value(&found.columns[1].column.value.format).unwrap();
    assert_eq!(format["time"]["zone"], "UTC");
}

#[test]
fn years_can_be_names() {
    let found = of("country,2023,2024\nFrance,12,14\nSpain,20,21\nItaly,7,9\n");
    assert_eq!(found.header.value, Header::Exact);
    assert_eq!(found.columns[1].column.value.name, "2023");
    // Over codes a word is a name.
    let found = of("zip,sku\n02134,A-1\n10115,B-2\n");
    assert_eq!(found.header.value, Header::Exact);
    assert!(!warned(&found, "header"));
    // Over years a year is a value.
    let found = of("Ada,2023\nBob,2024\nEve,2023\n");
    assert_eq!(found.header.value, Header::Absent);
}

#[test]
fn comments_are_told_from_headers_and_values() {
    for (text, comment, names) in [
        (
            "# export\n# by x, y, z\n\nid,name,n\n1,a,3\n2,b,4\n",
            Some('#'),
            &["id", "name", "n"][..],
        ),
        (
            "##format=1\n#place\tat\nx\t1\ny\t2\n",
            None,
            &["#place", "at"],
        ),
        ("# a,b\n1,2\n3,4\n", None, &["# a", "b"]),
        (
            "channel,n\n#general,5\n#random,6\n",
            None,
            &["channel", "n"],
        ),
        ("#general,5\n#random,6\n", None, &["column_1", "column_2"]),
    ] {
        let found = of(text);
        assert_eq!(found.comment, comment, "{text}");
        let source = found.source("f.csv");
        let columns = source.columns.iter().map(|column| column.name.as_str());
        assert_eq!(columns.collect::<Vec<_>>(), names, "{text}");
        assert_eq!(read(text, &found).rejected, 0, "{text}");
    }
}

#[test]
fn a_line_for_spreadsheets_tells_the_delimiter() {
    for (text, delimiter) in [
        ("sep=;\nid;name\n1;x,y\n2;x,z\n", ';'),
        ("\u{FEFF}SEP=,\r\nid,price\r\n1;2,5\r\n3;4,6\r\n", ','),
        ("sep=^\nid^name\n1^x\n2^y\n", '^'),
    ] {
        let found = of(text);
        assert_eq!(
            (found.delimiter.value, found.skip_lines),
            (delimiter, 1),
            "{text}"
        );
        assert!(found.header.value != Header::Absent);
        assert!(!warned(&found, "delimiter"));
        let report = read(text, &found);
        assert_eq!((report.good, report.rejected), (2, 0), "{text}");
    }
    // What cannot be a delimiter beside the other marks tells nothing.
    for mark in ['"', '\'', '#', '\\', 'x'] {
        let found = of(format!("sep={mark}\na,b\n1,2\n"));
        assert_eq!(found.delimiter.value, ',', "{mark}");
    }
}

#[test]
fn a_column_of_decimal_commas_is_one_column() {
    let found = of("amount\n0,50\n12,25\n7\n");
    let types = types(&found);
    assert_eq!((types.len(), found.skip_lines), (1, 0));
    assert_eq!(types[0], "decimal(18,2)");
    // Two names are two columns.
    assert_eq!(of("a,b\n0,50\n12,25\n").columns.len(), 2);
}

#[test]
fn lines_that_are_passed_over_are_told() {
    let found = of("Report of 2025\n\nid,name,n\n1,a,3\n2,b,4\n");
    assert_eq!(found.skip_lines, 2);
    assert!(warned(&found, "skip_lines"));
    assert!(!warned(&of("id,name\n1,a\n2,b\n"), "skip_lines"));
}

#[test]
fn letters_behind_an_escape_are_told() {
    let lines = "\"say \\\"hi\\\", you\",LINE\n".repeat(5);
    for (last, is_told) in [("a\\nb", true), ("a\\\\nb", false), ("a\\Nb", false)] {
        let found = of(format!("text,last\n{}", lines.replace("LINE", last)));
        assert_eq!(found.escape.value, Escape::Backslash);
        assert_eq!(warned(&found, "escape"), is_told, "{last}");
    }
}

#[test]
fn a_reject_file_is_known_and_read_without_its_guards() {
    let text = "'=total,note,_reason,_field,_message,_position,_raw,_attempts,_version,_op\n\
        1,'+x,bad_value,total,no,a.csv:2 (byte 9),,1,,\n\
        2,'-,bad_value,total,no,a.csv:3 (byte 12),,2,5f0c71aa,\n";
    let found = of(text);
    assert!(found.guarded && found.source("f.csv").format.guarded);
    assert_eq!(found.columns[0].column.value.name, "=total");
    assert_eq!(read(text, &found).good, 2);
    assert!(!of("'=total,note\n1,'+x\n").guarded);
}
