//! Stock items as the scenarios use them: opened, filled, read.

use bytes::BytesMut;
use serde::Deserialize;

use crate::LoadError;
use crate::checks::Check;
use crate::client::{Data, Payload, Template, UserError};
use crate::run::Run;

/// Far more units than any run sells.
pub const PLENTY: u64 = 100_000_000_000;

/// One stock item of a run.
#[derive(Clone, Debug)]
pub struct Item {
    /// With their prefixes, as the API has them.
    pub variant: String,
    pub location: String,
}

/// A stock item as it stands.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    pub on_hand: i64,
    pub available: i64,
    pub held: i64,
    pub committed: i64,
    pub version: u64,
}

/// A location of its own for this run; the id.
pub async fn location(run: &Run, name: &str) -> Result<String, LoadError> {
    let document = "mutation Prepare($input: CreateLocationInput!) { payload: \
                    createLocation(input: $input) { id userErrors { code } } }";
    let variables = format!(
        r#"{{"input":{{"name":"{name}","timeZone":"UTC","idempotencyKey":"{}-{name}"}}}}"#,
        run.id
    );
    let body = Template::new(document, &variables).fill(&mut BytesMut::new(), &[]);
    let reply: Data<Made> = run.api.need("preparing a location", body).await?;
    let Made { id, user_errors } = reply.payload;
    not_refused("preparing a location", &Payload { user_errors })?;
    id.ok_or_else(|| LoadError::Failed("a location was made without an id".to_owned()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    id: Option<String>,
    user_errors: Vec<UserError>,
}

impl Item {
    /// Its variables, without the braces.
    pub fn variables(&self) -> String {
        format!(r#""variantId":"{}","locationId":"{}""#, self.variant, self.location)
    }

    /// As a history names it.
    pub fn name(&self) -> String {
        format!("stock_item/{}/{}", self.variant, self.location)
    }

    /// Opens it and puts so many units on its shelf.
    pub async fn open(&self, run: &Run, units: u64) -> Result<(), LoadError> {
        let input = self.variables();
        let key = format!("{}-{}", run.id, self.location);
        for (mutation, kind, more) in [
            ("openStock", "OpenStockInput", String::new()),
            ("receiveStock", "ReceiveStockInput", format!(r#","quantity":"{units}""#)),
        ] {
            let document = format!(
                "mutation Prepare($input: {kind}!) {{ payload: {mutation}(input: $input) {{ \
                 userErrors {{ code }} }} }}"
            );
            let variables =
                format!(r#"{{"input":{{{input},"idempotencyKey":"{key}-{mutation}"{more}}}}}"#);
            let body = Template::new(&document, &variables).fill(&mut BytesMut::new(), &[]);
            let reply: Data<Payload> = run.api.need("preparing the stock", body).await?;
            not_refused("preparing the stock", &reply.payload)?;
        }
        Ok(())
    }

    /// Reads it, after everything that was answered before.
    pub async fn read(&self, run: &Run) -> Result<Standing, LoadError> {
        let document = "query Stock($variantId: ID!, $locationId: ID!) { payload: \
                        stockItem(variantId: $variantId, locationId: $locationId) { onHand \
                        available held committed version } }";
        let variables = format!("{{{}}}", self.variables());
        let body = Template::new(document, &variables).fill(&mut BytesMut::new(), &[]);
        let reply: Data<Option<Standing>> = run.api.need("reading the stock", body).await?;
        reply.payload.ok_or_else(|| LoadError::Failed("the stock item is gone".to_owned()))
    }
}

/// A preparation that the rules refuse is a mistake of ours, or a server with other rules.
pub fn not_refused(what: &str, payload: &Payload) -> Result<(), LoadError> {
    match payload.user_errors.first() {
        None => Ok(()),
        Some(error) => Err(LoadError::Failed(format!("{what} was refused: {}", error.code))),
    }
}

/// That no more is promised than is there.
pub fn promised(items: &[Standing]) -> Check {
    let name = "held and committed are at most what is on hand";
    let wrong =
        items.iter().find(|item| item.held + item.committed > item.on_hand || item.available < 0);
    let detail = |item: &Standing| {
        format!("held {}, committed {}, on hand {}", item.held, item.committed, item.on_hand)
    };
    match (wrong, items) {
        (Some(item), _) => Check::new(name, false, detail(item)),
        (None, [item]) => Check::new(name, true, detail(item)),
        (None, items) => Check::new(name, true, format!("of {} items", items.len())),
    }
}
