//! Which hosts a credential may go to.

use proptest::prelude::*;
use syncline::ErrorKind;
use syncline::authorization::Credential;
use syncline::host::{HttpRequest, Redirects};
use syncline::spec::{AllowedHosts, CustomDomains, Domain, Org, OrgHosts, Origin};
use syncline::{Result, Secret};

const SUFFIX: &str = "my.example.com";

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

fn hosts() -> OrgHosts {
    OrgHosts::new(domain("login.example.com"))
        .with_sandbox(domain("test.example.com"))
        .with_custom(CustomDomains::Under(vec![domain(SUFFIX)]))
        .with_api(vec![domain("api.example.com")])
}

/// What becomes of a domain that a customer types.
fn custom(text: &str) -> Result<AllowedHosts> {
    hosts().allow(&Org::CustomDomain(Domain::parse(text)?))
}

const HOSTILE: &[&str] = &[
    // Of somebody else.
    "evil.example",
    "example.com",
    "my.example.com",
    "login.example.com",
    "my.example.co",
    "my.example.com.evil.example",
    "acme.my.example.com.evil.example",
    "my.example.com.evil",
    "evilmy.example.com",
    "acme-my.example.com",
    "acme.my-example.com",
    "acme.myexample.com",
    "acme.my.example.community",
    "acme.my.example.com-evil.example",
    "acme.my.example",
    // Addresses.
    "127.0.0.1",
    "169.254.169.254",
    "10.0.0.1",
    "0.0.0.0",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "127.0.0.1.",
    "１２７.0.0.1",
    "127。0。0。1",
    "[::1]",
    "::1",
    "[::ffff:127.0.0.1]",
    "[fe80::1%25eth0]",
    "1.2.3.4.my.example.com:80",
    "acme.my.example.com.127",
    "localhost",
    "acme.localhost",
    "printer.local",
    "metadata.google.internal",
    "metadata",
    "host.lan",
    // More than a host.
    "https://acme.my.example.com",
    "//acme.my.example.com",
    "acme.my.example.com/",
    "acme.my.example.com/path",
    "evil.example/acme.my.example.com",
    "evil.example/.my.example.com",
    "evil.example?.my.example.com",
    "evil.example#.my.example.com",
    "evil.example\\.my.example.com",
    "evil.example:443#.my.example.com",
    "acme.my.example.com:443",
    "acme.my.example.com:8443",
    "acme.my.example.com@evil.example",
    "evil.example@acme.my.example.com",
    "user:password@acme.my.example.com",
    "evil.example%2f.my.example.com",
    "evil.example%00.my.example.com",
    "acme%2emy.example.com",
    "javascript:alert(1)",
    // Characters.
    "",
    " ",
    ".",
    "..",
    " acme.my.example.com",
    "acme.my.example.com ",
    "acme.my.example.com\n",
    "acme.my.example.com\r\nhost: evil.example",
    "ac\tme.my.example.com",
    "acme\0.my.example.com",
    "acme.my.example.com.",
    ".acme.my.example.com",
    ".my.example.com",
    "acme..my.example.com",
    "-acme.my.example.com",
    "acme-.my.example.com",
    "ac_me.my.example.com",
    "ac*me.my.example.com",
    "*.my.example.com",
    "ac,me.my.example.com",
    "ac me.my.example.com",
    "<script>.my.example.com",
    // Looks like others.
    "acme.my.ехample.com",
    "acme.mу.example.com",
    "acme.my.example.соm",
    "ａcme.my.example.com",
    "acme．my.example.com",
    "acme.my。example.com",
    "acme.my.example\u{2024}com",
    "acme.my.exam\u{ad}ple.com",
    "ac\u{200b}me.my.example.com",
    "ac\u{200d}me.my.example.com",
    "acme.my.example.com\u{feff}",
    "\u{202e}moc.elpmaxe.ym.emca",
    "acme.my.example.ⓒom",
    "acme.my.examp\u{ff0f}le.com",
    "evil.example\u{2044}acme.my.example.com",
    "acme.my.example.com\u{ff20}evil.example",
    "xn--a.my.example.com",
    "xn--.my.example.com",
    "ﬁn.my.example.com",
];

#[test]
fn hostile_hosts_are_refused_before_any_call() {
    assert!(HOSTILE.len() >= 60);
    let long = format!("{}.{SUFFIX}", "a".repeat(64));
    let longer = format!("{}{SUFFIX}", "a.".repeat(130));
    let huge = format!("{}.{SUFFIX}", "é".repeat(100_000));
    for text in HOSTILE.iter().copied().chain([&*long, &*longer, &*huge]) {
        let error = custom(text).expect_err(text);
        let kind = error.kind();
        assert!(
            matches!(kind, ErrorKind::Invalid | ErrorKind::HostNotAllowed),
            "{text}: {error}"
        );
    }
}

#[test]
fn domains_of_customers_are_taken_in_one_form() {
    for (typed, canonical) in [
        ("acme.my.example.com", "acme.my.example.com"),
        ("ACME.My.Example.COM", "acme.my.example.com"),
        ("eu.acme.my.example.com", "eu.acme.my.example.com"),
        ("bücher.my.example.com", "xn--bcher-kva.my.example.com"),
        (
            "xn--bcher-kva.my.example.com",
            "xn--bcher-kva.my.example.com",
        ),
        ("1acme-2.my.example.com", "1acme-2.my.example.com"),
    ] {
        let allowed = custom(typed).expect(typed);
        assert_eq!(allowed.home().to_string(), format!("https://{canonical}"));
    }
}

