//! Jobs as data: versioned serde forms of datasets, objects, mappings, jobs and schedules.
//!
//! A spec says what is wanted and knows nothing about how it is done. Unknown fields are errors.
//! The fields, one by one, are described in [the guide](crate::docs::job_spec).

mod chain;
mod connection;
mod dataset;
mod domain;
mod drift;
mod export;
mod expr;
mod file;
mod job;
mod link;
mod mapping;
mod oauth;
mod object;
mod org;
mod policy;
mod schedule;
mod schedule_read;
mod schedule_recurrence;
#[cfg(feature = "schema")]
mod schedule_schema;
mod schedule_text;
mod schedule_words;
#[cfg(feature = "schema")]
mod schema;
mod settings;
mod sync;
mod value_format;

pub use chain::{ChainSpec, OnFailure};
pub use connection::ConnectionSpec;
pub use dataset::{DatasetSpec, FormulaSpec, SourceSpec};
pub use domain::Domain;
pub use drift::{BuiltOn, DriftMode};
pub use export::ExportSpec;
pub use expr::{
    Branch, Condition, Expr, Literal, Logic, PadSide, Repeated, Rounding, TimePart, TimeUnit,
    TrimSide, Unfit,
};
pub use file::{Column, Compression, Delimited, Encoding, Escape, FileSource, Header, Limits};
pub use job::{DestinationSpec, JobSpec};
pub use link::{LinkSpec, Member};
pub use mapping::{
    DefaultSpec, FieldMapping, LookupSpec, MappingSpec, MatchPair, Rule, SelfLookupSpec,
};
pub use oauth::{ClientProof, EndpointPaths, EndpointsSpec, OAuthSpec, OrganizationSource};
pub use object::{Identity, ObjectSpec, PreloadSpec, Store, SystemFields};
pub use org::{AllowedHosts, CustomDomains, Org, OrgHosts, Origin};
pub use policy::{
    Cycles, Dangling, DuplicateKeys, EmptyKey, MultiMatch, NoMatch, NoMatchOnUpdate, RejectLimit,
    WriteMode, WriteOn,
};
pub use schedule::{Blackout, Exclusion, HolidayRule, ScheduleSpec};
pub use schedule_recurrence::{
    CountedFrom, Event, IntervalUnit, MonthDay, Recurrence, TimeOfDay, Weekday, WorkDays,
};
#[cfg(feature = "schema")]
pub use schema::schemas;
pub use settings::{
    Ended, MissedRuns, NotifySpec, Priority, RunCondition, RunRetry, RunSettings, WhileRunning,
};
pub use sync::{Incremental, NullCursor, Overlap, SourceDeletes, SyncMode};
pub use value_format::ValueFormat;

/// What is said of a document whose version is not 1.
pub(crate) fn unknown_version(version: impl std::fmt::Display) -> String {
    format!(
        "version {version} is not known here; this release reads version 1: write the spec in that form, or take a \
         release that knows the other"
    )
}
