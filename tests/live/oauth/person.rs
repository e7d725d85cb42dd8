//! The browser of a person: it keeps cookies and follows redirects, up to the host's own address.

use std::collections::BTreeMap;

use http::{HeaderValue, header};
use syncline::adapter::ReqwestTransport;
use syncline::authorization::{Authorized, BeginRequest, Callback, OAuth};
use syncline::host::{AddressPolicy, Context, HttpRequest, Transport as _};
use syncline::{Error, Result};
use url::Url;

const BACK: &str = "https://host.example.com/callback";

/// Goes where it is sent, until the host is reached; the query that it comes back with.
async fn browse(transport: &ReqwestTransport, mut url: Url) -> String {
    let mut cookies: BTreeMap<String, String> = BTreeMap::new();
    for _ in 0..20 {
        if url.as_str().starts_with(BACK) {
            return url.query().unwrap_or_default().to_owned();
        }
        let jar: Vec<String> = cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let jar = HeaderValue::from_str(&jar.join("; ")).unwrap();
        let request = HttpRequest::get(url.clone())
            .with_addresses(AddressPolicy::Loopback)
            .with_header(header::COOKIE, jar);
        let answer = transport.send(request).await.unwrap();
        for cookie in answer.headers.get_all(header::SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            match value {
                "" => cookies.remove(name),
                _ => cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
        let Some(place) = answer.headers.get(header::LOCATION) else {
            let (status, body) = (answer.status, answer.bytes().await.unwrap());
            panic!("{status} at {url}: {}", String::from_utf8_lossy(&body));
        };
        url = url.join(place.to_str().unwrap()).unwrap();
    }
    panic!("it goes round and round, and is at {url}");
}

/// The callback of this person, who was asked to consent.
pub(crate) async fn consents(oauth: &OAuth, context: &Context, login: &str) -> Result<Callback> {
    let request = BeginRequest::new("session", BACK.parse().unwrap());
    let mut url = oauth.begin(context, request).await?.url;
    url.query_pairs_mut().append_pair("login_hint", login);
    let query = browse(&ReqwestTransport::new()?, url).await;
    Callback::from_query("session", &query)
}

/// Lets a person consent, and takes what comes of it.
pub(crate) async fn authorizes(
    oauth: &OAuth,
    context: &Context,
    login: &str,
) -> Result<Authorized, Error> {
    let callback = consents(oauth, context, login).await?;
    oauth.complete(context, callback).await
}
