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

use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroize;

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

thread_local! {
    static LEFT: RefCell<Block> = const { RefCell::new(Block { bytes: [0; BLOCK], used: BLOCK }) };
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

impl Block {
    fn take(&mut self, out: &mut [u8]) -> Result<(), RandomError> {
        if BLOCK - self.used < out.len() {
            from_system(&mut self.bytes)?;
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
