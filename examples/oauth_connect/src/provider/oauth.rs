//! The authorization server: consent, tokens, revocation.

use std::collections::HashMap;

use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use syncline::Secret;
use url::Url;

use super::grants::{Asked, Tokens};
use super::{CLIENT, Provider, SCOPE};
use crate::pages::{escape, page_of_provider};

/// Parameters of a query or a form.
type Parameters = HashMap<String, String>;

/// Asks the person, if the client asks as it must.
pub(super) async fn ask(
    State(provider): State<Provider>,
    Query(query): Query<Parameters>,
) -> Response {
    let given = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    // Nobody is sent anywhere before these two are known to be right.
    if given("client_id") != CLIENT || given("redirect_uri") != provider.0.redirect {
        let text = "<p>This application is not known here, or its address is another one.</p>";
        let page = page_of_provider(provider.title(), text);
        return (StatusCode::BAD_REQUEST, Html(page)).into_response();
    }
    let asked = Asked {
        redirect: given("redirect_uri").to_owned(),
        state: given("state").to_owned(),
        challenge: given("code_challenge").to_owned(),
    };
    let proper = given("response_type") == "code" && given("code_challenge_method") == "S256";
    if !proper || asked.challenge.is_empty() {
        return back(&provider, &asked, "error", "invalid_request");
    }
    if given("scope") != SCOPE {
        return back(&provider, &asked, "error", "invalid_scope");
    }
    let ticket = provider.grants().ask(asked);
    let form = format!(
        r#"<p>The application <strong>Syncline example</strong> asks to read your contacts and accounts.</p>
<form method="post">
<input type="hidden" name="ticket" value="{}">
<div class="actions">
<button name="decision" value="allow">Allow</button>
<button class="plain" name="decision" value="deny">Deny</button>
</div>
</form>"#,
        escape(ticket)
    );
    Html(page_of_provider(provider.title(), &form)).into_response()
}

/// The person has decided.
pub(super) async fn answer(
    State(provider): State<Provider>,
    Form(form): Form<Parameters>,
) -> Response {
    let ticket = form.get("ticket").map(String::as_str).unwrap_or_default();
    let Some(asked) = provider.grants().asked(ticket) else {
        let text = "<p>This was answered already. Go back to the application and begin again.</p>";
        let page = page_of_provider(provider.title(), text);
        return (StatusCode::BAD_REQUEST, Html(page)).into_response();
    };
    if form.get("decision").map(String::as_str) != Some("allow") {
        return back(&provider, &asked, "error", "access_denied");
    }
    let code = provider.grants().consent(asked.clone());
    back(&provider, &asked, "code", &code)
}

/// Sends the browser back to the client.
fn back(provider: &Provider, asked: &Asked, name: &str, value: &str) -> Response {
    let Ok(mut url) = Url::parse(&asked.redirect) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    url.query_pairs_mut()
        .append_pair(name, value)
        .append_pair("state", &asked.state)
        .append_pair("iss", &provider.origin().to_string());
    Redirect::to(url.as_str()).into_response()
}

/// Gives tokens for a code or a refresh token.
pub(super) async fn token(
    State(provider): State<Provider>,
    headers: HeaderMap,
    Form(form): Form<Parameters>,
) -> Response {
    if !is_our_client(&provider, &headers) {
        return refused(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    let given = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let mut grants = provider.grants();
    let tokens = match given("grant_type") {
        "authorization_code" => {
            let (code, redirect) = (given("code"), given("redirect_uri"));
            grants.redeem(code, redirect, given("code_verifier"))
        }
        "refresh_token" => grants.refresh(given("refresh_token")),
        _ => return refused(StatusCode::BAD_REQUEST, "unsupported_grant_type"),
    };
    match tokens {
        Some(Tokens { access, refresh }) => super::json(&json!({
            "access_token": access, "token_type": "Bearer", "expires_in": 3600,
            "refresh_token": refresh, "scope": SCOPE,
        })),
        None => refused(StatusCode::BAD_REQUEST, "invalid_grant"),
    }
}

/// Ends a grant (RFC 7009).
pub(super) async fn revoke(
    State(provider): State<Provider>,
    headers: HeaderMap,
    Form(form): Form<Parameters>,
) -> Response {
    if !is_our_client(&provider, &headers) {
        return refused(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    let token = form.get("token").map(String::as_str).unwrap_or_default();
    provider.grants().revoke(token);
    StatusCode::OK.into_response()
}

/// Whether the client proves itself by its id and secret.
fn is_our_client(provider: &Provider, headers: &HeaderMap) -> bool {
    let shown = headers.get(header::AUTHORIZATION);
    let shown = shown.and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
    let shown = shown.and_then(|text| String::from_utf8(STANDARD.decode(text).ok()?).ok());
    let right = format!("{CLIENT}:{}", provider.0.client_secret);
    shown.is_some_and(|shown| Secret::new(shown).matches(&Secret::new(right)))
}

fn refused(status: StatusCode, code: &str) -> Response {
    (status, super::json(&json!({"error": code}))).into_response()
}
