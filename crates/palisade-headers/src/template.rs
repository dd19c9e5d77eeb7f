//! Headers that go onto every response, prepared as a map.
//!
//! Cloning a prepared map and moving the few headers of the handler over it costs half of inserting one by one: the
//! clone allocates twice and hashes nothing.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, Entry};
use http::{HeaderMap, HeaderName, HeaderValue};

/// The way in which a header of a layer merges with the same header of a handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Merge {
    /// The handler's stays, the default: whoever wrote the handler knew more than a policy for all routes.
    #[default]
    IfAbsent,
    /// The layer's replaces the handler's.
    Override,
    /// Both are sent, the layer's first. Right for headers whose values add up, such as `Content-Security-Policy`
    /// (every policy is enforced) and `Vary`.
    Append,
}

/// The headers that nearly every response has by itself. They get a place in the prepared maps, so that moving them in
/// does not grow the clone.
const USUAL: [HeaderName; 2] = [CONTENT_TYPE, CONTENT_LENGTH];

/// The number of headers of the handler, beside those, that have a place in the index of a prepared map.
const SPARE: usize = 2;

#[derive(Debug, Clone)]
pub(crate) struct Template {
    /// Indexed by which of the [`USUAL`] headers have a place.
    prepared: [HeaderMap; 4],
    /// The usual headers that may have a place: not those that are ours, are stripped, or merge in a way of their own.
    usual: [bool; 2],
    /// Those that do not merge by [`Merge::IfAbsent`].
    modes: Vec<(HeaderName, Merge)>,
    strip: HeaderMap<()>,
}

impl Template {
    /// Of these headers, merged in these ways; the last one counts where a name is there twice.
    pub(crate) fn new(
        entries: &[(HeaderName, HeaderValue)],
        merges: &[(HeaderName, Merge)],
        strip: &[HeaderName],
    ) -> Self {
        let mut ours = HeaderMap::new();
        for (name, value) in entries {
            // Fails past 24,576 headers alone; the rest of such a list is left out.
            let _ = ours.try_insert(name, value.clone());
        }
        let mut modes: Vec<(HeaderName, Merge)> = Vec::new();
        for (name, merge) in merges {
            modes.retain(|(known, _)| known != name);
            modes.push((name.clone(), *merge));
        }
        modes.retain(|(_, merge)| *merge != Merge::IfAbsent);
        let mut stripped = HeaderMap::default();
        for name in strip {
            let _ = stripped.try_insert(name.clone(), ());
        }
        let usual = USUAL.map(|name| {
            let merged = modes.iter().any(|(known, _)| *known == name);
            !ours.contains_key(&name) && !stripped.contains_key(&name) && !merged
        });
        let prepared = std::array::from_fn(|places| {
            // A full map grows even when a value is replaced, so there is room to spare.
            let room = ours.len() + USUAL.len() + SPARE;
            let mut map = HeaderMap::try_with_capacity(room).unwrap_or_default();
            for (bit, name) in USUAL.into_iter().enumerate() {
                if places & (1 << bit) != 0 && usual[bit] {
                    let _ = map.try_insert(name, HeaderValue::from_static(""));
                }
            }
            for (name, value) in &ours {
                let _ = map.try_insert(name, value.clone());
            }
            map
        });
        Self {
            prepared,
            usual,
            modes,
            strip: stripped,
        }
    }

    /// Whether it would leave every response as it is.
    pub(crate) fn is_empty(&self) -> bool {
        self.prepared[0].is_empty() && self.strip.is_empty()
    }

    /// The number of header fields that it adds.
    pub(crate) fn len(&self) -> usize {
        self.prepared[0].len()
    }

    /// Puts the headers of this template onto `headers`.
    #[inline]
    pub(crate) fn apply(&self, headers: &mut HeaderMap) {
        match self.is_worth_a_clone(headers) {
            true => self.apply_edited(headers, |_| {}),
            false => self.insert(headers),
        }
    }

    /// The same with this value in the place of the one that the template has for a name.
    #[inline]
    pub(crate) fn apply_with(
        &self,
        headers: &mut HeaderMap,
        name: &HeaderName,
        value: HeaderValue,
    ) {
        match self.is_worth_a_clone(headers) {
            true => self.apply_edited(headers, |ours| replace(ours, name, value)),
            false => {
                self.insert(headers);
                replace(headers, name, value);
            }
        }
    }

    /// Whether it is faster to clone the prepared map and move `headers` into it than to insert ours into `headers`. To
    /// insert or move a field costs about four times as much as to clone it; the clone allocates twice.
    #[inline]
    fn is_worth_a_clone(&self, headers: &HeaderMap) -> bool {
        4 * headers.len() + 6 < 3 * self.len()
    }

    /// Inserts ours into `headers` one by one.
    fn insert(&self, headers: &mut HeaderMap) {
        for name in self.strip.keys() {
            headers.remove(name);
        }
        let _ = headers.try_reserve(self.len());
        for (name, value) in &self.prepared[0] {
            match self.merge_of(name) {
                Merge::IfAbsent => {
                    if let Ok(Entry::Vacant(vacant)) = headers.try_entry(name) {
                        let _ = vacant.try_insert(value.clone());
                    }
                }
                Merge::Override => drop(headers.try_insert(name, value.clone())),
                Merge::Append => put_first(headers, name, value.clone()),
            }
        }
    }

