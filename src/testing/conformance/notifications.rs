//! What is asked of notifications.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt as _;
use futures::future::{BoxFuture, join};

use super::clause::{Checked, Finding, OrBroken as _, clause, must, opaque, reached, unique};
use super::{Capability, Fixture, Suite};
use crate::host::{Context, Notice, NoticeItem, NoticeKind, NoticeSubject, Notifications};
use crate::{ErrorKind, Result, Tenant};

type Shown = dyn Fn() -> BoxFuture<'static, Result<Vec<String>>> + Send + Sync;

/// Notifications, with an address where what arrives can be looked at.
pub struct NotificationsFixture {
    notifications: Arc<dyn Notifications>,
    address: String,
    shown: Arc<Shown>,
    dead: Option<String>,
}

opaque!(NotificationsFixture);

impl NotificationsFixture {
    /// These, with an address, and what is shown there: each notice with its text, however it is rendered, as often as it is shown.
    pub fn new(
        notifications: impl Notifications + 'static,
        address: impl Into<String>,
        shown: impl Fn() -> BoxFuture<'static, Result<Vec<String>>> + Send + Sync + 'static,
    ) -> Self {
        NotificationsFixture {
            notifications: Arc::new(notifications),
            address: address.into(),
            shown: Arc::new(shown),
            dead: None,
        }
    }

    /// The same, with an address that never works.
    #[must_use]
    pub fn with_dead_address(mut self, address: impl Into<String>) -> Self {
        self.dead = Some(address.into());
        self
    }

    /// A notice that tells this, however it is rendered.
    fn notice(&self, context: &Context, what: &str) -> Result<Notice> {
        let (tenant, at) = (Tenant::new("conformance")?, context.clock().now());
        let (kind, job) = (NoticeKind::Failure, NoticeSubject::Job);
        let item = NoticeItem::new(unique(context), kind, job, unique(context), what, at);
        Ok(Notice::new(unique(context), tenant, &self.address, at)
            .with_text(what, format!("{what} failed\n\n  Why  {what}\n"))
            .with_html(format!("<html><body><p>{what} failed</p></body></html>"))
            .with_items([item.with_why(what)]))
    }

    /// How often what tells this is shown.
    async fn times(&self, what: &str) -> std::result::Result<usize, Finding> {
        let shown = (self.shown)().await?;
        Ok(shown.iter().filter(|text| text.contains(what)).count())
    }

    async fn shown_once(&self, what: &str, when: &str) -> Checked {
        let times = self.times(what).await?;
        must(times == 1, || format!("{when} it is shown {times} times"))
    }
}

#[async_trait]
impl Fixture for NotificationsFixture {
    fn subject(&self) -> String {
        let text = format!("{:?}", self.notifications);
        text.chars().take(60).collect()
    }

    async fn declares(&self, _: &Context) -> Result<BTreeSet<Capability>> {
        let dead = self.dead.as_ref().map(|_| Capability::DeadAddress);
        Ok(dead.into_iter().collect())
    }
}

/// The contract of [`Notifications`].
pub static NOTIFICATIONS: Suite<NotificationsFixture> = Suite {
    name: "notifications",
    clauses: &[
        clause!(
            "NT-01",
            None,
            "What is delivered is shown.",
            "Nobody would hear that a job no longer runs.",
            arrives
        ),
        clause!(
            "NT-02",
            None,
            "What comes again under the same id is shown once.",
            "Whoever died behind a delivery makes it again, and people stop reading what comes twice.",
            once
        ),
        clause!(
            "NT-03",
            None,
            "What comes under another id is shown, however alike it is.",
            "A job that failed again today would look as if it had not.",
            others
        ),
        clause!(
            "NT-04",
            None,
            "What comes twice at the same time is shown once.",
            "A process that was thought dead delivers beside the one that took its place.",
            at_once
        ),
        clause!(
            "NT-05",
            None,
            "A delivery that was dropped and comes again is shown once.",
            "What is too slow is dropped, and tried again.",
            dropped
        ),
        clause!(
            "NT-06",
            None,
            "A long text with characters of any language is shown.",
            "The notice of a bad night, with all that failed, is the one that would be missing.",
            long
        ),
        clause!(
            "NT-07",
            Some(Capability::DeadAddress),
            "For an address that never works the error is `Invalid` or `NotFound`, and other addresses go on.",
            "It would be tried again for hours, and what others are to hear would wait.",
            dead
        ),
    ],
};

