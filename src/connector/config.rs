//! What a connector asks customers.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde_json::Value;

use crate::Secret;
use crate::error::Problem;
use crate::spec::Domain;

/// The most characters of a text without a bound of its own.
const LONGEST: usize = 1_000;

/// The values that a config field takes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigType {
    /// A text of at most a thousand characters, without line breaks and other control characters.
    Text,
    /// A whole number between these, both included.
    Integer(i64, i64),
    /// Yes or no.
    Boolean,
    /// One of these.
    Choice(Vec<String>),
    /// The name of a host on the internet, and nothing else.
    Domain,
    /// A text that nobody is shown: kept with the connection's credential, never in its spec.
    Secret,
}

/// One thing that a connector asks.
///
/// ```
/// use syncline::connector::{ConfigField, ConfigType};
///
/// let region = ConfigField::new("region", "Region", ConfigType::Choice(vec!["eu".into(), "us".into()])).or("eu");
/// assert!(!region.required);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigField {
    /// Its name in a spec.
    pub name: String,
    /// What people read beside it.
    pub title: String,
    /// What people read below it.
    pub help: Option<String>,
    /// Its values.
    pub config_type: ConfigType,
    /// Whether it must be answered.
    pub required: bool,
    /// What stands for no answer.
    pub default: Option<Value>,
}

impl ConfigField {
    /// A field that may be left out.
    pub fn new(name: impl Into<String>, title: impl Into<String>, config_type: ConfigType) -> Self {
        ConfigField {
            name: name.into(),
            title: title.into(),
            help: None,
            config_type,
            required: false,
            default: None,
        }
    }

    /// The same, which must be answered.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The same, with this in place of no answer.
    #[must_use]
    pub fn or(mut self, default: impl Into<Value>) -> Self {
        self.default = Some(default.into());
        self
    }

    /// The same, with a word of help.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Whether its value is a secret.
    pub fn is_secret(&self) -> bool {
        self.config_type == ConfigType::Secret
    }

    /// What is wrong with a value, without the value.
    fn misfit(&self, value: &Value) -> Option<String> {
        let fits = match (&self.config_type, value) {
            (ConfigType::Text, Value::String(text)) => {
                text.chars().count() <= LONGEST && !text.contains(char::is_control)
            }
            (ConfigType::Integer(least, most), value) => value
                .as_i64()
                .is_some_and(|number| (*least..=*most).contains(&number)),
            (ConfigType::Boolean, value) => value.is_boolean(),
            (ConfigType::Choice(items), Value::String(text)) => items.contains(text),
            (ConfigType::Domain, Value::String(text)) => Domain::parse(text).is_ok(),
            _ => false,
        };
        (!fits).then(|| match &self.config_type {
            ConfigType::Text => format!("give a text of at most {LONGEST} characters in one line"),
            ConfigType::Integer(least, most) => {
                format!("give a whole number from {least} to {most}")
            }
            ConfigType::Boolean => "give true or false".into(),
            ConfigType::Choice(items) => format!("give one of: {}", items.join(", ")),
            ConfigType::Domain => {
                "give the name of a host alone, such as `acme.example.com`".into()
            }
            ConfigType::Secret => "this is a secret; give it apart from the spec".into(),
        })
    }

    #[cfg(feature = "schema")]
    pub(super) fn schema(&self) -> Value {
        let mut schema = match &self.config_type {
            ConfigType::Text => serde_json::json!({
                "type": "string", "maxLength": LONGEST, "pattern": r"^[^\p{Cc}]*$",
            }),
            ConfigType::Integer(least, most) => serde_json::json!({
                "type": "integer", "minimum": least, "maximum": most,
            }),
            ConfigType::Boolean => serde_json::json!({"type": "boolean"}),
            ConfigType::Choice(items) => serde_json::json!({"enum": items}),
            ConfigType::Domain => serde_json::json!({"type": "string", "format": "idn-hostname"}),
            ConfigType::Secret => serde_json::json!({"type": "string", "writeOnly": true}),
        };
        schema["title"] = self.title.clone().into();
        if let Some(help) = &self.help {
            schema["description"] = help.clone().into();
        }
        if let Some(default) = &self.default {
            schema["default"] = default.clone();
        }
        schema
    }

    pub(super) fn own_problem(&self, path: &str) -> Option<Problem> {
        if let Some(default) = &self.default {
            let misfit = self.misfit(default);
            return misfit.map(|message| Problem::new(format!("{path}.default"), message));
        }
        None
    }
}

/// What is wrong with answers.
pub(super) fn problems(fields: &[ConfigField], given: &IndexMap<String, Value>) -> Vec<Problem> {
    let known = |name: &String| fields.iter().find(|field| field.name == *name);
    let mut problems = Vec::new();
    for (name, value) in given {
        let path = format!("config.{name}");
        match known(name) {
            Some(field) => {
                problems.extend(
                    field
                        .misfit(value)
                        .map(|message| Problem::new(path, message)),
                );
            }
            None => problems.push(Problem::new(path, "the connector has no such field")),
        }
    }
    let missing = fields.iter().filter(|field| {
        let answered = given.contains_key(&field.name) || field.default.is_some();
        field.required && !field.is_secret() && !answered
    });
    problems.extend(missing.map(|field| {
        let message = format!("`{}` is needed; give it", field.title);
        Problem::new(format!("config.{}", field.name), message)
    }));
    problems
}

/// What a customer answered: plain values, and secrets.
///
/// ```
/// use syncline::Secret;
/// use syncline::connector::Config;
///
/// let config = Config::default().with("bucket", "acme").with_secret("passphrase", Secret::new("hunter2"));
/// assert_eq!(config.text("bucket"), Some("acme"));
/// assert_eq!(config.secret("passphrase").unwrap().expose(), "hunter2");
/// assert!(config.integer("bucket").is_none());
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Config {
    values: IndexMap<String, Value>,
    secrets: BTreeMap<String, Secret>,
}

impl Config {
    /// Answers with the defaults of what was not answered.
    pub(crate) fn complete(
        fields: &[ConfigField],
        given: &IndexMap<String, Value>,
        secrets: BTreeMap<String, Secret>,
    ) -> Self {
        let value = |field: &ConfigField| {
            let value = given.get(&field.name).or(field.default.as_ref())?;
            Some((field.name.clone(), value.clone()))
        };
        Config {
            values: fields.iter().filter_map(value).collect(),
            secrets,
        }
    }

    /// The same, with this value.
    #[must_use]
    pub fn with(mut self, field: impl Into<String>, value: impl Into<Value>) -> Self {
        self.values.insert(field.into(), value.into());
        self
    }

    /// The same, with this secret.
    #[must_use]
    pub fn with_secret(mut self, field: impl Into<String>, secret: Secret) -> Self {
        self.secrets.insert(field.into(), secret);
        self
    }

    /// A text, a choice or the name of a host.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.values.get(field)?.as_str()
    }

    /// A whole number.
    pub fn integer(&self, field: &str) -> Option<i64> {
        self.values.get(field)?.as_i64()
    }

    /// Yes or no; no for no answer.
    pub fn boolean(&self, field: &str) -> bool {
        self.values.get(field).and_then(Value::as_bool) == Some(true)
    }

    /// A secret.
    pub fn secret(&self, field: &str) -> Option<&Secret> {
        self.secrets.get(field)
    }
}
