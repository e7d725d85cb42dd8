//! What is asked of a state store and a cipher that keep credentials together.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::join_all;
use serde_json::{Value, json};

use super::clause::{Checked, Finding, OrBroken as _, clause, must, opaque, reached, same, unique};
use super::shapes::is_seen;
use super::{Capability, Fixture, Suite};
use crate::authorization::{
    Authorization as _, CredentialRecord, CredentialRequest, CredentialStore, Grant,
    LoadedCredential, OAuth, OAuthConfig, Standing,
};
use crate::host::{
    Cipher, Context, Expected, HttpResponse, Saved, StateKey, StateKind, StateStore, Swap,
};
use crate::memory::MemoryTransport;
use crate::spec::{Domain, EndpointPaths, EndpointsSpec, OAuthSpec, Org, OrgHosts};
use crate::{ErrorKind, Result, Secret, Tenant};

/// A state store and a cipher, as a host gives them to a [`CredentialStore`].
pub struct CredentialsFixture {
    open: Box<dyn Fn() -> Arc<dyn StateStore> + Send + Sync>,
    cipher: Arc<dyn Cipher>,
}

opaque!(CredentialsFixture);

impl CredentialsFixture {
    /// `open` gives handles of one place, each as another process would have it.
    pub fn new<S: StateStore + 'static>(
        open: impl Fn() -> S + Send + Sync + 'static,
        cipher: impl Cipher + 'static,
    ) -> Self {
        CredentialsFixture {
            open: Box::new(move || Arc::new(open())),
            cipher: Arc::new(cipher),
        }
    }

    fn state(&self) -> Arc<dyn StateStore> {
        (self.open)()
    }

    /// The credentials of a tenant, as another process has them.
    fn store(&self, tenant: &Tenant) -> CredentialStore {
        CredentialStore::new(tenant.clone(), self.state(), self.cipher.clone())
    }
}

#[async_trait]
impl Fixture for CredentialsFixture {
    fn subject(&self) -> String {
        let text = format!("{:?} by {:?}", self.state(), self.cipher);
        text.chars().take(60).collect()
    }

    async fn declares(&self, _: &Context) -> Result<BTreeSet<Capability>> {
        Ok(BTreeSet::new())
    }
}

/// The contract of a [`CredentialStore`], over the state store and the cipher of a host.
pub static CREDENTIALS: Suite<CredentialsFixture> = Suite {
    name: "credentials",
    clauses: &[
        clause!(
            "CR-01",
            None,
            "A record that was saved is loaded as it was, in any process.",
            "A connection that one process has authorized would not let the next one in.",
            loaded_as_saved
        ),
        clause!(
            "CR-02",
            None,
            "Of all that replace one version of a record one is the first, and nothing else is changed.",
            "Two would believe that they have the claim, and show one refresh token twice.",
            one_is_first
        ),
        clause!(
            "CR-03",
            None,
            "No secret is in what is kept, in any usual notation.",
            "A backup of the state would let anyone in.",
            sealed
        ),
        clause!(
            "CR-04",
            None,
            "Secrets that were copied to another connection, or to another tenant, are `CorruptState`.",
            "Whoever can write state would give one tenant the token of another.",
            bound_to_their_place
        ),
        clause!(
            "CR-05",
            None,
            "Only the newest version of a record is deleted.",
            "A connection that was authorized again a moment ago would be gone.",
            deleted_by_version
        ),
        clause!(
            "CR-06",
            None,
            "A record is of its tenant only.",
            "Connections of one name would share their credentials.",
            of_one_tenant
        ),
        clause!(
            "CR-07",
            None,
            "No error holds a secret, whatever became of what is kept.",
            "Logs are read by many, and kept for long.",
            errors_are_silent
        ),
        clause!(
            "CR-08",
            None,
            "All processes that want a token at once ask for one.",
            "A server that sees a refresh token twice revokes the whole grant.",
            one_call
        ),
    ],
};

