//! Places to run in, of which a tenant and a connection have so many over all processes.
//!
//! Each place is a key of the store, with the start that has it; who puts it where nothing is has it. The timetable of a run names that start before its places are taken
//! and until they are given back. So a place whose start no timetable names was put by somebody who was taken for dead, and whoever finds no other takes it away.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::config::RunLimits;
use super::listeners::is_unreadable;
use super::shelf::Shelf;
use super::timetable::{Slot, Timetable};
use crate::host::{Expected, StateKey, StateKind, Swap};
use crate::{Result, Tenant};

/// Places that seem free, one of each kind that the job needs; `None` if there are none.
pub(super) async fn free(
    shelf: &Shelf,
    tenant: &Tenant,
    timetable: &Timetable,
    limits: &RunLimits,
) -> Result<Option<Vec<Slot>>> {
    let of_connections = timetable
        .connections
        .iter()
        .filter_map(|id| Some((id.clone(), limits.of_connection?)));
    let of_tenant = limits.of_tenant.map(|most| (String::new(), most));
    let mut slots = Vec::new();
    for (of, most) in of_tenant.into_iter().chain(of_connections) {
        let taken = taken(shelf, tenant, &of, most).await?;
        let free = (0..most).find(|number| !taken.contains(number));
        let left_behind = match free {
            None => left_behind(shelf, tenant, &of, most).await?,
            Some(_) => None,
        };
        let Some(number) = free.or(left_behind) else {
            return Ok(None);
        };
        slots.push(Slot { of, number });
    }
    Ok(Some(slots))
}

async fn taken(shelf: &Shelf, tenant: &Tenant, of: &str, most: u16) -> Result<BTreeSet<u16>> {
    let first = StateKey::new(&shelf.own, StateKind::Slot, [tenant.as_ref(), of, ""])?;
    let keys = shelf.store.list(
        &shelf.own,
        StateKind::Slot,
        Some(&first),
        usize::from(most) + 1,
    );
    let keys = keys.await?;
    let ours = keys
        .iter()
        .filter(|key| matches!(key.parts(), [t, o, _] if t == tenant.as_ref() && o == of));
    Ok(ours
        .filter_map(|key| key.parts().last()?.parse().ok())
        .collect())
}

/// Takes away the first place that nobody has any more, and answers which.
async fn left_behind(shelf: &Shelf, tenant: &Tenant, of: &str, most: u16) -> Result<Option<u16>> {
    for number in 0..most {
        let of = of.to_owned();
        let key = key(shelf, tenant, &Slot { of, number })?;
        let Some(stored) = shelf.store.get(&key).await? else {
            return Ok(Some(number));
        };
        if !is_had(shelf, tenant, &stored.bytes).await?
            && shelf.store.delete(&key, stored.version).await?
        {
            return Ok(Some(number));
        }
    }
    Ok(None)
}

/// Whether a timetable names the start that a place belongs to.
async fn is_had(shelf: &Shelf, tenant: &Tenant, holder: &[u8]) -> Result<bool> {
    let holder = std::str::from_utf8(holder).ok();
    let Some((start, job)) = holder.and_then(|holder| holder.split_once(' ')) else {
        return Ok(false);
    };
    let timetable = match shelf.read(tenant, job).await {
        // Nobody knows.
        Err(error) if is_unreadable(error.kind()) => return Ok(true),
        read => read?,
    };
    let running = timetable.and_then(|timetable| timetable.running);
    Ok(running.is_some_and(|running| running.start == start))
}

/// Takes places for a start; `false` if somebody else was faster, and then none is taken.
pub(super) async fn take(
    shelf: &Shelf,
    tenant: &Tenant,
    job: &str,
    slots: &[Slot],
    start: &str,
) -> Result<bool> {
    for slot in slots {
        let key = key(shelf, tenant, slot)?;
        let put = shelf
            .store
            .put(&key, Bytes::from(holder(start, job)), Expected::Absent);
        if put.await? == Swap::Conflict {
            give_back(shelf, tenant, job, slots, start).await?;
            return Ok(false);
        }
    }
    Ok(true)
}

/// Gives back those of the places that this start has.
pub(super) async fn give_back(
    shelf: &Shelf,
    tenant: &Tenant,
    job: &str,
    slots: &[Slot],
    start: &str,
) -> Result<()> {
    let holder = holder(start, job);
    for slot in slots {
        let key = key(shelf, tenant, slot)?;
        if let Some(stored) = shelf
            .store
            .get(&key)
            .await?
            .filter(|stored| stored.bytes == holder)
        {
            shelf.store.delete(&key, stored.version).await?;
        }
    }
    Ok(())
}

/// What is written into a place.
fn holder(start: &str, job: &str) -> String {
    format!("{start} {job}")
}

fn key(shelf: &Shelf, tenant: &Tenant, slot: &Slot) -> Result<StateKey> {
    let number = format!("{:05}", slot.number);
    StateKey::new(
        &shelf.own,
        StateKind::Slot,
        [tenant.as_ref(), &slot.of, &number],
    )
}
