//! The refusals of products, price lists and stock items as clients see them: where a number says more than
//! the code, and which input is at fault.

use crate::errors::{
    CustomerLimitReached, HoldOfOrder, InsufficientStock, QuantityOutOfRange, StaleCount,
    UserError, path_of,
};
use crate::ids::PublicOrderId;
use application::{price_lists, stock, transfers};
use domain::aggregate::Refusal as _;
use domain::products::{price_list, product, stock_item};

impl From<product::Refusal> for UserError {
    fn from(refusal: product::Refusal) -> Self {
        use product::Refusal;
        let path: &[&str] = match &refusal {
            Refusal::InvalidText(text) => return Self::text(text),
            Refusal::NotFound => &["productId"],
            Refusal::InvalidLanguage { .. } => &["language"],
            Refusal::InvalidSku { .. } | Refusal::SkuTaken { .. } => &["sku"],
            Refusal::VariantNotFound | Refusal::VariantConflict => &["variantId"],
            Refusal::InvalidPrice { .. } => &["price"],
            Refusal::LastPrice => &["variantId"],
            Refusal::AlreadyExists
            | Refusal::IllegalTransition { .. }
            | Refusal::NothingToSell
            | Refusal::TooMany { .. } => &[],
        };
        Self::plain(refusal.code(), &refusal, path)
    }
}

impl From<price_list::Refusal> for UserError {
    fn from(refusal: price_list::Refusal) -> Self {
        use price_list::Refusal;
        let path: &[&str] = match &refusal {
            Refusal::InvalidText(text) => return Self::text(text),
            Refusal::NotFound => &["priceListId"],
            Refusal::OnOtherTerms { .. } => &[],
        };
        Self::plain(refusal.code(), &refusal, path)
    }
}

impl From<price_lists::Refusal> for UserError {
    fn from(refusal: price_lists::Refusal) -> Self {
        use price_lists::Refusal;
        match refusal {
            Refusal::List(refusal) => refusal.into(),
            Refusal::Product(refusal) => refusal.into(),
            Refusal::Money(_) | Refusal::Unsaid => {
                Self::plain(refusal.code(), &refusal, &["currency"])
            }
        }
    }
}

impl From<stock_item::Refusal> for UserError {
    fn from(refusal: stock_item::Refusal) -> Self {
        use stock_item::Refusal;
        let (code, message) = (refusal.code().to_owned(), refusal.to_string());
        use crate::scalars::Long;
        let path: &[&str] = match &refusal {
            Refusal::InvalidText(text) => return Self::text(text),
            Refusal::InsufficientStock { available, requested } => {
                return Self::InsufficientStock(InsufficientStock {
                    code,
                    message,
                    path: path_of(&["quantity"]),
                    available: Long(*available),
                    requested: Long(*requested),
                });
            }
            Refusal::InvalidQuantity { min, max, .. } => {
                return Self::QuantityOutOfRange(QuantityOutOfRange {
                    code,
                    message,
                    path: path_of(&["quantity"]),
                    minimum: Long(*min),
                    maximum: Long(*max),
                });
            }
            Refusal::CustomerLimit { limit, held } => {
                return Self::CustomerLimitReached(CustomerLimitReached {
                    code,
                    message,
                    path: path_of(&["quantity"]),
                    limit: Long(*limit),
                    held: Long(*held),
                });
            }
            Refusal::StaleCount { expected, actual } => {
                return Self::StaleCount(StaleCount {
                    code,
                    message,
                    path: path_of(&["from"]),
                    expected: Long(*expected),
                    actual: Long(*actual),
                });
            }
            Refusal::HoldOfOrder { order } => {
                let order_id = PublicOrderId::from(*order);
                return Self::HoldOfOrder(HoldOfOrder {
                    code,
                    message: format!(
                        "the hold is for {order_id}: its checkout moves it until the order is \
                         confirmed, shipHold ships it then, and nothing else takes it away"
                    ),
                    path: path_of(&["holdId"]),
                    order_id,
                });
            }
            Refusal::NotOpen => &["variantId"],
            Refusal::InvalidDuration { .. } => &["duration"],
            Refusal::HoldNotFound
            | Refusal::HoldExpired
            | Refusal::HoldConflict
            | Refusal::WrongPhase { .. }
            | Refusal::HoldEnded { .. }
            | Refusal::TooManyExtensions { .. } => &["holdId"],
            Refusal::WrongIdentity
            | Refusal::TooMany
            | Refusal::ExpiryBacklog
            | Refusal::TransferNotFound
            | Refusal::TransferConflict
            | Refusal::TransferRefused
            | Refusal::TransferArrived => &[],
        };
        Self::plain(&code, &message, path)
    }
}

impl From<stock::Refusal> for UserError {
    fn from(refusal: stock::Refusal) -> Self {
        match refusal {
            stock::Refusal::Stock(refusal) => refusal.into(),
            stock::Refusal::Location(refusal) => refusal.into(),
        }
    }
}

impl From<transfers::Refusal> for UserError {
    fn from(refusal: transfers::Refusal) -> Self {
        use transfers::Refusal;
        match refusal {
            Refusal::SameLocation | Refusal::DestinationNotOpen | Refusal::DestinationClosed => {
                Self::plain(refusal.code(), &refusal, &["toLocationId"])
            }
            Refusal::NotMoved { .. } => Self::plain(refusal.code(), &refusal, &[]),
            Refusal::Stock(refusal) => refusal.into(),
        }
    }
}
