//! The examples of own implementations, certified as their authors would.
#![allow(dead_code, unreachable_pub)]

#[path = "../../examples/own_cipher.rs"]
mod own_cipher;
pub(crate) use own_cipher::XChaCha;
#[path = "../../examples/own_connection.rs"]
mod own_connection;
#[path = "../../examples/own_destination.rs"]
mod own_destination;
#[path = "../../examples/own_job.rs"]
mod own_job;
#[path = "../../examples/own_store.rs"]
mod own_store;

use std::sync::Arc;

use futures::FutureExt as _;
use syncline::Result;
use syncline::conformance;
use syncline::connection::{Connection as _, ConnectionInfo};
use syncline::destination::Destination as _;
use syncline::host::Context;
use syncline::memory::MemoryFiles;
use syncline::record::array::{RecordBatch, new_null_array};
use syncline::record::{RecordBuilder, Schema};
use syncline::testing::conformance::{
    CipherFixture, ConnectionFixture, DatasetFixture, DestinationFixture, JobFixture,
    StateStoreFixture,
};
use tempfile::TempDir;

use own_connection::Sensors;
use own_destination::JsonLines;
use own_store::OneFile;

fn sensors() -> Sensors {
    Sensors(ConnectionInfo::new("sensors"))
}

fn readings() -> DatasetFixture {
    let readings = move || {
        let context = Context::new();
        sensors()
            .dataset(&context, "readings")
            .now_or_never()
            .unwrap()
            .unwrap()
    };
    DatasetFixture::new(readings)
}

conformance!(own_cipher_as_a_cipher: cipher, CipherFixture::new(XChaCha::new(&[7; 32])).with_other_keys(XChaCha::new(&[8; 32])));
conformance!(own_connection_as_a_connection: connection, ConnectionFixture::new(sensors()));
conformance!(own_connection_as_a_dataset: dataset, readings(), skip: [
    ("DS-09", "readings are no text"), ("DS-10", "the system cannot be asked for a stretch of time"), ("DS-11", "the system has no clock"),
    ("DS-13", "the system's answers are made up")]);

/// The lines of a file as records.
fn lines(schema: &Schema, path: &std::path::Path) -> Result<Vec<RecordBatch>> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut rows = RecordBuilder::new(schema);
    for line in text.lines() {
        rows.push_map(&serde_json::from_str(line).unwrap()).unwrap();
    }
    Ok(vec![rows.finish()?])
}

fn json_lines() -> DestinationFixture {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("people.jsonl");
    let destination = Arc::new(JsonLines::people(path));
    let schema = destination.schema().clone();
    let nothing = schema.arrow().fields().iter();
    let nothing = nothing.map(|field| (field.name(), new_null_array(field.data_type(), 1), true));
    let nothing = RecordBatch::try_from_iter_with_nullable(nothing).unwrap();
    let read_back = move || std::future::ready(lines(&schema, &folder.path().join("people.jsonl")));
    DestinationFixture::new(destination, "name", "born", read_back).refusing(nothing)
}

conformance!(own_destination_as_a_destination: destination, json_lines(), skip: [
    ("DW-05", "lines are only added"), ("DW-06", "lines are only added"), ("DW-07", "lines are only added"),
    ("DW-08", "lines are only added"), ("DW-09", "lines are only added"), ("DW-10", "it cannot be run dry"),
    ("DW-11", "groups are not told apart"), ("DW-12", "batches are not told apart"),
    ("DW-13", "it keeps no checkpoint"), ("DW-14", "it keeps no checkpoint"), ("DW-15", "lines are not deleted"),
    ("DW-16", "lines have no identity")]);
conformance!(own_destination_as_a_connection: connection,
    ConnectionFixture::new(JsonLines::people(std::env::temp_dir().join("never written.jsonl"))), skip: [
    ("CN-04", "lines cannot be looked up")]);

async fn checked_people() -> Result<JobFixture> {
    let files = Arc::new(MemoryFiles::new());
    let (job, workspace) = own_job::guarded(40, files.clone()).await?;
    let workspace = Arc::new(workspace);
    let world = move || {
        let (workspace, files) = (workspace.clone(), files.clone());
        async move {
            workspace.home().save(&Context::new(), "person").await?;
            Ok(format!("{:?}", files.bytes("person.csv")))
        }
    };
    Ok(JobFixture::new(job).observed(world).with_dry_run())
}

conformance!(own_job_as_a_job: job, checked_people().await?);

fn one_file() -> StateStoreFixture {
    let folder = TempDir::new().unwrap();
    StateStoreFixture::new(move || OneFile::new(folder.path().to_owned()).unwrap())
}

conformance!(own_store_as_a_state_store: state_store, one_file());
