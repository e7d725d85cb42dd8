//! From a spec to a plan: every mistake is found here, and all of them at once.

mod lookups;

use std::sync::Arc;

use crate::error::Problem;
use crate::lookup::LookupRequest;
use crate::record::convert::Converter;
use crate::record::notation::Notation;
use crate::record::{Field, FieldType, Schema};
use crate::spec::{
    FieldMapping, Identity, MappingSpec, NoMatch, Rule, SystemFields, WriteMode, WriteOn,
};

use super::constant::Constant;
use super::plan::{DefaultPlan, DirectPlan, FieldPlan, MappingPlan, Step};
use super::prepare::Preparation;

/// The most pairs that a lookup matches by (the original's bound).
pub const MAX_MATCH_PAIRS: usize = 6;

/// What a mapping is compiled against.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct CompileRequest<'a> {
    /// The dataset's fields, formulas included.
    pub source: &'a Schema,
    /// Those of them that will be read as unparsed text.
    pub raw: &'a [String],
    /// The dataset's formulas that could not be made.
    pub broken: &'a [String],
    /// How texts of source fields are written, by name, where that is not the usual form.
    pub notations: &'a [(String, Notation)],
    /// The object's name.
    pub object: &'a str,
    /// The object's fields.
    pub target: &'a Schema,
    /// How its records are told apart.
    pub identity: &'a Identity,
    /// Which fields it keeps itself.
    pub system_fields: SystemFields,
    /// How it is written.
    pub mode: &'a WriteMode,
    /// The objects that lookups may name, with their fields.
    pub objects: &'a [(String, Schema)],
}

impl<'a> CompileRequest<'a> {
    /// A mapping from `source` to the fields `target` of `object`.
    pub fn new(
        source: &'a Schema,
        object: &'a str,
        target: &'a Schema,
        identity: &'a Identity,
        mode: &'a WriteMode,
    ) -> Self {
        CompileRequest {
            source,
            raw: &[],
            broken: &[],
            notations: &[],
            object,
            target,
            identity,
            system_fields: SystemFields::None,
            mode,
            objects: &[],
        }
    }

    /// The same; these source fields are read as text.
    #[must_use]
    pub fn with_raw(mut self, raw: &'a [String]) -> Self {
        self.raw = raw;
        self
    }

    /// The same; these formulas of the dataset could not be made, which is told already. A mapping that reads one of them does
    /// not compile, but that is no second mistake, and there may be no problem at all.
    #[must_use]
    pub fn with_broken(mut self, broken: &'a [String]) -> Self {
        self.broken = broken;
        self
    }

    /// The same; the texts of these source fields are written like this.
    #[must_use]
    pub fn with_notations(mut self, notations: &'a [(String, Notation)]) -> Self {
        self.notations = notations;
        self
    }

    /// The same; the object keeps these fields itself.
    #[must_use]
    pub fn with_system_fields(mut self, system_fields: SystemFields) -> Self {
        self.system_fields = system_fields;
        self
    }

    /// The same; lookups may name these objects.
    #[must_use]
    pub fn with_objects(mut self, objects: &'a [(String, Schema)]) -> Self {
        self.objects = objects;
        self
    }
}

impl MappingPlan {
    /// Checks a mapping against both schemas. `path` is the mapping's place in its spec, e.g.
    /// `destinations[0].mapping`.
    ///
    /// # Errors
    /// Every mistake, each with its path; none, if all that it lacks are [`broken`](CompileRequest::broken) formulas.
    pub fn compile(
        spec: &MappingSpec,
        request: &CompileRequest<'_>,
        path: &str,
    ) -> Result<Self, Vec<Problem>> {
        let (preparation, mut problems) = Preparation::compile(
            request.source,
            request.broken,
            spec.filter.as_ref(),
            &spec.formulas,
            path,
        );
        if let Some(name) = preparation
            .fields()
            .find(|name| request.raw.iter().any(|raw| raw == name))
        {
            let message = format!(
                "its filter or a formula needs the value of `{name}`, which is read as text"
            );
            problems.push(Problem::new(path, message));
        }
        let (source, broken) = (preparation.schema().clone(), preparation.broken().to_vec());
        let request = &CompileRequest {
            source: &source,
            broken: &broken,
            ..*request
        };
        let mut compiler = Compiler {
            request,
            problems,
            lookups: Vec::new(),
            lookup_fields: 0,
            late: late_fields(spec),
        };
        let mut fields = Vec::new();
        for (i, mapping) in spec.fields.iter().enumerate() {
            let path = format!("{path}.fields[{i}]");
            if spec.fields[..i]
                .iter()
                .any(|other| other.field == mapping.field)
            {
                compiler.problem(
                    &path,
                    ".field",
                    format!("`{}` is mapped twice; keep one of the two", mapping.field),
                );
                continue;
            }
            fields.extend(compiler.field(mapping, &path));
        }
        compiler.identifiers(spec, path);
        let Compiler {
            mut problems,
            lookups,
            ..
        } = compiler;
        let unmapped: Vec<Field> = (request.target.fields().iter())
            .filter(|field| {
                spec.fields
                    .iter()
                    .all(|mapping| mapping.field != field.name)
            })
            .filter(|field| !is_kept_by_the_object(request, &field.name))
            .cloned()
            .collect();
        if *request.mode == WriteMode::Insert {
            for field in unmapped.iter().filter(|field| is_required(request, field)) {
                let message = format!(
                    "`{}` is required and not mapped; an insert must fill it",
                    field.name
                );
                problems.push(Problem::new(format!("{path}.fields"), message));
            }
        }
        if !problems.is_empty() || !request.broken.is_empty() {
            return Err(problems);
        }
        let schema = Schema::new(
            fields
                .iter()
                .map(|field: &FieldPlan| field.field.clone())
                .collect::<Vec<_>>(),
        );
        Ok(MappingPlan {
            preparation: Arc::new(preparation),
            object: request.object.to_owned(),
            fields,
            lookups,
            required: (unmapped.iter().filter(|field| is_required(request, field)))
                .map(|field| field.name.clone())
                .collect(),
            unmapped,
            schema,
        })
    }
}

