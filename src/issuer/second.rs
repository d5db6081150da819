//! A second factor: codes of six digits that follow from a shared secret and the time (RFC 6238: HMAC-SHA-1, steps of
//! 30 s), and codes on paper for when the device is lost, each good once.

use ring::digest::{SHA256, digest};
use ring::hmac;

use super::SECOND_US;
use super::sealing::{Sealer, drawn};
use persistence::sign_ins::SecondFactor;
use uuid::Uuid;

const SECRET_BYTES: usize = 20;
const STEP_SECONDS: i64 = 30;
/// Codes for when the device is lost.
pub const SPARE: usize = 8;
const SPARE_CHARACTERS: usize = 10;
const SPARE_BYTES: usize = 16;
const SECRET: &str = "second factor";
const SPARES: &str = "spare codes";
/// RFC 4648, 6.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A new one, not confirmed yet.
pub fn begun(sealer: &Sealer, user: Uuid) -> SecondFactor {
    let secret = sealer.seal(SECRET, &drawn::<SECRET_BYTES>());
    SecondFactor { user, secret, confirmed_us: 0, step: 0, spare: Vec::new() }
}

/// Its secret, as it is typed into a device.
pub fn shown(sealer: &Sealer, factor: &SecondFactor) -> Option<String> {
    Some(base32(&sealer.open(SECRET, &factor.secret)?))
}

/// The factor after a code of the device, if it is one of now or of just before, and later than the last one.
pub fn after_code(
    sealer: &Sealer,
    factor: &SecondFactor,
    code: &str,
    now_us: i64,
) -> Option<SecondFactor> {
    let secret = sealer.open(SECRET, &factor.secret)?;
    let step = now_us / SECOND_US / STEP_SECONDS;
    let code = code.replace(' ', "");
    let step = [step, step - 1]
        .into_iter()
        .find(|step| *step > factor.step && is_same(&code, &code_at(&secret, *step)))?;
    Some(SecondFactor { step, ..factor.clone() })
}

/// The factor after a code on paper, which is crossed out.
pub fn after_spare(sealer: &Sealer, factor: &SecondFactor, code: &str) -> Option<SecondFactor> {
    let code = code.trim().to_uppercase().replace([' ', '-'], "");
    if code.len() != SPARE_CHARACTERS {
        return None;
    }
    let mut spare = sealer.open(SPARES, &factor.spare)?;
    let hashed = hashed(&code);
    let at = spare.chunks_exact(SPARE_BYTES).position(|known| known == hashed)?;
    spare.drain(at * SPARE_BYTES..(at + 1) * SPARE_BYTES);
    Some(SecondFactor { spare: sealer.seal(SPARES, &spare), ..factor.clone() })
}

/// The factor confirmed, with the codes on paper, which are shown once.
pub fn confirmed(
    sealer: &Sealer,
    factor: SecondFactor,
    now_us: i64,
) -> (SecondFactor, Vec<String>) {
    let codes: Vec<String> = (0..SPARE).map(|_| spare_code()).collect();
    let kept: Vec<u8> = codes.iter().flat_map(|code| hashed(code)).collect();
    let spare = sealer.seal(SPARES, &kept);
    (SecondFactor { confirmed_us: now_us, spare, ..factor }, codes)
}

/// What a device reads: how it is called there, and the secret (the key URI format).
pub fn address(secret: &str, issuer: &str) -> String {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let name = encode(issuer);
    format!("otpauth://totp/{name}?secret={secret}&issuer={name}")
}

/// What the device shows.
#[cfg(test)]
pub fn code_of(sealer: &Sealer, factor: &SecondFactor, now_us: i64) -> String {
    let secret = sealer.open(SECRET, &factor.secret).expect("it was sealed here");
    code_at(&secret, now_us / SECOND_US / STEP_SECONDS)
}

fn code_at(secret: &[u8], step: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let at = usize::from(tag[tag.len() - 1] & 0xf);
    let number = u32::from_be_bytes([tag[at] & 0x7f, tag[at + 1], tag[at + 2], tag[at + 3]]);
    format!("{:06}", number % 1_000_000)
}

/// Takes as long wherever the first difference is.
fn is_same(one: &str, other: &str) -> bool {
    one.len() == other.len()
        && one.bytes().zip(other.bytes()).fold(0, |all, (one, other)| all | (one ^ other)) == 0
}

fn spare_code() -> String {
    let bytes = drawn::<SPARE_CHARACTERS>();
    bytes.iter().map(|byte| char::from(BASE32[usize::from(byte % 32)])).collect()
}

fn hashed(code: &str) -> [u8; SPARE_BYTES] {
    *digest(&SHA256, code.as_bytes()).as_ref().first_chunk().expect("a hash has 32 bytes")
}

fn base32(bytes: &[u8]) -> String {
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| (byte >> (7 - at % 8)) & 1);
    let letter = |first: usize| (first..first + 5).fold(0, |all, at| (all << 1) | bit(at));
    (0..bytes.len() * 8).step_by(5).map(|at| char::from(BASE32[usize::from(letter(at))])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B: the last six digits.
    #[test]
    fn codes_are_those_of_the_specification() {
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code_at(b"12345678901234567890", seconds / STEP_SECONDS), code);
        }
        assert_eq!(base32(b"foobar"), "MZXW6YTBOI");
        assert_eq!(base32(b"12345678901234567890"), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    }

    #[test]
    fn a_code_is_good_once_and_soon() {
        let sealer = Sealer::new(&[[1; 32]]);
        let now = 2_000_000_000 * SECOND_US;
        let factor = begun(&sealer, Uuid::from_u128(1));
        let secret = sealer.open(SECRET, &factor.secret).expect("it was sealed here");
        let step = now / SECOND_US / STEP_SECONDS;
        let of = |step| code_at(&secret, step);
        let used = after_code(&sealer, &factor, &of(step), now).expect("it is of now");
        assert_eq!(after_code(&sealer, &used, &of(step), now), None, "a second time");
        assert_eq!(after_code(&sealer, &used, &of(step - 1), now), None, "one of before it");
        assert!(after_code(&sealer, &factor, &of(step - 1), now).is_some());
        for wrong in [of(step - 2), of(step + 1), String::new(), "12345".into()] {
            assert_eq!(after_code(&sealer, &factor, &wrong, now), None, "{wrong}");
        }
    }

    #[test]
    fn a_code_on_paper_is_good_once() {
        let sealer = Sealer::new(&[[1; 32]]);
        let (factor, codes) = confirmed(&sealer, begun(&sealer, Uuid::from_u128(1)), 7);
        assert_eq!((codes.len(), factor.confirmed_us), (SPARE, 7));
        let spaced = format!(" {}-{} ", &codes[3][..5].to_lowercase(), &codes[3][5..]);
        let after = after_spare(&sealer, &factor, &spaced).expect("it is one of them");
        assert_eq!(after_spare(&sealer, &after, &codes[3]), None);
        assert!(after_spare(&sealer, &after, &codes[0]).is_some());
        for wrong in ["", "AAAAAAAAAA", "A"] {
            assert_eq!(after_spare(&sealer, &factor, wrong), None);
        }
        assert!(factor.spare.len() <= 512 && factor.secret.len() <= 128, "as the columns have it");
    }
}
