use palisade_core::time;

use super::*;

#[test]
fn checkpoints_are_due_by_number_and_by_time_and_never_for_themselves() {
    let period = Duration::from_secs(60);
    let key = SigningKey::from_seed(&[7; 32]).unwrap();
    let mut chain = Chain::resume(Seal::chain().checkpoint(key, 3, period), [0; 32]).unwrap();
    let start = time::now();
    assert!(!chain.is_due(start), "nothing to sign");
    assert_eq!(chain.patience(), None);
    chain.take(b"one");
    assert!(!chain.is_due(start));
    assert_eq!(chain.patience(), Some(period));
    assert!(chain.is_due(start + period), "by time");
    chain.take(b"two");
    chain.take(b"three");
    assert!(chain.is_due(start), "by number");

    chain.sign(&mut Vec::new(), 0, start);
    chain.take(b"checkpoint");
    assert!(
        !chain.is_due(start + 10 * period),
        "an idle trail signs nothing"
    );
    assert_eq!(chain.patience(), None);
}

#[test]
fn a_chain_without_checkpoints_has_no_key_and_is_never_in_a_hurry() {
    let mut chain = Chain::resume(Seal::chain(), [0; 32]).unwrap();
    chain.take(b"one");
    assert_eq!((chain.public_key(), chain.patience()), (None, None));
    assert!(!chain.is_due(time::now()));
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    let key = || SigningKey::from_seed(&[7; 32]).unwrap();
    let second = Duration::from_secs(1);
    let just_less = Duration::from_nanos(999_999_999);
    for (seal, problems) in [
        (Seal::chain(), vec![]),
        (Seal::chain().checkpoint(key(), 1, second), vec![]),
        (
            Seal::chain()
                .checkpoint(key(), 1, second)
                .copy_checkpoints("elsewhere"),
            vec![],
        ),
        (
            Seal::chain().copy_checkpoints("elsewhere"),
            vec!["seal.copy_checkpoints: there are no checkpoints to copy"],
        ),
        (
            Seal::chain().checkpoint(key(), 0, just_less),
            vec![
                "seal.checkpoint: records must be at least 1",
                "seal.checkpoint: period must be at least 1 second",
            ],
        ),
    ] {
        let mut found = Problems::none();
        seal.check(&mut found);
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, problems, "{seal:?}");
    }
}

#[test]
fn a_signing_key_does_not_show_in_debug_output() {
    let key = SigningKey::from_seed(&[7; 32]).unwrap();
    assert_eq!(format!("{key:?}"), "SigningKey([redacted])");
}
