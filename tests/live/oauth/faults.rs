//! A server that answers token requests as it is told to.

use serde_json::{Value, json};
use syncline::authorization::{
    Authorization as _, AuthorizationState, CredentialRequest, OAuth, ReauthorizationCause,
};
use syncline::spec::{ClientProof, EndpointPaths, EndpointsSpec, OAuthSpec, OrgHosts};
use syncline::{Error, ErrorKind, Result, Retry};

use super::clock::FastClock;
use super::person::authorizes;
use super::server::Server;
use super::world::World;

/// A connection that was authorized, and whose token has ended.
async fn ended(server: &Server) -> (World, OAuth) {
    let paths = EndpointPaths::new("/token").with_authorize("/authorize");
    let spec = OAuthSpec::new(OrgHosts::new(server.origin()), EndpointsSpec::Paths(paths))
        .with_client(ClientProof::Form)
        .with_unlisted_scopes(["read"]);
    let world = World::of(spec, FastClock::real());
    let oauth = world.oauth();
    server.tell(&json!({}));
    authorizes(&oauth, &world.context, "acme").await.unwrap();
    world.clock.later(3_700);
    (world, oauth)
}

async fn token(world: &World, oauth: &OAuth) -> Result<u64> {
    let request = CredentialRequest::new();
    let credential = oauth.credential(&world.context, request).await;
    credential.map(|credential| credential.generation())
}

async fn refused(world: &World, oauth: &OAuth) -> Error {
    token(world, oauth).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_busy_is_asked_again_later() {
    let server = Server::mock();
    for status in [429, 500, 502, 503] {
        let (world, oauth) = ended(&server).await;
        server.tell(&json!({"status": status, "body": {}}));
        let error = refused(&world, &oauth).await;
        assert_eq!(error.kind(), ErrorKind::Io, "{status}: {error}");
        assert_ne!(error.retry(), Retry::Never, "{status}");
        assert_eq!(
            world.state_of(&oauth).await,
            AuthorizationState::Expiring,
            "{status}"
        );
        // Who asks at once is told to wait, and the server hears nothing of it.
        let asked = world.transport.to("/token");
        let error = refused(&world, &oauth).await;
        assert!(matches!(error.retry(), Retry::After(_)), "{error:?}");
        assert_eq!(world.transport.to("/token"), asked);
        server.tell(&json!({}));
        world.clock.later(60);
        assert_eq!(token(&world, &oauth).await.unwrap(), 2, "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_refuses_is_not_asked_for_again() {
    let server = Server::mock();
    for (code, cause) in [
        ("invalid_grant", ReauthorizationCause::RefreshRefused),
        ("invalid_client", ReauthorizationCause::ClientRefused),
        ("unauthorized_client", ReauthorizationCause::ClientRefused),
        ("invalid_scope", ReauthorizationCause::ScopeLost),
    ] {
        let (world, oauth) = ended(&server).await;
        server.tell(&json!({"status": 400, "body": {"error": code}}));
        for _ in 0..10 {
            let error = refused(&world, &oauth).await;
            assert_eq!(error.kind(), ErrorKind::ReauthorizationRequired, "{code}");
            world.clock.later(3_600);
        }
        // The code and one refresh.
        assert_eq!(world.transport.to("/token"), 2, "{code}");
        assert_eq!(
            world.state_of(&oauth).await,
            AuthorizationState::ReauthorizationRequired(cause)
        );
        server.tell(&json!({}));
        authorizes(&oauth, &world.context, "acme").await.unwrap();
        token(&world, &oauth).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_cannot_be_is_no_time() {
    let server = Server::mock();
    let odd = [
        json!(0),
        json!(-1),
        json!(1e30),
        json!("3600"),
        json!(3599.5),
        json!([]),
        json!(u64::MAX),
    ];
    for expires_in in odd {
        let (world, oauth) = ended(&server).await;
        server.tell(&json!({"fields": {"expires_in": expires_in}}));
        let error = refused(&world, &oauth).await;
        assert_eq!(error.kind(), ErrorKind::BadTokenAnswer, "{expires_in}");
        server.tell(&json!({}));
        world.clock.later(60);
        token(&world, &oauth).await.unwrap();
        assert_eq!(world.transport.to("/token"), 3, "{expires_in}");
    }
    // A server need not tell, and a short life is a life.
    for (expires_in, lives) in [
        (Value::Null, None),
        (json!(1), Some(1)),
        (json!(86_400), Some(86_400)),
    ] {
        let (world, oauth) = ended(&server).await;
        server.tell(&json!({"fields": {"expires_in": expires_in}}));
        token(&world, &oauth).await.unwrap();
        let record = world.store().load("crm").await.unwrap().unwrap().record;
        let life = record
            .expires_at
            .map(|at| (at - record.refreshed_at.unwrap()).num_seconds());
        assert_eq!(life, lives);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_that_does_not_come_again_is_kept() {
    let server = Server::mock();
    let (world, oauth) = ended(&server).await;
    let first = world.refresh_token().await;
    for (generation, field) in [(2, Value::Null), (3, json!("")), (4, Value::Null)] {
        server.tell(&json!({"fields": {"refresh_token": field}}));
        assert_eq!(token(&world, &oauth).await.unwrap(), generation);
        assert!(world.refresh_token().await.matches(&first));
        world.clock.later(3_700);
    }
    server.tell(&json!({}));
    token(&world, &oauth).await.unwrap();
    assert!(!world.refresh_token().await.matches(&first));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_cannot_be_right_is_not_used() {
    let server = Server::mock();
    let fields: [(&str, Value); 9] = [
        ("access_token", Value::Null),
        ("access_token", json!("")),
        ("access_token", json!("two words")),
        ("access_token", json!(7)),
        ("token_type", json!("mac")),
        ("token_type", Value::Null),
        ("scope", json!(["read"])),
        ("refresh_token", json!({"a": 1})),
        ("error", json!("what_nobody_knows")),
    ];
    for (name, value) in fields {
        let (world, oauth) = ended(&server).await;
        let first = world.refresh_token().await;
        server.tell(&json!({"fields": {name: value}}));
        let error = refused(&world, &oauth).await;
        assert_eq!(error.kind(), ErrorKind::BadTokenAnswer, "{name}: {value}");
        // The refresh token that came with it may be the only one that works.
        let replaced = !world.refresh_token().await.matches(&first);
        let comes = name != "refresh_token" && name != "error";
        assert_eq!(replaced, comes, "{name}: {value}");
        server.tell(&json!({}));
        world.clock.later(60);
        token(&world, &oauth).await.unwrap();
    }
    for body in [json!([]), json!("tokens"), json!({"error": 7})] {
        let (world, oauth) = ended(&server).await;
        server.tell(&json!({"status": 200, "body": body}));
        let error = refused(&world, &oauth).await;
        assert_eq!(error.kind(), ErrorKind::BadTokenAnswer, "{body}");
    }
    // What nobody asked for does no harm.
    let (world, oauth) = ended(&server).await;
    let more = json!({"token_type": "bEaReR", "scope": "read", "instance_url": "http://169.254.169.254/", "expires_in": 60, "x": {"y": [null]}});
    server.tell(&json!({"fields": more}));
    token(&world, &oauth).await.unwrap();
}
