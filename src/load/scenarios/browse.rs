//! `browse`: reads, as visitors of a shop send them: a product, its stock, a list. A few products
//! are wanted far more often than the others (Zipf's law).

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::BytesMut;
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::Deserialize;

use super::catalogue::Product;
use super::stock::{Item, location};
use crate::LoadError;
use crate::checks::Check;
use crate::client::{Data, Template, Told};
use crate::meter::Outcome;
use crate::run::{Run, Scenario, Turn};

/// Products of a run.
const PRODUCTS: usize = 24;
/// Made at one time.
const AT_ONCE: usize = 8;
/// Units of each, so that a read has something to find.
const UNITS: u64 = 1_000;
/// Of a list.
const PAGE: usize = 10;
/// Of 100 reads: of a product, of a stock item; the rest are lists.
const PRODUCT_PERCENT: u64 = 45;
const STOCK_PERCENT: u64 = 35;

/// See the module.
pub struct Browse {
    products: Vec<(Product, Item)>,
    /// The share of all reads that goes to a product or one before it.
    popularity: Vec<f64>,
    product: Template,
    stock: Template,
    list: Template,
    /// What the names of this run's products begin with.
    prefix: String,
    wrong: AtomicU64,
    read: AtomicU64,
}

#[derive(Deserialize)]
struct ProductRead {
    id: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StockRead {
    on_hand: u64,
}

#[derive(Deserialize)]
struct List {
    edges: Vec<Edge>,
}

#[derive(Deserialize)]
struct Edge {
    node: Option<ProductRead>,
}

impl Browse {
    pub async fn prepare(run: &Run) -> Result<Self, LoadError> {
        let products: Vec<_> = stream::iter(0..PRODUCTS)
            .map(|number| async move {
                let product = Product::make(run, &format!("browse {number:02}")).await?;
                let location = location(run, &format!("browse {number:02}")).await?;
                let item = Item { variant: product.variant.clone(), location };
                item.open(run, UNITS).await?;
                Ok::<_, LoadError>((product, item))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let product = "query Product($id: ID!) { payload: product(id: $id) { id name status \
                       variants { id sku prices { amount currency } } } }";
        let stock = "query Stock($variantId: ID!, $locationId: ID!) { payload: \
                     stockItem(variantId: $variantId, locationId: $locationId) { onHand available \
                     } }";
        let list = "query Products($prefix: String!, $first: Int!) { payload: products(first: \
                    $first, where: {name: {startsWith: $prefix}}) { edges { node { id name } } } }";
        let prefix = format!("Load {} browse", run.id);
        Ok(Self {
            popularity: popularity(products.len()),
            products,
            product: Template::new(product, r#"{"id":"$"}"#),
            stock: Template::new(stock, r#"{"variantId":"$","locationId":"$"}"#),
            list: Template::new(list, &format!(r#"{{"prefix":"{prefix}","first":{PAGE}}}"#)),
            prefix,
            wrong: AtomicU64::new(0),
            read: AtomicU64::new(0),
        })
    }

    /// A read of something that was there before the run began must find it.
    async fn read(&self, turn: &mut Turn<'_>) -> Result<bool, Outcome> {
        let drawn = turn.choices.share();
        let chosen = self.popularity.partition_point(|up_to| *up_to <= drawn);
        let (product, item) = &self.products[chosen.min(self.products.len() - 1)];
        let percent = turn.choices.below(100);
        if percent < PRODUCT_PERCENT {
            let body = self.product.fill(turn.buffer, &[&product.id]);
            let read: Data<Option<ProductRead>> = answered(turn, body).await?;
            return Ok(read
                .payload
                .is_some_and(|read| read.id == product.id && read.name == product.name));
        }
        if percent < PRODUCT_PERCENT + STOCK_PERCENT {
            let body = self.stock.fill(turn.buffer, &[&item.variant, &item.location]);
            let read: Data<Option<StockRead>> = answered(turn, body).await?;
            return Ok(read.payload.is_some_and(|read| read.on_hand == UNITS));
        }
        let body = self.list.fill(turn.buffer, &[]);
        let read: Data<List> = answered(turn, body).await?;
        // The view may have more to come, but what it has is ours and in order.
        let names: Vec<_> =
            read.payload.edges.iter().filter_map(|edge| Some(&edge.node.as_ref()?.name)).collect();
        Ok(names.is_sorted()
            && names
                .iter()
                .all(|name| self.products.iter().any(|(product, _)| product.name == **name)))
    }

    /// Behind what made them, the list has them all.
    async fn listed(&self, run: &Run) -> Result<Check, LoadError> {
        let list = "query Products($prefix: String!, $first: Int!, $atLeast: Position!) { payload: \
                    products(first: $first, atLeast: $atLeast, where: {name: {startsWith: \
                    $prefix}}) { edges { node { id name } } } }";
        let variables = format!(r#"{{"prefix":"{}","first":{PAGE},"atLeast":"$"}}"#, self.prefix);
        let list = Template::new(list, &variables);
        let mut found = Vec::new();
        for (product, _) in self.products.iter().take(PAGE) {
            let body = list.fill(&mut BytesMut::new(), &[&product.position]);
            let read: Data<List> = run.api.need("reading the list", body).await?;
            found = read.payload.edges.into_iter().filter_map(|edge| Some(edge.node?.id)).collect();
        }
        let expected: Vec<_> =
            self.products.iter().take(PAGE).map(|(product, _)| product.id.clone()).collect();
        let detail = format!("{} of the first {PAGE} are in it", found.len());
        Ok(Check::new("the list has what was made, by name", found == expected, detail))
    }
}

async fn answered<T: serde::de::DeserializeOwned>(
    turn: &mut Turn<'_>,
    body: bytes::Bytes,
) -> Result<T, Outcome> {
    match turn.run.api.tell(body, turn.patience, turn.meter).await {
        Told::Answer(answer) => Ok(answer),
        Told::Unknown => Err(Outcome::Unknown),
        Told::Failed { code, .. } => Err(Outcome::Failed(code)),
    }
}

/// Zipf's law: the second is wanted half as often as the first, the third a third as often.
fn popularity(count: usize) -> Vec<f64> {
    let all: f64 = (1..=count).map(|rank| 1.0 / rank as f64).sum();
    (1..=count)
        .scan(0.0, |up_to, rank| {
            *up_to += 1.0 / rank as f64 / all;
            Some(*up_to)
        })
        .collect()
}

#[async_trait]
impl Scenario for Browse {
    async fn step(&self, turn: &mut Turn<'_>) -> Outcome {
        match self.read(turn).await {
            Ok(true) => {
                self.read.fetch_add(1, Ordering::Relaxed);
                Outcome::Succeeded
            }
            Ok(false) => {
                self.wrong.fetch_add(1, Ordering::Relaxed);
                turn.wrong("a read that is not what was written")
            }
            Err(outcome) => outcome,
        }
    }

    async fn verify(&self, run: &Run) -> Result<Vec<Check>, LoadError> {
        let (read, wrong) = (self.read.load(Ordering::Relaxed), self.wrong.load(Ordering::Relaxed));
        let detail = format!("{wrong} wrong, {read} right");
        Ok(vec![
            Check::new("every read found what was written before the run", wrong == 0, detail),
            self.listed(run).await?,
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn popularity_falls_and_ends_at_one() {
        let shares = popularity(24);
        assert!(shares.is_sorted() && (shares[23] - 1.0).abs() < 1e-9, "{shares:?}");
        assert!(shares[0] > 0.2 && shares[0] < 0.3, "{shares:?}");
    }
}
