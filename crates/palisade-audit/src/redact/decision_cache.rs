use super::action::Action;
use super::names::Names;
use super::signs::Signs;

/// A cache of decisions about names. Names are few and come again.
///
/// Each name has two places, where a later one pushes the earlier out: what a client makes up cannot make looking up
/// slow, nor take more memory.
pub(super) struct DecisionCache {
    places: Box<[[Option<Known>; 2]]>,
}

struct Known {
    name: Box<[u8]>,
    decided: Decided,
}

/// The decision about a name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decided {
    /// The treatment of its value.
    pub(super) action: Option<Action>,
    /// Whether the name itself is copied as it is into a JSON string.
    pub(super) is_clean: bool,
}

impl Decided {
    fn about(names: &Names, name: &[u8]) -> Self {
        Self {
            action: names.decide(&String::from_utf8_lossy(name)),
            is_clean: Signs::of(name).is_clean(name),
        }
    }
}

impl DecisionCache {
    const PLACES: usize = 1_024;
    const MAX_NAME: usize = 64;

    pub(super) fn decide(&mut self, names: &Names, name: &[u8]) -> Decided {
        let Some(places) = self.places.get_mut(place(name) % Self::PLACES) else {
            return Decided::about(names, name);
        };
        if let Some(known) = places.iter().flatten().find(|known| *known.name == *name) {
            return known.decided;
        }
        let decided = Decided::about(names, name);
        if name.len() <= Self::MAX_NAME {
            places.swap(0, 1);
            places[0] = Some(Known {
                name: name.into(),
                decided,
            });
        }
        decided
    }
}

/// FNV-1a over eight bytes at a time; only spreads names over places.
fn place(name: &[u8]) -> usize {
    let (words, rest) = name.as_chunks::<8>();
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for word in words.iter().chain([&last]) {
        hash = (hash ^ u64::from_le_bytes(*word)).wrapping_mul(0x100_0000_01b3);
        hash ^= hash >> 29;
    }
    usize::try_from((hash ^ (hash >> 17)) & 0xffff).unwrap_or(0)
}

impl Default for DecisionCache {
    fn default() -> Self {
        Self {
            places: (0..Self::PLACES).map(|_| [None, None]).collect(),
        }
    }
}

impl std::fmt::Debug for DecisionCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DecisionCache")
    }
}
