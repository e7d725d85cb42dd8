//! Delimited files: how they are written, and the columns of them that matter.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::ValueFormat;
use crate::error::Problem;
use crate::record::notation::Notation;
use crate::record::{Field, FieldType, Schema};

/// A delimited file and the columns of it that matter.
///
/// ```
/// use syncline::record::FieldType;
/// use syncline::spec::{Column, FileSource};
///
/// let source = FileSource::new("people.csv", [
///     Column::new("name", FieldType::Text),
///     Column::new("born", FieldType::Date)
///         .with_format(serde_json::from_str(r#"{"time": {"patterns": ["%d.%m.%Y"]}}"#)?),
/// ]);
/// assert!(source.problems("file").is_empty());
/// assert_eq!(source.schema().fields()[1].name, "born");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FileSource {
    /// Its name in the file store.
    pub name: String,
    /// How it is written.
    #[serde(default)]
    pub format: Delimited,
    /// The columns that can be used, found by their header; the file may have more. In a file
    /// [without header](Header::Absent) they are all the columns, in order.
    pub columns: Vec<Column>,
}

impl FileSource {
    /// A comma-separated file.
    pub fn new(
        name: impl Into<String>,
        columns: impl IntoIterator<Item = impl Into<Column>>,
    ) -> Self {
        FileSource {
            name: name.into(),
            format: Delimited::default(),
            columns: columns.into_iter().map(Into::into).collect(),
        }
    }

    /// The columns as typed fields, in order.
    pub fn schema(&self) -> Schema {
        Schema::new(self.columns.iter().map(Column::field).collect::<Vec<_>>())
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
        let mut names = HashMap::with_capacity(self.columns.len());
        for (i, column) in self.columns.iter().enumerate() {
            let known = names.entry(self.format.header.key(&column.name));
            let known = *known.or_insert(&column.name);
            if !std::ptr::eq(known, &column.name) {
                let name = &column.name;
                let message = match known == name {
                    true => format!("the column `{name}` is there twice; keep one of the two"),
                    false => format!(
                        "`{known}` and `{name}` are the same column under the format's `header`; keep one of the two"
                    ),
                };
                problems.push(Problem::new(format!("{path}.columns[{i}].name"), message));
            }
            let notation = column.notation(&format!("{path}.columns[{i}].format"));
            problems.extend(notation.err().unwrap_or_default());
        }
        problems.extend(self.format.problems(&format!("{path}.format")));
        problems
    }
}

/// A column of a delimited file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Column {
    /// Its name, as [`Header`] says.
    pub name: String,
    /// What its values mean.
    #[serde(rename = "type")]
    pub field_type: FieldType,
    /// Whether a record without a value here is refused where records are written.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// How its values are written; as [`record::parse`](crate::record::parse) says without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<ValueFormat>,
}

impl Column {
    /// A column of values in their usual form.
    pub fn new(name: impl Into<String>, field_type: FieldType) -> Self {
        Column {
            name: name.into(),
            field_type,
            required: false,
            format: None,
        }
    }

    /// The same, written like this.
    #[must_use]
    pub fn with_format(mut self, format: ValueFormat) -> Self {
        self.format = Some(format);
        self
    }

    /// The format checked for the type and ready to read, if there is one. `path` is its place in a spec.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn notation(&self, path: &str) -> Result<Option<Notation>, Vec<Problem>> {
        let format = self.format.as_ref();
        let notation = format.map(|format| format.notation(&self.field_type, path));
        notation.transpose()
    }

    /// Name and type.
    pub fn field(&self) -> Field {
        let field = Field::new(&self.name, self.field_type.clone());
        match self.required {
            true => field.required(),
            false => field,
        }
    }
}

impl From<Field> for Column {
    fn from(field: Field) -> Self {
        Column {
            name: field.name,
            field_type: field.field_type,
            required: field.required,
            format: None,
        }
    }
}

