//! What is asked of a state store.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::join_all;

use super::clause::{Checked, Finding, OrBroken as _, clause, must, opaque, same, unique};
use super::{Capability, Fixture, Suite};
use crate::host::{Context, Expected, StateKey, StateKind, StateStore, StateVersion, Swap, run_on};
use crate::{ErrorKind, Result, Tenant};

/// A place that keeps state.
pub struct StateStoreFixture {
    open: Box<dyn Fn() -> Arc<dyn StateStore> + Send + Sync>,
}

opaque!(StateStoreFixture);

impl StateStoreFixture {
    /// `open` gives handles of one place, each as another process would have it. What else is in the place does not matter;
    /// a suite leaves nothing behind where it passes.
    pub fn new<S: StateStore + 'static>(open: impl Fn() -> S + Send + Sync + 'static) -> Self {
        StateStoreFixture {
            open: Box::new(move || Arc::new(open())),
        }
    }

    fn store(&self) -> Arc<dyn StateStore> {
        (self.open)()
    }
}

#[async_trait]
impl Fixture for StateStoreFixture {
    fn subject(&self) -> String {
        let text = format!("{:?}", self.store());
        text.chars().take(60).collect()
    }

    async fn declares(&self, _: &Context) -> Result<BTreeSet<Capability>> {
        Ok(BTreeSet::new())
    }
}

/// The contract of a [`StateStore`].
pub static STATE_STORE: Suite<StateStoreFixture> = Suite {
    name: "state store",
    clauses: &[
        clause!(
            "SS-01",
            None,
            "What was put is read back byte for byte, at the version that the put answered, through any handle.",
            "A checkpoint that comes back changed, or only to the process that saved it, is none.",
            read_back
        ),
        clause!(
            "SS-02",
            None,
            "A value without bytes is refused as `Invalid`, and nothing is changed.",
            "Some stores cannot tell an empty value from none, and none means a full read.",
            empty_is_refused
        ),
        clause!(
            "SS-03",
            None,
            "A put that expects nothing is a conflict where something is, and changes nothing.",
            "Two first runs of a job would both believe that they are the first.",
            absent_is_minded
        ),
        clause!(
            "SS-04",
            None,
            "A put that expects a version is a conflict where another one or nothing is, and changes nothing.",
            "A run that was taken for dead would write over the checkpoint of its successor.",
            version_is_minded
        ),
        clause!(
            "SS-05",
            None,
            "A delete removes the version that is expected, once; of another one it says `false` and changes nothing.",
            "A lease that somebody else has by now would be given back for him.",
            delete_is_minded
        ),
        clause!(
            "SS-06",
            None,
            "Other bytes have another version, also after a delete.",
            "Who waits with an old version in hand would change what he has not seen.",
            versions_are_new
        ),
        clause!(
            "SS-07",
            None,
            "Keys do not touch each other, however alike they are.",
            "One tenant or job would read and overwrite the state of another.",
            keys_are_apart
        ),
        clause!(
            "SS-08",
            None,
            "A list gives the keys of a tenant and a kind in order, page by page: each once, and no other.",
            "Jobs would be forgotten, or those of others shown.",
            listed
        ),
        clause!(
            "SS-09",
            None,
            "Of callers that expect the same version at the same time one is done.",
            "Two runners would hold one lease.",
            one_wins
        ),
    ],
};

fn key(tenant: &Tenant, kind: StateKind, parts: &[&str]) -> Result<StateKey> {
    StateKey::new(tenant, kind, parts.iter().copied())
}

/// A key of a tenant that nobody else has.
fn own_key(context: &Context) -> Result<StateKey> {
    let tenant = Tenant::new(unique(context))?;
    key(&tenant, StateKind::Checkpoint, &["job", "Dataset.csv", ""])
}

type Put<T> = std::result::Result<T, Finding>;

/// Puts what must not be a conflict.
async fn put(
    store: &dyn StateStore,
    key: &StateKey,
    bytes: impl Into<Bytes>,
    expected: Expected,
) -> Put<StateVersion> {
    match store.put(key, bytes.into(), expected).await? {
        Swap::Done(version) => Ok(version),
        Swap::Conflict => Err(Finding::NotReached(
            "a put is a conflict where there is none".into(),
        )),
    }
}

/// What a key holds must be this.
async fn holds(
    store: &dyn StateStore,
    key: &StateKey,
    what: &str,
    expected: Option<(&[u8], &StateVersion)>,
) -> Checked {
    let found = store.get(key).await?;
    let found = found.as_ref();
    let found = found.map(|stored| (stored.bytes.as_ref(), &stored.version));
    same(what, &found, &expected)
}

/// Removes what a check has put, whatever it found.
async fn clear(store: &dyn StateStore, key: &StateKey) -> Checked {
    if let Some(stored) = store.get(key).await? {
        store.delete(key, stored.version).await?;
    }
    Ok(())
}

