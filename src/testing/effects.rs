//! Effects, their numbers and their fates.

use std::collections::HashMap;
use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use chrono::TimeDelta;

use super::fault::{Chance, Fault};
use crate::host::{Clock, SystemClock};
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
    /// Rejects are given back.
    RejectList,
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
    /// A file is opened.
    FileOpen,
    /// Files are listed.
    FileList,
    /// A file is begun.
    FileCreate,
    /// Bytes of a file are written.
    FileWrite,
    /// A file is made visible.
    FileFinish,
    /// A file is removed.
    FileRemove,
    /// A job is run.
    JobRun,
    /// Random bytes are drawn.
    EntropyFill,
    /// A request is sent over HTTP.
    HttpSend,
    /// A credential is asked for, or one is told to be rejected.
    Authorize,
    /// A secret is encrypted or decrypted.
    Encrypt,
    /// A notice is delivered.
    Deliver,
    /// A task is given to an executor.
    Spawn,
    /// The calendar's time is read.
    ClockRead,
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
    /// So many of its [parts](Effect::parts) are done, and the process dies; in front of it, if it has none.
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
    /// So many of its [parts](Effect::parts) are done, and it fails. The error does not say that a retry may help: who did a thing in
    /// part, and would not know it again, must not.
    FailAmid(usize),
    /// Nothing is done for this time; then it is.
    Slow(Duration),
    /// It is done at once, and the answer is held for this time.
    Hold(Duration),
    /// It is done twice, as when a network delivers a request again; the answer is the second one's.
    Duplicate,
    /// It is done behind the next one of its kind.
    Reorder,
    /// A read answers what the read before it answered for the same thing.
    Stale,
    /// A bit of what is read or written is another one.
    Corrupt,
    /// The calendar shows a time that is later by this much, or earlier, from now on.
    Jump(TimeDelta),
}

impl Fate {
    /// What kind of fault it is; `None` if it is none.
    pub fn fault(self) -> Option<Fault> {
        Some(match self {
            Fate::Proceed => return None,
            Fate::CrashBefore | Fate::CrashAfter => Fault::Crash,
            Fate::CrashAmid(_) => Fault::CrashAmid,
            Fate::Fail(_) => Fault::Reject,
            Fate::FailAfter(_) => Fault::LostAnswer,
            Fate::FailAmid(_) => Fault::Partial,
            Fate::Hang | Fate::HangAfter | Fate::Suspend => Fault::Silence,
            Fate::Hold(_) => Fault::Hold,
            Fate::Slow(_) => Fault::Slow,
            Fate::Duplicate => Fault::Duplicate,
            Fate::Reorder => Fault::Reorder,
            Fate::Stale => Fault::Stale,
            Fate::Corrupt => Fault::Corrupt,
            Fate::Jump(_) => Fault::ClockJump,
        })
    }
}

type Script = Box<dyn FnMut(&Effect) -> Fate + Send>;
type Check = Box<dyn FnMut(&Effect) + Send>;

/// The numbered effects of one process, and their fates. Clones are the same.
///
/// A fate is told by a script of one's own ([`new`](Effects::new)), by the number of the effect ([`scripted`](Effects::scripted)), or by
/// chance ([`seeded`](Effects::seeded)).
#[derive(Clone)]
pub struct Effects(Arc<Inner>);

struct Inner {
    script: Mutex<Script>,
    check: Mutex<Option<Check>>,
    done: Mutex<Vec<Effect>>,
    crashed: AtomicBool,
    suspended: AtomicBool,
    clock: Mutex<Arc<dyn Clock>>,
}

impl Effects {
    /// Effects whose fates a script tells, in the order in which they come.
    ///
    /// A fate that an effect [cannot meet](EffectKind::faults) panics when it comes up: a test that disturbs nothing would prove nothing.
    pub fn new(script: impl FnMut(&Effect) -> Fate + Send + 'static) -> Self {
        Effects(Arc::new(Inner {
            script: Mutex::new(Box::new(script)),
            check: Mutex::new(None),
            done: Mutex::default(),
            crashed: AtomicBool::new(false),
            suspended: AtomicBool::new(false),
            clock: Mutex::new(Arc::new(SystemClock)),
        }))
    }