    /// Puts the headers of this template, as `edit` changes them, onto `headers`.
    #[inline]
    pub(crate) fn apply_edited(&self, headers: &mut HeaderMap, edit: impl FnOnce(&mut HeaderMap)) {
        let places = if headers.is_empty() {
            0
        } else {
            self.places(headers)
        };
        let mut ours = self.prepared[places].clone();
        edit(&mut ours);
        let theirs = std::mem::replace(headers, ours);
        if !theirs.is_empty() {
            self.move_over(headers, theirs);
        }
    }

    fn places(&self, theirs: &HeaderMap) -> usize {
        let mut places = 0;
        for (bit, name) in USUAL.iter().enumerate() {
            if self.usual[bit] && theirs.contains_key(name) {
                places |= 1 << bit;
            }
        }
        places
    }

    fn move_over(&self, headers: &mut HeaderMap, theirs: HeaderMap) {
        let plain = self.modes.is_empty() && self.strip.is_empty();
        // A header with several values names itself at its first value alone.
        let mut current: Option<HeaderName> = None;
        for (name, value) in theirs {
            match name {
                Some(name) => {
                    current = self.move_first(headers, name, value, plain);
                }
                None => {
                    if let Some(name) = &current {
                        let _ = headers.try_append(name, value);
                    }
                }
            }
        }
    }

    /// Moves the first value of a header; answers its name when further values are to follow it.
    #[inline]
    fn move_first(
        &self,
        headers: &mut HeaderMap,
        name: HeaderName,
        value: HeaderValue,
        plain: bool,
    ) -> Option<HeaderName> {
        let merge = if plain {
            Merge::IfAbsent
        } else if self.strip.contains_key(&name) {
            return None;
        } else {
            self.merge_of(&name)
        };
        match merge {
            Merge::IfAbsent => drop(headers.try_insert(&name, value)),
            Merge::Override if headers.contains_key(&name) => return None,
            Merge::Override | Merge::Append => drop(headers.try_append(&name, value)),
        }
        Some(name)
    }

    fn merge_of(&self, name: &HeaderName) -> Merge {
        let mode = self.modes.iter().find(|(known, _)| known == name);
        mode.map_or(Merge::IfAbsent, |(_, merge)| *merge)
    }

    /// Makes every value static, so that cloning one writes to no counter that threads share.
    pub(crate) fn leak(mut self) -> Self {
        for map in &mut self.prepared {
            for value in map.values_mut() {
                *value = leaked(value);
            }
        }
        self
    }
}

/// Replaces the first value of a field that is there. A clone of a prepared map has no room for one field more.
#[inline]
pub(crate) fn replace(headers: &mut HeaderMap, name: &HeaderName, value: HeaderValue) {
    if let Some(known) = headers.get_mut(name) {
        *known = value;
    }
}

/// Puts a value in front of those that the field has.
fn put_first(headers: &mut HeaderMap, name: &HeaderName, value: HeaderValue) {
    match headers.try_entry(name) {
        Ok(Entry::Vacant(vacant)) => drop(vacant.try_insert(value)),
        Ok(Entry::Occupied(mut occupied)) => {
            let theirs: Vec<HeaderValue> = occupied.iter().cloned().collect();
            occupied.insert(value);
            theirs.into_iter().for_each(|value| occupied.append(value));
        }
        Err(_) => {}
    }
}

/// The same value in memory that is never freed; what is not visible ASCII stays as it is.
pub(crate) fn leaked(value: &HeaderValue) -> HeaderValue {
    match value.to_str() {
        Ok(text) => HeaderValue::from_static(Box::leak(text.into())),
        Err(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> HeaderName {
        HeaderName::from_bytes(format!("x-{number}").as_bytes()).unwrap()
    }

    fn sorted(map: &HeaderMap) -> Vec<(String, Vec<Vec<u8>>)> {
        let mut fields: Vec<_> = map
            .keys()
            .map(|name| {
                let values = map.get_all(name).iter();
                let values = values.map(|value| value.as_bytes().to_vec());
                (name.to_string(), values.collect())
            })
            .collect();
        fields.sort();
        fields
    }

    /// Both ways give the same fields and values, whichever names ours, theirs and the stripped ones share.
    #[test]
    fn inserting_and_cloning_give_the_same() {
        let merges = [Merge::IfAbsent, Merge::Override, Merge::Append];
        for bits in 0..1_usize << 9 {
            let has = |bit: usize| bits & (1 << bit) != 0;
            let ours: Vec<_> = (0..3)
                .filter(|number| has(*number))
                .map(|number| (name(number), HeaderValue::from_static("ours")))
                .collect();
            let modes: Vec<_> = (0..3)
                .map(|number| (name(number), merges[number]))
                .collect();
            let strip: Vec<_> = (0..3).filter(|number| has(3 + number)).map(name).collect();
            let mut theirs = HeaderMap::new();
            theirs.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            for number in (0..3).filter(|number| has(6 + number)) {
                theirs.append(name(number), HeaderValue::from_static("first"));
                theirs.append(name(number), HeaderValue::from_static("second"));
            }
            let template = Template::new(&ours, &modes, &strip);
            let (mut inserted, mut cloned) = (theirs.clone(), theirs);
            template.insert(&mut inserted);
            template.apply_edited(&mut cloned, |_| {});
            assert_eq!(sorted(&inserted), sorted(&cloned), "{bits:09b}");
        }
    }
}