async fn read_back(context: &Context, fixture: &StateStoreFixture) -> Checked {
    let key = own_key(context)?;
    let (here, there) = (fixture.store(), fixture.store());
    let all: Vec<u8> = (0..=255).collect();
    let values = [vec![0], b"\r\n\x1a".to_vec(), all.repeat(4_096), vec![0xff]];
    holds(&*here, &key, "before anything was put", None).await?;
    let mut expected = Expected::Absent;
    for value in values {
        let done = here.put(&key, value.clone().into(), expected).await;
        let Swap::Done(version) = done.or_broken("put")? else {
            return Err(Finding::Broken(
                "put: a conflict where there is none".into(),
            ));
        };
        for store in [&here, &there] {
            holds(&**store, &key, "what was put", Some((&value, &version))).await?;
        }
        expected = Expected::Version(version);
    }
    clear(&*here, &key).await
}

async fn empty_is_refused(context: &Context, fixture: &StateStoreFixture) -> Checked {
    let (key, store) = (own_key(context)?, fixture.store());
    let refused = |put: Result<Swap>| {
        let kind = put.as_ref().map_err(|error| error.kind()).err();
        same("an empty value", &kind, &Some(ErrorKind::Invalid))
    };
    refused(store.put(&key, Bytes::new(), Expected::Absent).await)?;
    holds(&*store, &key, "behind an empty value", None).await?;
    let version = put(&*store, &key, "full", Expected::Absent).await?;
    let expected = Expected::Version(version.clone());
    refused(store.put(&key, Bytes::new(), expected).await)?;
    let stands = Some((b"full".as_slice(), &version));
    holds(&*store, &key, "behind an empty value", stands).await?;
    clear(&*store, &key).await
}

/// A put that must be a conflict and change nothing.
async fn conflict(
    store: &dyn StateStore,
    key: &StateKey,
    expected: Expected,
    stands: Option<(&[u8], &StateVersion)>,
) -> Checked {
    let put = store.put(key, "late".into(), expected.clone()).await?;
    same(
        &format!("a put that expects {expected:?}"),
        &put,
        &Swap::Conflict,
    )?;
    holds(store, key, "behind a conflict", stands).await
}

async fn absent_is_minded(context: &Context, fixture: &StateStoreFixture) -> Checked {
    let (key, store) = (own_key(context)?, fixture.store());
    let version = put(&*store, &key, "first", Expected::Absent).await?;
    let stands = Some((b"first".as_slice(), &version));
    conflict(&*fixture.store(), &key, Expected::Absent, stands).await?;
    clear(&*store, &key).await
}

fn foreign() -> StateVersion {
    StateVersion::new("no version of any store")
}

async fn version_is_minded(context: &Context, fixture: &StateStoreFixture) -> Checked {
    let (key, store) = (own_key(context)?, fixture.store());
    let first = put(&*store, &key, "first", Expected::Absent).await?;
    let expected = Expected::Version(first.clone());
    let second = put(&*store, &key, "second", expected).await?;
    let stands = Some((b"second".as_slice(), &second));
    for old in [&first, &foreign()] {
        conflict(&*store, &key, Expected::Version(old.clone()), stands).await?;
    }
    clear(&*store, &key).await?;
    holds(&*store, &key, "behind a delete", None).await?;
    for old in [first, second.clone(), foreign()] {
        conflict(&*store, &key, Expected::Version(old), None).await?;
    }
    Ok(())
}

async fn delete_is_minded(context: &Context, fixture: &StateStoreFixture) -> Checked {
    let (key, store) = (own_key(context)?, fixture.store());
    let first = put(&*store, &key, "first", Expected::Absent).await?;
    let second = put(&*store, &key, "second", Expected::Version(first.clone())).await?;
    let stands = Some((b"second".as_slice(), &second));
    for old in [first.clone(), foreign()] {
        let deleted = store.delete(&key, old).await?;
        same("a delete of another version", &deleted, &false)?;
        holds(&*store, &key, "behind it", stands).await?;
    }
    let deleted = store.delete(&key, second.clone()).await?;
    same("a delete of the version that is there", &deleted, &true)?;
    let key = &key;
    for store in [&store, &fixture.store()] {
        let found = store.get(key).await?;
        must(found.is_none(), || "what was deleted is there".into())?;
    }
    for old in [second, first] {
        let deleted = store.delete(key, old).await?;
        same("a delete of what is not there", &deleted, &false)?;
    }
    Ok(())
}

async fn versions_are_new(context: &Context, fixture: &StateStoreFixture) -> Checked {
    let (key, store) = (own_key(context)?, fixture.store());
    let mut seen: Vec<StateVersion> = Vec::new();
    for round in 0..3 {
        let mut expected = Expected::Absent;
        for turn in 0..4 {
            let version = put(&*store, &key, format!("value {round}.{turn}"), expected).await?;
            must(!seen.contains(&version), || {
                format!("{version:?} was the version of other bytes before")
            })?;
            seen.push(version.clone());
            expected = Expected::Version(version);
        }
        clear(&*store, &key).await?;
    }
    Ok(())
}

