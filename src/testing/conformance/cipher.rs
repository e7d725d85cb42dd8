//! What is asked of a cipher.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;

use super::clause::{Checked, OrBroken as _, clause, must, opaque, same, unique};
use super::{Capability, Fixture, Suite};
use crate::host::{Cipher, Context, StateKey, StateKind};
use crate::{ErrorKind, Result, Secret, Tenant};

/// A cipher with its keys.
pub struct CipherFixture {
    cipher: Arc<dyn Cipher>,
}

opaque!(CipherFixture);

impl CipherFixture {
    /// Tries out this cipher.
    pub fn new(cipher: impl Cipher + 'static) -> Self {
        CipherFixture {
            cipher: Arc::new(cipher),
        }
    }
}

#[async_trait]
impl Fixture for CipherFixture {
    fn subject(&self) -> String {
        let text = format!("{:?}", self.cipher);
        text.chars().take(60).collect()
    }

    async fn declares(&self, _: &Context) -> Result<BTreeSet<Capability>> {
        Ok(BTreeSet::new())
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
    let (here, there) = (place(context, "crm")?, place(context, "crm")?);
    let sealed = fixture.cipher.seal(&here, &Secret::new("a token")).await?;
    let opened = fixture.cipher.open(&there, &sealed).await;
    let kind = opened.err().map(|error| error.kind());
    same("for another tenant", &kind, &Some(ErrorKind::CorruptState))
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
    let opened = fixture.cipher.open(&place, &Default::default()).await;
    let kind = opened.err().map(|error| error.kind());
    same("with nothing left", &kind, &Some(ErrorKind::CorruptState))
}

async fn hidden(context: &Context, fixture: &CipherFixture) -> Checked {
    let place = place(context, "crm")?;
    let canary = unique(context);
    let secret = Secret::new(canary.as_str());
    let sealed = fixture.cipher.seal(&place, &secret).await?;
    // Long enough that it is there by no chance.
    let parts: Vec<&[u8]> = canary.as_bytes().chunks(8).collect();
    let shown = |part: &&[u8]| sealed.windows(part.len()).any(|bytes| bytes == *part);
    must(!parts.iter().any(shown), || "it can be read".into())
}
