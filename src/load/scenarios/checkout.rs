//! `checkout`: one operation is a whole checkout of a guest: the order is drafted with its line,
//! placed, and its end is waited for. Two requests, and asking where the end is long in coming.
//! Where it goes on for long, as in a mix, the goods leave too: shipped, and the order completed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::BytesMut;
use parking_lot::Mutex;
use serde::Deserialize;

use super::catalogue::Product;
use super::stock::{Item, PLENTY, Standing, location, promised};
use crate::LoadError;
use crate::checks::{Check, sample};
use crate::client::{Data, NOT_CONNECTED, OVERLOADED, Payload, Template, Told, UserError};
use crate::meter::Outcome;
use crate::run::{Run, Scenario, Turn};

/// Orders kept to be read back at the end; of more, as many chosen by chance.
const READ_BACK_MAX: usize = 2_000;
/// Orders whose placing is asked for again at the end.
const REPEATED_MAX: usize = 50;
/// How often an order is asked for whose end did not come while its placing waited for it.
const ASKED_AFTER: Duration = Duration::from_millis(100);
/// How long a checkout may take.
const ENDS_WITHIN: Duration = Duration::from_secs(30);
/// Faults after which it is certain that nothing was done.
const NOT_DONE: [&str; 2] = [OVERLOADED, NOT_CONNECTED];
/// Our word for one that takes longer.
const NOT_CONFIRMED: &str = "NOT_CONFIRMED";

const DRAFT: &str = "mutation Draft($input: DraftOrderInput!) { payload: draftOrder(input: $input) \
                     { order { id } userErrors { code } } }";
const SHIP: &str = "mutation Ship($input: HoldInput!) { payload: shipHold(input: $input) { \
                    userErrors { code } } }";
const COMPLETE: &str = "mutation Complete($input: OrderInput!) { payload: completeOrder(input: \
                        $input) { userErrors { code } } }";
/// See the module.
pub struct Checkout {
    product: Product,
    goods: Goods,
    items: Vec<Shelf>,
    before: Vec<Standing>,
    place: Template,
    complete: Template,
    status: Template,
    done: Mutex<Done>,
    delivered: AtomicU64,
    unknown: AtomicU64,
}

/// Whether the goods of confirmed orders leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goods {
    Stay,
    Leave,
}

/// A stock item, with the drafting of an order for a unit of it, and the shipping of one.
struct Shelf {
    item: Item,
    draft: Template,
    ship: Template,
}

#[derive(Default)]
struct Done {
    /// Confirmed orders by item.
    by_item: BTreeMap<usize, u64>,
    confirmed: u64,
    /// All of them, or as many as are kept.
    kept: Vec<Placed>,
}

impl Done {
    /// Each order is kept with the same chance; `drawn` decides (Vitter's algorithm R, 1985).
    fn remember(&mut self, placed: Placed, drawn: impl FnOnce(u64) -> u64) {
        *self.by_item.entry(placed.item).or_insert(0) += 1;
        self.confirmed += 1;
        if self.kept.len() < READ_BACK_MAX {
            self.kept.push(placed);
        } else if let Some(kept) = self.kept.get_mut(drawn(self.confirmed) as usize) {
            *kept = placed;
        }
    }
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
    /// Asked for only where the goods leave.
    #[serde(default)]
    lines: Vec<Line>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    hold_id: String,
}

/// How one step of a checkout ended it.
struct Ended(Outcome);

