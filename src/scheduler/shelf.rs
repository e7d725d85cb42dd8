//! Timetables in the state store, with what is filed beside them: the [index](super::index) of when to look at which, and
//! [who listens](super::listeners) for what.
//!
//! A timetable is the truth, and the rest are hints. Two keys do not change at once, so the order is: the new hints, the timetable, and away with the old
//! ones. Whoever dies in between leaves a hint too many, and never one too few.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::listeners;
use super::timetable::{Hint, Timetable};
use crate::host::{
    Bug, CancelToken, Context, Expected, Saved, StateKey, StateKind, StateStore, StateVersion,
    Swap, unique,
};
use crate::policy::{Patience, RetryPolicy, Timeouts};
use crate::schedule::{CompiledSchedule, Holidays};
use crate::spec::{RunSettings, ScheduleSpec};
use crate::{Error, ErrorKind, Result, Tenant};

/// The newest format of timetables.
const FORMAT: u8 = 1;
/// How often a change is made anew when others were faster.
pub(super) const TRIES: u32 = 100;
/// A timetable as it is saved.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    /// Drawn by chance, so that no two writers ever save the same bytes.
    entry: String,
    timetable: Timetable,
}

/// A timetable as it was found.
pub(super) struct Found {
    pub(super) timetable: Timetable,
    pub(super) version: StateVersion,
    pub(super) schedule: CompiledSchedule,
}

/// A timetable as it is to be saved, with its schedule.
pub(super) struct Changed {
    pub(super) timetable: Timetable,
    pub(super) schedule: CompiledSchedule,
}

/// What becomes of a timetable.
pub(super) enum Change {
    Stays,
    To(Box<Changed>),
    Goes,
}

/// The shelf of all timetables, with patience.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) context: Context,
    pub(super) store: Arc<dyn StateStore>,
    pub(super) own: Tenant,
    holidays: Option<Arc<dyn Holidays>>,
}

impl Shelf {
    pub(super) fn new(
        context: &Context,
        store: &Arc<dyn StateStore>,
        own: &Tenant,
        holidays: Option<Arc<dyn Holidays>>,
    ) -> Self {
        // What is saved is saved, though a scheduler is to stop.
        let context = context.clone().with_cancel(CancelToken::new());
        let patience = Patience::new(&context, RetryPolicy::default(), Timeouts::default());
        Shelf {
            store: patience.state(Arc::clone(store)),
            context,
            own: own.clone(),
            holidays,
        }
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.context.clock().now()
    }

    pub(super) fn compile(&self, spec: &ScheduleSpec) -> Result<CompiledSchedule> {
        match &self.holidays {
            Some(holidays) => CompiledSchedule::with_holidays(spec, Arc::clone(holidays)),
            None => CompiledSchedule::new(spec),
        }
    }

    pub(super) fn key(&self, tenant: &Tenant, job: &str) -> Result<StateKey> {
        StateKey::new(&self.own, StateKind::Timetable, [tenant.as_ref(), job])
    }

    /// The schedule of a timetable; one that never runs, if it cannot be compiled here, or the job is gone.
    pub(super) fn compile_any(&self, timetable: &Timetable) -> Result<CompiledSchedule> {
        let compiled = self.compile(&timetable.settings.schedule);
        compiled.or_else(|_| self.compile(&RunSettings::default().schedule))
    }

    async fn stored(&self, key: &StateKey) -> Result<Option<(Timetable, StateVersion)>> {
        let Some(stored) = self.store.get(key).await? else {
            return Ok(None);
        };
        let document: Document = Saved::open(key, FORMAT, &stored.bytes)?.payload()?;
        Ok(Some((document.timetable, stored.version)))
    }

    /// A timetable whose schedule nobody needs.
    pub(super) async fn read(&self, tenant: &Tenant, job: &str) -> Result<Option<Timetable>> {
        let stored = self.stored(&self.key(tenant, job)?).await?;
        Ok(stored.map(|(timetable, _)| timetable))
    }

    pub(super) async fn find(&self, tenant: &Tenant, job: &str) -> Result<Option<Found>> {
        let Some((timetable, version)) = self.stored(&self.key(tenant, job)?).await? else {
            return Ok(None);
        };
        Ok(Some(Found {
            schedule: self.compile(&timetable.settings.schedule)?,
            timetable,
            version,
        }))
    }

    /// Puts a timetable in place of what is expected, with its hints; `false` says that something else is there.
    pub(super) async fn put(
        &self,
        tenant: &Tenant,
        job: &str,
        timetable: &mut Timetable,
        schedule: &CompiledSchedule,
        expected: Expected,
    ) -> Result<bool> {
        timetable.change += 1;
        let wake = timetable.wake(schedule, job);
        let old = timetable.hint.clone();
        if old.as_ref().map(|hint| (hint.at, hint.rank)) != wake {
            timetable.hint = match wake {
                Some((at, rank)) => {
                    let (change, version) = (timetable.change, String::new());
                    let mut hint = Hint {
                        at,
                        rank,
                        change,
                        version,
                    };
                    if !Bug::HintAfterTimetable.is_on() {
                        hint.version = self.enter(tenant, job, &hint).await?;
                    }
                    Some(hint)
                }
                None => None,
            };
        }
        let listens = match timetable.gone {
            true => Vec::new(),
            false => listeners::topics(schedule.events()),
        };
        let listened = std::mem::replace(&mut timetable.listens, listens);
        let relisten = listened != timetable.listens;
        if relisten {
            self.listen(tenant, job, &timetable.listens).await?;
        }
        let key = self.key(tenant, job)?;
        let document = Document {
            entry: unique(self.context.entropy()),
            timetable: timetable.clone(),
        };
        let bytes = Saved::seal(&key, FORMAT, &document)?;
        let expected = match (Bug::BlindTimetable.is_on(), self.store.get(&key)) {
            (true, now) => now
                .await?
                .map_or(Expected::Absent, |now| Expected::Version(now.version)),
            _ => expected,
        };
        if let Swap::Conflict = self.store.put(&key, bytes, expected).await? {
            return Ok(false);
        }
        if let (true, Some(hint)) = (Bug::HintAfterTimetable.is_on(), timetable.hint.as_ref()) {
            self.enter(tenant, job, hint).await?;
        }
        if let Some(old) = old.filter(|old| Some(old) != timetable.hint.as_ref()) {
            self.strike(tenant, job, old).await?;
        }
        if relisten {
            // Once more: whoever changed it before may just have taken them away.
            self.listen(tenant, job, &timetable.listens).await?;
            let over = listened
                .iter()
                .filter(|topic| !timetable.listens.contains(topic));
            self.unlisten(tenant, job, over).await?;
        }
        Ok(true)
    }

