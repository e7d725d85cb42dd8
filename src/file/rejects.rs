//! Rejects as delimited files that people open and mend.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use futures::lock::Mutex;

use super::encode::DelimitedEncoder;
use super::epochs::{Epochs, taken_over};
use crate::host::{
    FileStore, FileWriter, KeptRejects, RejectLedger, RejectMarks, RejectRewind, RejectSegment,
};
use crate::record::{RawRecord, Reject, RowOp};
use crate::spec::Delimited;
use crate::{Error, ErrorKind, Result};

/// A [`RejectLedger`] of comma-separated files: `rejects/<destination>.csv`, and `rejects/_source.csv` for
/// records that were refused before any destination saw them.
///
/// A file has all columns of the source, with the cells as they were read, and behind them `_reason`,
/// `_field`, `_message`, `_position`, `_raw`, `_attempts`, `_version` and `_op`. `_raw` has the bytes of a record that could not be
/// split, whose other cells are null; `_attempts` says how often the record was tried, and `_version` by which [version of the
/// job](crate::job::SyncJob::version) last; `_op` is `delete` if the source said that the record is gone. A column of the source that has one of these eight names, as in a
/// reject file that was mended and is read again, is left out: its place is taken. Where a source gives
/// a name to several columns, or to none, `name_2` and `column_3` tell them apart.
///
/// The format is [`Delimited::csv`] with [`guarded`](Delimited::guarded), so that a spreadsheet runs no cell; read with that
/// format, each cell has the bytes that it had in the source. Of a record whose bytes were kept in part only, `_message` says so.
///
/// A file is begun at the first reject of its destination; all become visible when the ledger is
/// sealed. A ledger is for one run: files of an earlier one stay until they are written again or
/// [cleared](RejectFiles::clear_stale). A run that saves its state needs a ledger [in parts](RejectFiles::in_parts), whose
/// folder no other job has.
///
/// ```
/// # futures::executor::block_on(async {
/// use std::sync::Arc;
/// use syncline::file::RejectFiles;
/// use syncline::host::{RejectLedger, RejectSegment};
/// use syncline::memory::MemoryFiles;
/// use syncline::record::{Position, RawRecord, Reason, Refusal, Reject};
///
/// let refusal = Refusal::new(Reason::BadValue, "expected a date like 2025-01-31").of("since");
/// let raw = RawRecord::Cells(vec![Some("=1+1".into()), Some("31.1.".into())]);
/// let reject = Reject::new(Position::new("f.csv", 0).with_byte_and_line(9, 2), refusal, raw);
/// let columns = ["name", "since"].map(str::to_owned).into();
///
/// let files = Arc::new(MemoryFiles::new());
/// let ledger = RejectFiles::new(files.clone());
/// ledger.append(RejectSegment::new(Some("person".into()), columns, vec![reject])).await?;
/// ledger.seal().await?;
/// assert_eq!(files.bytes("rejects/person.csv").unwrap(), "\
/// name,since,_reason,_field,_message,_position,_raw,_attempts,_version,_op
/// '=1+1,31.1.,bad_value,since,expected a date like 2025-01-31,f.csv:2 (byte 9),,1,,
/// ");
/// # Ok::<(), syncline::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct RejectFiles {
    files: Arc<dyn FileStore>,
    in_parts: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// By file name.
    open: BTreeMap<String, Open>,
    /// How many files there are of a commit group, by the first one's name.
    parts: BTreeMap<String, u64>,
    sealed: bool,
    /// What the run reads that has this ledger now.
    partition: Arc<str>,
    /// The newest epoch that rewound this ledger for it. Those of other processes are told by their marks.
    epoch: u64,
    /// Files that were made visible, and of which it is not known yet that no newer run had begun by then.
    unsure: Vec<String>,
}

impl Default for State {
    fn default() -> Self {
        State {
            open: BTreeMap::new(),
            parts: BTreeMap::new(),
            sealed: false,
            partition: "".into(),
            epoch: 0,
            unsure: Vec::new(),
        }
    }
}

#[derive(Debug)]
struct Open {
    columns: Arc<[String]>,
    /// The numbers of those that are written.
    kept: Vec<usize>,
    /// The name of its group's first file, in parts.
    part: Option<String>,
    writer: Box<dyn FileWriter>,
}

