//! What a saga is: an aggregate that remembers how far it is, and pure rules that say what to do
//! next and what each answer means. Performs nothing; one driver runs them all.
//!
//! A saga always ends, whoever began it and whatever died meanwhile: what it knows is in its own
//! log, and each of its steps may be performed any number of times. A step that fails is tried
//! again after a pause; one that is refused turns the saga towards its undoing; an undoing that
//! fails for long stalls it and calls for an operator.

use std::borrow::Cow;
use std::fmt::Debug;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::checkout::Checkout;
use crate::job::{Task, Worked};
use domain::aggregate::Aggregate;
use domain::commerce::order::Order;
use domain::commerce::payment::PaymentOutcome;
use domain::id::AggregateId;
use domain::money::Money;
use domain::products::stock_item::StockItem;
use domain::question::Bounded;

/// A kind of saga.
pub trait Saga: Bounded + Aggregate<Command: PartialEq> {
    /// One thing to do; safe to repeat.
    type Step: Clone + Debug + PartialEq + Send + Sync + 'static;

    /// The kind of aggregate whose events call for one of these; the saga itself where whoever
    /// wants one starts it by a command.
    type Cause: Bounded;

    /// The name of the view of those that are open: ASCII, at most 32 bytes.
    const OPEN: &'static str;
    /// Raise it when [`news`](Self::news) or [`called_for`](Self::called_for) change: the view of
    /// those that are open is rebuilt.
    const OPEN_SCHEMA: u32;

    /// What is to be done at this time; the same for the same state and time, however often asked.
    fn next(state: &Self::State, now: DateTime<Utc>) -> Next<Self::Step>;

    /// To whom a step speaks, what it says, and what each answer means.
    fn request(step: &Self::Step) -> Request<Self::Command>;

    /// Records that a step of the present row could not be performed, or nobody knows. `error`: the code
    /// of what it met.
    fn failed(state: &Self::State, error: String) -> Self::Command;

    /// An operator mended what one waits for, or what it stalled at: it is tried again now.
    fn retry() -> Self::Command;

    /// Somebody wants it ended.
    fn abort(reason: String) -> Self::Command;

    /// What an event means to whoever follows sagas.
    fn news(event: &Self::Event) -> News<'_>;

    /// Where it stands, in the words of people: the step that it is at, or its end.
    fn at(state: &Self::State) -> &'static str;

    /// Steps of the present row that may be under way at once. One: each waits for the one before.
    fn at_once(state: &Self::State) -> usize {
        let _ = state;
        1
    }

    /// Whether the row of `state` may be performed while the records that lead to it from `durable`
    /// are being written. They may be lost, by a crash or because somebody ended the saga first:
    /// then the saga goes on from `durable`, and from there everything that the row did must be
    /// found done, or be undone. Asked only while no other driver can act.
    fn runs_ahead(durable: &Self::State, state: &Self::State) -> bool {
        let _ = (durable, state);
        false
    }

    /// Which saga an event of its cause calls for, or calls for no more.
    fn called_for(
        cause: AggregateId,
        event: &<Self::Cause as Aggregate>::Event,
    ) -> Option<(AggregateId, Called)> {
        let _ = (cause, event);
        None
    }

    /// The command that starts the saga that its cause calls for; none where it does so no more.
    fn start(
        cause: AggregateId,
        state: &<Self::Cause as Aggregate>::State,
    ) -> Option<Self::Command> {
        let _ = (cause, state);
        None
    }

    /// What to record when a payment provider says something of its own accord.
    fn noticed(reference: &str, outcome: &PaymentOutcome) -> Option<(AggregateId, Self::Command)> {
        let _ = (reference, outcome);
        None
    }
}

/// What a driver does now.
#[derive(Clone, Debug, PartialEq)]
pub enum Next<S> {
    /// This row of steps, in this order. The first whose answer [ends the row](Outcome::EndsRow)
    /// is recorded; when all went on, that is recorded once; when one fails otherwise,
    /// [`Saga::failed`] is.
    Do(Vec<S>),
    /// Nothing before this time. It was so long ahead when it was set: whoever has waited that long
    /// goes on, whatever became of the clock meanwhile.
    Wait { until: DateTime<Utc>, pause: Duration },
    /// It was undone in vain for so long that an operator has to look: see [`Saga::retry`].
    Stalled,
    /// Nothing any more, or nothing yet.
    Done,
}

/// What an answer means for its row, with what is to be recorded.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome<C> {
    /// If it was the last step of the row, this is recorded.
    GoesOn(C),
    /// The other steps of the row do not matter any more.
    EndsRow(C),
    /// It may have happened or not; the row is tried again. With the code of what was met.
    Failed(String),
}

