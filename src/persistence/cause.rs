//! Why a call of a database failed: what the layer beneath said, kept as it was for whoever reads
//! the log. It never stands in the text of an error of ours, so that it reaches no client.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What lies behind an error: an error of a driver, or a sentence of ours. Cheap to clone.
#[derive(Clone)]
pub struct Cause(Arc<dyn Error + Send + Sync>);

impl Cause {
    pub fn of(error: impl Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }

    /// Whether it is an error of this kind, wherever it was met.
    pub fn is<T: Error + 'static>(&self) -> bool {
        let at = self.0.downcast_ref::<At>();
        self.0.is::<T>() || at.is_some_and(|at| at.source.is::<T>())
    }

    /// The same cause with the place where it was met before it.
    #[must_use]
    pub fn at(self, place: impl fmt::Display) -> Self {
        Self::of(At { place: place.to_string(), source: self })
    }
}

impl From<String> for Cause {
    fn from(sentence: String) -> Self {
        Self(Box::<dyn Error + Send + Sync>::from(sentence).into())
    }
}

impl From<&str> for Cause {
    fn from(sentence: &str) -> Self {
        sentence.to_owned().into()
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// Two causes are alike if they say the same.
impl PartialEq for Cause {
    fn eq(&self, other: &Self) -> bool {
        chain(self).to_string() == chain(other).to_string()
    }
}

impl Eq for Cause {}

/// What it says crosses to another node, whose operators read it there.
impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&chain(self))
    }
}

impl<'de> Deserialize<'de> for Cause {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(Self::from)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{place}")]
struct At {
    place: String,
    source: Cause,
}

/// An error with all that lies behind it, on one line: for the log and for operators.
pub fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl fmt::Display + 'a {
    fmt::from_fn(move |formatter| {
        write!(formatter, "{error}")?;
        let mut source = error.source();
        while let Some(cause) = source {
            write!(formatter, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::JournalError;

    #[test]
    fn an_error_says_what_is_ours_to_say_and_its_chain_says_the_rest() {
        let refused = std::io::Error::other("Access denied for user 'emporium'@'10.0.0.7'");
        let error = JournalError::Unreachable(Cause::of(refused).at("shard 3"));
        assert_eq!(error.to_string(), "the journal is unreachable");
        assert_eq!(
            chain(&error).to_string(),
            "the journal is unreachable: shard 3: Access denied for user 'emporium'@'10.0.0.7'"
        );
    }
}
