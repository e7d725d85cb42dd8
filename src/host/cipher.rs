//! Secrets at rest.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use super::StateKey;
use crate::{Result, Secret};

/// Encrypts what is secret before it is put into a [`StateStore`](super::StateStore): the host's keys, in the host's hands.
///
/// **Contract.** `open` gives back what `seal` was given, for the same key of state only: bytes that were copied to another key, or changed,
/// are refused as [`CorruptState`](crate::ErrorKind::CorruptState). An AEAD does that with the key's [path](StateKey::path) as its
/// associated data. What is sealed tells nothing about the secret but, roughly, its length. No error holds the secret.
///
/// `memory::MemoryCipher` is one for tests.
#[async_trait]
pub trait Cipher: fmt::Debug + Send + Sync {
    /// Encrypts a secret for this place.
    async fn seal(&self, place: &StateKey, secret: &Secret) -> Result<Bytes>;
    /// Decrypts what was sealed for this place.
    async fn open(&self, place: &StateKey, sealed: &Bytes) -> Result<Secret>;
}
