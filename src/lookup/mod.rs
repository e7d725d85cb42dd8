//! The contract of a lookup, and the index that most lookups are.

mod index;
mod table;

use std::fmt;

use arrow_array::ArrayRef;
use async_trait::async_trait;

use crate::Result;
use crate::host::Context;
use crate::record::Field;

pub use index::{LookupIndex, LookupIndexBuilder};
pub(crate) use index::{field_of, key_columns};
pub(crate) use table::{Hit, KeyTable, MAX_ROWS, NO_ROW};

/// Which records of an object to find, and what to fetch from them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LookupRequest {
    /// The object.
    pub object: String,
    /// The fields to match, all of them (AND).
    pub keys: Vec<String>,
    /// The field to fetch.
    pub fetch: String,
    /// With several matches, the one with the least value here comes first (nulls last, then the
    /// object's own order); without it the object's own order decides.
    pub order_by: Option<String>,
}

impl LookupRequest {
    /// Finds by `keys`, fetches `fetch`.
    pub fn new(object: impl Into<String>, keys: Vec<String>, fetch: impl Into<String>) -> Self {
        LookupRequest {
            object: object.into(),
            keys,
            fetch: fetch.into(),
            order_by: None,
        }
    }

    /// The same, ordering several matches by this field.
    #[must_use]
    pub fn with_order_by(mut self, field: impl Into<String>) -> Self {
        self.order_by = Some(field.into());
        self
    }
}

/// Facts about a lookup.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LookupInfo {
    /// The key fields, in the order of [`LookupKeys::columns`].
    pub keys: Vec<Field>,
    /// The fetched field.
    pub fetch: Field,
    /// Whether `resolve` only computes, so that it may run on an executor's thread.
    pub in_memory: bool,
    /// Bytes that the lookup held for itself when it was made, if it holds an index.
    pub memory_bytes: u64,
}

impl LookupInfo {
    /// A lookup by `keys` that fetches `fetch` and asks somebody else.
    pub fn new(keys: Vec<Field>, fetch: Field) -> Self {
        LookupInfo {
            keys,
            fetch,
            in_memory: false,
            memory_bytes: 0,
        }
    }

    /// The same, holding an index of this size in memory.
    #[must_use]
    pub fn in_memory(mut self, memory_bytes: u64) -> Self {
        self.in_memory = true;
        self.memory_bytes = memory_bytes;
        self
    }
}

/// Keys to look up: one column for each key field, in its type, all of one length.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LookupKeys {
    /// The columns.
    pub columns: Vec<ArrayRef>,
}

impl LookupKeys {
    /// Keys in these columns.
    pub fn new(columns: Vec<ArrayRef>) -> Self {
        LookupKeys { columns }
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.columns.first().map_or(0, |column| column.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How many records a key hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Match {
    /// A part of the key is null, so nothing was looked for.
    Empty,
    /// None.
    None,
    /// One.
    One,
    /// Several records, even if their fetched values are equal.
    Many,
}

/// What was found for a batch of keys.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LookupMatches {
    /// One for each key.
    pub found: Vec<Match>,
    /// The fetched value for each key, in the fetched field's type: of the only record, or of the
    /// first of several; null where there is none.
    pub values: ArrayRef,
}

impl LookupMatches {
    /// What was found.
    pub fn new(found: Vec<Match>, values: ArrayRef) -> Self {
        LookupMatches { found, values }
    }
}

/// Finds records of an object by their values: a batch of keys in, a batch out.
///
/// **Contract.** Keys are compared by value, texts by their bytes. The answer has one entry for each
/// key, in order.
///
/// ```
/// use std::sync::Arc;
/// use futures::executor::block_on;
/// use syncline::connection::Connection;
/// use syncline::host::Context;
/// use syncline::lookup::{LookupKeys, LookupRequest, Match};
/// use syncline::memory::MemoryConnection;
/// use syncline::record::array::{ArrayRef, StringViewArray};
/// use syncline::record::{Field, FieldType};
/// use syncline::spec::{Identity, ObjectSpec};
///
/// let person = ObjectSpec::new("person", Identity::Generated, vec![Field::new("name", FieldType::Text)]);
/// let home = MemoryConnection::new("home").with_object(&person)?;
/// let names: ArrayRef = Arc::new(StringViewArray::from(vec!["Ada"]));
/// let found = block_on(async {
///     let context = Context::new();
///     let by_name = home.lookup(&context, LookupRequest::new("person", vec!["name".into()], "id")).await?;
///     by_name.resolve(&context, LookupKeys::new(vec![names])).await
/// })?;
/// assert_eq!(found.found, [Match::None]);
/// # Ok::<(), syncline::Error>(())
/// ```
#[async_trait]
pub trait Lookup: fmt::Debug + Send + Sync {
    /// Facts.
    fn info(&self) -> &LookupInfo;
    /// Looks up a batch of keys.
    async fn resolve(&self, context: &Context, keys: LookupKeys) -> Result<LookupMatches>;
}
