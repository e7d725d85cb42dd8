//! The calls of one account, counted over all jobs and all processes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::layer::{self, Layer, Pass};
use super::limits::{Book, CallLimits, Turn};
use crate::connection::Connection;
use crate::dataset::Dataset;
use crate::host::{Context, Event, Expected, Saved, StateKey, StateKind, StateStore, Stored, Swap};
use crate::{Error, ErrorKind, Result, Retry, Tenant};

/// The newest format of [`Book`].
const VERSION: u8 = 1;
/// The longest wait between two looks at a book that somebody else writes, or at a busy account.
const LOOK: Duration = Duration::from_millis(200);
/// How often a call that is over tries to say so itself.
const GOODBYES: u32 = 20;

/// An account at an outside system, whose [limits](CallLimits) all jobs share, in all processes that use the same state store.
///
/// What goes through it waits for its turn. Where the wait would be longer than the limits allow, the answer is
/// [`QuotaSpent`](ErrorKind::QuotaSpent), and a run that meets it ends as
/// [`Paused`](crate::job::Outcome::Paused): what it has done is kept, and it goes on when there are calls again.
///
/// A call is entered in the store before it is made, one compare-and-swap each, and an entry is never taken back: a process
/// that dies may leave calls unused, but never makes one too many. All processes must give the same limits, and their clocks must not
/// differ by more than the [margin](CallLimits::margin); those that differ by more than a minute count apart.
///
/// Where the number of calls at the same time is bounded, a call that nobody waits for any more, since it took too long or its run
/// ended, is given back with the next call of this account and its clones: keep it for the next run. To one that was made
/// anew, the call is under way for [its longest time](CallLimits::longest_call).
///
/// Through [`connection`](Account::connection) each question to a contract counts as one call: a discovery, an opening, a batch read or
/// written, a commit, a lookup. Where one of these takes several requests, the connection holds the account itself and makes
/// each by [`call`](Account::call).
///
/// ```
/// # futures::executor::block_on(async {
/// use std::sync::Arc;
/// use std::time::Duration;
/// use syncline::host::Context;
/// use syncline::memory::MemoryState;
/// use syncline::policy::{Account, CallLimits};
/// use syncline::{ErrorKind, Tenant};
///
/// let limits = CallLimits::default().with_window(2, Duration::from_secs(86_400)).with_margin(Duration::ZERO);
/// let account = Account::new(&Tenant::new("acme")?, "crm-7", Arc::new(MemoryState::new()), limits)?;
/// for _ in 0..2 {
///     account.call(&Context::new(), async { Ok("asked") }).await?;
/// }
/// let error = account.call(&Context::new(), async { Ok("asked") }).await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::QuotaSpent);
/// # Ok::<(), syncline::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Account(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    key: StateKey,
    name: String,
    store: Arc<dyn StateStore>,
    limits: CallLimits,
    /// Calls of this process that are over, and of which the book may not know that.
    over: Mutex<Vec<u64>>,
}

/// A place in the book among the calls under way. Dropped, it is given back with the next entry: nobody waits for that call.
struct Place<'a> {
    account: &'a Inner,
    id: Option<u64>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.account.over().extend(self.id);
    }
}

impl Account {
    /// A tenant's account of this name, such as the connection's, with what it allows.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) if the name is too long for a key.
    pub fn new(
        tenant: &Tenant,
        name: impl Into<String>,
        store: Arc<dyn StateStore>,
        limits: CallLimits,
    ) -> Result<Self> {
        let name = name.into();
        Ok(Account(Arc::new(Inner {
            key: StateKey::new(tenant, StateKind::Account, [name.as_str()])?,
            name,
            store,
            limits,
            over: Mutex::default(),
        })))
    }

    /// Makes one call when its turn comes.
    ///
    /// # Errors
    /// [`QuotaSpent`](ErrorKind::QuotaSpent) if that is too long from now, and then the call is not made; those of the store and
    /// of the call.
    pub async fn call<T>(
        &self,
        context: &Context,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        layer::guarded(&*self.0, context, call).await
    }

    /// The connection, each question to which is a call of this account.
    pub fn connection(&self, connection: Arc<dyn Connection>) -> Arc<dyn Connection> {
        layer::connection(&self.layer(), connection)
    }

    /// The dataset, each batch of which is a call of this account.
    pub fn dataset(&self, dataset: Arc<dyn Dataset>) -> Arc<dyn Dataset> {
        layer::dataset(&self.layer(), dataset)
    }

    fn layer(&self) -> Arc<dyn Layer> {
        Arc::clone(&self.0) as _
    }
}

