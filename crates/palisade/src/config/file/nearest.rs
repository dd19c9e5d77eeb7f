/// The known word that is most like this one, if one is like it.
pub(in crate::config) fn nearest<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word = word.to_lowercase();
    // A third of the letters may differ, and in short words one.
    let most = (word.chars().count() / 3).max(1);
    let near = known.into_iter().filter_map(|candidate| {
        let distance = strsim::osa_distance(&word, candidate);
        let is_part = word.len() >= 3 && candidate.starts_with(word.as_str());
        (distance <= most || is_part).then_some((distance, candidate))
    });
    near.min().map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_the_word_that_was_meant() {
        let known = ["rate", "per", "burst", "quota", "window", "kind"];
        for (typed, meant) in [
            ("bursts", Some("burst")),
            ("brust", Some("burst")),
            ("Quota", Some("quota")),
            ("win", Some("window")),
            ("rates", Some("rate")),
            // Two of six letters, and two of five.
            ("wimdwo", Some("window")),
            ("barzt", None),
            ("unlike", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, known), meant, "{typed}");
        }
    }
}
