//! A record that was refused: which, where, why.

use std::borrow::Cow;

use super::{Position, RawRecord, RowOp};

/// Why a record was refused: the fixed vocabulary of `_reason` in reject files.
///
/// ```
/// use syncline::record::Reason;
///
/// assert_eq!(Reason::MultiMatch.code(), "multi_match");
/// let read_back = Reason::ALL.into_iter().find(|reason| reason.code() == "multi_match");
/// assert_eq!(read_back, Some(Reason::MultiMatch));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// `bad_value`: a value is none of its field's type, or does not convert without loss.
    BadValue,
    /// `bad_encoding`: a cell that the job needs is not valid UTF-8.
    BadEncoding,
    /// `wrong_column_count`: the record has more or fewer cells than the header.
    WrongColumnCount,
    /// `bad_quotes`: a quote is never closed, or text follows a closing quote.
    BadQuotes,
    /// `too_large`: the record or one of its fields passes a limit.
    TooLarge,
    /// `overflow`: a formula's result does not fit its type.
    Overflow,
    /// `division_by_zero`: a formula divides by zero.
    DivisionByZero,
    /// `out_of_range`: a formula asks for what is not there, like the third part of a text of two, or the root of a
    /// negative number.
    OutOfRange,
    /// `no_match`: a lookup, or an update, found no record.
    NoMatch,
    /// `multi_match`: a lookup, or the identifiers of an update or upsert, hit several records.
    MultiMatch,
    /// `empty_key`: a lookup key is null where the policy wants a value.
    EmptyKey,
    /// `empty_identifier`: no identifier of an update or upsert has all its values.
    EmptyIdentifier,
    /// `empty_cursor`: the cursor field of an incremental sync has no value.
    EmptyCursor,
    /// `missing_required`: a required field has no value.
    MissingRequired,
    /// `duplicate_key`: an earlier record of the run has the same key, and the policy keeps the first.
    DuplicateKey,
    /// `not_unique`: a record with the same identity, or the same values of a unique set, exists.
    NotUnique,
    /// `cycle`: the record would be its own ancestor.
    Cycle,
    /// `drifted`: the source has changed since the job was built, and the record does not fit what it was.
    Drifted,
    /// `refused`: the destination refused it for a reason of its own, told in the message.
    Refused,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Reason; 19] = [
        Reason::BadValue,
        Reason::BadEncoding,
        Reason::WrongColumnCount,
        Reason::BadQuotes,
        Reason::TooLarge,
        Reason::Overflow,
        Reason::DivisionByZero,
        Reason::OutOfRange,
        Reason::NoMatch,
        Reason::MultiMatch,
        Reason::EmptyKey,
        Reason::EmptyIdentifier,
        Reason::EmptyCursor,
        Reason::MissingRequired,
        Reason::DuplicateKey,
        Reason::NotUnique,
        Reason::Cycle,
        Reason::Drifted,
        Reason::Refused,
    ];

    /// The fixed snake_case code.
    pub fn code(self) -> &'static str {
        match self {
            Reason::BadValue => "bad_value",
            Reason::BadEncoding => "bad_encoding",
            Reason::WrongColumnCount => "wrong_column_count",
            Reason::BadQuotes => "bad_quotes",
            Reason::TooLarge => "too_large",
            Reason::Overflow => "overflow",
            Reason::DivisionByZero => "division_by_zero",
            Reason::OutOfRange => "out_of_range",
            Reason::NoMatch => "no_match",
            Reason::MultiMatch => "multi_match",
            Reason::EmptyKey => "empty_key",
            Reason::EmptyIdentifier => "empty_identifier",
            Reason::EmptyCursor => "empty_cursor",
            Reason::MissingRequired => "missing_required",
            Reason::DuplicateKey => "duplicate_key",
            Reason::NotUnique => "not_unique",
            Reason::Cycle => "cycle",
            Reason::Drifted => "drifted",
            Reason::Refused => "refused",
        }
    }
}

/// Why a row is refused, without the row: what decode, expressions, mapping and writers answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The reason.
    pub reason: Reason,
    /// The source column or destination field it is about, if there is one.
    pub field: Option<String>,
    /// What is wrong and what would be right, in a sentence without any value of the row.
    pub message: Cow<'static, str>,
}

impl Refusal {
    /// A refusal that is about no field in particular.
    pub fn new(reason: Reason, message: impl Into<Cow<'static, str>>) -> Self {
        Refusal {
            reason,
            field: None,
            message: message.into(),
        }
    }

    /// The same refusal, about `field`.
    #[must_use]
    pub fn of(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }
}

/// A record that was refused; it goes to the rejects, and the rest goes on.
///
/// ```
/// use syncline::record::{Position, RawRecord, Reason, Refusal, Reject};
///
/// let position = Position::new("usage.csv", 15).with_byte_and_line(1204, 17);
/// let refusal = Refusal::new(Reason::BadValue, "expected a date like 2025-01-31").of("since");
/// let raw = RawRecord::Cells(vec![Some("ada".into()), Some("31.1.".into())]);
/// let reject = Reject::new(position, refusal, raw);
/// assert_eq!(reject.position.to_string(), "usage.csv:17 (byte 1204)");
/// assert_eq!(reject.refusal.field.as_deref(), Some("since"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reject {
    /// Where the record stands in its source.
    pub position: Position,
    /// Why it was refused.
    pub refusal: Refusal,
    /// The record as it was read.
    pub raw: RawRecord,
    /// How often it was tried, each time in vain: 1 and up.
    pub attempts: u32,
    /// What the source says happened to the record: a delete may be refused too.
    pub op: RowOp,
}

impl Reject {
    /// The record at `position` was refused.
    pub fn new(position: Position, refusal: Refusal, raw: RawRecord) -> Self {
        Reject {
            position,
            refusal,
            raw,
            attempts: 1,
            op: RowOp::Upsert,
        }
    }

    /// The same, tried so often.
    #[must_use]
    pub fn after(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// The same, of a record that is gone in the source.
    #[must_use]
    pub fn of_delete(mut self) -> Self {
        self.op = RowOp::Delete;
        self
    }
}
