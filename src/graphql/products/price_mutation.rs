//! What may be done to price lists, and to the prices that stand in them.

use async_graphql::{Context, InputObject, Object};

use super::mutation::{ProductPayload, about};
use super::{PriceListNode, PriceMode};
use crate::errors::UserError;
use crate::ids::{PublicPriceListId, PublicProductId, PublicVariantId};
use crate::mutation::{Answer, Payload, change, inputs, made, mutations, payload, request};
use crate::scalars::{Long, MoneyInput};
use application::price_lists::{self, WantedList};
use domain::money::Currency;
use domain::products::price_list::{Command, PriceList, Terms};
use domain::products::product::Product;

payload! {
    PriceListPayload { price_list: PriceListNode = PriceList }
}

#[derive(InputObject)]
pub struct OpenPriceListInput {
    pub name: String,
    /// ISO 4217, upper case; every price in the list is in it.
    pub currency: String,
    /// Whether tax is inside its prices. Neither this nor the currency ever changes.
    pub price_mode: PriceMode,
    /// Whether it is the list that is meant where none is named. Each currency has one; where nobody
    /// opened it, the first price in the currency does, with net prices.
    #[graphql(default)]
    pub is_default: bool,
    pub idempotency_key: String,
    /// Does nothing, and says what it would do.
    #[graphql(default)]
    pub dry_run: bool,
}

inputs! {
    PriceList { price_list_id: PublicPriceListId } |input| input.price_list_id.into();
    { expected_version: Option<Long>, idempotency_key: Option<String> };

    RenamePriceListInput {
        name: String
    }
}

inputs! {
    Product { product_id: PublicProductId } |input| input.product_id.into();
    { expected_version: Option<Long>, idempotency_key: String };

    SetPriceInput {
        variant_id: PublicVariantId,
        /// Of one unit; tax is inside or comes on top as the price list says.
        price: MoneyInput,
        /// The default list of the currency, unless it is said.
        price_list_id: Option<PublicPriceListId>
    }
    RemovePriceInput {
        variant_id: PublicVariantId,
        /// ISO 4217, upper case: its default list is meant, unless `priceListId` says another.
        currency: Option<String>,
        price_list_id: Option<PublicPriceListId>
    }
}

mutations! { PriceListCommands {
    fn rename_price_list(input: RenamePriceListInput) -> PriceListPayload =
        Command::Rename { name: input.name };
} }

#[derive(Default)]
pub struct PriceUseCases;

#[Object]
impl PriceUseCases {
    /// Opens a price list, net or gross, for ever. Success too when it is there on the same terms.
    async fn open_price_list(
        &self,
        context: &Context<'_>,
        input: OpenPriceListInput,
    ) -> Answer<PriceListPayload> {
        let currency = match Currency::from_code(&input.currency) {
            Ok(currency) => currency,
            Err(error) => return Ok(Some(PriceListPayload::refused(about("currency")(error)))),
        };
        let terms = Terms { currency, mode: input.price_mode.into() };
        let request = request(context, Some(input.idempotency_key), None)?.rehearsed(input.dry_run);
        made(price_lists::open(&request, input.name, terms, input.is_default).await)
    }

    /// Sets the price of a variant in a price list.
    async fn set_price(
        &self,
        context: &Context<'_>,
        mut input: SetPriceInput,
    ) -> Answer<ProductPayload> {
        let target = input.target(context).await?;
        let id = target.id;
        let amount = match input.price.read() {
            Ok(amount) => amount,
            Err(error) => {
                return Ok(Some(ProductPayload::new(id, Err(about("price")(error).into()))));
            }
        };
        let (variant, list) = (input.variant_id.into(), input.price_list_id.map(Into::into));
        let request = target.request(context)?;
        let set = price_lists::set_price(&request, id, variant, list, amount).await;
        let set = change(set)?.map_err(|error| error.at("currency", "price"));
        Ok(Some(ProductPayload::new(id, set)))
    }

    /// Ends the sale of a variant at the prices of a list.
    async fn remove_price(
        &self,
        context: &Context<'_>,
        mut input: RemovePriceInput,
    ) -> Answer<ProductPayload> {
        let target = input.target(context).await?;
        let id = target.id;
        let wanted = match wanted_list(input.price_list_id, input.currency.as_deref()) {
            Ok(wanted) => wanted,
            Err(error) => return Ok(Some(ProductPayload::new(id, Err(error.into())))),
        };
        let request = target.request(context)?;
        let removed =
            price_lists::remove_price(&request, id, input.variant_id.into(), wanted).await;
        Ok(Some(ProductPayload::new(id, change(removed)?)))
    }
}

/// The list that two inputs mean together.
pub(crate) fn wanted_list(
    list: Option<PublicPriceListId>,
    currency: Option<&str>,
) -> Result<WantedList, UserError> {
    let currency = currency.map(Currency::from_code).transpose().map_err(about("currency"))?;
    Ok(WantedList { list: list.map(Into::into), currency })
}
