//! Who asks. Owns the four kinds of askers and their written form; it grants nothing.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Whoever a command is decided for, as the events' metadata keep it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Principal {
    pub kind: PrincipalKind,
    /// Who of that kind: a user's id, the name of a client or of a part of the system.
    pub subject: Arc<str>,
    /// The user in whose place this is asked, where it is not the subject's own business.
    pub on_behalf_of: Option<Arc<str>>,
    /// One stay of the subject, by which its requests can be told from those of another stay.
    pub session: Option<Arc<str>>,
}

/// What sort of asker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrincipalKind {
    /// A person who is known here.
    User,
    /// A person who is not.
    Guest,
    /// A program with an access of its own.
    Client,
    /// A part of Emporium: a saga, a reaction.
    System,
}

impl Principal {
    pub fn new(kind: PrincipalKind, subject: impl Into<Arc<str>>) -> Self {
        Self { kind, subject: subject.into(), on_behalf_of: None, session: None }
    }

    pub fn client(name: impl Into<Arc<str>>) -> Arc<Self> {
        Arc::new(Self::new(PrincipalKind::Client, name))
    }

    pub fn system(part: impl Into<Arc<str>>) -> Arc<Self> {
        Arc::new(Self::new(PrincipalKind::System, part))
    }

    /// Reads `kind:subject`, as it is displayed.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, subject) = text.split_once(':')?;
        Some(Self::new(PrincipalKind::parse(kind)?, subject))
    }

    /// The bytes that tell principals apart where something belongs to one of them, an idempotency
    /// key say. Not the session: a retry may come after a new login.
    pub fn write_scope(&self, bytes: &mut Vec<u8>) {
        for part in [self.kind.name(), &self.subject, self.on_behalf_of.as_deref().unwrap_or("")] {
            bytes.extend_from_slice(part.as_bytes());
            bytes.push(0);
        }
    }

    /// Whether what belongs to one belongs to the other: all but the session is the same.
    pub fn shares_scope_with(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.subject == other.subject
            && self.on_behalf_of == other.on_behalf_of
    }
}

/// `kind:subject`, without session and the one on whose behalf.
impl fmt::Display for Principal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.kind.name(), self.subject)
    }
}

impl PrincipalKind {
    pub const ALL: [Self; 4] = [Self::User, Self::Guest, Self::Client, Self::System];

    /// The stored name.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Guest => "guest",
            Self::Client => "client",
            Self::System => "system",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_displayed_is_read_back() {
        for kind in PrincipalKind::ALL {
            let principal = Principal::new(kind, "of:the house");
            assert_eq!(Principal::parse(&principal.to_string()), Some(principal));
        }
        assert_eq!(Principal::parse("robot:7"), None);
        assert_eq!(Principal::parse("demo"), None);
    }

    #[test]
    fn the_scope_tells_all_apart_but_sessions() {
        let scope = |principal: &Principal| {
            let mut bytes = Vec::new();
            principal.write_scope(&mut bytes);
            bytes
        };
        let one = Principal::new(PrincipalKind::User, "a");
        let again = Principal { session: Some("2".into()), ..one.clone() };
        assert!(one.shares_scope_with(&again) && scope(&one) == scope(&again));
        let others = [
            Principal::new(PrincipalKind::Guest, "a"),
            Principal::new(PrincipalKind::User, "b"),
            Principal { on_behalf_of: Some("b".into()), ..one.clone() },
        ];
        for other in &others {
            assert!(!one.shares_scope_with(other) && scope(&one) != scope(other), "{other:?}");
        }
    }
}
