//! A `main` that returns an error shows its `Debug`, so that of a configuration error reads like its `Display`.

use std::error::Error;
use std::fmt::{Debug, Display};

use palisade_core::{ClientIp, Problem, Problems};

fn reads_alike<E: Debug + Display>(error: E) {
    assert_eq!(format!("{error:?}"), error.to_string());
    assert_eq!(format!("{error:#?}"), error.to_string());
}

fn problems() -> Problems {
    let mut problems = Problems::one("RATE_LIMIT_BURST", "is 0, must be at least 1");
    problems.push("secret", "is missing");
    problems
}

#[test]
fn the_debug_of_every_configuration_error_reads_like_its_display() {
    reads_alike(problems());
    reads_alike(Problem {
        field: "burst".to_owned(),
        reason: "is 0".to_owned(),
    });
    reads_alike(ClientIp::trusting(["10.0.0.0/99"]).unwrap_err());
    reads_alike(palisade_audit::AuditError::from(problems()));
    reads_alike(palisade_auth::AuthError::from(problems()));
    reads_alike(palisade_breaker::BreakerConfigError::Invalid(problems()));
    reads_alike(palisade_crypto::Error::from(problems()));
    reads_alike(palisade_headers::HeadersError::Cors(problems()));
    reads_alike(palisade_ratelimit::Error::from(problems()));
    reads_alike(palisade_secrets::Error::Refused(problems()));
}

#[test]
fn a_boxed_error_names_every_setting_on_the_way_out_of_main() {
    let boxed: Box<dyn Error> = palisade_auth::AuthError::from(problems()).into();
    assert_eq!(
        format!("{boxed:?}"),
        "RATE_LIMIT_BURST: is 0, must be at least 1; secret: is missing"
    );
}

#[test]
fn the_error_of_a_provider_shows_its_causes() {
    let io = std::io::Error::other("connection reset");
    let error = palisade_secrets::ProviderError::new("the vault did not answer").caused_by(io);
    assert_eq!(
        format!("{error:?}"),
        "the vault did not answer: connection reset"
    );
}