const FOLDER: &str = "rejects/";
const ENDING: &str = ".csv";
/// The columns behind those of the source.
pub(super) const ADDED: [&str; 8] = [
    "_reason",
    "_field",
    "_message",
    "_position",
    "_raw",
    "_attempts",
    "_version",
    "_op",
];
/// How many of them there were before there was `_op`.
pub(super) const OP: usize = 7;
/// What `_op` says of a record that is gone in the source.
pub(super) const DELETE: &str = "delete";

impl RejectFiles {
    /// A ledger in the folder `rejects` of a store.
    pub fn new(files: Arc<dyn FileStore>) -> Self {
        RejectFiles {
            files,
            in_parts: false,
            state: Mutex::default(),
        }
    }

    /// The same, with files of their own for each commit group: `rejects/person-00000007.e3.csv` has what was refused for `person` in
    /// group 7, by a run of epoch 3. They are there, and stay, before the checkpoint passes the group; a run that goes on removes
    /// those of groups that come again, so that no record is there twice. Groups and epochs count on over all runs of a job.
    ///
    /// A run leaves its epoch in `rejects/_epochs`, and an older one of any process that still lives then is refused with a
    /// [`Conflict`](crate::ErrorKind::Conflict) and takes back what it wrote behind that. Only one that dies between the two leaves a file too
    /// many: to exclude that as well, keep runs of one job apart by a [lease](crate::job::Lease).
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// use std::sync::Arc;
    /// use syncline::file::RejectFiles;
    /// use syncline::host::{FileStore, RejectLedger, RejectRewind, RejectSegment};
    /// use syncline::memory::MemoryFiles;
    /// use syncline::record::{Position, RawRecord, Reason, Refusal, Reject};
    ///
    /// let files = Arc::new(MemoryFiles::new());
    /// let refused = |group| {
    ///     let refusal = Refusal::new(Reason::BadValue, "expected a date like 2025-01-31");
    ///     let reject = Reject::new(Position::new("f.csv", group), refusal, RawRecord::Cells(Vec::new()));
    ///     RejectSegment::new(Some("person".into()), [].into(), vec![reject]).with_group(group, 1)
    /// };
    /// let ledger = RejectFiles::new(files.clone()).in_parts();
    /// for group in 6..9 {
    ///     ledger.append(refused(group)).await?;
    ///     ledger.flush().await?;
    /// }
    /// // The process died, and the checkpoint is behind group 6.
    /// let ledger = RejectFiles::new(files.clone()).in_parts();
    /// ledger.rewind(&RejectRewind::new(Some("person"), 6, 2)).await?;
    /// assert_eq!(files.list("rejects/person").await?, ["rejects/person-00000006.e1.csv"]);
    /// # Ok::<(), syncline::Error>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn in_parts(mut self) -> Self {
        self.in_parts = true;
        self
    }

    /// Removes the reject files of earlier runs, whether or not this run has any, and with them the marks that shut out old ones.
    /// Nothing for a run that goes on where another one broke off: what that one refused is not read again.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn clear_stale(&self) -> Result<()> {
        for name in self.files.list(FOLDER).await? {
            let is_ours = |file: &str| file.ends_with(ENDING) && !file.contains('/');
            if name.strip_prefix(FOLDER).is_some_and(is_ours) || Epochs::has(FOLDER, &name) {
                self.files.remove(&name).await?;
            }
        }
        Ok(())
    }

    /// The marks of the runs that read what this one reads.
    fn epochs(&self, state: &State) -> Epochs {
        Epochs::new(Arc::clone(&self.files), FOLDER, &in_name(&state.partition))
    }

    /// The name of the file that a segment belongs to.
    fn name(&self, state: &State, segment: &RejectSegment) -> String {
        if !self.in_parts {
            return format!("{}{ENDING}", stem_of(segment.destination.as_deref()));
        }
        let stem = stem_in(segment.destination.as_deref(), &segment.partition);
        let first = part_of(&stem, segment);
        match state.parts.get(&first) {
            Some(files) => format!("{first}.{}{ENDING}", files + 1),
            None => format!("{first}{ENDING}"),
        }
    }

    /// Makes all visible that is open; a file that fails stays, for another try.
    async fn finish(&self, state: &mut State) -> Result<()> {
        let fenced = state.epoch > 0;
        if fenced && !state.open.is_empty() {
            self.epochs(state).check(state.epoch).await?;
        }
        while let Some(mut open) = state.open.first_entry() {
            open.get_mut().writer.finish().await?;
            let (name, open) = open.remove_entry();
            if let Some(first) = open.part {
                *state.parts.entry(first).or_default() += 1;
            }
            if fenced {
                state.unsure.push(name);
            }
        }
        if state.unsure.is_empty() {
            return Ok(());
        }
        let still_ours = self.epochs(state).check(state.epoch).await;
        if let Err(error) = &still_ours {
            if error.kind() != ErrorKind::Conflict {
                return still_ours;
            }
            // The newer run may not have seen them when it took back what comes again.
            for name in &state.unsure {
                self.files.remove(name).await?;
            }
        }
        state.unsure.clear();
        still_ours
    }

    /// An error for a ledger of one run.
    fn must_be_in_parts(&self) -> Result<()> {
        if self.in_parts {
            return Ok(());
        }
        let message = "these reject files are for one run that is never broken off; write them in parts (`in_parts`)";
        Err(Error::new(ErrorKind::Unsupported, message).during("keep rejects"))
    }

    async fn begin(&self, name: &str, columns: &Arc<[String]>) -> Result<Open> {
        let mut writer = self.files.create(name).await?;
        let kept: Vec<usize> = (0..columns.len())
            .filter(|&column| columns.get(column).is_some_and(|name| !is_added(name)))
            .collect();
        writer.write(header(columns, &kept)?.into()).await?;
        Ok(Open {
            columns: Arc::clone(columns),
            kept,
            part: None,
            writer,
        })
    }
}

