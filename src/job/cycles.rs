//! Records that would be their own ancestors.

use std::collections::{HashMap, HashSet};

use arrow_array::{ArrayRef, BooleanArray};

use crate::destination::Writer;
use crate::host::Context;
use crate::lookup::{LookupKeys, LookupRequest};
use crate::mapping::SelfLookupPlan;
use crate::record::convert::Converter;
use crate::{Error, Result};

use super::pending::{Found, links, texts};

/// The identities of the records on a cycle, if these rows are linked so. Links of records that the
/// run did not touch are followed too.
pub(super) async fn members(
    context: &Context,
    plan: &SelfLookupPlan,
    writer: &mut dyn Writer,
    rows: &[Found],
) -> Result<HashSet<String>> {
    let mut parents = links(rows);
    let identity = plan.request.fetch.clone();
    let request = LookupRequest::new(&plan.request.object, vec![identity], &plan.field.name);
    let lookup = writer.lookup(context, request).await?;
    // What a record refers to, in the type by which records are found.
    let back = Converter::new(&plan.field.field_type, &plan.identity, false).map_err(|_| {
        Error::contract("a field that refers to records does not convert to their identity")
    })?;
    let mut ask: Vec<ArrayRef> = rows
        .iter()
        .map(|rows| ArrayRef::clone(&rows.values))
        .collect();
    // Each round asks for the parents of records met for the first time, so it ends.
    while let Some(ids) = ask.pop() {
        let mut met = HashSet::new();
        let names = texts(&ids);
        let new = names.iter().map(|name| {
            let is_new = |name: &String| !parents.contains_key(name) && met.insert(name.clone());
            Some(name.as_ref().is_some_and(is_new))
        });
        let new: BooleanArray = new.collect();
        if new.true_count() == 0 {
            continue;
        }
        let ids = arrow_select::filter::filter(&ids, &new)?;
        let matches = lookup
            .resolve(context, LookupKeys::new(vec![ArrayRef::clone(&ids)]))
            .await?;
        let above = back.convert(&matches.values)?.column;
        for (child, parent) in texts(&ids).into_iter().zip(texts(&above)) {
            parents.insert(child.unwrap_or_default(), parent);
        }
        ask.push(above);
    }
    Ok(on_cycles(&parents))
}

/// The names on cycles of a graph in which each name has at most one parent.
fn on_cycles(parents: &HashMap<String, Option<String>>) -> HashSet<String> {
    let mut done: HashSet<&str> = HashSet::new();
    let mut found = HashSet::new();
    for start in parents.keys() {
        let mut path: Vec<&str> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut next = Some(start.as_str());
        while let Some(name) = next {
            if let Some(&place) = places.get(name) {
                found.extend(path[place..].iter().map(|name| (*name).to_owned()));
                break;
            }
            if done.contains(name) {
                break;
            }
            places.insert(name, path.len());
            path.push(name);
            next = parents.get(name).and_then(|parent| parent.as_deref());
        }
        done.extend(path);
    }
    found
}

/// The values of the rows, with null for the records on a cycle.
pub(super) fn without(rows: &Found, on_cycle: &HashSet<String>) -> Result<ArrayRef> {
    let hide: BooleanArray = texts(&rows.ids)
        .iter()
        .map(|id| Some(id.as_ref().is_some_and(|id| on_cycle.contains(id))))
        .collect();
    Ok(arrow_select::nullif::nullif(&rows.values, &hide)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_members_of_a_cycle_are_on_it() {
        let graph = [
            ("a", Some("b")),
            ("b", Some("c")),
            ("c", Some("b")),
            ("d", Some("d")),
            ("e", None),
            ("f", Some("e")),
        ];
        let graph = graph
            .into_iter()
            .map(|(child, parent)| (child.to_owned(), parent.map(str::to_owned)))
            .collect();
        let mut found: Vec<String> = on_cycles(&graph).into_iter().collect();
        found.sort();
        assert_eq!(found, ["b", "c", "d"]);
    }
}