    /// Puts a timetable that was found, and changed, in its place; `false` says that somebody was faster.
    pub(super) async fn swap(&self, tenant: &Tenant, job: &str, found: &mut Found) -> Result<bool> {
        let expected = Expected::Version(found.version.clone());
        self.put(tenant, job, &mut found.timetable, &found.schedule, expected)
            .await
    }

    /// Changes a timetable. The change sees the newest and is made anew when somebody else was faster; an error of it changes nothing.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) if there is none.
    pub(super) async fn change<R>(
        &self,
        tenant: &Tenant,
        job: &str,
        mut change: impl FnMut(&mut Timetable, &CompiledSchedule) -> Result<R>,
    ) -> Result<R> {
        self.alter(tenant, job, |stored| {
            let mut timetable = stored.ok_or_else(|| no_timetable(job))?;
            let schedule = self.compile(&timetable.settings.schedule)?;
            let before = timetable.clone();
            let changed = change(&mut timetable, &schedule)?;
            let to = match timetable == before {
                true => Change::Stays,
                false => Change::To(Box::new(Changed {
                    timetable,
                    schedule,
                })),
            };
            Ok((to, changed))
        })
        .await
    }

    /// Changes what is there, or is not; made anew when somebody else was faster.
    pub(super) async fn alter<R>(
        &self,
        tenant: &Tenant,
        job: &str,
        mut change: impl FnMut(Option<Timetable>) -> Result<(Change, R)>,
    ) -> Result<R> {
        let key = self.key(tenant, job)?;
        for attempt in 0..TRIES {
            let (timetable, version) = self.stored(&key).await?.unzip();
            let expected = version.clone().map_or(Expected::Absent, Expected::Version);
            let before = timetable.clone();
            let (to, answer) = change(timetable)?;
            let done = match (to, before.zip(version)) {
                (Change::To(changed), _) => {
                    let Changed {
                        mut timetable,
                        schedule,
                    } = *changed;
                    self.put(tenant, job, &mut timetable, &schedule, expected)
                        .await?
                }
                (Change::Goes, Some((timetable, version))) => {
                    self.remove(tenant, job, timetable, version).await?
                }
                (Change::Goes, None) | (Change::Stays, _) => true,
            };
            if done {
                return Ok(answer);
            }
            self.give_way(attempt).await;
        }
        Err(too_busy(job))
    }

    /// The more often others were faster, the longer they are let go first.
    pub(super) async fn give_way(&self, attempt: u32) {
        let wait = std::time::Duration::from_millis(u64::from(attempt.min(20)));
        self.context.clock().sleep(wait).await;
    }

    /// Removes a timetable, as it was found.
    pub(super) async fn remove(
        &self,
        tenant: &Tenant,
        job: &str,
        timetable: Timetable,
        version: StateVersion,
    ) -> Result<bool> {
        let removed = self.store.delete(&self.key(tenant, job)?, version).await?;
        if removed {
            if let Some(hint) = timetable.hint {
                self.strike(tenant, job, hint).await?;
            }
            self.unlisten(tenant, job, timetable.listens.iter()).await?;
        }
        Ok(removed)
    }

    /// Removes what stands in place of a timetable and cannot be read. Its hints lead nowhere then, and are taken away when somebody follows them.
    pub(super) async fn discard(&self, tenant: &Tenant, job: &str) -> Result<()> {
        self.drop_entry(&self.key(tenant, job)?).await
    }

    /// The jobs that have timetables, in order, from behind one on.
    pub(super) async fn jobs(
        &self,
        behind: Option<&StateKey>,
        limit: usize,
    ) -> Result<Vec<(StateKey, Tenant, String)>> {
        let keys = self
            .store
            .list(&self.own, StateKind::Timetable, behind, limit)
            .await?;
        let named = keys.into_iter().filter_map(|key| {
            let [tenant, job] = key.parts() else {
                return None;
            };
            let (tenant, job) = (Tenant::new(tenant.as_str()).ok()?, job.clone());
            Some((key, tenant, job))
        });
        Ok(named.collect())
    }
}

pub(super) fn no_timetable(job: &str) -> Error {
    let message = "this job has no timetable; put one first";
    Error::new(ErrorKind::NotFound, message).with("job", job)
}

pub(super) fn too_busy(job: &str) -> Error {
    let message = "others change this timetable all the time; try again when they are done";
    Error::new(ErrorKind::Conflict, message).with("job", job)
}
