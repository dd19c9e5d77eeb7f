//! Memory that held a key, a plaintext or a secret is wiped before it is given back.
//!
//! The tests look at all memory of the process that can be written, but for their own stack: registers spill there, and
//! what moves leaves copies. What they look for they hold masked, so that they do not find themselves.

#![allow(missing_docs, reason = "tests")]
#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use palisade_crypto::{
    Context, Encrypted, FieldCipher, Key, Keyring, LegacyReader, Reencrypted, Untyped,
};
use palisade_secrets::{Environment, ExposeSecret, MountedDirectory, Secrets};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::json;

const MASK: u8 = 0xa5;
const CHUNK: usize = 1 << 20;

/// Bytes to look for. One test looks at a time, because each sees the memory of all.
struct Looking {
    masked: Vec<u8>,
    chunk: Vec<u8>,
    _alone: MutexGuard<'static, ()>,
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).unwrap();
    bytes
}

fn wipe(mut bytes: Vec<u8>) {
    bytes.fill(0);
    black_box(&bytes);
}

impl Looking {
    /// For these bytes, which are wiped here. An allocator may write over the first 16 of a block that it gets back.
    fn for_bytes(bytes: &mut [u8]) -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let masked = bytes.iter().skip(16).map(|byte| byte ^ MASK).collect();
        bytes.fill(0);
        black_box(bytes);
        Self {
            masked,
            chunk: vec![0; CHUNK],
            _alone: ALONE.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    fn is_in_memory(&mut self) -> bool {
        let memory = File::open("/proc/self/mem").unwrap();
        let local = 0_u8;
        let stack = std::ptr::from_ref(&local).addr() as u64;
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let mut looked_at = 0;
        let mut found = false;
        for line in maps.lines() {
            let mut parts = line.split_whitespace();
            let (range, rights) = (parts.next().unwrap(), parts.next().unwrap());
            let name = parts.nth(3).unwrap_or_default();
            let (start, end) = range.split_once('-').unwrap();
            let (start, end) = (hex(start), hex(end));
            let is_special = name.starts_with("[stack") || name.starts_with("[v");
            if !rights.starts_with("rw") || is_special || (start..end).contains(&stack) {
                continue;
            }
            let mut at = start;
            while at < end {
                let len = usize::try_from(end - at).unwrap().min(CHUNK);
                let Ok(read) = memory.read_at(&mut self.chunk[..len], at) else {
                    break;
                };
                looked_at += read;
                let first = self.masked[0] ^ MASK;
                found |= self.chunk[..read]
                    .windows(self.masked.len())
                    .filter(|window| window[0] == first)
                    .any(|window| {
                        window
                            .iter()
                            .zip(&self.masked)
                            .all(|(byte, masked)| byte ^ MASK == *masked)
                    });
                if read < len || at + read as u64 == end {
                    break;
                }
                // What lies across two chunks is seen whole.
                at += (read - self.masked.len()) as u64;
            }
        }
        self.chunk.fill(0);
        black_box(&self.chunk);
        assert!(looked_at > 100_000, "only {looked_at} bytes were read");
        found
    }
}

fn hex(text: &str) -> u64 {
    u64::from_str_radix(text, 16).unwrap()
}

fn cipher() -> FieldCipher {
    FieldCipher::new(Keyring::single(Key::generate().unwrap()).unwrap())
}

const PLACE: Context<'static> = Context::new("users").path("/note");

/// 48 letters of hexadecimal digits to look for, in the middle of a text that is too long for the stack.
fn note() -> (String, Looking) {
    note_behind(400)
}

/// The same behind so many other letters.
fn note_behind(letters: usize) -> (String, Looking) {
    let digits: String = random::<24>()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    // A text that grows leaves copies behind.
    let mut text = String::with_capacity(1_000);
    for part in [&*"x".repeat(letters), &*digits, &*"y".repeat(400)] {
        text.push_str(part);
    }
    let mut digits = digits.into_bytes();
    (text, Looking::for_bytes(&mut digits))
}

#[test]
fn a_key_is_gone_once_all_that_hold_it_are() {
    let mut bytes = random::<32>();
    let text = STANDARD.encode(bytes);
    let keys = [
        Key::from_bytes(bytes).unwrap(),
        Key::from_text("K", &text).unwrap(),
    ];
    let mut looking = Looking::for_bytes(&mut bytes);
    assert!(looking.is_in_memory());
    let [key, read] = keys;
    let cipher = FieldCipher::new(Keyring::single(key).unwrap());
    let sealed = cipher.encrypt_str("a@b.c", &PLACE).unwrap();
    assert_eq!(cipher.decrypt_str(&sealed, &PLACE).unwrap(), "a@b.c");
    assert!(looking.is_in_memory(), "the second key has them still");
    // Many, because whoever asks for memory next writes over the first that were given back.
    let clones: Vec<Key> = std::iter::repeat_n(read.clone(), 500).collect();
    drop(clones);
    // The ring holds what it derives, and not the key.
    drop(read);
    assert!(!looking.is_in_memory());
}

#[test]
fn no_plaintext_is_left_where_it_was_sealed_or_opened() {
    for letters in [0, 400] {
        let (text, mut looking) = note_behind(letters);
        let cipher = cipher();
        assert!(looking.is_in_memory());
        let sealed = cipher.encrypt_str(&text, &PLACE).unwrap();
        let bytes = cipher.encrypt_bytes(text.as_bytes(), &PLACE).unwrap();
        wipe(text.into_bytes());
        assert!(!looking.is_in_memory(), "after sealing");

        let opened = cipher.decrypt_str(&sealed, &PLACE).unwrap();
        assert!(looking.is_in_memory());
        wipe(opened.into_bytes());
        wipe(cipher.decrypt_bytes(&bytes, &PLACE).unwrap());
        cipher.swap_keyring(
            Keyring::builder()
                .primary(palisade_crypto::KeyId(2), Key::generate().unwrap())
                .build()
                .unwrap(),
        );
        assert!(cipher.decrypt_str(&sealed, &PLACE).is_err());
        assert!(!looking.is_in_memory(), "after opening");
    }
}

#[test]
fn no_plaintext_is_left_of_json_that_was_sealed() {
    let (text, mut looking) = note();
    let cipher = cipher();
    let value = json!({"list": ["a", "b"], "note": text});
    cipher.encrypt_value(&value, &PLACE).unwrap();
    let serde_json::Value::Object(mut members) = value else {
        unreachable!()
    };
    let Some(serde_json::Value::String(note)) = members.remove("note") else {
        unreachable!()
    };
    let field = Encrypted::<String>::seal(note.as_str(), &cipher, &PLACE);
    assert!(field.is_ok());
    wipe(note.into_bytes());
    wipe(text.into_bytes());
    assert!(!looking.is_in_memory());
}

#[test]
fn no_plaintext_is_left_of_a_legacy_value() {
    let (text, mut looking) = note();
    let key = random::<32>();
    let raw = UnboundKey::new(&AES_256_GCM, &key).unwrap();
    let nonce = random::<12>();
    let mut sealed = text.into_bytes();
    LessSafeKey::new(raw)
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::empty(),
            &mut sealed,
        )
        .unwrap();
    let stored = STANDARD.encode([&nonce[..], &sealed].concat());
    let cipher = cipher()
        .legacy(LegacyReader::aes_gcm(Key::from_bytes(key).unwrap()))
        .untyped(Untyped::Bytes);
    wipe(cipher.decrypt_bytes(&stored, &PLACE).unwrap());
    let moved = cipher.reencrypt(&stored, &PLACE).unwrap();
    assert!(matches!(moved, Reencrypted::Rotated(_)));
    assert!(!looking.is_in_memory());
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_gone_once_it_was_replaced_and_nobody_holds_it() {
    let directory =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("wiping-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let path = directory.join("TOKEN");
    let (text, mut looking) = note();
    fs::write(&path, &text).unwrap();
    wipe(text.into_bytes());
    let secrets = Secrets::builder(Environment::Development)
        .provider(MountedDirectory::new(&directory))
        .ttl(Duration::from_secs(100))
        .build()
        .await
        .unwrap();
    let held = secrets.secret("TOKEN").await.unwrap();
    assert!(looking.is_in_memory());
    fs::write(&path, "another").unwrap();
    tokio::time::advance(Duration::from_secs(101)).await;
    let newer = secrets.secret("TOKEN").await.unwrap();
    assert_eq!(newer.expose_secret(), "another");
    assert!(looking.is_in_memory(), "somebody holds it");
    drop(held);
    fs::remove_dir_all(&directory).unwrap();
    assert!(!looking.is_in_memory());
}
