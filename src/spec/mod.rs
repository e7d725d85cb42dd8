//! Jobs as data: versioned serde forms of datasets, objects, mappings and jobs.
//!
//! A spec says what is wanted and knows nothing about how it is done. Unknown fields are errors.
//! The fields, one by one, are described in [the guide](crate::docs::job_spec).

mod dataset;
mod expr;
mod job;
mod mapping;
mod object;
mod policy;

pub use dataset::{DatasetSpec, Delimited, FileSource, FormulaSpec, Limits, SourceSpec};
pub use expr::{Expr, Literal};
pub use job::{DestinationSpec, JobSpec};
pub use mapping::{
    DefaultSpec, FieldMapping, LookupSpec, MappingSpec, MatchPair, Rule, SelfLookupSpec,
};
pub use object::{Identity, ObjectSpec, PreloadSpec, Store, SystemFields};
pub use policy::{
    Cycles, Dangling, DuplicateKeys, EmptyKey, MultiMatch, NoMatch, NoMatchOnUpdate, WriteMode,
    WriteOn,
};
