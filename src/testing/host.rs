//! An executor, a clock and entropy whose calls are effects.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::BoxFuture;

use super::effects::{EffectKind, Effects, Fate};
use crate::host::{Clock, Entropy, Executor};

impl Effects {
    /// The executor; each task that it is given is an effect.
    pub fn executor(&self, executor: Arc<dyn Executor>) -> Arc<dyn Executor> {
        Arc::new(FaultyExecutor::new(self, executor))
    }

    /// The entropy; each draw is an effect.
    pub fn entropy(&self, entropy: Arc<dyn Entropy>) -> Arc<dyn Entropy> {
        Arc::new(FaultyEntropy::new(self, entropy))
    }

    /// The clock; each look at the calendar is an effect. What time passes for those who sleep is the clock's own affair.
    pub fn clock(&self, clock: Arc<dyn Clock>) -> Arc<dyn Clock> {
        Arc::new(FaultyClock::new(self, clock))
    }
}

type Task = BoxFuture<'static, ()>;

/// An executor whose tasks are effects: one that is rejected is dropped, one that hangs is kept and never run, one that comes late is run
/// behind the next one.
pub struct FaultyExecutor {
    effects: Effects,
    executor: Arc<dyn Executor>,
    hung: Mutex<Vec<Task>>,
    late: Mutex<Vec<Task>>,
}

impl fmt::Debug for FaultyExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyExecutor")
            .field("executor", &self.executor)
            .finish_non_exhaustive()
    }
}

impl FaultyExecutor {
    /// The executor with these effects.
    pub fn new(effects: &Effects, executor: Arc<dyn Executor>) -> Self {
        FaultyExecutor {
            effects: effects.clone(),
            executor,
            hung: Mutex::default(),
            late: Mutex::default(),
        }
    }
}

impl Executor for FaultyExecutor {
    fn parallelism(&self) -> usize {
        self.executor.parallelism()
    }

    fn ahead(&self) -> usize {
        self.executor.ahead()
    }

    fn spawn(&self, task: Task) {
        let put = |tasks: &Mutex<Vec<Task>>, task| {
            tasks
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(task);
        };
        match self.effects.next(EffectKind::Spawn, 1).1 {
            Fate::Fail(_) => {}
            Fate::Hang | Fate::HangAfter | Fate::Suspend => put(&self.hung, task),
            Fate::Reorder => put(&self.late, task),
            _ => {
                self.executor.spawn(task);
                let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
                let late = std::mem::take(&mut *late);
                late.into_iter().for_each(|task| self.executor.spawn(task));
            }
        }
    }
}

/// A clock whose calendar can be set, as people and time servers do.
#[derive(Debug)]
pub struct FaultyClock {
    effects: Effects,
    clock: Arc<dyn Clock>,
    ahead: Mutex<TimeDelta>,
}

impl FaultyClock {
    /// The clock with these effects.
    pub fn new(effects: &Effects, clock: Arc<dyn Clock>) -> Self {
        FaultyClock {
            effects: effects.clone(),
            clock,
            ahead: Mutex::new(TimeDelta::zero()),
        }
    }
}

impl Clock for FaultyClock {
    fn now(&self) -> DateTime<Utc> {
        let fate = self.effects.next(EffectKind::ClockRead, 1).1;
        let now = self.clock.now();
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        if let Fate::Jump(by) = fate {
            *ahead = ahead.checked_add(&by).unwrap_or(*ahead);
        }
        now.checked_add_signed(*ahead).unwrap_or(now)
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        self.clock.sleep(time)
    }
}

/// Entropy that is none at times: a draw may give the bytes of the one before again, as in a process that was cloned, or zeros.
#[derive(Debug)]
pub struct FaultyEntropy {
    effects: Effects,
    entropy: Arc<dyn Entropy>,
    last: Mutex<Vec<u8>>,
}

impl FaultyEntropy {
    /// The entropy with these effects.
    pub fn new(effects: &Effects, entropy: Arc<dyn Entropy>) -> Self {
        FaultyEntropy {
            effects: effects.clone(),
            entropy,
            last: Mutex::default(),
        }
    }
}

impl Entropy for FaultyEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        let fate = self.effects.next(EffectKind::EntropyFill, 1).1;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match fate {
            Fate::Duplicate if !last.is_empty() => {
                let again = last.iter().cycle();
                bytes
                    .iter_mut()
                    .zip(again)
                    .for_each(|(to, from)| *to = *from);
            }
            Fate::Corrupt => bytes.fill(0),
            _ => self.entropy.fill(bytes),
        }
        last.clear();
        last.extend_from_slice(bytes);
    }
}
