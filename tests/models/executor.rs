//! The queue of a thread pool.

use std::task::Poll;

use loom::sync::atomic::{AtomicUsize, Ordering};
use syncline::host::{Executor as _, ThreadPool};

use super::bounded;

type Count = loom::sync::Arc<AtomicUsize>;

fn count_up(pool: &ThreadPool, count: &Count) {
    let count = count.clone();
    pool.spawn(Box::pin(async move {
        count.fetch_add(1, Ordering::SeqCst);
    }));
}

#[test]
fn each_task_is_done_once_before_the_pool_is_gone() {
    loom::model(|| {
        let count = Count::new(AtomicUsize::new(0));
        let pool = ThreadPool::new(1).unwrap();
        count_up(&pool, &count);
        count_up(&pool, &count);
        drop(pool);
        assert_eq!(count.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn workers_share_the_tasks_and_forget_none() {
    bounded(|| {
        let count = Count::new(AtomicUsize::new(0));
        let pool = ThreadPool::new(2).unwrap();
        count_up(&pool, &count);
        count_up(&pool, &count);
        drop(pool);
        assert_eq!(count.load(Ordering::SeqCst), 2);
    });
}

/// It is woken by another thread while a worker may be polling it still.
#[test]
fn a_task_that_waits_goes_on_when_it_is_woken() {
    bounded(|| {
        let polls = Count::new(AtomicUsize::new(0));
        let pool = ThreadPool::new(1).unwrap();
        let (send, polled) = (
            loom::sync::Arc::new(loom::sync::Notify::new()),
            polls.clone(),
        );
        let done = send.clone();
        pool.spawn(Box::pin(std::future::poll_fn(move |context| {
            if polled.fetch_add(1, Ordering::SeqCst) == 0 {
                let waker = context.waker().clone();
                loom::thread::spawn(move || waker.wake());
                return Poll::Pending;
            }
            Poll::Ready(())
        })));
        while polls.load(Ordering::SeqCst) < 2 {
            loom::thread::yield_now();
        }
        drop(pool);
        assert_eq!(polls.load(Ordering::SeqCst), 2);
    });
}
