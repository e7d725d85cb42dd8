//! What a connector declares.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{AuthMethod, AuthWay, ConfigField, JobTemplate};
use crate::error::Problem;
use crate::policy::CallLimits;
use crate::spec::{ConnectionSpec, unknown_version};
use crate::{Error, Result};

/// What an outside system is for.
///
/// ```
/// use syncline::connector::ConnectorCategory;
///
/// assert_eq!(ConnectorCategory::ALL.len(), 9);
/// let crm: ConnectorCategory = serde_json::from_str(r#""crm""#)?;
/// assert_eq!(crm.to_string(), "crm");
/// assert!(serde_json::from_str::<ConnectorCategory>(r#""erp""#).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ConnectorCategory {
    /// Files, as in a bucket.
    File,
    /// Records that an interface takes or gives, of no particular system.
    Api,
    /// What users do in a product.
    Usage,
    /// Customers, as a sales team keeps them.
    Crm,
    /// Cases and tickets.
    Support,
    /// Bills and subscriptions.
    Billing,
    /// Questions and answers.
    Survey,
    /// Databases and warehouses.
    Data,
    /// Calls, meetings and mail with customers.
    Interaction,
}

impl ConnectorCategory {
    /// All of them.
    pub const ALL: [ConnectorCategory; 9] = [
        ConnectorCategory::File,
        ConnectorCategory::Api,
        ConnectorCategory::Usage,
        ConnectorCategory::Crm,
        ConnectorCategory::Support,
        ConnectorCategory::Billing,
        ConnectorCategory::Survey,
        ConnectorCategory::Data,
        ConnectorCategory::Interaction,
    ];

    /// Its name, in lower case.
    pub fn word(self) -> &'static str {
        match self {
            ConnectorCategory::File => "file",
            ConnectorCategory::Api => "api",
            ConnectorCategory::Usage => "usage",
            ConnectorCategory::Crm => "crm",
            ConnectorCategory::Support => "support",
            ConnectorCategory::Billing => "billing",
            ConnectorCategory::Survey => "survey",
            ConnectorCategory::Data => "data",
            ConnectorCategory::Interaction => "interaction",
        }
    }
}

impl fmt::Display for ConnectorCategory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// How many connections of a connector a workspace may have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Instances {
    /// Any number.
    #[default]
    Many,
    /// One.
    Single,
}

/// What a connector declares: data, for pages and for checks.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConnectorInfo {
    /// What tells it from others: lower-case letters, digits, `-` and `_`.
    pub kind: String,
    /// What people call it.
    pub title: String,
    /// What it is for.
    pub category: ConnectorCategory,
    /// How many connections a workspace may have.
    pub instances: Instances,
    /// How customers may authorize, the usual way first. Never empty.
    pub methods: Vec<AuthMethod>,
    /// What it asks them besides.
    pub config: Vec<ConfigField>,
    /// The objects that an account has as a rule; what one has [shows](crate::connection::Connection::discover) when it is connected.
    pub objects: Vec<String>,
    /// How many calls an account may make, if that is known.
    pub limits: Option<CallLimits>,
    /// The jobs that a connection gets when it is authorized.
    pub templates: Vec<JobTemplate>,
}

impl ConnectorInfo {
    /// A connector without config, objects and jobs that lets anyone in.
    pub fn new(
        kind: impl Into<String>,
        title: impl Into<String>,
        category: ConnectorCategory,
    ) -> Self {
        ConnectorInfo {
            kind: kind.into(),
            title: title.into(),
            category,
            instances: Instances::Many,
            methods: vec![AuthMethod::open()],
            config: Vec::new(),
            objects: Vec::new(),
            limits: None,
            templates: Vec::new(),
        }
    }

    /// The same, of which a workspace may have so many connections.
    #[must_use]
    pub fn with_instances(mut self, instances: Instances) -> Self {
        self.instances = instances;
        self
    }

    /// The same, authorized in one of these ways.
    #[must_use]
    pub fn with_methods(mut self, methods: Vec<AuthMethod>) -> Self {
        self.methods = methods;
        self
    }

    /// The same, asking for this.
    #[must_use]
    pub fn with_config(mut self, config: Vec<ConfigField>) -> Self {
        self.config = config;
        self
    }

    /// The same, with these objects as a rule.
    #[must_use]
    pub fn with_objects<S: Into<String>>(mut self, objects: impl IntoIterator<Item = S>) -> Self {
        self.objects = objects.into_iter().map(Into::into).collect();
        self
    }

