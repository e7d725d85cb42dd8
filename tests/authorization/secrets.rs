//! No secret is anywhere but where it must be.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use syncline::Secret;
use syncline::Tenant;
use syncline::authorization::{
    Authorization, BeginRequest, Callback, Credential, CredentialRecord, CredentialRequest, Grant,
    KeyAuthorization, KeyMethod, RevokeMode,
};
use syncline::host::{Event, HttpRequest, HttpResponse, Observer, StateKind, StateStore as _};
use syncline::memory::{MemoryTransport, RecordedTransport};
use syncline::spec::Org;

use super::server::{Fault, World, spec};

/// All the ways in which a text may be seen.
fn shapes(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
    let list: Vec<String> = bytes.iter().map(u8::to_string).collect();
    let mut shapes = vec![
        secret.to_owned(),
        secret.chars().rev().collect(),
        hex.to_uppercase(),
        hex,
        percent.to_lowercase(),
        percent,
        list.join(","),
        list.join(", "),
        url::form_urlencoded::byte_serialize(bytes).collect(),
    ];
    // Behind other text base64 looks different: its inner part is the same for one of three offsets.
    for offset in 0..3 {
        let shifted = [&vec![b' '; offset], bytes].concat();
        for encoded in [STANDARD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)] {
            let inner = encoded.trim_end_matches('=');
            shapes.push(inner[4..inner.len() - 4].to_owned());
        }
    }
    shapes
}

fn scan(output: &str, secrets: &[String]) {
    for secret in secrets {
        for shape in shapes(secret) {
            assert!(!output.contains(&shape), "{shape} of {secret} in {output}");
        }
    }
}

/// Writes down all that an observer hears.
#[derive(Debug, Default)]
struct Heard(Mutex<String>);

impl Observer for Heard {
    fn observe(&self, event: &Event<'_>) {
        self.0.lock().unwrap().push_str(&format!("{event:?}"));
    }
}

