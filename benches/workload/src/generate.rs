//! The files that the reference jobs read.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::draws::{Draws, Stream, mix};

const SEED: u64 = 20_260_101;

/// 2025-01-01 in days since 1970-01-01; usage spreads over the 365 days from there.
const FIRST_DAY: i64 = 20_089;

const PRODUCTS: [&str; 8] = [
    "Core",
    "Analytics",
    "Journey Orchestrator",
    "PX",
    "Surveys",
    "Community Hub",
    "Rules",
    "Métriques",
];

/// Texts of one to four bytes a character.
const WORDS: [&str; 28] = [
    "renewal",
    "risk",
    "champion",
    "left",
    "seats",
    "expanded",
    "usage",
    "down",
    "exec",
    "sponsor",
    "QBR",
    "booked",
    "ticket",
    "open",
    "café",
    "naïve",
    "日本語",
    "Zürich",
    "🚀",
    "pilot",
    "rollout",
    "blocked",
    "pricing",
    "legal",
    "review",
    "the",
    "and",
    "for",
];

/// Offsets from UTC, in minutes; one of them is no whole hour.
const OFFSETS: [i64; 7] = [-480, -300, -210, 0, 60, 330, 540];

/// A made-up customer base, of any size, always the same.
///
/// Three files, each with the troubles that real exports have:
///
/// - `accounts.csv`, a tenth as many rows as usage: the object that exists before the run. One row in
///   1000 repeats the external id of an earlier row under another id, so that a lookup hits several.
/// - `usage.csv`: timestamps in seven offsets, so that the UTC day is often another than the one
///   written. 1 % of the accounts exist nowhere, 0.5 % of the numbers are none, 10 % of the rows are
///   inactive, 5 % repeat the key of an earlier row. Few accounts have most of the usage. Notes are
///   empty, hold delimiters, line breaks, doubled quotes and characters of up to four bytes.
/// - `account_updates.csv`, as long as the accounts: half existing keys and half new ones, 2 %
///   repeated; the parent is in the object, elsewhere in the same file (before or after its child),
///   nowhere, or not given.
#[derive(Debug, Clone, Copy)]
pub struct Workload {
    seed: u64,
    usage_rows: u64,
    accounts: u64,
    /// Whether some numbers are none.
    bad_numbers: bool,
    /// How many words a note has more than the three to eleven that it always has.
    more_words: u64,
}

impl Workload {
    /// A workload of so many usage rows: S is 100,000 and M 1,000,000.
    pub fn new(usage_rows: u64) -> Self {
        Workload {
            seed: SEED,
            usage_rows,
            accounts: (usage_rows / 10).max(10),
            bad_numbers: true,
            more_words: 0,
        }
    }

    /// The same over so many accounts. The accounts are the same ones for any number of usage rows.
    #[must_use]
    pub fn with_accounts(mut self, accounts: u64) -> Self {
        self.accounts = accounts.max(10);
        self
    }

    /// The same, with numbers that are all good.
    #[must_use]
    pub(crate) fn without_bad_numbers(mut self) -> Self {
        self.bad_numbers = false;
        self
    }

    /// The same, with so many words more in each note that is not empty.
    #[must_use]
    pub(crate) fn with_more_words(mut self, words: u64) -> Self {
        self.more_words = words;
        self
    }

    pub(crate) fn usage_rows(&self) -> u64 {
        self.usage_rows
    }

    /// Writes the three files into a directory, which is made if it is not there.
    ///
    /// # Errors
    /// When the directory or a file cannot be written.
    pub fn write_to(&self, directory: &Path) -> io::Result<()> {
        fs::create_dir_all(directory)?;
        let create = |name| -> io::Result<_> {
            let file = File::create(directory.join(name))?;
            Ok(BufWriter::with_capacity(1 << 20, file))
        };
        self.write_accounts(&mut create("accounts.csv")?)?;
        self.write_account_updates(&mut create("account_updates.csv")?)?;
        self.write_usage(&mut create("usage.csv")?)
    }

