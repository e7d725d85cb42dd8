//! What the clocks of a zone show, second by second: the one rule by which all schedules turn local times into instants.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use chrono::{DateTime, NaiveDate, Offset as _, TimeZone as _};
use chrono_tz::Tz;

pub(super) const DAY: i64 = 86_400;
/// 1970-01-01T00:00:00Z: schedules begin here.
pub(super) const BEGIN: i64 = 0;
/// 2100-01-01T00:00:00Z: the zone database is compiled up to here and knows no change of clocks behind it.
const KNOWN_UNTIL: i64 = 4_102_444_800;
/// No zone has changed its clocks twice within four days; a test looks at all of them.
const LOOK_EVERY: i64 = 4 * DAY;
/// Days from the first of January of year 1 to the one of 1970, plus one, as chrono counts.
const EPOCH_DAY: i64 = 719_163;

/// The clocks of a zone, as stretches of time with one offset. Instants are seconds since 1970-01-01T00:00:00Z; local times
/// are seconds since 1970-01-01T00:00:00 of these clocks.
#[derive(Debug, Clone)]
pub(super) struct Zone {
    tz: Tz,
    stretches: Arc<[Stretch]>,
}

#[derive(Debug, Clone, Copy)]
struct Stretch {
    from: i64,
    offset: i64,
    /// What the clocks would show when it ends.
    shown_until: i64,
}

/// The stretches of the zones that were asked for. They are a function of the zone alone, so nobody sees that they are kept.
static STRETCHES: LazyLock<Mutex<HashMap<Tz, Arc<[Stretch]>>>> = LazyLock::new(Mutex::default);

impl Zone {
    /// The zone of this name.
    pub(super) fn new(name: &str) -> Option<Self> {
        let tz: Tz = name.parse().ok()?;
        let mut kept = STRETCHES.lock().unwrap_or_else(PoisonError::into_inner);
        let stretches = kept.entry(tz).or_insert_with(|| stretches(tz));
        let stretches = Arc::clone(stretches);
        Some(Zone { tz, stretches })
    }

    pub(super) fn tz(&self) -> Tz {
        self.tz
    }

    /// The number of the stretch that an instant lies in.
    fn index(&self, instant: i64) -> usize {
        let behind = self.stretches.partition_point(|s| s.from <= instant);
        behind.saturating_sub(1)
    }

    /// A stretch; behind the last one the last, which has no end.
    fn stretch(&self, index: usize) -> Stretch {
        let forever = Stretch {
            from: i64::MIN / 4,
            offset: 0,
            shown_until: i64::MAX,
        };
        let found = self.stretches.get(index).or(self.stretches.last());
        found.copied().unwrap_or(forever)
    }

    /// What the clocks show.
    pub(super) fn local(&self, instant: i64) -> i64 {
        instant + self.stretch(self.index(instant)).offset
    }

    /// The first instant at which the clocks show a local time or a later one. Of a time that is shown twice it is the first; of
    /// one that the clocks are put forward over it is the first instant behind it. It never falls when `local` grows.
    pub(super) fn first(&self, local: i64) -> i64 {
        let index = self.stretches.partition_point(|s| s.shown_until <= local);
        let stretch = self.stretch(index);
        stretch.from.max(local - stretch.offset)
    }

    /// The least local time that the clocks have not reached yet at an instant: those and only those from it on are [first](Self::first)
    /// shown later.
    pub(super) fn not_reached(&self, instant: i64) -> i64 {
        let index = self.index(instant);
        let next = instant + self.stretch(index).offset + 1;
        match index.checked_sub(1) {
            Some(before) => next.max(self.stretch(before).shown_until),
            None => next,
        }
    }

    /// Whether the clocks show any time of a day at all.
    pub(super) fn has_day(&self, day: NaiveDate) -> bool {
        let begin = day_number(day) * DAY;
        self.local(self.first(begin)) < begin + DAY
    }

    /// The first instant behind this one at which the clocks show another day, or were changed.
    pub(super) fn day_end(&self, instant: i64) -> i64 {
        let stretch = self.stretch(self.index(instant));
        let midnight = ((instant + stretch.offset).div_euclid(DAY) + 1) * DAY;
        midnight.min(stretch.shown_until) - stretch.offset
    }

    /// The first instant behind this one at which the clocks show one of the local times that `next` steps through: it gives the
    /// least one that is no less than its argument.
    pub(super) fn next_shown(
        &self,
        instant: i64,
        mut next: impl FnMut(i64) -> Option<i64>,
    ) -> Option<i64> {
        let mut index = self.index(instant);
        let mut from = instant + self.stretch(index).offset + 1;
        loop {
            let stretch = self.stretch(index);
            let local = next(from)?;
            if local < stretch.shown_until {
                return Some(local - stretch.offset);
            }
            // The next stretch may show times again that this one has shown.
            index += 1;
            let shown_from = |index: usize| self.stretch(index).from + self.stretch(index).offset;
            let local = next(shown_from(index))?;
            // All stretches before this one show nothing but times in between, none of which is among them.
            let holds = self.stretches.partition_point(|s| s.shown_until <= local);
            index = index.max(holds);
            from = local.max(shown_from(index));
        }
    }
}

fn stretches(tz: Tz) -> Arc<[Stretch]> {
    let offset = |instant: i64| {
        let at = DateTime::from_timestamp(instant, 0).unwrap_or_default();
        i64::from(
            tz.offset_from_utc_datetime(&at.naive_utc())
                .fix()
                .local_minus_utc(),
        )
    };
    let mut found = Vec::new();
    // Two days earlier, so that what was shown before a change at the very beginning is known.
    let (mut from, mut looked) = (i64::MIN / 4, BEGIN - 2 * DAY);
    let mut current = offset(looked);
    while looked < KNOWN_UNTIL {
        let ahead = looked + LOOK_EVERY;
        let then = offset(ahead);
        if then != current {
            let (mut before, mut behind) = (looked, ahead);
            while behind - before > 1 {
                let middle = before + (behind - before) / 2;
                match offset(middle) == current {
                    true => before = middle,
                    false => behind = middle,
                }
            }
            found.push(Stretch {
                from,
                offset: current,
                shown_until: behind + current,
            });
            (from, current) = (behind, then);
        }
        looked = ahead;
    }
    found.push(Stretch {
        from,
        offset: current,
        shown_until: i64::MAX,
    });
    found.into()
}

/// Days since 1970-01-01.
pub(super) fn day_number(day: NaiveDate) -> i64 {
    use chrono::Datelike as _;
    i64::from(day.num_days_from_ce()) - EPOCH_DAY
}

/// The day of so many days since 1970-01-01; `None` outside of what a calendar holds.
pub(super) fn day_of(number: i64) -> Option<NaiveDate> {
    let from_ce = i32::try_from(number + EPOCH_DAY).ok()?;
    NaiveDate::from_num_days_from_ce_opt(from_ce)
}
