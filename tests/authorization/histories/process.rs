//! One process of a history.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::TimeDelta;
use http::{HeaderName, HeaderValue};
use syncline::authorization::{
    Authorization as _, BeginRequest, Credential, CredentialRequest, Grant, OAuth, OAuthConfig,
    Refresh, RefreshTerms, RevokeMode,
};
use syncline::host::{
    Clock as _, Context, Expected, HttpRequest, HttpResponse, SeededEntropy, StateKey, StateKind,
    StateStore, StateVersion, Stored, Swap, Transport,
};
use syncline::memory::MemoryTransport;
use syncline::testing::{Effect, EffectKind, Effects, Fate};
use syncline::{Error, ErrorKind, Result, Tenant};

use super::World;
use super::book::{Book, Chance};

/// Milliseconds between instants at which processes wake. A token lasts for 600 seconds.
const PERIOD: u64 = 400_000;

/// What a process does next.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    Sleep(u64),
    Use(u64),
    Check,
    IsRejected,
    Authorize,
    Revoke(RevokeMode),
}

impl Step {
    pub(crate) fn draw(chance: &mut Chance) -> Self {
        match chance.below(20) {
            0..6 => Step::Sleep(chance.below(2)),
            6..13 => Step::Use(chance.below(400)),
            13..14 => Step::Check,
            14..17 => Step::IsRejected,
            17..19 => Step::Authorize,
            _ if chance.below(2) == 0 => Step::Revoke(RevokeMode::Confirmed),
            _ => Step::Revoke(RevokeMode::Force),
        }
    }
}

/// What becomes of the effects of a process.
#[derive(Debug, Clone)]
pub(crate) struct Fates {
    effects: Effects,
    hangs: Arc<AtomicBool>,
    faults: Arc<AtomicU64>,
}

/// One of the fates of an effect, or none.
fn fate(chance: &mut Chance, effect: &Effect) -> Fate {
    let time = Duration::from_millis(chance.below(900));
    let retry = chance.below(2) == 0;
    let state = !matches!(effect.kind, EffectKind::HttpSend);
    if effect.kind == EffectKind::ClockRead {
        // People set clocks seldom.
        let by = TimeDelta::seconds(chance.below(7_200) as i64 - 3_600);
        return if chance.below(12) == 0 {
            Fate::Jump(by)
        } else {
            Fate::Proceed
        };
    }
    match chance.below(11) {
        0 => Fate::CrashBefore,
        1 => Fate::CrashAfter,
        2 | 3 => Fate::Fail(retry),
        4 => Fate::FailAfter(retry),
        5 => Fate::Hang,
        6 => Fate::HangAfter,
        7 => Fate::Slow(time),
        8 => Fate::Hold(time),
        // A network that delivers twice what is for once uses up what it carries; that is not ours to mend.
        _ if !state => Fate::Fail(true),
        _ => match effect.kind {
            EffectKind::StateGet | EffectKind::StateList => Fate::Stale,
            _ => Fate::Duplicate,
        },
    }
}

impl Fates {
    pub(crate) fn new(seed: u64, life: u64) -> Self {
        let mut chance = Chance::new(seed.wrapping_mul(1_000_003) + life);
        let hangs = Arc::new(AtomicBool::new(false));
        let faults = Arc::new(AtomicU64::new(0));
        let (hung, count) = (Arc::clone(&hangs), Arc::clone(&faults));
        // One life is quiet and another is not.
        let one_in = [4, 8, 20, 1_000][chance.below(4) as usize];
        let effects = Effects::new(move |effect| {
            if chance.below(one_in) > 0 {
                return Fate::Proceed;
            }
            let fate = fate(&mut chance, effect);
            count.fetch_add(u64::from(fate != Fate::Proceed), Ordering::SeqCst);
            // The time of a call over HTTP is bounded; a store that never answers holds up its process for ever.
            let hangs = matches!(fate, Fate::Hang | Fate::HangAfter);
            if hangs && effect.kind != EffectKind::HttpSend {
                hung.store(true, Ordering::SeqCst);
            }
            fate
        });
        Fates {
            effects,
            hangs,
            faults,
        }
    }

