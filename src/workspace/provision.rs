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
use crate::spec::JobSpec;

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
    /// Gives a connection the jobs that fit its catalog. Doing so again changes nothing.
    pub(super) async fn provision(
        self,
        context: &Context,
        view: &ConnectionView,
        catalog: &Catalog,
    ) -> Result<Provisioned> {
        let info = self.info(&view.spec.kind)?;
        let mut done = Provisioned::default();
        for template in &info.templates {
            match fit(template, catalog) {
                Ok(spec) => self.make(context, view, template, spec, &mut done).await?,
                Err(not_made) => {
                    let retired = self.0.change(context, |roster| {
                        Ok(set_retired(roster, &view.id, &template.name, true))
                    });
                    match retired.await? {
                        Found::Changed(job) => done.retired.push(job),
                        Found::Same => {}
                        Found::Nothing => done.not_made.push(not_made),
                    }
                }
            }
        }
        Ok(done)
    }

    async fn make(
        self,
        context: &Context,
        view: &ConnectionView,
        template: &JobTemplate,
        spec: JobSpec,
        done: &mut Provisioned,
    ) -> Result<()> {
        let revive = |roster: &mut Roster| {
            let declined = roster
                .connection(&view.id)?
                .declined
                .contains(&template.name);
            Ok((
                set_retired(roster, &view.id, &template.name, false),
                declined,
            ))
        };
        match self.0.change(context, revive).await? {
            (Found::Changed(job), _) => {
                done.revived.push(job);
                return Ok(());
            }
            (Found::Same, _) | (Found::Nothing, true) => return Ok(()),
            (Found::Nothing, false) => {}
        }
        let id = unique(context.entropy());
        let edition = self.0.jobs().save_edition(context, &id, &spec).await?;
        let now = context.clock().now();
        let created = self
            .0
            .change(context, |roster| {
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

/// What became of a job that was looked for.
enum Found {
    Nothing,
    Same,
    Changed(JobRef),
}

fn set_retired(roster: &mut Roster, connection: &str, template: &str, retired: bool) -> Found {
    match of_template(roster, connection, template) {
        None => Found::Nothing,
        Some(job) if job.retired == retired => Found::Same,
        Some(job) => {
            job.retired = retired;
            Found::Changed(JobRef::of_entry(job))
        }
    }
}

fn of_template<'a>(
    roster: &'a mut Roster,
    connection: &str,
    template: &str,
) -> Option<&'a mut JobEntry> {
    (roster.jobs.iter_mut()).find(|job| {
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
