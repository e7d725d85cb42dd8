//! Reject files, read back and marked.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow_array::Array as _;
use arrow_array::cast::AsArray as _;
use bytes::Bytes;
use futures::TryStreamExt as _;

use super::dataset::DelimitedDataset;
use super::rejects::{ADDED, DELETE, OP, encode, encoder, format, header};
use crate::dataset::{Dataset as _, ReadRequest};
use crate::host::{Context, FileStore, KeptRejects, RejectKey, RejectMarks};
use crate::record::{FieldType, Position, RawRecord, Reason, Refusal, Reject};
use crate::spec::{Column, FileSource};
use crate::{Error, ErrorKind, Result};

/// The records of a reject file, by the version of the job.
pub(super) async fn read(files: &Arc<dyn FileStore>, name: &str) -> Result<Vec<KeptRejects>> {
    let context = Context::new();
    let mut source = FileSource::new(name, Vec::<Column>::new());
    source.format = format();
    // Which columns it has, its header tells.
    let names = DelimitedDataset::open(&context, Arc::clone(files), &source).await?;
    let names: Vec<String> = names.info().columns.to_vec();
    let columns_before = |added: &[&str]| {
        let (columns, last) = names.split_at_checked(names.len().checked_sub(added.len())?)?;
        (last == added).then_some(columns)
    };
    let columns = columns_before(&ADDED).or_else(|| columns_before(&ADDED[..OP]));
    let columns: Arc<[String]> = columns.ok_or_else(|| no_reject_file(name))?.into();
    let texts = names.iter().map(|name| Column::new(name, FieldType::Text));
    source.columns = texts.collect();
    let dataset = DelimitedDataset::open(&context, Arc::clone(files), &source).await?;
    let mut batches = dataset.read(&context, ReadRequest::new());
    let mut kept: Vec<KeptRejects> = Vec::new();
    while let Some(batch) = batches.try_next().await? {
        let mut records: Vec<(u64, Vec<Option<Bytes>>)> = Vec::new();
        for row in 0..batch.len() {
            let cell = |column: &arrow_array::ArrayRef| {
                let texts = column.as_string_view_opt()?;
                let text = texts.is_valid(row).then(|| texts.value(row));
                text.map(|text| Bytes::copy_from_slice(text.as_bytes()))
            };
            let cells = batch.records.columns().iter().map(cell);
            records.push((batch.origins.sequence(row), cells.collect()));
        }
        for reject in batch.rejects {
            // Cells of the source that are no text.
            match reject.raw {
                RawRecord::Cells(cells) => records.push((reject.position.record, cells)),
                RawRecord::Unsplit { .. } => return Err(no_reject_file(name)),
            }
        }
        records.sort_by_key(|(number, _)| *number);
        for (_, cells) in records {
            let (version, reject) =
                reject_of(cells, columns.len()).ok_or_else(|| no_reject_file(name))?;
            let last = kept.last_mut().filter(|kept| kept.job_version == version);
            match last {
                Some(kept) => kept.rejects.push(reject),
                None => kept.push(KeptRejects::new(
                    name,
                    Arc::clone(&columns),
                    version,
                    vec![reject],
                )),
            }
        }
    }
    Ok(kept)
}

/// Writes a file anew without the records that are resolved, if it has any that are marked. What is told apart comes into the file that
/// `file_of` names for its destination first: what breaks off in between leaves it in both.
pub(super) async fn mark(
    files: &Arc<dyn FileStore>,
    name: &str,
    marks: &RejectMarks,
    file_of: impl Fn(&str) -> String,
) -> Result<()> {
    let kept = read(files, name).await?;
    let Some(first) = kept.first() else {
        return Ok(());
    };
    let columns = Arc::clone(&first.columns);
    let mut apart: BTreeMap<&Arc<str>, Vec<Line<'_>>> = BTreeMap::new();
    let mut stay: Vec<Line<'_>> = Vec::new();
    let mut changed = false;
    for (version, reject) in lines(&kept) {
        let key = RejectKey::new(name, reject);
        if let Some(refused) = marks.apart.get(&key) {
            changed = true;
            for (destination, reject) in refused {
                let lines = apart.entry(destination).or_default();
                lines.push((&marks.job_version, reject));
            }
            continue;
        }
        match marks.by_key.get(&key) {
            None => stay.push((version, reject)),
            Some(again) => {
                changed = true;
                stay.extend(again.iter().map(|again| (&marks.job_version, again)));
            }
        }
    }
    for (destination, lines) in apart {
        add(files, &file_of(destination), &columns, &lines).await?;
    }
    match (changed, stay.is_empty()) {
        (false, _) => Ok(()),
        (true, true) => files.remove(name).await,
        (true, false) => write(files, name, &columns, &stay).await,
    }
}