    /// Writes `accounts.csv`.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_accounts(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(b"id,external_id,name,parent_external_id\n")?;
        let mut line = String::new();
        for row in 0..self.accounts {
            let mut draws = self.draws(Stream::Account, row);
            let repeats = row > 0 && draws.one_in(1000);
            let account = if repeats { draws.below(row) } else { row };
            line.clear();
            self.push_id(Stream::AccountId, row, &mut line);
            line.push(',');
            push_external_id(account, &mut line);
            line.push(',');
            push_cell(&company_name(&mut draws), &mut line);
            line.push(',');
            if draws.below(10) < 6 {
                push_external_id(draws.below(self.accounts), &mut line);
            }
            line.push('\n');
            out.write_all(line.as_bytes())?;
        }
        out.flush()
    }

    fn write_account_updates(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(b"external_id,proposed_id,name,parent_external_id\n")?;
        let mut line = String::new();
        for row in 0..self.accounts {
            let mut draws = self.draws(Stream::Update, row);
            let repeats = row > 0 && draws.one_in(50);
            let account = self.updated_account(if repeats { draws.below(row) } else { row });
            line.clear();
            push_external_id(account, &mut line);
            line.push(',');
            self.push_id(Stream::ProposedId, account, &mut line);
            line.push(',');
            push_cell(&company_name(&mut draws), &mut line);
            line.push(',');
            match draws.below(20) {
                0 => {}
                1 => {
                    let nowhere = 50 * self.accounts + draws.below(self.accounts);
                    push_external_id(nowhere, &mut line);
                }
                2..=10 => push_external_id(draws.below(self.accounts), &mut line),
                _ => {
                    let same_file = self.updated_account(draws.below(self.accounts));
                    push_external_id(same_file, &mut line);
                }
            }
            line.push('\n');
            out.write_all(line.as_bytes())?;
        }
        out.flush()
    }

    /// Writes `usage.csv`.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_usage(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(b"external_account_id,event_ts,product,seats,mrr,active,note\n")?;
        let mut line = String::new();
        for row in 0..self.usage_rows {
            line.clear();
            self.push_usage(row, &mut line);
            line.push('\n');
            out.write_all(line.as_bytes())?;
        }
        out.flush()
    }

    /// Appends the cells of a usage row; answers where each but the last ends.
    pub(crate) fn push_usage(&self, row: u64, line: &mut String) -> [usize; 6] {
        let mut ends = [0; 6];
        let mut draws = self.draws(Stream::Usage, row);
        let repeats = row > 0 && draws.one_in(20);
        let key = self.usage_key(if repeats { draws.below(row) } else { row });
        push_external_id(key.account, line);
        ends[0] = line.len();
        line.push(',');
        let second_of_day = draws.below(86_400) as i64;
        push_instant(
            (FIRST_DAY + key.day) * 86_400 + second_of_day,
            draws.pick(&OFFSETS),
            line,
        );
        ends[1] = line.len();
        line.push(',');
        line.push_str(key.product);
        ends[2] = line.len();
        line.push(',');
        // Every draw is made, used or not: a bad cell must not move what follows.
        let trouble = draws.below(400);
        let seats = draws.below(5000);
        if self.bad_numbers && trouble == 0 {
            line.push_str(["12x", "N/A", "--", "seven"][(seats % 4) as usize]);
        } else {
            push(line, format_args!("{seats}"));
        }
        ends[3] = line.len();
        line.push(',');
        let cents = draws.below(10_000_000);
        if self.bad_numbers && trouble == 1 {
            line.push_str(["abc", "N/A", "\"1,234.50\"", "12.3.4"][(cents % 4) as usize]);
        } else {
            push(line, format_args!("{}.{:02}", cents / 100, cents % 100));
        }
        ends[4] = line.len();
        let active = !draws.one_in(10);
        push(line, format_args!(",{active}"));
        ends[5] = line.len();
        line.push(',');
        push_cell(&note(&mut draws, self.more_words), line);
        ends
    }

    /// What a usage row is keyed by.
    fn usage_key(&self, row: u64) -> UsageKey {
        let mut draws = self.draws(Stream::UsageKey, row);
        // The square puts most rows on few accounts.
        let unit = draws.unit();
        let known = ((self.accounts as f64 * unit * unit) as u64).min(self.accounts - 1);
        let unknown = draws.one_in(100);
        let nowhere = 1000 * self.accounts + draws.below(self.accounts * 10);
        UsageKey {
            account: if unknown { nowhere } else { known },
            product: draws.pick(&PRODUCTS),
            day: draws.below(365) as i64,
        }
    }

    /// The account that a row of the updates is about: an existing one or a new one.
    fn updated_account(&self, row: u64) -> u64 {
        let mut draws = self.draws(Stream::UpdateKey, row);
        if draws.one_in(2) {
            draws.below(self.accounts)
        } else {
            self.accounts + row
        }
    }

    /// Appends the id of a record in the host: 36 characters.
    fn push_id(&self, stream: Stream, row: u64, line: &mut String) {
        const ALPHABET: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        let mut draws = self.draws(stream, row);
        line.push_str(match stream {
            Stream::AccountId => "1P01",
            _ => "1P02",
        });
        for _ in 0..4 {
            let mut bits = draws.next();
            for _ in 0..8 {
                line.push(ALPHABET[(bits % 36) as usize].into());
                bits /= 36;
            }
        }
    }

    fn draws(&self, stream: Stream, row: u64) -> Draws {
        Draws::new(self.seed, stream, row)
    }
}

