//! What is asked of a cipher.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;

use super::clause::{Checked, OrBroken as _, clause, must, opaque, same, unique};
use super::shapes::is_seen;
use super::{Capability, Fixture, Suite};
use crate::host::{Cipher, Context, StateKey, StateKind};
use crate::{ErrorKind, Result, Secret, Tenant};

/// A cipher with its keys.
pub struct CipherFixture {
    cipher: Arc<dyn Cipher>,
    other: Option<Arc<dyn Cipher>>,
}

opaque!(CipherFixture);

impl CipherFixture {
    /// Tries out this cipher.
    pub fn new(cipher: impl Cipher + 'static) -> Self {
        CipherFixture {
            cipher: Arc::new(cipher),
            other: None,
        }
    }

    /// The same kind of cipher with other keys.
    #[must_use]
    pub fn with_other_keys(mut self, cipher: impl Cipher + 'static) -> Self {
        self.other = Some(Arc::new(cipher));
        self
    }
}

#[async_trait]
impl Fixture for CipherFixture {
    fn subject(&self) -> String {
        let text = format!("{:?}", self.cipher);
        text.chars().take(60).collect()
    }

    async fn declares(&self, _: &Context) -> Result<BTreeSet<Capability>> {
        let other = self.other.as_ref().map(|_| Capability::OtherKeys);
        Ok(other.into_iter().collect())
    }
}

/// The contract of a [`Cipher`].
pub static CIPHER: Suite<CipherFixture> = Suite {
    name: "cipher",
    clauses: &[
        clause!(
            "CI-01",
            None,
            "What was sealed is opened as it was, whatever is in it.",
            "A token that comes back changed lets nobody in.",
            opened
        ),
        clause!(
            "CI-02",
            None,
            "What was sealed for one place is `CorruptState` in another.",
            "Whoever can write to the store would give one tenant the token of another.",
            bound_to_its_place
        ),
        clause!(
            "CI-03",
            None,
            "What was changed is `CorruptState`.",
            "Whoever can write to the store would change a token without being noticed.",
            changes_are_seen
        ),
        clause!(
            "CI-04",
            None,
            "Nothing of the secret is in what is sealed.",
            "A backup of the store would let anyone in.",
            hidden
        ),
        clause!(
            "CI-05",
            None,
            "One secret that is sealed twice looks different.",
            "It would show which connections have one password, and a nonce that comes again gives the secrets away.",
            never_the_same
        ),
        clause!(
            "CI-06",
            None,
            "No error holds a secret.",
            "Logs are read by many, and kept for long.",
            errors_are_silent
        ),
        clause!(
            "CI-07",
            Some(Capability::OtherKeys),
            "What was sealed with other keys is `CorruptState`.",
            "The keys would guard nothing.",
            bound_to_its_keys
        ),
    ],
};

fn place(context: &Context, name: &str) -> Result<StateKey> {
    let tenant = Tenant::new(unique(context))?;
    StateKey::new(&tenant, StateKind::Credential, [name])
}

async fn opened(context: &Context, fixture: &CipherFixture) -> Checked {
    let place = place(context, "crm")?;
    for text in ["", "a", "é\u{0}\r\n", &"long ".repeat(20_000)] {
        let sealed = fixture.cipher.seal(&place, &Secret::new(text)).await;
        let opened = fixture
            .cipher
            .open(&place, &sealed.or_broken("seal")?)
            .await;
        let opened = opened.or_broken("open")?;
        must(opened.expose() == text, || {
            format!("{} bytes are others", text.len())
        })?;
    }
    Ok(())
}

async fn bound_to_its_place(context: &Context, fixture: &CipherFixture) -> Checked {
    let here = place(context, "crm")?;
    let connection = StateKey::new(here.tenant(), StateKind::Credential, ["erp"])?;
    let kind = StateKey::new(here.tenant(), StateKind::Consent, ["crm"])?;
    let sealed = fixture.cipher.seal(&here, &Secret::new("a token")).await?;
    for (what, there) in [
        ("for another tenant", place(context, "crm")?),
        ("for another connection", connection),
        ("for another kind of state", kind),
    ] {
        let opened = fixture.cipher.open(&there, &sealed).await;
        let kind = opened.err().map(|error| error.kind());
        same(what, &kind, &Some(ErrorKind::CorruptState))?;
    }
    Ok(())
}

