//! Random bytes from the operating system, drawn in blocks.
//!
//! A call into the operating system for a nonce costs more than the cipher that uses it. So each thread draws a block
//! at a time and hands it out, never the same byte twice. What was handed out is wiped at once, the rest when the
//! thread ends.
//!
//! # Security
//!
//! A process that forks without `exec` shares the rest of the block with its child. Rust servers do not; one that does
//! must not draw before it forks.

use std::cell::RefCell;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::{Zeroize, Zeroizing};

/// The operating system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct RandomError;

const BLOCK: usize = 2048;

struct Block {
    bytes: [u8; BLOCK],
    used: usize,
}

impl Drop for Block {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl Block {
    /// Nothing is left in it.
    const EMPTY: Self = Self {
        bytes: [0; BLOCK],
        used: BLOCK,
    };
}

thread_local! {
    static LEFT: RefCell<Block> = const { RefCell::new(Block::EMPTY) };
    static LEFT_OF_NONCES: RefCell<Block> = const { RefCell::new(Block::EMPTY) };
}

/// Fills `out` with random bytes.
///
/// # Errors
///
/// Fails only when the operating system does; `out` must not be used then.
pub fn fill(out: &mut [u8]) -> Result<(), RandomError> {
    // A big request, or one while the thread ends, goes past the block.
    if out.len() > BLOCK / 4 {
        return from_system(out);
    }
    let drawn = LEFT.try_with(|left| match left.try_borrow_mut() {
        Ok(mut left) => left.take(out),
        Err(_) => from_system(out),
    });
    drawn.unwrap_or_else(|_| from_system(out))
}

/// An array of random bytes.
///
/// # Errors
///
/// Fails only when the operating system does.
pub fn bytes<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut out = [0; N];
    fill(&mut out)?;
    Ok(out)
}

/// Random bytes that anybody may see: a nonce, or the id of a request.
///
/// As unpredictable as [`bytes()`], at a tenth of the cost. Each block is the key stream of AES-256 in counter mode under
/// a key of its own from [`fill`], so that nothing of one block follows from another.
///
/// # Security
///
/// Not for keys, tokens, or whatever else is kept secret: ring does not wipe the key of a block, so that who reads the
/// memory of the process may learn up to 2 KiB that were drawn before.
///
/// # Errors
///
/// Fails only when the operating system does.
pub fn nonce<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut out = [0; N];
    if N > BLOCK / 4 {
        from_system(&mut out)?;
        return Ok(out);
    }
    let drawn = LEFT_OF_NONCES.try_with(|left| match left.try_borrow_mut() {
        Ok(mut left) => left.take_from(&mut out, expand),
        Err(_) => fill(&mut out),
    });
    drawn.unwrap_or_else(|_| fill(&mut out))?;
    Ok(out)
}

impl Block {
    fn take(&mut self, out: &mut [u8]) -> Result<(), RandomError> {
        self.take_from(out, from_system)
    }

    #[inline]
    fn take_from(
        &mut self,
        out: &mut [u8],
        refill: fn(&mut [u8]) -> Result<(), RandomError>,
    ) -> Result<(), RandomError> {
        if BLOCK - self.used < out.len() {
            refill(&mut self.bytes)?;
            self.used = 0;
        }
        let taken = &mut self.bytes[self.used..self.used + out.len()];
        out.copy_from_slice(taken);
        // The block lives on, so this store is not dead and the compiler keeps it.
        taken.fill(0);
        self.used += out.len();
        Ok(())
    }
}

/// Replaces `out` by the key stream of a fresh key. No key serves twice, so that the nonce of the cipher may be zero.
#[cold]
fn expand(out: &mut [u8]) -> Result<(), RandomError> {
    let key = Zeroizing::new(bytes::<32>()?);
    let key = UnboundKey::new(&AES_256_GCM, &*key).map_err(|_| RandomError)?;
    out.fill(0);
    LessSafeKey::new(key)
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key([0; 12]), Aad::empty(), out)
        .map(drop)
        .map_err(|_| RandomError)
}

fn from_system(out: &mut [u8]) -> Result<(), RandomError> {
    SystemRandom::new().fill(out).map_err(|_| RandomError)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_byte_is_handed_out_twice() {
        let drawn: HashSet<[u8; 16]> = (0..10_000).map(|_| bytes().unwrap()).collect();
        assert_eq!(drawn.len(), 10_000);
    }

    #[test]
    fn no_nonce_is_handed_out_twice_on_any_thread() {
        // 682 nonces fill 8 blocks of each thread.
        let threads: Vec<_> = (0..8)
            .map(|_| std::thread::spawn(|| (0..682).map(|_| nonce::<24>().unwrap()).collect()))
            .collect();
        let drawn: HashSet<[u8; 24]> = threads
            .into_iter()
            .flat_map(|thread| -> Vec<[u8; 24]> { thread.join().unwrap() })
            .collect();
        assert_eq!(drawn.len(), 8 * 682);
        // Of so many bytes every value is some, and no position has the same one all the time.
        for position in 0..24 {
            let values: HashSet<u8> = drawn.iter().map(|nonce| nonce[position]).collect();
            assert_eq!(values.len(), 256, "position {position}");
        }
    }

    #[test]
    fn a_block_of_nonces_does_not_depend_on_the_one_before() {
        let (mut one, mut other) = ([7; BLOCK], [7; BLOCK]);
        expand(&mut one).unwrap();
        expand(&mut other).unwrap();
        assert_ne!(one[..32], other[..32]);
        // The key stream alone, and nothing of what stood there: AES has no block that comes twice under one key.
        let blocks: HashSet<&[u8]> = one.chunks(16).collect();
        assert_eq!(blocks.len(), BLOCK / 16);
    }

    #[test]
    fn odd_sizes_cross_blocks_and_leave_nothing_unfilled() {
        for len in [1, 7, 31, 511, 512, 513, 5_000] {
            // All zero by chance has a probability under 2^-256 for 32 draws of at least one byte each.
            let mut any = 0;
            for _ in 0..32 {
                let mut out = vec![0; len];
                fill(&mut out).unwrap();
                any |= out[len - 1];
            }
            assert_ne!(any, 0, "the last of {len} bytes was never filled");
        }
    }

    #[test]
    fn what_was_handed_out_is_wiped() {
        let mut block = Block {
            bytes: [7; BLOCK],
            used: 0,
        };
        let mut out = [0; 16];
        block.take(&mut out).unwrap();
        assert_eq!(out, [7; 16]);
        assert_eq!(block.bytes[..16], [0; 16]);
        assert_eq!(block.bytes[16], 7);
    }
}
