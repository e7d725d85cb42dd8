//! A file store whose calls are effects.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};

use super::effects::{EffectKind, Effects, Fate};
use crate::Result;
use crate::host::{FileStore, FileWriter, OpenedFile};

impl Effects {
    /// The store, each call of which is an effect, and of the files that are written in it.
    pub fn files(&self, files: Arc<dyn FileStore>) -> Arc<dyn FileStore> {
        Arc::new(FaultyFiles::new(self, files))
    }
}

/// A file store whose calls are effects, and the writes of its files. What is damaged has one bit in its middle that is another one.
#[derive(Debug)]
pub struct FaultyFiles {
    effects: Effects,
    files: Arc<dyn FileStore>,
}

impl FaultyFiles {
    /// The store with these effects.
    pub fn new(effects: &Effects, files: Arc<dyn FileStore>) -> Self {
        FaultyFiles {
            effects: effects.clone(),
            files,
        }
    }
}

/// The bytes with another bit in their middle.
pub(super) fn damaged(bytes: &Bytes) -> Bytes {
    let mut bytes = bytes.to_vec();
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 1;
    }
    bytes.into()
}

#[async_trait]
impl FileStore for FaultyFiles {
    async fn open(&self, name: &str, offset: u64) -> Result<OpenedFile> {
        let next = self.effects.next(EffectKind::FileOpen, 1);
        let work = self.files.open(name, offset);
        let mut opened = self.effects.settle(next, work).await?;
        if next.1 == Fate::Corrupt {
            let mut first = true;
            let damage = move |bytes: Bytes| match first && !bytes.is_empty() {
                true => {
                    first = false;
                    damaged(&bytes)
                }
                false => bytes,
            };
            opened.bytes = opened.bytes.map_ok(damage).boxed();
        }
        Ok(opened)
    }

    async fn create(&self, name: &str) -> Result<Box<dyn FileWriter>> {
        let work = self.files.create(name);
        let writer = self.effects.perform(EffectKind::FileCreate, work).await?;
        Ok(Box::new(File {
            effects: self.effects.clone(),
            writer,
        }))
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>> {
        let work = self.files.list(prefix);
        self.effects.perform(EffectKind::FileList, work).await
    }

    async fn remove(&self, name: &str) -> Result<()> {
        let next = self.effects.next(EffectKind::FileRemove, 1);
        if next.1 == Fate::Duplicate {
            self.files.remove(name).await?;
        }
        let work = self.files.remove(name);
        self.effects.settle(next, work).await
    }
}

#[derive(Debug)]
struct File {
    effects: Effects,
    writer: Box<dyn FileWriter>,
}

#[async_trait]
impl FileWriter for File {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        let next = self.effects.next(EffectKind::FileWrite, bytes.len());
        match next.1 {
            Fate::CrashAmid(parts) | Fate::FailAmid(parts) => {
                let front = bytes.slice(..bytes.len().min(parts));
                self.writer.write(front).await?;
                return self.effects.broken_off(next).await;
            }
            Fate::Duplicate => self.writer.write(bytes.clone()).await?,
            _ => {}
        }
        let bytes = if next.1 == Fate::Corrupt {
            damaged(&bytes)
        } else {
            bytes
        };
        let work = self.writer.write(bytes);
        self.effects.settle(next, work).await
    }

    async fn finish(&mut self) -> Result<()> {
        let work = self.writer.finish();
        self.effects.perform(EffectKind::FileFinish, work).await
    }
}
