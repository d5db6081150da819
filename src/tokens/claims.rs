//! What an access token says (RFC 9068), read strictly: a time is a number, nothing is said twice, and
//! what is required is there. Whether its signature holds is the verifier's.

use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use uuid::Uuid;

use super::refused::Reason;

/// The longest subject, in bytes: that of a principal.
const SUBJECT_BYTES_MAX: usize = 255;
/// What the head of an access token calls it.
const TYPES: [&str; 2] = ["at+jwt", "application/at+jwt"];

/// The head of a token, as far as it decides anything. Keys that it brings along, or says where to
/// find, are no keys (RFC 8725, 3.10).
#[derive(Deserialize)]
pub struct Head {
    pub alg: String,
    pub kid: Option<String>,
    typ: Option<String>,
    crit: Option<serde::de::IgnoredAny>,
    jku: Option<serde::de::IgnoredAny>,
    jwk: Option<serde::de::IgnoredAny>,
    x5u: Option<serde::de::IgnoredAny>,
    x5c: Option<serde::de::IgnoredAny>,
}

impl Head {
    pub fn check(&self) -> Result<(), Reason> {
        let is_access = |typ: &str| TYPES.iter().any(|known| typ.eq_ignore_ascii_case(known));
        if !self.typ.as_deref().is_some_and(is_access) {
            return Err(Reason::Type);
        }
        if [&self.jku, &self.jwk, &self.x5u, &self.x5c].iter().any(|key| key.is_some()) {
            return Err(Reason::BringsKey);
        }
        if self.crit.is_some() { Err(Reason::Critical) } else { Ok(()) }
    }
}

/// Who says that they made a token; believed of nobody.
#[derive(Deserialize)]
pub struct Claimed {
    pub iss: String,
}

#[derive(Deserialize)]
pub struct Claims {
    pub iss: String,
    pub sub: String,
    /// Required like the others; that it is missing is told as what it mostly is: an issuer that was not
    /// told for whom its tokens are.
    aud: Option<Audience>,
    pub exp: Seconds,
    nbf: Option<Seconds>,
    pub iat: Seconds,
    pub sid: Option<String>,
    /// What it is good for; everything, where it names nothing that is known here.
    pub scope: Option<String>,
    email: Option<String>,
    /// Of an issuer elsewhere: whether it has seen that the address is the subject's.
    email_verified: Option<Value>,
    /// What an issuer elsewhere says beside that is looked at only where it is what it should be.
    pub name: Option<Value>,
    roles: Option<Value>,
    realm_access: Option<Value>,
    /// The guest that the subject was until he signed in, by this program's own issuer.
    #[serde(rename = "emporium_guest")]
    pub guest: Option<Uuid>,
}

/// Whom a token is for.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Claims {
    /// The subject's e-mail address, where the issuer says that it is his (OpenID Connect Core, 5.1): `true`, and no
    /// word for it.
    pub fn verified_email(&self) -> Option<&str> {
        let is_verified = self.email_verified == Some(Value::Bool(true));
        self.email.as_deref().filter(|_| is_verified)
    }

    /// The roles that the issuer says the subject has (RFC 9068, 2.2.3.1), under the name that Keycloak has for
    /// those of a realm, too.
    pub fn roles(&self) -> Vec<String> {
        let of_realm = self.realm_access.as_ref().and_then(|access| access.get("roles"));
        let lists =
            [self.roles.as_ref(), of_realm].into_iter().flatten().filter_map(Value::as_array);
        lists.flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// Whether the token holds now, for whoever is called `audience`. Times are in seconds since 1970;
    /// clocks may lie `leeway` apart.
    pub fn check(&self, audience: &str, now: i64, leeway: i64) -> Result<(), Reason> {
        let is_for = match &self.aud {
            None => false,
            Some(Audience::One(name)) => name == audience,
            Some(Audience::Several(names)) => names.iter().any(|name| name == audience),
        };
        if !is_for {
            return Err(Reason::Audience);
        }
        let is_subject = (1..=SUBJECT_BYTES_MAX).contains(&self.sub.len())
            && !self.sub.chars().any(char::is_control);
        if !is_subject {
            return Err(Reason::Subject);
        }
        if self.exp.0.saturating_add(leeway) <= now {
            return Err(Reason::Expired);
        }
        let from = self.nbf.as_ref().map_or(self.iat.0, |nbf| nbf.0.max(self.iat.0));
        if from > now.saturating_add(leeway) { Err(Reason::NotYet) } else { Ok(()) }
    }
}

