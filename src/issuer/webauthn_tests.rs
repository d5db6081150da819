//! Each step of Web Authentication Level 3, 7.1 and 7.2, that can go wrong, by its number there.

use serde_json::json;

use super::authenticator::{Authenticator, Key, PRESENT_AND_VERIFIED};
use super::webauthn::{CREDENTIAL_BYTES_MAX, Known, Made, RelyingParty, Shown, Wrong};

const ORIGIN: &str = "https://shop.example";
const CHALLENGE: &[u8] = &[9; 32];

fn party() -> RelyingParty {
    RelyingParty::at(ORIGIN).expect("it has a name")
}

fn both() -> [Authenticator; 2] {
    [Authenticator::es256(ORIGIN, "shop.example"), Authenticator::eddsa(ORIGIN, "shop.example")]
}

fn made(authenticator: &Authenticator) -> Result<Made, Wrong> {
    let (client_data, object) = authenticator.make(CHALLENGE);
    party().made(CHALLENGE, &client_data, &object)
}

/// What becomes of a credential that was made rightly, and then shown by this authenticator.
fn shown(authenticator: &Authenticator, made: &Made, counter: u32) -> Result<u32, Wrong> {
    let [client_data, authenticator_data, signature] = authenticator.sign(CHALLENGE);
    let shown = Shown {
        client_data: &client_data,
        authenticator_data: &authenticator_data,
        signature: &signature,
    };
    let known = Known { key: &made.key, counter, may_be_copied: made.may_be_copied };
    party().verify(CHALLENGE, &shown, &known)
}

/// The same wrong at both ceremonies.
fn wrong_at_both(change: impl Fn(&mut Authenticator), wrong: Wrong) {
    for mut authenticator in both() {
        let right = made(&authenticator).expect("all is right");
        assert_eq!(shown(&authenticator, &right, 0), Ok(0));
        change(&mut authenticator);
        assert_eq!(made(&authenticator), Err(wrong));
        assert_eq!(shown(&authenticator, &right, 0), Err(wrong));
    }
}

fn wrong_when_made(change: impl Fn(&mut Authenticator), wrong: Wrong) {
    for mut authenticator in both() {
        change(&mut authenticator);
        assert_eq!(made(&authenticator), Err(wrong));
    }
}

#[test]
fn what_is_right_is_taken_by_either_algorithm() {
    for (authenticator, length) in both().into_iter().zip([65, 32]) {
        let made = made(&authenticator).expect("all is right");
        assert_eq!((made.credential.as_slice(), made.key.len()), (&[3; 32][..], length));
        assert_eq!(shown(&authenticator, &made, 0), Ok(0));
    }
}

#[test]
fn addresses_that_are_numbers_have_no_passkeys() {
    for (address, id) in [
        ("https://shop.example", Some("shop.example")),
        ("https://shop.example:8443", Some("shop.example")),
        ("http://localhost:8080", Some("localhost")),
        ("http://127.0.0.1:8080", None),
        ("http://[::1]:8080", None),
        ("https://10.0.0.1", None),
    ] {
        assert_eq!(RelyingParty::at(address).map(|it| it.id).as_deref(), id, "{address}");
    }
}

/// 7.1, 5–6; 7.2, 8–9.
#[test]
fn client_data_is_json() {
    let authenticator = &both()[0];
    let (_, object) = authenticator.make(CHALLENGE);
    let twice = format!(
        "{{\"type\":\"webauthn.create\",\"origin\":\"{ORIGIN}\",\"challenge\":\"x\",\"challenge\":\"x\"}}"
    );
    for text in ["", "{", "[]", "{}", "\"x\"", twice.as_str()] {
        let told = party().made(CHALLENGE, text.as_bytes(), &object);
        assert_eq!(told, Err(Wrong::ClientData), "{text}");
    }
}

/// 7.1, 7; 7.2, 10: what one ceremony was for is good for no other.
#[test]
fn client_data_names_the_ceremony() {
    wrong_at_both(|it| it.said = json!({"type": "payment.get"}), Wrong::Type);
    for authenticator in both() {
        let right = made(&authenticator).expect("all is right");
        let (client_data, object) = authenticator.make(CHALLENGE);
        let as_get = authenticator.client_data("webauthn.get", CHALLENGE);
        assert_eq!(party().made(CHALLENGE, &as_get, &object), Err(Wrong::Type));
        let [_, data, signature] = authenticator.sign(CHALLENGE);
        let shown =
            Shown { client_data: &client_data, authenticator_data: &data, signature: &signature };
        let known = Known { key: &right.key, counter: 0, may_be_copied: false };
        assert_eq!(party().verify(CHALLENGE, &shown, &known), Err(Wrong::Type));
    }
}

