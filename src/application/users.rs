//! Users: registered, and given another e-mail address. Taking an address asks several aggregates,
//! in the order that [`sagas::registration`] says; this file only walks that way.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::access::may_touch;
use crate::request::{Outcome, Request, refused_as};
use actors::aggregate_ref::{AskError, Engine, Fault};
use actors::core::Committed;
use actors::reading::Reading;
use domain::access::email_reservation::{self, EmailReservation, email_reservation_id};
use domain::access::user::{self, DisplayName, IsRegistered, User};
use domain::email::EmailAddress;
use domain::id::AggregateId;
use domain::question::Whole;
use domain::sealed::Personal;
use sagas::registration::{Acquisition, Answer, End, Next};

/// How long the way to an address may take before another may ask whether it was given up.
const RESERVED_MINUTES: i64 = 15;
/// The most steps of an acquisition, so that no answer can make it run on.
const STEPS_MAX: usize = 16;

/// Whom to register.
pub struct Registration {
    pub email: EmailAddress,
    pub display_name: DisplayName,
    /// A language tag (`de-AT`).
    pub locale: String,
}

/// Why somebody is not registered under an address, or does not get it.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    Address(email_reservation::Refusal),
    User(user::Refusal),
    /// He may do what whoever asks may not.
    Beyond,
}

impl From<user::Refusal> for Refusal {
    fn from(refusal: user::Refusal) -> Self {
        Self::User(refusal)
    }
}

/// Registers a user under an e-mail address that nobody else has. The id follows from the key, if
/// there is one.
pub async fn register(
    request: &Request<'_>,
    registration: Registration,
) -> Result<(AggregateId, Committed), AskError<Refusal>> {
    let id = request.new_id::<User>("registerUser").await?;
    let Registration { email, display_name, locale } = registration;
    let content = ("registerUser", email.as_str(), display_name.text(), locale.clone());
    let sealed = request.sealing().email_of(id, &email).await?;
    let name = request.sealing().name_of(id, &display_name).await?;
    let way = Acquisition::register(id, sealed, reserved_until(request), name, locale);
    Ok((id, take_address(request, id, way, &content).await?))
}

/// Gives a user another e-mail address; the one before becomes free.
pub async fn change_email(
    request: &Request<'_>,
    user: AggregateId,
    email: EmailAddress,
) -> Outcome<Refusal> {
    require_registered(request, user).await.map_err(refused_as)?;
    if !may_touch(request, user) {
        return Err(AskError::Refused(Refusal::Beyond));
    }
    let content = ("changeUserEmail", email.as_str());
    let sealed = request.sealing().email_of(user, &email).await?;
    let way = Acquisition::change(user, sealed, reserved_until(request));
    take_address(request, user, way, &content).await
}

/// Changes what is given of a user's profile.
pub async fn change_profile(
    request: &Request<'_>,
    user: AggregateId,
    display_name: Option<DisplayName>,
    locale: Option<String>,
) -> Outcome<user::Refusal> {
    let name = match &display_name {
        Some(name) => {
            require_registered(request, user).await?;
            Some(request.sealing().name_of(user, name).await?)
        }
        None => None,
    };
    let shown = display_name.as_ref().map(DisplayName::text);
    let content = ("updateUserProfile", shown, locale.clone());
    let command = user::Command::ChangeProfile { display_name: name, locale };
    request.send_for::<User>(user, command, &content).await
}

/// Nobody gets a key who is not there.
async fn require_registered(
    request: &Request<'_>,
    user: AggregateId,
) -> Result<(), AskError<user::Refusal>> {
    if request.aggregate::<User>(user).read(&IsRegistered).await?.answer {
        Ok(())
    } else {
        Err(AskError::Refused(user::Refusal::NotFound))
    }
}

/// The user who has an address, as they are now.
pub async fn by_email(
    engine: &Engine,
    email: &EmailAddress,
) -> Result<Option<(AggregateId, Reading<user::State>)>, Fault> {
    let address = engine.index_of(email);
    let reservation = engine.aggregate::<EmailReservation>(email_reservation_id(&address));
    let Some(hold) = reservation.read(&Whole).await?.answer.hold else { return Ok(None) };
    let user = engine.aggregate::<User>(hold.holder).read(&Whole).await?;
    // Who reserved an address need not have taken it.
    let profile = user.answer.profile.as_ref();
    let has_it = profile.is_some_and(|profile| profile.email.index == address);
    Ok(has_it.then_some((hold.holder, user)))
}

fn reserved_until(request: &Request<'_>) -> DateTime<Utc> {
    request.application.engine.services.now() + TimeDelta::minutes(RESERVED_MINUTES)
}

/// Walks an acquisition to its end. The key guards the one step that takes the address; all other
/// steps mean "already so" the second time.
async fn take_address(
    request: &Request<'_>,
    user: AggregateId,
    mut way: Acquisition,
    content: &(impl Serialize + Sync),
) -> Outcome<Refusal> {
    let mut taken = None;
    for _ in 0..STEPS_MAX {
        let answer = match way.next() {
            Next::End(End::Taken) => return taken.ok_or(Fault::OutcomeUnknown.into()),
            Next::End(End::AddressRefused(refusal)) => {
                return Err(AskError::Refused(Refusal::Address(refusal)));
            }
            Next::End(End::UserRefused(refusal)) => {
                return Err(AskError::Refused(Refusal::User(refusal)));
            }
            Next::AskReservation(id, command) => {
                let asked = request.step::<EmailReservation>(id, command, None).await;
                heard(asked, Answer::ReservationRefused)?
            }
            Next::AskUser(id, command @ user::Command::FenceReservation { .. }) => {
                heard(request.step::<User>(id, command, None).await, Answer::UserRefused)?
            }
            Next::AskUser(_, command) => {
                let asked = request.send_for::<User>(user, command, content).await;
                taken = asked.as_ref().ok().copied();
                heard(asked, Answer::UserRefused)?
            }
        };
        way.answered(answer);
    }
    tracing::error!(%user, "the way to an e-mail address did not end");
    Err(Fault::OutcomeUnknown.into())
}

/// What came back as the acquisition hears of it; a fault ends the walk.
fn heard<X>(asked: Outcome<X>, refused: impl FnOnce(X) -> Answer) -> Result<Answer, Fault> {
    match asked {
        Ok(_) => Ok(Answer::Done),
        Err(AskError::Refused(refusal)) => Ok(refused(refusal)),
        Err(AskError::Fault(fault)) => Err(fault),
    }
}
