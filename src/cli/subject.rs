//! Whom a command is about, as people write it.

use std::str::FromStr;

use domain::principal::{Principal, PrincipalKind};
use uuid::Uuid;

/// A user or a client.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject(pub Principal);

impl FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is nobody: expected a user's id, user:ID or client:ID");
        let (kind, id) = match text.split_once(':') {
            None => (PrincipalKind::User, text),
            Some(("user", id)) => (PrincipalKind::User, id),
            Some(("client", id)) => (PrincipalKind::Client, id),
            Some(_) => return Err(wrong()),
        };
        // As the API writes it, or without what kind of thing it is.
        let id = id.strip_prefix("user_").unwrap_or(id);
        let id = Uuid::try_parse(id).map_err(|_| wrong())?;
        Ok(Self(Principal::new(kind, id.to_string())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_or_a_client_is_named_by_its_id() {
        let id = "0192f3c1-0000-7000-8000-000000000001";
        let read = |text: &str| text.parse::<Subject>().map(|subject| subject.0.to_string());
        for text in [id.to_owned(), format!("user:{id}"), format!("user_{id}"), id.to_uppercase()] {
            assert_eq!(read(&text), Ok(format!("user:{id}")), "{text}");
        }
        assert_eq!(read(&format!("client:{id}")), Ok(format!("client:{id}")));
        for wrong in ["", "ada", "system:sagas", &format!("guest:{id}"), "user:"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