const CONNECTION: &str = "crm";

fn tenant(context: &Context) -> Result<Tenant> {
    Tenant::new(unique(context))
}

fn key(tenant: &Tenant, connection: &str) -> Result<StateKey> {
    StateKey::new(tenant, StateKind::Credential, [connection])
}

/// Saves a record of this secret where nothing was.
async fn saved(
    context: &Context,
    store: &CredentialStore,
    secret: &str,
) -> std::result::Result<LoadedCredential, Finding> {
    let record = CredentialRecord::new().with_secret("key", Secret::new(secret));
    let swap = store.swap(context, CONNECTION, &record, Expected::Absent);
    let version = swap.await.or_broken("save a record")?;
    let version = version.ok_or_else(|| Finding::NotReached("something is there".into()))?;
    Ok(LoadedCredential { record, version })
}

async fn loaded(store: &CredentialStore) -> std::result::Result<CredentialRecord, Finding> {
    let found = store.load(CONNECTION).await.or_broken("load a record")?;
    let found = found.ok_or_else(|| Finding::Broken("nothing is found".into()))?;
    Ok(found.record)
}

async fn loaded_as_saved(context: &Context, fixture: &CredentialsFixture) -> Checked {
    let tenant = tenant(context)?;
    let now = context.clock().now();
    let mut record = CredentialRecord::new()
        .with_secret("Access", Secret::new("Ab/\u{0}\"é\u{1F511}"))
        .with_secret("empty", Secret::new(""))
        .with_secret("long", Secret::new("Long ".repeat(4_000)));
    record.generation = 7;
    record.standing = Standing::Granted;
    record.org = Some(Org::CustomDomain(Domain::parse("acme.example.com")?));
    record.organization = Some("Org 7/é".into());
    record.base = Some("https://api.example.com/".into());
    record.scopes = vec!["read".into(), "write".into()];
    record.refreshed_at = Some(now);
    record.expires_at = Some(now + chrono::TimeDelta::milliseconds(3_600_001));
    let swap = fixture.store(&tenant);
    let swap = swap.swap(context, CONNECTION, &record, Expected::Absent);
    let version = swap.await.or_broken("save a record")?;
    let found = fixture.store(&tenant).load(CONNECTION).await;
    let found = found.or_broken("load a record")?;
    let found = found.ok_or_else(|| Finding::Broken("nothing is found".into()))?;
    same("the version", &Some(found.version), &version)?;
    let shown = |record: &CredentialRecord| format!("{record:?}");
    same("the record", &shown(&found.record), &shown(&record))?;
    let names = |record: &CredentialRecord| record.secrets.keys().cloned().collect::<Vec<_>>();
    same(
        "the names of secrets",
        &names(&found.record),
        &names(&record),
    )?;
    for (name, secret) in &record.secrets {
        let is = found.record.secrets.get(name);
        must(is.is_some_and(|is| is.matches(secret)), || {
            format!("the secret `{name}` is another one")
        })?;
    }
    Ok(())
}

async fn one_is_first(context: &Context, fixture: &CredentialsFixture) -> Checked {
    let tenant = tenant(context)?;
    let first = saved(context, &fixture.store(&tenant), "first").await?;
    let stores: Vec<_> = (0..8).map(|_| fixture.store(&tenant)).collect();
    let records: Vec<_> = (0..8)
        .map(|n| CredentialRecord::new().with_secret("key", Secret::new(format!("next {n}"))))
        .collect();
    let swaps = stores.iter().zip(&records).map(|(store, record)| {
        let expected = Expected::Version(first.version.clone());
        store.swap(context, CONNECTION, record, expected)
    });
    let mut won = Vec::new();
    for (n, swapped) in join_all(swaps).await.into_iter().enumerate() {
        if swapped.or_broken("swap")?.is_some() {
            won.push(n);
        }
    }
    let [winner] = won[..] else {
        return Err(Finding::Broken(format!("{} were first", won.len())));
    };
    let is = loaded(&fixture.store(&tenant)).await?;
    let expected = Secret::new(format!("next {winner}"));
    let is = is
        .secrets
        .get("key")
        .is_some_and(|is| is.matches(&expected));
    must(is, || "what is kept is of another one".into())
}

