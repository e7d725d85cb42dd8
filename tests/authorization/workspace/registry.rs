//! Connectors as data, and what a connection's spec may say.

use std::sync::Arc;

use serde_json::json;
use syncline::connector::{
    AuthMethod, ClientSource, ConfigField, ConfigType, ConnectorCategory, ConnectorInfo,
    OAuthGrant, Registry,
};
use syncline::memory::MemoryConnector;
use syncline::spec::{ConnectionSpec, Domain, Org};
use syncline::{Error, ErrorKind};

use super::super::server::{World, spec};
use super::{crm, registry};

fn paths(error: &Error) -> Vec<&str> {
    error
        .problems()
        .iter()
        .map(|problem| problem.path.as_str())
        .collect()
}

#[test]
fn connectors_are_found_by_kind_and_by_category() {
    let registry = registry(&crm());
    assert_eq!(registry.connectors().count(), 7);
    for category in ConnectorCategory::ALL {
        let word = serde_json::to_value(category).unwrap();
        assert_eq!(word, json!(category.word()));
        for connector in registry.of_category(category) {
            assert_eq!(connector.info().category, category);
        }
    }
    assert_eq!(registry.of_category(ConnectorCategory::Crm).count(), 1);
    assert_eq!(registry.of_category(ConnectorCategory::Billing).count(), 0);
    assert_eq!(
        registry.connector("erp").unwrap_err().kind(),
        ErrorKind::NotFound
    );
    let again = MemoryConnector::new(
        ConnectorInfo::new("crm", "x", ConnectorCategory::Crm),
        crm(),
    );
    assert_eq!(
        registry.with(Arc::new(again)).unwrap_err().kind(),
        ErrorKind::Conflict
    );
}

#[test]
fn a_connector_that_declares_what_cannot_be_is_not_registered() {
    let customer = ClientSource::Customer {
        id: "id".into(),
        secret: Some("plain".into()),
    };
    let oauth = AuthMethod::oauth("oauth", "OAuth", spec(), OAuthGrant::ClientCredentials);
    let info = ConnectorInfo::new("Big CRM", "Big CRM", ConnectorCategory::Crm)
        .with_methods(vec![oauth.clone().with_client(customer), oauth])
        .with_config(vec![
            ConfigField::new("plain", "Plain", ConfigType::Text),
            ConfigField::new("region", "Region", ConfigType::Choice(vec!["eu".into()])).or("us"),
            ConfigField::new("plain", "Again", ConfigType::Boolean),
        ]);
    let error = Registry::new()
        .with(Arc::new(MemoryConnector::new(info, crm())))
        .unwrap_err();
    assert_eq!(
        paths(&error),
        [
            "kind",
            "methods[1].name",
            "config[2].name",
            "methods[0].way.client.id",
            "methods[0].way.client.secret",
            "config[1].default"
        ]
    );
    let none = ConnectorInfo::new("none", "None", ConnectorCategory::Api).with_methods(vec![]);
    let error = Registry::new()
        .with(Arc::new(MemoryConnector::new(none, crm())))
        .unwrap_err();
    assert_eq!(paths(&error), ["methods"]);
}

#[test]
fn all_that_is_wrong_with_a_connection_is_told_before_it_is_made() {
    let world = World::new();
    let workspace = world.workspace();
    let create = |spec| {
        let made = workspace.connections().create(world.context(), spec);
        world.run(made).unwrap_err()
    };
    let wrong = ConnectionSpec::new(" ", "warehouse")
        .with_method("key")
        .with_config("region", "mars")
        .with_config("rows", 0)
        .with_config("client_secret", "hunter2")
        .with_config("colour", "red");
    let error = create(wrong);
    assert_eq!(
        paths(&error),
        [
            "name",
            "method",
            "config.region",
            "config.rows",
            "config.client_secret",
            "config.colour",
            "config.client_id"
        ]
    );
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    assert_eq!(
        create(ConnectionSpec::new("x", "erp")).kind(),
        ErrorKind::NotFound
    );
    let elsewhere = Org::CustomDomain(Domain::parse("evil.example.net").unwrap());
    let error = create(ConnectionSpec::new("x", "crm").with_org(elsewhere));
    assert_eq!(paths(&error), ["org"]);
    let error = create(ConnectionSpec::new("x", "api").with_org(Org::Sandbox));
    assert_eq!(paths(&error), ["org"]);
    let list = workspace.connections().list(world.context());
    assert_eq!(world.run(list).unwrap().len(), 0);
}
