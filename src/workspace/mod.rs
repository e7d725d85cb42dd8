//! One tenant: its home objects, and jobs made from their specs.

mod home;
mod preload;

use std::sync::Arc;

use crate::dataset::Dataset;
use crate::error::Problem;
use crate::file::DelimitedDataset;
use crate::host::{Context, FileStore};
use crate::job::SyncJob;
use crate::memory::MemoryObject;
use crate::spec::{JobSpec, ObjectSpec, SourceSpec, unknown_version};
use crate::{Error, Result};

pub use home::Home;

/// One tenant: its home objects, the files that its jobs read, and the files that they write.
///
/// ```
/// # futures::executor::block_on(async {
/// use std::sync::Arc;
/// use syncline::host::Context;
/// use syncline::job::{Job, RunRequest};
/// use syncline::memory::{MemoryFiles, MemoryRejects};
/// use syncline::spec::JobSpec;
/// use syncline::workspace::Workspace;
///
/// let files = Arc::new(MemoryFiles::new());
/// files.insert("people.csv", "name,born\nAda,1815-12-10\n");
/// let spec = JobSpec::from_json(r#"{
///   "version": 1,
///   "name": "people",
///   "dataset": {"version": 1, "source": {"file": {"name": "people.csv", "columns": [
///     {"name": "name", "type": "text"}, {"name": "born", "type": "date"}]}}},
///   "objects": [{"name": "person", "identity": "generated", "fields": [
///     {"name": "name", "type": "text", "required": true}, {"name": "born", "type": "date"}]}],
///   "destinations": [{"object": "person", "mode": {"upsert": {"identifiers": [["name"]]}}, "mapping": {"fields": [
///     {"field": "name", "from": "name"}, {"field": "born", "from": "born"}]}}]
/// }"#)?;
///
/// let context = Context::new();
/// let workspace = Workspace::new(files.clone(), files);
/// let job = workspace.job(&context, &spec).await?;
/// let report = job.run(&context, RunRequest::new(Arc::new(MemoryRejects::new()))).await?;
/// assert_eq!(report.destinations[0].inserted, 1);
/// assert_eq!(workspace.home().object("person").unwrap().len(), 1);
/// # Ok::<(), syncline::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Workspace {
    sources: Arc<dyn FileStore>,
    home: Arc<Home>,
}

impl Workspace {
    /// A workspace without objects that reads its files from `sources`; objects that are
    /// [stored in a file](crate::spec::Store::File) are written to `outputs`.
    pub fn new(sources: Arc<dyn FileStore>, outputs: Arc<dyn FileStore>) -> Self {
        Workspace {
            sources,
            home: Arc::new(Home::new(outputs)),
        }
    }

    /// The home objects.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Makes a job from its spec. Objects that the workspace does not have yet are made, with their
    /// preloaded records; of one that it has, a job may name just the fields that it needs, and the
    /// object keeps its records.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) with every mistake in the spec and its path; errors of
    /// the files that it names. Then no object was made.
    pub async fn job(&self, context: &Context, spec: &JobSpec) -> Result<SyncJob> {
        let mut problems = own_problems(spec);
        // What the job will see: the objects that are there, and drafts of those to be made.
        let draft = Arc::new(self.home.fork());
        let new = declare(&draft, spec, &mut problems);
        let SourceSpec::File(source) = &spec.dataset.source;
        let mut dataset: Option<Arc<dyn Dataset>> = None;
        let unreadable = source.problems("dataset.source.file");
        if unreadable.is_empty() {
            match DelimitedDataset::open(context, Arc::clone(&self.sources), source).await {
                Ok(opened) => dataset = Some(Arc::new(opened)),
                Err(error) if problems.is_empty() => {
                    return Err(error.with("path", "dataset.source.file"));
                }
                // The spec's own mistakes come first.
                Err(_) => {}
            }
        }
        problems.extend(unreadable);
        if let Some(dataset) = &dataset {
            match self.sync_job(spec, dataset, &draft).plan(context).await {
                Ok(_) => {}
                Err(error) if error.problems().is_empty() => return Err(error),
                Err(error) => {
                    // That an object which is wrong cannot be used is no second mistake.
                    let missing: Vec<String> = (spec.objects.iter())
                        .filter(|object| !draft.has(&object.name))
                        .flat_map(|object| {
                            [
                                format!("`{}`", object.name),
                                format!("object: {})", object.name),
                            ]
                        })
                        .collect();
                    let second = |problem: &&Problem| {
                        missing.iter().any(|name| problem.message.contains(name))
                    };
                    problems.extend(
                        error
                            .problems()
                            .iter()
                            .filter(|problem| !second(problem))
                            .cloned(),
                    );
                }
            }
        }
        let (Some(dataset), true) = (dataset, problems.is_empty()) else {
            return Err(
                Error::invalid("the job cannot run as it is", problems).with("job", &spec.name)
            );
        };
        for New {
            path,
            object,
            table,
        } in &new
        {
            if let (Some(preload), Some(table)) = (&object.preload, table) {
                let filled = preload::fill(context, &self.sources, preload, table).await;
                filled.map_err(|error| error.with("path", format!("{path}.preload")))?;
            }
        }
        for New { object, table, .. } in new {
            self.home.add(object.clone(), table);
        }
        Ok(self.sync_job(spec, &dataset, &self.home))
    }