async fn changes_are_seen(context: &Context, fixture: &CipherFixture) -> Checked {
    let place = place(context, "crm")?;
    let sealed = fixture.cipher.seal(&place, &Secret::new("a token")).await?;
    for at in 0..sealed.len() {
        let mut changed = sealed.to_vec();
        if let Some(byte) = changed.get_mut(at) {
            *byte ^= 4;
        }
        let opened = fixture.cipher.open(&place, &changed.into()).await;
        let kind = opened.err().map(|error| error.kind());
        let what = format!("with byte {at} changed");
        same(&what, &kind, &Some(ErrorKind::CorruptState))?;
    }
    for length in 0..sealed.len() {
        let opened = fixture.cipher.open(&place, &sealed.slice(..length)).await;
        let kind = opened.err().map(|error| error.kind());
        let what = format!("with {length} bytes left");
        same(&what, &kind, &Some(ErrorKind::CorruptState))?;
    }
    let longer = [&sealed[..], &[0]].concat().into();
    let opened = fixture.cipher.open(&place, &longer).await;
    let kind = opened.err().map(|error| error.kind());
    same("with a byte more", &kind, &Some(ErrorKind::CorruptState))
}

async fn hidden(context: &Context, fixture: &CipherFixture) -> Checked {
    let place = place(context, "crm")?;
    let canary = unique(context);
    let secret = Secret::new(canary.as_str());
    let sealed = fixture.cipher.seal(&place, &secret).await?;
    // Long enough that it is there by no chance.
    let parts: Vec<&[u8]> = canary.as_bytes().chunks(8).collect();
    let shown = |part: &&[u8]| sealed.windows(part.len()).any(|bytes| bytes == *part);
    let seen = parts.iter().any(shown) || is_seen(&canary, &sealed);
    must(!seen, || "it can be read".into())
}

async fn never_the_same(context: &Context, fixture: &CipherFixture) -> Checked {
    let place = place(context, "crm")?;
    let mut seen = BTreeSet::new();
    for _ in 0..16 {
        let sealed = fixture.cipher.seal(&place, &Secret::new("a token")).await?;
        must(seen.insert(sealed), || "it looks the same".into())?;
    }
    Ok(())
}

async fn errors_are_silent(context: &Context, fixture: &CipherFixture) -> Checked {
    let (here, there) = (place(context, "crm")?, place(context, "crm")?);
    let canary = unique(context);
    let sealed = fixture.cipher.seal(&here, &Secret::new(&*canary)).await?;
    let changed = |at: usize| {
        let mut changed = sealed.to_vec();
        if let Some(byte) = changed.get_mut(at) {
            *byte ^= 4;
        }
        changed.into()
    };
    let behind = sealed.len().saturating_sub(1);
    for (place, sealed) in [
        (&there, sealed.clone()),
        (&here, changed(0)),
        (&here, changed(behind)),
    ] {
        // Whether it is an error other clauses ask.
        let opened = fixture.cipher.open(place, &sealed).await;
        let said = opened.err().map(|error| format!("{error} {error:?}"));
        must(
            !is_seen(&canary, said.unwrap_or_default().as_bytes()),
            || "one does".into(),
        )?;
    }
    Ok(())
}

async fn bound_to_its_keys(context: &Context, fixture: &CipherFixture) -> Checked {
    let place = place(context, "crm")?;
    let other = fixture.other.as_ref().unwrap_or(&fixture.cipher);
    for (sealing, opening) in [(&fixture.cipher, other), (other, &fixture.cipher)] {
        let sealed = sealing.seal(&place, &Secret::new("a token")).await?;
        let kind = opening
            .open(&place, &sealed)
            .await
            .err()
            .map(|error| error.kind());
        same("with other keys", &kind, &Some(ErrorKind::CorruptState))?;
    }
    Ok(())
}
