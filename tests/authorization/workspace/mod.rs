//! A tenant's workspace from outside: the life of connections, jobs, and moving them.

mod activity;
#[cfg(feature = "testing")]
mod ahead;
mod audit;
mod chains;
mod faults;
mod first;
mod jobs;
mod life;
mod moving;
mod nested;
mod notices;
mod provider;
mod registry;
mod rows;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use syncline::authorization::{Authorization, BeginRequest, Callback};
use syncline::connection::Connection;
use syncline::connector::{
    AuthMethod, ClientSource, ConfigField, ConfigType, ConnectRequest, Connector,
    ConnectorCategory, ConnectorInfo, Instances, JobTemplate, KeyForm, OAuthClient, OAuthGrant,
    Registry,
};
use syncline::host::{Context, StateKey, StateKind, StateStore};
use syncline::memory::{MemoryConnection, MemoryConnector, MemoryNotifications, MemoryObject};
use syncline::record::array::RecordBatch;
use syncline::record::{Field, FieldType, RecordBuilder, Schema};
use syncline::spec::{
    ConnectionSpec, CustomDomains, DatasetSpec, DestinationSpec, Domain, FieldMapping, Identity,
    JobSpec, MappingSpec, ObjectSpec, OrgHosts, SourceSpec, WriteMode,
};
use syncline::workspace::{Connected, ConnectionView, Workspace, WorkspaceConfig};
use syncline::{Result, Secret, Tenant};

use super::server::{World, spec};

fn fields(names: &[&str]) -> Vec<Field> {
    let field = |name: &&str| Field::new(*name, FieldType::Text);
    names.iter().map(field).collect()
}

fn system(objects: &[(&str, &[&str])]) -> MemoryConnection {
    let mut system = MemoryConnection::new("crm");
    for (name, names) in objects {
        let object = ObjectSpec::new(*name, Identity::Generated, fields(names));
        system = system.with_object(&object).unwrap();
    }
    system
}

/// Rows of these fields, the first of which has these values.
fn rows(names: &[&str], values: &[&str]) -> RecordBatch {
    let mut rows = RecordBuilder::new(&Schema::new(fields(names)));
    for value in values {
        rows.push(&serde_json::json!({names[0]: value})).unwrap();
    }
    rows.finish().unwrap()
}

/// An object with a day for each record.
fn events(all: &[(&str, &str)]) -> MemoryObject {
    let mut fields = fields(&["Email"]);
    fields.push(Field::new("At", FieldType::Date));
    let object = MemoryObject::new(&ObjectSpec::new(
        "Event",
        Identity::Generated,
        fields.clone(),
    ));
    let object = object.unwrap();
    let mut rows = RecordBuilder::new(&Schema::new(fields));
    for (email, at) in all {
        rows.push(&serde_json::json!({"Email": email, "At": at}))
            .unwrap();
    }
    object.insert(rows.finish().unwrap()).unwrap();
    object
}

/// What the outside system shows as a rule.
fn crm() -> MemoryConnection {
    system(&[
        ("Contact", &["Email", "Phone"]),
        ("Account", &["Domain", "Name"]),
    ])
}

fn job(name: &str, source: &str, target: &str, fields: &[(&str, &str)]) -> JobSpec {
    let mapped = fields
        .iter()
        .map(|(field, from)| FieldMapping::direct(*field, *from));
    let mapping = MappingSpec::new(mapped.collect());
    let by = fields[0].0;
    let destination = DestinationSpec::new(target, WriteMode::upsert([by]), mapping);
    let dataset = DatasetSpec::new(SourceSpec::Object(source.into()));
    JobSpec::new(name, dataset, vec![], vec![destination])
}

pub(crate) fn contacts(name: &str) -> JobSpec {
    job(
        name,
        "Contact",
        "person",
        &[("email", "Email"), ("phone", "Phone")],
    )
}

