//! Letters that let somebody in: what each says, and the link in it. The link is all that is known of it: it holds
//! what it is good for, sealed, so that nothing waits in a table, and it is good once because what it rests on
//! is changed by its use.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::SECOND_US;
use super::sealing::Sealer;
use mail::Letter;

/// How long a link is good. Longer than letters to one address are held back, so that whoever gets no other
/// letter has one that is good.
pub const LINK_US: i64 = 3_600 * SECOND_US;
/// The longest link that is read, in bytes.
const LINK_BYTES_MAX: usize = 4_096;
/// The longest request of an app that goes along.
const REQUEST_BYTES_MAX: usize = 1_500;
const PURPOSE: &str = "link";

/// What a link lets somebody do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Lets {
    /// Sign in from now on, as whoever reads what is sent to this address.
    Register,
    /// Choose another password in place of the one that was chosen at this time.
    Reset { user: Uuid, changed_us: i64 },
}

/// What a link holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    pub lets: Lets,
    /// In small letters: as it is looked for.
    pub address: String,
    pub until_us: i64,
    /// What makes it this one.
    pub id: Uuid,
    /// What an app asked for, so that it goes on there.
    pub request: String,
}

impl Link {
    pub fn new(lets: Lets, address: String, request: &str, now_us: i64) -> Self {
        let request = if request.len() <= REQUEST_BYTES_MAX { request } else { "" };
        let (id, request) = (Uuid::new_v4(), request.to_owned());
        Self { lets, address, until_us: now_us + LINK_US, id, request }
    }

    pub fn sealed(&self, sealer: &Sealer) -> String {
        let text = serde_json::to_vec(self).expect("texts and numbers are JSON");
        URL_SAFE_NO_PAD.encode(sealer.seal(PURPOSE, &text))
    }

    /// What a link says that was made here and is not too old.
    pub fn read(sealer: &Sealer, text: &str, now_us: i64) -> Option<Self> {
        if text.len() > LINK_BYTES_MAX {
            return None;
        }
        let text = sealer.open(PURPOSE, &URL_SAFE_NO_PAD.decode(text).ok()?)?;
        let link: Self = serde_json::from_slice(&text).ok()?;
        (link.until_us > now_us).then_some(link)
    }
}

/// To whoever wants to register, and has no account.
pub fn welcome(to: &str, link: &str) -> Letter {
    letter(
        to,
        "Confirm your e-mail address",
        &format!(
            "Somebody, hopefully you, wants to register with this address. To go on, open\n\n{link}\n\n\
             within an hour and choose a password. If it was not you, do nothing: nothing happens then.\n"
        ),
    )
}

/// To whoever wants to register, and has an account.
pub fn known_already(to: &str, reset: &str) -> Letter {
    letter(
        to,
        "You have an account already",
        &format!(
            "Somebody, hopefully you, wants to register with this address, but there is an account with it\n\
             already: sign in with your password. If you have forgotten it, you can choose another one here:\n\n\
             {reset}\n\nIf it was not you, do nothing: nothing happens then.\n"
        ),
    )
}

/// To whoever forgot his password.
pub fn forgotten(to: &str, link: &str) -> Letter {
    letter(
        to,
        "Choose another password",
        &format!(
            "Somebody, hopefully you, has forgotten the password of your account. To choose another one, open\n\n\
             {link}\n\nwithin an hour. If it was not you, do nothing: your password stays as it is.\n"
        ),
    )
}

/// To whoever has another password now.
pub fn changed(to: &str, reset: &str) -> Letter {
    letter(
        to,
        "Your password was changed",
        &format!(
            "The password of your account was changed a moment ago, and you were signed out everywhere.\n\
             If it was not you, choose another one now:\n\n{reset}\n"
        ),
    )
}

fn letter(to: &str, subject: &str, text: &str) -> Letter {
    Letter { to: to.to_owned(), subject: subject.to_owned(), text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_good_for_an_hour_and_whatever_it_was_made_for() {
        let sealer = Sealer::new(&[[1; 32]]);
        let lets = Lets::Reset { user: Uuid::from_u128(1), changed_us: 5 };
        let link = Link::new(lets, "ada@example.com".to_owned(), "client_id=x", 0);
        let text = link.sealed(&sealer);
        assert!(!text.contains("ada"));
        assert_eq!(Link::read(&sealer, &text, LINK_US - 1), Some(link));
        assert_eq!(Link::read(&sealer, &text, LINK_US), None);
        assert_eq!(Link::read(&Sealer::new(&[[2; 32]]), &text, 0), None);
        assert_eq!(Link::read(&sealer, &"a".repeat(10_000), 0), None);
        let long = Link::new(Lets::Register, "a@b.example".into(), &"x".repeat(9_000), 0);
        assert_eq!(long.request, "");
        let longest = Link::new(
            Lets::Register,
            format!("{}@b.example", "x".repeat(240)),
            &"x".repeat(REQUEST_BYTES_MAX),
            0,
        );
        assert!(Link::read(&sealer, &longest.sealed(&sealer), 0).is_some());
    }
}
