//! A cipher of your own: XChaCha20-Poly1305, by the crate `chacha20poly1305`, with a key that the host keeps. It seals a token, and shows
//! that the token is opened in its own place only.
#![allow(clippy::print_stdout)]

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use chacha20poly1305::aead::{Aead, AeadCore, KeyInit, OsRng, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use futures::executor::block_on;
use syncline::host::{Cipher, StateKey, StateKind};
use syncline::{Error, ErrorKind, Result, Secret, Tenant};

/// Bytes of a nonce, which stands in front of what is sealed. So long that it may be drawn by chance for as many secrets as there are.
const NONCE: usize = 24;

/// Encrypts with one key. To change it, open with the old one and seal with the new.
pub struct XChaCha(XChaCha20Poly1305);

impl XChaCha {
    /// With 32 bytes from the host's vault: never from its code, and never beside the state.
    pub fn new(key: &[u8; 32]) -> Self {
        XChaCha(XChaCha20Poly1305::new(key.into()))
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

fn main() -> Result<()> {
    let key = XChaCha20Poly1305::generate_key(&mut OsRng);
    let cipher = XChaCha::new(&key.into());
    let tenant = Tenant::new("acme")?;
    let place = |connection| StateKey::new(&tenant, StateKind::Credential, [connection]);
    let sealed = block_on(cipher.seal(&place("crm")?, &Secret::new("a token")))?;
    println!("{} bytes are saved", sealed.len());
    let opened = block_on(cipher.open(&place("crm")?, &sealed))?;
    println!(
        "opened in its place: {}",
        opened.matches(&Secret::new("a token"))
    );
    let elsewhere = block_on(cipher.open(&place("erp")?, &sealed));
    println!("opened elsewhere: {}", elsewhere.is_ok());
    Ok(())
}
