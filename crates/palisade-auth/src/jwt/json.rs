//! JSON as RFC 7515 (section 4) and RFC 7519 (section 4) want it: no object names a member twice, at any depth.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A text, borrowed from the input unless it has escapes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

/// The names of one object's members.
#[derive(Default)]
pub(crate) struct Names<'a>(Vec<Text<'a>>);

impl<'a> Names<'a> {
    pub(crate) fn push(&mut self, name: Text<'a>) {
        self.0.push(name);
    }

    /// Sorts rather than compares each with each: who sends the object chooses how many there are.
    pub(crate) fn all_differ(mut self) -> bool {
        self.0.sort_unstable();
        self.0.windows(2).all(|pair| pair[0] != pair[1])
    }
}

/// Whether a document is JSON and none of its objects names a member twice.
#[cfg(feature = "oidc")]
pub(crate) fn has_unique_members(json: &[u8]) -> bool {
    let mut reader = serde_json::Deserializer::from_slice(json);
    Unique.deserialize(&mut reader).is_ok() && reader.end().is_ok()
}

/// Any value whose objects name no member twice.
#[derive(Clone, Copy)]
pub(crate) struct Unique;

impl<'de> DeserializeSeed<'de> for Unique {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value whose members differ")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut names = Names::default();
        while let Some(name) = members.next_key()? {
            names.push(name);
            members.next_value_seed(Self)?;
        }
        if names.all_differ() {
            Ok(())
        } else {
            Err(A::Error::custom("a member is named twice"))
        }
    }
}

/// A text if it is one, and otherwise any value whose objects name no member twice.
#[derive(Debug)]
pub(crate) struct TextOrOther<'a>(pub(crate) Option<Text<'a>>);

impl TextOrOther<'_> {
    /// The text, if it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        self.0.as_ref().map(|text| text.0.as_ref())
    }
}

struct TextOrOtherVisitor;

