//! The second factor on the pages: asked for after the password, set up, and done without again. What shows that
//! the password was right goes along sealed, and is good for minutes.

use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::apps::origin;
use super::attempts::{Name, Wait};
use super::fields::Fields;
use super::pages::{self, Factor};
use super::second;
use super::sessions::{not_ours, to};
use super::{BuiltIn, Fault, SECOND_US};
use auth::sign_in::{Asked, NotLetIn, Told};
use persistence::sign_ins::SecondFactor;

/// How long somebody may take to type a code.
const CODE_WITHIN_US: i64 = 300 * SECOND_US;
const PURPOSE: &str = "password was right";
const PROVED_BYTES_MAX: usize = 512;
const WRONG: &str = "This code is not right, or was used.";

/// Whose password was right.
#[derive(Serialize, Deserialize)]
struct Proved {
    user: Uuid,
    until_us: i64,
}

impl BuiltIn {
    /// The page that asks for a code of somebody whose password was right.
    pub(super) fn ask_for_code(
        &self,
        asked: &Asked,
        user: Uuid,
        request: &str,
        wrong: Option<&str>,
    ) -> Told {
        let proved = Proved { user, until_us: self.now_us() + CODE_WITHIN_US };
        let proved = serde_json::to_vec(&proved).expect("numbers are JSON");
        let proved = URL_SAFE_NO_PAD.encode(self.parts.sealer.seal(PURPOSE, &proved));
        let leads_to = origin(Fields::read(request).get("redirect_uri"));
        let (form, cookie) = self.form_of(asked);
        let status = if wrong.is_some() { 400 } else { 200 };
        let mut page = pages::code(status, &proved, request, &form, wrong, leads_to.as_deref());
        page.headers.extend(cookie);
        page
    }

    fn proved(&self, text: &str) -> Option<Proved> {
        if text.len() > PROVED_BYTES_MAX {
            return None;
        }
        let text = URL_SAFE_NO_PAD.decode(text).ok()?;
        let proved: Proved =
            serde_json::from_slice(&self.parts.sealer.open(PURPOSE, &text)?).ok()?;
        (proved.until_us > self.now_us()).then_some(proved)
    }

    /// Somebody types the code that he was asked for.
    pub(super) async fn show_code(
        &self,
        asked: &Asked,
        form: &Fields,
        now: Instant,
    ) -> Result<Told, Fault> {
        let request = form.get("request");
        let again = "That took too long. Please sign in anew.";
        let proved = self.proved(form.get("proved")).filter(|_| self.is_own_form(asked, form));
        let Some(Proved { user, .. }) = proved else {
            return Ok(self.form(asked, 403, request, Some(again)));
        };
        let Some(factor) = self.parts.store.second_factor(user).await? else {
            return Ok(self.form(asked, 403, request, Some(again)));
        };
        if let Err(wait) = self.attempts.begin(self.of_codes(user), &asked.address, now) {
            self.parts.witness.refused(Some(user), NotLetIn::TooManyTries);
            return Ok(self.too_many_codes(asked, request, &wait));
        }
        if !self.takes(&factor, form.get("code")).await? {
            self.parts.witness.refused(Some(user), NotLetIn::WrongCode);
            return Ok(self.ask_for_code(asked, user, request, Some(WRONG)));
        }
        self.attempts.succeeded(self.of_codes(user), &asked.address);
        self.let_in(asked, user, request).await
    }

    /// Whether a code is one of the device or on paper; it is good no more after that.
    async fn takes(&self, factor: &SecondFactor, code: &str) -> Result<bool, Fault> {
        let sealer = &self.parts.sealer;
        let after = second::after_code(sealer, factor, code, self.now_us())
            .or_else(|| second::after_spare(sealer, factor, code));
        match after {
            Some(after) => Ok(self.parts.store.move_second_factor(factor, &after).await?),
            None => Ok(false),
        }
    }

    /// Tries of codes are counted apart from those of passwords: whoever has the one has none of the other.
    fn of_codes(&self, user: Uuid) -> Name {
        self.parts.index.hash("second factor", &user.to_string())
    }

    fn too_many_codes(&self, asked: &Asked, request: &str, Wait(time): &Wait) -> Told {
        let minutes = time.as_secs().div_ceil(60);
        let wait = format!("Too many codes. Please wait {minutes} minutes.");
        let mut page = self.form(asked, 429, request, Some(&wait));
        page.headers.push(("retry-after", time.as_secs().max(1).to_string()));
        page
    }