    /// The same, with so many calls for each connection.
    #[must_use]
    pub fn with_limits(mut self, limits: CallLimits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// The same, giving these jobs.
    #[must_use]
    pub fn with_templates(mut self, templates: Vec<JobTemplate>) -> Self {
        self.templates = templates;
        self
    }

    /// The way that a connection is authorized.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if there is none of that name.
    pub fn method(&self, spec: &ConnectionSpec) -> Result<&AuthMethod> {
        let found = match &spec.method {
            None => self.methods.first(),
            Some(name) => self.methods.iter().find(|method| method.name == *name),
        };
        found.ok_or_else(|| {
            let names: Vec<&str> = self.methods.iter().map(|method| &*method.name).collect();
            let message = format!("there is no such method; take one of: {}", names.join(", "));
            Error::invalid(
                "the connection cannot be authorized so",
                vec![Problem::new("method", message)],
            )
        })
    }

    /// The JSON Schema (draft 2020-12) of the answers that the connector asks for, for forms. A secret is `writeOnly`, and given apart from the
    /// others.
    ///
    /// ```
    /// use syncline::connector::{ConfigField, ConfigType, ConnectorCategory, ConnectorInfo};
    ///
    /// let info = ConnectorInfo::new("bucket", "Bucket", ConnectorCategory::File)
    ///     .with_config(vec![ConfigField::new("rows", "Rows a page", ConfigType::Integer(1, 500)).or(100)]);
    /// let schema = info.config_schema();
    /// assert_eq!(schema["properties"]["rows"]["maximum"], 500);
    /// assert_eq!(schema["properties"]["rows"]["default"], 100);
    /// ```
    #[cfg(feature = "schema")]
    pub fn config_schema(&self) -> serde_json::Value {
        let needed = |f: &&ConfigField| f.required && !f.is_secret() && f.default.is_none();
        let required = self.config.iter().filter(needed);
        let required: Vec<&str> = required.map(|field| field.name.as_str()).collect();
        let properties = self.config.iter().map(|f| (f.name.clone(), f.schema()));
        serde_json::json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": self.title,
            "type": "object",
            "properties": properties.collect::<serde_json::Map<_, _>>(),
            "required": required,
            "additionalProperties": false,
        })
    }

    /// What is wrong with a connection's spec. Nothing is called.
    pub fn problems(&self, spec: &ConnectionSpec) -> Vec<Problem> {
        let mut problems = Vec::new();
        if spec.version != 1 {
            problems.push(Problem::new("version", unknown_version(spec.version)));
        }
        if spec.name.trim().is_empty() || spec.name.contains(char::is_control) {
            let message = "a connection has a name, without control characters";
            problems.push(Problem::new("name", message));
        }
        match self.method(spec) {
            Ok(method) => problems.extend(method.problems(&spec.org)),
            Err(error) => problems.extend(error.problems().iter().cloned()),
        }
        problems.extend(super::config::problems(&self.config, &spec.config));
        problems
    }

    /// What is wrong with what is declared.
    pub(super) fn own_problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
        if self.kind.is_empty() || !self.kind.chars().all(plain) {
            let message = "a kind is made of lower-case letters, digits, `-` and `_`";
            problems.push(Problem::new("kind", message));
        }
        if self.methods.is_empty() {
            let message = "there is no way to authorize; say so with `AuthMethod::open`";
            problems.push(Problem::new("methods", message));
        }
        let names = [
            ("methods", names(&self.methods, |method| &method.name)),
            ("config", names(&self.config, |field| &field.name)),
            (
                "templates",
                names(&self.templates, |template| &template.name),
            ),
        ];
        for (what, names) in names {
            let mut seen = BTreeSet::new();
            for (at, name) in names.into_iter().enumerate() {
                if name.is_empty() || !seen.insert(name) {
                    let message = "a name is not empty, and there once";
                    problems.push(Problem::new(format!("{what}[{at}].name"), message));
                }
            }
        }
        for (at, template) in self.templates.iter().enumerate() {
            let mut in_front = self.templates.iter().take(at);
            let first = template.spec.first.as_ref();
            if first.is_some_and(|first| in_front.all(|other| other.name != *first)) {
                let message = "no template in front of this one is called so";
                problems.push(Problem::new(format!("templates[{at}].spec.first"), message));
            }
        }
        for (at, method) in self.methods.iter().enumerate() {
            if let AuthWay::OAuth { client, .. } = &method.way {
                let path = format!("methods[{at}].way.client");
                problems.extend(client.problems(&self.config, &path));
            }
        }
        for (at, field) in self.config.iter().enumerate() {
            problems.extend(field.own_problem(&format!("config[{at}]")));
        }
        problems
    }
}

fn names<T>(all: &[T], name: impl Fn(&T) -> &String) -> Vec<&str> {
    all.iter().map(|one| name(one).as_str()).collect()
}
