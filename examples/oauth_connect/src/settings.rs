//! What the example is told by environment variables.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use syncline::connector::{Connector, OAuthClient};
use syncline::host::{Clock, SystemClock};
use syncline::record::{Field, FieldType};
use syncline::spec::{
    CustomDomains, Domain, EndpointPaths, EndpointsSpec, OAuthSpec, OrgHosts, OrganizationSource,
};
use syncline::{Error, ErrorKind, Result, Secret};
use url::Url;

use crate::crm::{Crm, Objects, Shape};
use crate::provider::{self, Provider};

/// The connector that the host offers, and the host's client at its system.
pub(crate) type Offer = (Arc<dyn Connector>, OAuthClient);

/// How the host runs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// The port of its pages on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Where the outside system sends browsers back to, if not to that port.
    pub redirect: Option<Url>,
    /// Where it keeps connections and jobs, with the key that tokens are encrypted with; `None` forgets all at the end.
    pub kept: Option<(PathBuf, [u8; 32])>,
    /// What it connects to.
    pub system: System,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// What the host connects to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum System {
    /// The pretended Acme CRM, on ports of this machine.
    Local {
        /// How long it takes for a page of records.
        page_delay: Duration,
    },
    /// A real one.
    Real(Box<RealSystem>),
}

/// A real system, as the environment variables describe it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RealSystem {
    title: String,
    client: String,
    secret: Option<Secret>,
    oauth: OAuthSpec,
    contacts: Shape,
}

impl Default for Settings {
    /// The local system, a free port, nothing kept.
    fn default() -> Self {
        Settings {
            port: 0,
            redirect: None,
            kept: None,
            system: System::Local {
                page_delay: Duration::from_millis(250),
            },
            clock: Arc::new(SystemClock),
        }
    }
}

impl Settings {
    /// Reads the variables that the README lists.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) with the name of a variable that is missing or cannot be so, never with its value.
    pub fn from_env(read: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let variables = Variables(&read);
        let mut settings = Settings {
            port: 8080,
            ..Settings::default()
        };
        if let Some(port) = variables.get("PORT") {
            settings.port = port
                .parse()
                .map_err(|_| wrong("PORT", "give a number of a port"))?;
        }
        if let Some(redirect) = variables.get("REDIRECT") {
            let redirect = Url::parse(&redirect);
            settings.redirect = Some(redirect.map_err(|_| wrong("REDIRECT", "give a URL"))?);
        }
        if let Some(folder) = variables.get("DATA") {
            let message = "give 64 hexadecimal digits, such as those of `openssl rand -hex 32`, and keep them apart from the data";
            let key = variables.get("KEY").and_then(|text| key(&text));
            let key = key.ok_or_else(|| wrong("KEY", message))?;
            settings.kept = Some((folder.into(), key));
        }
        if variables.get("HOST").is_some() {
            settings.system = System::Real(Box::new(RealSystem::read(&variables)?));
        }
        Ok(settings)
    }

    /// The same, connecting to this.
    #[must_use]
    pub fn with_system(mut self, system: System) -> Self {
        self.system = system;
        self
    }

    /// The same, by this clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The same, keeping what it knows in this folder, tokens encrypted with this key.
    #[must_use]
    pub fn kept_in(mut self, folder: impl Into<PathBuf>, key: [u8; 32]) -> Self {
        self.kept = Some((folder.into(), key));
        self
    }
}

impl RealSystem {
    fn read(variables: &Variables<'_>) -> Result<Self> {
        let mut hosts = OrgHosts::new(variables.domain("HOST")?);
        if variables.get("SANDBOX_HOST").is_some() {
            hosts = hosts.with_sandbox(variables.domain("SANDBOX_HOST")?);
        }
        let custom = variables.domains("CUSTOM_DOMAINS")?;
        if !custom.is_empty() {
            hosts = hosts.with_custom(CustomDomains::Under(custom));
        }
        hosts = hosts.with_api(variables.domains("API_HOSTS")?);
        let endpoints = match variables.get("DISCOVERY") {
            Some(path) => EndpointsSpec::Discovered(path),
            None => {
                let mut paths = EndpointPaths::new(variables.need("TOKEN_PATH")?)
                    .with_authorize(variables.need("AUTHORIZE_PATH")?);
                if let Some(revoke) = variables.get("REVOKE_PATH") {
                    paths = paths.with_revoke(revoke);
                }
                EndpointsSpec::Paths(paths)
            }
        };
        let mut oauth = OAuthSpec::new(hosts, endpoints)
            .with_scopes(variables.list("SCOPES", char::is_whitespace))
            .with_unlisted_scopes(variables.list("UNLISTED_SCOPES", char::is_whitespace));
        if let Some(pointer) = variables.get("BASE") {
            oauth = oauth.with_base(pointer);
        }
        if let Some(pointer) = variables.get("ORGANIZATION") {
            oauth = oauth.with_organization(OrganizationSource::Token(pointer));
        }
        Ok(RealSystem {
            title: variables.get("TITLE").unwrap_or_else(|| "CRM".into()),
            client: variables.need("CLIENT_ID")?,
            secret: variables.get("CLIENT_SECRET").map(Secret::new),
            oauth,
            contacts: variables.contacts()?,
        })
    }

