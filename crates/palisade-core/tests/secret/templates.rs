//! Placeholders that are known by their form, and texts that only look like them.

#![allow(missing_docs, reason = "tests")]

use palisade_core::random;
use palisade_core::secret::{Weakness, check};

#[test]
fn instructions_and_names_of_what_belongs_there_are_placeholders() {
    for template in [
        "your-32-character-encryption-key",
        "generate_a_secure_random_string_here",
        "INSERT_ETHERSCAN_SEPOLIA_API_KEY",
        "<random 32 bytes: openssl rand -base64 32>",
        "your-nextauth-secret",
        "YOUR_OWN_DEEPL_API_KEY",
        "your_database_url",
        // More of each kind.
        "yourOpenAiApiKey",
        "Paste your Stripe secret key",
        "put-the-sendgrid-token-here",
        "enter mailgun domain key",
        "replace-with-infura-project-secret",
        "my_company_hmac_key",
        "CLOUDFLARE_API_TOKEN",
        "sentry-auth-token",
        "TWILIO_AUTH_TOKEN_2",
        "acmeClientSecret",
        "<openai-api-key>",
        "<at least 32 characters>",
        "${NEXTAUTH_SECRET}",
        "$(openssl rand -hex 32)",
        "{{ .Values.jwt.secret }}",
        "[paste the generated value]",
        "%DATABASE_PASSWORD%",
        "__JWT_SIGNING_KEY__",
        "\"<YOUR-GITHUB-TOKEN>\"",
        "run openssl rand -base64 48",
        "generate with: openssl rand -base64 32",
    ] {
        let outcome = check(template.as_bytes(), 0);
        assert_eq!(outcome, Err(Weakness::Placeholder), "{template}");
    }
}

/// Random secrets that have words, brackets or prefixes of services around what is random.
#[test]
fn random_secrets_in_the_dress_of_templates_pass() {
    for secret in [
        "sk_live_51HxQ2eLkd8fVbT0yNc4RmWz",
        "ghp_9aKfT2xWqLm4ZsVb7RyNc1Ed5Ug8Hj3Pk0Qo",
        "xoxb-284719305-kD2vGq0yX8mTn5cWbR7s",
        "AKIAQ7ZK3MX2VN5TRW8B",
        "<kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu>",
        "your-kD2vGq0yX8mTn5cWbR7s-key",
        "3f0e7c52-91ad-4b6e-8c1f-d2a49b0e7735",
        "kD2vGq0y_X8mTn5cW_api_key_bR7sJ4hL",
    ] {
        assert_eq!(check(secret.as_bytes(), 12), Ok(()), "{secret}");
    }
}

fn picks(count: usize) -> Vec<u8> {
    let mut picks = Vec::new();
    while picks.len() < count {
        picks.extend(random::bytes::<64>().unwrap());
    }
    picks
}

/// Printable passwords may begin and end with brackets by chance, and tokens of letters may be few words.
#[test]
fn no_short_random_secret_has_the_form_of_a_template() {
    let count = if std::env::var_os("PALISADE_FULL").is_some() {
        1_000_000
    } else {
        20_000
    };
    for _ in 0..count {
        for (first, last, len) in [(b'!', b'~', 20), (b'a', b'z', 20), (b'A', b'Z', 20)] {
            let span = last - first + 1;
            // The slight bias of the remainder does not matter here.
            let secret: Vec<u8> = picks(len)
                .iter()
                .take(len)
                .map(|pick| first + pick % span)
                .collect();
            let bracketed = [b"<", &secret[..], b">"].concat();
            assert_ne!(check(&secret, 0), Err(Weakness::Placeholder), "{secret:?}");
            if first == b'!' {
                assert_ne!(
                    check(&bracketed, 0),
                    Err(Weakness::Placeholder),
                    "{bracketed:?}"
                );
            }
        }
    }
}