/// The header of a file with these of the source's columns.
pub(super) fn header(columns: &[String], kept: &[usize]) -> Result<Vec<u8>> {
    let mut header = Vec::new();
    let names = distinct_names(columns, kept);
    let names = names.iter().map(String::as_str).chain(ADDED);
    encoder()?.cells(names.map(|name| Some(name.as_bytes())), &mut header)?;
    Ok(header)
}

fn is_added(name: &str) -> bool {
    ADDED.contains(&name)
}

/// The names of these columns, each its own: later ones of a name are numbered, and so are those without.
fn distinct_names(columns: &[String], kept: &[usize]) -> Vec<String> {
    // A number leads to no name that a column has.
    let mut taken: HashSet<String> = columns.iter().cloned().collect();
    taken.extend(ADDED.map(String::from));
    let mut seen = HashSet::new();
    let kept = kept.iter().filter_map(|&at| Some((at, columns.get(at)?)));
    let distinct = kept.map(|(at, name)| {
        if !name.is_empty() && seen.insert(name) {
            return name.clone();
        }
        let (stem, mut number) = match name.is_empty() {
            true => ("column", at + 1),
            false => (name.as_str(), 2),
        };
        loop {
            let numbered = format!("{stem}_{number}");
            if taken.insert(numbered.clone()) {
                return numbered;
            }
            number += 1;
        }
    });
    distinct.collect()
}

/// The format of reject files.
pub(super) fn format() -> Delimited {
    let mut format = Delimited::csv();
    format.guarded = true;
    format
}

pub(super) fn encoder() -> Result<DelimitedEncoder> {
    DelimitedEncoder::new(&format())
}

#[async_trait]
impl RejectLedger for RejectFiles {
    async fn append(&self, segment: RejectSegment) -> Result<()> {
        let mut state = self.state.lock().await;
        let same = segment.partition == state.partition;
        if same && segment.epoch > 0 && segment.epoch < state.epoch {
            return Err(taken_over());
        }
        if state.sealed {
            return Err(Error::new(
                ErrorKind::Closed,
                "the rejects were sealed; a run has a ledger of its own",
            ));
        }
        if segment.rejects.is_empty() {
            return Ok(());
        }
        let name = self.name(&state, &segment);
        if !state.open.contains_key(&name) {
            let mut begun = self.begin(&name, &segment.columns).await?;
            if self.in_parts {
                let stem = stem_in(segment.destination.as_deref(), &segment.partition);
                begun.part = Some(part_of(&stem, &segment));
            }
            state.open.insert(name.clone(), begun);
        }
        let Some(open) = state.open.get_mut(&name) else {
            return Err(Error::contract("a reject file was lost"));
        };
        if open.columns != segment.columns {
            return Err(Error::contract(
                "rejects of one destination come from sources with other columns",
            )
            .with("file", name));
        }
        let encoder = encoder()?;
        let mut text = Vec::new();
        for reject in &segment.rejects {
            let version = segment.job_version.as_deref();
            encode(&encoder, reject, version, &open.kept, &mut text)?;
        }
        open.writer.write(text.into()).await
    }

