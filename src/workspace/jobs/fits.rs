//! Whether a job can be, as far as that shows without its source.

use std::sync::Arc;

use super::super::roster::check_name;
use super::super::specs;
use super::{JobView, Jobs};
use crate::connection::Catalog;
use crate::error::Problem;
use crate::host::Context;
use crate::schedule::Holidays;
use crate::spec::{JobSpec, SourceSpec};
use crate::{Error, Result};

impl Jobs<'_> {
    pub(super) async fn valid(self, context: &Context, spec: &JobSpec) -> Result<()> {
        let home = self.0.home().discover(context).await?;
        fits(spec, &home, self.0.0.config.holidays.as_ref())
    }

    pub(in crate::workspace) async fn keeps_what_is_fixed(
        self,
        context: &Context,
        before: &JobView,
        spec: &JobSpec,
    ) -> Result<()> {
        let (Some(connection), Some(template)) = (&before.connection, &before.spec.template) else {
            return Ok(());
        };
        let kind = self
            .0
            .roster(context)
            .await?
            .connection(connection)?
            .spec
            .kind
            .clone();
        let info = self.0.registry().connector(&kind)?.info();
        let Some(template) = info.templates.iter().find(|known| known.name == *template) else {
            return Ok(());
        };
        let mut problems = Vec::new();
        let (then, now) = (&before.spec.dataset, &spec.dataset);
        if template.fixed_source
            && (&then.source, &then.connection) != (&now.source, &now.connection)
        {
            let message = "the source of this job is given by its connector; make a job of your own for another one";
            problems.push(Problem::new("dataset.source", message));
        }
        let objects = |spec: &JobSpec| -> Vec<String> {
            let destinations = spec.destinations.iter();
            destinations
                .map(|destination| destination.object.clone())
                .collect()
        };
        if template.fixed_target && objects(&before.spec) != objects(spec) {
            let message = "what this job writes is given by its connector; make a job of your own for another object";
            problems.push(Problem::new("destinations", message));
        }
        match problems.is_empty() {
            true => Ok(()),
            false => {
                Err(Error::invalid("this cannot be edited", problems)
                    .with("job", &before.spec.name))
            }
        }
    }
}

/// Whether a job can be, as far as that shows without its source, where the host has these objects and this calendar.
pub(in crate::workspace) fn fits(
    spec: &JobSpec,
    home: &Catalog,
    holidays: Option<&Arc<dyn Holidays>>,
) -> Result<()> {
    let mut problems = specs::own_problems(spec);
    if let (false, Err(error)) = (spec.name.is_empty(), check_name(&spec.name)) {
        problems.extend(error.problems().iter().cloned());
    }
    if let SourceSpec::File(source) = &spec.dataset.source {
        problems.extend(source.problems("dataset.source.file"));
    }
    problems.extend(spec.settings.problems("settings"));
    problems.extend(specs::schedule_problems(&spec.settings, holidays));
    if spec.destinations.is_empty() {
        problems.push(Problem::new(
            "destinations",
            "a job writes to one object at least",
        ));
    }
    for (at, destination) in spec.destinations.iter().enumerate() {
        if home.object(&destination.object).is_none() {
            let message = format!("the host has no object `{}`", destination.object);
            problems.push(Problem::new(format!("destinations[{at}].object"), message));
        }
    }
    // A job may say what it knows of the host's objects. It makes none.
    for (at, object) in spec.objects.iter().enumerate() {
        let path = format!("objects[{at}]");
        let Some(known) = home.object(&object.name) else {
            let message = format!("the host has no object `{}`", object.name);
            problems.push(Problem::new(format!("{path}.name"), message));
            continue;
        };
        for (at, field) in object.fields.iter().enumerate() {
            let found = known.schema.field(&field.name);
            if found.is_none_or(|found| found.field_type != field.field_type) {
                let message = "the host's object has another field of this name, or none";
                problems.push(Problem::new(format!("{path}.fields[{at}]"), message));
            }
        }
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Error::invalid("the job cannot be so", problems).with("job", &spec.name)),
    }
}

/// The error for a spec of which this is wrong.
pub(in crate::workspace) fn unfit(spec: &JobSpec, problem: Problem) -> Error {
    Error::invalid("the job cannot be so", vec![problem]).with("job", &spec.name)
}
