//! The bounds of one document, and what is counted before it is read: tokens and brackets.

use async_graphql::ServerError;

use crate::errors::refused;

/// The bounds of one document; each is answered with a code of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DocumentLimits {
    /// Names, numbers, strings and signs.
    pub tokens_max: usize,
    /// Fields within fields, fragments unfolded.
    pub depth_max: usize,
    /// The same below `__schema` and `__type`, where tools nest deep by nature.
    pub introspection_depth_max: usize,
    /// Fields of one operation, fragments unfolded.
    pub fields_max: usize,
    pub aliases_max: usize,
    pub directives_max: usize,
    /// Fields at the root of one operation.
    pub root_fields_max: usize,
    /// The `first` of any list.
    pub page_max: i64,
    /// What the fields of an operation may cost: 1 each, times `first` within a list.
    pub complexity_max: usize,
    /// Fields of the reply below `__schema` and `__type`: the schema's size makes them many.
    pub introspection_nodes_max: usize,
    /// What the documents that are remembered may weigh together.
    pub remembered_bytes_max: usize,
}

impl Default for DocumentLimits {
    fn default() -> Self {
        Self {
            tokens_max: 5_000,
            depth_max: 15,
            introspection_depth_max: 25,
            fields_max: 2_000,
            aliases_max: 30,
            directives_max: 30,
            root_fields_max: 20,
            page_max: 100,
            complexity_max: 10_000,
            introspection_nodes_max: 50_000,
            remembered_bytes_max: 32 << 20,
        }
    }
}

/// The deepest that brackets may nest: what reads the text calls itself for each.
pub(crate) const BRACKETS_DEEP_MAX: usize = 48;

/// Counts roughly what a lexer would find, and how deep brackets nest, before anything recurses.
pub(crate) fn count_tokens(text: &str, limits: &DocumentLimits) -> Result<usize, ServerError> {
    let bytes = text.as_bytes();
    let (mut at, mut tokens, mut deep) = (0, 0_usize, 0_usize);
    while at < bytes.len() {
        let byte = bytes[at];
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b',' => {
                at += 1;
                continue;
            }
            b'#' => {
                let rest = bytes[at..].iter();
                at += rest.take_while(|byte| !matches!(byte, b'\n' | b'\r')).count();
                continue;
            }
            b'"' => at = end_of_string(bytes, at),
            _ if is_word(byte) => {
                at += bytes[at..].iter().take_while(|byte| is_word(**byte)).count();
            }
            b'{' | b'[' | b'(' => {
                deep += 1;
                at += 1;
            }
            b'}' | b']' | b')' => {
                deep = deep.saturating_sub(1);
                at += 1;
            }
            _ => at += 1,
        }
        tokens += 1;
        if tokens > limits.tokens_max {
            let message = format!("a document has at most {} tokens", limits.tokens_max);
            return Err(refused("TOKENS_TOO_MANY", message));
        }
        if deep > BRACKETS_DEEP_MAX {
            return Err(too_deep(BRACKETS_DEEP_MAX));
        }
    }
    Ok(tokens)
}

/// The first byte behind the string that begins at `start`.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let block = bytes[start..].starts_with(b"\"\"\"");
    let mut at = start + if block { 3 } else { 1 };
    while at < bytes.len() {
        let rest = &bytes[at..];
        match rest[0] {
            b'\\' if block => at += if rest.starts_with(b"\\\"\"\"") { 4 } else { 1 },
            b'\\' => at += 2,
            b'"' if block && rest.starts_with(b"\"\"\"") => return at + 3,
            b'"' if !block => return at + 1,
            b'\n' | b'\r' if !block => return at,
            _ => at += 1,
        }
    }
    bytes.len()
}

pub(crate) fn too_deep(max: usize) -> ServerError {
    refused("DOCUMENT_TOO_DEEP", format!("a document nests at most {max} deep"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_comments_are_one_token() {
        let limits = DocumentLimits { tokens_max: 8, ..DocumentLimits::default() };
        for text in [
            r#"{a(b: "{ { { { { { { { \" {")}"#,
            "{a(b: \"\"\"{ { \\\"\"\" { { { { \"\"\")}",
            "{a(b: 1) # { { { { { { { { { {\n}",
        ] {
            assert!(count_tokens(text, &limits).is_ok(), "{text}");
        }
        let behind_a_comment = format!("# \r{}", "{a".repeat(60));
        assert!(count_tokens(&behind_a_comment, &DocumentLimits::default()).is_err());
    }
}
