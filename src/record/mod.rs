//! Records: semantic field types over Arrow, batches, where rows came from, conversions, rejects.

mod batch;
mod build;
pub mod convert;
mod cursor_value;
mod field_type;
pub mod format;
pub mod key;
pub mod notation;
mod origin;
pub mod parse;
pub mod pattern;
mod picked;
mod reject;
mod schema;
pub(crate) mod touch;
pub(crate) mod zone;

pub use batch::{Batch, Cursor, RowOp};
pub use build::RecordBuilder;
pub use cursor_value::CursorValue;
pub use field_type::FieldType;
pub use origin::{Origins, Position, RawRecord, RowsAsRead, SourceRecords};
pub use picked::Picked;
pub use reject::{Reason, Refusal, Reject};
pub use schema::{Field, Schema};

pub use arrow_array as array;
