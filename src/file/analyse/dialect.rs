//! Which marks split a sample best: into records of one length whose cells look like values.

use std::collections::BTreeMap;

use super::guess::Guess;
use super::header;
use super::records::{Cell, Record, Records, split};
use super::warnings::UNSURE;
use crate::Result;
use crate::spec::{Delimited, Escape, Header};

/// Delimiters, and how usual they are.
const DELIMITERS: [(char, f64); 6] = [
    (',', 1.0),
    (';', 1.0),
    ('\t', 1.0),
    ('|', 1.0),
    (':', 0.5),
    (' ', 0.5),
];

const QUOTES: [Option<char>; 3] = [Some('"'), Some('\''), None];

/// So much of a sample is looked at for its marks.
const FRONT: usize = 64 << 10;
const RECORDS: usize = 400;

/// A sample that is split worse has one column.
const LEAST_SCORE: f64 = 0.15;

/// What a sample is split by.
#[derive(Debug)]
pub(super) struct Marks {
    /// With the marks, the comment and the lines to skip; all else is the default.
    pub(super) format: Delimited,
    /// The offset behind the lines to skip.
    pub(super) table: usize,
    pub(super) delimiter: Guess<char>,
    pub(super) quote: Guess<Option<char>>,
    pub(super) escape: Guess<Escape>,
}

/// # Errors
/// None that is of the sample.
pub(super) fn guess(sample: &[u8], is_whole: bool) -> Result<Marks> {
    let Some((delimiter, behind)) = told_delimiter(sample) else {
        return guess_among(&DELIMITERS, sample, is_whole);
    };
    let below = sample.get(behind..).unwrap_or_default();
    let mut marks = guess_among(&[(delimiter, 1.0)], below, is_whole)?;
    if marks.delimiter.value == delimiter {
        marks.delimiter = Guess::only(delimiter, 1.0);
    }
    marks.table += behind;
    marks.format.skip_lines += 1;
    Ok(marks)
}

/// What a first line like `sep=;` tells spreadsheets, and the offset behind that line.
fn told_delimiter(sample: &[u8]) -> Option<(char, usize)> {
    let (head, rest) = sample.split_at_checked(4)?;
    let (&mark, rest) = rest.split_first()?;
    let end = match rest {
        [b'\r', b'\n', ..] => 2,
        [b'\r' | b'\n', ..] => 1,
        _ => return None,
    };
    let mut format = Delimited::csv();
    format.delimiter = mark.into();
    let is_free = !matches!(mark, b'\'' | b'#' | b'\\') && format.problems("").is_empty();
    let is_told = head.eq_ignore_ascii_case(b"sep=") && is_free;
    is_told.then_some((format.delimiter, 5 + end))
}

