//! Tokens at rest: XChaCha20-Poly1305 with the host's key, as in `examples/own_cipher.rs`.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use chacha20poly1305::aead::{Aead, AeadCore, KeyInit, OsRng, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use syncline::host::{Cipher, StateKey};
use syncline::{Error, ErrorKind, Result, Secret};

/// Bytes of a nonce, which stands in front of what is sealed.
const NONCE: usize = 24;

/// Encrypts with one key.
pub(crate) struct XChaCha(XChaCha20Poly1305);

impl XChaCha {
    /// With 32 bytes from the host's vault.
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        XChaCha(XChaCha20Poly1305::new(key.into()))
    }

    /// With a key that nobody else has, and that is gone with the process.
    pub(crate) fn of_this_process() -> Self {
        XChaCha(XChaCha20Poly1305::new(&XChaCha20Poly1305::generate_key(
            &mut OsRng,
        )))
    }
}

impl fmt::Debug for XChaCha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("XChaCha")
    }
}

#[async_trait]
impl Cipher for XChaCha {
    async fn seal(&self, place: &StateKey, secret: &Secret) -> Result<Bytes> {
        let nonce = XChaCha20Poly1305::generate_nonce(&mut OsRng);
        let payload = Payload {
            msg: secret.expose().as_bytes(),
            // It can be opened for this key of state only.
            aad: place.path().as_bytes(),
        };
        let sealed = self
            .0
            .encrypt(&nonce, payload)
            .map_err(|_| Error::new(ErrorKind::LimitExceeded, "a secret is too long to seal"))?;
        Ok([nonce.as_slice(), &sealed].concat().into())
    }

    async fn open(&self, place: &StateKey, sealed: &Bytes) -> Result<Secret> {
        let corrupt = || {
            let message =
                "this secret was sealed with another key or for another place, or was changed";
            Error::new(ErrorKind::CorruptState, message).with("key", place)
        };
        let (nonce, sealed) = sealed.split_at_checked(NONCE).ok_or_else(corrupt)?;
        let payload = Payload {
            msg: sealed,
            aad: place.path().as_bytes(),
        };
        let opened = self.0.decrypt(XNonce::from_slice(nonce), payload);
        let text = String::from_utf8(opened.map_err(|_| corrupt())?);
        text.map(Secret::new).map_err(|_| corrupt())
    }
}