    /// What whoever is signed in here has as a second factor.
    pub(super) async fn factor(&self, asked: &Asked) -> Result<Told, Fault> {
        let Some(browser) = self.browser(asked).await? else {
            return Ok(self.form(asked, 200, "", None));
        };
        let known = self.parts.store.second_factor(browser.user).await?;
        let shown = match known.filter(|factor| factor.confirmed_us > 0) {
            Some(_) => Factor::Holds { spare: &[] },
            None => Factor::None,
        };
        Ok(self.factor_page(asked, 200, &shown, None))
    }

    fn factor_page(
        &self,
        asked: &Asked,
        status: u16,
        factor: &Factor<'_>,
        wrong: Option<&str>,
    ) -> Told {
        let (form, cookie) = self.form_of(asked);
        let mut page = pages::factor(status, &form, factor, wrong);
        page.headers.extend(cookie);
        page
    }

    /// Begins with a second factor, which takes the password; confirms it; does without it, which takes a code.
    pub(super) async fn change_factor(
        &self,
        asked: &Asked,
        form: &Fields,
        now: Instant,
    ) -> Result<Told, Fault> {
        if !self.is_own_form(asked, form) {
            return Ok(not_ours());
        }
        let Some(browser) = self.browser(asked).await? else {
            return Ok(to("/auth/".to_owned()));
        };
        let user = browser.user;
        if let Err(wait) = self.attempts.begin(self.of_codes(user), &asked.address, now) {
            return Ok(self.too_many_codes(asked, "", &wait));
        }
        let known = self.parts.store.second_factor(user).await?;
        let told = match (form.get("step"), known) {
            ("begin", known) if known.as_ref().is_none_or(|it| it.confirmed_us == 0) => {
                self.begin_factor(asked, user, form.get("password")).await?
            }
            ("confirm", Some(known)) if known.confirmed_us == 0 => {
                self.confirm_factor(asked, known, form.get("code")).await?
            }
            ("remove", Some(known)) if known.confirmed_us > 0 => {
                if self.takes(&known, form.get("code")).await? {
                    self.parts.store.remove_second_factor(user).await?;
                    Ok(self.factor_page(asked, 200, &Factor::None, None))
                } else {
                    let holds = Factor::Holds { spare: &[] };
                    Err(self.factor_page(asked, 400, &holds, Some(WRONG)))
                }
            }
            _ => Ok(to("/auth/factor".to_owned())),
        };
        if told.is_ok() {
            self.attempts.succeeded(self.of_codes(user), &asked.address);
        }
        Ok(told.unwrap_or_else(|wrong| wrong))
    }

    /// `Err` has the page of a try that counts.
    async fn begin_factor(
        &self,
        asked: &Asked,
        user: Uuid,
        password: &str,
    ) -> Result<Result<Told, Told>, Fault> {
        let hashed = self.parts.store.password_of(user).await?;
        let Ok(is_right) = self.parts.passwords.is_right(password, hashed.as_deref()).await else {
            let many = "Many people sign in at this moment. Please try again in a few seconds.";
            return Ok(Ok(self.factor_page(asked, 503, &Factor::None, Some(many))));
        };
        if !is_right {
            let wrong = "This is not your password.";
            return Ok(Err(self.factor_page(asked, 400, &Factor::None, Some(wrong))));
        }
        let factor = second::begun(&self.parts.sealer, user);
        if !self.parts.store.begin_second_factor(&factor).await? {
            return Ok(Ok(to("/auth/factor".to_owned())));
        }
        Ok(Ok(self.begun_page(asked, 200, &factor, None)))
    }

    fn begun_page(
        &self,
        asked: &Asked,
        status: u16,
        factor: &SecondFactor,
        wrong: Option<&str>,
    ) -> Told {
        let secret = second::shown(&self.parts.sealer, factor).unwrap_or_default();
        let host = self.parts.address.split_once("://").map_or("", |(_, host)| host);
        let address = second::address(&secret, host);
        let begun = Factor::Begun { secret: &secret, address: &address };
        self.factor_page(asked, status, &begun, wrong)
    }

    async fn confirm_factor(
        &self,
        asked: &Asked,
        known: SecondFactor,
        code: &str,
    ) -> Result<Result<Told, Told>, Fault> {
        let now = self.now_us();
        let sealer = &self.parts.sealer;
        let Some(after) = second::after_code(sealer, &known, code, now) else {
            return Ok(Err(self.begun_page(asked, 400, &known, Some(WRONG))));
        };
        let (confirmed, spare) = second::confirmed(sealer, after, now);
        if !self.parts.store.move_second_factor(&known, &confirmed).await? {
            return Ok(Ok(to("/auth/factor".to_owned())));
        }
        Ok(Ok(self.factor_page(asked, 200, &Factor::Holds { spare: &spare }, None)))
    }
}
