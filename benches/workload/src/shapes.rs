//! The usage rows in other shapes, each with the job that copies them from file to file.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::str::FromStr;

use super::generate::Workload;

/// Name and type of each column of `usage.csv`.
const COLUMNS: [(&str, &str); 7] = [
    ("external_account_id", "text"),
    ("event_ts", "datetime"),
    ("product", "text"),
    ("seats", "integer"),
    ("mrr", "decimal(12,2)"),
    ("active", "boolean"),
    ("note", "text"),
];

/// What a row is like. The values are those of the usage file, but that all numbers are good: a row of 200
/// cells would be refused far more often than one of five, and the comparison would be one of rejects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// The seven columns of the usage file, some 120 bytes a row.
    Usage,
    /// The first five of them.
    Narrow,
    /// 200 columns: the seven again and again.
    Wide,
    /// The seven, with notes of about 1 KiB.
    Long,
}

impl Shape {
    /// All of them, by the names that the command line uses.
    pub const ALL: [(&str, Shape); 4] = [
        ("usage", Shape::Usage),
        ("narrow", Shape::Narrow),
        ("wide", Shape::Wide),
        ("long", Shape::Long),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Shape::Usage => "usage",
            Shape::Narrow => "narrow",
            Shape::Wide => "wide",
            Shape::Long => "long",
        }
    }

    fn columns(self) -> usize {
        match self {
            Shape::Usage | Shape::Long => COLUMNS.len(),
            Shape::Narrow => 5,
            Shape::Wide => 200,
        }
    }

    /// Writes `<shape>.csv` with so many rows, and `<shape>.json`, the job that copies it.
    ///
    /// # Errors
    /// When the directory or a file cannot be written.
    pub fn write_to(self, rows: u64, directory: &Path) -> io::Result<()> {
        fs::create_dir_all(directory)?;
        let file = File::create(directory.join(format!("{}.csv", self.name())))?;
        self.write_rows(rows, &mut BufWriter::with_capacity(1 << 20, file))?;
        fs::write(directory.join(format!("{}.json", self.name())), self.job())
    }

    fn write_rows(self, rows: u64, out: &mut impl Write) -> io::Result<()> {
        let parts = self.columns().div_ceil(COLUMNS.len()) as u64;
        let mut usage = Workload::new(rows * parts).without_bad_numbers();
        if self == Shape::Long {
            // The words have six and a half bytes each, with the blank.
            usage = usage.with_more_words(150);
        }
        writeln!(out, "{}", self.names().join(","))?;
        let mut line = String::new();
        for row in 0..rows {
            line.clear();
            let mut columns = self.columns();
            for part in 0..parts {
                let ends = usage.push_usage((row * parts + part) % usage.usage_rows(), &mut line);
                if columns < COLUMNS.len() {
                    line.truncate(ends[columns - 1]);
                } else {
                    columns -= COLUMNS.len();
                }
                line.push(if part + 1 < parts { ',' } else { '\n' });
            }
            out.write_all(line.as_bytes())?;
        }
        out.flush()
    }

    /// The columns' names: numbered, where there are several of a kind.
    fn names(self) -> Vec<String> {
        let name = |column: usize| match self {
            Shape::Wide => {
                let (name, _) = COLUMNS[column % COLUMNS.len()];
                format!("{name}_{}", column / COLUMNS.len())
            }
            _ => COLUMNS[column].0.to_owned(),
        };
        (0..self.columns()).map(name).collect()
    }

    /// The job that copies the file to the object `copy`, which is a file too.
    fn job(self) -> String {
        let mut fields = String::new();
        let mut mapped = String::new();
        for (column, name) in self.names().iter().enumerate() {
            let (_, field_type) = COLUMNS[column % COLUMNS.len()];
            let comma = if column == 0 { "" } else { "," };
            // Writing to a string cannot fail.
            let _ = write!(
                fields,
                r#"{comma}{{"name": "{name}", "type": "{field_type}"}}"#
            );
            let _ = write!(mapped, r#"{comma}{{"field": "{name}", "from": "{name}"}}"#);
        }
        let name = self.name();
        format!(
            r#"{{"version": 1, "name": "{name}",
"dataset": {{"version": 1, "source": {{"file": {{"name": "{name}.csv", "columns": [{fields}]}}}}}},
"objects": [{{"name": "copy", "identity": "none", "store": "file", "fields": [{fields}]}}],
"destinations": [{{"object": "copy", "mode": "insert", "mapping": {{"fields": [{mapped}]}}}}]}}
"#
        )
    }
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Shape::ALL.iter().find(|(name, _)| *name == text);
        known
            .map(|(_, shape)| *shape)
            .ok_or_else(|| format!("`{text}` is none of the shapes usage, narrow, wide and long"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_has_a_cell_for_each_column() {
        for (_, shape) in Shape::ALL {
            let mut file = Vec::new();
            shape.write_rows(500, &mut file).unwrap();
            let mut reader = csv::Reader::from_reader(&file[..]);
            assert_eq!(reader.headers().unwrap().len(), shape.columns());
            let rows: Vec<_> = reader.records().collect::<Result<_, _>>().unwrap();
            assert_eq!(rows.len(), 500, "{shape:?}");
        }
    }

    #[test]
    fn long_notes_have_about_a_kibibyte() {
        let mut file = Vec::new();
        Shape::Long.write_rows(1000, &mut file).unwrap();
        let mut reader = csv::Reader::from_reader(&file[..]);
        let lengths: Vec<usize> = (reader.records())
            .map(|row| row.unwrap()[6].len())
            .filter(|&length| length > 0)
            .collect();
        let mean = lengths.iter().sum::<usize>() / lengths.len();
        assert!((900..1150).contains(&mean), "{mean}");
    }
}