/// 7.1, 8; 7.2, 11.
#[test]
fn the_challenge_is_the_one_that_was_asked() {
    for challenge in ["", "AAAA", "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk="] {
        wrong_at_both(|it| it.said = json!({"challenge": challenge}), Wrong::Challenge);
    }
}

/// 7.1, 9; 7.2, 12.
#[test]
fn the_origin_is_ours() {
    for origin in [
        "https://shop.example.attacker.example",
        "http://shop.example",
        "https://shop.example:8443",
        "https://login.shop.example",
        "null",
        "",
    ] {
        wrong_at_both(|it| it.origin = origin.to_owned(), Wrong::Origin);
    }
}

/// 7.1, 10; 7.2, 13.
#[test]
fn no_page_of_another_site_is_around_ours() {
    wrong_at_both(|it| it.said = json!({"crossOrigin": true}), Wrong::CrossOrigin);
    let top = json!({"topOrigin": "https://attacker.example"});
    wrong_at_both(|it| it.said = top.clone(), Wrong::CrossOrigin);
}

/// 7.1, 12.
#[test]
fn the_attestation_object_is_one() {
    let authenticator = &both()[0];
    let (client_data, object) = authenticator.make(CHALLENGE);
    for length in 0..object.len() {
        let told = party().made(CHALLENGE, &client_data, &object[..length]);
        assert_eq!(told, Err(Wrong::AttestationObject), "{length}");
    }
    let longer = [&object[..], &[0]].concat();
    assert_eq!(party().made(CHALLENGE, &client_data, &longer), Err(Wrong::AttestationObject));
    assert_eq!(party().made(CHALLENGE, &client_data, &[0xa0]), Err(Wrong::AttestationObject));
}

/// 6.1: of exactly the length that its flags say.
#[test]
fn authenticator_data_is_whole() {
    wrong_at_both(|it| it.behind = vec![0xa0], Wrong::AuthenticatorData);
    wrong_at_both(|it| it.flags |= 0x80, Wrong::AuthenticatorData);
    // Extensions that nobody asked for are passed over.
    for mut authenticator in both() {
        (authenticator.flags, authenticator.behind) = (PRESENT_AND_VERIFIED | 0x80, vec![0xa0]);
        let made = made(&authenticator).expect("all is right");
        assert_eq!(shown(&authenticator, &made, 0), Ok(0));
    }
    // A new credential comes with its key.
    let mut object = both()[0].make(CHALLENGE).1;
    let at = object.len() - both()[0].cose().len() - 2 - 32 - 16 - 5;
    object[at] &= !0x40;
    let client_data = both()[0].client_data("webauthn.create", CHALLENGE);
    assert_eq!(party().made(CHALLENGE, &client_data, &object), Err(Wrong::AuthenticatorData));
}

/// 7.1, 13; 7.2, 15.
#[test]
fn the_relying_party_is_this_shop() {
    for party in ["attacker.example", "example", "https://shop.example", ""] {
        wrong_at_both(|it| it.party = party.to_owned(), Wrong::RelyingParty);
    }
}

/// 7.1, 14; 7.2, 16.
#[test]
fn somebody_was_there() {
    wrong_at_both(|it| it.flags = 0b100, Wrong::UserPresent);
}

/// 7.1, 15; 7.2, 17: it takes the place of a password and of a second factor.
#[test]
fn somebody_was_verified() {
    wrong_at_both(|it| it.flags = 0b001, Wrong::UserVerified);
}

/// 7.1, 16; 7.2, 18.
#[test]
fn what_is_backed_up_may_be_and_what_may_be_stays_so() {
    wrong_at_both(|it| it.flags = PRESENT_AND_VERIFIED | 0b1_0000, Wrong::Backup);
    for mut authenticator in both() {
        let single = made(&authenticator).expect("all is right");
        authenticator.flags = PRESENT_AND_VERIFIED | 0b1_1000;
        let synced = made(&authenticator).expect("all is right");
        assert_eq!((single.may_be_copied, synced.may_be_copied), (false, true));
        assert_eq!(shown(&authenticator, &synced, 0), Ok(0));
        assert_eq!(shown(&authenticator, &single, 0), Err(Wrong::Backup));
    }
}