/// All that is kept of a tenant's credentials: the values, and what of them is sealed.
async fn kept(
    fixture: &CredentialsFixture,
    tenant: &Tenant,
) -> std::result::Result<Vec<Vec<u8>>, Finding> {
    let state = fixture.state();
    let mut all = Vec::new();
    for key in state.list(tenant, StateKind::Credential, None, 100).await? {
        let stored = state.get(&key).await?;
        let stored = stored.ok_or_else(|| Finding::NotReached("it was listed".into()))?;
        let sealed = sealed_of(&Saved::open(&key, u8::MAX, &stored.bytes)?.payload()?)?;
        all.extend([stored.bytes.to_vec(), sealed]);
    }
    reached(!all.is_empty(), || "nothing is kept".into())?;
    Ok(all)
}

fn sealed_of(payload: &Value) -> std::result::Result<Vec<u8>, Finding> {
    let sealed = payload.get("sealed").cloned().unwrap_or_default();
    serde_json::from_value(sealed).map_err(|_| Finding::NotReached("nothing is sealed".into()))
}

async fn sealed(context: &Context, fixture: &CredentialsFixture) -> Checked {
    let tenant = tenant(context)?;
    let canary = unique(context);
    saved(context, &fixture.store(&tenant), &canary).await?;
    for bytes in kept(fixture, &tenant).await? {
        must(!is_seen(&canary, &bytes), || "one can be read".into())?;
    }
    Ok(())
}

/// Changes what is kept of a connection as who can write to the state can, and puts it under a key where nothing is.
async fn forged(
    fixture: &CredentialsFixture,
    from: &StateKey,
    to: &StateKey,
    change: impl FnOnce(&mut Vec<u8>),
) -> Checked {
    let state = fixture.state();
    let stored = state.get(from).await?;
    let stored = stored.ok_or_else(|| Finding::NotReached("nothing is kept".into()))?;
    let opened = Saved::open(from, u8::MAX, &stored.bytes)?;
    let mut payload: Value = opened.payload()?;
    let mut sealed = sealed_of(&payload)?;
    change(&mut sealed);
    if let Some(payload) = payload.as_object_mut() {
        payload.insert("sealed".into(), json!(sealed));
    }
    let bytes: Bytes = Saved::seal(to, opened.version(), &payload)?;
    let swap = state.put(to, bytes, Expected::Absent).await?;
    reached(matches!(swap, Swap::Done(_)), || {
        "something is there".into()
    })
}

async fn bound_to_their_place(context: &Context, fixture: &CredentialsFixture) -> Checked {
    let (here, there) = (tenant(context)?, tenant(context)?);
    saved(context, &fixture.store(&here), "a token").await?;
    let from = key(&here, CONNECTION)?;
    for (what, tenant, connection) in [
        ("another connection", &here, "erp"),
        ("another tenant", &there, CONNECTION),
    ] {
        forged(fixture, &from, &key(tenant, connection)?, |_| {}).await?;
        let found = fixture.store(tenant).load(connection).await;
        let kind = found.err().map(|error| error.kind());
        same(what, &kind, &Some(ErrorKind::CorruptState))?;
    }
    Ok(())
}

async fn deleted_by_version(context: &Context, fixture: &CredentialsFixture) -> Checked {
    let tenant = tenant(context)?;
    let store = fixture.store(&tenant);
    let first = saved(context, &store, "first").await?;
    let expected = Expected::Version(first.version.clone());
    let swap = store.swap(context, CONNECTION, &first.record, expected);
    let second = swap.await?;
    let second = second.ok_or_else(|| Finding::NotReached("nobody else was there".into()))?;
    let late = store.delete(CONNECTION, first.version).await;
    same("an older version", &late.or_broken("delete")?, &false)?;
    loaded(&fixture.store(&tenant)).await?;
    let done = store.delete(CONNECTION, second).await;
    same("the newest version", &done.or_broken("delete")?, &true)?;
    let left = fixture.store(&tenant).load(CONNECTION).await?;
    must(left.is_none(), || "it is there still".into())
}

