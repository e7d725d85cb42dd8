//! Jobs that a connection gets when it is authorized.

use crate::record::Schema;
use crate::spec::{BuiltOn, DriftMode, JobSpec, MappingSpec, Rule, SourceSpec};

/// What an out-of-the-box job is made from.
///
/// It becomes a job for an account that shows its source object with all mapped fields; fields that are
/// [optional](JobTemplate::with_optional) are left out where they are not shown.
///
/// ```
/// use syncline::connector::{Adapted, JobTemplate};
/// use syncline::record::{Field, FieldType, Schema};
/// use syncline::spec::{DatasetSpec, DestinationSpec, FieldMapping, JobSpec, MappingSpec, SourceSpec, WriteMode};
///
/// let mapping = MappingSpec::new(vec![FieldMapping::direct("email", "Email"), FieldMapping::direct("phone", "Phone")]);
/// let dataset = DatasetSpec::new(SourceSpec::Object("Contact".into()));
/// let person = DestinationSpec::new("person", WriteMode::upsert(["email"]), mapping);
/// let template = JobTemplate::new("contacts", "Person", JobSpec::new("", dataset, vec![], vec![person])).with_optional(["phone"]);
///
/// let shown = Schema::new(vec![Field::new("Email", FieldType::Email)]);
/// let Adapted::Job(job) = template.adapt(&shown) else { unreachable!() };
/// assert_eq!(job.destinations[0].mapping.fields.len(), 1);
/// let nothing = Schema::new(vec![Field::new("Name", FieldType::Text)]);
/// assert!(matches!(template.adapt(&nothing), Adapted::Missing(fields) if fields == ["Email"]));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct JobTemplate {
    /// What tells it from others of its connector.
    pub name: String,
    /// What its jobs are called: `<title> Sync_<connection>`.
    pub title: String,
    /// The job, whose source is an object. Name, id and connection are given when it is made.
    pub spec: JobSpec,
    /// Fields of destinations that may be left out.
    pub optional: Vec<String>,
    /// Whether the source of its jobs stays what it is.
    pub fixed_source: bool,
    /// Whether the destinations' objects stay what they are.
    pub fixed_target: bool,
}

/// What becomes of a template for one account.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Adapted {
    /// A job, built on the fields that the account shows.
    Job(Box<JobSpec>),
    /// None, since the account does not show these fields.
    Missing(Vec<String>),
}

impl JobTemplate {
    /// A template whose jobs may be edited as others may.
    pub fn new(name: impl Into<String>, title: impl Into<String>, spec: JobSpec) -> Self {
        JobTemplate {
            name: name.into(),
            title: title.into(),
            spec,
            optional: Vec::new(),
            fixed_source: false,
            fixed_target: false,
        }
    }

    /// The same, whose jobs do without these fields of destinations, where the account has nothing for them.
    #[must_use]
    pub fn with_optional<S: Into<String>>(mut self, fields: impl IntoIterator<Item = S>) -> Self {
        self.optional = fields.into_iter().map(Into::into).collect();
        self
    }

    /// The same, whose jobs keep their source.
    #[must_use]
    pub fn with_fixed_source(mut self) -> Self {
        self.fixed_source = true;
        self
    }

    /// The same, whose jobs keep the objects that they write.
    #[must_use]
    pub fn with_fixed_target(mut self) -> Self {
        self.fixed_target = true;
        self
    }

    /// The object that its jobs read; `None` if they read a file.
    pub fn source(&self) -> Option<&str> {
        match &self.spec.dataset.source {
            SourceSpec::Object(object) => Some(object),
            SourceSpec::File(_) => None,
        }
    }

    /// The job of an account that shows the source with these fields.
    pub fn adapt(&self, shown: &Schema) -> Adapted {
        let mut job = self.spec.clone();
        let mut missing = Vec::new();
        for destination in &mut job.destinations {
            missing.extend(self.leave_out(&mut destination.mapping, shown));
        }
        missing.sort();
        missing.dedup();
        if !missing.is_empty() {
            return Adapted::Missing(missing);
        }
        job.dataset.built_on = job.dataset.built_on.or_else(|| {
            // New fields are none of its business; one that it uses and that goes stops it in each mode.
            let built_on = BuiltOn::new(shown.fields().to_vec());
            Some(built_on.with_mode(DriftMode::Evolve))
        });
        Adapted::Job(Box::new(job))
    }

    /// Leaves out what may be; answers with what is needed and not shown.
    fn leave_out(&self, mapping: &mut MappingSpec, shown: &Schema) -> Vec<String> {
        let mut missing = Vec::new();
        let computed: Vec<String> = mapping.formulas.iter().map(|f| f.name.clone()).collect();
        mapping.fields.retain(|field| {
            let sources: Vec<&String> = match &field.rule {
                Rule::From(source) => vec![source],
                Rule::Constant(_) => Vec::new(),
                Rule::Lookup(lookup) => lookup.keys.iter().map(|pair| &pair.source).collect(),
                Rule::SelfLookup(lookup) => lookup.keys.iter().map(|pair| &pair.source).collect(),
            };
            let is_there = |source: &String| {
                shown.field(source).is_some()
                    || computed.contains(source)
                    || is_formula(&self.spec, source)
            };
            let lacking: Vec<String> = (sources.into_iter())
                .filter(|source| !is_there(source))
                .cloned()
                .collect();
            if lacking.is_empty() {
                return true;
            }
            if !self.optional.contains(&field.field) {
                missing.extend(lacking);
            }
            false
        });
        missing
    }
}

fn is_formula(job: &JobSpec, field: &str) -> bool {
    job.dataset
        .formulas
        .iter()
        .any(|formula| formula.name == field)
}
