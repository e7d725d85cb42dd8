//! Effects, their numbers and their fates.

use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use crate::memory::ManualClock;
use crate::{Error, ErrorKind, Result, Retry};

/// What a run does to the world, or asks of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum EffectKind {
    /// State is read.
    StateGet,
    /// State is swapped.
    StatePut,
    /// State is deleted.
    StateDelete,
    /// Keys of state are listed.
    StateList,
    /// Rejects are appended.
    RejectAppend,
    /// Rejects are made durable.
    RejectFlush,
    /// Rejects are sealed.
    RejectSeal,
    /// Rejects are taken back.
    RejectRewind,
    /// Rejects that were tried again are marked.
    RejectMark,
    /// A connection is asked what it has, or for one of its objects.
    Connect,
    /// A writer is opened.
    Open,
    /// A batch is written.
    Write,
    /// A group is committed.
    Commit,
    /// A writer is aborted.
    Abort,
    /// Records are patched.
    Patch,
    /// Records are deleted.
    Delete,
    /// Records are looked up.
    Lookup,
    /// A batch is read.
    Read,
    /// A source is asked for its time.
    UpperBound,
    /// A source hears of a cursor.
    Acknowledge,
    /// A file is opened, listed or removed.
    FileOpen,
    /// A file is begun.
    FileCreate,
    /// Bytes of a file are written.
    FileWrite,
    /// A file is made visible.
    FileFinish,
    /// A file is removed.
    FileRemove,
}

/// One effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Effect {
    /// Its number, from 1.
    pub number: u64,
    /// What it is.
    pub kind: EffectKind,
    /// Its number among those of its kind, from 1.
    pub nth: u64,
    /// Into how many parts it falls apart when a process dies amid it: rows of a batch. 1 if it cannot.
    pub parts: usize,
}

/// What becomes of an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Fate {
    /// It is done.
    Proceed,
    /// The process dies in front of it.
    CrashBefore,
    /// It is done, and the process dies before it hears of that.
    CrashAfter,
    /// So many of its [parts](Effect::parts) are done, and the process dies.
    CrashAmid(usize),
    /// It fails, and nothing was done; whether the error says that a retry may help.
    Fail(bool),
    /// It is done and fails all the same.
    FailAfter(bool),
    /// Nothing is done, and no answer ever comes.
    Hang,
    /// It is done, and no answer ever comes.
    HangAfter,
    /// It waits until [`Effects::wake`] is called, and is done then: as a process that was suspended.
    Suspend,
}

type Script = Box<dyn FnMut(&Effect) -> Fate + Send>;
type Check = Box<dyn FnMut(&Effect) + Send>;

/// The numbered effects of one process, and their fates. Clones are the same.
#[derive(Clone)]
pub struct Effects(Arc<Inner>);

struct Inner {
    script: Mutex<Script>,
    check: Mutex<Option<Check>>,
    done: Mutex<Vec<Effect>>,
    crashed: AtomicBool,
    suspended: AtomicBool,
}

impl Effects {
    /// Effects whose fates a script tells, in the order in which they come.
    pub fn new(script: impl FnMut(&Effect) -> Fate + Send + 'static) -> Self {
        Effects(Arc::new(Inner {
            script: Mutex::new(Box::new(script)),
            check: Mutex::new(None),
            done: Mutex::default(),
            crashed: AtomicBool::new(false),
            suspended: AtomicBool::new(false),
        }))
    }

    /// The same; `check` is called behind each effect that was done or failed, the last one before a crash included.
    #[must_use]
    pub fn with_check(self, check: impl FnMut(&Effect) + Send + 'static) -> Self {
        *lock(&self.0.check) = Some(Box::new(check));
        self
    }

    /// The effects so far.
    pub fn trace(&self) -> Vec<Effect> {
        lock(&self.0.done).clone()
    }

    /// Whether the process died.
    pub fn crashed(&self) -> bool {
        self.0.crashed.load(Ordering::Acquire)
    }

    /// Whether the process is suspended.
    pub fn suspended(&self) -> bool {
        self.0.suspended.load(Ordering::Acquire)
    }

