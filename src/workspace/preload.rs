//! Records that an object has before the run.

use std::sync::Arc;

use futures::StreamExt;

use crate::dataset::{Dataset, ReadRequest};
use crate::error::Problem;
use crate::file::DelimitedDataset;
use crate::host::{Context, FileStore};
use crate::mapping::{CompileRequest, MappingPlan};
use crate::memory::MemoryObject;
use crate::record::{Reject, Schema};
use crate::spec::{FieldMapping, Identity, MappingSpec, ObjectSpec, PreloadSpec, WriteMode};
use crate::{Error, ErrorKind, Result};

/// What is wrong with an object's preload, as far as can be seen without its file.
pub(super) fn problems(object: &ObjectSpec, target: &Schema, path: &str) -> Vec<Problem> {
    let Some(preload) = &object.preload else {
        return Vec::new();
    };
    let mut problems = preload.file.problems(&format!("{path}.file"));
    let columns = preload.file.schema();
    if let Err(found) = compile(preload, &object.name, &columns, target) {
        // The mapping's fields have positions; here they have names.
        problems.extend(
            found
                .into_iter()
                .map(|problem| Problem::new(format!("{path}.fields"), problem.message)),
        );
    }
    problems
}

fn compile(
    preload: &PreloadSpec,
    object: &str,
    columns: &Schema,
    target: &Schema,
) -> Result<MappingPlan, Vec<Problem>> {
    let fields = preload
        .fields
        .iter()
        .map(|(field, column)| FieldMapping::direct(field, column))
        .collect();
    let request = CompileRequest::new(columns, object, target, &Identity::None, &WriteMode::Insert);
    MappingPlan::compile(&MappingSpec::new(fields), &request, "")
}

/// Reads the file into the table.
pub(super) async fn fill(
    context: &Context,
    files: &Arc<dyn FileStore>,
    preload: &PreloadSpec,
    table: &MemoryObject,
) -> Result<()> {
    let during = |error: Error| error.during("preload").with("object", table.name());
    let dataset = DelimitedDataset::open(context, Arc::clone(files), &preload.file)
        .await
        .map_err(during)?;
    let plan = compile(preload, table.name(), dataset.schema(), table.schema())
        .map_err(|found| Error::invalid("the preload does not fit the object", found))?;
    let fields = preload.fields.values().cloned().collect();
    let mapper = Arc::new(plan).bind(Vec::new())?;
    let mut batches = dataset.read(context, ReadRequest::new().with_fields(fields));
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(during)?;
        let mapped = mapper.map(context, &batch).await?.batch;
        if let Some(reject) = batch.rejects.first().or(mapped.rejects.first()) {
            return Err(during(bad_record(reject)));
        }
        let origins = mapped.origins;
        let placed = |error: Error| {
            // The table counts within the batch; the file has lines.
            let row = error
                .context()
                .find(|(key, _)| *key == "row")
                .and_then(|(_, row)| row.parse().ok());
            let row: Option<usize> = row.filter(|&row| row < origins.len());
            match row {
                Some(row) => error.with("record", origins.position(row)),
                None => error,
            }
        };
        table
            .insert(mapped.records)
            .map_err(|error| during(placed(error)))?;
    }
    Ok(())
}

fn bad_record(reject: &Reject) -> Error {
    let message = format!(
        "a record cannot be loaded: {}; mend the file",
        reject.refusal.message
    );
    let error = Error::new(ErrorKind::Malformed, message).with("record", &reject.position);
    match &reject.refusal.field {
        Some(field) => error.with("field", field),
        None => error,
    }
}
