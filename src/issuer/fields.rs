//! The fields of a form or of the query of an address. What is said twice is said by nobody (RFC 6749,
//! 3.1).

/// See the module.
pub struct Fields(Vec<(String, String)>);

/// More are not looked at.
const FIELDS_MAX: usize = 50;

impl Fields {
    pub fn read(text: &str) -> Self {
        let fields = form_urlencoded::parse(text.as_bytes()).take(FIELDS_MAX);
        Self(fields.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// Empty where it is not there, or there twice.
    pub fn get(&self, name: &str) -> &str {
        let mut found = self.0.iter().filter(|(known, _)| known == name);
        match (found.next(), found.next()) {
            (Some((_, value)), None) => value,
            _ => "",
        }
    }
}

/// An address with further fields in its query.
pub fn with_fields(address: &str, fields: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(fields.iter().filter(|(_, value)| !value.is_empty()));
    let query = query.finish();
    if query.is_empty() {
        return address.to_owned();
    }
    let joined = if address.contains('?') { "&" } else { "?" };
    format!("{address}{joined}{query}")
}

/// The value of a cookie.
pub fn cookie<'a>(cookies: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.find_map(|(known, value)| (known == name).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_twice_is_said_by_nobody() {
        let fields = Fields::read("a=1&b=x%20y&a=2&c");
        assert_eq!((fields.get("a"), fields.get("b"), fields.get("c")), ("", "x y", ""));
        let address = with_fields("https://x/?y=1", &[("state", "a&b"), ("nonce", "")]);
        assert_eq!(address, "https://x/?y=1&state=a%26b");
        assert_eq!(with_fields("https://x/", &[("nonce", "")]), "https://x/");
        assert_eq!(cookie("a=1; session=x; b=2", "session"), Some("x"));
        assert_eq!(cookie("xsession=x", "session"), None);
    }
}
