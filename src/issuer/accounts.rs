//! Registering, and choosing another password, by a letter to an address. No answer tells whether there is an
//! account, and none takes longer for it: what letter there is, is found out after the answer, behind a place that
//! everybody takes. Only whoever reads what is sent there goes on.

use std::time::Instant;

use super::attempts::Wait;
use super::common::weakness;
use super::fields::{Fields, with_fields};
use super::letters::{self, Lets, Link};
use super::pages::{self, Chosen};
use super::{BuiltIn, Fault, login_of, passwords};
use auth::sign_in::{Asked, Registration, Told};
use domain::access::user::DisplayName;
use domain::email::EmailAddress;
use domain::sealed::Indexed;
use persistence::cause::chain;
use persistence::sign_ins::{Credential, Login};
use uuid::Uuid;

/// What somebody asks a letter for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    Register,
    Reset,
}

impl BuiltIn {
    /// The page on which somebody says where a letter is to be sent.
    pub(super) fn ask_for_letter(&self, asked: &Asked, wants: Wants) -> Told {
        if wants == Wants::Register && !self.may_register() {
            return closed();
        }
        let request = Fields::read(&asked.query).get("request").to_owned();
        self.letter_page(asked, wants, &request, 200, None)
    }

    fn letter_page(
        &self,
        asked: &Asked,
        wants: Wants,
        request: &str,
        status: u16,
        wrong: Option<&str>,
    ) -> Told {
        let (form, cookie) = self.form_of(asked);
        let mut page = pages::letter(status, wants == Wants::Register, request, &form, wrong);
        page.headers.extend(cookie);
        page
    }

    /// Sends the letter that there is to send, if there is one.
    pub(super) fn send_letter(
        &self,
        asked: &Asked,
        form: &Fields,
        wants: Wants,
        now: Instant,
    ) -> Told {
        if wants == Wants::Register && !self.may_register() {
            return closed();
        }
        let request = form.get("request");
        if !self.is_own_form(asked, form) {
            let again = "This form was not sent by this browser, or is too old. Please try again.";
            return self.letter_page(asked, wants, request, 403, Some(again));
        }
        // What is looked for is what is written to: no other spelling of it goes anywhere.
        let Ok(address) = EmailAddress::parse(form.get("login")).map(|it| it.normalised()) else {
            let wrong = "This is no e-mail address.";
            return self.letter_page(asked, wants, request, 400, Some(wrong));
        };
        let Ok(place) = self.parts.outgoing.place() else {
            let many = "Many people ask for letters at this moment. Please try again in a minute.";
            let mut page = self.letter_page(asked, wants, request, 503, Some(many));
            page.headers.push(("retry-after", "60".to_owned()));
            return page;
        };
        let login = login_of(&*self.parts.index, &address);
        match self.attempts.letter(login, &asked.address, now) {
            Err(Wait(time)) => {
                let minutes = time.as_secs().div_ceil(60);
                let wait = format!("Too many letters. Please wait {minutes} minutes.");
                let mut page = self.letter_page(asked, wants, request, 429, Some(&wait));
                page.headers.push(("retry-after", time.as_secs().max(1).to_string()));
                return page;
            }
            // Those that were sent are good still.
            Ok(false) => {}
            Ok(true) => self.write_to(place, wants, login, address, request),
        }
        pages::said(
            200,
            "Look at your e-mail",
            "If this address can be used here, a letter is on its way to it. The link in it is good for an hour.",
        )
    }

    fn write_to(
        &self,
        place: mail::Place,
        wants: Wants,
        login: Login,
        address: String,
        request: &str,
    ) {
        let (store, sealer) = (self.parts.store.clone(), self.parts.sealer.clone());
        let (here, now, request) = (self.parts.address.clone(), self.now_us(), request.to_owned());
        self.parts.outgoing.send(place, async move {
            let known = store.credential(login).await;
            let known = known.map_err(|error| {
                tracing::error!(error = %chain(&error), "a letter was not written");
            });
            let link = |lets: Lets| {
                let link = Link::new(lets, address.clone(), &request, now).sealed(&sealer);
                with_fields(&format!("{here}/auth/finish"), &[("link", &link)])
            };
            let reset = |known: &Credential| {
                link(Lets::Reset { user: known.user, changed_us: known.changed_us })
            };
            match (known.ok()?, wants) {
                (Some(known), Wants::Reset) => Some(letters::forgotten(&address, &reset(&known))),
                (Some(known), Wants::Register) => {
                    Some(letters::known_already(&address, &reset(&known)))
                }
                (None, Wants::Register) => Some(letters::welcome(&address, &link(Lets::Register))),
                (None, Wants::Reset) => None,
            }
        });
    }

    /// The page that a link leads to. Nothing is done yet: programs that look at letters open links.
    pub(super) fn open_link(&self, asked: &Asked) -> Told {
        let text = Fields::read(&asked.query).get("link").to_owned();
        match Link::read(&self.parts.sealer, &text, self.now_us()) {
            Some(link) => self.choose(asked, &link, &text, 200, None),
            None => too_old(),
        }
    }

