#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;

use super::marks::Masks;
use super::*;

/// What a scan found, in terms of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    place: Place,
    what: Result<Vec<String>, (Fault, String, bool)>,
}

fn form(columns: usize, record_bytes: usize, field_bytes: usize) -> Form {
    Form {
        delimiter: b',',
        quote: Some(b'"'),
        escape: None,
        comment: None,
        columns,
        record_bytes,
        field_bytes,
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Scans in blocks that grow by the given steps, over and over.
fn scan(input: &[u8], form: Form, steps: &[usize]) -> (Vec<Found>, Place) {
    let mut scanner = Scanner::new(form, Place::START);
    let (mut from, mut to) = (0, 0);
    let mut found = Vec::new();
    let mut steps = steps.iter().cycle();
    loop {
        to = input.len().min(to + steps.next().unwrap());
        let data = &input[from..to];
        let (index, used) = scanner.scan(data, to == input.len());
        assert!(
            data.len() - used <= form.record_bytes + 1,
            "an open record is within its limit"
        );
        let good = index
            .records
            .iter()
            .enumerate()
            .map(|(row, &record)| Found {
                place: index.place(record),
                what: Ok((0..form.columns)
                    .map(|column| {
                        let (start, end) = index.field(row, column).unwrap();
                        text(&data[start..end])
                    })
                    .collect()),
            });
        let refused = index.refused.iter().map(|refused| Found {
            place: index.place(refused.record),
            what: Err((
                refused.fault,
                text(&data[refused.record.start as usize..refused.end as usize]),
                refused.truncated,
            )),
        });
        let mut block: Vec<Found> = good.chain(refused).collect();
        block.sort_by_key(|found| found.place.record);
        found.extend(block);
        from += used;
        if to == input.len() {
            assert_eq!(from, to, "the end of the file uses everything up");
            return (found, index.next);
        }
    }
}

/// The same, byte by byte over the whole file, as the module's documentation says it.
fn model(input: &[u8], form: Form) -> Vec<Found> {
    let mut found = Vec::new();
    let mut stretch = Stretch::default();
    let mut at = 0;
    let lines = |bytes: &[u8]| {
        let text = text(bytes).replace("\r\n", "\n").replace('\r', "\n");
        text.matches('\n').count() as u64
    };
    let is_end = |at: usize| matches!(input[at], b'\n' | b'\r');
    while at < input.len() {
        if is_end(at) {
            at += if input[at..].starts_with(b"\r\n") {
                2
            } else {
                1
            };
            continue;
        }
        if form.comment == Some(input[at]) {
            while at < input.len() && !is_end(at) {
                at += 1;
            }
            continue;
        }
        let alone = stretch.is_worn(at as u64);
        let place = Place {
            byte: at as u64,
            line: 1 + lines(&input[..at]),
            record: found.len() as u64,
        };
        let (mut state, mut start, mut fields) = (State::Plain, at, Vec::new());
        let mut here = at;
        // How many bytes from here on have no meaning.
        let mut escaped = 0;
        let decision = loop {
            let end = here == input.len();
            if end && state == State::Quoted {
                break Decision::Bad { seen: here };
            }
            if end || (escaped == 0 && state != State::Quoted && is_end(here)) {
                fields.push((start, here));
                break Decision::Whole { end: here };
            }
            if here - at == form.record_bytes {
                break match state {
                    State::Quoted => Decision::Bad { seen: here },
                    _ => Decision::Long,
                };
            }
            let byte = input[here];
            if alone && is_end(here) {
                break Decision::Bad { seen: here };
            }
            if escaped > 0 {
                escaped -= 1;
                if input[here..].starts_with(b"\r\n") {
                    escaped = 1;
                }
                here += 1;
                continue;
            }
            if form.escape == Some(byte) && !matches!(state, State::Closed { .. }) {
                escaped = 1;
                here += 1;
                continue;
            }
            let is_quote = form.quote == Some(byte);
            state = match state {
                State::Quoted if is_quote => State::Closed { at: here },
                State::Quoted => State::Quoted,
                State::Closed { .. } if is_quote => State::Quoted,
                State::Closed { .. } if byte != b',' => break Decision::Bad { seen: here },
                _ if byte == b',' => {
                    fields.push((start, here));
                    start = here + 1;
                    State::Plain
                }
                State::Plain if is_quote && here == start => State::Quoted,
                _ => State::Plain,
            };
            here += 1;
        };
        let first_line = (at..input.len())
            .find(|&at| is_end(at))
            .unwrap_or(input.len());
        let (what, next) = match decision {
            Decision::Bad { seen } if first_line - at <= form.record_bytes => {
                if !alone {
                    stretch.note(at as u64, seen as u64);
                }
                (
                    Err((Fault::Quotes, text(&input[at..first_line]), false)),
                    first_line,
                )
            }
            Decision::Whole { end } => {
                let long = fields
                    .iter()
                    .position(|(start, end)| end - start > form.field_bytes);
                let what = match fields.len().cmp(&form.columns) {
                    std::cmp::Ordering::Less => Err(Fault::TooFewFields(fields.len() as u32)),
                    std::cmp::Ordering::Greater => Err(Fault::TooManyFields),
                    std::cmp::Ordering::Equal => match long {
                        Some(column) => Err(Fault::LongField(column as u32)),
                        None => Ok(()),
                    },
                };
                let what = match what {
                    Ok(()) => Ok(fields
                        .iter()
                        .map(|&(start, end)| text(&input[start..end]))
                        .collect()),
                    Err(fault) => Err((fault, text(&input[at..end]), false)),
                };
                (what, end)
            }
            Decision::Long | Decision::Bad { .. } => {
                if !alone && matches!(decision, Decision::Bad { .. }) {
                    let Decision::Bad { seen } = decision else {
                        unreachable!()
                    };
                    stretch.note(at as u64, seen as u64);
                }
                let limit = at + form.record_bytes;
                let end = (limit..input.len())
                    .find(|&at| is_end(at))
                    .unwrap_or(input.len());
                (Err((Fault::LongRecord, text(&input[at..limit]), true)), end)
            }
        };
        found.push(Found { place, what });
        at = next;
    }
    found
}

fn fields(found: &[Found]) -> Vec<Vec<&str>> {
    found
        .iter()
        .filter_map(|found| found.what.as_ref().ok())
        .map(|fields| fields.iter().map(String::as_str).collect())
        .collect()
}

fn faults(found: &[Found]) -> Vec<(Fault, &str, u64)> {
    found
        .iter()
        .filter_map(|found| Some((found.what.as_ref().err()?, found.place.line)))
        .map(|((fault, raw, _), line)| (*fault, raw.as_str(), line))
        .collect()
}

#[test]
fn records_end_at_any_kind_of_line_end() {
    let (found, _) = scan(
        b"a,b\nc,d\r\ne,f\rg,h\n\n\r\n\r\"\",\"i\r\nj\"",
        form(2, 99, 99),
        &[99],
    );
    assert_eq!(
        fields(&found),
        [
            ["a", "b"],
            ["c", "d"],
            ["e", "f"],
            ["g", "h"],
            ["\"\"", "\"i\r\nj\""]
        ]
    );
    let lines: Vec<u64> = found.iter().map(|found| found.place.line).collect();
    assert_eq!(lines, [1, 2, 3, 4, 8]);
}

#[test]
fn quotes_inside_unquoted_fields_are_text() {
    let (found, _) = scan(b"a\"b\",5\"\n \"x\",\"y\"\"z\"\n", form(2, 99, 99), &[99]);
    assert_eq!(
        fields(&found),
        [["a\"b\"", "5\""], [" \"x\"", "\"y\"\"z\""]]
    );
}

#[test]
fn a_stray_quote_costs_its_line() {
    let input = b"1,2\n\"3,4\n5,6\n7,\"8\n9\"\n\"1\"0,11\n12,13";
    let (found, end) = scan(input, form(2, 99, 99), &[99]);
    assert_eq!(
        fields(&found),
        [["1", "2"], ["5", "6"], ["7", "\"8\n9\""], ["12", "13"]]
    );
    assert_eq!(
        faults(&found),
        [(Fault::Quotes, "\"3,4", 2), (Fault::Quotes, "\"1\"0,11", 6)]
    );
    assert_eq!(
        end,
        Place {
            byte: input.len() as u64,
            line: 7,
            record: 6
        }
    );
}

#[test]
fn a_record_over_the_limit_is_cut() {
    let (found, _) = scan(
        b"aaaaaaaaaa,b\n1,2\n\"bbbbbbbbb\n,\"\n3,4\n",
        form(2, 8, 8),
        &[99],
    );
    assert_eq!(fields(&found), [["1", "2"], ["3", "4"]]);
    assert_eq!(
        faults(&found),
        [
            (Fault::LongRecord, "aaaaaaaa", 1),
            (Fault::LongRecord, "\"bbbbbbb", 3),
            (Fault::Quotes, ",\"", 4)
        ]
    );
}

#[test]
fn ragged_records_and_long_fields_are_refused_whole() {
    let (found, _) = scan(
        b"1\n1,2,3\n1,2,3,4,5\n\"\n\n\n\n\",\n,\n",
        form(2, 99, 5),
        &[99],
    );
    assert_eq!(
        faults(&found),
        [
            (Fault::TooFewFields(1), "1", 1),
            (Fault::TooManyFields, "1,2,3", 2),
            (Fault::TooManyFields, "1,2,3,4,5", 3),
            (Fault::LongField(0), "\"\n\n\n\n\",", 4)
        ]
    );
    assert_eq!(fields(&found), [["", ""]]);
}

#[test]
fn going_back_is_linear() {
    // Each line alone begins a field that runs on to the end of the file.
    let input = b"c\",\"b\n".repeat(50_000);
    let started = std::time::Instant::now();
    let (found, _) = scan(&input, form(2, 8 << 20, 1 << 20), &[512 << 10]);
    assert_eq!(found.len(), 50_000);
    // Quadratic would be minutes.
    assert!(started.elapsed() < std::time::Duration::from_secs(10));
}

#[test]
fn the_first_record_has_any_number_of_fields() {
    let commented = Form {
        comment: Some(b'#'),
        ..form(0, 9, 9)
    };
    let first = |input: &[u8], eof| first_record(commented, input, eof);
    let found = |fields: &[(usize, usize)], end, line| FirstRecord::Found {
        fields: fields.to_vec(),
        end,
        line,
    };
    assert_eq!(
        first(b"\r\na,\"\n\"\nx", false),
        found(&[(2, 3), (4, 7)], 7, 2)
    );
    assert_eq!(first(b"a,b", true), found(&[(0, 1), (2, 3)], 3, 0));
    assert_eq!(
        first(b"#\"\r\na,b\n", false),
        found(&[(4, 5), (6, 7)], 7, 1)
    );
    assert_eq!(first(b"#a,b", true), FirstRecord::None);
    assert_eq!(first(b"#a,b", false), FirstRecord::Open);
    assert_eq!(first(b"#aaaaaaaaa", true), FirstRecord::Long { start: 0 });
    assert_eq!(first(b"a,b", false), FirstRecord::Open);
    assert_eq!(first(b"\n\r\n", true), FirstRecord::None);
    assert_eq!(
        first(b"\"a\"b\n", true),
        FirstRecord::BadQuotes { start: 0 }
    );
    assert_eq!(first(b"\"a", true), FirstRecord::BadQuotes { start: 0 });
    assert_eq!(first(b"aaaaaaaaaa\n", true), FirstRecord::Long { start: 0 });
    assert_eq!(first(b"aaaaaaaaaa", false), FirstRecord::Long { start: 0 });
}

#[test]
fn a_mask_has_a_bit_for_each_byte_that_matters() {
    let marks = Marks {
        delimiter: b',',
        quote: b'"',
        escape: Some(b'\\'),
        comment: Some(b'#'),
    };
    for at in 0..64 {
        for mark in [b',', b'"', b'\n', b'\r', b'\\'] {
            let mut bytes = [b'x'; 64];
            bytes[at] = mark;
            let bit = |wanted: &[u8]| u64::from(wanted.contains(&mark)) << at;
            let plain = Masks {
                delimiters: bit(b","),
                quotes: bit(b"\""),
                line_ends: bit(b"\r\n"),
                escapes: 0,
            };
            let extra = Masks {
                escapes: bit(b"\\"),
                ..plain
            };
            assert_eq!(marks.of::<false>(&bytes), plain);
            assert_eq!(marks.of_tail::<false>(&bytes[..=at]), plain);
            assert_eq!(marks.of::<true>(&bytes), extra);
            assert_eq!(marks.of_tail::<true>(&bytes[..=at]), extra);
            assert_eq!((plain.all() | bit(b"\\"), extra.all()), (1 << at, 1 << at));
        }
    }
    let without_quotes = Marks {
        quote: b',',
        ..marks
    };
    let found = without_quotes.of::<false>(&[b','; 64]);
    assert_eq!((found.delimiters, found.quotes), (u64::MAX, 0));
    let all: Vec<u8> = (0..=255).collect();
    let chunks = || all.chunks(64);
    let hits = |found: &mut dyn Iterator<Item = Masks>| {
        found.map(|found| found.all().count_ones()).sum::<u32>()
    };
    assert_eq!(
        hits(&mut chunks().map(|bytes| marks.of_tail::<false>(bytes))),
        4
    );
    assert_eq!(
        hits(&mut chunks().map(|bytes| marks.of_tail::<true>(bytes))),
        5
    );
}

#[test]
fn an_escape_takes_the_meaning_from_one_byte() {
    let form = Form {
        escape: Some(b'\\'),
        ..form(2, 99, 99)
    };
    let input = b"a\\,b,c\\\r\nd\n\\\"e,\"f\\\"\"\"g\\\n\"\nh,\\\\\n\"i\"\\,j\nk,l\\";
    let (found, end) = scan(input, form, &[99]);
    assert_eq!(
        fields(&found),
        [
            ["a\\,b", "c\\\r\nd"],
            ["\\\"e", "\"f\\\"\"\"g\\\n\""],
            ["h", "\\\\"],
            ["k", "l\\"]
        ]
    );
    assert_eq!(faults(&found), [(Fault::Quotes, "\"i\"\\,j", 6)]);
    assert_eq!(end.line, 7);
}

#[test]
fn a_comment_is_a_line_in_front_of_a_record() {
    let form = Form {
        comment: Some(b'#'),
        ..form(2, 9, 9)
    };
    let input = b"#a \"long, comment\r\n1,#2\n##\n\n \"#\",3\n4,\"\n#\"\r#5,6";
    let (found, end) = scan(input, form, &[1]);
    assert_eq!(
        fields(&found),
        [["1", "#2"], [" \"#\"", "3"], ["4", "\"\n#\""]]
    );
    let places: Vec<_> = found.iter().map(|found| found.place).collect();
    let lines: Vec<u64> = places.iter().map(|place| place.line).collect();
    assert_eq!((lines, places[0].byte), (vec![2, 5, 6], 19));
    assert_eq!((end.byte, end.line), (input.len() as u64, 8));
}

#[test]
fn without_quotes_each_is_text() {
    let form = Form {
        quote: None,
        ..form(2, 99, 99)
    };
    let (found, _) = scan(b"\"a,\"\"\n\0,\"b\"c\n", form, &[99]);
    assert_eq!(fields(&found), [["\"a", "\"\""], ["\0", "\"b\"c"]]);
}

fn input() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        3 => Just(b'a'), 1 => Just(0xFF), 1 => Just(0),
        4 => Just(b','), 4 => Just(b'"'), 3 => Just(b'\n'), 2 => Just(b'\r'),
        2 => Just(b'\\'), 1 => Just(b'#'),
    ];
    let run = prop_oneof![
        8 => prop::collection::vec(byte, 0..40),
        1 => Just(b"a,a\n".repeat(20)),
        1 => Just(b"a\",\"a\n".repeat(20)),
        1 => Just(b"a\\\",\"a\\\n".repeat(20)),
        1 => prop::collection::vec(Just(b'#'), 0..99),
    ];
    prop::collection::vec(run, 0..5).prop_map(|runs| runs.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8000))]

    #[test]
    fn a_scan_finds_what_the_model_finds_however_it_is_split(
        input in input(),
        columns in 1..4usize,
        record_bytes in prop_oneof![1..30usize, Just(1000)],
        field_bytes in prop_oneof![1..30usize, Just(1000)],
        steps in prop::collection::vec(1..70usize, 1..6),
        quote in prop_oneof![3 => Just(Some(b'"')), 1 => Just(None)],
        escape in prop_oneof![Just(None), Just(Some(b'\\'))],
        comment in prop_oneof![Just(None), Just(Some(b'#'))],
    ) {
        let form = Form { quote, escape, comment, ..form(columns, record_bytes, field_bytes) };
        let expected = model(&input, form);
        let (whole, end) = scan(&input, form, &[input.len().max(1)]);
        prop_assert_eq!(&whole, &expected);
        prop_assert_eq!(scan(&input, form, &steps), (whole.clone(), end));
        prop_assert_eq!(scan(&input, form, &[1]), (whole, end));
    }
}
