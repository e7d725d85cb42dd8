//! Timetables in the state store, and the index of when to look at which.
//!
//! A timetable is the truth; an entry of the index is a hint that it is to be looked at. Two keys do not change at once, so the order is: the new hint, the
//! timetable, and away with the old hint. Whoever dies in between leaves a hint too many, and never one too few. A hint is named by the change of the
//! timetable that wrote it, so nobody takes one away that a later change relies on.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::timetable::{Hint, RUNNING, Timetable};
use crate::host::{
    Bug, CancelToken, Context, Expected, Saved, StateKey, StateKind, StateStore, StateVersion,
    Swap, unique,
};
use crate::job::Trigger;
use crate::policy::{Patience, RetryPolicy, Timeouts};
use crate::schedule::{CompiledSchedule, Happened, Holidays, Schedule as _};
use crate::spec::{Event, ScheduleSpec};
use crate::{Error, ErrorKind, Result, Tenant};

/// The newest format of timetables.
const FORMAT: u8 = 1;
/// How often a change is made anew when others were faster.
pub(super) const TRIES: u32 = 100;
/// What entries of the index begin with that name who listens for the end of a job: behind all times, in the order of keys.
const LISTENS: &str = "listens";

/// A timetable as it is saved.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    /// Drawn by chance, so that no two writers ever save the same bytes.
    entry: String,
    timetable: Timetable,
}

/// An entry of the index, as its key spells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) at: i64,
    pub(super) tenant: Tenant,
    pub(super) job: String,
    pub(super) change: u64,
}

/// A timetable as it was found.
pub(super) struct Found {
    pub(super) timetable: Timetable,
    pub(super) version: StateVersion,
    pub(super) schedule: CompiledSchedule,
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

    pub(super) async fn find(&self, tenant: &Tenant, job: &str) -> Result<Option<Found>> {
        let key = self.key(tenant, job)?;
        let Some(stored) = self.store.get(&key).await? else {
            return Ok(None);
        };
        let document: Document = Saved::open(&key, FORMAT, &stored.bytes)?.payload()?;
        let timetable = document.timetable;
        Ok(Some(Found {
            schedule: self.compile(&timetable.settings.schedule)?,
            timetable,
            version: stored.version,
        }))
    }

