//! Whether a store keeps its word.

use super::{Expected, StateKey, StateKind, StateStore, StateVersion, Swap};
use crate::host::{Context, unique};
use crate::name::Tenant;
use crate::{Error, ErrorKind, Result};

/// Tries out a store under a key of its own, and refuses it if it ignores what is expected: some servers that speak a
/// store's protocol do not know conditions and write all the same, and then two runs of a job would overwrite each other's checkpoints.
///
/// Takes about ten calls. Do it once for each place that holds state, before the first run; it changes nothing that
/// another one saved, and leaves nothing behind.
///
/// ```
/// # futures::executor::block_on(async {
/// use syncline::Tenant;
/// use syncline::host::{Context, probe};
/// use syncline::memory::MemoryState;
///
/// probe(&Context::new(), &MemoryState::new(), &Tenant::new("acme")?).await?;
/// # Ok::<(), syncline::Error>(())
/// # }).unwrap();
/// ```
///
/// # Errors
/// [`Contract`](ErrorKind::Contract) if the store breaks the contract of [`StateStore`], with what it did; and the store's own.
pub async fn probe(context: &Context, store: &dyn StateStore, tenant: &Tenant) -> Result<()> {
    // Others may try out the same store at the same time.
    let name = unique(context.entropy());
    let key = StateKey::new(tenant, StateKind::Probe, [name])?;
    let tried = try_out(store, &key).await;
    if tried.is_err() {
        // The first error is the one to tell.
        if let Ok(Some(left)) = store.get(&key).await {
            let _ = store.delete(&key, left.version).await;
        }
    }
    tried.map_err(|error| error.during("probe state store"))
}

fn refused(what: &'static str) -> Error {
    let message = "this store cannot keep state: runs could overwrite each other's checkpoints; switch conditional writes on, or use another store";
    Error::new(ErrorKind::Contract, message).with("the store", what)
}

fn must(holds: bool, what: &'static str) -> Result<()> {
    if holds { Ok(()) } else { Err(refused(what)) }
}

/// Puts what must be done.
async fn done(
    store: &dyn StateStore,
    key: &StateKey,
    bytes: &'static str,
    expected: Expected,
) -> Result<StateVersion> {
    match store.put(key, bytes.into(), expected).await? {
        Swap::Done(version) => Ok(version),
        Swap::Conflict => Err(refused("reports a conflict where there is none")),
    }
}

async fn holds(
    store: &dyn StateStore,
    key: &StateKey,
    bytes: &str,
    version: &StateVersion,
) -> Result<bool> {
    let found = store.get(key).await?;
    Ok(found.is_some_and(|found| found.bytes == bytes && found.version == *version))
}

async fn lists(store: &dyn StateStore, key: &StateKey) -> Result<bool> {
    let mut after = None;
    loop {
        let page = store
            .list(key.tenant(), key.kind(), after.as_ref(), 1_000)
            .await?;
        if page.contains(key) {
            return Ok(true);
        }
        match page.last() {
            // A store that lists the same again and again would be asked for ever.
            Some(last) if after.as_ref().is_none_or(|after| last > after) => {
                after = Some(last.clone())
            }
            Some(_) => return Err(refused("lists keys out of order")),
            None => return Ok(false),
        }
    }
}

async fn try_out(store: &dyn StateStore, key: &StateKey) -> Result<()> {
    must(
        store.get(key).await?.is_none(),
        "has a value that nobody put",
    )?;
    let first = done(store, key, "first", Expected::Absent).await?;
    must(
        holds(store, key, "first", &first).await?,
        "does not give back what was put",
    )?;
    let again = store.put(key, "again".into(), Expected::Absent).await?;
    let stands = holds(store, key, "first", &first).await?;
    must(
        again == Swap::Conflict && stands,
        "overwrites a value where nothing was expected",
    )?;
    must(lists(store, key).await?, "does not list what was put")?;

    let second = done(store, key, "second", Expected::Version(first.clone())).await?;
    must(second != first, "gives other bytes the same version")?;
    must(
        holds(store, key, "second", &second).await?,
        "does not give back what was put",
    )?;
    let late = store
        .put(key, "late".into(), Expected::Version(first.clone()))
        .await?;
    let stands = holds(store, key, "second", &second).await?;
    must(
        late == Swap::Conflict && stands,
        "overwrites a value of another version than was expected",
    )?;
    let deleted = store.delete(key, first).await?;
    let stands = holds(store, key, "second", &second).await?;
    must(
        !deleted && stands,
        "deletes a value of another version than was expected",
    )?;

    must(
        store.delete(key, second.clone()).await?,
        "reports a conflict where there is none",
    )?;
    must(
        store.get(key).await?.is_none(),
        "still has what was deleted",
    )?;
    must(!lists(store, key).await?, "still lists what was deleted")?;
    let late = store
        .put(key, "late".into(), Expected::Version(second.clone()))
        .await?;
    let absent = store.get(key).await?.is_none();
    must(
        late == Swap::Conflict && absent,
        "brings back what was deleted",
    )?;
    let third = done(store, key, "third", Expected::Absent).await?;
    must(third != second, "gives other bytes the same version")?;
    must(
        store.delete(key, third).await?,
        "reports a conflict where there is none",
    )?;
    must(
        store.get(key).await?.is_none(),
        "still has what was deleted",
    )
}