impl Inner {
    async fn read(&self) -> Result<(Book, Expected)> {
        match self.store.get(&self.key).await? {
            None => Ok((Book::default(), Expected::Absent)),
            Some(Stored { bytes, version }) => {
                let saved = Saved::open(&self.key, VERSION, &bytes)?;
                Ok((saved.payload()?, Expected::Version(version)))
            }
        }
    }

    /// No panic can leave it half changed.
    fn over(&self) -> MutexGuard<'_, Vec<u64>> {
        self.over.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The book no longer has these.
    fn forget(&self, over: &[u64]) {
        self.over().retain(|id| !over.contains(id));
    }

    /// How long a call of this context may wait. Half of the time that it is waited for is left to the call itself: one that is cut
    /// while it waits would have been counted and not made, and who asked could not tell.
    fn longest_wait(&self, context: &Context) -> Duration {
        let now = context.clock().monotonic();
        let left = context.deadline().and_then(|end| end.checked_sub(now));
        // One that has passed is that of an older call.
        let left = left.filter(|left| !left.is_zero());
        let longest = self.limits.longest_wait;
        left.map_or(longest, |left| longest.min(left / 2))
    }

    /// `false`: somebody else was faster.
    async fn write(&self, context: &Context, mut book: Book, expected: Expected) -> Result<bool> {
        book.entry = draw(context);
        let bytes = Saved::seal(&self.key, VERSION, &book)?;
        let swap = self.store.put(&self.key, bytes, expected).await?;
        Ok(matches!(swap, Swap::Done(_)))
    }

    fn spent(&self, wait: Duration) -> Error {
        let message = "the account has no calls left for now; wait, or ask the other side for more";
        Error::new(ErrorKind::QuotaSpent, message)
            .with("account", &self.name)
            .with("seconds", wait.as_secs())
            .retrying(Retry::After(wait))
    }
}

#[async_trait]
impl Layer for Inner {
    async fn enter(&self, context: &Context) -> Result<Pass> {
        let clock = context.clock();
        let now = || clock.now().timestamp_micros();
        let (began, longest) = (clock.monotonic(), self.longest_wait(context));
        let bounded = self.limits.concurrency.is_some();
        let mut failed = 0;
        loop {
            let (mut book, expected) = self.read().await?;
            let over = self.over().clone();
            book.leave(&over);
            let id = draw(context);
            let left = longest.saturating_sub(clock.monotonic() - began);
            match book.enter(&self.limits, left, now(), id) {
                Turn::In(wait, within) => {
                    let mut place = Place {
                        account: self,
                        id: bounded.then_some(id),
                    };
                    if self.write(context, book, expected).await? {
                        self.forget(&over);
                        if !wait.is_zero() {
                            let account = &self.name;
                            context
                                .observer()
                                .observe(&Event::Throttled { account, wait });
                            clock.sleep(wait).await;
                        }
                        // Store and wait may have taken longer than they should: then the entry is wasted.
                        if within.contains(&now()) {
                            return Ok(Pass {
                                id: place.id.take(),
                                time: bounded.then_some(self.limits.longest_call),
                            });
                        }
                        if clock.monotonic() - began >= longest {
                            return Err(self.spent(LOOK));
                        }
                    }
                }
                Turn::Spent(wait) => return Err(self.spent(wait)),
                Turn::Busy if left.is_zero() => return Err(self.spent(LOOK)),
                Turn::Busy => {}
            }
            failed += 1;
            clock.sleep(pause(context, failed)).await;
        }
    }

    async fn leave(&self, context: &Context, pass: Pass, _: Option<&Error>) {
        let Some(id) = pass.id else { return };
        self.over().push(id);
        // What is not said now is said with the next entry; if none comes, it runs out by itself.
        for failed in 1..=GOODBYES {
            let over = self.over().clone();
            let Ok((mut book, expected)) = self.read().await else {
                return;
            };
            let done = match book.leave(&over) {
                true => self.write(context, book, expected).await,
                false => Ok(true),
            };
            match done {
                Ok(true) => return self.forget(&over),
                Ok(false) => context.clock().sleep(pause(context, failed)).await,
                Err(_) => return,
            }
        }
    }

    fn dropped(&self, _: &Context, pass: Pass, _: bool) {
        self.over().extend(pass.id);
    }
}

fn draw(context: &Context) -> u64 {
    let mut bytes = [0; 8];
    context.entropy().fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// A wait after the `failed`-th look, drawn from a range that doubles, so that those who meet once do not meet again.
fn pause(context: &Context, failed: u32) -> Duration {
    let most = Duration::from_millis(1 << failed.min(8)).min(LOOK);
    let share = draw(context) as f64 / u64::MAX as f64;
    most.mul_f64(share)
}
