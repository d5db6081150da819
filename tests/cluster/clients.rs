//! The clients of a round: they sell and read hot items, repeat what they did, and check out, each time
//! at a node that is drawn. Of what is not answered they try again with the same key; some give up.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::api::{Api, Told};
use crate::history::History;
use crate::site::{NODES, Site};

pub const CLIENTS: usize = 9;
/// Units of each hot item: one runs out, the others do not.
pub const UNITS: [u64; 3] = [60, 1_000_000, 1_000_000];

pub const SELL: &str = "mutation($input: SellStockInput!) { payload: sellStock(input: $input) { version \
                    userErrors { code ... on InsufficientStock { available } } } }";
pub const READ: &str = "query($variantId: ID!, $locationId: ID!) { payload: stockItem(variantId: \
                        $variantId, locationId: $locationId) { onHand available held committed version } }";
const DRAFT: &str = "mutation($input: DraftOrderInput!) { payload: draftOrder(input: $input) { id \
                     userErrors { code } } }";
const PLACE: &str = "mutation($input: PlaceOrderInput!) { payload: placeOrder(input: $input) { version \
                     position userErrors { code } } }";
const NEWEST: &str = "query($atLeast: Position) { payload: orders(first: 100, atLeast: $atLeast) { edges { \
                      node { id } } } }";

/// What the clients work on.
pub struct Shop {
    pub site: Arc<Site>,
    pub api: Api,
    pub history: History,
    pub items: Vec<Item>,
    pub product: String,
    /// What is ordered of.
    pub goods: Item,
    pub counts: Counts,
    pub orders: Mutex<Vec<Order>>,
    pub stop: AtomicBool,
}

#[derive(Clone)]
pub struct Item {
    pub variant: String,
    pub location: String,
}

impl Item {
    pub fn variables(&self) -> Value {
        json!({ "variantId": self.variant, "locationId": self.location })
    }

    pub fn name(&self) -> String {
        format!("stock_item/{}/{}", self.variant, self.location)
    }
}

#[derive(Default)]
pub struct Counts {
    /// Units by item: certainly sold, and perhaps.
    pub sold: [AtomicU64; UNITS.len()],
    pub perhaps: [AtomicU64; UNITS.len()],
    pub refused: AtomicU64,
    pub reads: AtomicU64,
    pub repeats: AtomicU64,
    pub lists: AtomicU64,
    /// Tries that were turned away, or whose outcome was not known.
    pub not_done: AtomicU64,
    pub unknown: AtomicU64,
    /// The longest time that a sale took to be answered, in milliseconds.
    pub longest_ms: AtomicU64,
}

pub struct Order {
    pub id: String,
    /// Its placing was acknowledged; of others nobody knows.
    pub is_placed: bool,
}

/// Starts all clients, and so many beside them that only read; they end when they are told to.
pub fn begin(shop: &Arc<Shop>, seed: u64, readers: usize) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS + readers {
        let rng = Rng::with_seed(seed.wrapping_mul(31).wrapping_add(number as u64));
        let client = Client {
            shop: Arc::clone(shop),
            number,
            rng,
            done: Vec::new(),
            turn: 0,
            only_reads: number >= CLIENTS,
        };
        clients.spawn(client.run());
    }
    clients
}

