//! The places here of the connections of a document.

use std::collections::{BTreeMap, BTreeSet};

use super::super::roster::{ConnectionEntry, Roster, not_found};
use super::super::{Workspace, connections};
use super::plan::{Plan, own_id, placed};
use super::{ImportAction, ImportRequest, ImportStep};
use crate::Result;
use crate::error::Problem;
use crate::host::Context;
use crate::spec::{ConnectionSpec, ExportSpec};

impl Workspace {
    /// Finds or makes a place for each connection that the document has or names: the id here by the name there.
    pub(super) fn place(
        &self,
        context: &Context,
        document: &ExportSpec,
        request: &ImportRequest,
        plan: &mut Plan,
        problems: &mut Vec<Problem>,
    ) -> Result<BTreeMap<String, String>> {
        let now = context.clock().now();
        let mut targets: BTreeMap<String, String> = BTreeMap::new();
        let named = document
            .jobs
            .iter()
            .filter_map(|job| job.dataset.connection.as_ref());
        let mut meant: BTreeSet<&String> = named.collect();
        for connection in &document.connections {
            meant.extend(
                [Some(&connection.name), connection.id.as_ref()]
                    .into_iter()
                    .flatten(),
            );
        }
        for (of_document, here) in &request.connections {
            if !meant.contains(of_document) {
                let message = "the document has no such connection, and none of its jobs names one";
                problems.push(Problem::new(format!("connections.{of_document}"), message));
            }
            if find(&plan.roster, here).is_none() {
                return Err(not_found("connection", here));
            }
        }
        // All by the map and by id, before any is found by its name.
        let mapped = |connection: &ConnectionSpec| {
            let keys = [Some(&connection.name), connection.id.as_ref()];
            let mut keys = keys.into_iter().flatten();
            keys.find_map(|key| request.connections.get(key))
        };
        let mut places: Vec<Option<String>> = Vec::new();
        for connection in &document.connections {
            let known = (connection.id.as_ref()).and_then(|id| plan.roster.connection(id).ok());
            let place = match mapped(connection) {
                Some(here) => find(&plan.roster, here),
                None => known,
            };
            places.push(place.map(|place| place.id.clone()));
        }
        for (at, connection) in document.connections.iter().enumerate() {
            let path = format!("connections[{at}]");
            let by_name = plan.roster.connection_named(&connection.name);
            let by_name = by_name.filter(|found| !places.contains(&Some(found.id.clone())));
            let place = places.get(at).cloned().flatten();
            let found = match place {
                Some(id) => Some(plan.roster.connection(&id)?),
                None => by_name,
            };
            let (id, action) = match found {
                Some(found) if found.spec.kind != connection.kind => {
                    let message = format!(
                        "`{}` is of the kind `{}` here, and of `{}` there",
                        found.spec.name, found.spec.kind, connection.kind
                    );
                    problems.push(Problem::new(format!("{path}.kind"), message));
                    continue;
                }
                Some(found) => (found.id.clone(), ImportAction::Keep),
                None => match self.admitted(&plan.roster, connection) {
                    Ok(spec) => {
                        // One that is being removed still has its id.
                        let taken = |id: &str| plan.roster.connections.iter().any(|c| c.id == id);
                        let id = own_id(context, connection.id.as_deref(), taken);
                        let made = connections::entry(id.clone(), spec, now);
                        plan.roster.connections.push(made);
                        (id, ImportAction::Create)
                    }
                    Err(error) => {
                        problems.extend(placed(&path, &error));
                        continue;
                    }
                },
            };
            if mapped(connection).is_none() && targets.values().any(|taken| *taken == id) {
                let message =
                    "it is the same here as one in front of it; say which is which in the map";
                problems.push(Problem::new(path, message));
                continue;
            }
            targets.insert(connection.name.clone(), id.clone());
            plan.report.connections.push(ImportStep {
                name: connection.name.clone(),
                id,
                action,
            });
        }
        // Those that the document names and does not have may be here.
        for name in document
            .jobs
            .iter()
            .filter_map(|job| job.dataset.connection.as_ref())
        {
            let here = match request.connections.get(name) {
                Some(here) => find(&plan.roster, here),
                None => plan.roster.connection_named(name),
            };
            if let (false, Some(here)) = (targets.contains_key(name), here) {
                targets.insert(name.clone(), here.id.clone());
            }
        }
        Ok(targets)
    }

    /// The spec of a connection that is made.
    fn admitted(&self, roster: &Roster, spec: &ConnectionSpec) -> Result<ConnectionSpec> {
        let info = self.registry().connector(&spec.kind)?.info();
        connections::valid(info, spec)?;
        connections::admit(roster, info, spec, None)?;
        let mut spec = spec.clone();
        (spec.id, spec.method) = (None, Some(info.method(&spec)?.name.clone()));
        Ok(spec)
    }
}

/// The connection of this id, or else of this name.
fn find<'a>(roster: &'a Roster, key: &str) -> Option<&'a ConnectionEntry> {
    let by_id = roster.connection(key).ok();
    by_id.or_else(|| roster.connection_named(key))
}