/// Names that a careless store takes for one.
const ALIKE: [&[&str]; 12] = [
    &["a"],
    &["A"],
    &["a", ""],
    &["a", "b"],
    &["a/b"],
    &["a%2fb"],
    &["a", ".."],
    &["a", "b.state"],
    &["a.lock"],
    &["con"],
    &[""],
    &["é"],
];

async fn keys_are_apart(context: &Context, fixture: &StateStoreFixture) -> Checked {
    let (name, store) = (unique(context), fixture.store());
    let mut kept = Vec::new();
    for tenant in [
        name.clone(),
        name.to_uppercase(),
        format!("{name}/checkpoint"),
    ] {
        let tenant = Tenant::new(tenant)?;
        for kind in [StateKind::Checkpoint, StateKind::Lease] {
            for parts in ALIKE {
                let key = key(&tenant, kind, parts)?;
                let put = store.put(&key, key.path().to_owned().into(), Expected::Absent);
                let Swap::Done(version) = put.await? else {
                    return Err(Finding::Broken(format!("{key} is taken for another key")));
                };
                kept.push((key, version));
            }
        }
    }
    for (key, version) in &kept {
        let own = Some((key.path().as_bytes(), version));
        holds(&*store, key, key.path(), own).await?;
        let deleted = store.delete(key, version.clone()).await?;
        same(key.path(), &deleted, &true)?;
    }
    Ok(())
}

async fn listed(context: &Context, fixture: &StateStoreFixture) -> Checked {
    let (name, store) = (unique(context), fixture.store());
    let (tenant, kind) = (Tenant::new(name.as_str())?, StateKind::Checkpoint);
    let mut keys = Vec::new();
    for parts in ALIKE {
        keys.push(key(&tenant, kind, parts)?);
    }
    // Others are not listed, though their paths begin alike.
    let shorter = name.get(..name.len() - 1).unwrap_or_default();
    let others = [
        key(&tenant, StateKind::Lease, &["a"])?,
        key(&Tenant::new(shorter)?, kind, &["a"])?,
        key(&Tenant::new(format!("{name}2"))?, kind, &["a"])?,
    ];
    for key in keys.iter().chain(&others) {
        put(&*store, key, "1", Expected::Absent).await?;
    }
    keys.sort_unstable();
    for size in [0, 1, 2, 5, keys.len(), 1_000] {
        let mut found: Vec<StateKey> = Vec::new();
        loop {
            let page = store.list(&tenant, kind, found.last(), size).await?;
            must(page.len() <= size, || {
                format!("{} keys in a page of {size}", page.len())
            })?;
            if page.is_empty() || found.len() > keys.len() {
                break;
            }
            found.extend(page);
        }
        let expected = if size == 0 { Vec::new() } else { keys.clone() };
        same(&format!("in pages of {size}"), &found, &expected)?;
    }
    // One need not be there to list from behind it.
    let gone = keys.remove(3);
    clear(&*store, &gone).await?;
    let rest = store.list(&tenant, kind, Some(&gone), 1_000).await?;
    same("from behind a key that is gone", &rest, &keys.split_off(3))?;
    for key in keys.iter().chain(&rest).chain(&others) {
        clear(&*store, key).await?;
    }
    let left = store.list(&tenant, kind, None, 1_000).await?;
    same("when all is deleted", &left, &Vec::new())
}

/// How many tasks try at the same time, and how often each.
const TASKS: usize = 4;

async fn one_wins(context: &Context, fixture: &StateStoreFixture) -> Checked {
    let key = own_key(context)?;
    let mut expected = Expected::Absent;
    for round in 0..10 {
        // On threads, if the executor has any, and turn by turn within each.
        let tasks = (0..TASKS).map(|task| {
            let store = fixture.store();
            let (key, expected) = (key.clone(), expected.clone());
            run_on(context.executor(), async move {
                let tries = (0..TASKS).map(|turn| {
                    let bytes = format!("{round}.{task}.{turn}").into();
                    store.put(&key, bytes, expected.clone())
                });
                join_all(tries).await
            })
        });
        let mut won = Vec::new();
        for tries in join_all(tasks.collect::<Vec<_>>()).await {
            for swap in tries? {
                if let Swap::Done(version) = swap? {
                    won.push(version);
                }
            }
        }
        let [version] = &won[..] else {
            return Err(Finding::Broken(format!("{} of them were done", won.len())));
        };
        let found = fixture.store().get(&key).await?;
        let found = found.map(|stored| stored.version);
        same("behind them", &found.as_ref(), &Some(version))?;
        expected = Expected::Version(version.clone());
    }
    clear(&*fixture.store(), &key).await
}