/// As [`guess`], with these delimiters and how usual they are.
fn guess_among(delimiters: &[(char, f64)], sample: &[u8], is_whole: bool) -> Result<Marks> {
    let is_whole = is_whole && sample.len() <= FRONT;
    let front = sample.get(..FRONT).unwrap_or(sample);
    let has = |mark: char| memchr::memchr(mark as u8, front).is_some();
    let escapes: &[Escape] = match has('\\') {
        true => &[Escape::Doubled, Escape::Backslash],
        false => &[Escape::Doubled],
    };
    let mut tried: Vec<(f64, Delimited)> = Vec::new();
    let comes_into_question = |quote: &Option<char>| match quote {
        Some('"') => true,
        Some(quote) => has(*quote),
        None => has('"') || has('\''),
    };
    for quote in QUOTES.into_iter().filter(comes_into_question) {
        for &(delimiter, usual) in delimiters.iter().filter(|(mark, _)| has(*mark)) {
            for &escape in escapes {
                let mut format = Delimited::csv();
                (format.delimiter, format.quote, format.escape) = (delimiter, quote, escape);
                let mut records = split(front, is_whole, &format, RECORDS)?;
                if records.good.iter().any(is_marked) {
                    format.comment = Some('#');
                    let rest = split(front, is_whole, &format, RECORDS)?;
                    match are_comments(&records, &rest, delimiter) {
                        true => records = rest,
                        false => format.comment = None,
                    }
                }
                let score = usual * score(&records);
                if score >= LEAST_SCORE {
                    tried.push((score, format));
                }
            }
        }
    }
    let lone = marks_of_one_column(front, is_whole)?;
    tried.retain(|(_, format)| !lone.contains(&format.delimiter));
    // The first of equals: the usual marks stand in front.
    let best = tried
        .iter()
        .fold(None, |best: Option<&(f64, Delimited)>, other| match best {
            Some(best) if best.0 >= other.0 => Some(best),
            _ => Some(other),
        });
    let Some((score, mut format)) = best.cloned() else {
        return one_column(front, is_whole);
    };
    // The best of those that share a mark.
    let scores = |key: &dyn Fn(&Delimited) -> bool| {
        let scores = tried
            .iter()
            .filter(|(_, format)| key(format))
            .map(|(score, _)| *score);
        scores.fold(0.0, f64::max)
    };
    let delimiter = {
        let others = delimiters
            .iter()
            .map(|(mark, _)| *mark)
            .filter(|mark| *mark != format.delimiter);
        let others = others.map(|mark| (mark, scores(&|other| other.delimiter == mark)));
        Guess::by_score(format.delimiter, others, score)
    };
    let is_alike = |other: &Delimited| other.delimiter == format.delimiter;
    let chosen = split(front, is_whole, &format, RECORDS)?;
    let has_quoted = cells(&chosen).any(|cell| cell.is_quoted);
    let quote = match has_quoted || format.quote != Some('"') {
        true => {
            let others = QUOTES.into_iter().filter(|quote| *quote != format.quote);
            let others = others.map(|quote| {
                (
                    quote,
                    scores(&|other| is_alike(other) && other.quote == quote),
                )
            });
            Guess::by_score(format.quote, others, score)
        }
        // Nothing tells, and what the sample does not show may need quotes.
        false => Guess::by_score(format.quote, [(None, 0.3)], 0.6),
    };
    let escape = match escapes {
        [_] => Guess::by_score(Escape::Doubled, [(Escape::Backslash, 0.1)], 0.8),
        _ => {
            let others = escapes
                .iter()
                .copied()
                .filter(|escape| *escape != format.escape);
            let others = others.map(|escape| {
                (
                    escape,
                    scores(&|other| is_alike(other) && other.escape == escape),
                )
            });
            Guess::by_score(format.escape, others, score)
        }
    };
    let table = table_start(&chosen);
    format.skip_lines = lines(front.get(..table).unwrap_or_default());
    Ok(Marks {
        format,
        table,
        delimiter,
        quote,
        escape,
    })
}

/// A sample that no delimiter splits.
fn one_column(front: &[u8], is_whole: bool) -> Result<Marks> {
    let mut format = Delimited::csv();
    let spoils = |records: &Records<'_>| {
        records.bad > 0 || records.good.iter().any(|record| record.cells.len() > 1)
    };
    // A mark that no value holds, if there is one.
    for (delimiter, _) in DELIMITERS {
        format.delimiter = delimiter;
        if !spoils(&split(front, is_whole, &format, RECORDS)?) {
            break;
        }
        format.delimiter = ',';
    }
    let table = table_start(&split(front, is_whole, &format, RECORDS)?);
    format.skip_lines = lines(front.get(..table).unwrap_or_default());
    Ok(Marks {
        delimiter: Guess::only(format.delimiter, 0.3),
        quote: Guess::by_score(format.quote, [(None, 0.3)], 0.6),
        escape: Guess::only(format.escape, 0.5),
        format,
        table,
    })
}

/// Which delimiters are marks of values, if each line below the first is one: blanks and colons of a time or an address,
/// the decimal comma.
fn marks_of_one_column(front: &[u8], is_whole: bool) -> Result<&'static [char]> {
    let mut format = Delimited::csv();
    // In no text.
    format.delimiter = '\u{1}';
    let records = split(front, is_whole, &format, RECORDS)?;
    let mut lines = records
        .good
        .iter()
        .filter_map(|record| record.cells.first());
    let Some(first) = lines.next() else {
        return Ok(&[]);
    };
    let all = |is_one: fn(&str) -> bool| {
        let mut lines = lines.clone().peekable();
        lines.peek().is_some() && lines.all(|line| is_one(&line.text))
    };
    if all(|line| is_time(line) || line.contains("://")) {
        return Ok(&[' ', ':']);
    }
    // Of two columns the first line would have a comma too.
    match !first.text.contains(',') && all(is_decimal) {
        true => Ok(&[',']),
        false => Ok(&[]),
    }
}

/// Digits on both sides of at most one comma.
fn is_decimal(text: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    text.splitn(2, ',').all(is_number)
}

fn is_time(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_digit() || b"-/.: TZ+".contains(&byte);
    text.bytes().all(is_part) && text.bytes().filter(|byte| *byte == b':').count() > 0
}

