//! Notifications that do not tell people as they should.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use async_trait::async_trait;
use futures::FutureExt as _;
use syncline::host::{Notice, Notifications};
use syncline::testing::conformance::{NOTIFICATIONS, NotificationsFixture};
use syncline::{Error, ErrorKind, Result};

use super::{Broken, broken};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    TellsNobody,
    ForgetsIds,
    RemembersTheLastIdOnly,
    KnowsTheSubjectAgain,
    RefusesWhatComesAgain,
    LooksAndThenWaits,
    SendsAndThenRemembers,
    CutsLongOnes,
    RefusesOtherLanguages,
    HasNoDeadAddress,
    CallsItBusy,
    StopsAtADeadAddress,
}

#[derive(Debug)]
struct Mail {
    flaw: Flaw,
    shown: Arc<Mutex<Vec<String>>>,
    ids: Mutex<BTreeSet<String>>,
    last: Mutex<String>,
    stopped: Mutex<bool>,
}

/// Lets others come first.
async fn moment() {
    let mut first = true;
    poll_fn(|task| match std::mem::take(&mut first) {
        true => {
            task.waker().wake_by_ref();
            Poll::Pending
        }
        false => Poll::Ready(()),
    })
    .await;
}

impl Mail {
    fn is_known(&self, notice: &Notice) -> bool {
        let name = match self.flaw {
            Flaw::KnowsTheSubjectAgain => &notice.subject,
            _ => &notice.id,
        };
        match self.flaw {
            Flaw::ForgetsIds => false,
            Flaw::RemembersTheLastIdOnly => *self.last.lock().unwrap() == notice.id,
            _ => self.ids.lock().unwrap().contains(name),
        }
    }

    fn remember(&self, notice: &Notice) {
        let name = match self.flaw {
            Flaw::KnowsTheSubjectAgain => &notice.subject,
            _ => &notice.id,
        };
        self.ids.lock().unwrap().insert(name.clone());
        self.last.lock().unwrap().clone_from(&notice.id);
    }

    fn show(&self, text: String) {
        self.shown.lock().unwrap().push(text);
    }
}

fn no(kind: ErrorKind) -> Error {
    Error::new(kind, "no")
}

#[async_trait]
impl Notifications for Mail {
    async fn deliver(&self, notice: &Notice) -> Result<()> {
        if notice.to == "gone" {
            return match self.flaw {
                Flaw::HasNoDeadAddress => Ok(()),
                Flaw::CallsItBusy => Err(no(ErrorKind::Io)),
                Flaw::StopsAtADeadAddress => {
                    *self.stopped.lock().unwrap() = true;
                    Err(no(ErrorKind::Invalid))
                }
                _ => Err(no(ErrorKind::NotFound)),
            };
        }
        if *self.stopped.lock().unwrap() {
            return Ok(());
        }
        let known = self.is_known(notice);
        if self.flaw == Flaw::LooksAndThenWaits {
            moment().await;
        }
        if known {
            return match self.flaw {
                Flaw::RefusesWhatComesAgain => Err(no(ErrorKind::Invalid)),
                _ => Ok(()),
            };
        }
        let text = match self.flaw {
            Flaw::TellsNobody => return Ok(()),
            Flaw::CutsLongOnes if notice.text.len() > 10_000 => return Ok(()),
            Flaw::RefusesOtherLanguages if !notice.text.is_ascii() => {
                return Err(no(ErrorKind::Malformed));
            }
            _ => notice.text.clone(),
        };
        if self.flaw == Flaw::SendsAndThenRemembers {
            self.show(text);
            moment().await;
            self.remember(notice);
            return Ok(());
        }
        self.remember(notice);
        self.show(text);
        Ok(())
    }
}

fn fixture(flaw: Flaw) -> NotificationsFixture {
    let shown = Arc::new(Mutex::new(Vec::new()));
    let mail = Mail {
        flaw,
        shown: Arc::clone(&shown),
        ids: Mutex::default(),
        last: Mutex::default(),
        stopped: Mutex::default(),
    };
    let look = move || {
        let shown = shown.lock().unwrap().clone();
        async move { Ok(shown) }.boxed()
    };
    NotificationsFixture::new(mail, "here", look).with_dead_address("gone")
}

pub(super) fn broken_notifications() -> Vec<Broken> {
    let all: [(&str, Flaw, &[&str]); 12] = [
        (
            "NT-01",
            Flaw::TellsNobody,
            &["NT-02", "NT-03", "NT-04", "NT-05", "NT-06", "NT-07"],
        ),
        ("NT-02", Flaw::ForgetsIds, &["NT-04", "NT-05"]),
        ("NT-02", Flaw::RemembersTheLastIdOnly, &[]),
        ("NT-02", Flaw::RefusesWhatComesAgain, &["NT-04", "NT-05"]),
        ("NT-03", Flaw::KnowsTheSubjectAgain, &[]),
        ("NT-04", Flaw::LooksAndThenWaits, &[]),
        ("NT-05", Flaw::SendsAndThenRemembers, &["NT-04"]),
        ("NT-06", Flaw::CutsLongOnes, &[]),
        ("NT-06", Flaw::RefusesOtherLanguages, &[]),
        ("NT-07", Flaw::HasNoDeadAddress, &[]),
        ("NT-07", Flaw::CallsItBusy, &[]),
        ("NT-07", Flaw::StopsAtADeadAddress, &[]),
    ];
    all.into_iter()
        .map(|(clause, flaw, collateral)| {
            broken(&NOTIFICATIONS, clause, flaw, collateral, move || {
                fixture(flaw)
            })
        })
        .collect()
}
