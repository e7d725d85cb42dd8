//! The mapping engine: a [`MappingSpec`](crate::spec::MappingSpec) is compiled against both schemas
//! into a [`MappingPlan`], which explains itself before it runs; bound to its lookups it is a
//! [`Mapper`] that turns source batches into batches of the object.
//!
//! | rule | the value is |
//! |---|---|
//! | `from` | a dataset field, [converted](crate::record::convert) to the object field's type |
//! | `constant` | the same in every row |
//! | `lookup` | a field of the record of another object that 1 to 6 pairs of fields match |
//! | `self_lookup` | the identity of a record of the same object, rows of the same run included; null until the run's end |
//!
//! A mapping may have a filter and formulas of its own. The filter comes first: what it drops is counted and
//! goes no further. Then the formulas: the rules see them as if they were dataset fields.
//!
//! A row whose value is missing or invalid takes the field's default, if it has one for that case;
//! otherwise a missing value is null and an invalid one rejects the row. A mapped null clears the
//! field; a field that is not mapped is left alone.

mod apply;
mod compile;
mod constant;
mod explain;
mod plan;
mod prepare;
mod resolve;

pub use apply::{LookupState, Mapped, Mapper};
pub use compile::{CompileRequest, MAX_MATCH_PAIRS};
pub use explain::{Explanation, FieldExplanation};
pub use plan::{MappingPlan, SelfLookupPlan};
pub(crate) use prepare::Preparation;
