//! What is read, and how it is prepared.

use serde::{Deserialize, Serialize};

use super::Expr;
use crate::error::Problem;
use crate::record::Field;

/// A dataset: a source, a filter over its columns, and formula fields for the rows kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DatasetSpec {
    /// The version of this form: 1.
    pub version: u32,
    /// Where the records come from.
    pub source: SourceSpec,
    /// Keeps the rows for which it is true. Sees the source's columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Expr>,
    /// Fields computed for the rows kept, in order; each sees the columns and the formulas before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub formulas: Vec<FormulaSpec>,
}

impl DatasetSpec {
    /// All records of a source.
    pub fn new(source: SourceSpec) -> Self {
        DatasetSpec {
            version: 1,
            source,
            filter: None,
            formulas: Vec::new(),
        }
    }
}

/// A computed field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FormulaSpec {
    /// Its name; no column has it.
    pub name: String,
    /// Its value.
    pub value: Expr,
}

impl FormulaSpec {
    /// A computed field.
    pub fn new(name: impl Into<String>, value: Expr) -> Self {
        FormulaSpec {
            name: name.into(),
            value,
        }
    }
}

/// Where records come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum SourceSpec {
    /// A delimited file.
    File(FileSource),
}

/// A delimited file and the columns of it that matter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FileSource {
    /// Its name in the file store.
    pub name: String,
    /// How it is written.
    #[serde(default)]
    pub format: Delimited,
    /// The columns that can be used, found by their header; the file may have more.
    pub columns: Vec<Field>,
}

impl FileSource {
    /// A comma-separated file.
    pub fn new(name: impl Into<String>, columns: Vec<Field>) -> Self {
        FileSource {
            name: name.into(),
            format: Delimited::default(),
            columns,
        }
    }

    /// What is wrong with it, as far as can be seen without the file. `path` is its place in a spec.
    pub fn problems(&self, path: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.columns.is_empty() {
            problems.push(Problem::new(
                format!("{path}.columns"),
                "name at least one column",
            ));
        }
        for (i, column) in self.columns.iter().enumerate() {
            if self.columns[..i]
                .iter()
                .any(|other| other.name == column.name)
            {
                let message = format!(
                    "the column `{}` is there twice; keep one of the two",
                    column.name
                );
                problems.push(Problem::new(format!("{path}.columns[{i}].name"), message));
            }
        }
        problems.extend(self.format.problems(&format!("{path}.format")));
        problems
    }
}

/// How a delimited file is written; its first record is the header. The default is comma-separated and quoted
/// with `"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Delimited {
    /// Stands between fields: one ASCII character, no letter or digit.
    pub delimiter: char,
    /// Encloses fields that hold a delimiter, a line break or a quote (which is doubled).
    pub quote: char,
    /// Unquoted cells that mean null, besides the empty one. A quoted cell is always a text.
    pub null_tokens: Vec<String>,
    /// Whether the unquoted empty cell is a text and not null.
    pub empty_is_text: bool,
    /// Bounds that protect against broken files.
    pub limits: Limits,
}

impl Default for Delimited {
    fn default() -> Self {
        Delimited {
            delimiter: ',',
            quote: '"',
            null_tokens: Vec::new(),
            empty_is_text: false,
            limits: Limits::default(),
        }
    }
}

impl Delimited {
    /// Comma-separated values.
    pub fn csv() -> Self {
        Self::default()
    }

    /// Tab-separated values.
    pub fn tsv() -> Self {
        Delimited {
            delimiter: '\t',
            ..Self::default()
        }
    }

    /// What is wrong with it. `path` is its place in a spec.
    pub fn problems(&self, path: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (field, character) in [("delimiter", self.delimiter), ("quote", self.quote)] {
            let stranger = matches!(character, '\n' | '\r' | '\0');
            if !character.is_ascii() || character.is_ascii_alphanumeric() || stranger {
                let message = "one ASCII character that is no letter, digit, line break or NUL";
                problems.push(Problem::new(format!("{path}.{field}"), message));
            }
        }
        if self.delimiter == self.quote {
            let message = "delimiter and quote are the same character; choose two";
            problems.push(Problem::new(format!("{path}.quote"), message));
        }
        let limits = [
            ("record_bytes", self.limits.record_bytes),
            ("header_bytes", self.limits.header_bytes),
        ];
        for (field, bytes) in limits {
            if !(1..=Limits::MOST_BYTES).contains(&bytes) {
                let message = format!("1 to {} bytes (1 GiB)", Limits::MOST_BYTES);
                problems.push(Problem::new(format!("{path}.limits.{field}"), message));
            }
        }
        problems
    }
}

/// Bounds of a delimited file, in bytes as read (quotes included) and in columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Limits {
    /// A longer field rejects its record.
    pub field_bytes: u32,
    /// A longer record is rejected. 1 byte to 1 GiB.
    pub record_bytes: u32,
    /// A longer header fails the file; blank lines in front of it count. 1 byte to 1 GiB.
    pub header_bytes: u32,
    /// More columns in the header fail the file.
    pub columns: u32,
}

impl Limits {
    /// The most that a record or a header may be allowed to have.
    pub(crate) const MOST_BYTES: u32 = 1 << 30;
}

impl Default for Limits {
    /// 1 MiB a field, 8 MiB a record, 1 MiB the header, 4096 columns.
    fn default() -> Self {
        Limits {
            field_bytes: 1 << 20,
            record_bytes: 8 << 20,
            header_bytes: 1 << 20,
            columns: 4096,
        }
    }
}