/// A reject and the version of the job that refused it.
type Line<'a> = (&'a Option<Arc<str>>, &'a Reject);

fn lines(kept: &[KeptRejects]) -> impl Iterator<Item = Line<'_>> {
    kept.iter().flat_map(|kept| {
        let rejects = kept.rejects.iter();
        rejects.map(|reject| (&kept.job_version, reject))
    })
}

/// Adds records of a run to a file that has others of the same one, or to none. Those that are there already are written once.
async fn add(
    files: &Arc<dyn FileStore>,
    name: &str,
    columns: &Arc<[String]>,
    more: &[Line<'_>],
) -> Result<()> {
    let there = match files.list(name).await?.iter().any(|file| file == name) {
        true => read(files, name).await?,
        false => Vec::new(),
    };
    if there.first().is_some_and(|there| there.columns != *columns) {
        return Err(no_reject_file(name));
    }
    let position = |(_, reject): &Line<'_>| reject.position.to_string();
    let new: HashSet<String> = more.iter().map(position).collect();
    let mut all: Vec<Line<'_>> = lines(&there).collect();
    all.retain(|line| !new.contains(&position(line)));
    all.extend(more);
    write(files, name, columns, &all).await
}

async fn write(
    files: &Arc<dyn FileStore>,
    name: &str,
    columns: &[String],
    lines: &[Line<'_>],
) -> Result<()> {
    let all: Vec<usize> = (0..columns.len()).collect();
    let encoder = encoder()?;
    let mut text = header(columns, &all)?;
    for (version, reject) in lines {
        encode(&encoder, reject, version.as_deref(), &all, &mut text)?;
    }
    let mut writer = files.create(name).await?;
    writer.write(text.into()).await?;
    writer.finish().await
}

/// A line of a reject file whose source has so many columns.
fn reject_of(mut cells: Vec<Option<Bytes>>, columns: usize) -> Option<(Option<Arc<str>>, Reject)> {
    if cells.len() < columns {
        return None;
    }
    let added = cells.split_off(columns);
    let text = |cell: &Option<Bytes>| {
        let cell = cell.as_deref()?;
        std::str::from_utf8(cell).ok().map(str::to_owned)
    };
    let [
        reason,
        field,
        message,
        position,
        raw,
        attempts,
        version,
        op @ ..,
    ] = &*added
    else {
        return None;
    };
    let reason = text(reason)?;
    let reason = Reason::ALL
        .into_iter()
        .find(|known| known.code() == reason)?;
    let message = text(message)?;
    let mut refusal = Refusal::new(reason, message);
    refusal.field = text(field);
    let position: Position = text(position)?.parse().ok()?;
    let raw = match raw {
        Some(bytes) => RawRecord::Unsplit {
            bytes: bytes.clone(),
            // The message says so already.
            truncated: false,
        },
        None => RawRecord::Cells(cells),
    };
    let attempts = text(attempts)?.parse().ok()?;
    let version = text(version).map(Arc::from);
    let mut reject = Reject::new(position, refusal, raw).after(attempts);
    // Files of before do not tell.
    if op.first().and_then(text).as_deref() == Some(DELETE) {
        reject = reject.of_delete();
    }
    Some((version, reject))
}

fn no_reject_file(name: &str) -> Error {
    let message = "this is no reject file as it was written; its columns, reasons and positions must stay as they are, or a redrive cannot tell its records";
    Error::new(ErrorKind::Malformed, message)
        .during("redrive")
        .with("file", name)
}
