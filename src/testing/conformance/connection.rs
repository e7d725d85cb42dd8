//! What is asked of a connection.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::Array as _;
use async_trait::async_trait;
use futures::StreamExt as _;

use super::clause::{Checked, Finding, OrBroken as _, clause, must, opaque, reached, same};
use super::{Capability, Fixture, Suite};
use crate::connection::{Catalog, Connection};
use crate::dataset::ReadRequest;
use crate::host::Context;
use crate::lookup::{LookupKeys, LookupRequest, Match};
use crate::{ErrorKind, Result};

/// A connection.
pub struct ConnectionFixture {
    connection: Arc<dyn Connection>,
}

opaque!(ConnectionFixture);

impl ConnectionFixture {
    /// This one. Objects that can be looked up have at least one record.
    pub fn new(connection: impl Connection + 'static) -> Self {
        ConnectionFixture {
            connection: Arc::new(connection),
        }
    }
}

#[async_trait]
impl Fixture for ConnectionFixture {
    fn subject(&self) -> String {
        self.connection.info().name.clone()
    }

    async fn declares(&self, context: &Context) -> Result<BTreeSet<Capability>> {
        let catalog = self.connection.discover(context).await?;
        let looks_up = catalog.objects.iter().any(|object| object.can_be_looked_up);
        Ok(looks_up
            .then_some(Capability::LooksUp)
            .into_iter()
            .collect())
    }
}

/// The contract of a [`Connection`]; what its datasets and destinations do has suites of its own.
pub static CONNECTION: Suite<ConnectionFixture> = Suite {
    name: "connection",
    clauses: &[
        clause!(
            "CN-01",
            None,
            "The catalog is sorted by name, has each object once, with fields of different names, and is the same when it is asked for again.",
            "What has changed in the outside system is seen by comparing catalogs.",
            catalog
        ),
        clause!(
            "CN-02",
            None,
            "Each object of the catalog opens, as a dataset or as a destination, under its own name and with the fields that the catalog shows.",
            "A mapping that was made by the catalog would not fit.",
            objects_open
        ),
        clause!(
            "CN-03",
            None,
            "An object that is not in the catalog is refused, as a dataset, a destination and a lookup.",
            "A name with a typing error would sync nothing, and call it success.",
            unknown_objects
        ),
        clause!(
            "CN-04",
            Some(Capability::LooksUp),
            "A record of an object that can be looked up is found by any of its values.",
            "Mappings would leave links out that are there.",
            looked_up
        ),
    ],
};

async fn discovered(
    context: &Context,
    fixture: &ConnectionFixture,
) -> std::result::Result<Catalog, Finding> {
    let catalog = fixture.connection.discover(context).await?;
    reached(!catalog.objects.is_empty(), || {
        "the catalog is empty".into()
    })?;
    Ok(catalog)
}

async fn catalog(context: &Context, fixture: &ConnectionFixture) -> Checked {
    let first = fixture
        .connection
        .discover(context)
        .await
        .or_broken("discover")?;
    let second = fixture
        .connection
        .discover(context)
        .await
        .or_broken("discover again")?;
    must(!first.objects.is_empty(), || "the catalog is empty".into())?;
    let names = |catalog: &Catalog| -> Vec<_> {
        let objects = catalog.objects.iter();
        objects
            .map(|object| (object.name.clone(), object.schema.clone()))
            .collect()
    };
    let (first, second) = (names(&first), names(&second));
    must(first.is_sorted_by(|a, b| a.0 < b.0), || {
        "not sorted, or an object is there twice".into()
    })?;
    for (object, schema) in &first {
        let fields: BTreeSet<&String> = schema.fields().iter().map(|field| &field.name).collect();
        same(
            &format!("the names of fields of {object:?}"),
            &fields.len(),
            &schema.fields().len(),
        )?;
    }
    must(first == second, || {
        "another catalog, though nothing has changed".into()
    })
}

async fn objects_open(context: &Context, fixture: &ConnectionFixture) -> Checked {
    for object in discovered(context, fixture).await?.objects {
        let name = &object.name;
        let dataset = fixture.connection.dataset(context, name).await;
        let destination = fixture.connection.destination(context, name).await;
        must(dataset.is_ok() || destination.is_ok(), || {
            format!("{name:?} does not open")
        })?;
        let refused = [dataset.as_ref().err(), destination.as_ref().err()];
        for error in refused.into_iter().flatten() {
            same("what it is not", &error.kind(), &ErrorKind::Unsupported)?;
        }
        let dataset = dataset.iter().map(|dataset| dataset.schema());
        let destination = destination.iter().map(|destination| destination.schema());
        for schema in dataset.chain(destination) {
            same(&format!("the fields of {name:?}"), schema, &object.schema)?;
        }
    }
    Ok(())
}

async fn unknown_objects(context: &Context, fixture: &ConnectionFixture) -> Checked {
    let known = discovered(context, fixture).await?;
    for name in ["", "no object of any system"] {
        reached(known.object(name).is_none(), || {
            format!("{name:?} is an object")
        })?;
        let request = LookupRequest::new(name, vec!["id".into()], "id");
        let taken = [
            (
                "dataset",
                fixture.connection.dataset(context, name).await.is_ok(),
            ),
            (
                "destination",
                fixture.connection.destination(context, name).await.is_ok(),
            ),
            (
                "lookup",
                fixture.connection.lookup(context, request).await.is_ok(),
            ),
        ];
        for (call, taken) in taken {
            must(!taken, || format!("{call} takes {name:?}"))?;
        }
    }
    Ok(())
}

async fn looked_up(context: &Context, fixture: &ConnectionFixture) -> Checked {
    let catalog = discovered(context, fixture).await?;
    for object in catalog
        .objects
        .iter()
        .filter(|object| object.can_be_looked_up)
    {
        let dataset = fixture.connection.dataset(context, &object.name).await?;
        let request = ReadRequest::new().with_batch_rows(50);
        let batch = dataset.read(context, request).next().await.transpose()?;
        let records = batch.map(|batch| batch.records);
        let Some(records) = records.filter(|records| records.num_rows() > 0) else {
            return Err(Finding::NotReached(format!(
                "{:?} has no record to look up",
                object.name
            )));
        };
        for (field, column) in object.schema.fields().iter().zip(records.columns()) {
            let name = &field.name;
            let request = LookupRequest::new(&object.name, vec![name.clone()], name);
            let what = format!("a lookup of {:?} by {name:?}", object.name);
            let lookup = fixture
                .connection
                .lookup(context, request)
                .await
                .or_broken(&what)?;
            let keys = LookupKeys::new(vec![Arc::clone(column)]);
            let matches = lookup.resolve(context, keys).await.or_broken(&what)?;
            for row in 0..column.len() {
                let found = matches.found.get(row);
                let right = match column.is_null(row) {
                    true => found == Some(&Match::Empty),
                    false => {
                        let has_value = matches.values.len() > row
                            && matches.values.slice(row, 1) == column.slice(row, 1);
                        matches!(found, Some(Match::One | Match::Many)) && has_value
                    }
                };
                must(right, || {
                    format!("{what}: {found:?} for a record that is there")
                })?;
            }
        }
    }
    Ok(())
}
