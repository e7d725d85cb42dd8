//! What is asked of an executor.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::channel::oneshot;
use futures::future::{BoxFuture, Either, select};

use super::clause::{Checked, Finding, OrBroken as _, clause, must, opaque, reached, same};
use super::{Capability, Fixture, Suite};
use crate::host::{Context, Executor, run_on};
use crate::{Error, ErrorKind, Result};

/// An executor.
pub struct ExecutorFixture {
    executor: Arc<dyn Executor>,
}

opaque!(ExecutorFixture);

impl ExecutorFixture {
    /// This one.
    pub fn new(executor: impl Executor + 'static) -> Self {
        ExecutorFixture {
            executor: Arc::new(executor),
        }
    }
}

#[async_trait]
impl Fixture for ExecutorFixture {
    fn subject(&self) -> String {
        format!("{:?}", self.executor).chars().take(60).collect()
    }

    async fn declares(&self, _: &Context) -> Result<BTreeSet<Capability>> {
        let parallel = (self.executor.parallelism() > 1).then_some(Capability::Parallel);
        Ok(parallel.into_iter().collect())
    }
}

/// The contract of an [`Executor`].
pub static EXECUTOR: Suite<ExecutorFixture> = Suite {
    name: "executor",
    clauses: &[
        clause!(
            "EX-01",
            None,
            "Every task that is spawned is run to its end, once, and its answer is its own.",
            "A run that waits for a lost task never ends.",
            all_are_run
        ),
        clause!(
            "EX-02",
            None,
            "A task that waits is woken and goes on.",
            "A source that answers late would hold its run for ever.",
            waiting_tasks
        ),
        clause!(
            "EX-03",
            None,
            "A task that panics is an error to the one who waits for it, and harms no other.",
            "One bad formula would take a whole host down.",
            panicking_tasks
        ),
        clause!(
            "EX-04",
            Some(Capability::Parallel),
            "As many tasks as it declares run at the same time, and as many at least are kept ahead.",
            "Runs read ahead by these numbers: too many hold memory for nothing, too few leave threads idle.",
            at_the_same_time
        ),
    ],
};

/// How long nobody should have to wait for a task.
const LONG: Duration = Duration::from_secs(20);

/// The answer of something that must not take for ever.
async fn answer<T>(
    context: &Context,
    work: impl Future<Output = T> + Send,
) -> std::result::Result<T, Finding> {
    match select(Box::pin(work), context.clock().sleep(LONG)).await {
        Either::Left((answer, _)) => Ok(answer),
        Either::Right(_) => Err(Finding::Broken("a task was not run to its end".into())),
    }
}

async fn all_are_run(context: &Context, fixture: &ExecutorFixture) -> Checked {
    let runs: Arc<Vec<AtomicUsize>> = Arc::new((0..500).map(|_| AtomicUsize::new(0)).collect());
    let tasks: Vec<_> = (0..runs.len())
        .map(|number| {
            let runs = Arc::clone(&runs);
            run_on(&*fixture.executor, async move {
                if let Some(run) = runs.get(number) {
                    run.fetch_add(1, Ordering::Relaxed);
                }
                number * number
            })
        })
        .collect();
    for (number, task) in tasks.into_iter().enumerate() {
        let squared = answer(context, task).await?.or_broken("a task")?;
        same("the answer of a task", &squared, &(number * number))?;
    }
    let often = runs.iter().find(|runs| runs.load(Ordering::Relaxed) != 1);
    must(often.is_none(), || "a task did not run once".into())
}

async fn waiting_tasks(context: &Context, fixture: &ExecutorFixture) -> Checked {
    let (send, receive) = oneshot::channel::<u8>();
    // Somebody else sends, as an executor may run a task before it answers.
    let sender = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        send.send(7)
    });
    let task = run_on(&*fixture.executor, async move { receive.await.ok() });
    let heard = answer(context, task)
        .await?
        .or_broken("a task that waits")?;
    let sent = sender
        .join()
        .map_err(|_| Error::contract("the sender panicked"))?;
    reached(sent.is_ok(), || "nobody waited".into())?;
    same("what a task waited for", &heard, &Some(7))
}

async fn panicking_tasks(context: &Context, fixture: &ExecutorFixture) -> Checked {
    for _ in 0..fixture.executor.parallelism() + 1 {
        #[allow(clippy::panic)]
        let panics: BoxFuture<'static, ()> =
            Box::pin(async { panic!("a panic that a test asked for") });
        let spawned = std::panic::AssertUnwindSafe(|| run_on(&*fixture.executor, panics));
        let Ok(task) = std::panic::catch_unwind(spawned) else {
            let why = "a panic of a task goes to the one who spawns it";
            return Err(Finding::Broken(why.into()));
        };
        let failed = answer(context, task).await?;
        let kind = failed.map_err(|error| error.kind()).err();
        same("a task that panicked", &kind, &Some(ErrorKind::Contract))?;
    }
    let next = answer(context, run_on(&*fixture.executor, async { 1 })).await?;
    same("the next task", &next.or_broken("behind a panic")?, &1)
}

async fn at_the_same_time(context: &Context, fixture: &ExecutorFixture) -> Checked {
    let executor = &*fixture.executor;
    let parallel = executor.parallelism();
    must(executor.ahead() >= parallel, || {
        format!("{} are kept ahead of {parallel}", executor.ahead())
    })?;
    // Each blocks its thread until all are there.
    let meeting = Arc::new((Mutex::new(0_usize), Condvar::new()));
    let tasks: Vec<_> = (0..parallel)
        .map(|_| {
            let meeting = Arc::clone(&meeting);
            run_on(executor, async move {
                let (here, all) = &*meeting;
                let mut here = here.lock().unwrap_or_else(PoisonError::into_inner);
                *here += 1;
                all.notify_all();
                let missing = |here: &mut usize| *here < parallel;
                let waited = all.wait_timeout_while(here, LONG / 10, missing);
                let (here, _) = waited.unwrap_or_else(PoisonError::into_inner);
                *here == parallel
            })
        })
        .collect();
    for task in tasks {
        let met = answer(context, task).await?.or_broken("a task")?;
        must(met, || {
            format!("{parallel} tasks do not run at the same time")
        })?;
    }
    Ok(())
}
