//! Saved state: every store against its contract, stores that lie, formats, processes.

mod contract;
mod formats;
mod lease;
mod lease_run;
mod lease_terms;
#[cfg(feature = "object-store")]
mod objects;
mod probe;
mod processes;

use syncline::Tenant;
use syncline::file::LocalState;
use syncline::host::{Context, StateStore, probe};
use syncline::memory::MemoryState;

fn holds_its_contract(store: &dyn StateStore) {
    for (name, check) in contract::CHECKS {
        if let Err(error) = check(store) {
            panic!("{name}: {error}");
        }
    }
    let tenant = Tenant::new("probed").unwrap();
    futures::executor::block_on(probe(&Context::new(), store, &tenant)).unwrap();
}

#[test]
fn memory_holds_its_contract() {
    holds_its_contract(&MemoryState::new());
}

#[test]
fn a_directory_holds_its_contract() {
    let folder = tempfile::tempdir().unwrap();
    holds_its_contract(&LocalState::new(folder.path().join("made/when/needed")));
}
