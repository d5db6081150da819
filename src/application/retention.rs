//! Erasing by rule: whoever a rule of the configuration is about is erased as [`erasure`] erases anybody, by the
//! system, with the name of the rule as the reason. Asks again whether it is time: the row that says so may be old.

use std::sync::Arc;
use std::time::Duration;

use crate::Application;
use crate::caller::Caller;
use crate::erasure::{self, Whom};
use crate::request::Request;
use actors::aggregate_ref::{AskError, Fault};
use auth::{Forgets, Grants, Identity, Principal};
use domain::access::user::{Standing, Status, User};
use domain::commerce::order::{self, Buyer, Order, guest_person};
use domain::id::{AggregateId, CustomerId};
use domain::question::Whole;
use domain::sealed::PersonId;
use projections::plan::Slice;
use projections::table::Row as _;
use projections::tables::orders::{Row, of_buyer};
use projections::timers::Rule;

/// What came of it; the reason where it was refused.
pub type Done = Result<(), AskError<String>>;

/// Erases whom a rule is about: a user, the guest of an order. `since_us`: what was over by then is up.
pub async fn erase(
    application: &Application,
    sign_ins: &Arc<dyn Forgets>,
    rule: Rule,
    of: AggregateId,
    since_us: i64,
) -> Done {
    let name = match rule {
        Rule::ClosedUsers => "retention.closed_users_days",
        Rule::Guests => "retention.guests_days",
    };
    let identity = Identity::system(name);
    let principal = Principal { identity, grants: Arc::new(Grants::everything()) };
    let caller = Caller { principal, correlation_id: of.0, trace: None };
    let request = Request::new(application, &caller, None, None).map_err(AskError::Fault)?;
    let erase = async |whom| {
        let erased = erasure::erase(&request, Some(sign_ins), whom, name.to_owned()).await;
        erased.map(|_| ()).map_err(|error| refused_with(error, |refusal| format!("{refusal:?}")))
    };
    match rule {
        Rule::ClosedUsers => {
            let standing = request.aggregate::<User>(of).read(&Standing).await;
            match standing.map_err(AskError::Fault)?.answer {
                Some(Status::Closed) => erase(Whom::User(of)).await,
                _ => Err(AskError::Refused("the account is not closed".to_owned())),
            }
        }
        Rule::Guests => {
            let guest = guest_of(&request, of).await?;
            if is_up(&request, guest, since_us).await.map_err(AskError::Fault)? {
                erase(Whom::Guest(guest)).await?;
            }
            // Whatever keeps him has a time of its own.
            let released = request.send::<Order>(of, order::Command::ReleaseBuyer).await;
            let refused = |refusal: order::Refusal| refusal.to_string();
            released.map(|_| ()).map_err(|error| refused_with(error, refused))
        }
    }
}

/// Whom an order that is over was of, who did not register.
async fn guest_of(request: &Request<'_>, order: AggregateId) -> Result<PersonId, AskError<String>> {
    let order = request.aggregate::<Order>(order).read(&Whole).await;
    let order = order.map_err(AskError::Fault)?.answer;
    match order.buyer() {
        Some(Buyer::Guest { email }) if order.status.is_over() => Ok(guest_person(&email.index)),
        _ => Err(AskError::Refused("this is no guest's order that is over".to_owned())),
    }
}

/// Whether all orders of a guest were over by then, as far as the logs go now.
async fn is_up(request: &Request<'_>, guest: PersonId, since_us: i64) -> Result<bool, Fault> {
    let Application { engine, views } = request.application;
    let unknown =
        |_| Fault::unavailable("how far the logs go cannot be read", Duration::from_secs(1));
    engine.services.look_at_heads().await.map_err(unknown)?;
    let heads = engine.services.feed.heads();
    let branches = vec![of_buyer(CustomerId(guest.0))];
    let last = Slice { branches, descending: true, after: None, rows: 1 };
    let page = views.orders.page(Some(&heads), false, &last).await?;
    let last = page.rows.first().and_then(|stored| Row::read(&stored.values));
    Ok(last.is_some_and(|row| row.over_us.is_some_and(|over_us| over_us <= since_us)))
}

fn refused_with<X>(error: AskError<X>, say: impl FnOnce(X) -> String) -> AskError<String> {
    match error {
        AskError::Refused(refusal) => AskError::Refused(say(refusal)),
        AskError::Fault(fault) => AskError::Fault(fault),
    }
}