/// All that is to be seen of a whole life of a connection, with secrets that have this in them.
fn life(seed: &str) -> String {
    let world = World::new();
    world.server.books().seed = seed.into();
    let heard = Arc::new(Heard::default());
    let context = &world.context().clone().with_observer(heard.clone());
    let mut seen = String::new();
    let mut see = |what: &dyn std::fmt::Debug| seen.push_str(&format!("{what:?}\n{what:#?}\n"));
    let config = world.config(Grant::AuthorizationCode, Arc::new(world.state.clone()));
    see(&config);
    let oauth = world.oauth(Grant::AuthorizationCode);
    see(&oauth);
    see(&oauth.info());
    let redirect = "https://host.example.com/callback".parse().unwrap();
    let request = BeginRequest::new(format!("session-{seed}"), redirect);
    see(&request);
    see(&world.run(oauth.begin(context, request)));
    let callback = world.consent(&oauth);
    see(&callback);
    see(&world.run(oauth.complete(context, callback.clone())));
    see(&world.run(oauth.complete(context, callback)));
    let credential = world
        .run(oauth.credential(context, CredentialRequest::new()))
        .unwrap();
    see(&credential);
    let request = credential
        .attach(HttpRequest::get(credential.url("/users").unwrap()))
        .unwrap();
    see(&request);
    let elsewhere = format!("https://evil.example/?key={seed}").parse().unwrap();
    see(&credential.attach(HttpRequest::get(elsewhere)));
    see(&world.run(oauth.rejected(context, &credential)));
    see(&HttpResponse::of(&request, 200, format!("token {seed}")));
    let store = world.store(Arc::new(world.state.clone()));
    see(&store);
    see(&world.run(store.load("crm")));
    for fault in [
        Fault::Answer(500, format!("token {seed}")),
        Fault::Answer(200, format!("{{\"access_token\": \"{seed}\"}}")),
        Fault::Answer(200, format!("{{\"access_token\": \"{seed}")),
        Fault::Answer(400, format!("{{\"error\": \"{seed}\"}}")),
        Fault::Fields(vec![("token_type", seed.into())]),
        Fault::Fields(vec![("expires_in", seed.into())]),
        Fault::Fields(vec![(
            "instance_url",
            format!("https://login.example.com:1/{seed}").into(),
        )]),
    ] {
        world.later(4_000);
        world.server.fault(fault);
        see(&world.run(oauth.credential(context, CredentialRequest::new())));
        let callback = world.consent(&oauth);
        see(&world.run(oauth.complete(context, callback)));
    }
    world.server.fault(Fault::None);
    see(&Callback::from_query(
        seed.to_owned(),
        &format!("code={seed}&code={seed}&state=a"),
    ));
    let mut consent = world
        .run(world.oauth(Grant::DeviceCode).begin_device(context))
        .unwrap();
    see(&consent);
    see(&world.run(
        world
            .oauth(Grant::DeviceCode)
            .poll_device(context, &mut consent),
    ));
    see(&world.run(oauth.revoke(context, RevokeMode::Confirmed)));
    // Keys of all kinds.
    let hosts = spec().hosts.allow(&Org::Production).unwrap();
    let secret = Secret::new(seed);
    for method in [
        KeyMethod::header("accesskey", secret.clone()),
        KeyMethod::query("key", secret.clone()),
        KeyMethod::Bearer(secret.clone()),
        KeyMethod::basic("ada", secret.clone()),
        KeyMethod::access_key("AKIA", secret.clone()),
        KeyMethod::Headers(vec![("a".into(), secret.clone())]),
        KeyMethod::Bearer(Secret::new(format!("{seed}\n"))),
        KeyMethod::header(format!("bad name {}", "x"), secret.clone()),
    ] {
        see(&method);
        let made = KeyAuthorization::new(method, hosts.clone());
        see(&made);
        let Ok(made) = made else { continue };
        let credential = world
            .run(made.credential(context, CredentialRequest::new()))
            .unwrap();
        let request = HttpRequest::get(credential.url("/users").unwrap());
        see(&credential.attach(request));
        see(&world.run(made.rejected(context, &credential)));
    }
    see(&CredentialRecord::new().with_secret("key", secret.clone()));
    see(&Credential::query(hosts, "key", secret.clone()));
    see(&secret);
    // A transcript of calls that carry a secret.
    let recorded = RecordedTransport::record(MemoryTransport::new(|request| {
        Ok(HttpResponse::of(request, 200, ""))
    }));
    see(&world.run(syncline::host::Transport::send(&recorded, request)));
    see(&recorded.transcript());
    // All state, and its keys.
    let tenant = Tenant::new("acme").unwrap();
    for kind in [StateKind::Credential, StateKind::Consent] {
        for key in world
            .run(world.state.list(&tenant, kind, None, 100))
            .unwrap()
        {
            let stored = world.run(world.state.get(&key)).unwrap().unwrap();
            see(&(key, String::from_utf8_lossy(&stored.bytes)));
        }
    }
    seen.push_str(&heard.0.lock().unwrap());
    seen
}

#[test]
fn two_secrets_of_one_length_leave_the_same_traces() {
    assert_eq!(life("hunter2-and-more"), life("Xq7-zzzz_0000009"));
}

#[test]
fn a_canary_is_seen_nowhere() {
    let canary = "c4n4ry-Zq81-xyzzy-77";
    let seen = life(canary);
    assert!(seen.len() > 10_000);
    scan(&seen, &[canary.to_owned()]);
}

#[test]
fn the_scan_finds_a_canary() {
    let canary = "c4n4ry-Zq81-xyzzy-77";
    for shape in shapes(canary) {
        let caught = std::panic::catch_unwind(|| scan(&format!("<{shape}>"), &[canary.to_owned()]));
        assert!(caught.is_err(), "{shape}");
    }
    let wrapped = STANDARD.encode(format!("user:{canary}!"));
    assert!(std::panic::catch_unwind(|| scan(&wrapped, &[canary.to_owned()])).is_err());
}

#[test]
fn a_panic_shows_no_secret() {
    let secret = Secret::new("hunter2");
    let caught = std::panic::catch_unwind(|| panic!("{secret:?}")).unwrap_err();
    assert_eq!(caught.downcast_ref::<String>().unwrap(), "Secret(…)");
}