/// 7.1, 20: one that was asked for, with a key that is whole.
#[test]
fn the_key_is_of_an_algorithm_that_was_asked_for() {
    let changed = |at: usize, to: u8| {
        move |it: &mut Authenticator| {
            let mut cose = it.cose();
            cose[at] = to;
            it.cose = Some(cose);
        }
    };
    wrong_when_made(changed(4, 0x25), Wrong::Algorithm);
    wrong_when_made(changed(4, 0x28), Wrong::Algorithm);
    wrong_when_made(changed(2, 3), Wrong::PublicKey);
    wrong_when_made(changed(6, 7), Wrong::PublicKey);
    wrong_when_made(|it| it.cose = Some(vec![0xa0]), Wrong::Algorithm);
    // A coordinate that is too short.
    let short = |it: &mut Authenticator| {
        let y = if matches!(it.key, Key::Es256(_)) { &[0x22, 0x41, 1][..] } else { &[] };
        it.cose = Some([&it.cose()[..8], &[0x41, 1], y].concat());
    };
    wrong_when_made(short, Wrong::PublicKey);
}

/// 7.1, 22–24: no attestation is asked for, and what says nothing of itself is verified by nobody.
#[test]
fn there_is_no_attestation() {
    wrong_when_made(|it| it.format = "packed", Wrong::AttestationFormat);
    wrong_when_made(|it| it.format = "", Wrong::AttestationFormat);
    wrong_when_made(|it| it.statement = vec![0xa1, 1, 1], Wrong::AttestationStatement);
    wrong_when_made(|it| it.statement = vec![0x80], Wrong::AttestationStatement);
}

/// 7.1, 25.
#[test]
fn the_id_of_a_credential_is_bounded() {
    wrong_when_made(|it| it.credential = Vec::new(), Wrong::CredentialId);
    wrong_when_made(|it| it.credential = vec![1; CREDENTIAL_BYTES_MAX + 1], Wrong::CredentialId);
    for mut authenticator in both() {
        authenticator.credential = vec![1; CREDENTIAL_BYTES_MAX];
        assert!(made(&authenticator).is_ok());
    }
}

/// 7.2, 21.
#[test]
fn the_signature_is_of_that_key_over_all_that_is_shown() {
    let [one, other] = both();
    for authenticator in [&one, &other] {
        let right = made(authenticator).expect("all is right");
        let [client_data, data, signature] = authenticator.sign(CHALLENGE);
        let known = Known { key: &right.key, counter: 0, may_be_copied: false };
        let told = |client_data: &[u8], authenticator_data: &[u8], signature: &[u8]| {
            let shown = Shown { client_data, authenticator_data, signature };
            party().verify(CHALLENGE, &shown, &known)
        };
        assert_eq!(told(&client_data, &data, &signature), Ok(0));
        let spaced = [&client_data[..client_data.len() - 1], b" }"].concat();
        assert_eq!(told(&spaced, &data, &signature), Err(Wrong::Signature));
        let mut counted = data.clone();
        counted[36] = 1;
        assert_eq!(told(&client_data, &counted, &signature), Err(Wrong::Signature));
        for place in 0..signature.len() {
            let mut changed = signature.clone();
            changed[place] ^= 1;
            assert_eq!(told(&client_data, &data, &changed), Err(Wrong::Signature), "{place}");
        }
        assert_eq!(told(&client_data, &data, &[]), Err(Wrong::Signature));
    }
    let right = made(&one).expect("all is right");
    assert_eq!(shown(&other, &right, 0), Err(Wrong::Signature), "another's");
    let nowhere = Made { key: [&[4][..], &[7; 64]].concat(), ..right };
    assert_eq!(shown(&one, &nowhere, 0), Err(Wrong::Signature), "no point of the curve");
}

/// 7.2, 22.
#[test]
fn one_that_counts_counts_on() {
    for mut authenticator in both() {
        let made = made(&authenticator).expect("all is right");
        for (says, known, told) in [
            (0, 0, Ok(0)),
            (1, 0, Ok(1)),
            (9, 8, Ok(9)),
            (8, 8, Err(Wrong::Counter)),
            (7, 8, Err(Wrong::Counter)),
            (0, 8, Err(Wrong::Counter)),
        ] {
            authenticator.counter = says;
            assert_eq!(shown(&authenticator, &made, known), told, "{says} after {known}");
        }
    }
}