    fn choose(
        &self,
        asked: &Asked,
        link: &Link,
        text: &str,
        status: u16,
        wrong: Option<&str>,
    ) -> Told {
        let (form, cookie) = self.form_of(asked);
        let chosen = Chosen {
            address: &link.address,
            is_new: link.lets == Lets::Register,
            link: text,
            form: &form,
            wrong,
        };
        let mut page = pages::choose(status, &chosen);
        page.headers.extend(cookie);
        page
    }

    /// What somebody chose, who has a link.
    pub(super) async fn finish(&self, asked: &Asked, form: &Fields) -> Result<Told, Fault> {
        let text = form.get("link");
        let Some(link) = Link::read(&self.parts.sealer, text, self.now_us()) else {
            return Ok(too_old());
        };
        let again = |status, wrong: &str| Ok(self.choose(asked, &link, text, status, Some(wrong)));
        if !self.is_own_form(asked, form) {
            let old = "This form was not sent by this browser, or is too old. Please try again.";
            return again(403, old);
        }
        let (name, password) = (form.get("name"), form.get("password"));
        if !passwords::BYTES.contains(&password.len()) {
            return again(400, "A password has at least 8 characters, and at most 1,024 bytes.");
        }
        if let Some(weakness) = weakness(password, &[&link.address, name]) {
            return again(400, weakness);
        }
        let is_name = DisplayName::read(name).is_ok();
        if link.lets == Lets::Register && !is_name {
            return again(400, "Please say how you want to be called, in at most 200 characters.");
        }
        let login = login_of(&*self.parts.index, &link.address);
        let known = self.parts.store.credential(login).await?;
        // Before anything is hashed, which is dear.
        let is_good = match (&link.lets, &known) {
            (Lets::Register, known) => known.is_none() && self.may_register(),
            (Lets::Reset { user, changed_us }, Some(known)) => {
                (known.user, known.changed_us) == (*user, *changed_us)
            }
            (Lets::Reset { .. }, None) => false,
        };
        if !is_good {
            return Ok(too_old());
        }
        let Ok(hashed) = self.parts.passwords.hash(password).await else {
            let many = "Many people sign in at this moment. Please try again in a few seconds.";
            return again(503, many);
        };
        let done = match link.lets {
            Lets::Register => match self.register(&link, login, name, hashed).await? {
                Registered::Done => true,
                Registered::Later => {
                    return again(503, "This cannot be done now. Please try again in a moment.");
                }
                Registered::Others => return Ok(others()),
            },
            Lets::Reset { user, changed_us } => {
                self.change(user, changed_us, &hashed, &link.address).await?
            }
        };
        if !done {
            return Ok(too_old());
        }
        let done = "Your password is set. Please sign in with it.";
        Ok(self.form_after(asked, &link.request, done))
    }

    async fn register(
        &self,
        link: &Link,
        login: Login,
        name: &str,
        password: String,
    ) -> Result<Registered, Fault> {
        let Some(registrar) = &self.parts.registrar else { return Ok(Registered::Others) };
        let registration = Registration {
            email: link.address.clone(),
            display_name: name.to_owned(),
            key: link.id.to_string(),
        };
        let Ok(user) = registrar.register(registration).await else {
            return Ok(Registered::Later);
        };
        // A user who was there before, and signs in by something else, is somebody else's, whatever address
        // he gave.
        if self.parts.store.can_sign_in(user).await? {
            return Ok(Registered::Others);
        }
        let changed_us = self.now_us();
        let credential = Credential { user, login, password, changed_us };
        match self.parts.store.add_credential(&credential).await? {
            true => Ok(Registered::Done),
            false => Ok(Registered::Others),
        }
    }

    /// Gives somebody another password, and signs him out everywhere: whoever knew the one before is out.
    async fn change(
        &self,
        user: Uuid,
        from_us: i64,
        password: &str,
        address: &str,
    ) -> Result<bool, Fault> {
        let now = self.now_us().max(from_us + 1);
        let store = &self.parts.store;
        if !store.change_password(user, from_us, password, now).await? {
            return Ok(false);
        }
        self.end_all_of(user).await?;
        if let Ok(place) = self.parts.outgoing.place() {
            let reset = format!("{}/auth/reset", self.parts.address);
            let letter = letters::changed(address, &reset);
            self.parts.outgoing.send(place, async { Some(letter) });
        }
        Ok(true)
    }

    pub(super) fn may_register(&self) -> bool {
        self.parts.registrar.is_some()
    }
}

enum Registered {
    Done,
    Later,
    Others,
}

fn too_old() -> Told {
    pages::said(
        400,
        "This link is not good any more",
        "It was used, or it is more than an hour old. Please ask for another letter.",
    )
}

fn others() -> Told {
    pages::said(
        409,
        "This address is in use",
        "Whoever has it signs in otherwise. If that is you, ask whoever runs this shop to help you.",
    )
}

fn closed() -> Told {
    pages::said(404, "Nobody registers here", "Whoever runs this shop lets people in.")
}
