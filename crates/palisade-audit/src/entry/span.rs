use crate::redact::Kept;

/// The longest part of a path, query or header that is kept, in bytes.
const MAX_TEXT: usize = 4_096;

/// So much is taken off the end of a text that is cut, in bytes: what may be the greater part of a secret that can no
/// longer be known by its form.
const MAX_PARTIAL: usize = 1_024;

/// The place of a text among a request's texts, and its whole length.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Span {
    start: u32,
    end: u32,
    whole: u32,
}

impl Span {
    /// Copies as much of a text as is kept.
    ///
    /// Inlined, so that the three numbers stay in registers. Returned through memory they are stored one by one and loaded
    /// together, which stalls the processor.
    #[inline(always)]
    pub(crate) fn copy(texts: &mut Vec<u8>, text: &[u8]) -> Self {
        let start = position(texts.len());
        texts.extend_from_slice(beginning(text));
        Self {
            start,
            end: position(texts.len()),
            whole: position(text.len()),
        }
    }

    pub(crate) fn of<'a>(&self, texts: &'a [u8]) -> Kept<'a> {
        Kept {
            text: texts
                .get(self.start as usize..self.end as usize)
                .unwrap_or_default(),
            whole: self.whole as usize,
        }
    }
}

/// A position among texts, of which a request never has 4 GiB.
fn position(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// A text, or its beginning to the end of a word: a secret that is cut in two has no form to be known by.
#[inline]
fn beginning(text: &[u8]) -> &[u8] {
    match text.split_at_checked(MAX_TEXT) {
        Some((kept, [_, ..])) => whole_words(kept),
        _ => text,
    }
}

/// A text without the word, or the number, that it ends in.
#[cold]
fn whole_words(kept: &[u8]) -> &[u8] {
    let in_word =
        |byte: &u8| byte.is_ascii_alphanumeric() || *byte >= 0x80 || b"-_.~+=%".contains(byte);
    let in_number = |byte: &u8| byte.is_ascii_digit() || b" -+\t./_".contains(byte);
    let behind = |text: &[u8], part: &dyn Fn(&u8) -> bool, most: usize| {
        text.iter()
            .rev()
            .take(most)
            .take_while(|byte| part(byte))
            .count()
    };
    let word = behind(kept, &in_word, MAX_PARTIAL);
    let kept = &kept[..kept.len() - word];
    let number = behind(kept, &in_number, 64);
    &kept[..kept.len() - number]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(end: &str) -> usize {
        // `end` lies across the limit.
        let text = format!("{}{end}{}", "a ".repeat(2_040), " z".repeat(100));
        beginning(text.as_bytes()).len()
    }

    #[test]
    fn a_text_is_cut_before_what_may_be_part_of_a_secret() {
        assert_eq!(beginning(&[b'x'; 4_096]).len(), 4_096);
        // The first 4,080 bytes, without the space before the word.
        assert_eq!(kept("ghp_abcdefghijklmnopqrstuvwxyz0123456789"), 4_079);
        assert_eq!(kept("4111 1111 1111 1111"), 4_079);
        assert_eq!(kept("sk%5Flive%5Fabcdefghijklmn"), 4_079);
        // A word without end loses no more than 1,024 bytes.
        assert_eq!(beginning(&[b'x'; 5_000]).len(), 4_096 - 1_024);
    }
}
