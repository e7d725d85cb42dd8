//! Which organisation of an outside system a connection belongs to, and to which hosts its credential may go.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::Domain;
use super::domain::within;
use crate::{Error, ErrorKind, Result};

/// The kind of organisation that a connection is authorized for.
///
/// ```
/// use syncline::spec::{Domain, Org};
///
/// let org: Org = serde_json::from_str(r#"{"custom_domain": "Acme.my.example.com"}"#)?;
/// assert_eq!(org, Org::CustomDomain(Domain::parse("acme.my.example.com")?));
/// assert_eq!(serde_json::to_string(&Org::Sandbox)?, r#""sandbox""#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Org {
    /// The real one.
    Production,
    /// One to try things out in.
    Sandbox,
    /// One that is reached at a host of its own.
    CustomDomain(Domain),
}

/// Where an outside system is reached: `https` at a host, or, for tests and local servers, a port of this machine.
///
/// Only the author of a connector and the host's own code make one; a customer gives a [`Domain`] at most.
///
/// ```
/// use syncline::spec::{Domain, Origin};
///
/// let origin = Origin::from(Domain::parse("login.example.com")?);
/// assert_eq!(origin.to_string(), "https://login.example.com");
/// assert_eq!(Origin::loopback(4011).to_string(), "http://127.0.0.1:4011");
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct Origin(At);

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum At {
    Https(Domain),
    Loopback(u16),
}

impl From<Domain> for Origin {
    fn from(host: Domain) -> Self {
        Origin(At::Https(host))
    }
}

impl Origin {
    /// A server on this machine, without TLS: for tests and development only.
    pub fn loopback(port: u16) -> Self {
        Origin(At::Loopback(port))
    }

    /// Whether this is a server on this machine.
    pub fn is_loopback(&self) -> bool {
        matches!(self.0, At::Loopback(_))
    }

    /// The address of a path there, which begins with `/`.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) if it does not, or is no path of this origin.
    pub fn url(&self, path: &str) -> Result<Url> {
        let url = Url::parse(&format!("{self}{path}"));
        match url {
            Ok(url) if path.starts_with('/') && self.is_of(&url) => Ok(url),
            _ => {
                let message = "this is not a path on a host; begin it with one `/`";
                Err(Error::new(ErrorKind::Invalid, message).with("path", path))
            }
        }
    }

    fn is_of(&self, url: &Url) -> bool {
        match (&self.0, url.host()) {
            (At::Https(domain), Some(Host::Domain(host))) => {
                url.scheme() == "https" && url.port().is_none() && host == domain.as_str()
            }
            (At::Loopback(port), Some(Host::Ipv4(address))) => {
                let same_port = url.port_or_known_default() == Some(*port);
                url.scheme() == "http" && same_port && address == std::net::Ipv4Addr::LOCALHOST
            }
            _ => false,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            At::Https(domain) => write!(f, "https://{domain}"),
            At::Loopback(port) => write!(f, "http://127.0.0.1:{port}"),
        }
    }
}

/// Which hosts customers may name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CustomDomains {
    /// None.
    #[default]
    Refused,
    /// Hosts below one of these, at the border of a label.
    Under(Vec<Domain>),
    /// Any host on the internet, for systems that customers run themselves: whoever may name it is sent the credential. The transport
    /// still refuses [private addresses](crate::host::AddressPolicy).
    AnyPublic,
}

/// The hosts of an outside system, as its connector declares them.
///
/// ```
/// use syncline::spec::{CustomDomains, Domain, Org, OrgHosts};
///
/// let hosts = OrgHosts::new(Domain::parse("login.example.com")?)
///     .with_sandbox(Domain::parse("test.example.com")?)
///     .with_custom(CustomDomains::Under(vec![Domain::parse("my.example.com")?]))
///     .with_api(vec![Domain::parse("api.example.com")?]);
/// let allowed = hosts.allow(&Org::CustomDomain(Domain::parse("acme.my.example.com")?))?;
/// assert_eq!(allowed.home().to_string(), "https://acme.my.example.com");
/// assert!(allowed.check("https://eu.api.example.com/v1/next?page=2").is_ok());
/// // Of another organisation, or of somebody else.
/// assert!(allowed.check("https://other.my.example.com/").is_err());
/// assert!(allowed.check("https://api.example.com.evil.example/").is_err());
/// assert!(hosts.allow(&Org::CustomDomain(Domain::parse("my.example.com.evil.example")?)).is_err());
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct OrgHosts {
    /// Where production organisations log in.
    pub production: Origin,
    /// Where sandboxes do; `None` if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<Origin>,
    /// Which hosts customers may name.
    #[serde(default)]
    pub custom: CustomDomains,
    /// Hosts, and all below them, that belong to the system and may be sent a credential too, such as those that an answer names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub api: Vec<Domain>,
}

