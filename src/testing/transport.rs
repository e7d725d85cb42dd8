//! A transport whose calls are effects.

use std::sync::Arc;

use async_trait::async_trait;

use super::effects::{EffectKind, Effects, Fate};
use crate::Result;
use crate::host::{HttpRequest, HttpResponse, Transport};

impl Effects {
    /// The transport, each call of which is an effect.
    pub fn transport(&self, transport: Arc<dyn Transport>) -> Arc<dyn Transport> {
        Arc::new(FaultyTransport::new(self, transport))
    }
}

/// A transport whose calls are effects. What is sent twice is answered as the second time.
#[derive(Debug)]
pub struct FaultyTransport {
    effects: Effects,
    transport: Arc<dyn Transport>,
}

impl FaultyTransport {
    /// The transport with these effects.
    pub fn new(effects: &Effects, transport: Arc<dyn Transport>) -> Self {
        FaultyTransport {
            effects: effects.clone(),
            transport,
        }
    }
}

#[async_trait]
impl Transport for FaultyTransport {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse> {
        let next = self.effects.next(EffectKind::HttpSend, 1);
        if next.1 == Fate::Duplicate {
            self.transport.send(request.clone()).await?;
        }
        let work = self.transport.send(request);
        self.effects.settle(next, work).await
    }
}
