//! One round: a new site, clients, the faults of a seed, and a verdict.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::accounts;
use crate::api::Api;
use crate::clients::{self, Item, Shop, UNITS};
use crate::faults::{self, Planned, plan};
use crate::handover;
use crate::history::History;
use crate::site::Site;

/// One round in so many has its logs in two databases.
const WITH_TWO: u64 = 4;

/// What a round is made of.
pub struct Round {
    /// Of its clients.
    pub seed: u64,
    /// Faults that run beside each other.
    pub rows: Vec<Vec<Planned>>,
    /// Clients that only read, beside those that do everything.
    pub readers: usize,
    /// Servers that have the logs, one or two.
    pub databases: usize,
    /// What its nodes have.
    pub planted: Option<Bug>,
}

/// A bug that all nodes of a round have.
#[derive(Clone, Copy)]
pub struct Bug {
    /// As `persistence::shortcut` calls it.
    pub name: &'static str,
    /// What is found says this: anything else that is wrong in such a round proves nothing of the driver.
    pub sign: &'static str,
}

impl Bug {
    /// The finding that it shows by.
    pub fn shown<'a>(&self, findings: &'a [String]) -> Option<&'a String> {
        findings.iter().find(|finding| finding.contains(self.sign))
    }
}

/// Plays the round of a seed; what was found.
pub async fn play(seed: u64, length: Duration) -> Vec<String> {
    println!("round of seed {seed}, {} s of faults", length.as_secs());
    let begun = Instant::now();
    let databases = if seed % WITH_TWO == 2 { 2 } else { 1 };
    let rows = plan(seed, length, databases).into();
    let findings = run(Round { seed, rows, readers: 0, databases, planted: None }).await;
    let verdict = if findings.is_empty() { "all holds" } else { "BROKEN" };
    println!("seed {seed}: {verdict}, after {:.1} s", begun.elapsed().as_secs_f64());
    findings
}

/// Plays a round; what was found.
pub async fn run(round: Round) -> Vec<String> {
    let Round { seed, rows, readers, databases, planted } = round;
    let home = tempfile::Builder::new().prefix("emporium-chaos.").tempdir().expect("a directory");
    let begun = Instant::now();
    let path = home.path().join("history.jsonl");
    let (site, shop) = match open(home.path(), &path, databases).await {
        Ok(opened) => opened,
        // Nothing has failed yet: this is no finding of a plant.
        Err(findings) if planted.is_some() => panic!("the site does not stand: {findings:?}"),
        Err(findings) => return findings,
    };
    if let Some(bug) = planted {
        site.plant(bug.name).await;
    }
    crate::IS_IMPATIENT.store(planted.is_some(), Ordering::Relaxed);
    println!("  ready after {:.1} s", begun.elapsed().as_secs_f64());
    let mut clients = clients::begin(&shop, seed, readers);
    let faults_begin = Instant::now();
    let mut faults = tokio::task::JoinSet::new();
    for row in rows {
        row.iter().for_each(|planned| println!("  {planned}"));
        faults.spawn(faults::play(Arc::clone(&site), row, faults_begin));
    }
    while let Some(ended) = faults.join_next().await {
        ended.expect("faults are played to their end");
    }
    site.heal().await;
    shop.stop.store(true, Ordering::Release);
    while let Some(ended) = clients.join_next().await {
        ended.expect("a client ends by itself");
    }
    accounts::is_linearizable(&shop, &path);
    // What is broken on purpose need not be looked at any longer once that was seen.
    let found = || site.findings.lock().expect("nobody panics with it").clone();
    if planted.is_none_or(|bug| bug.shown(&found()).is_none()) {
        accounts::settle(&shop).await;
    }
    let findings = found();
    tell(&shop);
    if !findings.is_empty() && planted.is_none() {
        println!("  kept: {}", home.keep().display());
    }
    findings
}

/// Moves shards under load, and nothing fails beside it.
pub async fn hand_over() -> Vec<String> {
    let home = tempfile::Builder::new().prefix("emporium-chaos.").tempdir().expect("a directory");
    match open(home.path(), &home.path().join("history.jsonl"), 1).await {
        Ok((site, shop)) => {
            handover::moves(&site, &shop).await;
            handover::nobody_serves(&site, &shop).await;
            accounts::settle(&shop).await;
            site.findings.lock().expect("nobody panics with it").clone()
        }
        Err(findings) => findings,
    }
}

