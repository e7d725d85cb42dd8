//! The specs of jobs as they are saved: each edit makes another edition, and the roster says which one counts.

use super::super::roster::{JobEntry, Roster};
use super::{JobView, Jobs, view};
use crate::host::{Context, StateKey, StateKind, unique};
use crate::spec::JobSpec;
use crate::{Error, ErrorKind, Result};

impl Jobs<'_> {
    /// Jobs as they are at one moment.
    pub(in crate::workspace) async fn views(
        self,
        context: &Context,
        wanted: impl Fn(&JobEntry) -> bool,
    ) -> Result<Vec<JobView>> {
        Ok(self.snapshot(context, wanted).await?.1)
    }

    /// Jobs as they are at one moment, and the roster of that moment.
    pub(in crate::workspace) async fn snapshot(
        self,
        context: &Context,
        wanted: impl Fn(&JobEntry) -> bool,
    ) -> Result<(Roster, Vec<JobView>)> {
        let documents = self.0.documents(context);
        'anew: loop {
            let roster = self.0.roster(context).await?;
            let mut views = Vec::new();
            for entry in roster.jobs.iter().filter(|entry| wanted(entry)) {
                let key = self.edition_key(&entry.id, &entry.edition)?;
                let saved: Option<JobSpec> = documents.load(&key).await?;
                match saved {
                    Some(spec) => views.push(view(&roster, entry, spec)?),
                    // It was changed or deleted meanwhile.
                    None if self.is_newer(context, entry).await? => continue 'anew,
                    None => {
                        let message = "the spec of a job is gone; put back a copy of the state store, or delete the job";
                        return Err(Error::new(ErrorKind::CorruptState, message)
                            .with("job", &entry.name)
                            .with("id", &entry.id));
                    }
                }
            }
            return Ok((roster, views));
        }
    }

    /// Whether the roster no longer names this edition.
    async fn is_newer(self, context: &Context, entry: &JobEntry) -> Result<bool> {
        let roster = self.0.roster(context).await?;
        let now = roster.jobs.iter().find(|job| job.id == entry.id);
        Ok(now.is_none_or(|now| now.edition != entry.edition))
    }

    /// Saves one edition of a job's spec. It counts when the roster names it.
    pub(in crate::workspace) async fn save_edition(
        self,
        context: &Context,
        id: &str,
        spec: &JobSpec,
    ) -> Result<String> {
        let edition = unique(context.entropy());
        let mut saved = spec.clone();
        // What the roster knows better.
        (saved.id, saved.template, saved.first) = (None, None, None);
        saved.dataset.connection = None;
        let key = self.edition_key(id, &edition)?;
        self.0.documents(context).create(&key, &saved).await?;
        Ok(edition)
    }

    /// Deletes an edition, unless the roster names it: a change that seemed to be refused may have been done by a try whose answer was lost.
    pub(in crate::workspace) async fn forget_edition(
        self,
        context: &Context,
        id: &str,
        edition: &str,
    ) -> Result<()> {
        let roster = self.0.roster(context).await?;
        if roster.job(id).is_ok_and(|job| job.edition == edition) {
            return Ok(());
        }
        let key = self.edition_key(id, edition)?;
        self.0.documents(context).remove(&key).await
    }

    pub(in crate::workspace) fn edition_key(self, id: &str, edition: &str) -> Result<StateKey> {
        self.0.key(StateKind::Job, [id, edition])
    }

    /// Deletes all that is kept of a job, unless the roster names it.
    pub(in crate::workspace) async fn clear(self, context: &Context, id: &str) -> Result<()> {
        if self.0.roster(context).await?.job(id).is_ok() {
            return Ok(());
        }
        let documents = self.0.documents(context);
        documents.remove(&self.first_key(id)?).await?;
        for kind in [StateKind::Checkpoint, StateKind::Job] {
            let first = self.0.key(kind, [id])?;
            let mut last: Option<StateKey> = Some(first.clone());
            loop {
                let page = documents
                    .store()
                    .list(self.0.tenant(), kind, last.as_ref(), 100);
                let page = page.await?;
                let Some(end) = page.last() else { break };
                let past = !end.path().starts_with(first.path());
                for key in &page {
                    if key.parts().first().is_some_and(|part| part == id) {
                        documents.remove(key).await?;
                    }
                }
                if past {
                    break;
                }
                last = page.into_iter().next_back();
            }
        }
        Ok(())
    }
}