/// How a delimited file is written. The default is UTF-8, comma-separated, quoted with `"`, its first record the header.
///
/// ```
/// use syncline::spec::Delimited;
///
/// let format: Delimited = serde_json::from_str(
///     r#"{"delimiter": ";", "header": "ignore_case", "encoding": "windows-1252", "null_tokens": ["-"]}"#)?;
/// assert!(format.problems("format").is_empty());
///
/// let mut wrong = Delimited::tsv();
/// wrong.quote = Some('\t');
/// assert_eq!(wrong.problems("format")[0].path, "format.quote");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Delimited {
    /// Stands between fields: one ASCII character, no letter or digit.
    pub delimiter: char,
    /// Encloses fields that hold a delimiter, a line break or a quote. With null nothing does: every quote is a character
    /// like any other.
    pub quote: Option<char>,
    /// How a quote inside quotes is written.
    pub escape: Escape,
    /// Lines that begin with this ASCII character are no records, nor the header. Only in front of a record: a line within
    /// quotes is text.
    pub comment: Option<char>,
    /// How many lines in front of the header, or of the first record, are passed over, whatever is in them. A file with fewer
    /// is as an empty one.
    pub skip_lines: u32,
    /// How columns are found.
    pub header: Header,
    /// How characters are written.
    pub encoding: Encoding,
    /// How the file is packed. Other than `none` needs the feature `compression`.
    pub compression: Compression,
    /// Unquoted cells that mean null, besides the empty one. A quoted cell is always a text.
    pub null_tokens: Vec<String>,
    /// Whether the unquoted empty cell is a text and not null.
    pub empty_is_text: bool,
    /// Whether cells, names of columns included, that a spreadsheet would take for formulas have an apostrophe in front, as in
    /// [reject files](crate::file::RejectFiles). It is [put there](crate::file::guard_cell) where a file is written and
    /// [taken off](crate::file::unguard_cell) where it is read.
    pub guarded: bool,
    /// Bounds that protect against broken files.
    pub limits: Limits,
}

impl Default for Delimited {
    fn default() -> Self {
        Delimited {
            delimiter: ',',
            quote: Some('"'),
            escape: Escape::Doubled,
            comment: None,
            skip_lines: 0,
            header: Header::Exact,
            encoding: Encoding::Utf8,
            compression: Compression::None,
            null_tokens: Vec::new(),
            empty_is_text: false,
            guarded: false,
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
        let marks = [
            ("delimiter", Some(self.delimiter)),
            ("quote", self.quote),
            ("comment", self.comment),
        ];
        for (i, (field, character)) in marks.iter().enumerate() {
            let Some(character) = *character else {
                continue;
            };
            let mut wrong =
                |message: String| problems.push(Problem::new(format!("{path}.{field}"), message));
            if !character.is_ascii()
                || character.is_ascii_alphanumeric()
                || matches!(character, '\n' | '\r' | '\0')
            {
                wrong("one ASCII character that is no letter, digit, line break or NUL".into());
            }
            let mut others = marks.iter().take(i);
            if let Some((other, _)) = others.find(|(_, other)| *other == Some(character)) {
                wrong(format!(
                    "{other} and {field} are the same character; choose two"
                ));
            }
            if character == '\\' && self.escape == Escape::Backslash {
                wrong("the backslash is the escape; choose another character, or the escape `doubled`".into());
            }
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

    /// What keeps files from being written so, besides its [problems](Self::problems): they are written as plain UTF-8.
    /// `path` is its place in a spec.
    pub fn problems_of_writing(&self, path: &str) -> Vec<Problem> {
        let asked = [
            (
                "encoding",
                self.encoding != Encoding::Utf8,
                "leave it at `utf-8`",
            ),
            (
                "compression",
                self.compression != Compression::None,
                "leave it at `none`",
            ),
            ("skip_lines", self.skip_lines > 0, "leave it at 0"),
        ];
        let asked = asked.into_iter().filter(|(_, is_asked, _)| *is_asked);
        let problem = |(field, _, advice): (&str, bool, &str)| {
            let message = format!(
                "files are written as plain UTF-8, with nothing in front of the header; {advice}"
            );
            Problem::new(format!("{path}.{field}"), message)
        };
        asked.map(problem).collect()
    }
}

/// How a quote inside quotes is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Escape {
    /// Twice.
    #[default]
    Doubled,
    /// Behind a backslash, which takes the meaning from any one character behind it, inside quotes and outside:
    /// of a delimiter, a quote, a line break (of CRLF both), a backslash. A letter stays itself: `\n` is an `n` and no line break.
    /// Inside quotes two quotes are one as well.
    /// [Null tokens](Delimited::null_tokens) are compared with the cell as it is written: `\N` can be one.
    Backslash,
}

/// How the columns of a delimited file are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Header {
    /// By the names in the first record, equal to the last byte.
    #[default]
    Exact,
    /// By the names in the first record, without white space around them.
    Trimmed,
    /// By the names in the first record, without white space around them and whatever the case of their letters.
    IgnoreCase,
    /// There is no header: by their place.
    Absent,
}

impl Header {
    /// What two names of one column have in common.
    pub(crate) fn key(self, name: &str) -> Cow<'_, str> {
        match self {
            Header::Exact | Header::Absent => Cow::Borrowed(name),
            Header::Trimmed => Cow::Borrowed(name.trim()),
            Header::IgnoreCase => Cow::Owned(name.trim().to_lowercase()),
        }
    }
}

