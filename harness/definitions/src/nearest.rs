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
    let word: Vec<char> = word.chars().collect();
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let letters: Vec<char> = candidate.chars().collect();
        let limit = word.len().max(letters.len()) / 3;
        if word.len().abs_diff(letters.len()) > limit {
            continue;
        }
        let edits = distance(&word, &letters);
        if edits <= limit && best.is_none_or(|(least, _)| edits < least) {
            best = Some((edits, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b` (the optimal
/// string alignment distance: no part is edited twice).
fn distance(a: &[char], b: &[char]) -> usize {
    // Three rows of the usual table: the swap looks two rows back.
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let substitution = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = substitution.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        let check = |a: &str, b: &str, want: usize| {
            let letters = |s: &str| s.chars().collect::<Vec<_>>();
            assert_eq!(distance(&letters(a), &letters(b)), want, "{a} {b}");
            assert_eq!(distance(&letters(b), &letters(a)), want, "{b} {a}");
        };
        check("", "", 0);
        check("", "abc", 3);
        check("kitten", "sitting", 3);
        check("form", "from", 1);
        // The unrestricted Damerau distance would be 2.
        check("ca", "abc", 3);
        check("größe", "grösse", 2);
    }

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