    fn sync_job(&self, spec: &JobSpec, dataset: &Arc<dyn Dataset>, home: &Arc<Home>) -> SyncJob {
        let mut job = SyncJob::new(&spec.name, Arc::clone(dataset));
        if let Some(filter) = &spec.dataset.filter {
            job = job.filtered(filter.clone());
        }
        job = job
            .reading(spec.dataset.sync.clone())
            .rejecting_at_most(spec.reject_limit);
        if let Some(built_on) = &spec.dataset.built_on {
            job = job.built_on(built_on.clone());
        }
        for formula in &spec.dataset.formulas {
            job = job.with_formula(formula.clone());
        }
        for destination in &spec.destinations {
            job = job.to(Arc::clone(home) as _, destination.clone());
        }
        job
    }
}

/// An object that a job makes.
struct New<'a> {
    /// Its place in the spec.
    path: String,
    object: &'a ObjectSpec,
    table: Option<MemoryObject>,
}

/// What is wrong with the job before its parts are looked at.
fn own_problems(spec: &JobSpec) -> Vec<Problem> {
    let mut problems = Vec::new();
    if spec.name.is_empty() {
        problems.push(Problem::new("name", "a job has a name"));
    }
    if spec.version != 1 {
        problems.push(wrong_version("version", spec.version));
    }
    if spec.dataset.version != 1 {
        problems.push(wrong_version("dataset.version", spec.dataset.version));
    }
    problems
}

/// Declares the job's objects in the draft, and answers with those that are new.
fn declare<'a>(draft: &Home, spec: &'a JobSpec, problems: &mut Vec<Problem>) -> Vec<New<'a>> {
    let mut new = Vec::new();
    for (i, object) in spec.objects.iter().enumerate() {
        let path = format!("objects[{i}]");
        if spec.objects[..i]
            .iter()
            .any(|other| other.name == object.name)
        {
            let message = format!(
                "the object `{}` is there twice; keep one of the two",
                object.name
            );
            problems.push(Problem::new(format!("{path}.name"), message));
            continue;
        }
        match draft.declare(object) {
            Ok(home::Declared::Known) => {}
            Ok(home::Declared::New(table)) => {
                if let Some(table) = &table {
                    problems.extend(preload::problems(
                        object,
                        table.schema(),
                        &format!("{path}.preload"),
                    ));
                }
                new.push(New {
                    path,
                    object,
                    table,
                });
            }
            Err(error) => problems.extend(under(&path, error)),
        }
    }
    new
}

fn wrong_version(path: &str, version: u32) -> Problem {
    Problem::new(path, unknown_version(version))
}

/// An error's findings, placed under a path.
fn under(path: &str, error: Error) -> Vec<Problem> {
    if error.problems().is_empty() {
        return vec![Problem::new(path, error.to_string())];
    }
    let placed = |problem: &Problem| match problem.path.as_str() {
        "" => Problem::new(path, &problem.message),
        below => Problem::new(format!("{path}.{below}"), &problem.message),
    };
    error.problems().iter().map(placed).collect()
}