struct UsageKey {
    account: u64,
    product: &'static str,
    /// Days after the first one, in UTC.
    day: i64,
}

/// Appends the id of an account in the outside system: 24 characters that do not compress into a number.
fn push_external_id(account: u64, line: &mut String) {
    let tail = mix(account ^ 0x5eed) & 0xf_ffff_ffff;
    push(line, format_args!("EXT-{account:010}-{tail:09x}"));
}

fn company_name(draws: &mut Draws) -> String {
    let form = draws.below(20);
    let (first, second) = (draws.pick(&WORDS), draws.pick(&WORDS));
    let name = format!("{first} {second} {}", draws.below(100_000));
    match form {
        0 => format!("{name}, Inc."),
        1 => format!("\"{name}\" GmbH"),
        2 => format!("Société {name}"),
        _ => name,
    }
}

/// Three to eleven words, and as many more; of 100 notes 10 are empty, 10 hold a comma, 2 quotes and 3 a line break.
fn note(draws: &mut Draws, more_words: u64) -> String {
    let mut note = String::new();
    let form = draws.below(100);
    if form < 10 {
        return note;
    }
    for position in 0..3 + draws.below(9) + more_words {
        note.push_str(match (position, form) {
            (0, _) => "",
            (2, 10..=19) => ", ",
            (2, 97..) => "\n",
            _ => " ",
        });
        let word = draws.pick(&WORDS);
        if position == 1 && matches!(form, 95 | 96) {
            push(&mut note, format_args!("\"{word}\""));
        } else {
            note.push_str(word);
        }
    }
    note
}

/// Appends a CSV cell, quoted only if it must be.
fn push_cell(text: &str, line: &mut String) {
    if text.contains([',', '"', '\n']) {
        line.push('"');
        line.push_str(&text.replace('"', "\"\""));
        line.push('"');
    } else {
        line.push_str(text);
    }
}

/// Appends an instant, given in seconds since 1970, as the local time and its offset.
fn push_instant(seconds: i64, offset_minutes: i64, line: &mut String) {
    let local = seconds + offset_minutes * 60;
    let (year, month, day) = civil_from_days(local.div_euclid(86_400));
    let clock = local.rem_euclid(86_400);
    let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
    let sign = if offset_minutes < 0 { '-' } else { '+' };
    let (offset_hours, offset_rest) = (offset_minutes.abs() / 60, offset_minutes.abs() % 60);
    push(
        line,
        format_args!(
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{sign}{offset_hours:02}:{offset_rest:02}"
        ),
    );
}

/// Year, month and day from days since 1970-01-01. Years that begin in March put the leap day last.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = match month_from_march {
        0..=9 => month_from_march + 3,
        _ => month_from_march - 9,
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Appends formatted text.
fn push(line: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = line.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xxh64;

    /// The whole of all later figures hangs on these bytes.
    #[test]
    fn small_scale_is_byte_for_byte_the_known_one() {
        let workload = Workload::new(100_000);
        let mut files = [Vec::new(), Vec::new(), Vec::new()];
        workload.write_accounts(&mut files[0]).unwrap();
        workload.write_account_updates(&mut files[1]).unwrap();
        workload.write_usage(&mut files[2]).unwrap();
        let found = files.map(|bytes| (bytes.len(), format!("{:016x}", xxh64(&bytes))));
        let known = [
            (975_054, "d71b275afe4b6b79"),
            (1_060_131, "2b50d18adf1ab3af"),
            (12_054_178, "8222c410853d82ec"),
        ];
        assert_eq!(found, known.map(|(length, sum)| (length, sum.to_owned())));
    }
}
