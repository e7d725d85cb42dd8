//! A file store whose calls are effects.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::effects::{EffectKind, Effects};
use crate::Result;
use crate::host::{FileStore, FileWriter, OpenedFile};

impl Effects {
    /// The store, each call of which is an effect, and of the files that are written in it.
    pub fn files(&self, files: Arc<dyn FileStore>) -> Arc<dyn FileStore> {
        Arc::new(Files {
            effects: self.clone(),
            files,
        })
    }
}

#[derive(Debug)]
struct Files {
    effects: Effects,
    files: Arc<dyn FileStore>,
}

#[async_trait]
impl FileStore for Files {
    async fn open(&self, name: &str, offset: u64) -> Result<OpenedFile> {
        let work = self.files.open(name, offset);
        self.effects.perform(EffectKind::FileOpen, work).await
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
        self.effects.perform(EffectKind::FileOpen, work).await
    }

    async fn remove(&self, name: &str) -> Result<()> {
        let work = self.files.remove(name);
        self.effects.perform(EffectKind::FileRemove, work).await
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
        let work = self.writer.write(bytes);
        self.effects.perform(EffectKind::FileWrite, work).await
    }

    async fn finish(&mut self) -> Result<()> {
        let work = self.writer.finish();
        self.effects.perform(EffectKind::FileFinish, work).await
    }
}
