//! What may be done to products.

use async_graphql::{Context, InputObject, Object, Result};

use super::ProductNode;
use crate::context::{Ask, payload};
use crate::errors::UserError;
use crate::ids::{PublicProductId, PublicVariantId};
use crate::scalars::{Long, MoneyInput};
use domain::money::{Currency, MoneyError, Rate};
use domain::products::product::{Command, Product};

payload! {
    ProductPayload { product: ProductNode = Product }
}

pub struct AddVariantPayload {
    variant: PublicVariantId,
    payload: ProductPayload,
}

/// Beside the product, the id of its new variant.
#[Object]
impl AddVariantPayload {
    /// Null if nothing was done.
    async fn variant_id(&self) -> Option<PublicVariantId> {
        self.payload.is_done().then_some(self.variant)
    }

    #[graphql(flatten)]
    async fn payload(&self) -> &ProductPayload {
        &self.payload
    }
}

#[derive(InputObject)]
pub struct CreateProductInput {
    pub name: String,
    /// What kind of product it is; products are listed by it.
    pub family: String,
    #[graphql(default)]
    pub description: String,
    pub idempotency_key: Option<String>,
}

#[derive(InputObject)]
pub struct ReviseProductInput {
    pub product_id: PublicProductId,
    pub name: String,
    pub family: String,
    pub description: String,
    /// Required: a revision replaces what it has not seen otherwise.
    pub expected_version: Long,
    pub idempotency_key: Option<String>,
}

#[derive(InputObject)]
pub struct AddVariantInput {
    pub product_id: PublicProductId,
    /// 1 to 64 visible ASCII characters, unique within the product.
    pub sku: String,
    pub name: String,
    pub expected_version: Option<Long>,
    pub idempotency_key: Option<String>,
}

#[derive(InputObject)]
pub struct SetPriceInput {
    pub product_id: PublicProductId,
    pub variant_id: PublicVariantId,
    /// Net, of one unit.
    pub price: MoneyInput,
    pub expected_version: Option<Long>,
    pub idempotency_key: String,
}

#[derive(InputObject)]
pub struct RemovePriceInput {
    pub product_id: PublicProductId,
    pub variant_id: PublicVariantId,
    /// ISO 4217, upper case.
    pub currency: String,
    pub expected_version: Option<Long>,
    pub idempotency_key: String,
}

#[derive(InputObject)]
pub struct SetTaxRateInput {
    pub product_id: PublicProductId,
    /// 190000 is 19 %.
    pub millionths: u32,
    pub expected_version: Option<Long>,
    pub idempotency_key: String,
}

#[derive(InputObject)]
pub struct ProductInput {
    pub product_id: PublicProductId,
    pub expected_version: Option<Long>,
    pub idempotency_key: Option<String>,
}

#[derive(Default)]
pub struct ProductsMutation;

type Payload<T> = Result<Option<T>>;

#[Object]
impl ProductsMutation {
    /// Creates a product, as a draft without variants.
    async fn create_product(
        &self,
        context: &Context<'_>,
        input: CreateProductInput,
    ) -> Payload<ProductPayload> {
        let ask = Ask::new(context, input.idempotency_key, None)?;
        let id = ask.new_id("createProduct");
        let (name, family, description) = (input.name, input.family, input.description);
        let change = ask.send::<Product>(id, Command::Create { name, family, description }).await?;
        Ok(Some(ProductPayload::new(id, change)))
    }

    /// Changes how a product is described.
    async fn revise_product(
        &self,
        context: &Context<'_>,
        input: ReviseProductInput,
    ) -> Payload<ProductPayload> {
        let (name, family, description) = (input.name, input.family, input.description);
        let command = Command::Revise { name, family, description };
        tell(
            context,
            input.product_id,
            Some(input.expected_version),
            input.idempotency_key,
            command,
        )
        .await
    }

