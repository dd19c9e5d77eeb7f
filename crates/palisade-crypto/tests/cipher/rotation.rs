//! Keys that rotate.

use std::sync::atomic::{AtomicBool, Ordering};

use palisade_crypto::{Context, Error, FieldCipher, Fields, Key, Reencrypted, Suite};
use serde_json::json;

use crate::keys::{PLACE, ring};

#[test]
fn reencrypting_twice_does_nothing_the_second_time() {
    let (old, new) = (Key::generate().unwrap(), Key::generate().unwrap());
    let before = FieldCipher::new(ring((1, &old), &[]));
    let after = FieldCipher::new(ring((2, &new), &[(1, &old)]));
    let sealed = before.encrypt_str("a@b.c", &PLACE).unwrap();
    let Reencrypted::Rotated(rotated) = after.reencrypt(&sealed, &PLACE).unwrap() else {
        panic!("not rotated");
    };
    assert_eq!(
        after.reencrypt(&rotated, &PLACE).unwrap(),
        Reencrypted::Unchanged
    );
    let new_alone = FieldCipher::new(ring((2, &new), &[]));
    assert_eq!(new_alone.decrypt_str(&rotated, &PLACE).unwrap(), "a@b.c");
    // Another suite is a reason too.
    let committing = after.clone().suite(Suite::Committing);
    assert!(matches!(
        committing.reencrypt(&rotated, &PLACE),
        Ok(Reencrypted::Rotated(_))
    ));
}

#[test]
fn reencrypting_keeps_the_type_and_refuses_what_does_not_belong() {
    let (old, new) = (Key::generate().unwrap(), Key::generate().unwrap());
    let before = FieldCipher::new(ring((1, &old), &[]));
    let after = FieldCipher::new(ring((2, &new), &[(1, &old)]));
    let bytes = before.encrypt_bytes(&[0, 159], &PLACE).unwrap();
    let Reencrypted::Rotated(bytes) = after.reencrypt(&bytes, &PLACE).unwrap() else {
        panic!("not rotated");
    };
    assert_eq!(after.decrypt_bytes(&bytes, &PLACE).unwrap(), [0, 159]);
    let elsewhere = before.encrypt_str("x", &PLACE.path("/phone")).unwrap();
    let mut walk = after.reencryption();
    assert!(matches!(walk.step(&elsewhere, &PLACE), Err(Error::Refused)));
    assert!(walk.step(&bytes, &PLACE).is_ok());
    assert_eq!((walk.progress().failed, walk.progress().unchanged), (1, 1));
    assert_eq!(walk.progress().seen(), 2);
}

#[test]
fn documents_are_reencrypted_whole_or_not_at_all() {
    let (old, new) = (Key::generate().unwrap(), Key::generate().unwrap());
    let before = FieldCipher::new(ring((1, &old), &[]));
    let after = FieldCipher::new(ring((2, &new), &[(1, &old)]));
    let fields = Fields::paths(["email"]);
    let place = Context::new("users");
    let mut document = json!([{"email": "a"}, {"email": 1}]);
    before
        .encrypt_fields(&mut document, &fields, &place)
        .unwrap();
    assert_eq!(
        after
            .reencrypt_fields(&mut document, &fields, &place)
            .unwrap(),
        2
    );
    assert_eq!(
        after
            .reencrypt_fields(&mut document, &fields, &place)
            .unwrap(),
        0
    );
    document[1]["email"] = json!("plain");
    let before_error = document.clone();
    let error = after
        .reencrypt_fields(&mut document, &fields, &place)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "field /[]/email: the value is not sealed"
    );
    assert_eq!(document, before_error);
}

#[test]
fn keys_rotate_under_load_without_a_failure() {
    let keys: Vec<Key> = (0..4).map(|_| Key::generate().unwrap()).collect();
    let all: Vec<(u32, &Key)> = keys
        .iter()
        .enumerate()
        .map(|(id, key)| (id as u32, key))
        .collect();
    let ring_of = |primary: usize| {
        let others: Vec<_> = all
            .iter()
            .copied()
            .filter(|(id, _)| *id as usize != primary)
            .collect();
        ring(all[primary], &others)
    };
    let cipher = FieldCipher::new(ring_of(0));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut values = 0_u32;
                    while !done.load(Ordering::Relaxed) || values < 1_000 {
                        let sealed = cipher.encrypt_str("a@b.c", &PLACE).unwrap();
                        assert_eq!(cipher.decrypt_str(&sealed, &PLACE).unwrap(), "a@b.c");
                        let _ = cipher.reencrypt(&sealed, &PLACE).unwrap();
                        values += 1;
                    }
                })
            })
            .collect();
        for round in 0..2_000 {
            cipher.swap_keyring(ring_of(round % 4));
        }
        done.store(true, Ordering::Relaxed);
        for worker in workers {
            worker.join().unwrap();
        }
    });
}

#[test]
fn a_renamed_path_opens_under_its_alias_and_no_other() {
    let key = Key::generate().unwrap();
    let cipher = FieldCipher::new(ring((1, &key), &[]));
    let old = cipher.encrypt_str("x", &PLACE.path("/mail")).unwrap();
    let renamed = cipher.clone().add_alias("users", "/email", "/mail");
    assert_eq!(renamed.decrypt_str(&old, &PLACE).unwrap(), "x");
    assert!(cipher.decrypt_str(&old, &PLACE).is_err());
    assert!(renamed.decrypt_str(&old, &PLACE.path("/phone")).is_err());
    assert!(
        renamed
            .decrypt_str(&old, &Context::new("orders").path("/email"))
            .is_err()
    );
    assert!(renamed.decrypt_str(&old, &PLACE.tenant("t")).is_err());
    let fresh = renamed.encrypt_str("y", &PLACE).unwrap();
    assert!(
        renamed.decrypt_str(&fresh, &PLACE.path("/mail")).is_err(),
        "one way only"
    );
}

#[test]
fn the_committing_suite_refuses_what_was_made_to_open_under_two_keys() {
    // In suite 01 nothing ties a ciphertext to one key. In suite 02 the commitment does: exchange it for that of
    // another key and neither key opens the value.
    let (one, two) = (Key::generate().unwrap(), Key::generate().unwrap());
    let seal = |key: &Key| {
        let cipher = FieldCipher::new(ring((1, key), &[])).suite(Suite::Committing);
        cipher.encrypt_str("a@b.c", &PLACE).unwrap()
    };
    let (a, b) = (seal(&one), seal(&two));
    // Bytes 29 to 61 are the commitment; characters 4 + 40 to 4 + 80 lie within it.
    let mixed = format!("{}{}{}", &a[..44], &b[44..84], &a[84..]);
    for key in [&one, &two] {
        let opened = FieldCipher::new(ring((1, key), &[])).decrypt_str(&mixed, &PLACE);
        assert!(matches!(opened, Err(Error::Refused)));
    }
}