impl OrgHosts {
    /// A system with one host.
    pub fn new(production: impl Into<Origin>) -> Self {
        OrgHosts {
            production: production.into(),
            sandbox: None,
            custom: CustomDomains::default(),
            api: Vec::new(),
        }
    }

    /// Sandboxes log in here.
    #[must_use]
    pub fn with_sandbox(mut self, sandbox: impl Into<Origin>) -> Self {
        self.sandbox = Some(sandbox.into());
        self
    }

    /// Customers may name these hosts.
    #[must_use]
    pub fn with_custom(mut self, custom: CustomDomains) -> Self {
        self.custom = custom;
        self
    }

    /// These hosts, and all below them, may be sent a credential too.
    #[must_use]
    pub fn with_api(mut self, api: Vec<Domain>) -> Self {
        self.api = api;
        self
    }

    /// The hosts that the credential of an organisation may go to.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) if the system has no organisations of this kind;
    /// [`HostNotAllowed`](ErrorKind::HostNotAllowed) for a host that customers may not name.
    pub fn allow(&self, org: &Org) -> Result<AllowedHosts> {
        let without = |what| {
            let message = "the connector has no organisations of this kind; choose another one";
            Error::new(ErrorKind::Unsupported, message).with("kind", what)
        };
        let home = match org {
            Org::Production => self.production.clone(),
            Org::Sandbox => self.sandbox.clone().ok_or_else(|| without("sandbox"))?,
            Org::CustomDomain(domain) => {
                let may = match &self.custom {
                    CustomDomains::Refused => return Err(without("custom domain")),
                    // The suffix itself belongs to no customer.
                    CustomDomains::Under(suffixes) => suffixes
                        .iter()
                        .any(|suffix| domain != suffix && domain.is_within(suffix)),
                    CustomDomains::AnyPublic => true,
                };
                if !may {
                    let message = "this host is not one of the connector's; ask whoever gave it to you, and give the host that you log in at";
                    return Err(Error::new(ErrorKind::HostNotAllowed, message).with("host", domain));
                }
                Origin::from(domain.clone())
            }
        };
        Ok(AllowedHosts {
            home,
            api: self.api.clone(),
        })
    }
}

/// The hosts that one connection's credential may go to: its home, and those of the system's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedHosts {
    home: Origin,
    api: Vec<Domain>,
}

impl AllowedHosts {
    /// Where the organisation is reached.
    pub fn home(&self) -> &Origin {
        &self.home
    }

    /// Reads an absolute URL that came from outside, such as that of a next page, and checks it.
    ///
    /// # Errors
    /// [`HostNotAllowed`](ErrorKind::HostNotAllowed) for all but `https` at an allowed host, without user name and port. The error names
    /// the host, never the rest.
    pub fn check(&self, url: &str) -> Result<Url> {
        // Parsers do not agree about these, so nobody shall have to guess.
        let odd = |c: char| c == '\\' || c.is_control() || c.is_whitespace();
        match Url::parse(url) {
            Ok(parsed) if !url.contains(odd) => self.check_url(&parsed).map(|()| parsed),
            _ => Err(refused(None, "it is no absolute URL")),
        }
    }

    /// Checks where a request would go. Whatever attaches a credential calls this first.
    ///
    /// # Errors
    /// As [`check`](AllowedHosts::check).
    pub fn check_url(&self, url: &Url) -> Result<()> {
        let host = url.host_str();
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused(host, "it has a user name"));
        }
        if self.home.is_of(url) {
            return Ok(());
        }
        if url.scheme() != "https" {
            return Err(refused(host, "it is not https"));
        }
        if url.port().is_some() {
            return Err(refused(host, "it has a port"));
        }
        match url.host() {
            Some(Host::Domain(host)) => {
                if self.api.iter().any(|suffix| within(host, suffix.as_str())) {
                    Ok(())
                } else {
                    Err(refused(Some(host), "it is not one of the connection's"))
                }
            }
            _ => Err(refused(host, "it is an address")),
        }
    }
}

fn refused(host: Option<&str>, because: &'static str) -> Error {
    let message = "the credential may not go to this host, and nothing was sent; if the host is right, its connector must declare it";
    let error = Error::new(ErrorKind::HostNotAllowed, message).with("because", because);
    match host {
        Some(host) => error.with("host", host),
        None => error,
    }
}