    /// It came to its end before its work did.
    pub(crate) fn died(&self) -> bool {
        self.effects.crashed() || self.hangs.load(Ordering::SeqCst)
    }

    pub(crate) fn faults(&self) -> u64 {
        self.faults.load(Ordering::SeqCst)
    }
}

/// Lets others go first.
async fn give_way(times: u64) {
    for _ in 0..times {
        let mut first = true;
        std::future::poll_fn(|task| {
            if std::mem::take(&mut first) {
                task.waker().wake_by_ref();
                return std::task::Poll::Pending;
            }
            std::task::Poll::Ready(())
        })
        .await;
    }
}

/// A store or a network in front of whose calls, and behind them, others have their turn.
#[derive(Debug)]
struct Turns<T>(T, Mutex<Chance>);

impl<T> Turns<T> {
    async fn turn(&self) {
        let times = self.1.lock().unwrap().below(3);
        give_way(times).await;
    }
}

#[async_trait]
impl StateStore for Turns<Arc<dyn StateStore>> {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>> {
        self.turn().await;
        let found = self.0.get(key).await;
        self.turn().await;
        found
    }

    async fn put(&self, key: &StateKey, bytes: Bytes, expected: Expected) -> Result<Swap> {
        self.turn().await;
        let put = self.0.put(key, bytes, expected).await;
        self.turn().await;
        put
    }

    async fn delete(&self, key: &StateKey, expected: StateVersion) -> Result<bool> {
        self.turn().await;
        self.0.delete(key, expected).await
    }

    async fn list(
        &self,
        tenant: &Tenant,
        kind: StateKind,
        start_after: Option<&StateKey>,
        limit: usize,
    ) -> Result<Vec<StateKey>> {
        self.0.list(tenant, kind, start_after, limit).await
    }
}

/// The store itself; what it has been given is booked.
struct Kept {
    world: World,
    book: Book,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kept")
    }
}

#[async_trait]
impl StateStore for Kept {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>> {
        self.world.state.get(key).await
    }

    async fn put(&self, key: &StateKey, bytes: Bytes, expected: Expected) -> Result<Swap> {
        let put = self.world.state.put(key, bytes, expected).await;
        self.book.keeps(&self.world);
        put
    }

    async fn delete(&self, key: &StateKey, expected: StateVersion) -> Result<bool> {
        self.world.state.delete(key, expected).await
    }

    async fn list(
        &self,
        tenant: &Tenant,
        kind: StateKind,
        start_after: Option<&StateKey>,
        limit: usize,
    ) -> Result<Vec<StateKey>> {
        self.world
            .state
            .list(tenant, kind, start_after, limit)
            .await
    }
}

/// The network as a process sees it: what it asked for and whether it heard an answer is booked.
#[derive(Debug)]
struct Booked {
    transport: Turns<Arc<dyn Transport>>,
    book: Book,
    life: u64,
}

#[async_trait]
impl Transport for Booked {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse> {
        self.transport.turn().await;
        if request.url.path() != "/token" {
            return self.transport.0.send(request).await;
        }
        let attempt = self.book.asks(self.life);
        let number = HeaderValue::from_str(&attempt.to_string()).unwrap();
        let request = request.with_header(HeaderName::from_static("x-attempt"), number);
        let answer = self.transport.0.send(request).await?;
        self.transport.turn().await;
        self.book.hears(attempt);
        Ok(answer)
    }
}

/// A process that has the connection.
pub(crate) struct Process {
    world: World,
    book: Book,
    life: u64,
    context: Context,
    oauth: OAuth,
}

/// The server, which is busy at times, and books what it grants.
fn server(world: &World, book: &Book, life: u64) -> MemoryTransport {
    let (world, book) = (world.clone(), book.clone());
    let chance = Mutex::new(Chance::new(life.wrapping_mul(77)));
    MemoryTransport::new(move |request| {
        if chance.lock().unwrap().below(25) == 0 {
            return Ok(HttpResponse::of(request, 503, ""));
        }
        let before = world.server.books().issued;
        let answer = world.server.answer(request);
        if world.server.books().issued > before {
            book.granted(request);
        }
        answer
    })
}