    /// Adds a variant without a price.
    async fn add_variant(
        &self,
        context: &Context<'_>,
        input: AddVariantInput,
    ) -> Payload<AddVariantPayload> {
        let ask = Ask::new(context, input.idempotency_key, input.expected_version)?;
        let variant = PublicVariantId(ask.new_id("addVariant").0);
        let (sku, name) = (input.sku, input.name);
        let command = Command::AddVariant { variant: variant.into(), sku, name };
        let change = ask.send::<Product>(input.product_id.into(), command).await?;
        let payload = ProductPayload::new(input.product_id.into(), change);
        Ok(Some(AddVariantPayload { variant, payload }))
    }

    /// Sets the net list price of a variant in the currency of the price.
    async fn set_price(
        &self,
        context: &Context<'_>,
        input: SetPriceInput,
    ) -> Payload<ProductPayload> {
        let price = match input.price.read() {
            Ok(price) => price,
            Err(error) => return refused(input.product_id, money_error(&error, "price")),
        };
        let command = Command::SetPrice { variant: input.variant_id.into(), price };
        tell(
            context,
            input.product_id,
            input.expected_version,
            Some(input.idempotency_key),
            command,
        )
        .await
    }

    /// Ends the sale of a variant in a currency.
    async fn remove_price(
        &self,
        context: &Context<'_>,
        input: RemovePriceInput,
    ) -> Payload<ProductPayload> {
        let currency = match Currency::from_code(&input.currency) {
            Ok(currency) => currency,
            Err(error) => return refused(input.product_id, money_error(&error, "currency")),
        };
        let command = Command::RemovePrice { variant: input.variant_id.into(), currency };
        tell(
            context,
            input.product_id,
            input.expected_version,
            Some(input.idempotency_key),
            command,
        )
        .await
    }

    /// Sets the share of the net price that is tax, for all variants.
    async fn set_tax_rate(
        &self,
        context: &Context<'_>,
        input: SetTaxRateInput,
    ) -> Payload<ProductPayload> {
        let rate = match Rate::from_millionths(input.millionths) {
            Ok(rate) => rate,
            Err(error) => return refused(input.product_id, money_error(&error, "millionths")),
        };
        let command = Command::SetTaxRate { rate };
        tell(
            context,
            input.product_id,
            input.expected_version,
            Some(input.idempotency_key),
            command,
        )
        .await
    }

    /// Offers a product for sale; a variant must have a price.
    async fn publish_product(
        &self,
        context: &Context<'_>,
        input: ProductInput,
    ) -> Payload<ProductPayload> {
        tell_plain(context, input, Command::Publish).await
    }

    /// Takes a product out of sale; it can be published again.
    async fn unpublish_product(
        &self,
        context: &Context<'_>,
        input: ProductInput,
    ) -> Payload<ProductPayload> {
        tell_plain(context, input, Command::Unpublish).await
    }

    /// Takes a product out of sale for ever.
    async fn archive_product(
        &self,
        context: &Context<'_>,
        input: ProductInput,
    ) -> Payload<ProductPayload> {
        tell_plain(context, input, Command::Archive).await
    }
}

async fn tell_plain(
    context: &Context<'_>,
    input: ProductInput,
    command: Command,
) -> Payload<ProductPayload> {
    tell(context, input.product_id, input.expected_version, input.idempotency_key, command).await
}

async fn tell(
    context: &Context<'_>,
    product: PublicProductId,
    expected_version: Option<Long>,
    key: Option<String>,
    command: Command,
) -> Payload<ProductPayload> {
    let ask = Ask::new(context, key, expected_version)?;
    let change = ask.send::<Product>(product.into(), command).await?;
    Ok(Some(ProductPayload::new(product.into(), change)))
}

fn refused(product: PublicProductId, error: UserError) -> Payload<ProductPayload> {
    Ok(Some(ProductPayload::new(product.into(), Err(error))))
}

fn money_error(error: &MoneyError, field: &str) -> UserError {
    UserError::plain(error.code(), error, &[field])
}