/// What one kind of answer means.
pub type Then<T, C> = Box<dyn FnOnce(T) -> Outcome<C> + Send>;

/// A command to an aggregate, and what success and refusal of it mean.
pub struct Call<A: Aggregate, C> {
    pub to: AggregateId,
    pub command: A::Command,
    pub then: Then<Result<(), A::Refusal>, C>,
}

/// All that sagas may ask for. No answer, or one that nobody knows, is [`Outcome::Failed`].
pub enum Request<C> {
    Stock(Call<StockItem, C>),
    Order(Call<Order, C>),
    Checkout(Call<Checkout, C>),
    /// Asks the payment provider to reserve an amount.
    Authorize {
        reference: String,
        amount: Money,
        then: Then<PaymentOutcome, C>,
    },
    /// Asks the payment provider what it knows.
    QueryPayment {
        reference: String,
        then: Then<PaymentOutcome, C>,
    },
    /// After this no authorisation of the reference stands, nor can one come to: the provider
    /// remembers the void of a reference that it has not heard of.
    VoidPayment {
        reference: String,
        then: Then<(), C>,
    },
    /// Has a slice of a job done that begins at this mark, `done` of `total` behind the ones before. Whoever has it
    /// done twice gets the same.
    Work {
        job: AggregateId,
        task: Task,
        mark: u64,
        done: u64,
        total: u64,
        then: Then<Worked, C>,
    },
    /// Has removed what came of a job that had come to this mark.
    UndoWork {
        job: AggregateId,
        task: Task,
        mark: u64,
        then: Then<(), C>,
    },
}

/// What an event of a saga means to whoever follows sagas. Steps are named as people know them.
#[derive(Clone, Debug, PartialEq)]
pub enum News<'a> {
    /// It was started, by this cause if it has one.
    Started {
        cause: Option<AggregateId>,
    },
    /// A step is done; the next one follows.
    Done {
        step: &'static str,
    },
    /// A step failed, and is tried again at this time.
    Failed {
        step: &'static str,
        next_at: DateTime<Utc>,
        error: &'a str,
    },
    /// It turns back, and undoes what it did: a step was refused, or it is to end for another reason.
    TurnedBack {
        step: Option<&'static str>,
        error: Cow<'a, str>,
    },
    /// It waits for an operator.
    Stalled {
        step: &'static str,
        error: &'a str,
    },
    /// It waits for nothing any more.
    Resumed,
    Over {
        step: &'static str,
        end: End,
    },
}

/// How a saga ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It did what it was for.
    Completed,
    /// Nothing of it is left.
    Compensated,
}

/// Whether a saga is called for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Called {
    For,
    NoMore,
}

/// How often something is tried, and with which pauses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retries {
    pub attempts_max: u32,
    /// Pauses begin with a second and double up to this.
    pub pause_seconds_max: i64,
}

impl Retries {
    /// The number of failed tries and the time of the next one; nothing when it was tried often
    /// enough.
    pub fn again(&self, failed: u32, now: DateTime<Utc>) -> Option<(u32, DateTime<Utc>)> {
        let attempt = failed.saturating_add(1);
        if attempt >= self.attempts_max {
            return None;
        }
        Some((attempt, now.checked_add_signed(self.pause(attempt)).unwrap_or(now)))
    }

    /// How long is waited after a try has failed for the `attempt`th time.
    fn pause(&self, attempt: u32) -> TimeDelta {
        let doublings = attempt.saturating_sub(1).min(30);
        TimeDelta::seconds((1_i64 << doublings).min(self.pause_seconds_max))
    }

    /// What keeps a saga that stands so from its next step now, if anything does.
    pub fn hold_back<S>(&self, standing: Standing, now: DateTime<Utc>) -> Option<Next<S>> {
        let Standing { is_over, stalled, attempts, next_at } = standing;
        if is_over {
            return Some(Next::Done);
        }
        if stalled {
            return Some(Next::Stalled);
        }
        let until = next_at.filter(|until| now < *until)?;
        let pause = self.pause(attempts).to_std().unwrap_or_default();
        Some(Next::Wait { until, pause })
    }
}

/// Where a saga stands between two steps, whatever its kind.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    pub is_over: bool,
    /// It waits for an operator.
    pub stalled: bool,
    /// Failed tries of the present phase.
    pub attempts: u32,
    /// Not before this time is the present phase tried again.
    pub next_at: Option<DateTime<Utc>>,
}
