//! What is asked of a file store.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt as _;

use super::clause::{Checked, Finding, OrBroken as _, clause, must, opaque, same, unique};
use super::{Capability, Fixture, Suite};
use crate::host::{Context, FileStore, OpenedFile};
use crate::{ErrorKind, Result};

/// A place that keeps files.
pub struct FileStoreFixture {
    open: Box<dyn Fn() -> Arc<dyn FileStore> + Send + Sync>,
    versions: bool,
}

opaque!(FileStoreFixture);

impl FileStoreFixture {
    /// `open` gives handles of one place, each as another process would have it. All is done in a folder of its own.
    pub fn new<S: FileStore + 'static>(open: impl Fn() -> S + Send + Sync + 'static) -> Self {
        FileStoreFixture {
            open: Box::new(move || Arc::new(open())),
            versions: true,
        }
    }

    /// The same, of a store that cannot tell versions of a file apart.
    #[must_use]
    pub fn without_versions(mut self) -> Self {
        self.versions = false;
        self
    }

    fn store(&self) -> Arc<dyn FileStore> {
        (self.open)()
    }
}

#[async_trait]
impl Fixture for FileStoreFixture {
    fn subject(&self) -> String {
        format!("{:?}", self.store()).chars().take(60).collect()
    }

    async fn declares(&self, _: &Context) -> Result<BTreeSet<Capability>> {
        Ok(self
            .versions
            .then_some(Capability::Versions)
            .into_iter()
            .collect())
    }
}

/// The contract of a [`FileStore`] and its [`FileWriter`](crate::host::FileWriter)s.
pub static FILE_STORE: Suite<FileStoreFixture> = Suite {
    name: "file store",
    clauses: &[
        clause!(
            "FS-01",
            None,
            "A file is read back byte for byte as it was written, in pieces or none, and a size that is told is its own.",
            "Records would be cut, joined or lost.",
            read_back
        ),
        clause!(
            "FS-02",
            None,
            "A file that is opened at an offset gives the rest from there; at its end or behind it, nothing.",
            "A read that goes on would begin amid another record.",
            offsets
        ),
        clause!(
            "FS-03",
            None,
            "Until `finish` has answered, neither `open` nor `list` sees the new file: an older one is read as it was.",
            "Whoever reads at that moment would take half a file for a whole one.",
            unseen_until_finished
        ),
        clause!(
            "FS-04",
            None,
            "A finished file takes the place of an older one as a whole.",
            "The end of a longer older file would stand behind the new one.",
            replaced_as_a_whole
        ),
        clause!(
            "FS-05",
            None,
            "A writer that is dropped leaves no file, and an older one as it was.",
            "A run that broke off would leave half a file behind.",
            dropped
        ),
        clause!(
            "FS-06",
            None,
            "A name that is none is refused as `Invalid`, by `open`, `create` and `remove`.",
            "A name out of a spec would reach files outside of the store.",
            bad_names
        ),
        clause!(
            "FS-07",
            None,
            "A list has the names that begin with a prefix, sorted, and no other.",
            "Files of another object would be read or removed with the own ones.",
            listed
        ),
        clause!(
            "FS-08",
            None,
            "A file that is removed is gone, and that one which is not there is fine; to open it is `NotFound`.",
            "What is cleared away again would fail a run, or come back.",
            removed
        ),
        clause!(
            "FS-09",
            None,
            "A finished writer is closed: a further write or finish fails and changes nothing.",
            "A file that others read already would grow.",
            closed
        ),
        clause!(
            "FS-10",
            Some(Capability::Versions),
            "The version of a file changes with its bytes, and only then.",
            "A cursor into an older version would be used in a newer one.",
            versions
        ),
    ],
};

async fn bytes_of(opened: OpenedFile) -> Result<Vec<u8>> {
    let pieces: Vec<Bytes> = opened.bytes.try_collect().await?;
    Ok(pieces.concat())
}

/// Writes a file; what fails on the way is not what is looked at.
async fn write(store: &dyn FileStore, name: &str, pieces: &[&[u8]]) -> Checked {
    let mut file = store.create(name).await?;
    for piece in pieces {
        file.write(Bytes::copy_from_slice(piece)).await?;
    }
    Ok(file.finish().await?)
}