struct Client {
    shop: Arc<Shop>,
    number: usize,
    rng: Rng,
    /// Sales that were acknowledged: item, key, version.
    done: Vec<(usize, String, Value)>,
    turn: u64,
    /// It waits for no commit, and so sees what others do not come to see.
    only_reads: bool,
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Client {
    async fn run(mut self) {
        while !self.shop.stop.load(Ordering::Acquire) {
            self.turn += 1;
            if self.only_reads {
                self.read().await;
                tokio::time::sleep(Duration::from_millis(self.rng.u64(1..20))).await;
                continue;
            }
            match self.rng.u8(..20) {
                0..8 => self.sell().await,
                8..14 => self.read().await,
                14..16 => self.repeat().await,
                16..19 => self.order().await,
                _ => tokio::time::sleep(Duration::from_millis(self.rng.u64(1..30))).await,
            }
        }
    }

    fn node(&mut self) -> String {
        self.shop.site.nodes[self.rng.usize(..NODES)].url.clone()
    }

    fn wrong(&self, why: &str) {
        self.shop.site.find(why.to_owned());
    }

    /// Sends a command until it is answered. Nothing, if it was given up; then `true` stands beside it if
    /// it may have been done.
    async fn tell(&mut self, query: &str, variables: &Value) -> (Option<Value>, bool) {
        let begun = Instant::now();
        let (mut unsure, gives_up) = (false, self.rng.u8(..4) == 0);
        loop {
            let url = self.node();
            let counts = &self.shop.counts;
            match self.shop.api.ask(&url, query, variables).await {
                Told::Answer(answer) => {
                    let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                    counts.longest_ms.fetch_max(took, Ordering::Relaxed);
                    return (Some(answer), unsure);
                }
                Told::NotDone(_) => add(&counts.not_done),
                Told::Unknown(_) => {
                    add(&counts.unknown);
                    unsure = true;
                }
                Told::Wrong(why) => {
                    self.wrong(&format!("a client was told {why}"));
                    return (None, true);
                }
            }
            if (unsure && gives_up) || begun.elapsed() > crate::patience() {
                return (None, unsure);
            }
            let pause = Duration::from_millis(self.rng.u64(5..100));
            tokio::time::sleep(pause).await;
        }
    }

    fn sale(&self, item: usize, key: &str) -> Value {
        let mut input = self.shop.items[item].variables();
        input["quantity"] = json!("1");
        input["idempotencyKey"] = json!(key);
        json!({ "input": input })
    }

    async fn sell(&mut self) {
        let item = self.rng.usize(..UNITS.len());
        let key = format!("sale-{}-{}", self.number, self.turn);
        let invoked = Instant::now();
        let sale = self.sale(item, &key);
        let (answer, unsure) = self.tell(SELL, &sale).await;
        let shop = Arc::clone(&self.shop);
        let mut line = json!({ "op": "sell", "key": key, "input": { "units": 1 } });
        let name = shop.items[item].name();
        let outcome = match &answer {
            None if unsure => {
                add(&shop.counts.perhaps[item]);
                "info"
            }
            None => return,
            Some(answer) => match &answer["userErrors"][0] {
                Value::Null => {
                    add(&shop.counts.sold[item]);
                    self.done.push((item, key, answer["version"].clone()));
                    line["version"] = number(&answer["version"]);
                    "ok"
                }
                error if error["code"] == "STOCK_INSUFFICIENT" => {
                    add(&shop.counts.refused);
                    line["available"] = number(&error["available"]);
                    "fail"
                }
                _ => return self.wrong(&format!("a sale was refused: {answer}")),
            },
        };
        shop.history.note(self.number, &name, invoked, outcome, &line);
    }

    async fn read(&mut self) {
        let (item, url) = (self.rng.usize(..UNITS.len()), self.node());
        let shop = Arc::clone(&self.shop);
        let (name, invoked) = (shop.items[item].name(), Instant::now());
        match shop.api.ask(&url, READ, &shop.items[item].variables()).await {
            Told::Answer(answer) => {
                add(&shop.counts.reads);
                let line = json!({
                    "op": "read",
                    "version": number(&answer["version"]),
                    "on_hand": number(&answer["onHand"]),
                });
                shop.history.note(self.number, &name, invoked, "ok", &line);
            }
            Told::Wrong(why) => self.wrong(&format!("a reader was told {why}")),
            Told::NotDone(_) | Told::Unknown(_) => {}
        }
    }

    /// A sale that was acknowledged is sent again, and leads to where it led.
    async fn repeat(&mut self) {
        if self.done.is_empty() {
            return;
        }
        let (item, key, version) = self.done[self.rng.usize(..self.done.len())].clone();
        let (url, sale) = (self.node(), self.sale(item, &key));
        match self.shop.api.ask(&url, SELL, &sale).await {
            Told::Answer(answer) => {
                add(&self.shop.counts.repeats);
                if answer["version"] != version {
                    self.wrong(&format!("{key} led to version {version}, and again to {answer}"));
                }
            }
            Told::Wrong(why) => self.wrong(&format!("who repeats was told {why}")),
            Told::NotDone(_) | Told::Unknown(_) => {}
        }
    }

    async fn order(&mut self) {
        let shop = Arc::clone(&self.shop);
        let (number, turn) = (self.number, self.turn);
        let input = json!({
            "buyer": { "guestEmail": format!("guest-{number}-{turn}@example.com") }, "currency": "EUR",
            "lines": [{
                "productId": shop.product, "variantId": shop.goods.variant,
                "locationId": shop.goods.location, "quantity": "1",
            }],
            "idempotencyKey": format!("draft-{number}-{turn}"),
        });
        let (drafted, _) = self.tell(DRAFT, &json!({ "input": input })).await;
        let Some(drafted) = drafted else { return };
        let Some(id) = drafted["id"].as_str() else {
            return self.wrong(&format!("a draft was refused: {drafted}"));
        };
        let input = json!({
            "orderId": id, "waitMs": if self.rng.bool() { 2_000 } else { 0 },
            "idempotencyKey": format!("place-{number}-{turn}"),
        });
        let (placed, unsure) = self.tell(PLACE, &json!({ "input": input })).await;
        let is_placed = placed.is_some();
        if is_placed || unsure {
            let id = id.to_owned();
            shop.orders.lock().expect("nobody panics with it").push(Order { id, is_placed });
        }
        let Some(placed) = placed else { return };
        if placed["userErrors"] != json!([]) {
            return self.wrong(&format!("an order was refused: {placed}"));
        }
        self.look_for(id, &placed["position"]).await;
    }

    /// Whoever has a position sees what they did in a list, at whatever node.
    async fn look_for(&mut self, order: &str, position: &Value) {
        let url = self.node();
        let newest = self.shop.api.ask(&url, NEWEST, &json!({ "atLeast": position })).await;
        match newest {
            Told::Answer(list) => {
                add(&self.shop.counts.lists);
                let edges = list["edges"].as_array().map_or(&[][..], Vec::as_slice);
                if edges.len() < 100 && !edges.iter().any(|edge| edge["node"]["id"] == order) {
                    self.wrong(&format!(
                        "{order} is not in the list that was read at its position"
                    ));
                }
            }
            Told::Wrong(why) => self.wrong(&format!("who lists was told {why}")),
            Told::NotDone(_) | Told::Unknown(_) => {}
        }
    }
}

/// Whole numbers of the API may be texts.
pub fn number(value: &Value) -> Value {
    match value.as_str().and_then(|text| text.parse::<i64>().ok()) {
        Some(number) => json!(number),
        None => value.clone(),
    }
}
