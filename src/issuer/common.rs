//! Passwords that everybody tries first. The list is of Royce Williams, as Django 5.2 ships it
//! (django/contrib/auth/common-passwords.txt.gz, BSD-3-Clause): the most frequent of those that were stolen
//! elsewhere, here without what is too short anyway, in order of bytes.

/// In small letters.
const COMMON: &str = include_str!("common_passwords.txt");

/// What is wrong with a password that somebody chooses, beside its length; `about` is what is known of him.
pub fn weakness(password: &str, about: &[&str]) -> Option<&'static str> {
    let small = password.to_lowercase();
    let words = about.iter().flat_map(|known| [*known, known.split('@').next().unwrap_or(known)]);
    let is_about = words.map(str::to_lowercase).any(|word| !word.is_empty() && word == small);
    if is_about {
        return Some("This password is what everybody knows of you. Please choose another one.");
    }
    let mut characters = small.chars();
    let first = characters.next();
    let is_one = characters.all(|character| Some(character) == first);
    if is_one || is_common(&small) {
        return Some(
            "This password is one of those that are tried first. Please choose another one.",
        );
    }
    None
}

fn is_common(small: &str) -> bool {
    // What people put behind a common one to make it pass.
    let bare =
        small.trim_end_matches(|last: char| last.is_ascii_digit() || "!?.*#$".contains(last));
    [small, bare].into_iter().any(is_listed)
}

fn is_listed(word: &str) -> bool {
    let bytes = COMMON.as_bytes();
    let (mut low, mut high) = (0, bytes.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let begin = COMMON[..floor(middle)].rfind('\n').map_or(0, |at| at + 1);
        let end = COMMON[begin..].find('\n').map_or(COMMON.len(), |at| begin + at);
        match word.as_bytes().cmp(&bytes[begin..end]) {
            std::cmp::Ordering::Equal => return !word.is_empty(),
            std::cmp::Ordering::Less => high = begin,
            std::cmp::Ordering::Greater => low = end + 1,
        }
    }
    false
}

/// The character that a byte belongs to begins here.
fn floor(at: usize) -> usize {
    (0..=at).rev().find(|at| COMMON.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_list_is_found_and_no_other() {
        let words: Vec<&str> = COMMON.lines().collect();
        assert!(words.len() > 8_000 && words.is_sorted());
        assert!(words.iter().all(|word| is_listed(word)));
        for other in ["", "\n", "correct horse battery", "zzzzzzzzzz~", "\u{10ffff}"] {
            assert!(!is_listed(other), "{other}");
        }
    }

    #[test]
    fn what_is_tried_first_is_no_password() {
        let about = ["Ada@Example.com", "Ada Lovelace"];
        for (password, is_weak) in [
            ("password", true),
            ("PassWord", true),
            ("password2026!", true),
            ("baseball", true),
            ("aaaaaaaaaaaa", true),
            ("ada@example.com", true),
            ("ada lovelace", true),
            ("correct horse", false),
            ("k7fq2m9xw4", false),
        ] {
            assert_eq!(weakness(password, &about).is_some(), is_weak, "{password}");
        }
    }
}