fn templates() -> Vec<JobTemplate> {
    let accounts = job(
        "",
        "Account",
        "company",
        &[("domain", "Domain"), ("name", "Name")],
    );
    vec![
        JobTemplate::new("contacts", "Person", contacts(""))
            .with_optional(["phone"])
            .with_fixed_source()
            .with_fixed_target(),
        JobTemplate::new("accounts", "Company", accounts.with_first("contacts")),
    ]
}

/// Connectors of each way to authorize, over the same outside system.
fn registry(system: &MemoryConnection, lent: &Lent) -> Registry {
    let hosts = || {
        OrgHosts::new(Domain::parse("api.example.com").unwrap()).with_custom(CustomDomains::Refused)
    };
    let oauth = |grant| AuthMethod::oauth("oauth", "OAuth", spec(), grant);
    let info = |kind, category| ConnectorInfo::new(kind, kind, category);
    let crm = info("crm", ConnectorCategory::Crm)
        .with_methods(vec![oauth(OAuthGrant::AuthorizationCode)])
        .with_templates(templates());
    let machine = info("machine", ConnectorCategory::Usage)
        .with_methods(vec![oauth(OAuthGrant::ClientCredentials)]);
    let device =
        info("device", ConnectorCategory::Survey).with_methods(vec![oauth(OAuthGrant::DeviceCode)]);
    let customer = ClientSource::Customer {
        id: "client_id".into(),
        secret: Some("client_secret".into()),
    };
    let warehouse = info("warehouse", ConnectorCategory::Data)
        .with_methods(vec![
            oauth(OAuthGrant::ClientCredentials).with_client(customer),
        ])
        .with_config(vec![
            ConfigField::new("client_id", "Client id", ConfigType::Text).required(),
            ConfigField::new("client_secret", "Client secret", ConfigType::Secret).required(),
            ConfigField::new(
                "region",
                "Region",
                ConfigType::Choice(vec!["eu".into(), "us".into()]),
            )
            .or("eu"),
            ConfigField::new("rows", "Rows", ConfigType::Integer(1, 100)),
        ]);
    let key = |form| AuthMethod::key("key", "Key", form, hosts());
    let api = info("api", ConnectorCategory::Api)
        .with_methods(vec![key(KeyForm::Header("accesskey".into()))])
        .with_instances(Instances::Single);
    let desk = info("desk", ConnectorCategory::Support).with_methods(vec![key(KeyForm::Basic)]);
    let open = info("open", ConnectorCategory::File);
    let all = [crm, machine, device, warehouse, api, desk, open];
    let registry = all.into_iter().fold(Registry::new(), |registry, info| {
        let connector = MemoryConnector::new(info, system.clone());
        registry
            .with(Arc::new(Shown(connector, Arc::clone(lent))))
            .unwrap()
    });
    ["crm", "machine", "device"]
        .into_iter()
        .fold(registry, |registry, kind| {
            let client = OAuthClient::new("client").with_secret(Secret::new("client-secret"));
            registry.with_client(kind, client).unwrap()
        })
}

fn home() -> MemoryConnection {
    system(&[
        ("person", &["email", "phone"]),
        ("company", &["domain", "name"]),
    ])
}

impl World {
    /// A workspace whose host has this client and tells people by this mail, and what it was made of.
    pub(crate) fn with_secrets(
        &self,
        client: OAuthClient,
        mail: MemoryNotifications,
    ) -> (Workspace, WorkspaceConfig) {
        let config = WorkspaceConfig::new(
            Tenant::new("acme").unwrap(),
            Arc::new(self.state.clone()),
            Arc::new(self.cipher.clone()),
            Arc::new(self.server.transport()),
            Arc::new(home()),
        );
        let registry = registry(&crm(), &self.lent)
            .with_client("crm", client)
            .unwrap();
        let config = config.with_registry(Arc::new(registry));
        let config = config.with_notifications(Arc::new(mail));
        (Workspace::new(config.clone()), config)
    }

    fn workspace(&self) -> Workspace {
        self.workspace_of("acme", Arc::new(self.state.clone()), &crm())
    }

