use proptest::prelude::*;

use super::*;
use crate::store::digest::Hasher;
use crate::store::set::{Set, WAYS};

const NOW: u64 = 9;

const KEY: HashedKey = HashedKey {
    low: 7,
    high: 0,
    slot_hash: 0,
    claimed: false,
};

/// Shows a newcomer to two sets, once they have been filled.
fn with_sets<T>(fill: impl Fn(usize, &LockedSet<'_>), see: impl FnOnce(&Vacant<'_>) -> T) -> T {
    let hasher = Hasher::new().unwrap();
    let shard = Shard::new(1, hasher.slot_hasher(), 100, false);
    let sets = [Set::new(), Set::new()];
    let locked = [0, 1].map(|number: usize| {
        let set = sets[number].lock(&[]);
        fill(number, &set);
        set
    });
    see(&Vacant {
        shard: &shard,
        sets: locked,
    })
}

#[test]
fn a_newcomer_goes_to_its_first_set_unless_that_is_nearly_taken_and_the_other_is_not_so_much() {
    for first in 0..=WAYS {
        for second in 0..=WAYS {
            let chosen = with_sets(
                |number, set| {
                    let free = [first, second][number];
                    (free..WAYS).for_each(|way| set.settle(way, NOW + 1));
                },
                |vacant| vacant.free(&KEY, NOW).map(|(number, _)| number),
            );
            let expected = match (first, second) {
                (0, 0) => None,
                (0..COMFORTABLE, _) if second > first => Some(1),
                _ => Some(0),
            };
            assert_eq!(chosen, expected, "{first} {second}");
        }
    }
}

proptest! {
    #[test]
    fn the_key_that_is_spared_is_the_soonest_to_be_full_and_in_debt_only_where_all_are(
        slots in prop::collection::vec((NOW + 1..NOW + 9, any::<Option<bool>>()), 2 * WAYS),
        claimed in any::<bool>(),
    ) {
        // A state that is odd is in debt, unless a mark says otherwise.
        let debt = |state: &[Word]| state[0].get() % 2 == 1;
        let (number, way) = with_sets(
            |number, set| {
                for way in 0..WAYS {
                    let (full_at, own_debt) = slots[number * WAYS + way];
                    set.settle(way, full_at);
                    set.mark(way, own_debt);
                }
            },
            |vacant| vacant.spare(&HashedKey { claimed, ..KEY }, &debt),
        );
        let rank = |at: usize| {
            let (full_at, own_debt) = slots[at];
            (own_debt.unwrap_or(full_at % 2 == 1), full_at)
        };
        let best = (0..2 * WAYS).filter(|at| ways(claimed).contains(&(at % WAYS))).map(rank).min();
        prop_assert!(ways(claimed).contains(&way));
        prop_assert_eq!(Some(rank(number * WAYS + way)), best);
    }
}
