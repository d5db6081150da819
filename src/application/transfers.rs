//! Stock moved from one location to another. The transfer carries itself through, whoever asked:
//! this file begins it, waits for its end, and says what came of it.

use crate::request::Request;
use crate::stock::is_closed;
use actors::aggregate_ref::{AskError, Fault};
use actors::core::Committed;
use domain::aggregate;
use domain::id::{LocationId, TransferId, VariantId};
use domain::products::location;
use domain::products::stock_item::{self, IsOpen, MayBeSent, StockItem, stock_item_id};
use domain::question::{Version, Whole};
use sagas::transfer::{self, Command, Goods, IsOver, Phase, Transfer, Why, saga_id};
use std::fmt;

/// What to move.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wanted {
    pub variant: VariantId,
    pub from: LocationId,
    pub to: LocationId,
    pub quantity: i64,
}

/// Why nothing was moved.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    SameLocation,
    /// No stock of this variant is kept there.
    DestinationNotOpen,
    /// It takes nothing in any more.
    DestinationClosed,
    Stock(stock_item::Refusal),
    /// One side refused for another reason, it was given up, or somebody aborted it.
    NotMoved {
        code: String,
        message: String,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SameLocation => transfer::Refusal::SameLocation.fmt(formatter),
            Self::DestinationNotOpen => stock_item::Refusal::NotOpen.fmt(formatter),
            Self::DestinationClosed => location::Refusal::Closed.fmt(formatter),
            Self::Stock(refusal) => refusal.fmt(formatter),
            Self::NotMoved { message, .. } => formatter.write_str(message),
        }
    }
}

impl Refusal {
    /// The stable code that clients see.
    pub fn code(&self) -> &str {
        use aggregate::Refusal as _;
        match self {
            Self::SameLocation => transfer::Refusal::SameLocation.code(),
            Self::DestinationNotOpen => stock_item::Refusal::NotOpen.code(),
            Self::DestinationClosed => location::Refusal::Closed.code(),
            Self::Stock(refusal) => refusal.code(),
            Self::NotMoved { code, .. } => code,
        }
    }
}

impl From<Why> for Refusal {
    fn from(why: Why) -> Self {
        match why.stock_refusal() {
            Some(refusal) => Self::Stock(refusal),
            None => Self::NotMoved { code: why.code().to_owned(), message: why.to_string() },
        }
    }
}

/// Moves stock to a location where it is kept already, and waits for the end of it, at most the
/// node's deadline: then the outcome is unknown, the transfer goes on, and asking again with the
/// same key waits for it again. Success says where the arrival stands in the log, or what came to
/// the same shelf behind it. The transfer's id follows from the key.
pub async fn transfer(
    request: &Request<'_>,
    wanted: Wanted,
) -> Result<(TransferId, Committed), AskError<Refusal>> {
    let Wanted { variant, from, to, quantity } = wanted;
    if from == to {
        return Err(AskError::Refused(Refusal::SameLocation));
    }
    // What was opened stays open, so behind this the destination can only refuse for good.
    let destination = request.aggregate::<StockItem>(stock_item_id(variant, to));
    if !destination.read(&IsOpen).await?.answer {
        return Err(AskError::Refused(Refusal::DestinationNotOpen));
    }
    let transfer = TransferId(request.new_id::<Transfer>("transferStock").await?.0);
    let goods = Goods { transfer, variant, from, to, quantity };
    let saga = request.aggregate::<Transfer>(saga_id(transfer));
    if matches!(saga.read(&Whole).await?.answer.phase, Phase::NotStarted | Phase::Refused) {
        if is_closed(request, to) {
            return Err(AskError::Refused(Refusal::DestinationClosed));
        }
        may_be_sent(request, &goods).await?;
    }
    start(request, goods).await?;
    request.end_of_dry_run()?;
    let patience = request.application.engine.services.deadline();
    saga.wait_until(&IsOver, patience).await?;
    let state = saga.read(&Whole).await?.answer;
    match (state.phase, state.why) {
        (Phase::Completed, _) => {
            let arrived = destination.read(&Version).await?;
            let (version, shard, seq) = (arrived.version, arrived.shard, arrived.seq);
            Ok((transfer, Committed { version, shard, seq }))
        }
        (Phase::Refused | Phase::Cancelled, Some(why)) => Err(AskError::Refused(why.into())),
        _ => Err(Fault::OutcomeUnknown.into()),
    }
}

/// Asks the rules of the source beforehand, so that what they refuse leaves no trace. What changes
/// between this and the sending, the transfer finds out.
async fn may_be_sent(request: &Request<'_>, goods: &Goods) -> Result<(), AskError<Refusal>> {
    let Goods { transfer, variant, from, to, quantity } = *goods;
    let source = request.aggregate::<StockItem>(stock_item_id(variant, from));
    let may_be_sent = source.read(&MayBeSent { transfer, to, quantity }).await?.answer;
    may_be_sent.map_err(|refusal| AskError::Refused(Refusal::Stock(refusal)))
}

/// Begins it, unless an earlier try did. It needs no key: the transfer knows its goods.
async fn start(request: &Request<'_>, goods: Goods) -> Result<(), AskError<Refusal>> {
    let asked = request.step::<Transfer>(saga_id(goods.transfer), Command::Start { goods }, None);
    match asked.await {
        Ok(_) => Ok(()),
        Err(AskError::Fault(fault)) => Err(fault.into()),
        Err(AskError::Refused(transfer::Refusal::AlreadyStarted)) => Err(Fault::KeyReused.into()),
        Err(AskError::Refused(transfer::Refusal::InvalidQuantity { quantity, min, max })) => {
            let refusal = stock_item::Refusal::InvalidQuantity { quantity, min, max };
            Err(AskError::Refused(Refusal::Stock(refusal)))
        }
        Err(AskError::Refused(refusal)) => {
            use aggregate::Refusal as _;
            let (code, message) = (refusal.code().to_owned(), refusal.to_string());
            Err(AskError::Refused(Refusal::NotMoved { code, message }))
        }
    }
}
