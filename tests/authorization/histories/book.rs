//! What happened in a history, and what it excuses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use syncline::host::HttpRequest;

use super::World;

/// A sequence of numbers that a seed tells.
#[derive(Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    /// One of `most`, from 0.
    pub(crate) fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % most.max(1)
    }
}

/// A token request.
#[derive(Debug)]
struct Attempt {
    life: u64,
    /// When the step that made it began, and when it was over.
    began: u64,
    ended: Option<u64>,
    /// The server granted it.
    granted: bool,
    /// Whoever asked never heard of it.
    unheard: bool,
    /// Whoever asked died before the step was over, or could not keep what a person had consented to.
    lost: bool,
}

#[derive(Debug, Default)]
struct Pages {
    tick: u64,
    attempts: Vec<Attempt>,
    /// Who took a person's consent, from when to when: what another one was about to get then is of no use.
    replaced: Vec<(u64, u64, u64)>,
    /// Steps under way: when they began, and whether they take a consent.
    open: BTreeMap<u64, (u64, bool)>,
    /// Access tokens that were kept, and those that were given out.
    kept: BTreeSet<String>,
    given: Vec<String>,
    steps: u64,
    authorized: bool,
    revoked: bool,
    before: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Book(Arc<Mutex<Pages>>);

fn generation(world: &World) -> u64 {
    let store = world.store(Arc::new(world.state.clone()));
    let loaded = world.run(store.load("crm")).unwrap();
    loaded.map_or(0, |loaded| loaded.record.generation)
}

impl Book {
    pub(crate) fn new(world: &World) -> Self {
        let before = generation(world);
        let book = Book(Arc::new(Mutex::new(Pages {
            authorized: before > 0,
            before,
            ..Pages::default()
        })));
        book.keeps(world);
        book
    }

    fn with<T>(&self, write: impl FnOnce(&mut Pages) -> T) -> T {
        let mut pages = self.0.lock().unwrap();
        pages.tick += 1;
        write(&mut pages)
    }

    /// A token is asked for; the number of the attempt.
    pub(crate) fn asks(&self, life: u64) -> usize {
        self.with(|pages| {
            pages.attempts.push(Attempt {
                life,
                began: pages.open.get(&life).map_or(pages.tick, |open| open.0),
                ended: None,
                granted: false,
                unheard: true,
                lost: false,
            });
            pages.attempts.len() - 1
        })
    }

    pub(crate) fn granted(&self, request: &HttpRequest) {
        let number = request.headers["x-attempt"].to_str().unwrap();
        let number: usize = number.parse().unwrap();
        self.with(|pages| pages.attempts[number].granted = true);
    }

    pub(crate) fn hears(&self, attempt: usize) {
        self.with(|pages| pages.attempts[attempt].unheard = false);
    }

    pub(crate) fn begins(&self, life: u64, consents: bool) {
        self.with(|pages| {
            pages.steps += 1;
            pages.open.insert(life, (pages.tick, consents));
        });
    }

    /// A step is over, or its process is.
    fn over(&self, life: u64, lost: bool) {
        self.with(|pages| {
            let tick = pages.tick;
            if let Some((began, true)) = pages.open.remove(&life) {
                pages.replaced.push((life, began, tick));
            }
            for attempt in &mut pages.attempts {
                if attempt.life == life && attempt.ended.is_none() {
                    attempt.ended = Some(tick);
                    attempt.lost |= lost;
                }
            }
        });
    }

    pub(crate) fn ends(&self, life: u64, in_vain: bool) {
        self.over(life, in_vain);
    }

    pub(crate) fn dies(&self, life: u64) {
        self.over(life, true);
    }

    /// Something was put into the state; what is there now is durable.
    pub(crate) fn keeps(&self, world: &World) {
        let store = world.store(Arc::new(world.state.clone()));
        let loaded = world.run(store.load("crm")).unwrap();
        let access = loaded.and_then(|mut loaded| loaded.record.secrets.remove("access"));
        self.with(|pages| {
            pages
                .kept
                .extend(access.map(|access| access.expose().to_owned()))
        });
    }

    pub(crate) fn gives(&self, token: String) {
        self.with(|pages| pages.given.push(token));
    }

    /// What was given out is durable.
    pub(crate) fn is_durable(&self) {
        let lost = self.with(|pages| {
            let given = std::mem::take(&mut pages.given);
            given.into_iter().find(|token| !pages.kept.contains(token))
        });
        assert_eq!(
            lost, None,
            "it was given out, and nobody kept it: {self:#?}"
        );
    }

    pub(crate) fn authorizes(&self) {
        self.with(|pages| pages.authorized = true);
    }

    pub(crate) fn revokes(&self) {
        self.with(|pages| pages.revoked = true);
    }

    pub(crate) fn was_authorized(&self) -> bool {
        self.with(|pages| pages.authorized)
    }

    pub(crate) fn was_revoked(&self) -> bool {
        self.with(|pages| pages.revoked)
    }

    pub(crate) fn steps(&self) -> u64 {
        self.with(|pages| pages.steps)
    }

    /// Generations only grow.
    pub(crate) fn grows(&self, world: &World, before: u64) -> u64 {
        let now = generation(world);
        assert!(now >= before, "{now} behind {before}: {self:#?}");
        now
    }

    /// The generations that came since the history began.
    pub(crate) fn generations(&self, world: &World) -> u64 {
        let now = generation(world);
        self.with(|pages| now - pages.before)
    }

    /// Grants that nobody could have kept.
    pub(crate) fn excused(&self) -> u64 {
        self.with(|pages| {
            let replaced = |attempt: &Attempt| {
                let ended = attempt.ended.unwrap_or(u64::MAX);
                pages.replaced.iter().any(|(life, from, to)| {
                    *life != attempt.life && *from <= ended && *to >= attempt.began
                })
            };
            let excused = |attempt: &&Attempt| {
                attempt.granted && (attempt.unheard || attempt.lost || replaced(attempt))
            };
            pages.attempts.iter().filter(excused).count() as u64
        })
    }
}
