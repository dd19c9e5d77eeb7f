use super::action::Action;
use super::names::Names;

/// What was decided about names before. Names are few and come again.
///
/// Each name has two places, where a later one pushes the earlier out: what a client makes up cannot make looking up
/// slow, nor take more memory.
pub(super) struct Memo {
    places: Box<[[Option<Known>; 2]]>,
}

struct Known {
    name: Box<[u8]>,
    decided: Option<Action>,
}

impl Memo {
    const PLACES: usize = 1_024;
    const MAX_NAME: usize = 64;

    pub(super) fn decide(&mut self, names: &Names, name: &[u8]) -> Option<Action> {
        let Some(places) = self.places.get_mut(place(name) % Self::PLACES) else {
            return names.decide(&String::from_utf8_lossy(name));
        };
        if let Some(known) = places.iter().flatten().find(|known| *known.name == *name) {
            return known.decided;
        }
        let decided = names.decide(&String::from_utf8_lossy(name));
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
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for chunk in name.chunks(8) {
        let mut word = [0; 8];
        for (to, from) in word.iter_mut().zip(chunk) {
            *to = *from;
        }
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(0x100_0000_01b3);
        hash ^= hash >> 29;
    }
    usize::try_from((hash ^ (hash >> 17)) & 0xffff).unwrap_or(0)
}

impl Default for Memo {
    fn default() -> Self {
        Self {
            places: (0..Self::PLACES).map(|_| [None, None]).collect(),
        }
    }
}

impl std::fmt::Debug for Memo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Memo")
    }
}
