//! Executors that do not run tasks as they should.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;

use futures::FutureExt as _;
use futures::future::{BoxFuture, poll_fn};
use syncline::host::{Executor, ThreadPool};
use syncline::testing::conformance::{EXECUTOR, ExecutorFixture};

use super::{Broken, broken};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    LosesATask,
    PollsOnce,
    DiesOfAPanic,
    DeclaresTooMuch,
    KeepsTooFewAhead,
}

#[derive(Debug)]
struct Tasks {
    flaw: Flaw,
    pool: ThreadPool,
    count: AtomicUsize,
    dead: Arc<AtomicBool>,
}

impl Executor for Tasks {
    fn parallelism(&self) -> usize {
        match self.flaw {
            Flaw::DeclaresTooMuch => self.pool.parallelism() + 1,
            _ => self.pool.parallelism(),
        }
    }

    fn ahead(&self) -> usize {
        match self.flaw {
            Flaw::KeepsTooFewAhead => 1,
            _ => self.parallelism() + 1,
        }
    }

    fn spawn(&self, mut task: BoxFuture<'static, ()>) {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let dead = Arc::clone(&self.dead);
        match self.flaw {
            Flaw::LosesATask if number == 100 => {}
            Flaw::PollsOnce => self.pool.spawn(Box::pin(poll_fn(move |context| {
                let _ = task.as_mut().poll(context);
                Poll::Ready(())
            }))),
            Flaw::DiesOfAPanic if dead.load(Ordering::Acquire) => {}
            Flaw::DiesOfAPanic => self.pool.spawn(Box::pin(async move {
                if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                    dead.store(true, Ordering::Release);
                }
            })),
            _ => self.pool.spawn(task),
        }
    }
}

pub(super) fn broken_executors() -> Vec<Broken> {
    let all = [
        ("EX-01", Flaw::LosesATask),
        ("EX-02", Flaw::PollsOnce),
        ("EX-03", Flaw::DiesOfAPanic),
        ("EX-04", Flaw::DeclaresTooMuch),
        ("EX-04", Flaw::KeepsTooFewAhead),
    ];
    all.into_iter()
        .map(|(clause, flaw)| {
            broken(&EXECUTOR, clause, flaw, &[], move || {
                ExecutorFixture::new(Tasks {
                    flaw,
                    pool: ThreadPool::new(2).unwrap(),
                    count: AtomicUsize::new(0),
                    dead: Arc::default(),
                })
            })
        })
        .collect()
}
