//! Who asks, by the head of a request: whoever its token names. Without one it is nobody. A bad one is never
//! passed over.

use actix_web::http::header::{AUTHORIZATION, HeaderMap};

use super::opening::Behind;
use auth::Principal;
use auth::tokens::Unverified;
use graphql::NotInPlace;

const SCHEME: &str = "bearer";

/// What a request brings to prove who asks.
#[derive(Debug, PartialEq)]
pub enum Brought<'a> {
    Nothing,
    Token(&'a str),
    /// Two of them, one of another scheme, or what is no token.
    Malformed,
}

/// What the head of a request says.
pub fn brought(headers: &HeaderMap) -> Brought<'_> {
    let mut values = headers.get_all(AUTHORIZATION);
    let Some(value) = values.next() else { return Brought::Nothing };
    if values.next().is_some() {
        return Brought::Malformed;
    }
    value.to_str().ok().and_then(token_of).map_or(Brought::Malformed, Brought::Token)
}

/// The token in what stands in the place of such a header.
pub fn token_of(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once(' ')?;
    let token = rest.trim_matches(' ');
    let is_token = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    (scheme.eq_ignore_ascii_case(SCHEME) && is_token).then_some(token)
}

/// Names the user in whose place a request is, by his id as it was given out.
pub const ON_BEHALF_OF: &str = "on-behalf-of";

/// What is said of the user in whose place a request is; empty where that cannot be read.
pub fn on_behalf_of(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(ON_BEHALF_OF);
    let value = values.next()?;
    Some(if values.next().is_some() { "" } else { value.to_str().unwrap_or_default() })
}

/// Why it is not known who asks, or he may not ask so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotKnown {
    /// The token names nobody.
    Invalid,
    /// Its issuer cannot be asked now.
    IssuerSilent,
    /// This node does not know yet who may do what.
    Pending,
    /// He does not ask in that user's place.
    NotInPlace,
}

impl From<Unverified> for NotKnown {
    fn from(why: Unverified) -> Self {
        match why {
            Unverified::Invalid => Self::Invalid,
            Unverified::Unavailable => Self::IssuerSilent,
        }
    }
}

/// Whom a token names, with what he may do now; in the place of another where he names one.
pub async fn principal(
    behind: &Behind,
    token: &str,
    on_behalf_of: Option<&str>,
) -> Result<Principal, NotKnown> {
    let tokens = behind.tokens.as_ref().ok_or(NotKnown::Invalid)?;
    let borne = match tokens.remembered(token) {
        Some(borne) => borne,
        None => tokens.verify(token).await?,
    };
    let limit = borne.limit;
    let principal = borne.principal(&*behind.access);
    let Some(user) = on_behalf_of else { return Ok(principal) };
    let there = behind.schema.in_place_of(&principal, user).map_err(|why| match why {
        NotInPlace::Refused => NotKnown::NotInPlace,
        NotInPlace::Pending => NotKnown::Pending,
    })?;
    Ok(match limit {
        Some(limit) => there.limited_to(limit),
        None => there,
    })
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn one_bearer_token_is_brought_or_none() {
        let of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            values.iter().for_each(|value| {
                headers.append(AUTHORIZATION, HeaderValue::from_static(value));
            });
            match brought(&headers) {
                Brought::Nothing => "nothing".to_owned(),
                Brought::Malformed => "malformed".to_owned(),
                Brought::Token(token) => format!("token {token}"),
            }
        };
        assert_eq!(of(&[]), "nothing");
        assert_eq!(of(&["Bearer a.b.c"]), "token a.b.c");
        assert_eq!(of(&["bEARER   a.b.c "]), "token a.b.c");
        for wrong in ["", "Bearer", "Bearer ", "Bearer a b", "Basic YTpi", "a.b.c", "Bearera.b.c"] {
            assert_eq!(of(&[wrong]), "malformed", "{wrong}");
        }
        assert_eq!(of(&["Bearer a", "Bearer a"]), "malformed");
    }
}
