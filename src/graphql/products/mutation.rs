//! What may be done to products.

use async_graphql::{Context, InputObject, Object};

use super::ProductNode;
use crate::errors::{UserError, fault};
use crate::ids::{PublicProductId, PublicVariantId};
use crate::mutation::{Answer, Payload, inputs, mutations, payload, request, send};
use crate::scalars::{Long, Natural};
use domain::money::{MoneyError, Rate};
use domain::products::product::{Command, Product};

payload! {
    ProductPayload { product: ProductNode = Product }
}

payload! {
    /// Beside the product, the id of its new variant.
    AddVariantPayload: ProductPayload { variant_id: PublicVariantId }
}

#[derive(InputObject)]
pub struct CreateProductInput {
    pub name: String,
    /// What kind of product it is; products are listed by it.
    pub family: String,
    #[graphql(default)]
    pub description: String,
    pub idempotency_key: Option<String>,
    /// Does nothing, and says what it would do.
    #[graphql(default)]
    pub dry_run: bool,
}

inputs! {
    Product { product_id: PublicProductId } |input| input.product_id.into();
    {
        /// Required: a revision replaces what it has not seen otherwise.
        expected_version: Long, idempotency_key: Option<String>
    };

    ReviseProductInput {
        name: String,
        family: String,
        description: String
    }
}

inputs! {
    Product { product_id: PublicProductId } |input| input.product_id.into();
    { expected_version: Option<Long>, idempotency_key: Option<String> };

    ProductInput {}
    TranslateProductInput {
        /// A language tag (`de-AT`).
        language: String,
        name: String,
        #[graphql(default)]
        description: String
    }
    ProductTranslationInput {
        language: String
    }
    AddVariantInput {
        /// 1 to 64 visible ASCII characters, unique within the product.
        sku: String,
        name: String
    }
}

inputs! {
    Product { product_id: PublicProductId } |input| input.product_id.into();
    { expected_version: Option<Long>, idempotency_key: String };

    SetTaxRateInput {
        /// 190000 is 19 %.
        millionths: Natural
    }
}

mutations! { ProductCommands {
    /// Changes how a product is described.
    fn revise_product(input: ReviseProductInput) -> ProductPayload = Command::Revise {
        name: input.name,
        family: input.family,
        description: input.description,
    };

    /// Says how a product is described in one more language, or says it anew; at most 20 beside the first.
    /// It is found by those words too.
    fn translate_product(input: TranslateProductInput) -> ProductPayload = Command::Translate {
        language: input.language,
        name: input.name,
        description: input.description,
    };

    /// Takes away how a product is described in a language.
    fn remove_product_translation(input: ProductTranslationInput) -> ProductPayload =
        Command::RemoveTranslation { language: input.language };

    /// Sets the share of the net price that is tax, for all variants: it comes on top of a net price
    /// and is inside of a gross one.
    fn set_tax_rate(input: SetTaxRateInput) -> ProductPayload = Command::SetTaxRate {
        rate: Rate::from_millionths(input.millionths.0).map_err(about("millionths"))?,
    };

    /// Offers a product for sale; a variant must have a price.
    fn publish_product(input: ProductInput) -> ProductPayload = Command::Publish;

    /// Takes a product out of sale; it can be published again.
    fn unpublish_product(input: ProductInput) -> ProductPayload = Command::Unpublish;

    /// Takes a product out of sale for ever.
    fn archive_product(input: ProductInput) -> ProductPayload = Command::Archive;
} }

/// What is wrong with an amount, a currency or a rate, at the input that says it.
pub(super) fn about(field: &'static str) -> impl Fn(MoneyError) -> UserError {
    move |error| UserError::plain(error.code(), &error, &[field])
}

/// The mutations that make something, under ids that follow from their keys.
#[derive(Default)]
pub struct ProductCreation;

#[Object]
impl ProductCreation {
    /// Creates a product, as a draft without variants.
    async fn create_product(
        &self,
        context: &Context<'_>,
        input: CreateProductInput,
    ) -> Answer<ProductPayload> {
        let request = request(context, input.idempotency_key, None)?.rehearsed(input.dry_run);
        let id = request.new_id::<Product>("createProduct").await.map_err(|error| fault(&error))?;
        let (name, family, description) = (input.name, input.family, input.description);
        let command = Command::Create { name, family, description };
        Ok(Some(ProductPayload::new(id, send::<Product>(&request, id, command).await?)))
    }

    /// Adds a variant without a price.
    async fn add_variant(
        &self,
        context: &Context<'_>,
        mut input: AddVariantInput,
    ) -> Answer<AddVariantPayload> {
        let target = input.target(context).await?;
        let id = target.id;
        let request = target.request(context)?;
        let made = PublicVariantId(request.new_name("addVariant"));
        let (variant, sku, name) = (made.into(), input.sku, input.name);
        let command = Command::AddVariant { variant, sku, name };
        let payload = ProductPayload::new(id, send::<Product>(&request, id, command).await?);
        Ok(Some(AddVariantPayload { made, payload }))
    }
}
