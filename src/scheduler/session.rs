//! Which schedulers are alive.
//!
//! A scheduler is alive as long as it keeps a lease of its own. Another one takes that lease, which takes its whole time, before it goes on with what the dead
//! one left; and whoever has lost its lease goes on with nothing.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::config::SchedulerConfig;
use crate::host::{Bug, CancelToken, Context, StateKey, StateKind, unique};
use crate::job::{Lease, LeaseRequest};
use crate::{ErrorKind, Result};

/// How many others a scheduler looks after when it begins.
const MOST_DOUBTED: usize = 100;
/// How many of the dead are remembered.
const MOST_DEAD: usize = 1_000;

/// The life of one scheduler, up to when it is lost.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: String,
    lease: Lease,
    renewed: Mutex<Duration>,
    ttl: Duration,
}

/// What its lease is called.
fn lease_of(id: &str) -> String {
    format!("scheduler {id}")
}

fn request(config: &SchedulerConfig, id: &str) -> LeaseRequest {
    let (own, store) = (config.timetables.own(), config.timetables.store());
    LeaseRequest::new(own.clone(), lease_of(id), Arc::clone(store))
        .with_runner(&config.name)
        .with_terms(config.terms)
}

impl Session {
    pub(super) async fn begin(context: &Context, config: &SchedulerConfig) -> Result<Self> {
        let id = unique(context.entropy());
        let since = context.clock().monotonic();
        let lease = Lease::acquire(context, request(config, &id)).await?;
        Ok(Session {
            id,
            lease,
            renewed: Mutex::new(since),
            ttl: config.terms.ttl,
        })
    }

    /// Whether nobody can take it for dead.
    pub(super) fn is_alive(&self, context: &Context) -> bool {
        self.check(context).is_ok()
    }

    /// # Errors
    /// [`Conflict`](ErrorKind::Conflict) if others may take it for dead.
    pub(super) fn check(&self, context: &Context) -> Result<()> {
        self.lease.may_write(context)
    }

    /// Gives a sign of life, if it is time to.
    pub(super) async fn beat(&self, context: &Context) -> Result<()> {
        let now = context.clock().monotonic();
        let renewed = *self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_sub(renewed) < self.ttl / 3 {
            return self.lease.may_write(context);
        }
        self.lease.renew(context).await?;
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = now;
        Ok(())
    }

    /// Does `work`, however long it takes, and gives signs of life beside it.
    pub(super) async fn beside<O>(&self, context: &Context, work: impl Future<Output = O>) -> O {
        let mut work = pin!(work);
        let mut beats = pin!(async {
            loop {
                context.clock().sleep(self.ttl / 12).await;
                // One that is lost is seen by whoever asks whether it is alive.
                let _ = self.beat(context).await;
            }
        });
        poll_fn(|task| {
            if let Poll::Ready(done) = work.as_mut().poll(task) {
                return Poll::Ready(done);
            }
            beats.as_mut().poll(task)
        })
        .await
    }

    /// Nobody need wait for it any more.
    pub(super) async fn end(self) -> Result<()> {
        self.lease.forget().await
    }
}

/// What is known of the other schedulers.
#[derive(Default)]
pub(super) struct Watch {
    /// Those whose signs of life are waited for.
    doubted: BTreeMap<String, BoxFuture<'static, Result<Lease>>>,
    dead: VecDeque<String>,
}

impl Watch {
    /// Whether a session is known to be over; if not, it is watched from now on.
    pub(super) fn is_dead(
        &mut self,
        context: &Context,
        config: &SchedulerConfig,
        session: &str,
    ) -> bool {
        if Bug::DeadAtOnce.is_on() || self.dead.iter().any(|dead| dead == session) {
            return true;
        }
        if !self.doubted.contains_key(session) {
            let context = context.clone().with_cancel(CancelToken::new());
            let wanted = request(config, session);
            let doubt = async move { Lease::acquire(&context, wanted).await };
            self.doubted.insert(session.to_owned(), doubt.boxed());
        }
        false
    }

    /// Watches all others that left a lease, so that nothing stays of one that died and ran nothing. If that fails, the next scheduler that begins does it.
    pub(super) async fn doubt_others(
        &mut self,
        context: &Context,
        config: &SchedulerConfig,
        own: &str,
    ) {
        let (host, store) = (config.timetables.own(), config.timetables.store());
        let Ok(first) = StateKey::new(host, StateKind::Lease, [lease_of("")]) else {
            return;
        };
        let listed = store
            .list(host, StateKind::Lease, Some(&first), MOST_DOUBTED)
            .await;
        for key in listed.unwrap_or_default() {
            let id = key
                .parts()
                .first()
                .and_then(|job| job.strip_prefix(&lease_of("")));
            if let Some(id) = id.filter(|id| *id != own) {
                let _ = self.is_dead(context, config, id);
            }
        }
    }

    /// Looks at those that are in doubt, without waiting.
    pub(super) async fn look(&mut self) {
        let mut over = Vec::new();
        poll_fn(|task| {
            self.doubted
                .retain(|session, doubt| match doubt.poll_unpin(task) {
                    Poll::Pending => true,
                    Poll::Ready(Ok(lease)) => {
                        over.push((session.clone(), lease));
                        false
                    }
                    // It gave a sign of life, or nobody knows; it is asked for again.
                    Poll::Ready(Err(_)) => false,
                });
            Poll::Ready(())
        })
        .await;
        for (session, lease) in over {
            // If this fails, a small thing is left in the store.
            let _ = lease.forget().await;
            self.dead.push_back(session);
            let over = self.dead.len().saturating_sub(MOST_DEAD);
            self.dead.drain(..over);
        }
    }
}

/// Whether an error says that a session is over.
pub(super) fn is_lost(kind: ErrorKind) -> bool {
    kind == ErrorKind::Conflict
}
