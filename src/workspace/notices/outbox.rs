//! Putting into mailboxes, and delivering what is in them.

use chrono::{DateTime, Utc};
use futures::StreamExt as _;
use futures::future::join_all;
use futures::stream;
use sha2::{Digest as _, Sha256};

use super::super::connections::is_of_the_store;
use super::super::documents::{TRIES, busy};
use super::super::{AuditEntry, AuditSubject};
use super::changes;
use super::mailbox::{Came, Mailbox, UnderWay};
use super::render;
use super::{Delivered, MailboxView, NoticePolicy, Notices};
use crate::host::{
    Context, Event, Expected, Notice, NoticeItem, NoticeSubject, StateKey, StateKind, hex, within,
};
use crate::{Error, ErrorKind, Result, Retry};

/// How many keys are asked for at a time.
const PAGE: usize = 100;
/// How many notices of one mailbox are delivered in one go; more than one only if the first was under way already.
const IN_A_ROW: usize = 2;
/// How many mailboxes are delivered from at a time.
const AT_ONCE: usize = 8;

/// Something that happened, and who is to hear of it.
#[derive(Debug)]
pub(super) struct News {
    pub(super) item: NoticeItem,
    pub(super) to: Vec<String>,
    /// Who is told of its failures, if it succeeded: those need not be told of this.
    pub(super) relieved: Vec<String>,
}

/// A name for what is to be told once.
pub(super) fn item_id(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hex(&hash.finalize(), 16)
}

impl<'a> Notices<'a> {
    fn key(self, address: &str) -> Result<StateKey> {
        // An address may be longer than a key can be.
        let name = hex(&Sha256::digest(address.as_bytes()), 32);
        self.0.key(StateKind::Notice, [name])
    }

    /// Changes a mailbox. Where the change changes nothing, nothing is written.
    async fn change<R>(
        self,
        context: &Context,
        key: &StateKey,
        mut change: impl FnMut(&mut Mailbox) -> R,
    ) -> Result<R> {
        let documents = self.0.documents(context);
        for attempt in 0..TRIES {
            let (before, expected) = match documents.found::<Mailbox>(key).await? {
                None => (Mailbox::default(), Expected::Absent),
                Some((mailbox, version)) => (mailbox, Expected::Version(version)),
            };
            let mut mailbox = before.clone();
            let changed = change(&mut mailbox);
            if mailbox == before || documents.put(key, &mailbox, expected).await? {
                return Ok(changed);
            }
            documents.give_way(attempt).await;
        }
        Err(busy(key))
    }

    /// Puts news into the mailboxes of those who are to hear of them; answers which these are, and what went wrong with others.
    pub(super) async fn put(
        self,
        context: &Context,
        news: &[News],
    ) -> (Vec<String>, Option<Error>) {
        if !self.are_on() {
            return (Vec::new(), None);
        }
        let mut addresses: Vec<&String> = news
            .iter()
            .flat_map(|news| news.to.iter().chain(&news.relieved))
            .collect();
        addresses.sort_unstable();
        addresses.dedup();
        let (policy, now) = (self.policy(), context.clock().now());
        let (mut told, mut failed) = (Vec::new(), None::<Error>);
        for address in addresses {
            let put = |mailbox: &mut Mailbox| {
                for news in news {
                    if news.relieved.contains(address) {
                        mailbox.recovered(news.item.what, &news.item.subject);
                    }
                    if news.to.contains(address) {
                        mailbox.address.clone_from(address);
                        mailbox.put(&news.item, policy, now);
                    }
                }
            };
            let done = async { self.change(context, &self.key(address)?, put).await };
            match done.await {
                Ok(()) if news.iter().all(|news| !news.to.contains(address)) => {}
                Ok(()) => told.push(address.clone()),
                // What passes is tried again, so that is the one to tell.
                Err(error) => {
                    let first =
                        failed.filter(|first| is_of_the_store(first) || !is_of_the_store(&error));
                    failed = first.or(Some(error));
                }
            }
        }
        (told, failed.map(|error| error.during("tell people")))
    }

