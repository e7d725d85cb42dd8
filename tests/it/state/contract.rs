//! The contract of a [`StateStore`], clause by clause, for any store. Each check has a tenant of its own, so that all may use one store.

use bytes::Bytes;
use futures::executor::block_on;
use syncline::host::{Expected, StateKey, StateKind, StateStore, StateVersion, Stored, Swap};
use syncline::{ErrorKind, Result, Tenant};

type Check = fn(&dyn StateStore) -> Result<()>;

/// Every check, by name.
pub(super) const CHECKS: &[(&str, Check)] = &[
    (
        "a_value_is_put_changed_and_deleted",
        a_value_is_put_changed_and_deleted,
    ),
    (
        "nothing_happens_on_a_conflict",
        nothing_happens_on_a_conflict,
    ),
    (
        "other_bytes_have_another_version",
        other_bytes_have_another_version,
    ),
    ("any_bytes_are_kept_but_none", any_bytes_are_kept_but_none),
    ("keys_do_not_touch_each_other", keys_do_not_touch_each_other),
    (
        "keys_are_listed_in_order_page_by_page",
        keys_are_listed_in_order_page_by_page,
    ),
    ("one_of_many_wins", one_of_many_wins),
    ("no_count_is_lost", no_count_is_lost),
];

fn key(check: &str, parts: &[&str]) -> Result<StateKey> {
    StateKey::new(
        &Tenant::new(check)?,
        StateKind::Checkpoint,
        parts.iter().copied(),
    )
}

/// Puts what must not be a conflict.
fn put(
    store: &dyn StateStore,
    key: &StateKey,
    bytes: &str,
    expected: Expected,
) -> Result<StateVersion> {
    match block_on(store.put(key, bytes.to_owned().into(), expected))? {
        Swap::Done(version) => Ok(version),
        Swap::Conflict => panic!("{key}: a conflict"),
    }
}

fn get(store: &dyn StateStore, key: &StateKey) -> Result<Option<(String, StateVersion)>> {
    let text = |stored: Stored| {
        (
            String::from_utf8_lossy(&stored.bytes).into_owned(),
            stored.version,
        )
    };
    Ok(block_on(store.get(key))?.map(text))
}

fn a_value_is_put_changed_and_deleted(store: &dyn StateStore) -> Result<()> {
    let key = key("a_value", &["job", "Dataset.csv", ""])?;
    for round in ["1", "2"] {
        assert_eq!(get(store, &key)?, None);
        let first = put(store, &key, round, Expected::Absent)?;
        assert_eq!(get(store, &key)?, Some((round.to_owned(), first.clone())));
        let second = put(store, &key, "changed", Expected::Version(first))?;
        assert_eq!(
            get(store, &key)?,
            Some(("changed".to_owned(), second.clone()))
        );
        assert!(block_on(store.delete(&key, second))?);
    }
    assert_eq!(get(store, &key)?, None);
    Ok(())
}

fn nothing_happens_on_a_conflict(store: &dyn StateStore) -> Result<()> {
    let key = key("conflict", &["job"])?;
    let conflicts = |expected: Expected| block_on(store.put(&key, "wrong".into(), expected));
    let first = put(store, &key, "first", Expected::Absent)?;
    let second = put(store, &key, "second", Expected::Version(first.clone()))?;
    let stands = Some(("second".to_owned(), second.clone()));
    let foreign = StateVersion::new("no version of any store");
    for old in [
        Expected::Absent,
        Expected::Version(first.clone()),
        Expected::Version(foreign.clone()),
    ] {
        assert_eq!(conflicts(old)?, Swap::Conflict);
        assert_eq!(get(store, &key)?, stands);
    }
    for old in [&first, &foreign] {
        assert!(!block_on(store.delete(&key, old.clone()))?);
        assert_eq!(get(store, &key)?, stands);
    }
    // What was deleted is not there, whatever version is asked for.
    assert!(block_on(store.delete(&key, second.clone()))?);
    for old in [first, second, foreign] {
        assert_eq!(conflicts(Expected::Version(old.clone()))?, Swap::Conflict);
        assert!(!block_on(store.delete(&key, old))?);
        assert_eq!(get(store, &key)?, None);
    }
    Ok(())
}

fn other_bytes_have_another_version(store: &dyn StateStore) -> Result<()> {
    let key = key("versions", &["job"])?;
    let mut seen = Vec::new();
    let mut number = 0;
    let mut other = || {
        number += 1;
        format!("value {number}")
    };
    for _ in 0..3 {
        let mut version = put(store, &key, &other(), Expected::Absent)?;
        for _ in 0..4 {
            assert!(!seen.contains(&version), "{version:?} of {seen:?}");
            seen.push(version.clone());
            version = put(store, &key, &other(), Expected::Version(version))?;
        }
        seen.push(version.clone());
        assert!(block_on(store.delete(&key, version))?);
    }
    Ok(())
}