    /// Lets a suspended process go on.
    pub fn wake(&self) {
        self.0.suspended.store(false, Ordering::Release);
    }

    /// The next effect, with its fate.
    pub(super) fn next(&self, kind: EffectKind, parts: usize) -> (Effect, Fate) {
        let mut done = lock(&self.0.done);
        let effect = Effect {
            number: done.len() as u64 + 1,
            kind,
            nth: done.iter().filter(|effect| effect.kind == kind).count() as u64 + 1,
            parts,
        };
        done.push(effect);
        drop(done);
        let fate = lock(&self.0.script)(&effect);
        (effect, fate)
    }

    /// An effect of one part.
    pub(super) async fn perform<T>(
        &self,
        kind: EffectKind,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let next = self.next(kind, 1);
        self.settle(next, work).await
    }

    /// Does to the work what its fate is; nobody can die amid it.
    pub(super) async fn settle<T>(
        &self,
        (effect, fate): (Effect, Fate),
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        match fate {
            Fate::CrashBefore | Fate::CrashAmid(_) => self.crash(&effect).await,
            Fate::Fail(retry) => {
                self.check(&effect);
                return Err(injected(&effect, retry));
            }
            Fate::Suspend => {
                self.0.suspended.store(true, Ordering::Release);
                let awake = |_: &mut Context<'_>| match self.suspended() {
                    true => Poll::Pending,
                    false => Poll::Ready(()),
                };
                futures::future::poll_fn(awake).await;
            }
            Fate::Hang => {
                self.check(&effect);
                futures::future::pending::<()>().await;
            }
            Fate::Proceed | Fate::CrashAfter | Fate::FailAfter(_) | Fate::HangAfter => {}
        }
        let answer = work.await;
        match fate {
            Fate::CrashAfter => self.crash(&effect).await,
            Fate::HangAfter => {
                self.check(&effect);
                futures::future::pending::<()>().await;
            }
            Fate::FailAfter(retry) => {
                self.check(&effect);
                return Err(injected(&effect, retry));
            }
            _ => self.check(&effect),
        }
        answer
    }

    /// The process dies: nothing comes back from here.
    pub(super) async fn crash(&self, effect: &Effect) {
        self.check(effect);
        self.0.crashed.store(true, Ordering::Release);
        futures::future::pending().await
    }

    fn check(&self, effect: &Effect) {
        if let Some(check) = &mut *lock(&self.0.check) {
            check(effect);
        }
    }
}

impl fmt::Debug for Effects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Effects")
            .field("done", &lock(&self.0.done).len())
            .field("crashed", &self.crashed())
            .finish_non_exhaustive()
    }
}

/// No panic leaves what is behind these locks half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn injected(effect: &Effect, retry: bool) -> Error {
    Error::new(ErrorKind::Io, "a fault that a test asked for")
        .retrying(if retry { Retry::Now } else { Retry::Never })
        .with("effect", format_args!("{:?} {}", effect.kind, effect.nth))
}

/// How a process ended.
#[derive(Debug)]
pub enum Ended<T> {
    /// It came to its end.
    Done(T),
    /// It died, and with it all that was in its memory.
    Crashed,
    /// It waits for something that never comes.
    Stuck,
}

/// Runs a future until it is done or dies. Whenever it waits for time to pass, time passes.
///
/// Of a future that is [suspended](Fate::Suspend) the answer is [`Ended::Stuck`]. One that was pinned and lent can be driven
/// on after [`Effects::wake`].
pub fn drive<F: Future>(clock: &ManualClock, effects: &Effects, future: F) -> Ended<F::Output> {
    let mut future = pin!(future);
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    loop {
        if woken.0.swap(false, Ordering::AcqRel) {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return Ended::Done(output);
            }
            if effects.crashed() {
                return Ended::Crashed;
            }
            // All of a process stands still, what does not wait for this effect too.
            if effects.suspended() {
                return Ended::Stuck;
            }
        } else if !clock.leap() {
            return Ended::Stuck;
        }
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}
