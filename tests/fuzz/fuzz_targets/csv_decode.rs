//! Any bytes as a file of any dialect: each record is a row or a reject, and the bytes add up.
//!
//! The first line of the input is the source as JSON, the rest the file; without such a line all is the file.
#![no_main]

use std::sync::Arc;

use futures::StreamExt as _;
use futures::executor::block_on;
use libfuzzer_sys::fuzz_target;
use syncline::dataset::{Dataset as _, ReadRequest};
use syncline::file::DelimitedDataset;
use syncline::host::Context;
use syncline::memory::MemoryFiles;
use syncline::record::FieldType;
use syncline::spec::{Column, FileSource};

fuzz_target!(|data: &[u8]| {
    let split = data.iter().position(|byte| *byte == b'\n');
    let (line, rest) = data.split_at(split.map_or(0, |at| at + 1));
    let (source, file) = match serde_json::from_slice::<FileSource>(line) {
        Ok(source) => (source, rest),
        Err(_) => {
            let columns = [
                Column::new("a", FieldType::Text),
                Column::new("b", FieldType::Integer),
                Column::new("c", FieldType::Date),
            ];
            (FileSource::new("f", columns), data)
        }
    };
    let files = MemoryFiles::new();
    files.insert(&source.name, file.to_vec());
    let context = Context::new();
    let read = block_on(async {
        let dataset = DelimitedDataset::open(&context, Arc::new(files), &source)
            .await
            .ok()?;
        let mut batches = dataset.read(&context, ReadRequest::new());
        let (mut records, mut last) = (0, None);
        while let Some(batch) = batches.next().await {
            let batch = batch.ok()?;
            records += batch.len() + batch.rejects.len();
            for reject in &batch.rejects {
                assert!(last < Some(reject.position.record), "rejects in order");
                last = Some(reject.position.record);
                assert!(!reject.refusal.message.is_empty());
            }
        }
        Some(records)
    });
    // A record takes a byte at least, and its line end.
    assert!(read.is_none_or(|records| records <= file.len() + 1));
});
