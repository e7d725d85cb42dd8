//! Histories by chance: several processes authorize, refresh, are rejected and revoke at once, over stores that fail, answer late or
//! show what was there before, over a network that loses answers, by clocks that are set; and they die at any effect.
//!
//! A seed is a history, the same each time: `SYNCLINE_SEED=17` tells one, `SYNCLINE_SEEDS=100000` how many. What must hold:
//!
//! 1. The server grants each generation once; what it grants beyond that was asked for by who died, or never heard the answer.
//! 2. Whatever happened, who comes next has a token that the server takes, or a person must act; and if so, there is a reason.
//! 3. Then nothing is asked any more.
//! 4. A token is durable before it is given out.
//! 5. Generations only grow. No token is in the state in clear. No error is of a kind that nobody can act upon.

mod book;
mod process;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as Task, Wake, Waker};

use syncline::authorization::{
    Authorization as _, AuthorizationState, CredentialRequest, Grant, OAuth,
};
use syncline::host::{HttpRequest, StateKind, StateStore as _};
use syncline::{ErrorKind, Retry, Tenant};

use super::server::World;
use book::{Book, Chance};
use process::{Fates, Process, Step};

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

/// A process under way, and what it has still to do when it dies.
struct Running {
    life: u64,
    fates: Fates,
    steps: Vec<Step>,
    done: Arc<std::sync::atomic::AtomicUsize>,
    future: Pin<Box<dyn Future<Output = ()>>>,
    woken: Arc<Woken>,
}

fn start(world: &World, book: &Book, seed: u64, life: u64, steps: Vec<Step>) -> Running {
    let fates = Fates::new(seed, life);
    let process = Process::new(world, book, &fates, life);
    let done = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    Running {
        life,
        future: Box::pin(process.live(steps.clone(), Arc::clone(&done))),
        fates,
        steps,
        done,
        woken: Arc::new(Woken(AtomicBool::new(true))),
    }
}

/// What became of all histories.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    counts: BTreeMap<&'static str, u64>,
}

impl Totals {
    fn add(&mut self, what: &'static str, number: u64) {
        *self.counts.entry(what).or_default() += number;
    }
}

fn history(seed: u64, totals: &mut Totals) {
    let world = World::new();
    let mut chance = Chance::new(seed);
    world.server.books().lifetime = 600;
    world.server.books().rotates = chance.below(4) > 0;
    if chance.below(8) > 0 {
        world.authorized();
    }
    let book = Book::new(&world);
    let first = world.server.books().issued;
    let mut lives = 0;
    let mut running = Vec::new();
    for _ in 0..=chance.below(3) {
        lives += 1;
        let steps = (0..3 + chance.below(5)).map(|_| Step::draw(&mut chance));
        running.push(start(&world, &book, seed, lives, steps.collect()));
    }
    let mut generation = 0;
    while !running.is_empty() {
        let awake: Vec<usize> = (0..running.len())
            .filter(|at| running[*at].woken.0.load(Ordering::Acquire))
            .collect();
        let Some(&at) = awake.get(chance.below(awake.len().max(1) as u64) as usize) else {
            // Whoever is left waits for an answer that never comes.
            if !world.clock.leap() {
                break;
            }
            continue;
        };
        let one = &mut running[at];
        one.woken.0.store(false, Ordering::Release);
        let waker = Waker::from(Arc::clone(&one.woken));
        let ended = one.future.as_mut().poll(&mut Task::from_waker(&waker));
        let died = one.fates.died();
        if ended.is_ready() || died {
            let one = running.swap_remove(at);
            if died {
                totals.add("deaths", 1);
                book.dies(one.life);
                lives += 1;
                // What it was about to do is lost with it.
                let left = one.done.load(Ordering::SeqCst) + 1;
                let left = one.steps.get(left..).unwrap_or_default().to_vec();
                running.push(start(&world, &book, seed, lives, left));
            }
            totals.add("faults", one.fates.faults());
        }
        generation = book.grows(&world, generation);
        book.is_durable();
    }
    for one in running {
        book.dies(one.life);
    }
    ends_well(&world, &book, totals);
    let granted = world.server.books().issued - first;
    let needed = book.generations(&world);
    let excused = book.excused();
    assert!(
        granted <= needed + excused,
        "{granted} grants for {needed} generations, {excused} of them excused: {book:#?}"
    );
    totals.add("histories", 1);
    totals.add("grants", granted);
    totals.add("excused", excused);
    totals.add("steps", book.steps());
    nothing_in_clear(&world);
}

