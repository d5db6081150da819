//! What must hold when nothing fails any more: what clients were told, what actors say at every node,
//! what the lists have, and the log itself, are one and the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::clients::{READ, Shop, UNITS, number};
use crate::patience;
use crate::site::NODES;

const STATUS: &str = "query($id: ID!) { payload: order(id: $id) { status } }";
const OF_STATUS: &str = "query($where: OrderWhere, $after: String) { payload: orders(first: 100, where: \
                         $where, after: $after) { edges { node { id } } pageInfo { hasNextPage endCursor } } }";
const UNDERWAY: &str = "query($where: SagaWhere) { payload: sagas(first: 1, where: $where) { edges { node { \
                        aggregateId } } } }";

/// Where an order that was placed does not stay.
const ON_ITS_WAY: [&str; 2] = ["PLACED", "PENDING_PAYMENT"];

/// Looks at everything; what is found is the site's.
pub async fn settle(shop: &Shop) {
    if let Err(why) = look(shop).await {
        shop.site.find(format!("the accounts cannot be looked at: {why}"));
    }
}

async fn look(shop: &Shop) -> Result<(), String> {
    let stood = orders(shop).await?;
    sagas(shop).await?;
    items(shop).await?;
    goods(shop, &stood).await?;
    rows(shop, &stood).await?;
    let (is_whole, said) = shop.site.operate(&["journal", "verify"]);
    if !is_whole {
        shop.site.find(format!("the journal is not whole: {said}"));
    }
    Ok(())
}

fn url(shop: &Shop, node: usize) -> &str {
    &shop.site.nodes[node % NODES].url
}

/// Where each order ended: all do, and all nodes say the same.
async fn orders(shop: &Shop) -> Result<BTreeMap<String, String>, String> {
    let orders = std::mem::take(&mut *shop.orders.lock().expect("nobody panics with it"));
    let mut stood = BTreeMap::new();
    let until = Instant::now() + patience();
    for (number, order) in orders.iter().enumerate() {
        let variables = json!({ "id": order.id });
        let status = loop {
            let read = shop.api.need(url(shop, number), STATUS, &variables).await?;
            let status = read["status"].as_str().unwrap_or("NOT THERE").to_owned();
            if !ON_ITS_WAY.contains(&status.as_str()) {
                break status;
            }
            if Instant::now() > until {
                shop.site.find(format!("the checkout of {} does not end: {status}", order.id));
                break status;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let again = shop.api.need(url(shop, number + 1), STATUS, &variables).await?;
        if again["status"] != *status {
            shop.site.find(format!("{} is {status} and {again}", order.id));
        }
        // Nothing is declined and nothing runs out.
        let is_right = status == "CONFIRMED" || (!order.is_placed && status == "DRAFT");
        if !is_right {
            shop.site.find(format!("{} was placed, and is {status}", order.id));
        }
        stood.insert(order.id.clone(), status);
    }
    Ok(stood)
}

/// No saga is on its way, as the lists have it.
async fn sagas(shop: &Shop) -> Result<(), String> {
    for state in ["MOVING", "WAITING", "STALLED"] {
        let variables = json!({ "where": { "state": { "eq": state } } });
        let none = eventually(async || {
            let list = shop.api.need(url(shop, 0), UNDERWAY, &variables).await?;
            Ok(list["edges"] == json!([]))
        });
        if !none.await? {
            shop.site.find(format!("a saga is {state} and stays so"));
        }
    }
    Ok(())
}

/// Of each hot item exactly what was acknowledged is gone, and of what nobody knows at most all.
async fn items(shop: &Shop) -> Result<(), String> {
    for (place, item) in shop.items.iter().enumerate() {
        let mut said = BTreeSet::new();
        for node in 0..NODES {
            let read = shop.api.need(url(shop, node), READ, &item.variables()).await?;
            said.insert(number(&read["onHand"]).as_u64().unwrap_or(u64::MAX));
        }
        let sold = shop.counts.sold[place].load(Ordering::Relaxed);
        let perhaps = shop.counts.perhaps[place].load(Ordering::Relaxed);
        let is_right = |left: &u64| {
            left.checked_add(sold)
                .is_some_and(|sum| sum <= UNITS[place] && UNITS[place] <= sum + perhaps)
        };
        if said.len() != 1 || !said.iter().all(is_right) {
            let units = UNITS[place];
            shop.site.find(format!(
                "of {units} units {sold} were sold and {perhaps} perhaps, and {said:?} are left"
            ));
        }
    }
    Ok(())
}

/// What is promised of the goods is what confirmed orders have, and nothing is held any more.
async fn goods(shop: &Shop, stood: &BTreeMap<String, String>) -> Result<(), String> {
    let confirmed = stood.values().filter(|status| *status == "CONFIRMED").count() as u64;
    for node in 0..NODES {
        let read = shop.api.need(url(shop, node), READ, &shop.goods.variables()).await?;
        let (held, committed) = (number(&read["held"]), number(&read["committed"]));
        if (held.as_u64(), committed.as_u64()) != (Some(0), Some(confirmed)) {
            shop.site.find(format!("{confirmed} orders are confirmed, and the goods are {read}"));
        }
    }
    Ok(())
}

/// The rows of orders are those of the actors, read at every node.
async fn rows(shop: &Shop, stood: &BTreeMap<String, String>) -> Result<(), String> {
    let of = |status: &str| -> BTreeSet<String> {
        stood.iter().filter(|(_, stands)| *stands == status).map(|(id, _)| id.clone()).collect()
    };
    for status in ["CONFIRMED", "CANCELLED", "PLACED", "PENDING_PAYMENT"] {
        let expected = of(status);
        for node in 0..NODES {
            let known = async || {
                let mut rows = listed(shop, node, status).await?;
                rows.retain(|id| stood.contains_key(id));
                Ok::<_, String>(rows)
            };
            if !eventually(async || Ok(known().await? == expected)).await? {
                let (rows, orders) = (known().await?.len(), expected.len());
                shop.site.find(format!("{orders} orders are {status}, and {rows} rows at {node}"));
                return Ok(());
            }
        }
    }
    Ok(())
}

async fn listed(shop: &Shop, node: usize, status: &str) -> Result<BTreeSet<String>, String> {
    let (mut found, mut after) = (BTreeSet::new(), Value::Null);
    loop {
        let variables = json!({ "where": { "status": { "eq": status } }, "after": after });
        let page = shop.api.need(url(shop, node), OF_STATUS, &variables).await?;
        let edges = page["edges"].as_array().map_or(&[][..], Vec::as_slice);
        found.extend(edges.iter().filter_map(|edge| Some(edge["node"]["id"].as_str()?.to_owned())));
        if page["pageInfo"]["hasNextPage"] != json!(true) {
            return Ok(found);
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}

async fn eventually(so: impl AsyncFn() -> Result<bool, String>) -> Result<bool, String> {
    let until = Instant::now() + patience();
    while !so().await? {
        if Instant::now() > until {
            return Ok(false);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(true)
}

/// Whether what clients saw of the hot items has an order that explains it.
pub fn is_linearizable(shop: &Shop, path: &Path) {
    shop.history.finish();
    let path = path.to_str().expect("text");
    let (is_proved, said) = shop.site.check(&["load", "check", path, "--timeout", "120"]);
    for line in said.lines() {
        println!("  {line}");
    }
    if !is_proved {
        shop.site.find(format!("what was seen is not linearizable: {said}"));
    }
}
