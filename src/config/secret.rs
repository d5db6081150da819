//! URLs that may hold a password: read once, shown only masked.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// A URL of one of the schemes that its maker allows. `Display`, `Debug` and JSON mask the password.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(String);

impl SecretUrl {
    /// The URL with its password, for whoever connects.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    fn parse(text: String, schemes: &[&str]) -> Result<Self, String> {
        let has = |scheme: &&str| {
            text.strip_prefix(*scheme)
                .is_some_and(|rest| rest.len() > "://".len() && rest.starts_with("://"))
        };
        if schemes.iter().any(has) {
            return Ok(Self(text));
        }
        // Not repeated: it may hold a password all the same.
        let expected: Vec<_> = schemes.iter().map(|scheme| format!("{scheme}://…")).collect();
        Err(format!("expected a URL: {}", expected.join(" or ")))
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.0.split_once("://").expect("checked when it was made");
        let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        // The last `@`: whoever forgot to encode one in the password must not see it logged.
        let Some(at) =
            rest.rfind('@').filter(|at| *at < authority_end || rest[..*at].contains(':'))
        else {
            return formatter.write_str(&self.0);
        };
        let user = rest[..at].split(':').next().unwrap_or_default();
        write!(formatter, "{scheme}://{user}:***{}", &rest[at..])
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Serialize for SecretUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

macro_rules! urls {
    ($($(#[$doc:meta])* $name:ident of $schemes:expr),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(pub SecretUrl);

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                SecretUrl::parse(text, &$schemes).map(Self)
            }
        }
    )+};
}

urls! {
    /// A MySQL or MariaDB database.
    DatabaseUrl of ["mysql", "mariadb"],
    /// A Redis server.
    RedisUrl of ["redis", "rediss"],
    /// A server that takes letters.
    SmtpUrl of ["smtp", "smtps"],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for (url, shown) in [
            ("mysql://shop:s3cret@db/emporium", "mysql://shop:***@db/emporium"),
            ("mysql://shop:s3/cret@db:3306/e", "mysql://shop:***@db:3306/e"),
            ("mysql://shop:a@b@db/e?x=1", "mysql://shop:***@db/e?x=1"),
            ("mysql://shop@db/e", "mysql://shop:***@db/e"),
            ("mariadb://db/e", "mariadb://db/e"),
        ] {
            let url = DatabaseUrl::try_from(url.to_owned()).expect("an allowed scheme");
            assert_eq!(url.0.to_string(), shown);
            assert!(!format!("{url:?}").contains("s3"), "{url:?}");
        }
    }

    #[test]
    fn another_scheme_is_refused_without_repeating_it() {
        let error = DatabaseUrl::try_from("postgres://u:s3cret@db/e".to_owned());
        let error = error.expect_err("not a database that is known");
        assert!(error.contains("mysql://") && !error.contains("s3cret"), "{error}");
        assert!(RedisUrl::try_from("redis://".to_owned()).is_err(), "names no server");
    }
}
