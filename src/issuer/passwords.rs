//! Passwords: hashed by Argon2id (RFC 9106; 19 MiB, two passes, one lane), few at a time, so that a storm of
//! sign-ins leaves the rest of the program its processors. Never keeps one, never shows one.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

/// The shortest and the longest password, in bytes (NIST SP 800-63B, 3.1.1).
pub const BYTES: std::ops::RangeInclusive<usize> = 8..=1_024;
const MEMORY_KIB: u32 = 19 << 10;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Sign-ins that wait for their turn; more are turned away.
const WAITING_MAX: usize = 64;

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
    /// What somebody is compared with who is not known, so that it takes as long.
    nobody: Arc<str>,
}

/// There are too many at once.
#[derive(Debug, PartialEq)]
pub struct Busy;

impl Passwords {
    /// As many at a time as half of the processors, and one at least.
    pub fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let turns = (cores / 2).max(1);
        Self {
            turns: Arc::new(Semaphore::new(turns)),
            places: Arc::new(Semaphore::new(WAITING_MAX + turns)),
            nobody: hash("nobody signs in with this").into(),
        }
    }

    pub async fn hash(&self, password: &str) -> Result<String, Busy> {
        let password = password.to_owned();
        self.in_turn(move || hash(&password)).await
    }

    /// Whether the password is the one that was hashed. Where nothing was, it takes as long to say no.
    pub async fn is_right(&self, password: &str, hashed: Option<&str>) -> Result<bool, Busy> {
        let is_known = hashed.is_some();
        let hashed: Arc<str> = hashed.map_or_else(|| Arc::clone(&self.nobody), Arc::from);
        let password = password.to_owned();
        let is_right = move || {
            let hashed = PasswordHash::new(&hashed);
            hashed
                .is_ok_and(|hashed| hasher().verify_password(password.as_bytes(), &hashed).is_ok())
        };
        Ok(self.in_turn(is_right).await? && is_known)
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let _place = self.places.try_acquire().map_err(|_| Busy)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| Busy)?;
        // The turn goes with the work: whoever gives up waiting leaves it to end.
        let worked = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        worked.await.map_err(|_| Busy)
    }
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new()
    }
}

fn hasher() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("they are within bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash(password: &str) -> String {
    let hashed = hasher().hash_password(password.as_bytes());
    hashed.expect("a password of bounded length is hashed").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_password_is_known_again_and_of_many_at_once_some_are_turned_away() {
        let passwords = Passwords::new();
        let hashed = passwords.hash("correct horse").await.expect("there is a place");
        assert!(hashed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hashed}");
        assert_ne!(hashed, passwords.hash("correct horse").await.expect("there is a place"));
        let is_right = |password, hashed| passwords.is_right(password, hashed);
        assert_eq!(is_right("correct horse", Some(&hashed)).await, Ok(true));
        assert_eq!(is_right("Correct horse", Some(&hashed)).await, Ok(false));
        assert_eq!(is_right("nobody signs in with this", None).await, Ok(false));
        assert_eq!(is_right("x", Some("no hash")).await, Ok(false));

        let _all = passwords.places.acquire_many(WAITING_MAX as u32).await.expect("they are free");
        let turns = passwords.places.available_permits();
        let _rest = passwords.places.acquire_many(turns as u32).await.expect("they are free");
        assert_eq!(is_right("correct horse", Some(&hashed)).await, Err(Busy));
    }
}