fn any_bytes_are_kept_but_none(store: &dyn StateStore) -> Result<()> {
    let key = key("bytes", &["job"])?;
    let refused = block_on(store.put(&key, Bytes::new(), Expected::Absent)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    let all: Vec<u8> = (0..=255).collect();
    let mut expected = Expected::Absent;
    for value in [vec![0], all.repeat(4_096), b"\r\n".to_vec(), vec![0xff]] {
        match block_on(store.put(&key, value.clone().into(), expected))? {
            Swap::Done(version) => expected = Expected::Version(version),
            Swap::Conflict => panic!("a conflict"),
        }
        assert_eq!(block_on(store.get(&key))?.unwrap().bytes, value);
    }
    let refused = block_on(store.put(&key, Bytes::new(), expected)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    assert_eq!(block_on(store.get(&key))?.unwrap().bytes, [0xff].as_slice());
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

fn keys_do_not_touch_each_other(store: &dyn StateStore) -> Result<()> {
    let mut keys = Vec::new();
    for tenant in ["alike", "Alike", "alike/checkpoint"] {
        let tenant = Tenant::new(tenant)?;
        for kind in [StateKind::Checkpoint, StateKind::Lease] {
            for parts in ALIKE {
                keys.push(StateKey::new(&tenant, kind, parts.iter().copied())?);
            }
        }
    }
    let versions: Result<Vec<_>> = keys
        .iter()
        .map(|key| put(store, key, key.path(), Expected::Absent))
        .collect();
    for (key, version) in keys.iter().zip(versions?) {
        assert_eq!(
            get(store, key)?,
            Some((key.path().to_owned(), version.clone()))
        );
        assert!(block_on(store.delete(key, version))?);
        assert_eq!(get(store, key)?, None);
    }
    Ok(())
}

fn keys_are_listed_in_order_page_by_page(store: &dyn StateStore) -> Result<()> {
    let tenant = Tenant::new("listed")?;
    let list = |after: Option<&StateKey>, limit| {
        block_on(store.list(&tenant, StateKind::Checkpoint, after, limit))
    };
    assert!(list(None, 10)?.is_empty());
    let mut keys = Vec::new();
    for parts in ALIKE {
        let key = key("listed", parts)?;
        put(store, &key, "1", Expected::Absent)?;
        keys.push(key);
    }
    // Others are not listed, though their paths begin alike.
    for (tenant, kind) in [
        ("listed", StateKind::Lease),
        ("liste", StateKind::Checkpoint),
        ("listed2", StateKind::Checkpoint),
    ] {
        put(
            store,
            &StateKey::new(&Tenant::new(tenant)?, kind, ["a"])?,
            "1",
            Expected::Absent,
        )?;
    }
    keys.sort_unstable();
    assert_eq!(list(None, 100)?, keys);
    for size in 1..=keys.len() {
        let mut listed = Vec::new();
        loop {
            let page = list(listed.last(), size)?;
            assert!(page.len() <= size);
            if page.is_empty() {
                break;
            }
            listed.extend(page);
            assert!(listed.len() <= keys.len(), "{listed:?}");
        }
        assert_eq!(listed, keys, "in pages of {size}");
    }
    assert!(list(None, 0)?.is_empty());
    // One need not be there to list from behind it.
    let gone = keys.remove(3);
    let version = get(store, &gone)?.unwrap().1;
    assert!(block_on(store.delete(&gone, version))?);
    assert_eq!(list(None, 100)?, keys);
    assert_eq!(list(Some(&gone), 100)?, keys[3..]);
    Ok(())
}

const THREADS: usize = 4;

fn one_of_many_wins(store: &dyn StateStore) -> Result<()> {
    let key = key("one_wins", &["job"])?;
    let mut expected = Expected::Absent;
    for _ in 0..10 {
        let attempts = std::thread::scope(|scope| {
            let (key, expected) = (&key, &expected);
            let threads: Vec<_> = (0..THREADS)
                .map(|thread| {
                    let bytes = format!("{thread} {expected:?}");
                    scope.spawn(move || block_on(store.put(key, bytes.into(), expected.clone())))
                })
                .collect();
            let joined = threads.into_iter().map(|thread| thread.join().unwrap());
            joined.collect::<Result<Vec<_>>>()
        })?;
        let mut won = attempts.into_iter().filter_map(|swap| match swap {
            Swap::Done(version) => Some(version),
            Swap::Conflict => None,
        });
        let version = won.next().expect("one wins");
        assert_eq!(won.next(), None, "only one wins");
        assert_eq!(block_on(store.get(&key))?.unwrap().version, version);
        expected = Expected::Version(version);
    }
    Ok(())
}

/// Counts up `times` times, trying again after each conflict.
pub(super) fn count_up(
    store: &dyn StateStore,
    key: &StateKey,
    times: usize,
    counted: impl Fn(u64),
) -> Result<()> {
    for _ in 0..times {
        for attempt in 0.. {
            assert!(attempt < 10_000, "nothing but conflicts");
            let (count, expected) = match get(store, key)? {
                Some((text, version)) => (text.parse().unwrap(), Expected::Version(version)),
                None => (0_u64, Expected::Absent),
            };
            let next = (count + 1).to_string();
            if let Swap::Done(_) = block_on(store.put(key, next.into(), expected))? {
                counted(count + 1);
                break;
            }
        }
    }
    Ok(())
}

fn no_count_is_lost(store: &dyn StateStore) -> Result<()> {
    let key = key("count", &["job"])?;
    std::thread::scope(|scope| {
        let key = &key;
        let threads: Vec<_> = (0..THREADS)
            .map(|_| scope.spawn(move || count_up(store, key, 20, |_| {})))
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap())
    })?;
    assert_eq!(get(store, &key)?.unwrap().0, (THREADS * 20).to_string());
    Ok(())
}