fn late_fields(spec: &MappingSpec) -> Vec<&str> {
    let late = spec
        .fields
        .iter()
        .filter(|mapping| matches!(mapping.rule, Rule::SelfLookup(_)));
    late.map(|mapping| mapping.field.as_str()).collect()
}

/// Whether no record can be made without the field.
fn is_required(request: &CompileRequest<'_>, field: &Field) -> bool {
    field.required || is_supplied(request.identity, &field.name)
}

fn is_supplied(identity: &Identity, name: &str) -> bool {
    matches!(identity, Identity::Supplied(fields) if fields.iter().any(|field| field == name))
}

fn is_kept_by_the_object(request: &CompileRequest<'_>, name: &str) -> bool {
    let generated = *request.identity == Identity::Generated && name == Identity::GENERATED_FIELD;
    generated || request.system_fields.names().contains(&name)
}

struct Compiler<'a> {
    request: &'a CompileRequest<'a>,
    problems: Vec<Problem>,
    lookups: Vec<LookupRequest>,
    /// How many fields with a lookup, direct or self, came before.
    lookup_fields: usize,
    /// The fields that self lookups fill at the end of the run.
    late: Vec<&'a str>,
}

impl Compiler<'_> {
    fn problem(&mut self, path: &str, below: &str, message: impl Into<String>) {
        self.problems
            .push(Problem::new(format!("{path}{below}"), message));
    }

    fn field(&mut self, mapping: &FieldMapping, path: &str) -> Option<FieldPlan> {
        let request = self.request;
        let Some(field) = request.target.field(&mapping.field) else {
            let message = format!(
                "the object `{}` has no field `{}`; {}",
                request.object,
                mapping.field,
                has(request.target)
            );
            self.problem(path, ".field", message);
            return None;
        };
        if request.system_fields.names().contains(&field.name.as_str()) {
            self.problem(
                path,
                ".field",
                format!(
                    "`{}` is a system field that the object fills itself; leave it out",
                    field.name
                ),
            );
            return None;
        }
        let generated =
            *request.identity == Identity::Generated && field.name == Identity::GENERATED_FIELD;
        let identifies = request
            .mode
            .identifiers()
            .iter()
            .flatten()
            .any(|name| *name == field.name);
        if generated && !identifies {
            let message = format!(
                "`{}` is generated by the object; it can be an identifier, but not written: leave it out",
                field.name
            );
            self.problem(path, ".field", message);
            return None;
        }
        if mapping.on != WriteOn::Always && *request.mode == WriteMode::Insert {
            self.problem(path, ".on", "an insert only inserts; leave `on` out");
        }
        if mapping.on != WriteOn::Always && identifies {
            self.problem(path, ".on", "an identifier is always used; leave `on` out");
        }
        if mapping.on != WriteOn::Always && matches!(mapping.rule, Rule::SelfLookup(_)) {
            self.problem(
                path,
                ".on",
                "a self lookup is always written; leave `on` out",
            );
        }
        let mut on = mapping.on;
        if is_supplied(request.identity, &field.name)
            && !identifies
            && *request.mode != WriteMode::Insert
        {
            // Who a record is does not change: it is given once, when the record is made.
            if on == WriteOn::Update {
                self.problem(
                    path,
                    ".on",
                    format!(
                        "`{}` identifies the record and is never updated",
                        field.name
                    ),
                );
            }
            on = WriteOn::Insert;
        }
        let default = self.default(mapping, field, path);
        let step = match &mapping.rule {
            Rule::From(from) => self.direct(mapping, from, field, path).map(Step::Direct),
            Rule::Constant(literal) => match Constant::new(literal, &field.field_type) {
                Ok(value) => Some(Step::Constant(value)),
                Err(message) => {
                    self.problem(path, ".constant", message);
                    None
                }
            },
            Rule::Lookup(lookup) => self.lookup(mapping, lookup, field, path).map(Step::Lookup),
            Rule::SelfLookup(lookup) => self.self_lookup(lookup, field, path).map(Step::SelfLookup),
        };
        self.lookup_fields += usize::from(matches!(
            mapping.rule,
            Rule::Lookup(_) | Rule::SelfLookup(_)
        ));
        Some(FieldPlan {
            field: field.clone(),
            on,
            step: step?,
            default: default?,
        })
    }

    /// `None` if there was a problem with it.
    fn default(
        &mut self,
        mapping: &FieldMapping,
        field: &Field,
        path: &str,
    ) -> Option<Option<DefaultPlan>> {
        let wanted = match &mapping.rule {
            Rule::From(_) => true,
            Rule::Constant(_) | Rule::SelfLookup(_) => false,
            Rule::Lookup(lookup) => lookup.no_match == NoMatch::Default,
        };
        let Some(default) = &mapping.default else {
            if wanted && matches!(mapping.rule, Rule::Lookup(_)) {
                self.problem(
                    path,
                    ".lookup.no_match",
                    "`default` needs the mapping to have a `default`",
                );
                return None;
            }
            return Some(None);
        };
        if !wanted {
            let message = "a default goes with `from`, or with a lookup whose `no_match` is `default`; leave it out";
            self.problem(path, ".default", message);
            return None;
        }
        match Constant::new(&default.value, &field.field_type) {
            Ok(value) => {
                let &crate::spec::DefaultSpec {
                    when_missing,
                    when_invalid,
                    ..
                } = default;
                Some(Some(DefaultPlan {
                    value,
                    when_missing,
                    when_invalid,
                }))
            }
            Err(message) => {
                self.problem(path, ".default.value", message);
                None
            }
        }
    }

    fn source(&mut self, name: &str, path: &str) -> Option<Field> {
        let found = self.request.source.field(name).cloned();
        if found.is_none() && !self.request.broken.iter().any(|broken| broken == name) {
            let message = format!(
                "the dataset has no field `{name}`; {}",
                has(self.request.source)
            );
            self.problem(path, "", message);
        }
        found
    }

    fn direct(
        &mut self,
        mapping: &FieldMapping,
        from: &str,
        field: &Field,
        path: &str,
    ) -> Option<DirectPlan> {
        let path = format!("{path}.from");
        let source = self.source(from, &path)?;
        let raw = self.request.raw.iter().any(|name| name == from);
        let mut notations = self.request.notations.iter();
        let parse = match notations.find(|(name, _)| name == from) {
            _ if !raw => Ok(None),
            Some((_, notation)) => Ok(Some(Converter::reading(notation))),
            None => Converter::new(&FieldType::Text, &source.field_type, false).map(Some),
        };
        let parse = match parse {
            Ok(parse) => parse,
            Err(message) => {
                self.problem(&path, "", message);
                return None;
            }
        };
        match Converter::new(&source.field_type, &field.field_type, mapping.lossy) {
            Ok(convert) => Some(DirectPlan {
                source,
                parse,
                convert,
            }),
            Err(message) => {
                self.problem(&path, "", message);
                None
            }
        }
    }

    /// Every identifier must be mapped, or no row could be matched by it.
    fn identifiers(&mut self, spec: &MappingSpec, path: &str) {
        let request = self.request;
        // The mapping stands beside the mode in its destination.
        let destination = path.strip_suffix(".mapping").unwrap_or(path);
        let mode = match request.mode {
            WriteMode::Insert => return,
            WriteMode::Update { .. } => "update",
            WriteMode::Upsert { .. } => "upsert",
        };
        let path = format!("{destination}.mode.{mode}.identifiers");
        let identifiers = request.mode.identifiers();
        if identifiers.is_empty() {
            self.problem(
                &path,
                "",
                format!(
                    "an {mode} needs at least one identifier: a list of fields that tell records apart"
                ),
            );
        }
        for (i, fields) in identifiers.iter().enumerate() {
            if fields.is_empty() {
                self.problem(
                    &path,
                    &format!("[{i}]"),
                    "an identifier has at least one field; name one, or leave the identifier out",
                );
            }
            for (j, name) in fields.iter().enumerate() {
                let below = format!("[{i}][{j}]");
                if request.target.field(name).is_none() {
                    let message = format!(
                        "the object `{}` has no field `{name}`; {}",
                        request.object,
                        has(request.target)
                    );
                    self.problem(&path, &below, message);
                } else if spec.fields.iter().all(|mapping| mapping.field != *name) {
                    self.problem(
                        &path,
                        &below,
                        format!("the identifier `{name}` is not mapped; map it"),
                    );
                } else if fields[..j].contains(name) {
                    self.problem(
                        &path,
                        &below,
                        format!("`{name}` is there twice; keep one of the two"),
                    );
                }
            }
        }
    }
}

/// What there is, for the one who named something else.
fn has(schema: &Schema) -> String {
    format!("it has: {}", schema.names())
}