    /// Puts news, and delivers what may be told to these addresses now. What goes wrong is observed: nothing else must fail by it.
    pub(super) async fn tell(self, context: &Context, news: &[News]) {
        let (told, failed) = self.put(context, news).await;
        if let Some(error) = failed {
            self.not_kept(context, &error);
        }
        self.deliver_to(context, &told).await;
    }

    /// Puts what is to be told of changes; answers who is to hear of them. Only what passes is an error: a mailbox that cannot be read must not keep anybody from
    /// changing things.
    pub(in crate::workspace) async fn put_changes(
        self,
        context: &Context,
        entries: &[AuditEntry],
    ) -> Result<Vec<String>> {
        let (told, failed) = self.put(context, &changes::news(entries)).await;
        match failed {
            Some(error) if is_of_the_store(&error) => Err(error),
            Some(error) => {
                self.not_kept(context, &error);
                Ok(told)
            }
            None => Ok(told),
        }
    }

    /// Delivers what may be told to these addresses now. What goes wrong is observed.
    pub(in crate::workspace) async fn deliver_to<'b>(
        self,
        context: &'b Context,
        addresses: &'b [String],
    ) {
        let deliver = |address: &'b String| async move {
            let delivered = async { self.empty(context, &self.key(address)?).await };
            if let Err(error) = delivered.await {
                self.not_kept(context, &error);
            }
        };
        join_all(addresses.iter().map(deliver)).await;
    }

    pub(in crate::workspace) fn not_kept(self, context: &Context, error: &Error) {
        let (what, kind) = ("notice", error.kind());
        context.observer().observe(&Event::NotKept { what, kind });
    }

    /// Delivers what may be told by now: what waited for its hour or for the digest, and what failed before. A host calls it every minute or so, in as many
    /// processes as it likes; when there is something again the answer says. Without [`Notifications`](crate::host::Notifications) it does nothing.
    ///
    /// # Errors
    /// Those of the store; other addresses were delivered to all the same.
    pub async fn deliver(self, context: &Context) -> Result<Delivered> {
        let (mut delivered, mut failed) = (Delivered::default(), None);
        if !self.are_on() {
            return Ok(delivered);
        }
        // Who died behind a change told nobody.
        if let Err(error) = self.0.tell(context).await {
            failed = Some(error);
        }
        let keys = self.keys(context).await?;
        // With keys of its own it is a future that a host can spawn.
        let empty = |key: StateKey| async move {
            match context.cancel().is_cancelled() {
                true => Ok(Delivered::default()),
                false => self.empty(context, &key).await,
            }
        };
        let mut done = stream::iter(keys.into_iter().map(empty)).buffer_unordered(AT_ONCE);
        while let Some(done) = done.next().await {
            match done {
                Ok(done) => delivered.add(&done),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        match failed {
            Some(error) => Err(error.during("deliver notices")),
            None => Ok(delivered),
        }
    }

    /// The mailboxes of all who were told something lately, or are to be, by address.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn mailboxes(self, context: &Context) -> Result<Vec<MailboxView>> {
        let documents = self.0.documents(context);
        let (policy, now) = (self.policy(), context.clock().now());
        let mut views = Vec::new();
        for key in self.keys(context).await? {
            let mailbox = documents.load::<Mailbox>(&key).await?;
            views.extend(mailbox.map(|mailbox| MailboxView::of(mailbox, policy, now)));
        }
        views.sort_by(|a, b| a.address.cmp(&b.address));
        Ok(views)
    }

    async fn keys(self, context: &Context) -> Result<Vec<StateKey>> {
        let documents = self.0.documents(context);
        let mut keys: Vec<StateKey> = Vec::new();
        loop {
            let (tenant, behind) = (self.0.tenant(), keys.last());
            let page = documents
                .store()
                .list(tenant, StateKind::Notice, behind, PAGE);
            let page = page.await?;
            if page.is_empty() {
                return Ok(keys);
            }
            keys.extend(page);
        }
    }

    /// Delivers what may be told of a mailbox.
    async fn empty(self, context: &Context, key: &StateKey) -> Result<Delivered> {
        let mut delivered = Delivered::default();
        for _ in 0..IN_A_ROW {
            let Some(claimed) = self.claim(context, key).await? else {
                break;
            };
            let (address, notice) = claimed;
            let error = self.send(context, &address, &notice).await.err();
            let (policy, now) = (self.policy(), context.clock().now());
            let end = |mailbox: &mut Mailbox| mailbox.ended(policy, now, &notice, error.as_ref());
            match self.change(context, key, end).await? {
                Came::Sent => delivered.sent += 1,
                Came::Failed => delivered.failed += 1,
                Came::GivenUp { items, tries } => {
                    delivered.given_up += 1;
                    let kind = error.as_ref().map_or(ErrorKind::Contract, Error::kind);
                    let event = Event::NotTold { items, tries, kind };
                    context.observer().observe(&event);
                }
                Came::NotOurs => {}
            }
        }
        self.look(context, key, &mut delivered).await?;
        Ok(delivered)
    }

    /// Takes the notice that is to be delivered now, so that others leave it alone for a while.
    async fn claim(self, context: &Context, key: &StateKey) -> Result<Option<(String, UnderWay)>> {
        let draw = || crate::host::unique(context.entropy());
        let (id, claim) = (draw(), draw());
        let (policy, now) = (self.policy(), context.clock().now());
        let claim = |mailbox: &mut Mailbox| {
            let notice = mailbox.claim(policy, now, &id, &claim)?;
            Some((mailbox.address.clone(), notice))
        };
        self.change(context, key, claim).await
    }

    async fn send(self, context: &Context, address: &str, under_way: &UnderWay) -> Result<()> {
        let Some(notifications) = &self.0.0.config.notifications else {
            return Ok(());
        };
        let (id, tenant, at) = (&under_way.id, self.0.tenant().clone(), under_way.at);
        let notice = Notice::new(id, tenant, address, at)
            .with_items(under_way.items.iter().cloned())
            .with_left_out(under_way.left_out);
        let notice = render::rendered(notice);
        let deliver = notifications.deliver(&notice);
        let answer = within(context.clock(), self.policy().timeout, deliver).await;
        answer.unwrap_or_else(|| {
            let message = "the notice was not delivered in time; it is delivered again later";
            Err(Error::new(ErrorKind::Timeout, message).retrying(Retry::Now))
        })
    }

    /// Adds what is left in a mailbox, and takes it away when nobody needs it any more.
    async fn look(
        self,
        context: &Context,
        key: &StateKey,
        delivered: &mut Delivered,
    ) -> Result<()> {
        let documents = self.0.documents(context);
        let Some((mailbox, version)) = documents.found::<Mailbox>(key).await? else {
            return Ok(());
        };
        let (policy, now) = (self.policy(), context.clock().now());
        if mailbox.is_over(policy, now) {
            // If somebody puts something meanwhile, it stays.
            documents.store().delete(key, version).await?;
            return Ok(());
        }
        delivered.waiting += mailbox.len();
        let next = mailbox.next(policy, now);
        delivered.next = [delivered.next, next].into_iter().flatten().min();
        Ok(())
    }
}

impl MailboxView {
    fn of(mailbox: Mailbox, policy: &NoticePolicy, now: DateTime<Utc>) -> Self {
        let next = mailbox.next(policy, now);
        MailboxView {
            waiting: mailbox.len(),
            next,
            last_sent: mailbox.last_sent,
            given_up: mailbox.given_up,
            failed_at: mailbox.problem.as_ref().map(|(at, _)| *at),
            problem: mailbox.problem.map(|(_, text)| text),
            address: mailbox.address,
        }
    }
}

/// What something is, as an item says it.
pub(super) fn subject_of(what: AuditSubject) -> Option<NoticeSubject> {
    match what {
        AuditSubject::Job => Some(NoticeSubject::Job),
        AuditSubject::Chain => Some(NoticeSubject::Chain),
        AuditSubject::Connection => None,
    }
}