    pub(crate) fn connector(&self) -> Result<Offer> {
        let mut oauth = self.oauth.clone();
        let mut client = OAuthClient::new(&self.client);
        match &self.secret {
            Some(secret) => client = client.with_secret(secret.clone()),
            None => oauth = oauth.with_client(syncline::spec::ClientProof::Public),
        }
        let objects = Objects::Declared(vec![self.contacts.clone()]);
        let connector = Crm::new("crm", &self.title, oauth, objects);
        Ok((Arc::new(connector), client))
    }
}

/// The connector of the local system.
pub(crate) fn local_connector(providers: &[Provider], secret: String) -> Result<Offer> {
    let [production, sandbox] = providers else {
        return Err(Error::contract("there are two local systems"));
    };
    let oauth = provider::oauth_of(production, sandbox)?;
    let objects = Objects::Described("/api/objects".into());
    let connector = Crm::new("acme_crm", "Acme CRM", oauth, objects);
    let client = OAuthClient::new(provider::CLIENT).with_secret(Secret::new(secret));
    Ok((Arc::new(connector), client))
}

/// The environment, without the beginning that all names share.
struct Variables<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Variables<'_> {
    /// One that is empty is not there.
    fn get(&self, name: &str) -> Option<String> {
        let value = (self.0)(&format!("SYNCLINE_CONNECT_{name}"))?;
        (!value.is_empty()).then_some(value)
    }

    fn need(&self, name: &'static str) -> Result<String> {
        self.get(name)
            .ok_or_else(|| wrong(name, "this is needed; set it"))
    }

    fn list(&self, name: &str, separator: impl Fn(char) -> bool) -> Vec<String> {
        let text = self.get(name).unwrap_or_default();
        let items = text.split(separator).map(str::trim);
        items
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect()
    }

    fn domain(&self, name: &'static str) -> Result<Domain> {
        let domain = Domain::parse(&self.need(name)?);
        domain.map_err(|error| error.with("variable", format!("SYNCLINE_CONNECT_{name}")))
    }

    fn domains(&self, name: &'static str) -> Result<Vec<Domain>> {
        let domains = self.list(name, |c| c == ',');
        let domains = domains
            .iter()
            .map(|text| Domain::parse(text))
            .collect::<Result<_>>();
        domains.map_err(|error| error.with("variable", format!("SYNCLINE_CONNECT_{name}")))
    }

    /// The object of contacts: `FIELDS` is a list like `Id=/id,Email=/properties/email`.
    fn contacts(&self) -> Result<Shape> {
        let field = |text: &String| {
            let (name, place) = text.split_once('=')?;
            let field = Field::new(name.trim(), FieldType::Text);
            place
                .trim()
                .starts_with('/')
                .then(|| (field, place.trim().to_owned()))
        };
        let fields = self.list("FIELDS", |c| c == ',');
        let fields: Option<Vec<_>> = fields.iter().map(field).collect();
        let message = "give fields and JSON pointers, like `Id=/id,Email=/properties/email`; `Id` and `Email` are needed";
        Ok(Shape {
            name: "Contact".into(),
            first_page: self.need("RECORDS_PATH")?,
            records: self.get("RECORDS").unwrap_or_else(|| "/records".into()),
            next: self.get("NEXT").unwrap_or_else(|| "/next".into()),
            fields: fields
                .filter(|f| !f.is_empty())
                .ok_or_else(|| wrong("FIELDS", message))?,
        })
    }
}

fn wrong(name: &'static str, message: &'static str) -> Error {
    let variable = format!("SYNCLINE_CONNECT_{name}");
    Error::new(ErrorKind::Invalid, message).with("variable", variable)
}

/// 32 bytes of hexadecimal digits.
fn key(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut key = [0; 32];
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(key)
}
