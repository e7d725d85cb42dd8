//! Batches that are read and prepared beside what the run does with those before.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};

use futures::stream::{self, BoxStream, Fuse};
use futures::{StreamExt as _, TryStreamExt as _};

use crate::Result;

/// A stream that goes on while its taker is busy. How far is the stream's own affair: it is polled until it waits.
pub(super) struct Ahead<T> {
    stream: Fuse<BoxStream<'static, Result<T>>>,
    /// What came meanwhile.
    came: VecDeque<Result<T>>,
}

impl<T> Ahead<T> {
    pub(super) fn new(stream: BoxStream<'static, Result<T>>) -> Self {
        Ahead {
            stream: stream.fuse(),
            came: VecDeque::new(),
        }
    }

    pub(super) async fn next(&mut self) -> Result<Option<T>> {
        match self.came.pop_front() {
            Some(came) => came.map(Some),
            None => self.stream.try_next().await,
        }
    }

    /// Does `work`, and lets the stream go on where that waits. A call that was begun and is polled no more would hold its place
    /// at the other side, and `work` may be waiting for just that place.
    pub(super) async fn beside<O>(&mut self, work: impl Future<Output = O>) -> O {
        let mut work = pin!(work);
        poll_fn(|task| {
            let polled = work.as_mut().poll(task);
            if polled.is_pending() {
                self.go_on(task);
            }
            polled
        })
        .await
    }

    /// Whether what came last is an error, behind which nothing comes.
    pub(super) fn has_failed(&self) -> bool {
        matches!(self.came.back(), Some(Err(_)))
    }

    /// What came, and what comes.
    pub(super) fn into_stream(self) -> BoxStream<'static, Result<T>>
    where
        T: Send + 'static,
    {
        stream::iter(self.came).chain(self.stream).boxed()
    }

    fn go_on(&mut self, task: &mut Context<'_>) {
        // Nothing is wanted behind an error.
        while !self.has_failed() {
            match self.stream.poll_next_unpin(task) {
                Poll::Ready(Some(came)) => self.came.push_back(came),
                Poll::Ready(None) | Poll::Pending => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::*;
    use crate::host::Clock as _;
    use crate::memory::ManualClock;
    use crate::{Error, ErrorKind};

    #[test]
    fn what_comes_beside_is_taken_in_order_and_an_error_is_the_last() {
        let clock = ManualClock::new(chrono::DateTime::UNIX_EPOCH);
        let nap = |seconds| clock.sleep(Duration::from_secs(seconds));
        let counted = stream::iter(1..6).then({
            let clock = clock.clone();
            move |n| {
                let nap = clock.sleep(Duration::from_secs(1));
                async move {
                    nap.await;
                    match n {
                        4 => Err(Error::new(ErrorKind::Io, "gone")),
                        n => Ok(n),
                    }
                }
            }
        });
        let mut ahead = Ahead::new(counted.boxed());
        let taken = clock.drive(async {
            let mut taken = vec![ahead.next().await.unwrap()];
            ahead.beside(nap(60)).await;
            assert_eq!(ahead.came.len(), 3);
            for _ in 0..2 {
                taken.push(ahead.next().await.unwrap());
            }
            assert_eq!(ahead.next().await.unwrap_err().kind(), ErrorKind::Io);
            taken
        });
        assert_eq!(taken.unwrap(), [Some(1), Some(2), Some(3)]);
        assert_eq!(clock.monotonic(), Duration::from_secs(61));
    }
}