/// What the next process finds, which nothing disturbs.
fn ends_well(world: &World, book: &Book, totals: &mut Totals) {
    let oauth = world.oauth(Grant::AuthorizationCode);
    world.later(7_200);
    let mut got = ask(world, &oauth);
    for _ in 0..3 {
        match &got {
            Err(error) if error.retry() != Retry::Never => world.later(301),
            _ => break,
        }
        got = ask(world, &oauth);
    }
    match got {
        Ok(credential) => {
            let request = HttpRequest::get(credential.url("/users").unwrap());
            let request = credential.attach(request).unwrap();
            let bearer = request.headers["authorization"].to_str().unwrap();
            let token = bearer.trim_start_matches("Bearer ");
            let known = world
                .server
                .books()
                .access
                .iter()
                .any(|known| known == token);
            assert!(known, "the server does not know the token: {book:#?}");
            totals.add("ended with a token", 1);
        }
        Err(error) => {
            assert_eq!(
                error.kind(),
                ErrorKind::ReauthorizationRequired,
                "{error:?}"
            );
            let state = world.run(oauth.state(world.context())).unwrap();
            let reason = match state {
                AuthorizationState::Unauthorized => !book.was_authorized(),
                AuthorizationState::Revoked => book.was_revoked(),
                _ => book.was_revoked() || book.excused() > 0,
            };
            assert!(reason, "{state:?}, and nothing had happened: {book:#?}");
            let asked = world.server.books().token_requests;
            for _ in 0..5 {
                world.later(4_000);
                ask(world, &oauth).unwrap_err();
            }
            assert_eq!(world.server.books().token_requests, asked, "{book:#?}");
            totals.add("ended with a person", 1);
        }
    }
}

fn ask(world: &World, oauth: &OAuth) -> syncline::Result<syncline::authorization::Credential> {
    world.run(oauth.credential(world.context(), CredentialRequest::new()))
}

fn nothing_in_clear(world: &World) {
    let tenant = Tenant::new("acme").unwrap();
    for kind in [StateKind::Credential, StateKind::Consent] {
        let keys = world
            .run(world.state.list(&tenant, kind, None, 100))
            .unwrap();
        for key in keys {
            let stored = world.run(world.state.get(&key)).unwrap().unwrap();
            let text = String::from_utf8_lossy(&stored.bytes).into_owned();
            for secret in [
                "access-s",
                "refresh-s",
                "code-s",
                "client-secret",
                "session",
            ] {
                // The name of a field is none of its value.
                assert!(!text.replace("\"session\":", "").contains(secret), "{text}");
            }
        }
    }
}

#[test]
fn whatever_happens_each_generation_is_granted_once() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse().unwrap());
    let seeds = match number("SYNCLINE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..number("SYNCLINE_SEEDS").unwrap_or(5_000) + 1,
    };
    let began = std::time::Instant::now();
    let mut totals = Totals::default();
    for seed in seeds.clone() {
        let told = std::panic::AssertUnwindSafe(|| history(seed, &mut totals));
        if let Err(panic) = std::panic::catch_unwind(told) {
            println!("it was seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
    println!("{totals:?} in {:?}", began.elapsed());
    // A sweep that disturbs nothing proves nothing.
    if seeds.end - seeds.start >= 1_000 {
        for what in [
            "deaths",
            "excused",
            "ended with a token",
            "ended with a person",
        ] {
            let often = totals.counts.get(what).copied().unwrap_or(0);
            assert!(often > 20, "{what}: {often}");
        }
    }
}
