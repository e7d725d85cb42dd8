//! Places to run in, of which a tenant and a connection have so many over all processes.
//!
//! Each place is a key of the store; who puts it where nothing is has it. The timetable of a run names its places before they are taken and as long as they
//! may be, so none is ever forgotten.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::config::RunLimits;
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
        let Some(number) = (0..most).find(|number| !taken.contains(number)) else {
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

/// Takes places for a start; `false` if somebody else was faster, and then none is taken.
pub(super) async fn take(
    shelf: &Shelf,
    tenant: &Tenant,
    slots: &[Slot],
    start: &str,
) -> Result<bool> {
    for slot in slots {
        let key = key(shelf, tenant, slot)?;
        let put = shelf
            .store
            .put(&key, Bytes::from(start.to_owned()), Expected::Absent);
        if put.await? == Swap::Conflict {
            give_back(shelf, tenant, slots, start).await?;
            return Ok(false);
        }
    }
    Ok(true)
}

/// Gives back those of the places that this start has.
pub(super) async fn give_back(
    shelf: &Shelf,
    tenant: &Tenant,
    slots: &[Slot],
    start: &str,
) -> Result<()> {
    for slot in slots {
        let key = key(shelf, tenant, slot)?;
        if let Some(stored) = shelf
            .store
            .get(&key)
            .await?
            .filter(|stored| stored.bytes == start)
        {
            shelf.store.delete(&key, stored.version).await?;
        }
    }
    Ok(())
}

fn key(shelf: &Shelf, tenant: &Tenant, slot: &Slot) -> Result<StateKey> {
    let number = format!("{:05}", slot.number);
    StateKey::new(
        &shelf.own,
        StateKind::Slot,
        [tenant.as_ref(), &slot.of, &number],
    )
}