    /// Puts a timetable in place of what is expected, with its hint; `false` says that something else is there.
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
        if old.as_ref().map(|hint| hint.at) != wake {
            timetable.hint = match wake {
                Some(at) if !Bug::HintAfterTimetable.is_on() => {
                    Some(self.hint(at, tenant, job, timetable.change).await?)
                }
                Some(at) => Some(Hint {
                    at,
                    change: timetable.change,
                    version: String::new(),
                }),
                None => None,
            };
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
            self.hint(hint.at, tenant, job, hint.change).await?;
        }
        if let Some(old) = old.filter(|old| Some(old) != timetable.hint.as_ref()) {
            let key = self.entry_key(old.at, tenant, job, old.change)?;
            self.store
                .delete(&key, StateVersion::new(old.version))
                .await?;
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
        for attempt in 0..TRIES {
            let Some(mut found) = self.find(tenant, job).await? else {
                return Err(no_timetable(job));
            };
            let before = found.timetable.clone();
            let changed = change(&mut found.timetable, &found.schedule)?;
            if found.timetable == before || self.swap(tenant, job, &mut found).await? {
                return Ok(changed);
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
    pub(super) async fn remove(&self, tenant: &Tenant, job: &str, found: Found) -> Result<bool> {
        let key = self.key(tenant, job)?;
        let removed = self.store.delete(&key, found.version).await?;
        if let (true, Some(hint)) = (removed, found.timetable.hint) {
            let key = self.entry_key(hint.at, tenant, job, hint.change)?;
            self.store
                .delete(&key, StateVersion::new(hint.version))
                .await?;
        }
        Ok(removed)
    }

    fn entry_key(&self, at: i64, tenant: &Tenant, job: &str, change: u64) -> Result<StateKey> {
        let parts = [
            &format!("{at:012}"),
            tenant.as_ref(),
            job,
            &change.to_string(),
        ];
        StateKey::new(&self.own, StateKind::Due, parts)
    }

    async fn hint(&self, at: i64, tenant: &Tenant, job: &str, change: u64) -> Result<Hint> {
        let key = self.entry_key(at, tenant, job, change)?;
        let found = match self
            .store
            .put(&key, Bytes::from_static(b"look"), Expected::Absent)
            .await?
        {
            Swap::Done(version) => Some(version),
            // Somebody else was about to make the same change.
            Swap::Conflict => self.store.get(&key).await?.map(|stored| stored.version),
        };
        let version = found.map_or_else(String::new, |version| version.as_str().to_owned());
        Ok(Hint {
            at,
            change,
            version,
        })
    }

    /// Entries of runs that go on, from behind one on.
    pub(super) async fn running(
        &self,
        behind: Option<&StateKey>,
        limit: usize,
    ) -> Result<Vec<(StateKey, Entry)>> {
        let first = StateKey::new(&self.own, StateKind::Due, [RUNNING.to_string()])?;
        let behind = behind.unwrap_or(&first);
        let keys = self
            .store
            .list(&self.own, StateKind::Due, Some(behind), limit)
            .await?;
        let entries = keys.into_iter().map_while(|key| Some((read(&key)?, key)));
        let running = entries.take_while(|(entry, _)| entry.at == RUNNING);
        Ok(running.map(|(entry, key)| (key, entry)).collect())
    }

    /// Entries of the index in order, from behind one on, up to a time.
    pub(super) async fn entries(
        &self,
        behind: Option<&StateKey>,
        now: DateTime<Utc>,
        limit: usize,
    ) -> Result<Vec<(StateKey, Option<Entry>)>> {
        let keys = self
            .store
            .list(&self.own, StateKind::Due, behind, limit)
            .await?;
        let entries = keys.into_iter().map(|key| {
            let entry = read(&key);
            (key, entry)
        });
        // Those who listen for jobs stand behind all times.
        let is_due = |(key, entry): &(StateKey, Option<Entry>)| match entry {
            Some(entry) => entry.at <= now.timestamp(),
            None => key.parts().first().is_none_or(|first| first != LISTENS),
        };
        Ok(entries.take_while(is_due).collect())
    }

    /// Notes whose end a job listens for.
    pub(super) async fn listens(
        &self,
        tenant: &Tenant,
        job: &str,
        schedule: &CompiledSchedule,
    ) -> Result<()> {
        for event in schedule.events() {
            let Event::JobEnded { job: listened, .. } = event else {
                continue;
            };
            let parts = [LISTENS, tenant.as_ref(), listened, job];
            let key = StateKey::new(&self.own, StateKind::Due, parts)?;
            let _ = self
                .store
                .put(&key, Bytes::from_static(b"listens"), Expected::Absent)
                .await?;
        }
        Ok(())
    }

    /// The jobs that may listen for the end of one of this name. Some may have stopped to: a timetable knows.
    pub(super) async fn listeners(&self, tenant: &Tenant, name: &str) -> Result<Vec<String>> {
        const PAGE: usize = 100;
        let first = StateKey::new(
            &self.own,
            StateKind::Due,
            [LISTENS, tenant.as_ref(), name, ""],
        )?;
        let prefix = first.path().trim_end_matches('%').to_owned();
        let (mut behind, mut jobs) = (first, Vec::new());
        loop {
            let page = self
                .store
                .list(&self.own, StateKind::Due, Some(&behind), PAGE)
                .await?;
            let full = page.len() == PAGE;
            let before = jobs.len();
            for key in page
                .into_iter()
                .take_while(|key| key.path().starts_with(&prefix))
            {
                jobs.extend(key.parts().last().cloned());
                behind = key;
            }
            if !full || jobs.len() == before {
                return Ok(jobs);
            }
        }
    }

    /// Tells jobs of a tenant that something has happened; answers those that run for it.
    pub(super) async fn tell(
        &self,
        tenant: &Tenant,
        jobs: Vec<String>,
        event: &Happened,
        id: &str,
    ) -> Result<Vec<String>> {
        let mut started = Vec::new();
        for job in jobs {
            let heard = self.change(tenant, &job, |timetable, schedule| {
                let now = self.now();
                if !timetable.enabled || !schedule.starts_on(event, now) || !timetable.hear(id) {
                    return Ok(false);
                }
                timetable.decide(now, schedule, &job);
                Ok(timetable.ask(format!("event {id}"), now, Trigger::Event(id.to_owned())))
            });
            match heard.await {
                Ok(true) => started.push(job),
                Ok(false) => {}
                // It was removed meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(started)
    }

    /// Takes an entry out of the index on which no timetable can rely.
    pub(super) async fn drop_entry(&self, key: &StateKey) -> Result<()> {
        if let Some(stored) = self.store.get(key).await? {
            self.store.delete(key, stored.version).await?;
        }
        Ok(())
    }

    /// Puts back the entry of a timetable that is not there; whether it was gone.
    pub(super) async fn mend(
        &self,
        tenant: &Tenant,
        job: &str,
        timetable: &Timetable,
    ) -> Result<bool> {
        let Some(hint) = &timetable.hint else {
            return Ok(false);
        };
        let key = self.entry_key(hint.at, tenant, job, hint.change)?;
        if self.store.get(&key).await?.is_some() {
            return Ok(false);
        }
        let _ = self
            .store
            .put(&key, Bytes::from_static(b"look"), Expected::Absent)
            .await?;
        Ok(true)
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

/// The entry that a key of the index spells.
fn read(key: &StateKey) -> Option<Entry> {
    let [at, tenant, job, change] = key.parts() else {
        return None;
    };
    Some(Entry {
        at: at.parse().ok()?,
        tenant: Tenant::new(tenant.as_str()).ok()?,
        job: job.clone(),
        change: change.parse().ok()?,
    })
}

pub(super) fn no_timetable(job: &str) -> Error {
    let message = "this job has no timetable; put one first";
    Error::new(ErrorKind::NotFound, message).with("job", job)
}

pub(super) fn too_busy(job: &str) -> Error {
    let message = "others change this timetable all the time; try again when they are done";
    Error::new(ErrorKind::Conflict, message).with("job", job)
}