/// Whether a record begins with `#`.
fn is_marked(record: &Record<'_>) -> bool {
    let first = record.cells.first();
    first.is_some_and(|cell| cell.text.starts_with('#') && !cell.is_quoted)
}

/// Whether lines that begin with `#` are no records, given what there is with them and without: all of them have another
/// length than the others, or they stand in front of the names of the columns.
fn are_comments(records: &Records<'_>, rest: &Records<'_>, delimiter: char) -> bool {
    if rest.good.is_empty() {
        return false;
    }
    let usual = usual_length(&rest.good);
    let mut marked = records.good.iter().filter(|record| is_marked(record));
    if marked.all(|record| record.cells.len() != usual) {
        return true;
    }
    let in_front = records
        .good
        .iter()
        .take_while(|record| is_marked(record))
        .count();
    let all = records
        .good
        .iter()
        .filter(|record| is_marked(record))
        .count();
    let header = header::guess(&rest.good, delimiter);
    in_front == all && header.value != Header::Absent && header.confidence >= UNSURE
}

/// The number of cells that most records have; of several such the greatest.
pub(super) fn usual_length(records: &[Record<'_>]) -> usize {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    for record in records {
        *counts.entry(record.cells.len()).or_default() += 1;
    }
    counts
        .into_iter()
        .max_by_key(|&(length, count)| (count, length))
        .map_or(0, |(length, _)| length)
}

/// Where the first record of the usual length begins, if something else stands in front of it.
fn table_start(records: &Records<'_>) -> usize {
    let usual = usual_length(&records.good);
    let first = records
        .good
        .iter()
        .position(|record| record.cells.len() == usual)
        .unwrap_or(0);
    let table = records.good.get(first..).unwrap_or_default();
    let regular = table
        .iter()
        .filter(|record| record.cells.len() == usual)
        .count();
    // Not the one lucky line of a ragged file.
    let is_table = usual > 1 && regular * 10 >= table.len() * 9;
    match table.first() {
        Some(record) if first > 0 && is_table => record.start,
        // A header that cannot be split would fail the file.
        _ if records.begins_bad => records.good.first().map_or(0, |record| record.start),
        _ => 0,
    }
}

/// Line ends in a text.
fn lines(text: &[u8]) -> u32 {
    let mut count = 0;
    let mut after_cr = false;
    for &byte in text {
        count += u32::from(byte == b'\r' || byte == b'\n' && !after_cr);
        after_cr = byte == b'\r';
    }
    count
}

/// How well a sample is split: 0, as by a mark that makes one column, to 1.
fn score(records: &Records<'_>) -> f64 {
    let usual = usual_length(&records.good);
    if usual < 2 {
        return 0.0;
    }
    let is_regular = |record: &&Record<'_>| record.cells.len() == usual;
    let first = records
        .good
        .iter()
        .position(|record| record.cells.len() == usual)
        .unwrap_or(0);
    let table = || records.good.iter().skip(first);
    let share = |count: usize, all: usize| count as f64 / all.max(1) as f64;
    let regular = share(table().filter(is_regular).count(), table().count());
    let in_front = share(table().count(), records.good.len());
    let cells = || table().filter(is_regular).flat_map(|record| &record.cells);
    let clean = share(
        cells().filter(|cell| is_clean(cell)).count(),
        cells().count(),
    );
    let well_quoted = share(records.good.len(), records.good.len() + records.bad);
    let columns = (usual as f64 - 1.0) / usual as f64;
    (regular * clean * well_quoted).powi(2) * in_front.sqrt() * (0.5 + columns / 2.0)
}

fn cells<'r, 'a>(records: &'r Records<'a>) -> impl Iterator<Item = &'r Cell<'a>> {
    records.good.iter().flat_map(|record| &record.cells)
}

/// Whether a cell has no marks in it that may have been meant to split or to quote.
fn is_clean(cell: &Cell<'_>) -> bool {
    if cell.is_quoted {
        return true;
    }
    let text = cell.text.as_ref();
    let has_quote = |quote: char| text.starts_with(quote) || text.ends_with(quote);
    if has_quote('"') || has_quote('\'') {
        return false;
    }
    let is_number = |byte: u8| byte.is_ascii_digit() || b"+-.,:/' %TZ".contains(&byte);
    if text.bytes().all(is_number) {
        return true;
    }
    if text.contains([';', '\t', '|']) {
        return false;
    }
    // A comma of prose has a blank behind it.
    text.split(',').skip(1).all(|part| part.starts_with(' '))
}
