//! Who is at the browser: a cookie, and what proves that a form came from our own pages.
//!
//! A real host has people who log in, each in a tenant. Here whoever has the address is one, in the one tenant.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Extension;
use axum::extract::{Form, FromRequest, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use syncline::Secret;

use crate::drawn;
use crate::host::Host;
use crate::pages;

/// The cookie. On another address than this machine it also needs `Secure`.
const COOKIE: &str = "syncline_connect";
/// The field of each form that holds its token.
pub(crate) const TOKEN: &str = "form_token";
/// The most sessions that are remembered.
const MOST: usize = 10_000;

/// One browser.
#[derive(Debug, Clone)]
pub(crate) struct Session(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: Secret,
    form_token: Secret,
    /// The connection that it was sent away for last.
    begun: Mutex<Option<String>>,
}

impl Session {
    fn new() -> Self {
        Session(Arc::new(Inner {
            id: Secret::new(drawn()),
            form_token: Secret::new(drawn()),
            begun: Mutex::default(),
        }))
    }

    /// What a consent is bound to.
    pub(crate) fn id(&self) -> &str {
        self.0.id.expose()
    }

    /// What a form of this session must hold.
    pub(crate) fn form_token(&self) -> &str {
        self.0.form_token.expose()
    }

    /// Remembers for which connection the person was sent away.
    pub(crate) fn begin(&self, connection: &str) {
        *self.0.begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection.to_owned());
    }

    /// The connection that the person was sent away for last.
    pub(crate) fn begun(&self) -> Option<String> {
        let begun = self.0.begun.lock().unwrap_or_else(PoisonError::into_inner);
        begun.clone()
    }
}

/// All sessions; the oldest go first.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<(HashMap<String, Session>, VecDeque<String>)>);

impl Sessions {
    fn find(&self, headers: &HeaderMap) -> Option<Session> {
        let cookies = headers.get_all(header::COOKIE).iter();
        let mut cookies = cookies.flat_map(|value| value.to_str().unwrap_or_default().split(';'));
        let id =
            cookies.find_map(|cookie| cookie.trim().strip_prefix(COOKIE)?.strip_prefix('='))?;
        let sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.0.get(id).cloned()
    }

    fn begin(&self) -> Session {
        let session = Session::new();
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (by_id, ids) = &mut *sessions;
        while ids.len() >= MOST {
            if let Some(oldest) = ids.pop_front() {
                by_id.remove(&oldest);
            }
        }
        by_id.insert(session.id().to_owned(), session.clone());
        ids.push_back(session.id().to_owned());
        session
    }
}

/// Finds the session of each request, or begins one; and tells the browser what our pages may do.
pub(crate) async fn with_session(
    State(host): State<Arc<Host>>,
    mut request: Request,
    next: Next,
) -> Response {
    let known = host.sessions.find(request.headers());
    let is_new = known.is_none();
    let session = known.unwrap_or_else(|| host.sessions.begin());
    request.extensions_mut().insert(session.clone());
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if is_new {
        // `Lax`: the cookie comes along when another site sends the browser back here, and with no form of another site.
        let cookie = format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Lax", session.id());
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            headers.insert(header::SET_COOKIE, cookie);
        }
    }
    // No `form-action`: the form that connects ends, by a redirect, at the outside system.
    let policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'";
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in fixed {
        // What is shown apart has a policy of its own.
        let header = headers.entry(name);
        header.or_insert(HeaderValue::from_static(value));
    }
    response
}

/// A form that came from one of our pages.
#[derive(Debug)]
pub(crate) struct Posted {
    pub(crate) session: Session,
    pub(crate) fields: HashMap<String, String>,
}

impl Posted {
    /// What was typed into a field, without spaces around it.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields
            .get(name)
            .map(|text| text.trim())
            .unwrap_or_default()
    }
}

impl<S: Send + Sync> FromRequest<S> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let session = request.extensions().get::<Session>().cloned();
        let form = Form::<HashMap<String, String>>::from_request(request, state).await;
        let Form(fields) = form.map_err(IntoResponse::into_response)?;
        let token = fields.get(TOKEN).cloned().unwrap_or_default();
        match session.filter(|session| session.0.form_token.matches(&Secret::new(token))) {
            Some(session) => Ok(Posted { session, fields }),
            None => Err((StatusCode::FORBIDDEN, pages::form_too_old()).into_response()),
        }
    }
}

/// The session of a request.
pub(crate) type Visitor = Extension<Session>;
