//! Notifications whose deliveries are effects.

use std::sync::Arc;

use async_trait::async_trait;

use super::effects::{EffectKind, Effects, Fate};
use crate::Result;
use crate::host::{Notice, Notifications};

impl Effects {
    /// The notifications, each delivery of which is an effect.
    pub fn notifications(&self, inner: Arc<dyn Notifications>) -> Arc<dyn Notifications> {
        Arc::new(FaultyNotifications::new(self, inner))
    }
}

/// Notifications whose deliveries are effects.
#[derive(Debug)]
pub struct FaultyNotifications {
    effects: Effects,
    inner: Arc<dyn Notifications>,
}

impl FaultyNotifications {
    /// The notifications with these effects.
    pub fn new(effects: &Effects, inner: Arc<dyn Notifications>) -> Self {
        FaultyNotifications {
            effects: effects.clone(),
            inner,
        }
    }
}

#[async_trait]
impl Notifications for FaultyNotifications {
    async fn deliver(&self, notice: &Notice) -> Result<()> {
        let next = self.effects.next(EffectKind::Deliver, 1);
        if next.1 == Fate::Duplicate {
            self.inner.deliver(notice).await?;
        }
        let work = self.inner.deliver(notice);
        self.effects.settle(next, work).await
    }
}
