//! The memory that argon2 works in.

use std::sync::{Mutex, PoisonError};

use argon2::Block;

use super::phc::Cost;

/// The memory of all workers, kept from one password to the next, one piece a worker at most.
///
/// Tokio's blocking threads are many, and an allocator keeps for each of them what it has freed: glibc up to twice the
/// piece. A piece that is kept also has its pages already, which a new one gets one by one.
pub(super) struct WorkingMemory {
    blocks: usize,
    most: usize,
    idle: Mutex<Vec<Vec<Block>>>,
}

impl WorkingMemory {
    /// For passwords of this cost, by so many workers.
    pub(super) fn new(cost: Cost, workers: usize) -> Self {
        Self {
            blocks: blocks_of(cost),
            most: workers,
            idle: Mutex::default(),
        }
    }

    /// Works in a piece of memory of this many blocks, or returns `None` where there is none.
    pub(super) fn work<T>(&self, blocks: usize, job: impl FnOnce(&mut [Block]) -> T) -> Option<T> {
        let kept = if blocks == self.blocks {
            self.idle().pop()
        } else {
            None
        };
        let mut piece = kept.unwrap_or_default();
        if piece.len() < blocks {
            piece.try_reserve_exact(blocks).ok()?;
            piece.resize(blocks, Block::new());
        }
        let result = job(&mut piece);
        if blocks == self.blocks {
            let mut idle = self.idle();
            if idle.len() < self.most {
                idle.push(piece);
            }
        }
        Some(result)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Vec<Block>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The blocks that passwords of this cost need.
fn blocks_of(cost: Cost) -> usize {
    argon2::Params::new(cost.memory, cost.passes, cost.lanes, None)
        .map_or(0, |params| params.block_count())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COST: Cost = Cost {
        memory: 64,
        passes: 1,
        lanes: 1,
    };

    fn place(memory: &WorkingMemory, blocks: usize) -> *const Block {
        memory.work(blocks, |piece| piece.as_ptr()).unwrap()
    }

    #[test]
    fn a_piece_is_used_again_and_one_is_kept_for_each_worker() {
        let memory = WorkingMemory::new(COST, 1);
        let first = place(&memory, 64);
        assert_eq!(place(&memory, 64), first);
        let (outer, inner) = memory
            .work(64, |piece| (piece.as_ptr(), place(&memory, 64)))
            .unwrap();
        assert_eq!(outer, first);
        assert_ne!(inner, first, "two at once have a piece each");
        assert_eq!(memory.idle().len(), 1);
    }

    #[test]
    fn memory_of_another_size_is_not_kept() {
        let memory = WorkingMemory::new(COST, 2);
        assert_eq!(memory.work(128, |piece| piece.len()), Some(128));
        assert!(memory.idle().is_empty());
    }
}