impl Checkout {
    pub async fn prepare(run: &Run, goods: Goods) -> Result<Self, LoadError> {
        let product = Product::make(run, "checkout").await?;
        let mut items = Vec::new();
        let mut before = Vec::new();
        for number in 0..run.plan.spread {
            let location = location(run, &format!("checkout {number}")).await?;
            let item = Item { variant: product.variant.clone(), location };
            item.open(run, PLENTY).await?;
            before.push(item.read(run).await?);
            let variables = format!(
                r#"{{"input":{{"buyer":{{"guestEmail":"guest-{}-$@example.com"}},"currency":"EUR","lines":[{{"productId":"{}",{},"quantity":"1"}}],"idempotencyKey":"{}-draft-$"}}}}"#,
                run.id,
                product.id,
                item.variables(),
                run.id
            );
            let ship = format!(
                r#"{{"input":{{{},"holdId":"$","idempotencyKey":"{}-ship-$"}}}}"#,
                item.variables(),
                run.id
            );
            items.push(Shelf {
                item,
                draft: Template::new(DRAFT, &variables),
                ship: Template::new(SHIP, &ship),
            });
        }
        let order = match goods {
            Goods::Stay => "status cancelledBecause",
            Goods::Leave => "status cancelledBecause lines { holdId }",
        };
        let placing = format!(
            "mutation Place($input: PlaceOrderInput!) {{ payload: placeOrder(input: $input) {{ \
             version order {{ {order} }} userErrors {{ code }} }} }}"
        );
        let status = format!("query Order($id: ID!) {{ payload: order(id: $id) {{ {order} }} }}");
        let place = format!(
            r#"{{"input":{{"orderId":"$","waitMs":10000,"idempotencyKey":"{}-place-$"}}}}"#,
            run.id
        );
        let complete =
            format!(r#"{{"input":{{"orderId":"$","idempotencyKey":"{}-done-$"}}}}"#, run.id);
        Ok(Self {
            product,
            goods,
            items,
            before,
            place: Template::new(&placing, &place),
            complete: Template::new(COMPLETE, &complete),
            status: Template::new(&status, r#"{"id":"$"}"#),
            done: Mutex::default(),
            delivered: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
        })
    }

    /// `asked` becomes true once the order may be confirmed.
    async fn whole(&self, turn: &mut Turn<'_>, asked: &mut bool) -> Result<(), Ended> {
        let number = turn.number;
        let item = turn.choices.below(self.items.len() as u64) as usize;
        let body = self.items[item].draft.fill(turn.buffer, &[&number, &number]);
        let drafted: Data<Drafted> = answered(turn, body).await?;
        not_refused(drafted.payload.user_errors)?;
        let Some(OrderId { id: order }) = drafted.payload.order else {
            return Err(Ended(turn.wrong("a draft without an order")));
        };

        let body = self.place.fill(turn.buffer, &[&order, &number]);
        let placing = answered(turn, body).await;
        *asked = !matches!(&placing, Err(Ended(Outcome::Failed(code))) if NOT_DONE.contains(&code.as_str()));
        let Data { payload }: Data<Placing> = placing?;
        not_refused(payload.user_errors)?;
        let Some(version) = payload.version else {
            return Err(Ended(turn.wrong("an order placed without a version")));
        };

        let lines = self.confirmed(turn, &order, payload.order).await?;
        let placed = Placed { number, order: order.clone(), version, item };
        self.done.lock().remember(placed, |count| turn.choices.below(count));
        *asked = false;
        match self.goods {
            Goods::Stay => Ok(()),
            Goods::Leave => self.deliver(turn, &self.items[item], &order, &lines).await,
        }
    }

    async fn deliver(
        &self,
        turn: &mut Turn<'_>,
        shelf: &Shelf,
        order: &str,
        lines: &[Line],
    ) -> Result<(), Ended> {
        let number = turn.number;
        if lines.is_empty() {
            return Err(Ended(turn.wrong("a confirmed order without lines")));
        }
        for line in lines {
            let body = shelf.ship.fill(turn.buffer, &[&line.hold_id, &number]);
            let shipped: Data<Payload> = answered(turn, body).await?;
            if !shipped.payload.user_errors.is_empty() {
                return Err(Ended(turn.wrong("the goods of a confirmed order may not leave")));
            }
        }
        let body = self.complete.fill(turn.buffer, &[&order, &number]);
        let completed: Data<Payload> = answered(turn, body).await?;
        if !completed.payload.user_errors.is_empty() {
            return Err(Ended(turn.wrong("an order whose goods left may not be completed")));
        }
        self.delivered.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn confirmed(
        &self,
        turn: &mut Turn<'_>,
        order: &str,
        mut seen: Option<Status>,
    ) -> Result<Vec<Line>, Ended> {
        let until = Instant::now() + ENDS_WITHIN;
        loop {
            match seen {
                None => return Err(Ended(turn.wrong("a placed order is gone"))),
                Some(Status { status, cancelled_because, lines }) => match status.as_str() {
                    "CONFIRMED" => return Ok(lines),
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

    /// Whether every order that was seen confirmed is, or was completed since.
    async fn read_back(
        &self,
        run: &Run,
        some: &[Placed],
        confirmed: u64,
    ) -> Result<Check, LoadError> {
        let mut buffer = BytesMut::new();
        let mut lost = None;
        for placed in some {
            let body = self.status.fill(&mut buffer, &[&placed.order]);
            let status: Data<Option<Status>> = run.api.need("reading an order", body).await?;
            let status = status.payload.map_or_else(|| "not there".to_owned(), |read| read.status);
            let completed = self.goods == Goods::Leave && status == "COMPLETED";
            if status != "CONFIRMED" && !completed {
                lost = Some(format!("{} is {status}", placed.order));
                break;
            }
        }
        let sampled = if (some.len() as u64) < confirmed { ", a sample" } else { "" };
        let read = format!("{} of {confirmed} orders read{sampled}", some.len());
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
        let same = promised_or_gone(&stood) == promised_or_gone(&self.standing(run).await?);
        Ok(Check::new(name, same, format!("{} keys asked again", some.len())))
    }

    async fn standing(&self, run: &Run) -> Result<Vec<Standing>, LoadError> {
        let mut standing = Vec::with_capacity(self.items.len());
        for shelf in &self.items {
            standing.push(shelf.item.read(run).await?);
        }
        Ok(standing)
    }
}

/// Units that orders were promised, less those on the shelf: what left it stays counted.
fn promised_or_gone(items: &[Standing]) -> i128 {
    items.iter().map(|item| i128::from(item.committed) - i128::from(item.on_hand)).sum()
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
        let (kept, confirmed, busiest) = {
            let done = self.done.lock();
            let busiest = done.by_item.values().max().copied().unwrap_or(0);
            (done.kept.clone(), done.confirmed, busiest)
        };
        let unknown = self.unknown.load(Ordering::Relaxed);
        let after = self.standing(run).await?;
        let promises = promised_or_gone(&after) - promised_or_gone(&self.before);
        let mut checks = vec![
            Check::counted(
                "units promised or shipped are confirmed orders",
                promises,
                confirmed,
                unknown,
            ),
            promised(&after),
            self.read_back(run, &kept, confirmed).await?,
            self.repeat(run, &kept).await?,
        ];
        if self.goods == Goods::Leave {
            let on_hand = |items: &[Standing]| -> i128 {
                items.iter().map(|item| i128::from(item.on_hand)).sum()
            };
            let gone = on_hand(&self.before) - on_hand(&after);
            let delivered = self.delivered.load(Ordering::Relaxed);
            let name = "units that left the shelf are delivered orders";
            checks.push(Check::counted(name, gone, delivered, confirmed - delivered));
        }
        if self.items.len() > 1 {
            let detail = format!(
                "{confirmed} orders of {} on {} items, {busiest} on the busiest",
                self.product.name,
                self.items.len()
            );
            checks.push(Check::new("orders are spread", true, detail));
        }
        Ok(checks)
    }
}
