//! Kinds of faults, and which effects can meet which.

use std::time::Duration;

use chrono::TimeDelta;

use super::effects::{EffectKind, Fate};
use crate::host::SplitMix;

/// A kind of [`Fate`] that is a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Fault {
    /// The process dies in front of the effect or behind it.
    Crash,
    /// The process dies amid the effect.
    CrashAmid,
    /// It fails, and nothing was done.
    Reject,
    /// It was done and fails all the same.
    LostAnswer,
    /// It was done in part and fails.
    Partial,
    /// No answer ever comes.
    Silence,
    /// The answer comes late.
    Hold,
    /// The effect comes late.
    Slow,
    /// It is done twice.
    Duplicate,
    /// It is done behind the next one.
    Reorder,
    /// What is read is what was there before.
    Stale,
    /// What is read or written is damaged.
    Corrupt,
    /// The calendar is set.
    ClockJump,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Fault; 13] = [
        Fault::Crash,
        Fault::CrashAmid,
        Fault::Reject,
        Fault::LostAnswer,
        Fault::Partial,
        Fault::Silence,
        Fault::Hold,
        Fault::Slow,
        Fault::Duplicate,
        Fault::Reorder,
        Fault::Stale,
        Fault::Corrupt,
        Fault::ClockJump,
    ];

    /// Whether it needs an effect of several parts.
    pub(super) fn is_partial(self) -> bool {
        matches!(self, Fault::CrashAmid | Fault::Partial)
    }

    /// One of its fates.
    pub(super) fn fate(self, chance: &mut Chance, parts: usize) -> Fate {
        let front = |chance: &mut Chance| 1 + chance.below(parts.saturating_sub(1) as u64) as usize;
        let time = |chance: &mut Chance| Duration::from_millis(chance.below(10_000));
        match self {
            Fault::Crash if chance.below(2) == 0 => Fate::CrashBefore,
            Fault::Crash => Fate::CrashAfter,
            Fault::CrashAmid => Fate::CrashAmid(front(chance)),
            Fault::Reject => Fate::Fail(chance.below(2) == 0),
            Fault::LostAnswer => Fate::FailAfter(chance.below(2) == 0),
            Fault::Partial => Fate::FailAmid(front(chance)),
            Fault::Silence if chance.below(2) == 0 => Fate::Hang,
            Fault::Silence => Fate::HangAfter,
            Fault::Hold => Fate::Hold(time(chance)),
            Fault::Slow => Fate::Slow(time(chance)),
            Fault::Duplicate => Fate::Duplicate,
            Fault::Reorder => Fate::Reorder,
            Fault::Stale => Fate::Stale,
            Fault::Corrupt => Fate::Corrupt,
            Fault::ClockJump => Fate::Jump(TimeDelta::seconds(chance.below(7_200) as i64 - 3_600)),
        }
    }
}

/// The faults of every call that answers.
macro_rules! call {
    ($($more:ident)*) => {
        &[
            Fault::Crash, Fault::Reject, Fault::LostAnswer, Fault::Silence, Fault::Hold, Fault::Slow,
            $(Fault::$more),*
        ]
    };
}

/// Which effects can meet which faults, besides those of their wrappers.
pub(super) const FAULTS: &[(EffectKind, &[Fault])] = &[
    (EffectKind::StateGet, call!(Stale Corrupt)),
    (EffectKind::StatePut, call!(Duplicate Corrupt)),
    (EffectKind::StateDelete, call!(Duplicate)),
    (EffectKind::StateList, call!(Stale)),
    (
        EffectKind::RejectAppend,
        call!(CrashAmid Partial Duplicate Reorder),
    ),
    (EffectKind::RejectFlush, call!(Duplicate)),
    (EffectKind::RejectSeal, call!(Duplicate)),
    (EffectKind::RejectRewind, call!(Duplicate)),
    (EffectKind::RejectList, call!()),
    (EffectKind::RejectMark, call!(Duplicate)),
    (EffectKind::Connect, call!()),
    (EffectKind::Open, call!()),
    (EffectKind::Write, call!(CrashAmid Partial Duplicate)),
    (EffectKind::Commit, call!(Duplicate)),
    (EffectKind::Abort, call!()),
    (EffectKind::Patch, call!(Duplicate)),
    (EffectKind::Delete, call!(CrashAmid Partial Duplicate)),
    (EffectKind::Lookup, call!()),
    (EffectKind::Read, call!(Duplicate Reorder)),
    (EffectKind::UpperBound, call!(Stale)),
    (EffectKind::Acknowledge, call!(Duplicate)),
    (EffectKind::FileOpen, call!(Corrupt)),
    (EffectKind::FileList, call!()),
    (EffectKind::FileCreate, call!()),
    (
        EffectKind::FileWrite,
        call!(CrashAmid Partial Duplicate Corrupt),
    ),
    (EffectKind::FileFinish, call!()),
    (EffectKind::FileRemove, call!(Duplicate)),
    (EffectKind::JobRun, call!(Duplicate)),
    (EffectKind::HttpSend, call!(Duplicate)),
    (EffectKind::Authorize, call!()),
    (EffectKind::Encrypt, call!()),
    (EffectKind::Deliver, call!(Duplicate)),
    // What is not a call that answers.
    (EffectKind::EntropyFill, &[Fault::Duplicate, Fault::Corrupt]),
    (
        EffectKind::Spawn,
        &[Fault::Reject, Fault::Silence, Fault::Reorder],
    ),
    (EffectKind::ClockRead, &[Fault::ClockJump]),
];