    async fn seal(&self) -> Result<()> {
        let mut state = self.state.lock().await;
        // In parts the next run may go on with it.
        state.sealed = !self.in_parts;
        self.finish(&mut state).await
    }

    async fn flush(&self) -> Result<()> {
        self.must_be_in_parts()?;
        let mut state = self.state.lock().await;
        self.finish(&mut state).await
    }

    async fn rewind(&self, to: &RejectRewind) -> Result<()> {
        self.must_be_in_parts()?;
        let epoch = to.epoch;
        let stem = stem_in(to.destination.as_deref(), &to.partition);
        // A newer run may have come since, and what it refused is its own.
        let comes_again =
            |name: &str| group_of(name, &stem).is_some_and(|(of, by)| of > to.group && by <= epoch);
        let mut state = self.state.lock().await;
        if state.partition != to.partition {
            // A ledger has one run at a time.
            state.partition = Arc::clone(&to.partition);
            state.epoch = 0;
        }
        if epoch < state.epoch {
            return Err(taken_over());
        }
        if epoch > state.epoch {
            self.epochs(&state).begin(epoch).await?;
        }
        state.epoch = epoch;
        state.open.retain(|name, _| !comes_again(name));
        state.parts.retain(|first, _| !comes_again(first));
        for name in self.files.list(&format!("{stem}-")).await? {
            if name.ends_with(ENDING) && comes_again(&name) {
                self.files.remove(&name).await?;
            }
        }
        Ok(())
    }

    async fn list(&self, destination: Option<&str>) -> Result<Vec<KeptRejects>> {
        let _held = self.state.lock().await;
        let mut kept = Vec::new();
        for name in self.names(destination).await? {
            kept.extend(super::kept_rejects::read(&self.files, &name).await?);
        }
        Ok(kept)
    }

    async fn mark(&self, destination: Option<&str>, marks: &RejectMarks) -> Result<()> {
        let _held = self.state.lock().await;
        let stem = stem_of(destination);
        for name in self.names(destination).await? {
            // Of the same partition and group, so that a run that takes back the one takes back the other.
            let file_of = |other: &str| {
                let rest = name.strip_prefix(&stem).unwrap_or(ENDING);
                format!("{}{rest}", stem_of(Some(other)))
            };
            super::kept_rejects::mark(&self.files, &name, marks, file_of).await?;
        }
        Ok(())
    }
}

impl RejectFiles {
    /// The names of a destination's files, in the order in which they were written.
    async fn names(&self, destination: Option<&str>) -> Result<Vec<String>> {
        let stem = stem_of(destination);
        let mut names = Vec::new();
        for name in self.files.list(&stem).await? {
            let rest = name
                .strip_prefix(&stem)
                .and_then(|rest| rest.strip_suffix(ENDING));
            let is_ours = match rest {
                Some("") => true,
                // Of any partition.
                Some(rest) => {
                    let partition = rest.rsplit_once('-').map_or("", |(partition, _)| partition);
                    let is_partition = partition.is_empty() || partition.starts_with('+');
                    is_partition && group_of(&name, &format!("{stem}{partition}")).is_some()
                }
                None => false,
            };
            if is_ours {
                names.push(name);
            }
        }
        Ok(names)
    }
}

/// What the names of a destination's files begin with.
fn stem_of(destination: Option<&str>) -> String {
    match destination {
        Some(destination) => format!("{FOLDER}{}", file_name_of(destination)),
        None => format!("{FOLDER}_source"),
    }
}

/// The same, of a partition.
fn stem_in(destination: Option<&str>, partition: &str) -> String {
    format!("{}{}", stem_of(destination), in_name(partition))
}

/// What stands for a partition in the names of files, behind what the name begins with: nothing for the whole source, else `+` and
/// letters that every store takes.
pub(super) fn in_name(partition: &str) -> String {
    match partition {
        "" => String::new(),
        partition => format!("+{}", file_name_of(partition)),
    }
}

/// The name of a group's first file, without its ending. Its number is behind the last `-`, whatever the destination is called.
/// No two runs have a name in common.
fn part_of(stem: &str, segment: &RejectSegment) -> String {
    let RejectSegment { group, epoch, .. } = segment;
    match epoch {
        0 => format!("{stem}-{group:08}"),
        _ => format!("{stem}-{group:08}.e{epoch}"),
    }
}