/// A file must have these bytes from an offset on.
async fn holds(store: &dyn FileStore, name: &str, offset: usize, bytes: &[u8]) -> Checked {
    let what = format!("{name:?} from byte {offset} on");
    let opened = store.open(name, offset as u64).await.or_broken(&what)?;
    let read = bytes_of(opened).await.or_broken(&what)?;
    let place = read
        .iter()
        .zip(bytes)
        .position(|(is, expected)| is != expected);
    must(read == bytes, || {
        let lengths = format!("{} bytes instead of {}", read.len(), bytes.len());
        format!("{what}: {lengths}; the first other one is at {place:?}")
    })
}

async fn absent(store: &dyn FileStore, name: &str, when: &str) -> Checked {
    let kind = store
        .open(name, 0)
        .await
        .map_err(|error| error.kind())
        .err();
    same(
        &format!("to open a file {when}"),
        &kind,
        &Some(ErrorKind::NotFound),
    )?;
    let listed = store.list(name).await?;
    same(&format!("the list {when}"), &listed, &Vec::new())
}

async fn read_back(context: &Context, fixture: &FileStoreFixture) -> Checked {
    let (folder, here, there) = (unique(context), fixture.store(), fixture.store());
    let all: Vec<u8> = (0..=255).collect();
    let long = all.repeat(3_000);
    let files: [(&str, &[&[u8]]); 4] = [
        ("none", &[]),
        ("one.csv", &[b"\r\n\0"]),
        ("in/folders/é.csv", &[b"\xef\xbb\xbfa", b"", b",b\n"]),
        ("long", &[&long, &all, b"end"]),
    ];
    for (name, pieces) in files {
        let name = format!("{folder}/{name}");
        write(&*here, &name, pieces).await?;
        let bytes = pieces.concat();
        holds(&*there, &name, 0, &bytes).await?;
        if let Some(size) = there.open(&name, 0).await?.size {
            same("the size of a file", &size, &(bytes.len() as u64))?;
        }
        here.remove(&name).await?;
    }
    Ok(())
}

async fn offsets(context: &Context, fixture: &FileStoreFixture) -> Checked {
    let (name, store) = (format!("{}/file", unique(context)), fixture.store());
    let long: Vec<u8> = (0..=255).cycle().take(700_001).collect();
    write(&*store, &name, &[&long]).await?;
    let end = long.len();
    for offset in [
        0,
        1,
        2,
        255,
        256,
        65_535,
        65_536,
        524_289,
        end - 1,
        end,
        end + 1,
        end * 2,
    ] {
        let rest = long.get(offset..).unwrap_or_default();
        holds(&*store, &name, offset, rest).await?;
    }
    Ok(store.remove(&name).await?)
}

async fn unseen_until_finished(context: &Context, fixture: &FileStoreFixture) -> Checked {
    let (folder, here, there) = (unique(context), fixture.store(), fixture.store());
    let (new, old) = (format!("{folder}/new"), format!("{folder}/old"));
    write(&*here, &old, &[b"older"]).await?;
    let mut files = [here.create(&new).await?, here.create(&old).await?];
    for file in &mut files {
        file.write(Bytes::from(vec![b'x'; 300_000])).await?;
    }
    for store in [&here, &there] {
        absent(&**store, &new, "that is being written").await?;
        holds(&**store, &old, 0, b"older").await?;
        let listed = store.list(&format!("{folder}/")).await?;
        same(
            "the list while files are written",
            &listed,
            &vec![old.clone()],
        )?;
    }
    for file in &mut files {
        file.finish().await?;
    }
    for name in [&new, &old] {
        holds(&*there, name, 0, &[b'x'; 300_000]).await?;
        here.remove(name).await?;
    }
    Ok(())
}

async fn replaced_as_a_whole(context: &Context, fixture: &FileStoreFixture) -> Checked {
    let (name, store) = (format!("{}/file", unique(context)), fixture.store());
    for bytes in [
        b"the first one, which is long".as_slice(),
        b"short",
        b"",
        b"longer again",
    ] {
        write(&*store, &name, &[bytes]).await?;
        holds(&*store, &name, 0, bytes).await?;
    }
    Ok(store.remove(&name).await?)
}