async fn of_one_tenant(context: &Context, fixture: &CredentialsFixture) -> Checked {
    let (here, there) = (tenant(context)?, tenant(context)?);
    saved(context, &fixture.store(&here), "of one").await?;
    let found = fixture.store(&there).load(CONNECTION).await;
    let found = found.or_broken("load nothing")?;
    must(found.is_none(), || "another tenant finds it".into())?;
    saved(context, &fixture.store(&there), "of another").await?;
    let is = loaded(&fixture.store(&here)).await?;
    let is = is
        .secrets
        .get("key")
        .is_some_and(|is| is.expose() == "of one");
    must(is, || "another tenant has changed it".into())
}

async fn errors_are_silent(context: &Context, fixture: &CredentialsFixture) -> Checked {
    let (here, there) = (tenant(context)?, tenant(context)?);
    let canary = unique(context);
    saved(context, &fixture.store(&here), &canary).await?;
    let from = key(&here, CONNECTION)?;
    forged(fixture, &from, &key(&there, "copied")?, |_| {}).await?;
    for (at, name) in [(0_usize, "changed in front"), (1, "changed behind")] {
        let change = |sealed: &mut Vec<u8>| {
            let at = at * sealed.len().saturating_sub(1);
            if let Some(byte) = sealed.get_mut(at) {
                *byte ^= 1;
            }
        };
        forged(fixture, &from, &key(&there, name)?, change).await?;
    }
    forged(fixture, &from, &key(&there, "cut")?, |sealed| {
        sealed.truncate(sealed.len() / 2);
    })
    .await?;
    for name in ["copied", "changed in front", "changed behind", "cut"] {
        let found = fixture.store(&there).load(name).await;
        // Whether it is an error other clauses ask.
        let said = format!(
            "{:?} {:?}",
            found,
            found.as_ref().map_err(ToString::to_string)
        );
        must(!is_seen(&canary, said.as_bytes()), || {
            format!("the error of what was {name} does")
        })?;
    }
    Ok(())
}

async fn one_call(context: &Context, fixture: &CredentialsFixture) -> Checked {
    let tenant = tenant(context)?;
    let calls = Arc::new(AtomicU64::new(0));
    let process = || {
        let count = Arc::clone(&calls);
        let server = MemoryTransport::new(move |request| {
            let number = count.fetch_add(1, Ordering::SeqCst) + 1;
            let tokens = json!({"access_token": format!("a{number}"), "token_type": "Bearer", "expires_in": 3_600});
            Ok(HttpResponse::of(request, 200, tokens.to_string()))
        });
        let hosts = OrgHosts::new(Domain::parse("login.example.com")?);
        let spec = OAuthSpec::new(hosts, EndpointsSpec::Paths(EndpointPaths::new("/token")));
        let (org, grant, store) = (
            Org::Production,
            Grant::ClientCredentials,
            fixture.store(&tenant),
        );
        OAuth::new(OAuthConfig::new(
            CONNECTION,
            spec,
            org,
            grant,
            "client",
            Arc::new(server),
            store,
        ))
    };
    let processes: Vec<OAuth> = (0..8).map(|_| process()).collect::<Result<_>>()?;
    let asked = processes
        .iter()
        .map(|process| process.credential(context, CredentialRequest::new()));
    for credential in join_all(asked).await {
        let generation = credential.or_broken("ask")?.generation();
        same("the generation", &generation, &1)?;
    }
    same("calls", &calls.load(Ordering::SeqCst), &1)
}
