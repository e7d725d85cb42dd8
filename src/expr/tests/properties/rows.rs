//! Rows of values at the edges.

use super::tape::Tape;

pub(super) const FIELDS: [&str; 17] = [
    "i", "j", "d", "w", "c", "p", "f", "g", "b", "e", "t", "u", "mail", "stage", "day", "at",
    "local",
];

/// For each field, the values of all rows.
pub(super) type Columns = Vec<Vec<Option<String>>>;

pub(super) fn columns(tape: &mut Tape<'_>, rows: usize) -> Columns {
    FIELDS
        .map(|name| {
            (0..rows)
                .map(|_| (!tape.rarely(6)).then(|| value(name, tape)))
                .collect()
        })
        .to_vec()
}

/// The canonical text of a value of a field.
fn value(name: &str, tape: &mut Tape<'_>) -> String {
    match name {
        "i" | "j" => match tape.below(8) {
            0 => tape
                .one(&[
                    "0",
                    "1",
                    "-1",
                    "9223372036854775807",
                    "-9223372036854775808",
                    "9007199254740993",
                ])
                .into(),
            1 => (tape.below(1 << 31) as i64 * tape.below(1 << 31) as i64 - (1 << 60)).to_string(),
            _ => (tape.below(41) as i64 - 20).to_string(),
        },
        "d" => decimal(tape, 10, 2),
        "w" => decimal(tape, 38, 10),
        "c" => decimal(tape, 18, 2),
        "p" => decimal(tape, 9, 4),
        "f" | "g" => match tape.below(3) {
            0 => tape
                .one(&[
                    "0",
                    "-0",
                    "0.5",
                    "-0.5",
                    "1.5",
                    "2.5",
                    "-2.5",
                    "0.1",
                    "2.675",
                    "1.005",
                    "1e300",
                    "-1e300",
                    "5e-324",
                    "1.7976931348623157e308",
                    "9007199254740993",
                    "0.285",
                    "1e-7",
                    "-1e-7",
                    "1e16",
                ])
                .parse::<f64>()
                .map(|value| {
                    crate::expr::tests::reference::text(
                        &crate::expr::tests::reference::Value::Float(value),
                    )
                })
                .unwrap()
                .unwrap(),
            _ => {
                let value = (tape.below(2_000_001) as f64 - 1e6) / tape.one(&[1e3, 8.0, 1e6]);
                value.to_string()
            }
        },
        "b" | "e" => tape.one(&["true", "false"]).into(),
        "t" => tape
            .one(&[
                "",
                "a",
                "abc",
                "a,b,c",
                "Straße",
                "ÄÖÜ äöü",
                "  a  ",
                "\u{a0}x\u{3000}",
                "Σίσυφος",
                "ΟΔΟΣ",
                "10%_\\",
                "e\u{301}é",
                "🦀🦀",
                "12",
                "-3.50",
                "1.234,5",
                "1,234.5",
                "true",
                "yes",
                "NO",
                "abcabc",
                ",,",
                "ǆ",
                "ŉ",
                "İ",
                "aXbXc",
                "2024-02-29",
                "29.02.2024",
                "2023-02-29",
                "2024-10-27T02:30:00",
                "2024-10-27T02:30:00+02:00",
                "1e3",
                "+7",
                "1e400",
                "0",
                "-0",
                "99999999999999999999",
                "0.1",
                ".5",
                "\t\n",
                "ab\u{200b}",
            ])
            .into(),
        "u" => tape
            .one(&[
                "a", "", ",", "b", "ab", "aa", "ß", "SS", "x", "%", "🦀", "Ä", "ς",
            ])
            .into(),
        "mail" => tape.one(&["a@b.example", "Ann.Lee@mail.example"]).into(),
        "stage" => tape.one(&["open", "won"]).into(),
        "day" => day(tape),
        "at" => moment(tape) + "Z",
        _ => moment(tape),
    }
}

fn decimal(tape: &mut Tape<'_>, precision: usize, scale: usize) -> String {
    let most = 10i128.pow(precision as u32) - 1;
    let units = match tape.below(8) {
        0 => tape.one(&[0, most, -most, 1, -1]),
        1 => most / (tape.below(1000) as i128 + 1) * tape.one(&[1, -1]),
        // From the middle between two digits.
        2 => 10i128.pow(scale as u32) / 2 * (2 * tape.below(9) as i128 - 9),
        _ => tape.below(20_001) as i128 - 10_000,
    };
    let digits = format!("{:0>width$}", units.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    format!("{}{whole}.{fraction}", if units < 0 { "-" } else { "" })
}

const DAYS: [&str; 23] = [
    "2024-02-29",
    "2023-02-28",
    "2024-12-31",
    "2025-01-01",
    "2021-01-03",
    "2020-12-31",
    "2024-03-31",
    "2024-10-27",
    "2024-03-10",
    "2024-11-03",
    "2011-12-29",
    "2011-12-30",
    "2018-11-04",
    "1900-02-28",
    "2000-02-29",
    "0001-01-01",
    "9999-12-31",
    "1970-01-01",
    "1969-12-31",
    "2024-10-06",
    "2024-04-07",
    "1893-04-01",
    "1919-03-31",
];

fn day(tape: &mut Tape<'_>) -> String {
    if tape.below(3) == 0 {
        let (year, month, day) = (
            tape.below(400) + 1750,
            tape.below(12) + 1,
            tape.below(28) + 1,
        );
        return format!("{year:04}-{month:02}-{day:02}");
    }
    tape.one(&DAYS).into()
}

fn moment(tape: &mut Tape<'_>) -> String {
    let day = day(tape);
    let hours = tape.one(&[0, 1, 2, 3, 12, 23, tape_hour(&day)]);
    let (minutes, seconds) = tape.one(&[(0, 0), (30, 0), (59, 59), (15, 30)]);
    let fraction = tape.one(&["", "", ".000001", ".999999", ".500000"]);
    format!("{day}T{hours:02}:{minutes:02}:{seconds:02}{fraction}")
}

/// An hour that goes with the day.
fn tape_hour(day: &str) -> usize {
    day.bytes().map(usize::from).sum::<usize>() % 24
}
