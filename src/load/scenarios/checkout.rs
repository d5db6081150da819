//! `checkout`: one operation is a whole checkout of a guest: the order is drafted with its line,
//! placed, and its end is waited for. Two requests, and asking where the end is long in coming.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::BytesMut;
use parking_lot::Mutex;
use serde::Deserialize;

use super::catalogue::Product;
use super::stock::{Item, PLENTY, Standing, promised};
use crate::load::LoadError;
use crate::load::checks::{Check, sample};
use crate::load::client::{Data, Template, Told, UserError};
use crate::load::meter::Outcome;
use crate::load::run::{Run, Scenario, Turn};

/// Orders read back at the end, at most; beyond it a sample.
const READ_BACK_MAX: usize = 2_000;
/// Orders whose placing is asked for again at the end.
const REPEATED_MAX: usize = 50;
/// How often an order is asked for whose end did not come while its placing waited for it.
const ASKED_AFTER: Duration = Duration::from_millis(100);
/// How long a checkout may take.
const ENDS_WITHIN: Duration = Duration::from_secs(30);
/// Our word for one that takes longer.
const NOT_CONFIRMED: &str = "NOT_CONFIRMED";

const DRAFT: &str = "mutation Draft($input: DraftOrderInput!) { payload: draftOrder(input: $input) \
                     { order { id } userErrors { code } } }";
const PLACE: &str = "mutation Place($input: PlaceOrderInput!) { payload: placeOrder(input: \
                     $input) { version order { status cancelledBecause } userErrors { code } } }";
const STATUS: &str =
    "query Order($id: ID!) { payload: order(id: $id) { status cancelledBecause } }";

/// See the module.
pub struct Checkout {
    product: Product,
    /// With the drafting of an order for a unit of each.
    items: Vec<(Item, Template)>,
    before: Vec<Standing>,
    place: Template,
    status: Template,
    done: Mutex<Done>,
    unknown: AtomicU64,
}

#[derive(Default)]
struct Done {
    confirmed: Vec<Placed>,
}

