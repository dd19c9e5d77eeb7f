//! Keyrings from variables.

use palisade_crypto::{BlindIndex, Error, FieldCipher, Key, KeyId, Keyring};

use crate::keys::LEGACY_KEY;

fn vars(pairs: &[(&str, &str)]) -> Result<Keyring, Error> {
    let pairs = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Keyring::from_vars("ENCRYPTION_KEY", pairs)
}

fn problems(keys: Result<Keyring, Error>) -> Vec<String> {
    match keys {
        Err(Error::Configuration(problems)) => problems.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

const ONE: &str = LEGACY_KEY;
// Made with `openssl rand -base64 32`.
const TWO: &str = "d7BEEY6EFdCRT4xWFjmvnqcTJiwbTRhBoWLxFL3xQIo=";

#[test]
fn variables_give_one_key_or_several_with_a_primary() {
    assert_eq!(
        vars(&[("ENCRYPTION_KEY", ONE)]).unwrap().primary(),
        KeyId(1)
    );
    assert_eq!(
        vars(&[("ENCRYPTION_KEY_9", ONE)]).unwrap().primary(),
        KeyId(9)
    );
    let several = [
        ("ENCRYPTION_KEY_6", ONE),
        ("ENCRYPTION_KEY_7", TWO),
        ("ENCRYPTION_KEY_PRIMARY", "6"),
    ];
    let keys = vars(&several).unwrap();
    assert_eq!(keys.ids().collect::<Vec<_>>(), [KeyId(6), KeyId(7)]);
    // Other variables of the service are not its business.
    assert!(
        vars(&[
            ("ENCRYPTION_KEY", ONE),
            ("ENCRYPTION_KEYS", "x"),
            ("ENCRYPTION_KEY_FILE", "x")
        ])
        .is_ok()
    );
}

#[test]
fn every_problem_with_the_variables_is_told() {
    assert_eq!(problems(vars(&[])), ["ENCRYPTION_KEY: is not set"]);
    let several = [("ENCRYPTION_KEY_6", ONE), ("ENCRYPTION_KEY_7", "x")];
    assert_eq!(
        problems(vars(&several)),
        [
            "ENCRYPTION_KEY_PRIMARY: must name one of the keys, which then seals",
            "ENCRYPTION_KEY_7: is not base64"
        ]
    );
    let twice = [
        ("ENCRYPTION_KEY", ONE),
        ("ENCRYPTION_KEY_7", TWO),
        ("ENCRYPTION_KEY_4294967296", TWO),
    ];
    let told = problems(vars(&twice));
    assert_eq!(
        told[0],
        "ENCRYPTION_KEY_4294967296: has a number above 4294967295"
    );
    assert_eq!(
        told[1],
        "ENCRYPTION_KEY: is set beside ENCRYPTION_KEY_<id>; give it a number too"
    );
}

#[test]
fn a_keyset_in_json_is_read_and_its_errors_do_not_repeat_it() {
    let set =
        format!(r#"{{"primary":7,"keys":[{{"id":7,"key":"{ONE}"}},{{"id":6,"key":"{TWO}"}}]}}"#);
    assert_eq!(Keyring::from_json(&set).unwrap().primary(), KeyId(7));
    for broken in [
        &set.replace("\"id\":6", "\"id\":\"canary\""),
        &set.replace("primary", "canary"),
        &set[..set.len() - 5],
    ] {
        let told = problems(Keyring::from_json(broken));
        assert!(
            told[0].starts_with("keyset: is not a keyset, at line 1"),
            "{told:?}"
        );
        assert!(!told[0].contains("canary"));
    }
    let no_primary = set.replace("\"primary\":7", "\"primary\":5");
    assert_eq!(
        problems(Keyring::from_json(&no_primary)),
        ["primary: is missing"]
    );
}

#[test]
fn a_keyring_has_one_primary_and_no_key_twice() {
    let (one, two) = (
        Key::from_text("K", ONE).unwrap(),
        Key::from_text("K", TWO).unwrap(),
    );
    let keys = Keyring::builder()
        .primary(KeyId(1), one.clone())
        .primary(KeyId(2), two)
        .decrypt_only(KeyId(2), one)
        .build();
    assert_eq!(
        problems(keys),
        [
            "primary: is set twice, to 1 and to 2",
            "key 2: is the same as key 1",
            "key 2: is given twice"
        ]
    );
}

#[test]
fn nothing_shows_a_key() {
    let builder = Keyring::builder().primary(KeyId(1), Key::from_text("K", ONE).unwrap());
    let shown = format!("{builder:?}");
    let cipher = FieldCipher::new(builder.build().unwrap());
    let shown = format!(
        "{shown} {cipher:?} {:?} {:?}",
        cipher.keyring(),
        BlindIndex::new(&cipher, "x")
    );
    // The first bytes of the key, as numbers, in hex and in base64.
    for part in ["107, 31", "6b1f", "ax8M"] {
        assert!(!shown.contains(part), "{shown}");
    }
}

#[test]
fn a_keyring_shows_the_ids_of_its_keys() {
    let keys = Keyring::builder()
        .decrypt_only(KeyId(6), Key::from_text("K", ONE).unwrap())
        .primary(KeyId(7), Key::from_text("K", TWO).unwrap())
        .build();
    assert_eq!(
        format!("{:?}", keys.unwrap()),
        "Keyring { primary: KeyId(7), ids: [KeyId(7), KeyId(6)], .. }"
    );
}
