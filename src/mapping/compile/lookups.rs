//! The two kinds of lookup in a mapping.

use crate::lookup::LookupRequest;
use crate::mapping::plan::{KeyPlan, LookupPlan, SelfLookupPlan};
use crate::record::convert::{Class, Converter};
use crate::record::{Field, FieldType, Schema};
use crate::spec::{FieldMapping, LookupSpec, MatchPair, MultiMatch, SelfLookupSpec};

use super::{Compiler, MAX_MATCH_PAIRS, has, is_supplied};

impl Compiler<'_> {
    pub(super) fn lookup(
        &mut self,
        mapping: &FieldMapping,
        spec: &LookupSpec,
        field: &Field,
        path: &str,
    ) -> Option<LookupPlan> {
        let path = format!("{path}.lookup");
        if spec.object == self.request.object {
            let message = format!(
                "`{}` is the object that is written; use `self_lookup`",
                spec.object
            );
            self.problem(&path, ".object", message);
            return None;
        }
        let Some((_, schema)) = self
            .request
            .objects
            .iter()
            .find(|(name, _)| *name == spec.object)
        else {
            let names: Vec<&str> = self
                .request
                .objects
                .iter()
                .map(|(name, _)| name.as_str())
                .collect();
            let message = format!(
                "there is no object `{}` to look up; there are: {}",
                spec.object,
                names.join(", ")
            );
            self.problem(&path, ".object", message);
            return None;
        };
        let keys = self.keys(&spec.keys, &spec.object, schema, &path);
        let request = self.request_for(
            &spec.object,
            &spec.keys,
            &spec.fetch,
            &spec.multi_match,
            schema,
            &path,
        );
        let Some(fetch) = schema.field(&spec.fetch) else {
            let message = format!(
                "the object `{}` has no field `{}`; {}",
                spec.object,
                spec.fetch,
                has(schema)
            );
            self.problem(&path, ".fetch", message);
            return None;
        };
        // The identity of a record may always fill a lookup to its object.
        let convert = match Converter::new(&fetch.field_type, &field.field_type, mapping.lossy) {
            Ok(convert) => convert,
            Err(message) => {
                self.problem(&path, ".fetch", message);
                return None;
            }
        };
        let index = self.lookups.len();
        self.lookups.push(request?);
        Some(LookupPlan {
            index,
            keys: keys?,
            fetch: fetch.clone(),
            convert,
            no_match: spec.no_match,
            multi_match: spec.multi_match.clone(),
            empty: spec.empty,
        })
    }

    pub(super) fn self_lookup(
        &mut self,
        spec: &SelfLookupSpec,
        field: &Field,
        path: &str,
    ) -> Option<SelfLookupPlan> {
        let path = format!("{path}.self_lookup");
        let request = self.request;
        let identity = request
            .identity
            .single_field()
            .and_then(|name| request.target.field(name));
        let Some(identity) = identity else {
            let message = format!(
                "a record of `{}` is not identified by one field, so none can refer to it",
                request.object
            );
            self.problem(&path, "", message);
            return None;
        };
        let keys = self.keys(&spec.keys, request.object, request.target, &path);
        let lookup = self.request_for(
            request.object,
            &spec.keys,
            &identity.name,
            &spec.multi_match,
            request.target,
            &path,
        );
        let convert = match Converter::new(&identity.field_type, &field.field_type, false) {
            Ok(convert) => convert,
            Err(message) => {
                self.problem(&path, "", message);
                return None;
            }
        };
        if field.required {
            let message = format!(
                "`{}` is required, and a self lookup fills it only at the end of a run",
                field.name
            );
            self.problem(&path, "", message);
        }
        let by_late = (spec.keys.iter().map(|pair| pair.field.as_str()))
            .chain(match &spec.multi_match {
                MultiMatch::First { by } => Some(by.as_str()),
                _ => None,
            })
            .any(|name| self.late.contains(&name));
        let fits = match &field.field_type {
            FieldType::Lookup(object) => **object == *request.object,
            _ => convert.class() == Class::Exact,
        };
        if !fits {
            let message = format!(
                "`{}` is {}, which cannot refer to every record of `{}`; make it lookup({})",
                field.name, field.field_type, request.object, request.object
            );
            self.problem(&path, "", message);
        }
        let identifies = is_supplied(request.identity, &field.name)
            || request
                .mode
                .identifiers()
                .iter()
                .flatten()
                .any(|name| *name == field.name);
        if by_late || identifies {
            let message = "a field that a self lookup fills at the run's end identifies nothing and matches nothing";
            self.problem(&path, ".keys", message);
        }
        Some(SelfLookupPlan {
            field: field.clone(),
            place: self.lookup_fields,
            request: lookup?,
            identity: identity.field_type.clone(),
            convert,
            multi_match: spec.multi_match.clone(),
            dangling: spec.dangling,
            empty: spec.empty,
            cycles: spec.cycles,
            keys: keys?,
        })
    }

    fn keys(
        &mut self,
        pairs: &[MatchPair],
        object: &str,
        schema: &Schema,
        path: &str,
    ) -> Option<Vec<KeyPlan>> {
        let path = format!("{path}.keys");
        if pairs.is_empty() || pairs.len() > MAX_MATCH_PAIRS {
            let message = format!(
                "a lookup matches by 1 to {MAX_MATCH_PAIRS} pairs; here are {}",
                pairs.len()
            );
            self.problem(&path, "", message);
            return None;
        }
        let mut keys = Vec::new();
        for (i, pair) in pairs.iter().enumerate() {
            if pairs[..i].iter().any(|other| other.field == pair.field) {
                let message = format!(
                    "`{}` is matched twice; keep one of the two pairs",
                    pair.field
                );
                self.problem(&path, &format!("[{i}].field"), message);
                continue;
            }
            let source = self.source(&pair.source, &format!("{path}[{i}].source"));
            let Some(field) = schema.field(&pair.field) else {
                let message = format!(
                    "the object `{object}` has no field `{}`; {}",
                    pair.field,
                    has(schema)
                );
                self.problem(&path, &format!("[{i}].field"), message);
                continue;
            };
            let Some(source) = source else { continue };
            match Converter::new(&source.field_type, &field.field_type, false) {
                Ok(convert) => keys.push(KeyPlan {
                    source,
                    field: field.clone(),
                    convert,
                }),
                Err(message) => self.problem(&path, &format!("[{i}]"), message),
            }
        }
        (keys.len() == pairs.len()).then_some(keys)
    }

    fn request_for(
        &mut self,
        object: &str,
        pairs: &[MatchPair],
        fetch: &str,
        multi_match: &MultiMatch,
        schema: &Schema,
        path: &str,
    ) -> Option<LookupRequest> {
        let keys = pairs.iter().map(|pair| pair.field.clone()).collect();
        let request = LookupRequest::new(object, keys, fetch);
        let MultiMatch::First { by } = multi_match else {
            return Some(request);
        };
        if schema.field(by).is_none() {
            let message = format!("the object `{object}` has no field `{by}`; {}", has(schema));
            self.problem(path, ".multi_match.first.by", message);
            return None;
        }
        Some(request.with_order_by(by))
    }
}