impl<'de> Visitor<'de> for TextOrOtherVisitor {
    type Value = TextOrOther<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value whose members differ")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<TextOrOther<'de>, E> {
        Ok(TextOrOther(Some(Text(Cow::Borrowed(text)))))
    }

    fn visit_str<E>(self, text: &str) -> Result<TextOrOther<'de>, E> {
        Ok(TextOrOther(Some(Text(Cow::Owned(text.to_owned())))))
    }

    fn visit_bool<E>(self, _: bool) -> Result<TextOrOther<'de>, E> {
        Ok(TextOrOther(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<TextOrOther<'de>, E> {
        Ok(TextOrOther(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<TextOrOther<'de>, E> {
        Ok(TextOrOther(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<TextOrOther<'de>, E> {
        Ok(TextOrOther(None))
    }

    fn visit_unit<E>(self) -> Result<TextOrOther<'de>, E> {
        Ok(TextOrOther(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<TextOrOther<'de>, A::Error> {
        Unique.visit_seq(items).map(|()| TextOrOther(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<TextOrOther<'de>, A::Error> {
        Unique.visit_map(members).map(|()| TextOrOther(None))
    }
}

impl<'de> Deserialize<'de> for TextOrOther<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrOtherVisitor)
    }
}

/// A list of texts, given as an array, or as one text with spaces between the words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Words<'a> {
    // The usual form, which needs no list.
    One(Text<'a>),
    List(Vec<Text<'a>>),
}

impl<'a> Words<'a> {
    /// The words of a text, or the elements of an array that are one word each: an element with a space is no scope
    /// (RFC 6749, section 3.3), and to part it would grant what nobody named.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        let (text, list): (&str, &[Text<'_>]) = match self {
            Self::One(text) => (&text.0, &[]),
            Self::List(texts) => ("", texts),
        };
        let elements = list.iter().map(|text| text.0.as_ref());
        text.split(' ')
            .chain(elements.filter(|element| !element.contains(' ')))
            .filter(|word| !word.is_empty())
    }

    /// The elements as they are, spaces and all.
    pub(crate) fn elements(&self) -> impl Iterator<Item = &str> {
        let texts = match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::List(texts) => texts,
        };
        texts.iter().map(|text| text.0.as_ref())
    }
}

struct WordsVisitor;

impl<'de> Visitor<'de> for WordsVisitor {
    type Value = Words<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an array of strings")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Words<'de>, E> {
        Ok(Words::One(Text(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Words<'de>, E> {
        Ok(Words::One(Text(Cow::Owned(text.to_owned()))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Words<'de>, A::Error> {
        let mut words = Vec::new();
        while let Some(text) = items.next_element()? {
            words.push(text);
        }
        Ok(Words::List(words))
    }
}

impl<'de> Deserialize<'de> for Words<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordsVisitor)
    }
}

/// A list of texts if it is one, and otherwise any value whose objects name no member twice.
#[derive(Debug)]
pub(crate) struct WordsOrOther<'a>(pub(crate) Option<Words<'a>>);

struct WordsOrOtherVisitor;

impl<'de> Visitor<'de> for WordsOrOtherVisitor {
    type Value = WordsOrOther<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value whose members differ")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<WordsOrOther<'de>, E> {
        Ok(WordsOrOther(Some(Words::One(Text(Cow::Borrowed(text))))))
    }

    fn visit_str<E>(self, text: &str) -> Result<WordsOrOther<'de>, E> {
        Ok(WordsOrOther(Some(Words::One(Text(Cow::Owned(
            text.to_owned(),
        ))))))
    }

    fn visit_bool<E>(self, _: bool) -> Result<WordsOrOther<'de>, E> {
        Ok(WordsOrOther(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<WordsOrOther<'de>, E> {
        Ok(WordsOrOther(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<WordsOrOther<'de>, E> {
        Ok(WordsOrOther(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<WordsOrOther<'de>, E> {
        Ok(WordsOrOther(None))
    }

    fn visit_unit<E>(self) -> Result<WordsOrOther<'de>, E> {
        Ok(WordsOrOther(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<WordsOrOther<'de>, A::Error> {
        let mut texts = Some(Vec::new());
        while let Some(TextOrOther(item)) = items.next_element()? {
            // One that is no text leaves nobody knowing what the others mean.
            texts = texts.zip(item).map(|(mut texts, text)| {
                texts.push(text);
                texts
            });
        }
        Ok(WordsOrOther(texts.map(Words::List)))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<WordsOrOther<'de>, A::Error> {
        Unique.visit_map(members).map(|()| WordsOrOther(None))
    }
}

impl<'de> Deserialize<'de> for WordsOrOther<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordsOrOtherVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unique(json: &str) -> bool {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        Unique.deserialize(&mut deserializer).is_ok() && deserializer.end().is_ok()
    }

    #[test]
    fn an_element_of_a_list_with_a_space_is_no_scope_and_is_not_parted() {
        for (json, words) in [
            (r#""read admin""#, &["read", "admin"][..]),
            (r#"" read  write ""#, &["read", "write"]),
            (r#"["read","write"]"#, &["read", "write"]),
            (r#"["read admin","write"]"#, &["write"]),
            (r#"["read\u0020admin",""," "]"#, &[]),
        ] {
            let parsed: Words<'_> = serde_json::from_str(json).unwrap();
            assert_eq!(parsed.iter().collect::<Vec<_>>(), words, "{json}");
        }
    }

    #[test]
    fn a_list_with_something_else_in_it_is_none() {
        fn words(json: &str) -> serde_json::Result<Option<Words<'_>>> {
            let words: WordsOrOther<'_> = serde_json::from_str(json)?;
            Ok(words.0)
        }
        let all = words(r#"["read",""]"#).unwrap().unwrap();
        assert_eq!(all.elements().collect::<Vec<_>>(), ["read", ""]);
        for other in [
            r#"["read",7]"#,
            r#"[["read"]]"#,
            r#"{"admin":true}"#,
            "7",
            "null",
        ] {
            assert_eq!(words(other).unwrap(), None, "{other}");
        }
        assert!(words(r#"{"a":1,"a":2}"#).is_err());
        assert!(words(r#"[{"a":1,"a":2}]"#).is_err());
    }

    #[test]
    fn a_member_named_twice_is_found_at_any_depth_and_through_escapes() {
        assert!(unique(r#"{"a":1,"b":[{"a":1},{"a":2}],"c":{"a":null}}"#));
        assert!(!unique(r#"{"a":1,"a":1}"#));
        assert!(!unique(r#"{"a":1,"\u0061":1}"#));
        assert!(!unique(r#"{"x":[[{"b":1,"c":2,"b":3}]]}"#));
    }

    #[test]
    fn deep_nesting_is_an_error_rather_than_an_overflow() {
        assert!(!unique(&"[".repeat(4_000)));
    }

    #[test]
    fn a_scope_is_a_text_with_spaces_or_an_array() {
        let text: Words<'_> = serde_json::from_str(r#""read  write""#).unwrap();
        assert_eq!(text.iter().collect::<Vec<_>>(), ["read", "write"]);
        let list: Words<'_> = serde_json::from_str(r#"["read","write"]"#).unwrap();
        assert_eq!(list.iter().collect::<Vec<_>>(), ["read", "write"]);
        assert!(serde_json::from_str::<Words<'_>>(r#"["read",7]"#).is_err());
    }

    #[cfg(feature = "oidc")]
    #[test]
    fn a_document_is_one_value_whose_members_differ() {
        for document in ["{}", r#"{"a":1,"b":{"a":1}}"#, " [7]\n"] {
            assert!(has_unique_members(document.as_bytes()), "{document:?}");
        }
        for other in [
            "",
            "{",
            r#"{"a":1,"a":1}"#,
            r#"{"b":{"a":1,"a":2}}"#,
            "{} {}",
            "{}}",
            r#"{"a":1,"a":1} x"#,
        ] {
            assert!(!has_unique_members(other.as_bytes()), "{other:?}");
        }
        assert!(!has_unique_members(b"\"\xff\""), "no UTF-8");
    }
}
