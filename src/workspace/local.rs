//! Jobs over files and tables of one process.

use std::sync::Arc;

use crate::dataset::Dataset;
use crate::error::Problem;
use crate::file::DelimitedDataset;
use crate::host::{Context, FileStore};
use crate::job::SyncJob;
use crate::memory::MemoryObject;
use crate::spec::{JobSpec, ObjectSpec, SourceSpec};
use crate::{Error, Result};

use super::{Home, home, preload, specs};

/// Home objects in memory, the files that jobs read, and the files that they write: for programs that sync files and have neither
/// tenants nor connections. A [`Workspace`](super::Workspace) has those.
///
/// ```
/// # futures::executor::block_on(async {
/// use std::sync::Arc;
/// use syncline::host::Context;
/// use syncline::job::{Job, RunRequest};
/// use syncline::memory::{MemoryFiles, MemoryRejects};
/// use syncline::spec::JobSpec;
/// use syncline::workspace::LocalWorkspace;
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
/// let workspace = LocalWorkspace::new(files.clone(), files);
/// let job = workspace.job(&context, &spec).await?;
/// let report = job.run(&context, RunRequest::new(Arc::new(MemoryRejects::new()))).await?;
/// assert_eq!(report.destinations[0].inserted, 1);
/// assert_eq!(workspace.home().object("person").unwrap().len(), 1);
/// # Ok::<(), syncline::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct LocalWorkspace {
    sources: Arc<dyn FileStore>,
    home: Arc<Home>,
}

impl LocalWorkspace {
    /// A workspace without objects that reads its files from `sources`; objects that are
    /// [stored in a file](crate::spec::Store::File) are written to `outputs`.
    pub fn new(sources: Arc<dyn FileStore>, outputs: Arc<dyn FileStore>) -> Self {
        LocalWorkspace {
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
        let mut problems = specs::own_problems(spec);
        // What the job will see: the objects that are there, and drafts of those to be made.
        let draft = Arc::new(self.home.fork());
        let new = declare(&draft, spec, &mut problems);
        let mut dataset: Option<Arc<dyn Dataset>> = None;
        match &spec.dataset.source {
            SourceSpec::File(source) if spec.dataset.connection.is_none() => {
                let unreadable = source.problems("dataset.source.file");
                if unreadable.is_empty() {
                    let sources = Arc::clone(&self.sources);
                    match DelimitedDataset::open(context, sources, source).await {
                        Ok(opened) => dataset = Some(Arc::new(opened)),
                        Err(error) if problems.is_empty() => {
                            return Err(error.with("path", "dataset.source.file"));
                        }
                        // The spec's own mistakes come first.
                        Err(_) => {}
                    }
                }
                problems.extend(unreadable);
            }
            _ => {
                let message = "this workspace has no connections; read a file, or make the job in a workspace that has them";
                problems.push(Problem::new("dataset.connection", message));
            }
        }
        if let Some(dataset) = &dataset {
            match specs::sync_job(spec, dataset, Arc::clone(&draft) as _)
                .plan(context)
                .await
            {
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
        Ok(specs::sync_job(spec, &dataset, Arc::clone(&self.home) as _))
    }
}

/// An object that a job makes.
struct New<'a> {
    /// Its place in the spec.
    path: String,
    object: &'a ObjectSpec,
    table: Option<MemoryObject>,
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
