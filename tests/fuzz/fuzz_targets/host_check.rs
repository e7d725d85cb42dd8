//! Any text as the domain of a customer, and as a URL that an answer names: refused, or a canonical host that ends with an allowed suffix at
//! the border of a label.
#![no_main]
#![allow(clippy::expect_used)]

use libfuzzer_sys::fuzz_target;
use syncline::ErrorKind;
use syncline::spec::{CustomDomains, Domain, Org, OrgHosts};

fn hosts() -> OrgHosts {
    let domain = |text| Domain::parse(text).expect("a domain");
    OrgHosts::new(domain("login.example.com"))
        .with_custom(CustomDomains::Under(vec![domain("my.example.com")]))
        .with_api(vec![domain("api.example.com")])
}

fn canonical(host: &str) {
    let plain = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    assert!(host.bytes().all(plain), "{host}");
    assert!(!host.contains("..") && !host.starts_with('.') && !host.ends_with('.'));
}

fn typed(text: &str) {
    let domain = match Domain::parse(text) {
        Ok(domain) => domain,
        Err(error) => return assert_eq!(error.kind(), ErrorKind::Invalid),
    };
    canonical(domain.as_str());
    assert_eq!(
        Domain::parse(domain.as_str()).expect("its own form"),
        domain
    );
    match hosts().allow(&Org::CustomDomain(domain.clone())) {
        Err(error) => assert_eq!(error.kind(), ErrorKind::HostNotAllowed),
        Ok(allowed) => {
            assert!(domain.as_str().ends_with(".my.example.com"));
            let url = allowed.home().url("/token").expect("a path");
            assert_eq!(url.host_str(), Some(domain.as_str()));
            allowed.check_url(&url).expect("its own home");
        }
    }
}

fn named(text: &str) {
    let allowed = hosts().allow(&Org::Production).expect("production");
    match allowed.check(text) {
        Err(error) => assert_eq!(error.kind(), ErrorKind::HostNotAllowed),
        Ok(url) => {
            let host = url.host_str().expect("a host");
            let below = host.strip_suffix("api.example.com");
            assert!(
                host == "login.example.com"
                    || below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            );
            assert!(!host.contains("..") && !host.starts_with('.'));
            assert_eq!((url.scheme(), url.port()), ("https", None));
            assert!(url.username().is_empty() && url.password().is_none());
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    typed(&text);
    typed(&format!("{text}.my.example.com"));
    named(&text);
    named(&format!("https://{text}.api.example.com/"));
});
