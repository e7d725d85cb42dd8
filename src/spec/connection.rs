//! A connection as data.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Org;

/// A connection as data: what a customer chose. It holds no secret.
///
/// ```
/// use syncline::spec::{ConnectionSpec, Org};
///
/// let spec: ConnectionSpec = serde_json::from_str(r#"{"version": 1, "name": "Acme CRM", "kind": "crm", "org": "sandbox"}"#)?;
/// assert_eq!(spec, ConnectionSpec::new("Acme CRM", "crm").with_org(Org::Sandbox));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ConnectionSpec {
    /// The version of this form: 1.
    #[serde(deserialize_with = "super::dataset::version")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1)))]
    pub version: u32,
    /// Who it is in its [workspace](crate::workspace::Workspace), whatever its name; the workspace gives it, and an export keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its name, unique among the connections of its workspace.
    pub name: String,
    /// The [kind](crate::connector::ConnectorInfo::kind) of its connector.
    pub kind: String,
    /// The kind of organisation that it is for.
    #[serde(default = "production")]
    #[cfg_attr(feature = "schema", schemars(with = "OrgSchema"))]
    pub org: Org,
    /// How it is authorized, by the method's name; `None` is the connector's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// What the connector asks besides, by the names of its config fields. Secrets are not here.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub config: IndexMap<String, Value>,
}

fn production() -> Org {
    Org::Production
}

/// What a document may say for [`Org`].
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[schemars(rename_all = "snake_case", rename = "Org")]
#[allow(dead_code, reason = "only its schema is used")]
enum OrgSchema {
    /// The real one.
    Production,
    /// One to try things out in.
    Sandbox,
    /// One that is reached at a host of its own: the name of that host.
    CustomDomain(String),
}

impl ConnectionSpec {
    /// A connection of this name to a production organisation, by the connector of this kind.
    pub fn new(name: impl Into<String>, kind: impl Into<String>) -> Self {
        ConnectionSpec {
            version: 1,
            id: None,
            name: name.into(),
            kind: kind.into(),
            org: Org::Production,
            method: None,
            config: IndexMap::new(),
        }
    }

    /// The same, for this kind of organisation.
    #[must_use]
    pub fn with_org(mut self, org: Org) -> Self {
        self.org = org;
        self
    }

    /// The same, authorized by the method of this name.
    #[must_use]
    pub fn with_method(mut self, name: impl Into<String>) -> Self {
        self.method = Some(name.into());
        self
    }

    /// The same, with this value of a config field.
    #[must_use]
    pub fn with_config(mut self, field: impl Into<String>, value: impl Into<Value>) -> Self {
        self.config.insert(field.into(), value.into());
        self
    }
}
