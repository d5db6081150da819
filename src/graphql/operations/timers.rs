//! Timers as operators see them: what waits for its time, fired before that or kept from it.

use async_graphql::{Context, Enum, ID, InputObject, Object, Result};
use uuid::Uuid;

use crate::context::application;
use crate::dry_run::DryRun;
use crate::errors::{UserError, fault};
use crate::ids;
use crate::mutation::{Change, change, foretold, position_of, refusals, request};
use crate::positions::PositionToken;
use crate::scalars::{Instant, micros};
use actors::waiting::{self, Waiting, Wish};
use application::timers;
use domain::id::AggregateId;
use projections::table::Key;
use projections::timers::{
    ClosedUserRetention, DraftExpiry, GuestRetention, HoldExpiry, Timer as _,
};

/// What is done when a time has come.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerKind {
    /// A hold that nobody made good is given back.
    HoldExpiry,
    /// A draft that nobody came back to ends.
    DraftExpiry,
    /// A user whose account is closed is erased (`retention.closed_users_days`).
    ClosedUserRetention,
    /// The guest of an order that is over is erased, unless another order of his is not, or for a shorter time
    /// (`retention.guests_days`).
    GuestRetention,
}

impl TimerKind {
    const ALL: [Self; 4] =
        [Self::HoldExpiry, Self::DraftExpiry, Self::ClosedUserRetention, Self::GuestRetention];

    fn name(self) -> &'static str {
        match self {
            Self::HoldExpiry => HoldExpiry::NAME,
            Self::DraftExpiry => DraftExpiry::NAME,
            Self::ClosedUserRetention => ClosedUserRetention::NAME,
            Self::GuestRetention => GuestRetention::NAME,
        }
    }
}

/// Something that waits for its time.
pub struct Timer(Waiting);

#[Object]
impl Timer {
    async fn kind(&self) -> Option<TimerKind> {
        TimerKind::ALL.into_iter().find(|kind| kind.name() == self.0.timer)
    }

    /// The kind of aggregate that it is of: `order`, `stock_item`, …
    async fn aggregate_type(&self) -> &'static str {
        self.0.kind
    }

    /// The UUID within the kind: an id without its prefix.
    async fn aggregate_id(&self) -> Uuid {
        self.0.key.id.0
    }

    /// Of what within the aggregate, where it is of a part: a hold of a stock item.
    async fn part_id(&self) -> Option<Uuid> {
        Some(self.0.key.part).filter(|part| !part.is_nil())
    }

    /// The aggregate's id for clients.
    async fn id(&self) -> Option<ID> {
        ids::public(self.0.kind, self.0.key.id).map(ID::from)
    }

    async fn due_at(&self) -> Option<Instant> {
        micros(self.0.due_us)
    }
}

/// Those that wait, at most so many of each kind.
pub async fn listed(context: &Context<'_>, first: i32) -> Result<Vec<Timer>> {
    let first = u32::try_from(first).unwrap_or(0);
    let listed = application(context).views.registry().waiting_timers(first).await;
    Ok(listed.map_err(|error| fault(&error))?.into_iter().map(Timer).collect())
}

#[derive(InputObject)]
pub struct TimerInput {
    pub kind: TimerKind,
    pub aggregate_id: Uuid,
    /// As `partId` of the timer says, where it has one.
    pub part_id: Option<Uuid>,
    pub idempotency_key: Option<String>,
    /// Does nothing, and says what it would do.
    #[graphql(default)]
    pub dry_run: bool,
}

pub struct TimerPayload(Change);

/// What came of an operator's wish.
#[Object]
impl TimerPayload {
    /// Where it stands in the log.
    async fn position(&self) -> Option<PositionToken> {
        self.0.as_ref().ok().map(position_of)
    }

    /// Why nothing was done; empty if it was.
    async fn user_errors(&self) -> Vec<UserError> {
        refusals(&self.0)
    }

    /// What a dry run says would be done; null if it was none, or would be refused.
    async fn dry_run(&self) -> Option<DryRun> {
        foretold(&self.0)
    }
}

#[derive(Default)]
pub struct TimersMutation;

#[Object]
impl TimersMutation {
    /// Has done at once what is done when a time has come: the hold is given back, the draft ends. What was due
    /// already and is tried again after a pause is tried now. Nobody is erased by it: `erasePerson` does that.
    async fn fire_timer(
        &self,
        context: &Context<'_>,
        input: TimerInput,
    ) -> Result<Option<TimerPayload>> {
        tell(context, input, Wish::Fire).await
    }

    /// Keeps a time from coming: the hold becomes a promise that does not expire. Drafts always end.
    async fn cancel_timer(
        &self,
        context: &Context<'_>,
        input: TimerInput,
    ) -> Result<Option<TimerPayload>> {
        tell(context, input, Wish::Cancel).await
    }
}

async fn tell(
    context: &Context<'_>,
    input: TimerInput,
    wish: Wish,
) -> Result<Option<TimerPayload>> {
    let TimerInput { kind, aggregate_id, part_id, idempotency_key, dry_run } = input;
    let key = Key { id: AggregateId(aggregate_id), part: part_id.unwrap_or_default() };
    let request = request(context, idempotency_key, None)?.rehearsed(dry_run);
    let told = timers::tell(&request, kind.name(), key, wish).await;
    Ok(Some(TimerPayload(change(told)?)))
}

impl From<waiting::Refusal> for UserError {
    fn from(refusal: waiting::Refusal) -> Self {
        match refusal {
            waiting::Refusal::NotFound => {
                Self::plain("TIMER_NOT_FOUND", "nothing of this waits for a time", &["aggregateId"])
            }
            waiting::Refusal::Fixed => Self::plain(
                "CANCELLATION_NOT_SUPPORTED",
                "the time of these always comes",
                &["kind"],
            ),
            waiting::Refusal::NotSooner => Self::plain(
                "FIRING_NOT_SUPPORTED",
                "whom a rule erases later, erasePerson erases now",
                &["kind"],
            ),
            waiting::Refusal::Refused { code, message } => Self::plain(code, message, &[]),
        }
    }
}
