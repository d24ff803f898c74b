//! Finds what somebody who mistyped a word probably meant.

/// What to say of an unknown word: ``did you mean `a`? the lanes are a, b``. `these_are` introduces
/// the words that are known.
#[must_use]
pub fn suggestion(word: &str, known: &[&str], these_are: &str) -> String {
    let meant = nearest(word, known.iter().copied());
    let meant = meant.map(|word| format!("did you mean `{word}`? ")).unwrap_or_default();
    format!("{meant}{these_are} {}", known.join(", "))
}

/// The candidate closest to `word`, if it is close enough to be meant: at most one edit per three
/// characters of the longer word. The first of equally close ones.
fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let meant = candidates.into_iter().filter_map(|candidate| {
        let limit = word.chars().count().max(candidate.chars().count()) / 3;
        // Insertions, deletions, substitutions, and swaps of neighbours.
        let edits = strsim::osa_distance(word, candidate);
        (edits <= limit).then_some((edits, candidate))
    });
    meant.min_by_key(|(edits, _)| *edits).map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_of_several() {
        let check = |word: &str, want: Option<&str>| {
            assert_eq!(nearest(word, ["lanes", "language", "name", "env"]), want, "{word}");
        };
        check("lane", Some("lanes"));
        check("nmae", Some("name"));
        check("langauge", Some("language"));
        check("evn", Some("env"));
        check("x", None);
        check("", None);
        check("something-else", None);
    }
}