impl EffectKind {
    /// The faults that an effect of this kind can meet.
    ///
    /// | wrapper | effects | faults beyond those of every call |
    /// |---|---|---|
    /// | [`FaultyState`](super::FaultyState) | `StateGet` | `Stale`, `Corrupt` |
    /// | | `StatePut` | `Duplicate`, `Corrupt` |
    /// | | `StateDelete` | `Duplicate` |
    /// | | `StateList` | `Stale` |
    /// | [`FaultyRejects`](super::FaultyRejects) | `RejectAppend` | `CrashAmid`, `Partial`, `Duplicate`, `Reorder` |
    /// | | `RejectFlush`, `RejectSeal`, `RejectRewind`, `RejectMark` | `Duplicate` |
    /// | | `RejectList` | |
    /// | [`FaultyConnection`](super::FaultyConnection) | `Connect`, `Open`, `Abort`, `Lookup` | |
    /// | and its destinations, writers, lookups | `Write`, `Delete` | `CrashAmid`, `Partial`, `Duplicate` |
    /// | | `Commit`, `Patch` | `Duplicate` |
    /// | [`FaultyDataset`](super::FaultyDataset) | `Read` | `Duplicate`, `Reorder` |
    /// | | `UpperBound` | `Stale` |
    /// | | `Acknowledge` | `Duplicate` |
    /// | [`FaultyFiles`](super::FaultyFiles) | `FileOpen` | `Corrupt` |
    /// | | `FileWrite` | `CrashAmid`, `Partial`, `Duplicate`, `Corrupt` |
    /// | | `FileRemove` | `Duplicate` |
    /// | | `FileList`, `FileCreate`, `FileFinish` | |
    /// | [`FaultyJob`](super::FaultyJob) | `JobRun` | `Duplicate` |
    /// | [`FaultyEntropy`](super::FaultyEntropy) | `EntropyFill` | only `Duplicate`, `Corrupt` |
    /// | [`FaultyTransport`](super::FaultyTransport) | `HttpSend` | `Duplicate` |
    /// | [`FaultyAuthorization`](super::FaultyAuthorization) | `Authorize` | |
    /// | [`FaultyCipher`](super::FaultyCipher) | `Encrypt` | |
    /// | [`FaultyNotifications`](super::FaultyNotifications) | `Deliver` | `Duplicate` |
    /// | [`FaultyExecutor`](super::FaultyExecutor) | `Spawn` | only `Reject`, `Silence`, `Reorder` |
    /// | [`FaultyClock`](super::FaultyClock) | `ClockRead` | only `ClockJump` |
    ///
    /// Every call that answers can meet `Crash`, `Reject`, `LostAnswer`, `Silence`, `Hold` and `Slow`.
    ///
    /// ```
    /// use syncline::testing::{EffectKind, Fault};
    ///
    /// assert!(EffectKind::StateGet.faults().contains(&Fault::Stale));
    /// assert!(!EffectKind::Write.faults().contains(&Fault::Stale));
    /// ```
    pub fn faults(self) -> &'static [Fault] {
        let found = FAULTS.iter().find(|(kind, _)| *kind == self);
        found.map_or(&[], |(_, faults)| faults)
    }
}

/// Numbers by chance.
#[derive(Debug)]
pub(super) struct Chance(SplitMix);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Chance(SplitMix::new(seed))
    }

    /// A number below `bound`; 0 if there is none.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0.next().checked_rem(bound).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// What stands between backquotes.
    fn quoted(cell: &str) -> Vec<String> {
        cell.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn the_table_that_people_read_is_the_one_that_is_obeyed() {
        let of_a_call: &[Fault] = call!();
        let data: BTreeMap<String, Vec<String>> = (FAULTS.iter())
            .map(|(kind, faults)| {
                let more = faults
                    .iter()
                    .filter(|fault| faults.len() <= 3 || !of_a_call.contains(fault));
                (
                    format!("{kind:?}"),
                    more.map(|fault| format!("{fault:?}")).collect(),
                )
            })
            .collect();
        let rows = include_str!("fault.rs")
            .lines()
            .filter_map(|line| line.trim().strip_prefix("/// |"));
        let mut told = BTreeMap::new();
        for row in rows {
            let cells: Vec<&str> = row.split('|').collect();
            let [_, kinds, faults, ..] = cells[..] else {
                continue;
            };
            for kind in quoted(kinds) {
                told.insert(kind, quoted(faults));
            }
        }
        assert_eq!(told, data);
    }
}
