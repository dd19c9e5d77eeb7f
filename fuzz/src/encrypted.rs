use std::sync::OnceLock;

use palisade_crypto::{Context, FieldCipher, Fields, Key, Keyring, format};
use serde::de::IgnoredAny;

fn cipher() -> Option<&'static FieldCipher> {
    static CIPHER: OnceLock<Option<FieldCipher>> = OnceLock::new();
    let made = CIPHER.get_or_init(|| {
        Some(FieldCipher::new(
            Keyring::single(Key::generate().ok()?).ok()?,
        ))
    });
    made.as_ref()
}

/// A body that can be sealed is JSON before and after, and opens to the very same bytes.
pub(crate) fn json(data: &[u8]) {
    let Some(cipher) = cipher() else { return };
    let place = Context::new("fuzz");
    for fields in [
        Fields::DEFAULT_SENSITIVE,
        Fields::paths(["**/a", "/b/[]/c"]),
    ] {
        if let Ok(sealed) = cipher.encrypt_json(data, &fields, &place) {
            for text in [data, &*sealed] {
                let parsed = serde_json::from_slice::<IgnoredAny>(text);
                // serde_json goes no deeper than 128 levels, and says so.
                let too_deep =
                    |error: &serde_json::Error| error.to_string().contains("recursion limit");
                let valid = parsed.as_ref().err().is_none_or(too_deep);
                assert!(valid, "not JSON, and yet sealed: {parsed:?}");
            }
            let opened = cipher.decrypt_json(&sealed, &fields, &place);
            let opened = opened.expect("what was sealed opens");
            // Strings come back with the escapes that they need and no others.
            let read = |text| serde_json::from_slice::<serde_json::Value>(text).ok();
            assert_eq!(read(&opened), read(data), "opened to something else");
        }
        // Nobody but the holder of the key can write what opens.
        if let Ok(opened) = cipher.decrypt_json(data, &fields, &place) {
            assert_eq!(&*opened, data, "something was opened");
        }
    }
}

/// Forged values do not open.
pub(crate) fn value(data: &[u8]) {
    let Some(cipher) = cipher() else { return };
    let text = String::from_utf8_lossy(data);
    let place = Context::new("fuzz").path("/a");
    assert!(
        cipher.decrypt_str(&text, &place).is_err(),
        "a forgery opened"
    );
    if format::inspect(&text).is_ok() {
        assert!(format::is_sealed(&text), "inspected, and yet not sealed");
    }
    // A value that was sealed and then tampered with: the first bytes say where and how.
    if let ([at, flip, ..], Ok(sealed)) = (data, cipher.encrypt_str("secret", &place)) {
        let mut tampered = sealed.clone().into_bytes();
        let at = usize::from(*at) % tampered.len();
        tampered[at] ^= flip & 0x7f;
        if let Ok(tampered) = String::from_utf8(tampered) {
            let opened = cipher.decrypt_str(&tampered, &place);
            assert_eq!(
                opened.is_ok(),
                tampered == sealed,
                "a tampered value opened"
            );
        }
    }
}
