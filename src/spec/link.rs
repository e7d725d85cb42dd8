//! A link of a chain.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::RunCondition;

/// A link of a chain: a job, or another chain.
///
/// ```
/// use syncline::spec::{LinkSpec, Member};
///
/// let links = [LinkSpec::new("users"), LinkSpec::chain("people").after([Member::job("users"), Member::chain("places")])];
/// let text = serde_json::to_string(&links)?;
/// assert!(text.starts_with(r#"[{"job":"users","when":"#));
/// assert!(text.contains(r#"{"chain":"people","after":["users",{"chain":"places"}],"when":"#));
/// assert_eq!(serde_json::from_str::<Vec<LinkSpec>>(&text)?, links);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "Form", into = "Form")]
#[non_exhaustive]
pub struct LinkSpec {
    /// What runs.
    pub member: Member,
    /// The members of the chain that it waits for; `None` is the one in front of it, if there is one.
    pub after: Option<Vec<Member>>,
    /// What each of them must have done. Of a chain its links count together: the sums of their records, the oldest of their watermarks.
    pub when: RunCondition,
}

/// What a link runs, by its name. Written as a text it is a job, and as `{"chain": "people"}` a chain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(from = "Named", into = "Named")]
#[non_exhaustive]
pub enum Member {
    /// A job.
    Job(String),
    /// Another chain of the same workspace.
    Chain(String),
}

impl LinkSpec {
    /// A job behind the link in front of it.
    pub fn new(job: impl Into<String>) -> Self {
        LinkSpec::of(Member::job(job))
    }

    /// A chain behind the link in front of it: it runs as a whole.
    pub fn chain(chain: impl Into<String>) -> Self {
        LinkSpec::of(Member::chain(chain))
    }

    fn of(member: Member) -> Self {
        LinkSpec {
            member,
            after: None,
            when: RunCondition::default(),
        }
    }

    /// The same, behind these members, of which a text is a job; none to start at once.
    #[must_use]
    pub fn after<M: Into<Member>>(mut self, members: impl IntoIterator<Item = M>) -> Self {
        self.after = Some(members.into_iter().map(Into::into).collect());
        self
    }

    /// The same, once they have done this.
    #[must_use]
    pub fn when(mut self, condition: RunCondition) -> Self {
        self.when = condition;
        self
    }

    /// All that it names: what it runs first.
    pub(crate) fn members_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        std::iter::once(&mut self.member).chain(self.after.iter_mut().flatten())
    }
}

impl Member {
    /// The job of this name.
    pub fn job(name: impl Into<String>) -> Self {
        Member::Job(name.into())
    }

    /// The chain of this name.
    pub fn chain(name: impl Into<String>) -> Self {
        Member::Chain(name.into())
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Member::Job(name) | Member::Chain(name) => name,
        }
    }

    /// The word for what it is.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Member::Job(_) => "job",
            Member::Chain(_) => "chain",
        }
    }
}

impl From<&str> for Member {
    fn from(job: &str) -> Self {
        Member::job(job)
    }
}

impl From<String> for Member {
    fn from(job: String) -> Self {
        Member::Job(job)
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Member::Job(name) => write!(f, "`{name}`"),
            Member::Chain(name) => write!(f, "the chain `{name}`"),
        }
    }
}

/// The written form of a [`Member`].
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "give the name of a job, or `{\"chain\": \"its name\"}`"
)]
enum Named {
    /// A job.
    Job(String),
    /// Another chain.
    Chain {
        /// Its name.
        chain: String,
    },
}

impl From<Named> for Member {
    fn from(named: Named) -> Self {
        match named {
            Named::Job(name) => Member::Job(name),
            Named::Chain { chain } => Member::Chain(chain),
        }
    }
}

impl From<Member> for Named {
    fn from(member: Member) -> Self {
        match member {
            Member::Job(name) => Named::Job(name),
            Member::Chain(chain) => Named::Chain { chain },
        }
    }
}

/// The written form of a [`LinkSpec`]: what it runs is one of two keys.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(extend("oneOf" = one_member())))]
#[serde(deny_unknown_fields)]
struct Form {
    /// The job, by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    job: Option<String>,
    /// Another chain, by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    chain: Option<String>,
    /// The members of the chain that it waits for; without it the one in front of it, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<Vec<Member>>,
    /// What each of them must have done.
    #[serde(default)]
    when: RunCondition,
}

/// For a schema: one of the two keys is there.
#[cfg(feature = "schema")]
fn one_member() -> serde_json::Value {
    let required = |key: &str| serde_json::json!({"required": [key]});
    ["job", "chain"].into_iter().map(required).collect()
}

impl TryFrom<Form> for LinkSpec {
    type Error = String;

    fn try_from(form: Form) -> Result<Self, String> {
        let member = match (form.job, form.chain) {
            (Some(job), None) => Member::Job(job),
            (None, Some(chain)) => Member::Chain(chain),
            _ => return Err("a link has either a `job` or a `chain`".into()),
        };
        Ok(LinkSpec {
            member,
            after: form.after,
            when: form.when,
        })
    }
}

impl From<LinkSpec> for Form {
    fn from(link: LinkSpec) -> Self {
        let (job, chain) = match link.member {
            Member::Job(job) => (Some(job), None),
            Member::Chain(chain) => (None, Some(chain)),
        };
        Form {
            job,
            chain,
            after: link.after,
            when: link.when,
        }
    }
}
