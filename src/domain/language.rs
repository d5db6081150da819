//! Tags of languages (BCP 47): `de`, `de-AT`, `zh-Hant-TW`.

/// The longest one, in bytes (RFC 5646, 4.4.1).
pub const TAG_BYTES_MAX: usize = 35;

/// Whether a text may be a tag: subtags of letters and digits, the first one of letters.
pub fn is_tag(text: &str) -> bool {
    text.len() <= TAG_BYTES_MAX
        && text.split('-').enumerate().all(|(index, subtag)| {
            (1..=8).contains(&subtag.len())
                && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric())
                && (index > 0
                    || (subtag.len() >= 2 && subtag.bytes().all(|byte| byte.is_ascii_alphabetic())))
        })
}

/// The one way of writing a tag (RFC 5646, 2.1.1): language in lower case, region in upper case, script with
/// one capital. None for what is no tag.
pub fn canonical(text: &str) -> Option<String> {
    if !is_tag(text) {
        return None;
    }
    let subtags = text.split('-').enumerate().map(|(index, subtag)| {
        let lower = subtag.to_ascii_lowercase();
        let is_of_letters = lower.bytes().all(|byte| byte.is_ascii_alphabetic());
        match lower.len() {
            2 if index > 0 && is_of_letters => lower.to_ascii_uppercase(),
            4 if index > 0 && is_of_letters => {
                let (first, rest) = lower.split_at(1);
                first.to_ascii_uppercase() + rest
            }
            _ => lower,
        }
    });
    Some(subtags.collect::<Vec<_>>().join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_written_in_one_way() {
        for (given, expected) in [
            ("de", Some("de")),
            ("DE-at", Some("de-AT")),
            ("ZH-hant-tw", Some("zh-Hant-TW")),
            ("es-419", Some("es-419")),
            ("d", None),
            ("1e", None),
            ("de_AT", None),
            ("de-", None),
            ("", None),
            ("de-abcdefghi", None),
        ] {
            assert_eq!(canonical(given).as_deref(), expected, "{given}");
        }
        assert_eq!(canonical(&format!("de{}", "-abcdefgh".repeat(4))), None);
    }
}
