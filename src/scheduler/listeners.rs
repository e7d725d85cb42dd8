//! Which jobs listen for what, and telling them that it has happened.

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::shelf::Shelf;
use super::timetable::MOST_WAITING;
use crate::host::{Expected, StateKey, StateKind, hex};
use crate::job::Trigger;
use crate::schedule::{Happened, Schedule as _};
use crate::spec::Event;
use crate::{Error, ErrorKind, Result, Tenant};

/// What entries of the index begin with that name who listens: behind all times, in the order of keys.
pub(super) const LISTENS: &str = "listens";
/// How many are listed at once.
const PAGE: usize = 100;

/// What came of an event that jobs were told of.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct EventReport {
    /// The jobs that run for it.
    pub started: Vec<String>,
    /// Jobs that listen and do not run for it: they cannot be read, have 100 runs waiting, or led to it themselves. Only those that have too many runs gain by being told
    /// again.
    pub problems: Vec<Error>,
}

/// What is filed for these events, so that they are found by what happens.
pub(super) fn topics(events: &[Event]) -> Vec<String> {
    let topics = events.iter().map(|event| match event {
        Event::JobEnded { job, .. } => format!("job {job}"),
        Event::ApiCall { topic } => format!("call {topic}"),
        // Nothing is found by what its name begins with.
        Event::FileArrived { .. } => "file".to_owned(),
    });
    let mut topics: Vec<String> = topics.collect();
    topics.sort();
    topics.dedup();
    topics
}

fn topic(happened: &Happened) -> String {
    match happened {
        Happened::JobEnded { job, .. } => format!("job {job}"),
        Happened::Call(topic) => format!("call {topic}"),
        Happened::File(_) => "file".to_owned(),
    }
}

/// A short name for what may be long.
pub(super) fn digest(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()), 8)
}

impl Shelf {
    fn listens_key(&self, tenant: &Tenant, topic: &str, job: &str) -> Result<StateKey> {
        let parts = [LISTENS, tenant.as_ref(), topic, job];
        StateKey::new(&self.own, StateKind::Due, parts)
    }

    /// Notes that a job listens for these.
    pub(super) async fn listen(&self, tenant: &Tenant, job: &str, topics: &[String]) -> Result<()> {
        for topic in topics {
            let key = self.listens_key(tenant, topic, job)?;
            let listens = Bytes::from_static(b"listens");
            // If it is there already, so much the better.
            let _ = self.store.put(&key, listens, Expected::Absent).await?;
        }
        Ok(())
    }

    /// Notes that it listens for these no more.
    pub(super) async fn unlisten(
        &self,
        tenant: &Tenant,
        job: &str,
        topics: impl Iterator<Item = &String>,
    ) -> Result<()> {
        for topic in topics {
            self.drop_entry(&self.listens_key(tenant, topic, job)?)
                .await?;
        }
        Ok(())
    }

    /// The jobs that may listen for something. Some may have stopped to: a timetable knows.
    async fn listeners(&self, tenant: &Tenant, topic: &str) -> Result<Vec<String>> {
        let first = self.listens_key(tenant, topic, "")?;
        // An empty name is spelled `%`, which comes first.
        let prefix = first.path().trim_end_matches('%').to_owned();
        let (mut behind, mut jobs) = (first, Vec::new());
        loop {
            let page = self
                .store
                .list(&self.own, StateKind::Due, Some(&behind), PAGE);
            let page = page.await?;
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

    /// Tells jobs of a tenant that something has happened, behind the ends of these jobs. What is wrong with one of them keeps none of the others from hearing
    /// of it.
    ///
    /// # Errors
    /// Those of the store. What is told again starts nothing twice.
    pub(super) async fn tell(
        &self,
        tenant: &Tenant,
        event: &Happened,
        id: &str,
        behind: &[String],
    ) -> Result<EventReport> {
        let mut report = EventReport::default();
        let digest = digest(id);
        for job in self.listeners(tenant, &topic(event)).await? {
            let heard = self.change(tenant, &job, |timetable, schedule| {
                let now = self.now();
                let starts = timetable.enabled && schedule.starts_on(event, now);
                if !starts || timetable.has_heard(&digest) {
                    return Ok(false);
                }
                if behind.contains(&job) {
                    return Err(circle());
                }
                let trigger = Trigger::Event(id.to_owned());
                if !timetable.ask(format!("event {digest}"), now, trigger, behind) {
                    return Err(too_many());
                }
                timetable.hear(digest.clone());
                Ok(true)
            });
            match heard.await {
                Ok(true) => report.started.push(job),
                Ok(false) => {}
                // It was removed meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) if is_of_job(error.kind()) => {
                    let error = error.with("tenant", tenant).with("job", job);
                    report.problems.push(error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(report)
    }
}

/// Whether something is wrong with one timetable, and not with the store.
fn is_of_job(kind: ErrorKind) -> bool {
    is_unreadable(kind) || matches!(kind, ErrorKind::Invalid | ErrorKind::LimitExceeded)
}

/// Whether what is saved cannot be read here.
pub(super) fn is_unreadable(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::CorruptState | ErrorKind::NewerState)
}

fn circle() -> Error {
    let message =
        "this job led to the event itself; jobs that start each other in a circle would never end";
    Error::new(ErrorKind::Invalid, message)
}

pub(super) fn too_many() -> Error {
    let message = "too many runs of this job wait already; let some of them end first";
    Error::new(ErrorKind::LimitExceeded, message).with("at most", MOST_WAITING)
}
