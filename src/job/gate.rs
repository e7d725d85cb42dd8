//! What runs wait for.

use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Something that a run [waits for](super::RunRequest::with_gate), or that it [opens](super::RunRequest::with_source_read). Clones are the same
/// gate. It is shut at first, and then once and for all open, or given up. No runtime and no thread belong to it.
///
/// ```
/// use syncline::job::Gate;
///
/// let (gate, elsewhere) = (Gate::shut(), Gate::shut());
/// gate.clone().open();
/// elsewhere.give_up();
/// elsewhere.open();
/// futures::executor::block_on(async {
///     assert!(gate.passed().await);
///     assert!(!elsewhere.passed().await);
/// });
/// ```
#[derive(Clone)]
pub struct Gate(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    /// Whether it is open, once that is decided.
    open: Option<bool>,
    waiting: Vec<Waker>,
}

impl Gate {
    /// A gate that is shut.
    pub fn shut() -> Self {
        Gate(Arc::default())
    }

    /// Opens it, unless it was given up.
    pub fn open(&self) {
        self.decide(true);
    }

    /// Gives it up, unless it is open: it will never be.
    pub fn give_up(&self) {
        self.decide(false);
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.inner().open == Some(true)
    }

    /// Whether it is neither open nor given up.
    pub fn is_shut(&self) -> bool {
        self.inner().open.is_none()
    }

    /// Whether it was given up.
    pub fn is_given_up(&self) -> bool {
        self.inner().open == Some(false)
    }

    /// Waits while it is shut. `true`: it is open; `false`: it was given up.
    pub async fn passed(&self) -> bool {
        poll_fn(|task| self.poll(task)).await
    }

    pub(super) fn poll(&self, task: &mut Context<'_>) -> Poll<bool> {
        let mut inner = self.inner();
        if let Some(open) = inner.open {
            return Poll::Ready(open);
        }
        if !inner
            .waiting
            .iter()
            .any(|waker| waker.will_wake(task.waker()))
        {
            inner.waiting.push(task.waker().clone());
        }
        Poll::Pending
    }

    fn decide(&self, open: bool) {
        let mut inner = self.inner();
        if inner.open.is_none() {
            inner.open = Some(open);
        }
        let waiting = std::mem::take(&mut inner.waiting);
        // Whoever is woken may look at the gate at once.
        drop(inner);
        waiting.into_iter().for_each(Waker::wake);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.inner().open {
            None => "shut",
            Some(true) => "open",
            Some(false) => "given up",
        };
        f.debug_tuple("Gate").field(&state).finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::thread;

    use futures::executor::block_on;
    use futures::future::join3;

    use super::*;

    #[test]
    fn all_who_wait_hear_of_it_and_what_is_decided_stays() {
        let gate = Gate::shut();
        assert!(gate.is_shut() && !gate.is_open());
        let other = gate.clone();
        let opener = thread::spawn(move || {
            thread::sleep(std::time::Duration::from_millis(20));
            other.open();
        });
        let all = block_on(join3(gate.passed(), gate.passed(), gate.passed()));
        assert_eq!(all, (true, true, true));
        opener.join().unwrap();
        gate.give_up();
        assert!(gate.is_open() && !gate.is_shut());
    }
}
