//! Somebody with a browser that runs no script.

use std::collections::HashMap;
use std::time::Duration;

use oauth_connect::Running;
use reqwest::{Client, Url, redirect};

/// One browser, which keeps the cookie of the host.
pub(crate) struct Visitor {
    client: Client,
    host: Url,
    cookie: Option<String>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) location: Option<Url>,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    /// Where it leads to.
    pub(crate) fn leads_to(&self) -> Url {
        assert_eq!(self.status, 303, "{}", self.body);
        self.location.clone().unwrap()
    }

    /// The value of a hidden field.
    pub(crate) fn hidden(&self, name: &str) -> String {
        let field = format!(r#"name="{name}" value=""#);
        let (_, rest) = self.body.split_once(&field).expect(&self.body);
        rest.split_once('"').unwrap().0.to_owned()
    }

    /// The address of the first link whose text is this.
    pub(crate) fn link(&self, text: &str) -> String {
        let (front, _) = self
            .body
            .split_once(&format!(">{text}</a>"))
            .expect(&self.body);
        let (_, tag) = front.rsplit_once("href=\"").unwrap();
        tag.split_once('"').unwrap().0.to_owned()
    }

    /// The address of the first run that it leads to.
    pub(crate) fn first_run(&self) -> String {
        first_run(&self.body)
    }

    #[track_caller]
    pub(crate) fn shows(&self, text: &str) {
        assert!(
            self.body.contains(text),
            "`{text}` is not in: {}",
            self.body
        );
    }
}

impl Visitor {
    pub(crate) fn new(running: &Running) -> Self {
        let client = Client::builder().redirect(redirect::Policy::none());
        Visitor {
            client: client.no_proxy().build().unwrap(),
            host: running.address.clone(),
            cookie: None,
        }
    }

    pub(crate) async fn get(&mut self, place: &str) -> Answer {
        let url = self.host.join(place).unwrap();
        self.send(self.client.get(url)).await
    }

    /// Posts a form of the host, with the token that the page of it has.
    pub(crate) async fn post(&mut self, place: &str, fields: &[(&str, &str)]) -> Answer {
        let page = self.get("/connectors/acme_crm").await;
        let token = page.hidden("form_token");
        let mut fields = fields.to_vec();
        fields.push(("form_token", &token));
        self.post_raw(place, &fields).await
    }

    /// Changes a job or a chain by a form of its page, which shows it as it is now.
    pub(crate) async fn change(
        &mut self,
        place: &str,
        what: &str,
        fields: &[(&str, &str)],
    ) -> Answer {
        let edition = self.get(place).await.hidden("edition");
        let mut fields = fields.to_vec();
        fields.push(("edition", &edition));
        self.post(&format!("{place}/{what}"), &fields).await
    }

    /// Looks at a page again and again until it has this.
    pub(crate) async fn waits_for(&mut self, place: &str, text: &str) -> Answer {
        for _ in 0..200 {
            let page = self.get(place).await;
            if page.body.contains(text) {
                return page;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("`{text}` has not come at {place}");
    }

    pub(crate) async fn post_raw(&mut self, place: &str, fields: &[(&str, &str)]) -> Answer {
        let url = self.host.join(place).unwrap();
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        let request = self.client.post(url).body(form.finish());
        let kind = "application/x-www-form-urlencoded";
        self.send(request.header("content-type", kind)).await
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> Answer {
        let request = match &self.cookie {
            Some(cookie) => request.header("cookie", cookie),
            None => request,
        };
        let response = request.send().await.unwrap();
        let headers = response.headers().clone();
        if let Some(cookie) = headers.get("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"));
            self.cookie = Some(cookie.split(';').next().unwrap().to_owned());
        }
        let location = headers.get("location").map(|place| place.to_str().unwrap());
        Answer {
            status: response.status().as_u16(),
            location: location.map(|place| response.url().join(place).unwrap()),
            headers,
            body: response.text().await.unwrap(),
        }
    }

    /// The server-sent events of a place, to their end.
    pub(crate) async fn events(&mut self, place: &str) -> Vec<serde_json::Value> {
        let answer = self.get(place).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let data = answer
            .body
            .lines()
            .filter_map(|line| line.strip_prefix("data: "));
        data.map(|data| serde_json::from_str(data).unwrap())
            .collect()
    }

    /// Makes a connection, and stands in front of the consent page.
    pub(crate) async fn begin(&mut self, org: &str, name: &str) -> Url {
        let fields = [("name", name), ("org", org), ("page_size", "25")];
        self.post("/connectors/acme_crm", &fields).await.leads_to()
    }

    /// Decides on the consent page; where that leads.
    pub(crate) async fn decide(&mut self, consent: &Url, decision: &str) -> Url {
        let page = self.get(consent.as_str()).await;
        let ticket = page.hidden("ticket");
        let fields = [("ticket", ticket.as_str()), ("decision", decision)];
        self.post_raw(consent.as_str(), &fields).await.leads_to()
    }

    /// Makes a connection and authorizes it; the path of its page.
    pub(crate) async fn connect(&mut self, org: &str, name: &str) -> String {
        let consent = self.begin(org, name).await;
        let callback = self.decide(&consent, "allow").await;
        let page = self.get(callback.as_str()).await.leads_to();
        assert_eq!(page.query(), Some("done=connected"));
        page.path().to_owned()
    }

    /// Runs the job of this name that the page shows, to its end; the path of the run.
    pub(crate) async fn run(&mut self, page: &str, job: &str) -> String {
        let job = self.get(page).await.link(job);
        let run = self.post(&format!("{job}/run"), &[]).await.leads_to();
        let run = run.path().to_owned();
        let events = self.events(&format!("{run}/events")).await;
        assert_eq!(events.last().unwrap()["ended"], true);
        run
    }
}

/// The address of the first run that a part of a page leads to.
pub(crate) fn first_run(html: &str) -> String {
    let (_, run) = html.split_once(r#"<a href="/runs/"#).expect(html);
    format!("/runs/{}", run.split_once('"').unwrap().0)
}

/// The parameters of a URL.
pub(crate) fn query(url: &Url) -> HashMap<String, String> {
    url.query_pairs().into_owned().collect()
}