async fn dropped(context: &Context, fixture: &FileStoreFixture) -> Checked {
    let (folder, store) = (unique(context), fixture.store());
    let (new, old) = (format!("{folder}/new"), format!("{folder}/old"));
    write(&*store, &old, &[b"older"]).await?;
    for name in [&new, &old] {
        let mut file = store.create(name).await?;
        file.write(Bytes::from(vec![b'x'; 300_000])).await?;
        drop(file);
    }
    absent(&*store, &new, "whose writer was dropped").await?;
    holds(&*store, &old, 0, b"older").await?;
    let listed = store.list(&format!("{folder}/")).await?;
    same("the list", &listed, &vec![old.clone()])?;
    Ok(store.remove(&old).await?)
}

async fn bad_names(_: &Context, fixture: &FileStoreFixture) -> Checked {
    let store = fixture.store();
    for name in [
        "",
        "/",
        "/etc/passwd",
        "../a",
        "a/../b",
        "a//b",
        "./a",
        "a/.",
        "a/",
        "a\\b",
        "a\0b",
        "C:a",
    ] {
        let kinds = [
            store.open(name, 0).await.map(drop),
            store.create(name).await.map(drop),
            store.remove(name).await,
        ];
        for (call, result) in ["open", "create", "remove"].iter().zip(kinds) {
            let kind = result.map_err(|error| error.kind()).err();
            same(
                &format!("{call} {name:?}"),
                &kind,
                &Some(ErrorKind::Invalid),
            )?;
        }
    }
    Ok(())
}

async fn listed(context: &Context, fixture: &FileStoreFixture) -> Checked {
    let (folder, store) = (unique(context), fixture.store());
    let mut names = [
        "b.csv",
        "a/b.csv",
        "a/bc.csv",
        "a.csv",
        "a/b/c.csv",
        "B.csv",
        "a-1.csv",
    ]
    .map(|name| format!("{folder}/{name}"));
    for name in &names {
        write(&*store, name, &[b"x"]).await?;
    }
    names.sort_unstable();
    for prefix in [
        "", "a", "a/", "a/b", "a/b/", "a/b.csv", "a/b.csv/", "c", "a/bcd",
    ] {
        let prefix = format!("{folder}/{prefix}");
        let expected: Vec<String> = names
            .iter()
            .filter(|name| name.starts_with(&prefix))
            .cloned()
            .collect();
        let found = store.list(&prefix).await.or_broken("list")?;
        same(&format!("the list of {prefix:?}"), &found, &expected)?;
    }
    for name in &names {
        store.remove(name).await?;
    }
    Ok(())
}

async fn removed(context: &Context, fixture: &FileStoreFixture) -> Checked {
    let (name, store) = (format!("{}/file", unique(context)), fixture.store());
    absent(&*store, &name, "that never was").await?;
    write(&*store, &name, &[b"x"]).await?;
    for _ in 0..2 {
        store.remove(&name).await.or_broken("remove")?;
        absent(&*fixture.store(), &name, "that was removed").await?;
    }
    Ok(())
}

async fn closed(context: &Context, fixture: &FileStoreFixture) -> Checked {
    let (name, store) = (format!("{}/file", unique(context)), fixture.store());
    let mut file = store.create(&name).await?;
    file.write("whole".into()).await?;
    file.finish().await?;
    let (write, finish) = (file.write("more".into()).await, file.finish().await);
    must(write.is_err() && finish.is_err(), || {
        "a finished writer goes on".into()
    })?;
    drop(file);
    holds(&*store, &name, 0, b"whole").await?;
    Ok(store.remove(&name).await?)
}

async fn versions(context: &Context, fixture: &FileStoreFixture) -> Checked {
    let (name, store) = (format!("{}/file", unique(context)), fixture.store());
    let mut seen = Vec::new();
    for bytes in [b"first".as_slice(), b"other", b"longer"] {
        write(&*store, &name, &[bytes]).await?;
        let version = store.open(&name, 0).await?.version;
        let Some(version) = version else {
            return Err(Finding::Broken("no version is told".into()));
        };
        let again = fixture.store().open(&name, 3).await?.version;
        same(
            "the version of the same file",
            &again.as_ref(),
            &Some(&version),
        )?;
        must(!seen.contains(&version), || {
            format!("{version:?} was the version of other bytes")
        })?;
        seen.push(version);
    }
    Ok(store.remove(&name).await?)
}
