//! The compiled form of a mapping.

use std::sync::Arc;

use crate::lookup::LookupRequest;
use crate::record::convert::Converter;
use crate::record::{Field, FieldType, Schema};
use crate::spec::{Cycles, Dangling, EmptyKey, MultiMatch, NoMatch, WriteOn};

use super::constant::Constant;
use super::prepare::Preparation;

/// A mapping that was checked against both schemas: every field has its source, its conversion and
/// its policies, and nothing is left to be found out while rows flow.
///
/// ```
/// use syncline::mapping::{CompileRequest, MappingPlan};
/// use syncline::record::{Field, FieldType, Schema};
/// use syncline::spec::{FieldMapping, Identity, MappingSpec, WriteMode};
///
/// let source = Schema::new(vec![Field::new("licences", FieldType::Text)]);
/// let target = Schema::new(vec![Field::new("seats", FieldType::Integer)]);
/// let request = CompileRequest::new(&source, "account", &target, &Identity::None, &WriteMode::Insert);
/// let compile = |from| {
///     let spec = MappingSpec::new(vec![FieldMapping::direct("seats", from)]);
///     MappingPlan::compile(&spec, &request, "destinations[0].mapping")
/// };
///
/// let plan = compile("licences").unwrap();
/// assert_eq!(plan.explain().fields[0].field, "seats");
/// let problem = &compile("licenses").unwrap_err()[0];
/// assert_eq!(problem.path, "destinations[0].mapping.fields[0].from");
/// assert_eq!(problem.message, "the dataset has no field `licenses`; it has: licences");
/// ```
#[derive(Debug, Clone)]
pub struct MappingPlan {
    pub(super) object: String,
    /// The mapping's own filter and formulas.
    pub(super) preparation: Arc<Preparation>,
    pub(super) fields: Vec<FieldPlan>,
    /// The lookups to bind, in the order of the fields that use them.
    pub(super) lookups: Vec<LookupRequest>,
    /// The object's fields that no mapping names.
    pub(super) unmapped: Vec<Field>,
    /// Those of them without which no record can be made.
    pub(super) required: Vec<String>,
    pub(super) schema: Schema,
}

/// How one field of the object gets its value.
#[derive(Debug, Clone)]
pub(super) struct FieldPlan {
    pub(super) field: Field,
    pub(super) on: WriteOn,
    pub(super) step: Step,
    pub(super) default: Option<DefaultPlan>,
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    Direct(DirectPlan),
    Constant(Constant),
    Lookup(LookupPlan),
    SelfLookup(SelfLookupPlan),
}

/// The value that stands in where a rule gives none.
#[derive(Debug, Clone)]
pub(super) struct DefaultPlan {
    pub(super) value: Constant,
    pub(super) when_missing: bool,
    pub(super) when_invalid: bool,
}

#[derive(Debug, Clone)]
pub(super) struct DirectPlan {
    pub(super) source: Field,
    /// For a column that is read as text: from text to the source field's type.
    pub(super) parse: Option<Converter>,
    pub(super) convert: Converter,
}

/// A key of a lookup: a dataset field in the type of the object field that it is compared with.
#[derive(Debug, Clone)]
pub(super) struct KeyPlan {
    pub(super) source: Field,
    pub(super) field: Field,
    pub(super) convert: Converter,
}

#[derive(Debug, Clone)]
pub(super) struct LookupPlan {
    /// Position among the plan's lookups.
    pub(super) index: usize,
    pub(super) keys: Vec<KeyPlan>,
    /// The fetched field, and its way into the object field's type.
    pub(super) fetch: Field,
    pub(super) convert: Converter,
    pub(super) no_match: NoMatch,
    pub(super) multi_match: MultiMatch,
    pub(super) empty: EmptyKey,
}

/// A self lookup: which field it fills, by which keys, under which policies. Who runs the job
/// resolves it when all rows are known.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SelfLookupPlan {
    /// The field that it fills.
    pub field: Field,
    /// Its place among [`MappingPlan::lookup_fields`].
    pub place: usize,
    /// The lookup to ask: keys of the object itself, fetching its identity.
    pub request: LookupRequest,
    /// The identity's type.
    pub identity: FieldType,
    /// From the identity's type to the field's.
    pub convert: Converter,
    /// When several records match.
    pub multi_match: MultiMatch,
    /// When none does.
    pub dangling: Dangling,
    /// When a part of the key is null; `Reject` is done in mapping.
    pub empty: EmptyKey,
    /// When a record would be its own ancestor.
    pub cycles: Cycles,
    pub(super) keys: Vec<KeyPlan>,
}

impl SelfLookupPlan {
    /// Whether a policy may reject a row once all rows are known, so that rows must be held back.
    pub fn may_reject(&self) -> bool {
        self.dangling == Dangling::Reject
            || self.multi_match == MultiMatch::Reject
            || self.cycles == Cycles::Reject
    }
}

impl MappingPlan {
    /// The object that it maps to.
    pub fn object(&self) -> &str {
        &self.object
    }

    /// The schema of mapped batches: the mapped fields of the object, in the order of the mapping.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The fields that the mapping's own filter and formulas read, formulas among them.
    pub fn prepared_from(&self) -> impl Iterator<Item = &str> {
        self.preparation.fields()
    }

    /// Each mapped field with when it is written.
    pub fn written(&self) -> impl Iterator<Item = (&str, WriteOn)> {
        self.fields
            .iter()
            .map(|field| (field.field.name.as_str(), field.on))
    }

    /// The lookups that [`bind`](Self::bind) wants, in this order.
    pub fn lookups(&self) -> &[LookupRequest] {
        &self.lookups
    }

    /// The fields with a lookup, direct or self, in the order of the mapping.
    pub fn lookup_fields(&self) -> impl Iterator<Item = &str> {
        self.fields
            .iter()
            .filter(|field| matches!(field.step, Step::Lookup(_) | Step::SelfLookup(_)))
            .map(|field| field.field.name.as_str())
    }

    /// The self lookups, in the order of their fields.
    pub fn self_lookups(&self) -> impl Iterator<Item = &SelfLookupPlan> {
        self.fields.iter().filter_map(|field| match &field.step {
            Step::SelfLookup(lookup) => Some(lookup),
            _ => None,
        })
    }
}
