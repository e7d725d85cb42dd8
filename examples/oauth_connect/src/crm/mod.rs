//! A connector of a CRM that is reached by OAuth and answers with pages of JSON.
//!
//! What differs between systems is data: their [`OAuthSpec`], and the [`Objects`] of their API. So the pretended Acme CRM of
//! this example and a real system are the same code.

mod api;
mod records;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use syncline::connection::{Catalog, Connection, ConnectionInfo, ObjectInfo};
use syncline::connector::{
    AuthMethod, ConfigField, ConfigType, ConnectRequest, Connector, ConnectorCategory,
    ConnectorInfo, JobTemplate, OAuthGrant,
};
use syncline::dataset::Dataset;
use syncline::destination::Destination;
use syncline::host::Context;
use syncline::spec::{
    DatasetSpec, DestinationSpec, FieldMapping, JobSpec, LookupSpec, MappingSpec, MatchPair,
    NoMatch, OAuthSpec, SelfLookupSpec, SourceSpec, WriteMode,
};
use syncline::{Error, ErrorKind, Result};

use self::api::Api;
use self::records::Records;
pub(crate) use self::records::Shape;

/// Where the connector knows an account's objects from.
#[derive(Debug, Clone)]
pub(crate) enum Objects {
    /// The API describes them at this path.
    Described(String),
    /// Whoever set up the connector has said what they are like.
    Declared(Vec<Shape>),
}

/// The connector.
#[derive(Debug)]
pub(crate) struct Crm {
    info: ConnectorInfo,
    objects: Objects,
}

impl Crm {
    pub(crate) fn new(kind: &str, title: &str, oauth: OAuthSpec, objects: Objects) -> Self {
        let page_size =
            ConfigField::new("page_size", "Records per page", ConfigType::Integer(1, 200))
                .or(25)
                .with_help("From 1 to 200. Small pages show more of the progress.");
        let sign_in = AuthMethod::oauth("oauth", "Sign in", oauth, OAuthGrant::AuthorizationCode);
        let info = ConnectorInfo::new(kind, title, ConnectorCategory::Crm)
            .with_methods(vec![sign_in])
            .with_config(vec![page_size])
            .with_objects(["Account", "Contact"])
            .with_templates(vec![accounts(), contacts()]);
        Crm { info, objects }
    }
}

/// Companies, with the company that each belongs to.
fn accounts() -> JobTemplate {
    let parent = SelfLookupSpec::new(vec![MatchPair::new("ParentId", "crm_id")]);
    let fields = vec![
        FieldMapping::direct("crm_id", "Id"),
        FieldMapping::direct("name", "Name"),
        FieldMapping::direct("industry", "Industry"),
        FieldMapping::direct("employees", "Employees"),
        FieldMapping::self_lookup("parent", parent),
    ];
    template("accounts", "Account", "company", fields).with_optional([
        "industry",
        "employees",
        "parent",
    ])
}

/// People, with the company that each works for.
fn contacts() -> JobTemplate {
    let mut company = LookupSpec::new("company", vec![MatchPair::new("AccountId", "crm_id")], "id");
    // A person whose company was not synced yet is kept, and linked by a later run.
    company.no_match = NoMatch::Null;
    let fields = vec![
        FieldMapping::direct("crm_id", "Id"),
        FieldMapping::direct("email", "Email"),
        FieldMapping::direct("first_name", "FirstName"),
        FieldMapping::direct("last_name", "LastName"),
        FieldMapping::direct("birthday", "Birthday"),
        FieldMapping::lookup("company", company),
    ];
    template("contacts", "Contact", "person", fields).with_optional([
        "first_name",
        "last_name",
        "birthday",
        "company",
    ])
}

/// A job that keeps an object of the host like one of the CRM, record by record.
fn template(name: &str, source: &str, target: &str, fields: Vec<FieldMapping>) -> JobTemplate {
    let mode = WriteMode::upsert(["crm_id"]);
    let destination = DestinationSpec::new(target, mode, MappingSpec::new(fields));
    let dataset = DatasetSpec::new(SourceSpec::Object(source.into()));
    let job = JobSpec::new("", dataset, vec![], vec![destination]);
    JobTemplate::new(name, source, job).with_fixed_source()
}

#[async_trait]
impl Connector for Crm {
    fn info(&self) -> &ConnectorInfo {
        &self.info
    }

    async fn connect(&self, _: &Context, request: ConnectRequest) -> Result<Arc<dyn Connection>> {
        let authorization = request
            .authorization
            .ok_or_else(|| Error::contract("this connector is authorized by OAuth"))?;
        Ok(Arc::new(Account {
            info: ConnectionInfo::new(request.name),
            api: Api::new(authorization, request.transport),
            objects: self.objects.clone(),
            page_size: request.config.integer("page_size").unwrap_or(25),
        }))
    }
}

/// One customer's account at the system.
#[derive(Debug)]
struct Account {
    info: ConnectionInfo,
    api: Api,
    objects: Objects,
    page_size: i64,
}

impl Account {
    async fn shapes(&self, context: &Context) -> Result<Vec<Shape>> {
        match &self.objects {
            Objects::Declared(shapes) => Ok(shapes.clone()),
            Objects::Described(path) => {
                let answer = self.api.get(context, path).await?;
                Shape::described(&answer, self.page_size)
            }
        }
    }
}

#[async_trait]
impl Connection for Account {
    fn info(&self) -> &ConnectionInfo {
        &self.info
    }

    async fn discover(&self, context: &Context) -> Result<Catalog> {
        let shapes = self.shapes(context).await?;
        let object = |shape: &Shape| ObjectInfo::new(&shape.name, shape.schema());
        Ok(Catalog::new(shapes.iter().map(object).collect()))
    }

    /// Whether we are let in. Objects that are declared were not asked for, so this asks for a page of the first.
    async fn check(&self, context: &Context) -> Result<()> {
        match (&self.objects, self.shapes(context).await?.first()) {
            (Objects::Declared(_), Some(shape)) => {
                self.api.get(context, &shape.first_page).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    async fn dataset(&self, context: &Context, object: &str) -> Result<Arc<dyn Dataset>> {
        let mut shapes = self.shapes(context).await?.into_iter();
        let shape = shapes.find(|shape| shape.name == object).ok_or_else(|| {
            let message = "the account has no such object; refresh the connection";
            Error::new(ErrorKind::NotFound, message).with("object", object)
        })?;
        Ok(Arc::new(Records::new(self.api.clone(), shape)))
    }

    async fn destination(&self, _: &Context, _: &str) -> Result<Arc<dyn Destination>> {
        let message = "this connector only reads; write to the host's own objects";
        Err(Error::new(ErrorKind::Unsupported, message))
    }
}
