use super::*;
use crate::store::digest::Hasher;

const NOW: u64 = 9;
const LATER: u64 = 10;

fn shard(most_slots: usize) -> Shard {
    let hasher = Hasher::new().unwrap();
    Shard::new(1, hasher.slot_hasher(), most_slots, false)
}

fn key(shard: &Shard, number: u64) -> HashedKey {
    HashedKey {
        low: number,
        high: 0,
        slot_hash: shard.slot_hasher.hash(number, 0),
        claimed: false,
    }
}

/// Gives the key a slot, which is full later.
fn charge(shard: &Shard, key: &HashedKey) {
    let entry = shard.entry_to_claim(key, NOW);
    entry.claim(key, NOW, &|_| false).slot.settle(LATER);
}

/// Whether the key lies in its first set, and how many slots are free there.
fn at_home(shard: &Shard, key: &HashedKey) -> (bool, usize) {
    let doublings = shard.doublings.load(Ordering::Relaxed);
    let (first, _) = Place::both(key, shard.columns);
    let (segment, at) = shard.locate(first, doublings);
    let set = segment.lock(at);
    let free = set.free(key, NOW).map_or(0, |(free, _)| free);
    (set.find(key).is_some(), free)
}

#[test]
fn a_key_moves_to_its_other_set_from_either() {
    for number in 0..50 {
        let shard = shard(1_000);
        let key = key(&shard, number);
        charge(&shard, &key);
        let (starts_at_home, _) = at_home(&shard, &key);
        for is_home in [starts_at_home, !starts_at_home, starts_at_home] {
            assert_eq!(at_home(&shard, &key).0, is_home);
            let slot = shard.find(&key).unwrap();
            assert!(shard.move_aside(&slot.set, slot.way, NOW));
        }
    }
}

#[test]
fn growing_brings_keys_home_where_there_is_room() {
    let shard = shard(20_000);
    let (mut keys, mut grown) = (Vec::new(), 0);
    while grown < 7 {
        keys.push(key(&shard, keys.len() as u64));
        charge(&shard, &keys[keys.len() - 1]);
        let doublings = shard.doublings.load(Ordering::Relaxed);
        if doublings == grown {
            continue;
        }
        grown = doublings;
        let is_stray = |key: &&HashedKey| {
            let (is_home, free) = at_home(&shard, key);
            !is_home && free >= COMFORTABLE
        };
        let strays = keys.iter().filter(is_stray).count();
        // Those whose set had no room yet when it was their turn.
        assert!(
            grown < 5 || strays * 10 < keys.len(),
            "{strays} of {}",
            keys.len()
        );
        assert!(keys.iter().all(|key| shard.find(key).is_some()));
    }
}
