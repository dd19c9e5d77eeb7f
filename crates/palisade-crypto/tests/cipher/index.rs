//! Tokens of blind indexes.

use palisade_crypto::{BlindIndex, FieldCipher, Key};

use crate::keys::ring;

#[test]
fn tokens_of_earlier_keys_are_looked_for_too() {
    let (old, new) = (Key::generate().unwrap(), Key::generate().unwrap());
    let cipher = FieldCipher::new(ring((1, &old), &[]));
    let index = BlindIndex::new(&cipher, "users/email");
    let stored = index.token("a@b.c", None).unwrap();
    cipher.swap_keyring(ring((2, &new), &[(1, &old)]));
    let query = index.query("a@b.c", None).unwrap();
    assert_eq!(query.len(), 2);
    assert_eq!(query[1], stored);
    assert_ne!(index.token("a@b.c", None).unwrap(), stored);
}

#[test]
fn an_index_tells_names_tenants_and_values_apart() {
    let cipher = FieldCipher::new(ring((1, &Key::generate().unwrap()), &[]));
    let tokens: std::collections::HashSet<_> = [
        ("users/email", None, "a"),
        ("users/email", Some(""), "a"),
        ("users/email", Some("t"), "a"),
        ("users/emai", None, "a"),
        ("users/email", None, "b"),
        ("", Some("users/email"), "a"),
    ]
    .map(|(name, tenant, value)| BlindIndex::new(&cipher, name).token(value, tenant).unwrap())
    .into();
    assert_eq!(tokens.len(), 6);
    for len in [0, 33] {
        assert!(BlindIndex::new(&cipher, "x").truncate(len).is_err());
    }
}