/// How the characters of a file are written as bytes. A byte order mark is passed over where it belongs to the encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum Encoding {
    /// UTF-8, and with it ASCII.
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    /// UTF-16, little-endian.
    #[serde(rename = "utf-16le")]
    Utf16Le,
    /// UTF-16, big-endian.
    #[serde(rename = "utf-16be")]
    Utf16Be,
    /// UTF-16 in the order that its byte order mark tells.
    #[serde(rename = "utf-16")]
    Utf16,
    /// Western European.
    #[serde(rename = "iso-8859-1")]
    Iso8859_1,
    /// Central European.
    #[serde(rename = "iso-8859-2")]
    Iso8859_2,
    /// South European.
    #[serde(rename = "iso-8859-3")]
    Iso8859_3,
    /// Western European, with the euro sign.
    #[serde(rename = "iso-8859-15")]
    Iso8859_15,
    /// Western European of Windows.
    #[serde(rename = "windows-1252")]
    Windows1252,
}

/// How a file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip, of one member or several.
    Gzip,
    /// bzip2, of one stream or several.
    Bzip2,
    /// Zstandard, of one frame or several.
    Zstd,
}

/// Bounds of a delimited file, in bytes of its UTF-8 text (quotes included) and in columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Limits {
    /// A longer field rejects its record.
    pub field_bytes: u32,
    /// A longer record is rejected. 1 byte to 1 GiB.
    pub record_bytes: u32,
    /// A longer header fails the file; blank lines and comments in front of it count. 1 byte to 1 GiB.
    pub header_bytes: u32,
    /// More columns in the header fail the file.
    pub columns: u32,
    /// A packed file that holds more fails when it gets there.
    pub unpacked_bytes: u64,
    /// A packed file that grows to more than so many times its size fails, from 64 MiB on.
    pub expansion: u32,
}

impl Limits {
    /// The most that a record or a header may be allowed to have.
    pub(crate) const MOST_BYTES: u32 = 1 << 30;
}

impl Default for Limits {
    /// 1 MiB a field, 8 MiB a record, 1 MiB the header, 4096 columns; unpacked 1 TiB and 250 times the packed size.
    fn default() -> Self {
        Limits {
            field_bytes: 1 << 20,
            record_bytes: 8 << 20,
            header_bytes: 1 << 20,
            columns: 4096,
            unpacked_bytes: 1 << 40,
            expansion: 250,
        }
    }
}
