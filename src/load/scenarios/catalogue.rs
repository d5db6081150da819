//! Products as the scenarios use them: made, priced and published.

use bytes::BytesMut;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::stock::not_refused;
use crate::LoadError;
use crate::client::{Data, Payload, Template, UserError};
use crate::run::Run;

/// A product for sale with one variant.
#[derive(Clone, Debug)]
pub struct Product {
    pub id: String,
    pub name: String,
    pub variant: String,
    /// Where its publication stands in the log.
    pub position: String,
}

#[derive(Deserialize)]
struct Published {
    position: Option<String>,
    #[serde(rename = "userErrors")]
    user_errors: Vec<UserError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    product: Option<MadeProduct>,
    variant_id: Option<String>,
    user_errors: Vec<UserError>,
}

#[derive(Deserialize)]
struct MadeProduct {
    id: String,
}

const WHAT: &str = "preparing a product";

impl Product {
    /// Makes one, named after the run, and offers it at 12.50 EUR without tax: an amount that the
    /// built-in payment provider approves.
    pub async fn make(run: &Run, label: &str) -> Result<Self, LoadError> {
        let name = format!("Load {} {label}", run.id);
        let key = format!("{}-{label}", run.id);
        let input = format!(r#""name":"{name}","family":"Load tests","idempotencyKey":"{key}""#);
        let made: Made =
            mutate(run, "createProduct", "CreateProductInput", "product { id }", &input).await?;
        let id =
            made.product.map(|product| product.id).ok_or_else(|| refused(&made.user_errors))?;

        let product = format!(r#""productId":"{id}""#);
        let input = format!(
            r#"{product},"sku":"LOAD-1","name":"one size","idempotencyKey":"{key}-variant""#
        );
        let made: Made = mutate(run, "addVariant", "AddVariantInput", "variantId", &input).await?;
        let variant = made.variant_id.ok_or_else(|| refused(&made.user_errors))?;

        let price = r#""price":{"amount":"12.50","currency":"EUR"}"#;
        let input =
            format!(r#"{product},"variantId":"{variant}",{price},"idempotencyKey":"{key}-price""#);
        let priced: Payload = mutate(run, "setPrice", "SetPriceInput", "version", &input).await?;
        not_refused(WHAT, &priced)?;
        let input = format!(r#"{product},"idempotencyKey":"{key}-publish""#);
        let published: Published =
            mutate(run, "publishProduct", "ProductInput", "position", &input).await?;
        let position = published.position.ok_or_else(|| refused(&published.user_errors))?;
        Ok(Self { id, name, variant, position })
    }
}

fn refused(errors: &[UserError]) -> LoadError {
    let code = errors.first().map_or("no reason", |error| error.code.as_str());
    LoadError::Failed(format!("{WHAT} was refused: {code}"))
}

/// Sends one mutation of the preparation. `input` is JSON without its braces.
pub async fn mutate<P: DeserializeOwned>(
    run: &Run,
    mutation: &str,
    kind: &str,
    selection: &str,
    input: &str,
) -> Result<P, LoadError> {
    let document = format!(
        "mutation Prepare($input: {kind}!) {{ payload: {mutation}(input: $input) {{ {selection} \
         userErrors {{ code }} }} }}"
    );
    let body = Template::new(&document, &format!(r#"{{"input":{{{input}}}}}"#))
        .fill(&mut BytesMut::new(), &[]);
    let reply: Data<P> = run.api.need(WHAT, body).await?;
    Ok(reply.payload)
}
