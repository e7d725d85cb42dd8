//! Who computes: pure CPU work on other threads, results taken in order.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::Poll;

use futures::channel::oneshot;
use futures::future::BoxFuture;
use futures::task::{ArcWake, waker_ref};

use super::sync::thread::{self, JoinHandle};
use super::sync::{Condvar, Mutex, MutexGuard};
use crate::{Error, Result};

/// Runs pure CPU work. What it runs has no effects, so work that outlives its run does no harm.
pub trait Executor: fmt::Debug + Send + Sync {
    /// How many tasks run at the same time; at least 1.
    fn parallelism(&self) -> usize;
    /// How many tasks are kept spawned, so that no thread waits for its next; what they hold is in memory
    /// at the same time.
    fn ahead(&self) -> usize {
        self.parallelism() + 1
    }
    /// Runs the task to its end, now or elsewhere.
    fn spawn(&self, task: BoxFuture<'static, ()>);
}

/// Runs `work` on the executor and answers with its result.
///
/// # Errors
/// [`Contract`](crate::ErrorKind::Contract) if the executor dropped the task or the task panicked.
pub fn run_on<T, W>(
    executor: &dyn Executor,
    work: W,
) -> impl Future<Output = Result<T>> + Send + use<T, W>
where
    T: Send + 'static,
    W: Future<Output = T> + Send + 'static,
{
    let (send, receive) = oneshot::channel();
    executor.spawn(Box::pin(async move {
        // The receiver may be gone: its run was dropped.
        let _ = send.send(work.await);
    }));
    async move {
        receive
            .await
            .map_err(|_| Error::contract("the executor lost a task, or the task panicked"))
    }
}

/// Runs every task at once, on the thread that spawns it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Inline;

impl Executor for Inline {
    fn parallelism(&self) -> usize {
        1
    }

    /// Nothing runs beside the thread that spawns.
    fn ahead(&self) -> usize {
        1
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        wait_for(task);
    }
}

/// Polls a task to its end on this thread. (The `futures` executor refuses to run inside another of
/// its own, which is just where an inline task runs.)
fn wait_for(mut task: BoxFuture<'static, ()>) {
    struct Unpark(thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    // A task that panics is dropped, as on a pool: whoever waits for it sees its channel closed.
    let mut poll = || {
        let polled = std::panic::AssertUnwindSafe(|| task.as_mut().poll(&mut context));
        matches!(std::panic::catch_unwind(polled), Ok(Poll::Pending))
    };
    while poll() {
        thread::park();
    }
}

/// Worker threads of the standard library; they end when the pool is dropped.
#[derive(Debug)]
pub struct ThreadPool {
    queue: Arc<Queue>,
    workers: Vec<JoinHandle<()>>,
}

struct Queue {
    state: Mutex<State>,
    ready: Condvar,
}

impl Default for Queue {
    fn default() -> Self {
        Queue {
            state: Mutex::new(State::default()),
            ready: Condvar::new(),
        }
    }
}

#[derive(Default)]
struct State {
    tasks: std::collections::VecDeque<Arc<Task>>,
    closed: bool,
}

struct Task {
    /// `None` once done.
    future: Mutex<Option<BoxFuture<'static, ()>>>,
    queue: Arc<Queue>,
}

/// A panicking task poisons nothing that matters: each lock guards a single assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

impl Queue {
    fn push(&self, task: Arc<Task>) {
        lock(&self.state).tasks.push_back(task);
        self.ready.notify_one();
    }

    /// The next task, or `None` when the pool is closed and the queue empty.
    fn next(&self) -> Option<Arc<Task>> {
        let mut state = lock(&self.state);
        loop {
            if let Some(task) = state.tasks.pop_front() {
                return Some(task);
            }
            if state.closed {
                return None;
            }
            state = self
                .ready
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl ArcWake for Task {
    fn wake_by_ref(task: &Arc<Self>) {
        task.queue.push(Arc::clone(task));
    }
}

impl Task {
    fn poll(self: &Arc<Self>) {
        let waker = waker_ref(self);
        let mut slot = lock(&self.future);
        if let Some(future) = slot.as_mut() {
            let mut context = std::task::Context::from_waker(&waker);
            // A task that panics is dropped: whoever waits for it sees its channel closed.
            let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                Pin::new(future).poll(&mut context)
            }));
            if !matches!(polled, Ok(Poll::Pending)) {
                *slot = None;
            }
        }
    }
}

impl ThreadPool {
    /// A pool of `threads` workers, at least one.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) if the system refuses a thread.
    pub fn new(threads: usize) -> Result<Self> {
        let mut pool = ThreadPool {
            queue: Arc::default(),
            workers: Vec::new(),
        };
        for i in 0..threads.max(1) {
            let queue = Arc::clone(&pool.queue);
            let work = move || {
                while let Some(task) = queue.next() {
                    task.poll();
                }
            };
            let worker = thread::Builder::new()
                .name(format!("syncline-{i}"))
                .spawn(work)?;
            pool.workers.push(worker);
        }
        Ok(pool)
    }
}

impl Executor for ThreadPool {
    fn parallelism(&self) -> usize {
        self.workers.len()
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        let queue = Arc::clone(&self.queue);
        self.queue.push(Arc::new(Task {
            future: Mutex::new(Some(task)),
            queue,
        }));
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        lock(&self.queue.state).closed = true;
        self.queue.ready.notify_all();
        for worker in self.workers.drain(..) {
            // A pool dropped by one of its own tasks must not wait for that task.
            if worker.thread().id() != thread::current().id() {
                let _ = worker.join();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;

    #[test]
    fn a_pool_answers_in_the_order_asked() {
        let pool = ThreadPool::new(3).unwrap();
        let results: Vec<_> = (0..100u64)
            .map(|i| run_on(&pool, async move { i * i }))
            .collect();
        let results: Vec<u64> = results
            .into_iter()
            .map(|result| block_on(result).unwrap())
            .collect();
        assert_eq!(results, (0..100).map(|i| i * i).collect::<Vec<u64>>());
    }

    #[test]
    fn a_task_may_wait_and_is_woken() {
        let pool = ThreadPool::new(1).unwrap();
        let (send, receive) = oneshot::channel::<u8>();
        let result = run_on(&pool, async move { receive.await.unwrap() });
        send.send(7).unwrap();
        assert_eq!(block_on(result).unwrap(), 7);
    }

    #[test]
    fn inline_tasks_run_inside_a_running_executor() {
        let nested = async { run_on(&Inline, async { 3 }).await };
        assert_eq!(block_on(nested).unwrap(), 3);
    }

    #[test]
    fn a_panic_is_an_error_and_the_executor_goes_on() {
        let pool = ThreadPool::new(1).unwrap();
        for executor in [&pool as &dyn Executor, &Inline] {
            let failed = run_on(executor, async {
                if true {
                    panic!("scripted")
                }
            });
            assert_eq!(
                block_on(failed).unwrap_err().kind(),
                crate::ErrorKind::Contract
            );
            assert_eq!(block_on(run_on(executor, async { 1 })).unwrap(), 1);
        }
    }
}