/// A time as a number (RFC 7519, 2), in whole seconds since 1970.
pub struct Seconds(pub i64);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Number)
    }
}

struct Number;

impl Visitor<'_> for Number {
    type Value = Seconds;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number of seconds since 1970")
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<Seconds, E> {
        let fits = i64::try_from(seconds);
        fits.map(Seconds).map_err(|_| E::invalid_value(Unexpected::Unsigned(seconds), &self))
    }

    fn visit_f64<E: Error>(self, seconds: f64) -> Result<Seconds, E> {
        // Beyond this a number has no whole seconds any more.
        let is_time = (0.0..9e15).contains(&seconds);
        #[expect(clippy::cast_possible_truncation, reason = "it is in range")]
        is_time
            .then_some(Seconds(seconds as i64))
            .ok_or_else(|| E::invalid_value(Unexpected::Float(seconds), &self))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn claims(change: impl FnOnce(&mut Value)) -> Result<Claims, serde_json::Error> {
        let mut claims =
            json!({"iss": "i", "sub": "s", "aud": "emporium", "exp": 1_000, "iat": 500});
        change(&mut claims);
        serde_json::from_str(&claims.to_string())
    }

    #[test]
    fn a_time_is_a_number_and_what_is_required_is_there() {
        assert!(claims(|_| ()).is_ok());
        assert_eq!(claims(|it| it["exp"] = json!(999.9)).map(|it| it.exp.0).ok(), Some(999));
        for wrong in
            [json!("1000"), json!(null), json!(-1), json!(1e300), json!(u64::MAX), json!(true)]
        {
            assert!(claims(|it| it["exp"] = wrong.clone()).is_err(), "{wrong}");
            if !wrong.is_null() {
                assert!(claims(|it| it["nbf"] = wrong.clone()).is_err(), "{wrong}");
            }
        }
        for missing in ["iss", "sub", "exp", "iat"] {
            let without =
                |it: &mut Value| drop(it.as_object_mut().and_then(|it| it.remove(missing)));
            assert!(claims(without).is_err(), "{missing}");
        }
        let twice = r#"{"iss":"i","sub":"s","sub":"t","aud":"a","exp":1,"iat":1}"#;
        assert!(serde_json::from_str::<Claims>(twice).is_err(), "said twice");
    }

    #[test]
    fn a_token_holds_for_its_audience_within_its_time() {
        let check = |now, leeway, change: fn(&mut Value)| {
            claims(change).expect("they can be read").check("emporium", now, leeway)
        };
        let as_it_is: fn(&mut Value) = |_| ();
        for (now, leeway, found) in [
            (500, 0, Ok(())),
            (999, 0, Ok(())),
            (1_000, 0, Err(Reason::Expired)),
            (1_059, 60, Ok(())),
            (1_060, 60, Err(Reason::Expired)),
            (499, 0, Err(Reason::NotYet)),
            (440, 60, Ok(())),
            // Clocks that lie five minutes apart.
            (200, 60, Err(Reason::NotYet)),
            (1_300, 60, Err(Reason::Expired)),
        ] {
            assert_eq!(check(now, leeway, as_it_is), found, "at {now} with {leeway}");
        }
        assert_eq!(check(600, 0, |it| it["nbf"] = json!(700)), Err(Reason::NotYet));
        assert_eq!(check(600, 0, |it| it["aud"] = json!(["a", "emporium"])), Ok(()));
        for aud in [json!("emporium2"), json!([]), json!(["Emporium"])] {
            let mut found = claims(|it| it["aud"] = aud.clone()).expect("they can be read");
            assert_eq!(found.check("emporium", 600, 0), Err(Reason::Audience), "{aud}");
            found.aud = Some(Audience::One("emporium".to_owned()));
            assert_eq!(found.check("emporium", 600, 0), Ok(()));
        }
        assert_eq!(check(600, 0, |it| it["sub"] = json!("")), Err(Reason::Subject));
        assert_eq!(check(600, 0, |it| it["sub"] = json!("a\u{0}b")), Err(Reason::Subject));
    }
}
