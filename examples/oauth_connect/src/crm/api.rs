//! One call of the API.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use syncline::authorization::{AfterReject, Authorization, CredentialRequest};
use syncline::host::{Context, HttpRequest, HttpResponse, Transport};
use syncline::{Error, ErrorKind, Result, Retry};

/// The most bytes of a page.
const LARGEST: u64 = 8 << 20;

/// The API of one account. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    authorization: Arc<dyn Authorization>,
    transport: Arc<dyn Transport>,
}

impl Api {
    pub(crate) fn new(
        authorization: Arc<dyn Authorization>,
        transport: Arc<dyn Transport>,
    ) -> Self {
        Api {
            authorization,
            transport,
        }
    }

    /// The JSON at a path, or at a URL that an earlier answer named. Neither leads a credential to a host that is not the
    /// connection's.
    pub(crate) async fn get(&self, context: &Context, path: &str) -> Result<Value> {
        loop {
            let credential = self
                .authorization
                .credential(context, CredentialRequest::new())
                .await?;
            let request = HttpRequest::get(credential.url(path)?).with_max_body(LARGEST);
            let response = self.transport.send(credential.attach(request)?).await?;
            // Rejected before its end: perhaps there is a newer one. This cannot go on for ever.
            let rejected = response.status.as_u16() == 401;
            if rejected
                && self.authorization.rejected(context, &credential).await? != AfterReject::GiveUp
            {
                continue;
            }
            return read(response).await;
        }
    }
}

/// The answer's JSON, or what its status says. Its text is shown to nobody: it may hold anything.
async fn read(response: HttpResponse) -> Result<Value> {
    let status = response.status.as_u16();
    let failed = |kind, message| Error::new(kind, message).with("status", status);
    match status {
        200..=299 => {}
        401 => {
            let message = "the system no longer lets this connection in; authorize it again";
            return Err(failed(ErrorKind::ReauthorizationRequired, message));
        }
        429 | 500..=599 => {
            let message = "the system is busy or broken; try again later";
            let later = Retry::After(Duration::from_secs(1));
            return Err(failed(ErrorKind::Io, message).retrying(later));
        }
        _ => {
            let message = "the system refused the call; see whether the account may read this";
            return Err(failed(ErrorKind::Malformed, message));
        }
    }
    let body = response.bytes().await?;
    serde_json::from_slice(&body).map_err(|_| {
        let message = "the system answered with something that is no JSON";
        Error::new(ErrorKind::Malformed, message)
    })
}