async fn arrives(context: &Context, fixture: &NotificationsFixture) -> Checked {
    let what = unique(context);
    let before = fixture.times(&what).await?;
    reached(before == 0, || "it is there already".into())?;
    let notice = fixture.notice(context, &what)?;
    let delivered = fixture.notifications.deliver(&notice).await;
    delivered.or_broken("deliver")?;
    let times = fixture.times(&what).await?;
    must(times > 0, || "it is not shown".into())
}

async fn once(context: &Context, fixture: &NotificationsFixture) -> Checked {
    let what = unique(context);
    let notice = fixture.notice(context, &what)?;
    fixture.notifications.deliver(&notice).await?;
    // Others come in between.
    let other = fixture.notice(context, &unique(context))?;
    fixture.notifications.deliver(&other).await?;
    let again = fixture.notifications.deliver(&notice).await;
    again.or_broken("deliver again")?;
    fixture.shown_once(&what, "delivered twice").await
}

async fn others(context: &Context, fixture: &NotificationsFixture) -> Checked {
    let what = unique(context);
    let mut notice = fixture.notice(context, &what)?;
    fixture.notifications.deliver(&notice).await?;
    notice.id = unique(context);
    fixture.notifications.deliver(&notice).await?;
    let times = fixture.times(&what).await?;
    must(times >= 2, || format!("two are shown {times} times"))
}

async fn at_once(context: &Context, fixture: &NotificationsFixture) -> Checked {
    let what = unique(context);
    let notice = fixture.notice(context, &what)?;
    let deliver = || fixture.notifications.deliver(&notice);
    let (first, second) = join(deliver(), deliver()).await;
    // One of them may be turned away; it is not for ever.
    let permanent =
        |error: &crate::Error| matches!(error.kind(), ErrorKind::Invalid | ErrorKind::NotFound);
    let refused = [&first, &second]
        .into_iter()
        .filter_map(|done| done.as_ref().err());
    must(!refused.into_iter().any(permanent), || {
        "one is refused as if the address never worked".into()
    })?;
    reached(first.is_ok() || second.is_ok(), || "both fail".into())?;
    fixture
        .shown_once(&what, "delivered twice at the same time")
        .await
}

async fn dropped(context: &Context, fixture: &NotificationsFixture) -> Checked {
    let what = unique(context);
    let notice = fixture.notice(context, &what)?;
    {
        let mut first = pin!(fixture.notifications.deliver(&notice));
        // As far as it comes without waiting.
        let _ = first.as_mut().now_or_never();
    }
    let again = fixture.notifications.deliver(&notice).await;
    again.or_broken("deliver again")?;
    fixture
        .shown_once(&what, "dropped and delivered again")
        .await
}

async fn long(context: &Context, fixture: &NotificationsFixture) -> Checked {
    let what = unique(context);
    let mut notice = fixture.notice(context, &what)?;
    let more =
        "Größe, 顧客, клиент, \"quoted\", <b>not bold</b>, {braces}, $5, 100 %\n".repeat(500);
    notice.text.push_str(&more);
    if let Some(item) = notice.items.first_mut() {
        item.why = Some(format!("{what}: {more}"));
    }
    let delivered = fixture.notifications.deliver(&notice).await;
    delivered.or_broken("deliver")?;
    let times = fixture.times(&what).await?;
    must(times > 0, || "it is not shown".into())
}

async fn dead(context: &Context, fixture: &NotificationsFixture) -> Checked {
    let mut notice = fixture.notice(context, &unique(context))?;
    notice.to = fixture.dead.clone().unwrap_or_default();
    let kind = match fixture.notifications.deliver(&notice).await {
        Ok(()) => "no error".to_owned(),
        Err(error) => error.kind().word().to_owned(),
    };
    must(kind == "invalid" || kind == "not_found", || {
        format!("{kind} for an address that never works")
    })?;
    let what = unique(context);
    let other = fixture.notice(context, &what)?;
    let delivered = fixture.notifications.deliver(&other).await;
    delivered.or_broken("deliver to another address")?;
    let times = fixture.times(&what).await?;
    must(times > 0, || {
        "another address is shown nothing behind it".into()
    })
}