impl Process {
    pub(crate) fn new(world: &World, book: &Book, fates: &Fates, life: u64) -> Self {
        let effects = fates
            .effects
            .clone()
            .with_clock(Arc::new(world.clock.clone()));
        let turns = |salt: u64| Mutex::new(Chance::new(life * 2 + salt));
        let kept = Kept {
            world: world.clone(),
            book: book.clone(),
        };
        let state = Turns(effects.state(Arc::new(kept)), turns(0));
        let mut config: OAuthConfig = world.config(Grant::AuthorizationCode, Arc::new(state));
        config.transport = Arc::new(Booked {
            transport: Turns(
                effects.transport(Arc::new(server(world, book, life))),
                turns(1),
            ),
            book: book.clone(),
            life,
        });
        let terms = RefreshTerms::default()
            .with_timeout(Duration::from_secs(5))
            .with_margin(Duration::from_secs(4));
        let context = world
            .context()
            .clone()
            .with_clock(effects.clock(Arc::new(world.clock.clone())))
            .with_entropy(Arc::new(SeededEntropy::new(life << 32)));
        Process {
            world: world.clone(),
            book: book.clone(),
            life,
            context,
            oauth: OAuth::new(config.with_terms(terms)).unwrap(),
        }
    }

    /// Lives as long as there is something to do.
    pub(crate) async fn live(self, steps: Vec<Step>, done: Arc<AtomicUsize>) {
        for step in steps {
            let consents = matches!(step, Step::Authorize);
            self.book.begins(self.life, consents);
            let result = self.step(step).await;
            self.book.ends(self.life, consents && result.is_err());
            if let Err(error) = result {
                assert!(is_expected(&error), "{step:?}: {error:?}");
            }
            done.fetch_add(1, Ordering::SeqCst);
        }
    }

    async fn credential(&self, request: CredentialRequest) -> Result<Credential> {
        let credential = self.oauth.credential(&self.context, request).await?;
        let request = HttpRequest::get(credential.url("/users")?);
        let request = credential.attach(request)?;
        let bearer = request.headers["authorization"].to_str().unwrap();
        self.book
            .gives(bearer.trim_start_matches("Bearer ").to_owned());
        Ok(credential)
    }

    async fn step(&self, step: Step) -> Result<()> {
        let context = &self.context;
        match step {
            Step::Sleep(times) => {
                // All wake at the same instants.
                let passed = self.world.clock.monotonic().as_millis() as u64;
                let next = (passed / PERIOD + 1 + times) * PERIOD;
                let time = Duration::from_millis(next - passed);
                self.world.clock.sleep(time).await;
                Ok(())
            }
            Step::Use(seconds) => {
                let time = Duration::from_secs(seconds);
                let request = CredentialRequest::new().with_valid_for(time);
                self.credential(request).await.map(|_| ())
            }
            Step::Check => {
                let request = CredentialRequest::new().with_refresh(Refresh::Never);
                self.credential(request).await.map(|_| ())
            }
            Step::IsRejected => {
                let credential = self.credential(CredentialRequest::new()).await?;
                self.oauth.rejected(context, &credential).await?;
                Ok(())
            }
            Step::Authorize => self.authorize().await,
            Step::Revoke(mode) => {
                // Whether it is done, or only begun.
                self.book.revokes();
                self.oauth.revoke(context, mode).await.map(|_| ())
            }
        }
    }

    async fn authorize(&self) -> Result<()> {
        let redirect = "https://host.example.com/callback".parse().unwrap();
        let request = BeginRequest::new("session", redirect);
        let consent = self.oauth.begin(&self.context, request).await?;
        let callback = self.world.callback(&consent.url);
        give_way(2).await;
        self.oauth.complete(&self.context, callback).await?;
        self.book.authorizes();
        Ok(())
    }
}

/// What a host can act upon.
fn is_expected(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Io
            | ErrorKind::Timeout
            | ErrorKind::ReauthorizationRequired
            | ErrorKind::StateMismatch
            | ErrorKind::Unsupported
    )
}