    /// Effects of which those with these numbers meet these fates.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use syncline::host::FileStore;
    /// use syncline::memory::MemoryFiles;
    /// use syncline::testing::{Effects, Fate};
    ///
    /// let effects = Effects::scripted([(2, Fate::Fail(true))]);
    /// let files = effects.files(Arc::new(MemoryFiles::new()));
    /// let listed = || futures::executor::block_on(files.list(""));
    /// assert!(listed().is_ok() && listed().is_err() && listed().is_ok());
    /// ```
    pub fn scripted(fates: impl IntoIterator<Item = (u64, Fate)>) -> Self {
        let fates: HashMap<u64, Fate> = fates.into_iter().collect();
        Effects::new(move |effect| fates.get(&effect.number).copied().unwrap_or(Fate::Proceed))
    }

    /// Effects of which about one in `one_in` meets one of these faults, if it can meet any: a seed is a schedule, the same
    /// each time. How much is done in part, and for how long is waited, is told by it too.
    ///
    /// ```
    /// use syncline::testing::{Effects, Fault};
    ///
    /// let effects = Effects::seeded(7, 20, &[Fault::Reject, Fault::LostAnswer, Fault::Stale]);
    /// # let _ = effects;
    /// ```
    pub fn seeded(seed: u64, one_in: u64, faults: &[Fault]) -> Self {
        Effects::new(Self::chances(seed, one_in, faults))
    }

    /// The script of a seed.
    pub(super) fn chances(
        seed: u64,
        one_in: u64,
        faults: &[Fault],
    ) -> impl FnMut(&Effect) -> Fate + Send + use<> {
        let (mut chance, faults) = (Chance::new(seed), faults.to_vec());
        move |effect| {
            let can = effect.kind.faults();
            let possible =
                |fault: &&Fault| can.contains(fault) && (effect.parts > 1 || !fault.is_partial());
            let possible: Vec<Fault> = faults.iter().filter(possible).copied().collect();
            if chance.below(one_in) > 0 {
                return Fate::Proceed;
            }
            let fault = possible.get(chance.below(possible.len() as u64) as usize);
            fault.map_or(Fate::Proceed, |fault| fault.fate(&mut chance, effect.parts))
        }
    }

    /// The same, which wait by this clock; without it, by the machine's.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        *lock(&self.0.clock) = clock;
        self
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
    ///
    /// # Panics
    /// If it cannot meet that fate.
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
        let fault = match fate.fault() {
            // Where nothing can be done in part, nothing is.
            Some(Fault::CrashAmid) => Some(Fault::Crash),
            fault => fault,
        };
        let fits = fault.is_none_or(|fault| kind.faults().contains(&fault));
        assert!(
            fits,
            "{fate:?} was asked for at a {kind:?}, which cannot meet it; see `EffectKind::faults`"
        );
        (effect, fate)
    }

    /// Waits by the clock of the effects.
    async fn wait(&self, time: Duration) {
        let sleep = lock(&self.0.clock).sleep(time);
        sleep.await;
    }

    /// The end of an effect that was done in part: the process dies, or hears of an error.
    pub(super) async fn broken_off<T>(&self, (effect, fate): (Effect, Fate)) -> Result<T> {
        if let Fate::CrashAmid(_) = fate {
            self.crash(&effect).await;
        }
        self.check(&effect);
        Err(injected(&effect, false))
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
            Fate::FailAmid(_) => return self.broken_off((effect, fate)).await,
            Fate::Slow(time) => self.wait(time).await,
            // What is left is done, and what else is to become of it is the wrapper's affair.
            _ => {}
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
            Fate::Hold(time) => {
                self.check(&effect);
                self.wait(time).await;
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
