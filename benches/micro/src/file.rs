//! Delimited files, read and written.

use std::sync::Arc;

use futures::StreamExt;
use futures::executor::block_on;
use syncline::dataset::{Dataset, ReadRequest};
use syncline::file::DelimitedEncoder;
use syncline::host::Context;
use syncline::spec::Delimited;

use crate::Work;
use crate::data::{usage_batches, usage_dataset, usage_file};

/// Records are split and counted, and no column is wanted.
pub(crate) fn tokenise(rows: usize) -> Work {
    read(rows, &[])
}

pub(crate) fn read_text(rows: usize) -> Work {
    read(rows, &["external_account_id"])
}

pub(crate) fn read_integer(rows: usize) -> Work {
    read(rows, &["seats"])
}

pub(crate) fn read_decimal(rows: usize) -> Work {
    read(rows, &["mrr"])
}

pub(crate) fn read_boolean(rows: usize) -> Work {
    read(rows, &["active"])
}

pub(crate) fn read_datetime(rows: usize) -> Work {
    read(rows, &["event_ts"])
}

pub(crate) fn read_all(rows: usize) -> Work {
    let columns = [
        "external_account_id",
        "event_ts",
        "product",
        "seats",
        "mrr",
        "active",
        "note",
    ];
    read(rows, &columns)
}

fn read(rows: usize, columns: &[&str]) -> Work {
    let file = usage_file(rows);
    let bytes = file.len();
    let dataset = usage_dataset(file, true);
    let fields = columns.iter().map(|&column| column.to_owned()).collect();
    let request = ReadRequest::new().with_fields(fields);
    let context = Context::new();
    Work::new(rows, bytes, move || {
        let mut batches = dataset.read(&context, request.clone());
        let mut records = 0;
        while let Some(batch) = block_on(batches.next()) {
            let batch = batch.unwrap();
            records += batch.len() + batch.rejects.len();
        }
        records as u64
    })
}

pub(crate) fn write(rows: usize) -> Work {
    let batches = usage_batches(rows, true);
    let encoder = DelimitedEncoder::new(&Delimited::csv()).unwrap();
    let records: Vec<_> = batches.into_iter().map(|batch| batch.records).collect();
    let encode = move |out: &mut Vec<u8>| {
        let mut bytes = 0;
        for records in &records {
            out.clear();
            encoder.batch(records, out).unwrap();
            bytes += out.len();
        }
        bytes
    };
    let mut out = Vec::new();
    let bytes = encode(&mut out);
    Work::new(rows, bytes, move || encode(&mut out) as u64)
}

/// The file, for the limits.
pub(crate) fn bytes(rows: usize) -> Arc<[u8]> {
    usage_file(rows).into()
}
