//! Giving back what was granted (RFC 7009).

use super::answer::Refusal;
use super::{OAuth, organization};
use crate::authorization::record::{ACCESS, REFRESH, Standing};
use crate::host::{Context, Expected};
use crate::{Error, ErrorKind, Result};

/// When the tokens here are deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevokeMode {
    /// When the server has confirmed that they are revoked.
    #[default]
    Confirmed,
    /// In any case: they may still be good for whoever has a copy.
    Force,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Revocation {
    /// Whether the server confirmed it.
    pub confirmed: bool,
}

impl OAuth {
    /// Revokes the connection's tokens at the outside system, and deletes them here. What no longer exists counts as revoked.
    ///
    /// # Errors
    /// Under [`RevokeMode::Confirmed`]: [`Unsupported`](ErrorKind::Unsupported) if the system has no endpoint for it,
    /// [`OtherOrganization`](ErrorKind::OtherOrganization) if the tokens are of another kind of organisation, and what the server
    /// or the way there answered, with [when to try again](Error::retry); then nothing was deleted. And those of the store.
    pub async fn revoke(&self, context: &Context, mode: RevokeMode) -> Result<Revocation> {
        let revoked = self.revoke_all(context, mode).await;
        revoked.map_err(|error| error.during("revoke"))
    }

    async fn revoke_all(&self, context: &Context, mode: RevokeMode) -> Result<Revocation> {
        let current = &self.0.current;
        loop {
            // A refresh that is under way would bring tokens that nobody revoked.
            let Some(loaded) = current.at_rest(context).await? else {
                return Ok(Revocation { confirmed: true });
            };
            let mut record = loaded.record;
            let mut confirmed = true;
            for (name, hint) in [(REFRESH, "refresh_token"), (ACCESS, "access_token")] {
                let Some(token) = record.secrets.get(name) else {
                    continue;
                };
                let revoked = match organization::of_kind(&record, &self.0.config.org) {
                    Ok(()) => self.revoke_one(context, token.expose(), hint).await,
                    elsewhere => elsewhere,
                };
                match revoked {
                    Ok(()) => {}
                    Err(_) if mode == RevokeMode::Force => confirmed = false,
                    Err(error) => return Err(error),
                }
            }
            record.secrets.clear();
            record.standing = Standing::Revoked;
            let expected = Expected::Version(loaded.version);
            let swap = current
                .store()
                .swap(context, current.connection(), &record, expected);
            if swap.await?.is_some() {
                current.forget();
                return Ok(Revocation { confirmed });
            }
        }
    }

    async fn revoke_one(&self, context: &Context, token: &str, hint: &str) -> Result<()> {
        let inner = &*self.0;
        let Some(url) = &inner.endpoints(context).await?.revoke else {
            let message = "the outside system has no way to revoke tokens; revoke them in its own pages, and then here by force";
            return Err(Error::new(ErrorKind::Unsupported, message));
        };
        let fields = [("token", token), ("token_type_hint", hint)];
        let request = inner.client.post(url, &fields)?;
        let answer = inner.send(context, request).await?;
        // Its body says nothing: 200 is also the answer for a token that it does not know.
        if answer.status.is_success() {
            return Ok(());
        }
        match answer.object(context.clock().now()) {
            Ok(_) => Ok(()),
            Err(refusal @ (Refusal::Later(_) | Refusal::Code(_) | Refusal::Bad(_))) => {
                Err(refusal.error())
            }
        }
    }
}
