//! The check of what a program left behind: counts, and checksums that do not depend on the order of rows.

use std::error::Error;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use csv::StringRecord;

use super::xxh64;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// One of the two reference jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferenceJob {
    /// Usage with a direct lookup of its account: `benches/jobs/j1.json`.
    J1,
    /// Updates of accounts with a self lookup of the parent: `benches/jobs/j2.json`.
    J2,
}

impl FromStr for ReferenceJob {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "J1" => Ok(ReferenceJob::J1),
            "J2" => Ok(ReferenceJob::J2),
            _ => Err(format!("`{text}` is none of the jobs J1 and J2")),
        }
    }
}

/// Number of rows and the sum of their hashes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checked {
    /// The rows.
    pub rows: u64,
    /// Sum modulo 2^64 of the XXH64 of each row's canonical cells, joined by `0x1f`. Null is empty,
    /// money is in cents, an instant in seconds since 1970.
    pub checksum: u64,
}

impl Checked {
    fn add<'a>(&mut self, cells: impl IntoIterator<Item = &'a str>) {
        let row: Vec<&str> = cells.into_iter().collect();
        self.rows += 1;
        self.checksum = self
            .checksum
            .wrapping_add(xxh64(row.join("\x1f").as_bytes()));
    }
}

/// What a job left behind; printed as one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// The job.
    pub job: ReferenceJob,
    /// The destination object.
    pub written: Checked,
    /// The rejects of J1. Those of J2 are not looked at: how many of the rows of one key are refused
    /// and how many superseded is told by the report.
    pub rejected: Checked,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} csv rows={} checksum={:016x} errors={} errsum={:016x}",
            self.job,
            self.written.rows,
            self.written.checksum,
            self.rejected.rows,
            self.rejected.checksum
        )
    }
}

/// The line that a job must give on a workload of so many usage rows, if it is known.
pub fn expected(job: ReferenceJob, usage_rows: u64) -> Option<&'static str> {
    let prefix = format!("{usage_rows} ");
    include_str!("../../expected.txt")
        .lines()
        .filter_map(|line| line.strip_prefix(&prefix))
        .find(|line| line.starts_with(&format!("{job:?} ")))
}

/// Checks the files that a job left in a directory: `usage.csv` or `account.csv`, and `rejects/*.csv`.
///
/// # Errors
/// When a file or a column is missing, or a cell is not written as it should be.
pub fn verify(job: ReferenceJob, directory: &Path) -> Result<Verdict> {
    let mut written = Checked::default();
    let mut rejected = Checked::default();
    match job {
        ReferenceJob::J1 => {
            let columns = [
                "account_id",
                "product",
                "day",
                "event_ts",
                "seats",
                "mrr",
                "arr",
                "note",
            ];
            for_each_row(&directory.join("usage.csv"), columns, |row| {
                let [account, product, day, event, seats, mrr, arr, note] = row;
                let (event, mrr, arr) = (
                    epoch_seconds(event)?.to_string(),
                    cents(mrr)?.to_string(),
                    cents(arr)?.to_string(),
                );
                written.add([account, product, day, &event, seats, &mrr, &arr, note]);
                Ok(())
            })?;
            let columns = [
                "external_account_id",
                "event_ts",
                "product",
                "seats",
                "mrr",
                "_reason",
            ];
            for file in reject_files(directory)? {
                for_each_row(&file, columns, |row| {
                    let [account, event, product, seats, mrr, reason] = row;
                    let as_read = [account, event, product, seats, mrr].map(unguarded);
                    rejected.add(as_read.into_iter().chain([reason]));
                    Ok(())
                })?;
            }
        }
        ReferenceJob::J2 => {
            let columns = ["id", "external_id", "name", "parent_id"];
            for_each_row(&directory.join("account.csv"), columns, |row| {
                written.add(row);
                Ok(())
            })?;
        }
    }
    Ok(Verdict {
        job,
        written,
        rejected,
    })
}

/// Gives the cells of these columns, found by their header, row by row.
fn for_each_row<const N: usize>(
    file: &Path,
    columns: [&str; N],
    mut each: impl FnMut([&str; N]) -> Result<()>,
) -> Result<()> {
    let in_file = |error: Box<dyn Error + Send + Sync>| format!("{}: {error}", file.display());
    let mut reader = csv::Reader::from_path(file).map_err(|error| in_file(error.into()))?;
    let header = reader.headers()?.clone();
    let mut positions = [0; N];
    for (position, column) in positions.iter_mut().zip(columns) {
        *position = (header.iter().position(|name| name == column))
            .ok_or_else(|| in_file(format!("there is no column `{column}`").into()))?;
    }
    let mut record = StringRecord::new();
    while (reader.read_record(&mut record)).map_err(|error| in_file(error.into()))? {
        // The reader refuses records of another length than the header's.
        each(positions.map(|position| &record[position])).map_err(|error| {
            in_file(format!("record {}: {error}", reader.position().record()).into())
        })?;
    }
    Ok(())
}

fn reject_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let folder = directory.join("rejects");
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "csv") {
            files.push(path);
        }
    }
    Ok(files)
}

/// A cell of a rejects file without the apostrophe that keeps spreadsheets from running it.
fn unguarded(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.starts_with(['=', '+', '-', '@', '\t', '\r']) => rest,
        _ => cell,
    }
}

/// `12.50` as 1250.
fn cents(text: &str) -> Result<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "00"));
    if fraction.len() != 2 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("`{text}` is no amount with two digits behind the point").into());
    }
    Ok(format!("{whole}{fraction}").parse()?)
}

/// `2025-03-04T12:34:56Z` as seconds since 1970.
fn epoch_seconds(text: &str) -> Result<i64> {
    let wrong = || format!("`{text}` is no instant like 2025-03-04T12:34:56Z");
    let (day, clock) = text
        .strip_suffix('Z')
        .and_then(|text| text.split_once('T'))
        .ok_or_else(wrong)?;
    let [year, month, day] = numbers(day, '-').ok_or_else(wrong)?;
    let [hour, minute, second] = numbers(clock, ':').ok_or_else(wrong)?;
    Ok(days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    let mut parts = text.split(separator).map(|part| part.parse().ok());
    let three = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(three)
}

/// Counted in years that begin in March, so that the leap day is the last of its year.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year
        - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_become_canonical() {
        assert_eq!(epoch_seconds("1970-01-01T00:00:00Z").unwrap(), 0);
        assert_eq!(
            epoch_seconds("2024-02-29T12:34:56Z").unwrap(),
            1_709_210_096
        );
        assert!(epoch_seconds("2024-02-29T12:34:56+01:00").is_err());
        assert_eq!(cents("12.50").unwrap(), 1250);
        assert_eq!(cents("-0.05").unwrap(), -5);
        assert!(cents("12.5").is_err());
        assert_eq!(unguarded("'--"), "--");
        assert_eq!(unguarded("'tis"), "'tis");
    }

    #[test]
    fn both_jobs_are_known_at_both_scales() {
        for job in [ReferenceJob::J1, ReferenceJob::J2] {
            for rows in [100_000, 1_000_000] {
                assert!(expected(job, rows).is_some(), "{job:?} at {rows}");
            }
        }
        assert!(expected(ReferenceJob::J1, 10_000).is_none());
    }
}
