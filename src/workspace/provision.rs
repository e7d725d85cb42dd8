//! The jobs that a connector gives its connections: out of the box.

use serde::Serialize;

use super::Connections;
use super::connections::ConnectionView;
use super::jobs::{JobView, entry};
use super::roster::{JobEntry, Roster};
use crate::Result;
use crate::connection::Catalog;
use crate::connector::{Adapted, JobTemplate};
use crate::host::{Context, unique};
use crate::spec::{JobSpec, SourceSpec};

/// Which job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct JobRef {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

impl JobRef {
    pub(super) fn of(view: &JobView) -> Self {
        JobRef {
            id: view.id.clone(),
            name: view.spec.name.clone(),
        }
    }

    fn of_entry(entry: &JobEntry) -> Self {
        JobRef {
            id: entry.id.clone(),
            name: entry.name.clone(),
        }
    }
}

/// What became of the jobs that a connector gives.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Provisioned {
    /// Jobs that are new.
    pub created: Vec<JobRef>,
    /// Jobs whose source is gone: they stay, and do not run.
    pub retired: Vec<JobRef>,
    /// Jobs whose source is there again.
    pub revived: Vec<JobRef>,
    /// Templates that made no job.
    pub not_made: Vec<NotMade>,
}

/// A template that made no job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NotMade {
    /// The template.
    pub template: String,
    /// The object that it reads.
    pub object: String,
    /// The fields that the account does not show; empty if it does not show the object.
    pub missing: Vec<String>,
}

impl Connections<'_> {
    /// Gives a connection the jobs that fit its catalog, and puts those to rest whose object is gone. Doing so again changes nothing.
    pub(super) async fn provision(
        self,
        context: &Context,
        view: &ConnectionView,
        catalog: &Catalog,
    ) -> Result<Provisioned> {
        let info = self.info(&view.spec.kind)?;
        let mut done = Provisioned::default();
        self.follow(context, view, catalog, &mut done).await?;
        let roster = self.0.roster(context).await?;
        let declined = &roster.connection(&view.id)?.declined;
        for template in &info.templates {
            let is_there = of_template(&roster, &view.id, &template.name).is_some();
            if is_there || declined.contains(&template.name) {
                continue;
            }
            match fit(template, catalog) {
                Ok(spec) => self.make(context, view, template, spec, &mut done).await?,
                Err(not_made) => done.not_made.push(not_made),
            }
        }
        Ok(done)
    }

    /// Puts jobs to rest whose object is gone, and has those run again whose object is back.
    async fn follow(
        self,
        context: &Context,
        view: &ConnectionView,
        catalog: &Catalog,
        done: &mut Provisioned,
    ) -> Result<()> {
        let of_it = |entry: &JobEntry| entry.connection.as_deref() == Some(view.id.as_str());
        for job in self.0.jobs().views(context, of_it).await? {
            let gone = match &job.spec.dataset.source {
                SourceSpec::Object(object) => catalog.object(object).is_none(),
                SourceSpec::File(_) => false,
            };
            if gone == job.retired {
                continue;
            }
            let change = |roster: &mut Roster| {
                // Whoever edited or deleted it meanwhile knows better.
                let entry = roster.jobs.iter_mut().find(|entry| entry.id == job.id);
                if let Some(entry) = entry.filter(|entry| entry.edition == job.edition) {
                    entry.retired = gone;
                }
                Ok(())
            };
            self.0.change(context, change).await?;
            let told = if gone {
                &mut done.retired
            } else {
                &mut done.revived
            };
            told.push(JobRef::of(&job));
        }
        Ok(())
    }

    async fn make(
        self,
        context: &Context,
        view: &ConnectionView,
        template: &JobTemplate,
        spec: JobSpec,
        done: &mut Provisioned,
    ) -> Result<()> {
        let id = unique(context.entropy());
        let edition = self.0.jobs().save_edition(context, &id, &spec).await?;
        let now = context.clock().now();
        let created = self
            .0
            .change(context, |roster| {
                // What was done by a try whose answer was lost is done, whatever has changed since.
                if let Ok(made) = roster.job(&id) {
                    return Ok(Some(JobRef::of_entry(made)));
                }
                // Somebody else may have refreshed it at the same time.
                if of_template(roster, &view.id, &template.name).is_some() {
                    return Ok(None);
                }
                roster.connection(&view.id)?;
                let name = free_name(
                    roster,
                    &format!("{} Sync_{}", template.title, view.spec.name),
                );
                let mut job = entry(id.clone(), name, edition.clone(), now);
                job.connection = Some(view.id.clone());
                job.template = Some(template.name.clone());
                // One that made no job is done without.
                let first = template.spec.first.as_ref();
                let first = first.and_then(|name| of_template(roster, &view.id, name));
                job.first = first.map(|first| first.id.clone());
                let made = JobRef::of_entry(&job);
                roster.jobs.push(job);
                Ok(Some(made))
            })
            .await?;
        match created {
            Some(job) => done.created.push(job),
            None => self.0.jobs().clear(context, &id).await?,
        }
        Ok(())
    }
}

/// The job of a template for what an account shows.
fn fit(template: &JobTemplate, catalog: &Catalog) -> Result<JobSpec, NotMade> {
    let Some(source) = template.source() else {
        return Ok(template.spec.clone());
    };
    let missing = |missing| NotMade {
        template: template.name.clone(),
        object: source.to_owned(),
        missing,
    };
    let object = catalog.object(source).ok_or_else(|| missing(Vec::new()))?;
    match template.adapt(&object.schema) {
        Adapted::Job(spec) => Ok(*spec),
        Adapted::Missing(fields) => Err(missing(fields)),
    }
}

fn of_template<'a>(roster: &'a Roster, connection: &str, template: &str) -> Option<&'a JobEntry> {
    (roster.jobs.iter()).find(|job| {
        job.connection.as_deref() == Some(connection) && job.template.as_deref() == Some(template)
    })
}

/// The name, or the name with a number if another job has it.
fn free_name(roster: &Roster, name: &str) -> String {
    let numbered = (2..).map(|number| format!("{name} ({number})"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    let free = names.find(|name| roster.job_named(name).is_none());
    free.unwrap_or_default()
}