/// A site whose nodes are ready, all started at once over an empty database, with a shop.
async fn open(
    home: &Path,
    history: &Path,
    databases: usize,
) -> Result<(Arc<Site>, Arc<Shop>), Vec<String>> {
    let site = Site::build(home.to_owned(), databases).await;
    site.nodes.iter().for_each(|node| node.start());
    site.ready().await;
    match Shop::open(Arc::clone(&site), history).await {
        Ok(shop) => Ok((site, Arc::new(shop))),
        Err(why) => {
            site.find(format!("the shop cannot be opened: {why}"));
            Err(site.findings.lock().expect("nobody panics with it").clone())
        }
    }
}

fn tell(shop: &Shop) {
    let counts = &shop.counts;
    let of = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let sold: u64 = counts.sold.iter().map(of).sum();
    let perhaps: u64 = counts.perhaps.iter().map(of).sum();
    println!(
        "  {sold} sold, {perhaps} perhaps, {} refused, {} read, {} repeated, {} lists; tries turned away \
         {}, unknown {}; longest answer {} ms",
        of(&counts.refused),
        of(&counts.reads),
        of(&counts.repeats),
        of(&counts.lists),
        of(&counts.not_done),
        of(&counts.unknown),
        of(&counts.longest_ms),
    );
}

impl Shop {
    /// A product for sale, and hot items beside it.
    async fn open(site: Arc<Site>, path: &Path) -> Result<Self, String> {
        let (api, history) = (Api::new(site.token()?), History::create(path));
        let url = site.nodes[0].url.clone();
        let told = async |mutation: &str, kind: &str, selection: &str, mut input: Value| {
            input["idempotencyKey"] = json!(format!("{mutation}-{input}").replace('"', "'"));
            if input["idempotencyKey"].as_str().is_some_and(|key| key.len() > 128) {
                input["idempotencyKey"] = json!(format!("{mutation}-{}", fastrand::u64(..)));
            }
            let document = format!(
                "mutation($input: {kind}!) {{ payload: {mutation}(input: $input) {{ {selection} userErrors {{ \
                 code }} }} }}"
            );
            let answer = api.need(&url, &document, &json!({ "input": input })).await?;
            match answer["userErrors"] == json!([]) {
                true => Ok(answer),
                false => Err(format!("{mutation}: {answer}")),
            }
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let shelf = json!({ "name": "Chaos", "timeZone": "UTC" });
        let location = told("createLocation", "CreateLocationInput", "id", shelf).await?;
        let location = text(&location["id"]);
        let product = json!({ "name": "Chaos", "family": "Chaos" });
        let product =
            told("createProduct", "CreateProductInput", "product { id }", product).await?;
        let product = text(&product["product"]["id"]);
        let variant = json!({ "productId": product, "sku": "CHAOS-1", "name": "one size" });
        let variant = told("addVariant", "AddVariantInput", "variantId", variant).await?;
        let variant = text(&variant["variantId"]);
        let price = json!({ "productId": product, "variantId": variant, "price": { "amount": "12.50", "currency": "EUR" } });
        told("setPrice", "SetPriceInput", "version", price).await?;
        told("publishProduct", "ProductInput", "version", json!({ "productId": product })).await?;
        let goods = Item { variant, location: location.clone() };
        let hot = (0..UNITS.len()).map(|number| Item {
            variant: format!("variant_0192f3c1-0000-7000-8000-{:012x}", 7 * number + 1),
            location: location.clone(),
        });
        let items: Vec<Item> = hot.collect();
        let units = UNITS.iter().copied().chain([1_000_000]);
        for (item, units) in items.iter().chain([&goods]).zip(units) {
            told("openStock", "OpenStockInput", "version", item.variables()).await?;
            let mut input = item.variables();
            input["quantity"] = json!(units.to_string());
            told("receiveStock", "ReceiveStockInput", "version", input).await?;
        }
        for item in &items {
            let read = api.need(&url, clients::READ, &item.variables()).await?;
            let line = json!({
                "op": "begin",
                "version": clients::number(&read["version"]),
                "on_hand": clients::number(&read["onHand"]),
            });
            history.note(0, &item.name(), std::time::Instant::now(), "ok", &line);
        }
        Ok(Self {
            site,
            api,
            history,
            items,
            product,
            goods,
            counts: clients::Counts::default(),
            orders: std::sync::Mutex::default(),
            stop: std::sync::atomic::AtomicBool::new(false),
        })
    }
}
