//! Which organisation consented, and that it stays the same.

use serde_json::Value;
use url::Url;

use super::answer::name_at;
use super::{Inner, ask};
use crate::authorization::Credential;
use crate::authorization::record::{CredentialRecord, Tokens};
use crate::host::Context;
use crate::spec::{Org, OrganizationSource};
use crate::{Error, ErrorKind, Result};

fn other(because: &'static str) -> Error {
    let message = "somebody consented for another organisation than the connection belongs to; log in to that one, or make a new connection";
    Error::new(ErrorKind::OtherOrganization, message).with("because", because)
}

/// Tokens must be of the organisation that the connection belongs to. Its id is a name, not a secret, yet it is somebody else's: it
/// is in no error.
pub(super) fn same(record: &CredentialRecord, tokens: &Tokens) -> Result<()> {
    match (&record.organization, &tokens.organization) {
        (Some(before), Some(now)) if before != now => Err(other("its id is another one")),
        _ => match (&record.org, &tokens.org) {
            (Some(before), Some(now)) if before != now => {
                Err(other("it is of another kind, or has another domain"))
            }
            _ => Ok(()),
        },
    }
}

/// What is kept must be of the kind of organisation that the connection is set up for: tokens of one are not shown to the server of
/// another, though somebody set up the connection anew.
pub(super) fn of_kind(record: &CredentialRecord, org: &Org) -> Result<()> {
    match &record.org {
        Some(before) if before != org => {
            let message = "the connection was authorized for another kind of organisation, or another domain, than it is set up for now; set it up as it was, or make a new connection";
            Err(Error::new(ErrorKind::OtherOrganization, message))
        }
        _ => Ok(()),
    }
}

/// The organisation that an answer is of, and that it is of the right kind.
fn read(object: &Value, organization: &str, sandbox: Option<&str>, org: &Org) -> Result<String> {
    let named = name_at(object, organization)?;
    let is_sandbox = sandbox.and_then(|pointer| object.pointer(pointer));
    match (sandbox, is_sandbox, org) {
        (None, ..) | (Some(_), _, Org::CustomDomain(_)) => Ok(named),
        (_, Some(Value::Bool(true)), Org::Sandbox)
        | (_, Some(Value::Bool(false)), Org::Production) => Ok(named),
        (_, Some(Value::Bool(true)), _) => Err(other("it is a sandbox")),
        (_, Some(Value::Bool(false)), _) => Err(other("it is no sandbox")),
        _ => {
            let message = "the outside system does not say whether the organisation is a sandbox";
            Err(Error::new(ErrorKind::BadTokenAnswer, message))
        }
    }
}

impl Inner {
    /// Finds out which organisation tokens are of, with a call if the system tells only then.
    pub(super) async fn identify(
        &self,
        context: &Context,
        tokens: &Tokens,
    ) -> Result<Option<String>> {
        let (path, organization, sandbox) = match &self.config.spec.organization {
            OrganizationSource::Unknown => return Ok(None),
            OrganizationSource::Token(pointer) => {
                return match &tokens.organization {
                    Some(named) => Ok(Some(named.clone())),
                    None => name_at(&Value::Null, pointer).map(Some),
                };
            }
            OrganizationSource::Call {
                path,
                organization,
                sandbox,
            } => (path, organization, sandbox.as_deref()),
        };
        let mut credential = Credential::bearer(self.hosts.clone(), &tokens.access)?;
        if let Some(base) = &tokens.base {
            credential = credential.with_base(self.hosts.check(base)?)?;
        }
        let url: Url = credential.url(path)?;
        let request = credential.attach(ask::get(url))?;
        let answer = self.send(context, request).await?;
        let object = answer.object(context.clock().now());
        let object = object.map_err(|refusal| refusal.error().during("identify organisation"))?;
        read(&object, organization, sandbox, &self.config.org).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_sandbox_is_no_production_organisation() {
        let answer = |sandbox: Value| json!({"org": {"id": 7}, "sandbox": sandbox});
        let kinds = [
            (Org::Production, json!(false), None),
            (Org::Sandbox, json!(true), None),
            (
                Org::Production,
                json!(true),
                Some(ErrorKind::OtherOrganization),
            ),
            (
                Org::Sandbox,
                json!(false),
                Some(ErrorKind::OtherOrganization),
            ),
            (Org::Sandbox, json!("true"), Some(ErrorKind::BadTokenAnswer)),
            (
                Org::Production,
                Value::Null,
                Some(ErrorKind::BadTokenAnswer),
            ),
        ];
        for (org, sandbox, kind) in kinds {
            let read = read(&answer(sandbox.clone()), "/org/id", Some("/sandbox"), &org);
            match kind {
                None => assert_eq!(read.unwrap(), "7"),
                Some(kind) => assert_eq!(read.unwrap_err().kind(), kind, "{org:?} {sandbox}"),
            }
        }
    }
}
