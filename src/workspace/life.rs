//! The life of a connection.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::connections::ConnectionView;
use crate::authorization::AuthorizationState;
use crate::{Error, ErrorKind, Result};

/// How a connection is. One that was deleted is not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ConnectionState {
    /// Nobody has authorized it yet.
    Unauthorized,
    /// It can be used.
    Active,
    /// The outside system no longer lets it in: it must be authorized again.
    Disconnected,
    /// It was revoked.
    Revoked,
    /// It was disabled: nothing is done with it until it is enabled.
    Disabled,
    /// It cannot be used as it is: its [problem](ConnectionView::problem) says why.
    Unusable,
}

/// What may be done with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ConnectionAction {
    /// Give it another name.
    Rename,
    /// Answer its connector's questions anew.
    Configure,
    /// Authorize it, for the first time or again.
    Authorize,
    /// Give its credential back.
    Revoke,
    /// See whether it can be used.
    Check,
    /// Read its objects anew.
    Refresh,
    /// Run its jobs, and look at its records.
    Use,
    /// Let it be used again.
    Enable,
    /// Let nothing be done with it.
    Disable,
    /// Remove it.
    Delete,
}

impl ConnectionState {
    /// All of them.
    pub const ALL: [ConnectionState; 6] = [
        ConnectionState::Unauthorized,
        ConnectionState::Active,
        ConnectionState::Disconnected,
        ConnectionState::Revoked,
        ConnectionState::Disabled,
        ConnectionState::Unusable,
    ];

    /// How a connection is whose authorization is so.
    pub(super) fn of(
        authorization: Option<AuthorizationState>,
        enabled: bool,
        usable: bool,
    ) -> Self {
        match authorization {
            _ if !enabled => ConnectionState::Disabled,
            _ if !usable => ConnectionState::Unusable,
            // Nothing is asked.
            None => ConnectionState::Active,
            Some(AuthorizationState::Unauthorized) => ConnectionState::Unauthorized,
            Some(AuthorizationState::Healthy | AuthorizationState::Expiring) => {
                ConnectionState::Active
            }
            Some(AuthorizationState::ReauthorizationRequired(_)) => ConnectionState::Disconnected,
            Some(AuthorizationState::Revoked) => ConnectionState::Revoked,
        }
    }

    /// Its name, in lower case with `_`.
    pub fn word(self) -> &'static str {
        match self {
            ConnectionState::Unauthorized => "unauthorized",
            ConnectionState::Active => "active",
            ConnectionState::Disconnected => "disconnected",
            ConnectionState::Revoked => "revoked",
            ConnectionState::Disabled => "disabled",
            ConnectionState::Unusable => "unusable",
        }
    }

    /// What may be done.
    ///
    /// ```
    /// use syncline::workspace::{ConnectionAction, ConnectionState};
    ///
    /// assert!(ConnectionState::Disconnected.actions().contains(&ConnectionAction::Authorize));
    /// assert!(!ConnectionState::Revoked.actions().contains(&ConnectionAction::Use));
    /// ```
    pub fn actions(self) -> &'static [ConnectionAction] {
        use ConnectionAction::{
            Authorize, Check, Configure, Delete, Disable, Enable, Refresh, Rename, Revoke, Use,
        };
        match self {
            ConnectionState::Unauthorized | ConnectionState::Revoked => {
                &[Rename, Configure, Authorize, Disable, Delete]
            }
            ConnectionState::Active => &[
                Rename, Configure, Authorize, Revoke, Check, Refresh, Use, Disable, Delete,
            ],
            ConnectionState::Disconnected => {
                &[Rename, Configure, Authorize, Revoke, Check, Disable, Delete]
            }
            ConnectionState::Disabled => &[Rename, Configure, Revoke, Enable, Delete],
            ConnectionState::Unusable => &[Rename, Configure, Disable, Delete],
        }
    }

    /// Why an action is not one of them, and what to do.
    fn advice(self) -> &'static str {
        match self {
            ConnectionState::Unauthorized => "authorize it first",
            ConnectionState::Active => "it is in use as it is",
            ConnectionState::Disconnected => "authorize it again first",
            ConnectionState::Revoked => "it was revoked; authorize it again first",
            ConnectionState::Disabled => "enable it first",
            ConnectionState::Unusable => "mend its problem first",
        }
    }
}

impl ConnectionAction {
    /// All of them.
    pub const ALL: [ConnectionAction; 10] = [
        ConnectionAction::Rename,
        ConnectionAction::Configure,
        ConnectionAction::Authorize,
        ConnectionAction::Revoke,
        ConnectionAction::Check,
        ConnectionAction::Refresh,
        ConnectionAction::Use,
        ConnectionAction::Enable,
        ConnectionAction::Disable,
        ConnectionAction::Delete,
    ];

    /// Its name, in lower case.
    pub fn word(self) -> &'static str {
        match self {
            ConnectionAction::Rename => "rename",
            ConnectionAction::Configure => "configure",
            ConnectionAction::Authorize => "authorize",
            ConnectionAction::Revoke => "revoke",
            ConnectionAction::Check => "check",
            ConnectionAction::Refresh => "refresh",
            ConnectionAction::Use => "use",
            ConnectionAction::Enable => "enable",
            ConnectionAction::Disable => "disable",
            ConnectionAction::Delete => "delete",
        }
    }
}

impl fmt::Display for ConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Display for ConnectionAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl ConnectionView {
    /// What may be done now: what its [state](ConnectionState::actions) says, without authorizing and revoking if its method asks for nothing.
    pub fn actions(&self) -> Vec<ConnectionAction> {
        let asks = self.authorization.is_some() || self.state == ConnectionState::Unusable;
        let about_asking = [ConnectionAction::Authorize, ConnectionAction::Revoke];
        let actions = self.state.actions().iter().copied();
        actions
            .filter(|action| asks || !about_asking.contains(action))
            .collect()
    }

    /// Whether this may be done now.
    ///
    /// # Errors
    /// [`ReauthorizationRequired`](ErrorKind::ReauthorizationRequired) if it must be authorized first, otherwise
    /// [`Invalid`](ErrorKind::Invalid); both say what to do.
    pub fn allow(&self, action: ConnectionAction) -> Result<()> {
        if self.state.actions().contains(&action) {
            return Ok(());
        }
        let locked_out = matches!(
            self.state,
            ConnectionState::Unauthorized
                | ConnectionState::Disconnected
                | ConnectionState::Revoked
        );
        let needs_credential = matches!(
            action,
            ConnectionAction::Check | ConnectionAction::Refresh | ConnectionAction::Use
        );
        let kind = match locked_out && needs_credential {
            true => ErrorKind::ReauthorizationRequired,
            false => ErrorKind::Invalid,
        };
        let message = "this cannot be done with the connection as it is";
        let error = Error::new(kind, message)
            .during(action.word())
            .with("connection", &self.spec.name)
            .with("state", self.state)
            .with("advice", self.state.advice());
        Err(match &self.problem {
            Some(problem) => error.with("problem", problem),
            None => error,
        })
    }
}
