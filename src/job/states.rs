//! What each written row's lookups came to, so that a row whose place is taken can be counted out again.

use hashbrown::HashMap;
use indexmap::IndexMap;

use crate::mapping::LookupState;

use super::report::LookupCounts;

type Counts = IndexMap<String, LookupCounts>;

/// The state of each lookup for each row that stands, by the row's sequence.
pub(super) struct States {
    lookups: usize,
    /// Whether rows can be replaced; if not, nothing needs to be remembered.
    replaceable: bool,
    /// Pages of rows: sequences are dense as a rule, but they may begin anywhere.
    pages: HashMap<u64, Box<[u8]>, foldhash::fast::RandomState>,
}

/// Rows in a page.
const PAGE: u64 = 1 << 14;

/// No row of this sequence stands.
const GONE: u8 = 0;

fn code(state: LookupState) -> u8 {
    match state {
        LookupState::Resolved => 1,
        LookupState::Unresolved => 2,
        LookupState::Ambiguous => 3,
        LookupState::Empty => 4,
        LookupState::Pending => 5,
    }
}

/// The count that a state stands in; a pending one stands in none.
fn count(counts: &mut LookupCounts, code: u8) -> Option<&mut u64> {
    match code {
        1 => Some(&mut counts.resolved),
        2 => Some(&mut counts.unresolved),
        3 => Some(&mut counts.ambiguous),
        4 => Some(&mut counts.empty),
        _ => None,
    }
}

impl States {
    pub(super) fn new(lookups: usize, replaceable: bool) -> Self {
        States {
            lookups,
            replaceable,
            pages: HashMap::default(),
        }
    }

    /// A row was written, in the place of an earlier one of this run or not. Answers false if the
    /// earlier one does not stand.
    pub(super) fn write(
        &mut self,
        counts: &mut Counts,
        sequence: u64,
        earlier: Option<u64>,
        states: impl Iterator<Item = LookupState>,
    ) -> bool {
        if earlier.is_some_and(|earlier| !self.forget(counts, earlier)) {
            return false;
        }
        let lookups = self.lookups;
        let mut row = self.replaceable.then(|| {
            let page = self.pages.entry(sequence / PAGE);
            let page = page.or_insert_with(|| vec![GONE; PAGE as usize * lookups].into());
            place(page, sequence, lookups)
        });
        for (i, state) in states.enumerate() {
            add(counts, i, code(state), 1);
            if let Some(row) = &mut row {
                row[i] = code(state);
            }
        }
        true
    }

    /// The row of this sequence no longer stands; false if it did not.
    fn forget(&mut self, counts: &mut Counts, sequence: u64) -> bool {
        let Some(page) = self.pages.get_mut(&(sequence / PAGE)) else {
            return false;
        };
        let row = place(page, sequence, self.lookups);
        let stood = row.iter().any(|&state| state != GONE);
        for (i, state) in row.iter_mut().enumerate() {
            add(counts, i, std::mem::replace(state, GONE), -1);
        }
        stood
    }

    /// Whether the row of this sequence still stands.
    pub(super) fn stands(&self, sequence: u64) -> bool {
        let page = self.pages.get(&(sequence / PAGE));
        let first = (sequence % PAGE) as usize * self.lookups;
        !self.replaceable || page.is_some_and(|page| page[first] != GONE)
    }

    /// A pending lookup came to its end.
    pub(super) fn settle(&mut self, counts: &mut Counts, lookup: usize, state: LookupState) {
        add(counts, lookup, code(state), 1);
    }
}

/// The bytes of a row in its page.
fn place(page: &mut [u8], sequence: u64, lookups: usize) -> &mut [u8] {
    let first = (sequence % PAGE) as usize * lookups;
    &mut page[first..first + lookups]
}

fn add(counts: &mut Counts, lookup: usize, code: u8, by: i64) {
    let counts = counts.get_index_mut(lookup).map(|(_, counts)| counts);
    if let Some(count) = counts.and_then(|counts| count(counts, code)) {
        *count = count.wrapping_add_signed(by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use LookupState::{Ambiguous, Empty, Resolved, Unresolved};

    /// Rows with two lookups, in the places of other rows or not; afterwards the counts are those of the rows that stand.
    #[test]
    fn the_counts_are_those_of_the_rows_that_stand() {
        let names = ["parent", "owner"].map(|name| (name.to_owned(), LookupCounts::default()));
        let mut counts: Counts = names.into_iter().collect();
        let mut states = States::new(2, true);
        let mut write = |sequence, earlier, row: [LookupState; 2]| {
            states.write(&mut counts, sequence, earlier, row.into_iter())
        };
        assert!(write(6, None, [Resolved, Empty]));
        assert!(write(7, None, [Unresolved, Resolved]));
        assert!(write(PAGE, None, [Ambiguous, Ambiguous]));
        assert!(write(PAGE + 1, Some(6), [Unresolved, Empty]));
        assert!(!write(8, Some(6), [Resolved, Resolved]), "row 6 is gone");
        assert!(
            !write(8, Some(9), [Resolved, Resolved]),
            "nobody wrote row 9"
        );
        assert!(!write(8, Some(5 * PAGE), [Resolved, Resolved]));
        let of = |resolved, unresolved, ambiguous, empty| LookupCounts {
            resolved,
            unresolved,
            ambiguous,
            empty,
        };
        assert_eq!(counts["parent"], of(0, 2, 1, 0));
        assert_eq!(counts["owner"], of(1, 0, 1, 1));
        let standing = (0..2 * PAGE).filter(|&sequence| states.stands(sequence));
        assert_eq!(standing.collect::<Vec<_>>(), [7, PAGE, PAGE + 1]);
    }
}