/// The group that a file of this destination has the rejects of, and the epoch of the run; with or without the ending.
fn group_of(name: &str, stem: &str) -> Option<(u64, u64)> {
    let rest = name.strip_prefix(stem)?.strip_prefix('-')?;
    let rest = rest.strip_suffix(ENDING).unwrap_or(rest);
    let mut words = rest.split('.');
    let digits = words.next()?;
    let is_number = digits.len() >= 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let group = is_number.then(|| digits.parse().ok())??;
    let epoch = words.next().and_then(|word| word.strip_prefix('e'));
    let epoch = epoch.and_then(|epoch| epoch.parse().ok()).unwrap_or(0);
    Some((group, epoch))
}

pub(super) fn encode(
    encoder: &DelimitedEncoder,
    reject: &Reject,
    version: Option<&str>,
    columns: &[usize],
    out: &mut Vec<u8>,
) -> Result<()> {
    let refusal = &reject.refusal;
    let mut message = Cow::Borrowed(&*refusal.message);
    let (cells, raw) = match &reject.raw {
        RawRecord::Cells(cells) => (cells.as_slice(), None),
        RawRecord::Unsplit { bytes, truncated } => {
            if *truncated {
                message += "; `_raw` has its front only, the rest is in the source";
            }
            ([].as_slice(), Some(&**bytes))
        }
    };
    let position = reject.position.to_string();
    let attempts = reject.attempts.to_string();
    let added = [
        Some(refusal.reason.code().as_bytes()),
        refusal.field.as_deref().map(str::as_bytes),
        Some(message.as_bytes()),
        Some(position.as_bytes()),
        raw,
        Some(attempts.as_bytes()),
        version.map(str::as_bytes),
        (reject.op == RowOp::Delete).then_some(DELETE.as_bytes()),
    ];
    let cells = columns.iter().map(|&column| cells.get(column)?.as_deref());
    encoder.cells(cells.chain(added), out)
}

/// A name that is a file's own in every store: what could be a path, or our own file, is written as `%` and
/// two hexadecimal digits for each byte.
fn file_name_of(destination: &str) -> String {
    let mut name = String::new();
    for (at, character) in destination.char_indices() {
        let is_plain = character.is_alphanumeric()
            || matches!(character, ' ' | '-')
            || (at > 0 && matches!(character, '_' | '.'));
        if is_plain {
            name.push(character);
        } else {
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                name.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    name
}

/// Refused records in one file of this format: with all columns that any of them has, and behind these the columns that say why.
pub(crate) fn rejects_as(format: &Delimited, kept: &[KeptRejects]) -> Result<Vec<u8>> {
    let encoder = DelimitedEncoder::new(format)?;
    let mut columns: Vec<String> = Vec::new();
    for name in kept.iter().flat_map(|kept| kept.columns.iter()) {
        if !is_added(name) && !columns.contains(name) {
            columns.push(name.clone());
        }
    }
    // Columns that have a name in common are told apart by their place, which only records of the same columns share.
    let alike = kept.windows(2).all(|pair| match pair {
        [a, b] => a.columns == b.columns,
        _ => true,
    });
    if let (true, Some(first)) = (alike, kept.first()) {
        let is_ours = |name: &&String| !is_added(name);
        columns = first.columns.iter().filter(is_ours).cloned().collect();
    }
    let all: Vec<usize> = (0..columns.len()).collect();
    let names = distinct_names(&columns, &all);
    let mut out = Vec::new();
    let names = names.iter().map(String::as_str).chain(ADDED);
    encoder.header(names, &mut out)?;
    for kept in kept {
        let places: Vec<usize> = match alike {
            true => (0..kept.columns.len())
                .filter(|&at| kept.columns.get(at).is_some_and(|name| !is_added(name)))
                .collect(),
            // A cell that is not there is null.
            false => columns
                .iter()
                .map(|name| {
                    let at = kept.columns.iter().position(|other| other == name);
                    at.unwrap_or(usize::MAX)
                })
                .collect(),
        };
        for reject in &kept.rejects {
            let version = kept.job_version.as_deref();
            encode(&encoder, reject, version, &places, &mut out)?;
        }
    }
    Ok(out)
}
