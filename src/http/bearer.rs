//! Who asks, by the head of a request: whoever its token names. Without one it is nobody. A bad one is never
//! passed over.

use actix_web::http::header::{AUTHORIZATION, HeaderMap};

use super::opening::Behind;
use auth::Principal;
use auth::tokens::Unverified;

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

/// Whom a token names, with what he may do now.
pub async fn principal(behind: &Behind, token: &str) -> Result<Principal, Unverified> {
    let tokens = behind.tokens.as_ref().ok_or(Unverified::Invalid)?;
    let borne = match tokens.remembered(token) {
        Some(borne) => borne,
        None => tokens.verify(token).await?,
    };
    Ok(borne.principal(&*behind.access))
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
