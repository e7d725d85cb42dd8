//! A connection's life with a server that keeps to the protocol.

use std::time::Duration;

use syncline::ErrorKind;
use syncline::authorization::{
    AfterReject, Authorization as _, AuthorizationState, CredentialRequest, Grant, OAuth,
    ReauthorizationCause, RevokeMode,
};
use syncline::host::HttpRequest;
use syncline::spec::Org;

use super::person::{authorizes, consents};
use super::server::{Server, production, sandbox};
use super::world::World;

fn world() -> World {
    World::new(production().origin(), Some(sandbox().origin()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_consents_and_tokens_are_refreshed() {
    let world = world();
    let (oauth, context) = (world.oauth(), &world.context);
    let done = authorizes(&oauth, context, "acme").await.unwrap();
    assert_eq!(done.organization.as_deref(), Some("acme"));
    let asked = world.ask_api(&oauth).await.unwrap();
    assert_eq!((asked.0, asked.1["id"].as_str()), (200, Some("acme")));
    for generation in 2..6 {
        world.clock.later(590);
        let credential = oauth
            .credential(context, CredentialRequest::new())
            .await
            .unwrap();
        assert_eq!(credential.generation(), generation);
        assert_eq!(world.ask_api(&oauth).await.unwrap().0, 200);
    }
    assert_eq!(world.transport.to("/token"), 5);
    assert_eq!(world.transport.to("/.well-known/openid-configuration"), 1);
}

/// The server compares the verifier; and says who it is, which is compared here.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_of_no_use_to_others() {
    let world = world();
    let (oauth, context) = (world.oauth(), &world.context);
    let mine = consents(&oauth, context, "acme").await.unwrap();
    let theirs = consents(&oauth, context, "evil").await.unwrap();
    assert_eq!(mine.issuer.as_deref(), Some(&*production().address));
    // Somebody else's code under our state: the server knows another challenge for it.
    let mut injected = mine.clone();
    injected.code = theirs.code.clone();
    let error = oauth.complete(context, injected).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReauthorizationRequired, "{error}");
    let asked = world.transport.to("/token");
    let mut mixed = theirs.clone();
    mixed.issuer = Some(sandbox().address.clone());
    let mut unsigned = theirs.clone();
    unsigned.issuer = None;
    for callback in [mine, mixed, unsigned] {
        let error = oauth.complete(context, callback).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StateMismatch, "{error}");
    }
    assert_eq!(world.transport.to("/token"), asked);
    // Without a challenge the server asks nobody.
    let url = format!(
        "{}/auth?client_id=crm&response_type=code&scope=openid&state=a&redirect_uri=https%3A%2F%2Fhost.example.com%2Fcallback",
        production().address
    );
    let refused = HttpRequest::get(url.parse().unwrap());
    assert_ne!(world.send(refused).await.0, 200);
    assert_eq!(
        world.state_of(&oauth).await,
        AuthorizationState::Unauthorized
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_consent_is_told_so() {
    let world = world();
    let (oauth, context) = (world.oauth(), &world.context);
    let error = authorizes(&oauth, context, "nobody").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReauthorizationRequired);
    assert!(error.to_string().contains("access_denied"), "{error}");
    assert_eq!(world.transport.to("/token"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_that_was_used_ends_the_whole_family() {
    let world = world();
    let (oauth, context) = (world.oauth(), &world.context);
    authorizes(&oauth, context, "acme").await.unwrap();
    let old = world.refresh_token().await;
    world.clock.later(590);
    assert_eq!(world.ask_api(&oauth).await.unwrap().0, 200);
    assert!(!world.refresh_token().await.matches(&old));
    // Somebody has a copy of the one that was used.
    let (status, said) = world.refresh_by_hand(&production().address, &old).await;
    assert_eq!(
        (status, said["error"].as_str()),
        (400, Some("invalid_grant"))
    );
    // The token of this family no longer lets anyone in, and the newest refresh token brings no other.
    let (status, _) = world.ask_api(&oauth).await.unwrap();
    assert_eq!(status, 401);
    world.clock.later(60);
    let credential = oauth
        .credential(context, CredentialRequest::new())
        .await
        .unwrap();
    let after = oauth.rejected(context, &credential).await.unwrap();
    assert_eq!(after, AfterReject::GiveUp);
    let asked = world.transport.to("/token");
    let cause = ReauthorizationCause::RefreshRefused;
    for _ in 0..5 {
        let error = world.ask_api(&oauth).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ReauthorizationRequired);
        world.clock.later(3_600);
    }
    assert_eq!(world.transport.to("/token"), asked);
    assert_eq!(
        world.state_of(&oauth).await,
        AuthorizationState::ReauthorizationRequired(cause)
    );
    let done = authorizes(&oauth, context, "acme").await.unwrap();
    assert!(done.again);
    assert_eq!(world.ask_api(&oauth).await.unwrap().0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_revoked_lets_nobody_in() {
    let world = world();
    let (oauth, context) = (world.oauth(), &world.context);
    authorizes(&oauth, context, "acme").await.unwrap();
    let credential = oauth
        .credential(context, CredentialRequest::new())
        .await
        .unwrap();
    let refresh = world.refresh_token().await;
    let done = oauth.revoke(context, RevokeMode::Confirmed).await.unwrap();
    assert!(done.confirmed);
    assert_eq!(world.state_of(&oauth).await, AuthorizationState::Revoked);
    let request = HttpRequest::get(credential.url("/api/organization").unwrap());
    let (status, _) = world.send(credential.attach(request).unwrap()).await;
    assert_eq!(status, 401);
    let (_, said) = world.refresh_by_hand(&production().address, &refresh).await;
    assert_eq!(said["error"], "invalid_grant");
    let error = world.ask_api(&oauth).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReauthorizationRequired);
    // Once more is fine, and asks for nothing.
    let asked = world.transport.to("/token/revocation");
    oauth.revoke(context, RevokeMode::Confirmed).await.unwrap();
    assert_eq!((asked, world.transport.to("/token/revocation")), (2, 2));
}

/// By the server's own clock.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ended_is_replaced_by_itself() {
    let server = Server::provider("production", 2);
    let world = World::new(server.origin(), None);
    let (oauth, context) = (world.oauth(), &world.context);
    authorizes(&oauth, context, "acme").await.unwrap();
    let credential = oauth
        .credential(context, CredentialRequest::new())
        .await
        .unwrap();
    let shown = || {
        let request = HttpRequest::get(credential.url("/api/organization").unwrap());
        world.send(credential.attach(request).unwrap())
    };
    assert_eq!(shown().await.0, 200);
    tokio::time::sleep(Duration::from_millis(3_100)).await;
    assert_eq!(shown().await.0, 401);
    // A connection gets a token every 30 seconds at most.
    world.clock.later(30);
    assert_eq!(world.ask_api(&oauth).await.unwrap().0, 200);
    assert_eq!(world.transport.to("/token"), 2);
    // And so it does when only the server knows that a token has ended.
    let found = oauth.credential(
        context,
        CredentialRequest::new().with_valid_for(Duration::ZERO),
    );
    let found = found.await.unwrap();
    world.clock.later(30);
    let after = oauth.rejected(context, &found).await.unwrap();
    assert_eq!(after, AfterReject::TryAgain);
    assert_eq!(world.ask_api(&oauth).await.unwrap().0, 200);
    assert_eq!(world.transport.to("/token"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_let_in_by_itself() {
    let mut world = world();
    world.spec.scopes = vec!["read".into()];
    let config = world.config(Org::Production, Grant::ClientCredentials);
    let oauth = OAuth::new(config.clone()).unwrap();
    let asked = world.ask_api(&oauth).await.unwrap();
    assert_eq!((asked.0, asked.1["id"].as_str()), (200, Some("robot")));
    world.clock.later(3_600);
    assert_eq!(world.ask_api(&oauth).await.unwrap().0, 200);
    assert_eq!(world.transport.to("/token"), 2);
    // With another secret it is not, and asks once.
    world.clock.later(3_600);
    let wrong = config.with_client_secret(syncline::Secret::new("wrong"));
    let wrong = OAuth::new(wrong).unwrap();
    for _ in 0..3 {
        let error = world.ask_api(&wrong).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ReauthorizationRequired, "{error}");
        world.clock.later(3_600);
    }
    assert_eq!(world.transport.to("/token"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_production_is_none_in_the_sandbox() {
    let world = world();
    let (oauth, context) = (world.oauth(), &world.context);
    authorizes(&oauth, context, "acme").await.unwrap();
    let credential = oauth
        .credential(context, CredentialRequest::new())
        .await
        .unwrap();
    let there = format!("{}/api/organization", sandbox().address);
    let request = HttpRequest::get(there.parse().unwrap());
    // It is not sent there at all.
    let error = credential.attach(request.clone()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::HostNotAllowed);
    // By hand it is, and lets nobody in; neither does the refresh token.
    let here = HttpRequest::get(credential.url("/api/organization").unwrap());
    let bearer = credential.attach(here).unwrap().headers["authorization"].clone();
    let by_hand = request.with_header(http::header::AUTHORIZATION, bearer);
    assert_eq!(world.send(by_hand).await.0, 401);
    let refresh = world.refresh_token().await;
    let (status, said) = world.refresh_by_hand(&sandbox().address, &refresh).await;
    assert_eq!(
        (status, said["error"].as_str()),
        (400, Some("invalid_grant"))
    );
    // It did no harm to the family, which is of another server.
    world.clock.later(590);
    assert_eq!(world.ask_api(&oauth).await.unwrap().0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_is_authorized_as_one() {
    let world = world();
    let oauth = OAuth::new(world.config(Org::Sandbox, Grant::AuthorizationCode)).unwrap();
    let done = authorizes(&oauth, &world.context, "acme").await.unwrap();
    assert_eq!(done.org, Org::Sandbox);
    let asked = world.ask_api(&oauth).await.unwrap();
    assert_eq!((asked.0, &asked.1["sandbox"]), (200, &true.into()));
    // The production servers say of themselves that they are no sandbox.
    let mut other = World::new(sandbox().origin(), Some(production().origin()));
    other.state = world.state.clone();
    let swapped = OAuth::new(other.config(Org::Sandbox, Grant::AuthorizationCode)).unwrap();
    let error = authorizes(&swapped, &other.context, "acme")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OtherOrganization, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_authorizes_again_for_another_organisation() {
    let world = world();
    let (oauth, context) = (world.oauth(), &world.context);
    authorizes(&oauth, context, "acme").await.unwrap();
    let error = authorizes(&oauth, context, "other").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OtherOrganization, "{error}");
    // Neither id is in it, and what was there is still there.
    let said = format!("{error} {error:?}");
    assert!(
        !said.contains("other\"") && !said.contains("acme"),
        "{said}"
    );
    let asked = world.ask_api(&oauth).await.unwrap();
    assert_eq!((asked.0, asked.1["id"].as_str()), (200, Some("acme")));
    authorizes(&oauth, context, "acme").await.unwrap();
}