    fn workspace_of(
        &self,
        tenant: &str,
        state: Arc<dyn StateStore>,
        system: &MemoryConnection,
    ) -> Workspace {
        let config = WorkspaceConfig::new(
            Tenant::new(tenant).unwrap(),
            state,
            Arc::new(self.cipher.clone()),
            Arc::new(self.server.transport()),
            Arc::new(home()),
        );
        Workspace::new(config.with_registry(Arc::new(registry(system, &self.lent))))
    }

    fn create(&self, workspace: &Workspace, name: &str, kind: &str) -> ConnectionView {
        let spec = ConnectionSpec::new(name, kind);
        self.run(workspace.connections().create(self.context(), spec))
            .unwrap()
    }

    /// Sends a person to consent, who does, and gives the callback.
    fn agree(&self, workspace: &Workspace, id: &str) -> Callback {
        let redirect = "https://host.example.com/callback".parse().unwrap();
        let request = BeginRequest::new("session", redirect);
        let consent = self
            .run(workspace.connections().begin(self.context(), id, request))
            .unwrap();
        let query: HashMap<String, String> = consent.url.query_pairs().into_owned().collect();
        let mut books = self.server.books();
        let code = format!("code-{}-{}", books.issued, books.codes.len());
        books
            .codes
            .insert(code.clone(), query["code_challenge"].clone());
        Callback::from_query("session", &format!("code={code}&state={}", query["state"])).unwrap()
    }

    fn authorize(&self, workspace: &Workspace, id: &str) -> Result<Connected> {
        let callback = self.agree(workspace, id);
        self.run(workspace.connections().complete(self.context(), callback))
    }

    fn get(&self, workspace: &Workspace, id: &str) -> ConnectionView {
        self.run(workspace.connections().get(self.context(), id))
            .unwrap()
    }

    /// What the connections that are opened are let in by, the newest.
    fn lent(&self) -> Lent {
        Arc::clone(&self.lent)
    }

    /// All that a tenant has saved.
    fn bytes(&self, tenant: &str) -> Vec<Vec<u8>> {
        let key = |path: String| StateKey::from_path(&path).unwrap();
        let keys = self.saved(tenant).into_iter().map(key);
        let get = |key| {
            self.run(self.state.get(&key))
                .unwrap()
                .unwrap()
                .bytes
                .to_vec()
        };
        keys.map(get).collect()
    }

    /// The paths of all that a tenant has saved.
    fn saved(&self, tenant: &str) -> Vec<String> {
        let tenant = Tenant::new(tenant).unwrap();
        let kinds = [
            StateKind::Roster,
            StateKind::Job,
            StateKind::Catalog,
            StateKind::Credential,
            StateKind::Consent,
            StateKind::Checkpoint,
            StateKind::Chain,
            StateKind::Account,
        ];
        let list = |kind| {
            self.run(self.state.list(&tenant, kind, None, 1_000))
                .unwrap()
        };
        let keys = kinds.into_iter().flat_map(list);
        keys.map(|key| key.path().to_owned()).collect()
    }
}

/// A connector that shows what its connections are let in by.
#[derive(Debug)]
struct Shown(MemoryConnector, Lent);

type Lent = Arc<Mutex<Option<Arc<dyn Authorization>>>>;

#[async_trait::async_trait]
impl Connector for Shown {
    fn info(&self) -> &ConnectorInfo {
        self.0.info()
    }

    async fn connect(
        &self,
        context: &Context,
        request: ConnectRequest,
    ) -> Result<Arc<dyn Connection>> {
        self.1.lock().unwrap().clone_from(&request.authorization);
        self.0.connect(context, request).await
    }
}

fn key(parts: &[(&str, &str)]) -> BTreeMap<String, Secret> {
    let part = |(name, text): &(&str, &str)| ((*name).to_owned(), Secret::new(*text));
    parts.iter().map(part).collect()
}