/// An order that was confirmed, and what placing it was answered.
#[derive(Clone)]
struct Placed {
    number: u64,
    order: String,
    version: u64,
    item: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Drafted {
    order: Option<OrderId>,
    user_errors: Vec<UserError>,
}

#[derive(Deserialize)]
struct OrderId {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Placing {
    version: Option<u64>,
    order: Option<Status>,
    user_errors: Vec<UserError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    status: String,
    cancelled_because: Option<String>,
}

/// How one step of a checkout ended it.
struct Ended(Outcome);

impl Checkout {
    pub async fn prepare(run: &Run) -> Result<Self, LoadError> {
        let product = Product::make(run, "checkout").await?;
        let mut items = Vec::new();
        let mut before = Vec::new();
        for number in 0..run.plan.spread {
            let location = run.uuid(&format!("checkout location {number}"));
            let item =
                Item { variant: product.variant.clone(), location: format!("location_{location}") };
            item.open(run, PLENTY).await?;
            before.push(item.read(run).await?);
            let variables = format!(
                r#"{{"input":{{"buyer":{{"guestEmail":"guest-{}-$@example.com"}},"currency":"EUR","lines":[{{"productId":"{}",{},"quantity":"1"}}],"idempotencyKey":"{}-draft-$"}}}}"#,
                run.id,
                product.id,
                item.variables(),
                run.id
            );
            items.push((item, Template::new(DRAFT, &variables)));
        }
        let place = format!(
            r#"{{"input":{{"orderId":"$","waitMs":10000,"idempotencyKey":"{}-place-$"}}}}"#,
            run.id
        );
        Ok(Self {
            product,
            items,
            before,
            place: Template::new(PLACE, &place),
            status: Template::new(STATUS, r#"{"id":"$"}"#),
            done: Mutex::default(),
            unknown: AtomicU64::new(0),
        })
    }

    /// `asked` becomes true once the order may be confirmed.
    async fn whole(&self, turn: &mut Turn<'_>, asked: &mut bool) -> Result<(), Ended> {
        let number = turn.number;
        let item = turn.choices.below(self.items.len() as u64) as usize;
        let body = self.items[item].1.fill(turn.buffer, &[&number, &number]);
        let drafted: Data<Drafted> = answered(turn, body).await?;
        not_refused(drafted.payload.user_errors)?;
        let Some(OrderId { id: order }) = drafted.payload.order else {
            return Err(Ended(turn.wrong("a draft without an order")));
        };

        let body = self.place.fill(turn.buffer, &[&order, &number]);
        *asked = true;
        let Data { payload }: Data<Placing> = answered(turn, body).await?;
        not_refused(payload.user_errors)?;
        let Some(version) = payload.version else {
            return Err(Ended(turn.wrong("an order placed without a version")));
        };

        self.confirmed(turn, &order, payload.order).await?;
        self.done.lock().confirmed.push(Placed { number, order, version, item });
        Ok(())
    }

    async fn confirmed(
        &self,
        turn: &mut Turn<'_>,
        order: &str,
        mut seen: Option<Status>,
    ) -> Result<(), Ended> {
        let until = Instant::now() + ENDS_WITHIN;
        loop {
            match seen {
                None => return Err(Ended(turn.wrong("a placed order is gone"))),
                Some(Status { status, cancelled_because }) => match status.as_str() {
                    "CONFIRMED" => return Ok(()),
                    "PLACED" | "PENDING_PAYMENT" => {}
                    "CANCELLED" => {
                        let because = cancelled_because.unwrap_or_else(|| status.clone());
                        return Err(Ended(Outcome::Refused(because)));
                    }
                    _ => return Err(Ended(turn.wrong("a placed order is neither"))),
                },
            }
            if Instant::now() > until {
                turn.meter.fault(NOT_CONFIRMED);
                return Err(Ended(Outcome::Unknown));
            }
            tokio::time::sleep(ASKED_AFTER).await;
            let body = self.status.fill(turn.buffer, &[&order]);
            let status: Data<Option<Status>> = answered(turn, body).await?;
            seen = status.payload;
        }
    }

    /// Whether every order that was seen confirmed is.
    async fn read_back(&self, run: &Run, confirmed: &[Placed]) -> Result<Check, LoadError> {
        let some = sample(confirmed, READ_BACK_MAX);
        let mut buffer = BytesMut::new();
        let mut lost = None;
        for placed in &some {
            let body = self.status.fill(&mut buffer, &[&placed.order]);
            let status: Data<Option<Status>> = run.api.need("reading an order", body).await?;
            let status = status.payload.map_or_else(|| "not there".to_owned(), |read| read.status);
            if status != "CONFIRMED" {
                lost = Some(format!("{} is {status}", placed.order));
                break;
            }
        }
        let sampled = if some.len() < confirmed.len() { ", a sample" } else { "" };
        let read = format!("{} of {} orders read{sampled}", some.len(), confirmed.len());
        let name = "every acknowledged order is readable and confirmed";
        Ok(match lost {
            Some(lost) => Check::new(name, false, lost),
            None => Check::new(name, true, read),
        })
    }

    async fn repeat(&self, run: &Run, confirmed: &[Placed]) -> Result<Check, LoadError> {
        let name = "no order is placed twice";
        let some = sample(confirmed, REPEATED_MAX);
        let stood = self.standing(run).await?;
        let mut buffer = BytesMut::new();
        for placed in &some {
            let body = self.place.fill(&mut buffer, &[&placed.order, &placed.number]);
            let again: Data<Placing> = run.api.need("asking again with the same key", body).await?;
            if again.payload.version != Some(placed.version) {
                let detail = format!(
                    "placing {} led to version {}; asked again, to {:?}",
                    placed.order, placed.version, again.payload.version
                );
                return Ok(Check::new(name, false, detail));
            }
        }
        let same = committed(&stood) == committed(&self.standing(run).await?);
        Ok(Check::new(name, same, format!("{} keys asked again", some.len())))
    }

    async fn standing(&self, run: &Run) -> Result<Vec<Standing>, LoadError> {
        let mut standing = Vec::with_capacity(self.items.len());
        for (item, _) in &self.items {
            standing.push(item.read(run).await?);
        }
        Ok(standing)
    }
}

fn committed(items: &[Standing]) -> i128 {
    items.iter().map(|item| i128::from(item.committed)).sum()
}

/// Sends a command of a checkout; what is not an answer ends it.
async fn answered<T: serde::de::DeserializeOwned>(
    turn: &mut Turn<'_>,
    body: bytes::Bytes,
) -> Result<T, Ended> {
    match turn.run.api.tell(body, turn.patience, turn.meter).await {
        Told::Answer(answer) => Ok(answer),
        Told::Unknown => Err(Ended(Outcome::Unknown)),
        Told::Failed { code, .. } => Err(Ended(Outcome::Failed(code))),
    }
}

fn not_refused(errors: Vec<UserError>) -> Result<(), Ended> {
    match errors.into_iter().next() {
        None => Ok(()),
        Some(error) => Err(Ended(Outcome::Refused(error.code))),
    }
}

#[async_trait]
impl Scenario for Checkout {
    async fn step(&self, turn: &mut Turn<'_>) -> Outcome {
        let mut asked = false;
        match self.whole(turn, &mut asked).await {
            Ok(()) => Outcome::Succeeded,
            Err(Ended(outcome)) => {
                if asked && !matches!(outcome, Outcome::Refused(_)) {
                    self.unknown.fetch_add(1, Ordering::Relaxed);
                }
                outcome
            }
        }
    }

    async fn verify(&self, run: &Run) -> Result<Vec<Check>, LoadError> {
        let confirmed = self.done.lock().confirmed.clone();
        let unknown = self.unknown.load(Ordering::Relaxed);
        let after = self.standing(run).await?;
        let promises = committed(&after) - committed(&self.before);
        let by_item = confirmed.iter().fold(BTreeMap::new(), |mut counts, placed| {
            *counts.entry(placed.item).or_insert(0_u64) += 1;
            counts
        });
        let busiest = by_item.values().max().copied().unwrap_or(0);
        let mut checks = vec![
            Check::counted(
                "units committed are confirmed orders",
                promises,
                confirmed.len() as u64,
                unknown,
            ),
            promised(&after),
            self.read_back(run, &confirmed).await?,
            self.repeat(run, &confirmed).await?,
        ];
        if self.items.len() > 1 {
            let detail = format!(
                "{} orders of {} on {} items, {busiest} on the busiest",
                confirmed.len(),
                self.product.name,
                self.items.len()
            );
            checks.push(Check::new("orders are spread", true, detail));
        }
        Ok(checks)
    }
}