#[test]
fn an_organisation_that_the_system_has_not_is_refused() {
    let plain = OrgHosts::new(domain("login.example.com"));
    let refused = |org| plain.allow(&org).unwrap_err().kind();
    assert_eq!(refused(Org::Sandbox), ErrorKind::Unsupported);
    assert_eq!(
        refused(Org::CustomDomain(domain("a.my.example.com"))),
        ErrorKind::Unsupported
    );
    let any = plain.with_custom(CustomDomains::AnyPublic);
    assert!(
        any.allow(&Org::CustomDomain(domain("crm.acme.example")))
            .is_ok()
    );
}

/// URLs that an answer may name.
const ELSEWHERE: &[&str] = &[
    "",
    "/next",
    "next",
    "//api.example.com/next",
    "http://api.example.com/next",
    "ftp://api.example.com/next",
    "https://api.example.com:8443/next",
    "https://user@api.example.com/next",
    "https://user:password@api.example.com/",
    "https://api.example.com@evil.example/",
    "https://evil.example/?https://api.example.com/",
    "https://evil.example#@api.example.com/",
    "https://evil.example\\@api.example.com/",
    "https:\\\\api.example.com/",
    "https://api.example.com.evil.example/",
    "https://evilapi.example.com/",
    "https://api.example.com./",
    "https://.api.example.com/",
    "https://a..api.example.com/",
    "https://test.example.com/",
    "https://acme.my.example.com/",
    "https://127.0.0.1/",
    "https://[::1]/",
    "https://2130706433/",
    "https://api.example.com\t/",
    " https://api.example.com/",
    "https://api.exa\nmple.com/",
    "data:text/html,api.example.com",
    "https:api.example.com@evil.example",
];

#[test]
fn urls_of_answers_are_checked_before_a_credential_is_attached() {
    let allowed = hosts().allow(&Org::Production).unwrap();
    for url in ELSEWHERE {
        let error = allowed.check(url).expect_err(url);
        assert_eq!(error.kind(), ErrorKind::HostNotAllowed, "{url}");
        assert!(!error.to_string().contains("password"), "{error}");
    }
    for url in [
        "https://login.example.com/a?b=c#d",
        "https://api.example.com/",
        "https://eu.api.example.com/next",
        "https://API.example.com:443/next",
        "HTTPS://api.example.com",
    ] {
        allowed.check(url).expect(url);
    }
    let credential = Credential::bearer(allowed, &Secret::new("hunter2")).unwrap();
    for url in ELSEWHERE.iter().filter_map(|url| url.parse().ok()) {
        // What a parser makes of it may be fine; then it is what is sent.
        let request = HttpRequest::get(url).with_redirects(Redirects::Follow(5));
        let went_to = request.url.clone();
        match credential.attach(request) {
            Ok(request) => {
                assert_eq!(request.redirects(), Redirects::Never);
                let host = domain(went_to.host_str().unwrap());
                assert!(host.is_within(&domain("api.example.com")), "{went_to}");
                assert_eq!((went_to.scheme(), went_to.port()), ("https", None));
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::HostNotAllowed),
        }
    }
}

#[test]
fn a_server_on_this_machine_is_chosen_in_code_only() {
    let local = OrgHosts::new(Origin::loopback(4011)).with_sandbox(Origin::loopback(4012));
    let allowed = local.allow(&Org::Production).unwrap();
    assert!(allowed.check("http://127.0.0.1:4011/token").is_ok());
    for url in [
        "http://127.0.0.1:4012/",
        "http://127.0.0.1/",
        "http://localhost:4011/",
        "https://127.0.0.1:4011/",
        "http://127.0.0.1.evil.example:4011/",
    ] {
        assert!(allowed.check(url).is_err(), "{url}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// Whatever is accepted is a canonical name that ends with an allowed suffix at the border of a label.
    #[test]
    fn an_accepted_host_is_below_an_allowed_suffix(
        text in prop_oneof![
            "\\PC{0,20}",
            "[a-zA-Z0-9._:/@%\\\\#?-]{0,12}(my\\.example\\.com)[a-z./@:-]{0,6}",
            "[a-z0-9.-]{1,12}\\.my\\.example\\.com",
            "(\\PC|[a-z]){1,6}\\.my\\.example\\.com",
            "([a-z0-9]{1,4}\\.){0,3}(my|mу|mY)\\.(example|exаmple|EXAMPLE)\\.(com|соm|co)",
        ],
    ) {
        if let Ok(allowed) = custom(&text) {
            let home = allowed.home().to_string();
            let host = home.strip_prefix("https://").unwrap();
            prop_assert!(host.ends_with(".my.example.com"), "{} is {}", text, host);
            prop_assert!(host.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.')), "{}", host);
            // What is sent goes there and nowhere else.
            let url = allowed.home().url("/token").unwrap();
            prop_assert_eq!(url.host_str(), Some(host));
            let again = Domain::parse(host).unwrap();
            prop_assert_eq!(again.as_str(), host);
        }
    }

    #[test]
    fn an_accepted_url_goes_to_an_allowed_host(
        url in prop_oneof![
            "https://[a-zA-Z0-9._:/@%\\\\#?-]{0,16}api\\.example\\.com[a-z./@:?#-]{0,8}",
            "(https|http|ftp)://([a-z0-9]{1,4}\\.){0,2}api\\.example\\.com(:[0-9]{1,5})?/\\PC{0,5}",
            "https://\\PC{0,9}\\.api\\.example\\.com/",
        ],
    ) {
        let allowed = hosts().allow(&Org::Production).unwrap();
        if let Ok(url) = allowed.check(&url) {
            let host = url.host_str().unwrap();
            prop_assert!(host == "login.example.com" || host == "api.example.com" || host.ends_with(".api.example.com"));
            prop_assert_eq!(url.scheme(), "https");
            prop_assert!(url.port().is_none() && url.username().is_empty() && url.password().is_none());
        }
    }
}
