//! Policies that can be built, and those that are refused. The grammars are those of CSP Level 3 and of Trusted Types.

use palisade_headers::security::{Csp, Directive, HostSource, Sandbox, Source, TrustedTypes};
use palisade_headers::{HeadersError, SecurityHeadersLayer};

use crate::plain;

fn problems(policy: Csp) -> Vec<String> {
    let error = policy.try_build().unwrap_err();
    let HeadersError::Security(problems) = error else {
        panic!("{error}");
    };
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn every_common_source_can_be_said() {
    let host = |text| Source::host(text).unwrap();
    let policy = Csp::new()
        .default_src([Source::Any])
        .img_src([host("https://*"), host("*:8443"), host("*.example.com:*")])
        .connect_src([
            host("capacitor://localhost"),
            host("chrome-extension://abcdef"),
            Source::scheme("capacitor").unwrap(),
        ])
        .script_src([Source::Sha384([0; 48]), Source::Sha512([0xff; 64])])
        .try_build()
        .unwrap();
    assert_eq!(
        policy.to_string(),
        format!(
            "default-src *; img-src https://* *:8443 *.example.com:*; \
             connect-src capacitor://localhost chrome-extension://abcdef capacitor:; \
             script-src 'sha384-{}' 'sha512-{}w=='",
            "A".repeat(64),
            "/".repeat(85),
        )
    );
}

#[test]
fn every_directive_can_be_said() {
    let policy = Csp::new()
        .report_uri("https://reports.example/csp?a=b")
        .trusted_types([
            TrustedTypes::Policy("dompurify"),
            TrustedTypes::Policy("app#1"),
            TrustedTypes::AllowDuplicates,
        ])
        .sandbox([
            Sandbox::Scripts,
            Sandbox::OrientationLock,
            Sandbox::PointerLock,
            Sandbox::PopupsToEscapeSandbox,
            Sandbox::Presentation,
            Sandbox::TopNavigation,
            Sandbox::TopNavigationByUserActivation,
            Sandbox::TopNavigationToCustomProtocols,
        ])
        .raw("Fenced-Frame-Src", " https://ads.example 'self' ")
        .raw("block-all-mixed-content", "")
        .try_build()
        .unwrap();
    assert_eq!(
        policy.to_string(),
        "report-uri https://reports.example/csp?a=b; trusted-types dompurify app#1 'allow-duplicates'; \
         sandbox allow-scripts allow-orientation-lock allow-pointer-lock allow-popups-to-escape-sandbox \
         allow-presentation allow-top-navigation allow-top-navigation-by-user-activation \
         allow-top-navigation-to-custom-protocols; fenced-frame-src https://ads.example 'self'; \
         block-all-mixed-content"
    );
    let none = Csp::new().trusted_types([]);
    assert_eq!(none.to_string(), "trusted-types 'none'");
    let any = Csp::new().trusted_types([TrustedTypes::Any]);
    assert_eq!(any.to_string(), "trusted-types *");
}

#[test]
fn frame_ancestors_hold_nothing_that_their_grammar_forbids() {
    let forbidden = [
        Source::Nonce,
        Source::StrictDynamic,
        Source::UnsafeInline,
        Source::UnsafeEval,
        Source::WasmUnsafeEval,
        Source::UnsafeHashes,
        Source::ReportSample,
        Source::Sha256([0; 32]),
        Source::Sha384([0; 48]),
        Source::Sha512([0; 64]),
    ];
    for source in forbidden {
        let by_setter = Csp::new().frame_ancestors([source.clone()]);
        let by_name = Csp::new().directive(Directive::FrameAncestors, [source]);
        for policy in [by_setter, by_name] {
            assert_eq!(policy.to_string(), "frame-ancestors 'none'");
            assert_eq!(
                problems(policy),
                ["csp frame-ancestors: takes 'none', 'self', schemes and hosts alone"]
            );
        }
    }
    let allowed = Csp::new().frame_ancestors([
        Source::SelfOrigin,
        Source::Any,
        Source::scheme("app").unwrap(),
        Source::host("https://partner.example").unwrap(),
    ]);
    assert_eq!(
        allowed.try_build().unwrap().to_string(),
        "frame-ancestors 'self' * app: https://partner.example"
    );
}

#[test]
fn every_mistake_of_a_policy_is_reported_and_none_is_sent() {
    let policy = Csp::new()
        .default_src([Source::None])
        .report_to("CspEndpoint")
        .report_uri("http://reports.example")
        .report_uri("https://reports.example/a;script-src")
        .trusted_types([TrustedTypes::Policy("a;b")])
        .raw("script-src", "*")
        .raw("SANDBOX", "")
        .raw("a b", "")
        .raw("x", "a; script-src *")
        .raw("x", "a, default-src *")
        .raw("x", "'nonce-abc'")
        .raw("x", "a\nb");
    assert_eq!(
        policy.to_string(),
        "default-src 'none'; trusted-types 'none'"
    );
    let places: Vec<_> = problems(policy)
        .iter()
        .map(|problem| problem.split(": ").next().unwrap().to_owned())
        .collect();
    assert_eq!(
        places,
        [
            "csp report-to \"CspEndpoint\"",
            "csp report-uri",
            "csp report-uri",
            "csp trusted-types",
            "csp directive \"script-src\"",
            "csp directive \"SANDBOX\"",
            "csp directive \"a b\"",
            "csp directive \"x\"",
            "csp directive \"x\"",
            "csp directive \"x\"",
            "csp directive \"x\"",
        ]
    );
}

#[tokio::test]
async fn nothing_wider_takes_the_place_of_an_unread_nonce() {
    let policy = Csp::new()
        .script_src([
            Source::Nonce,
            Source::StrictDynamic,
            Source::Any,
            Source::scheme("app").unwrap(),
            Source::Sha384([0; 48]),
        ])
        .script_src_elem([Source::Nonce, Source::StrictDynamic, Source::Any]);
    let headers = plain(SecurityHeadersLayer::none().csp(&policy)).await;
    assert_eq!(
        headers["content-security-policy"],
        format!(
            "script-src 'strict-dynamic' 'sha384-{}'; script-src-elem 'none'",
            "A".repeat(64)
        )
    );
}

#[test]
fn a_lone_star_is_pointed_to_its_own_source() {
    let error = HostSource::new("*").unwrap_err().to_string();
    assert!(error.contains("Source::Any"), "{error}");
}
