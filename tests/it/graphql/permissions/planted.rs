//! The ways around the gate, and that each is found: a gate that answers one of them as it would without its
//! check is put in the place of ours, and what looks for leaks names that one and no other.

use std::sync::Arc;

use emporium::auth::{Grants, Principal};
use emporium::domain::access::permission::{Permission, Permissions};
use emporium::domain::principal::{Principal as Identity, PrincipalKind};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Shop;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// What leads from one thing to another asks nothing.
    Edge,
    /// A list shows what its filter would leave out.
    List,
    /// A list counts what it does not show.
    Count,
    /// `node` gives whatever has an id.
    Node,
    /// A cursor of somebody's list leads into the rows of that one.
    Cursor,
    /// A subscription tells of what is not open.
    Told,
    /// What was decided before a role ended is decided still.
    Kept,
}

const WAYS: [Way; 7] =
    [Way::Edge, Way::List, Way::Count, Way::Node, Way::Cursor, Way::Told, Way::Kept];

fn somebody(grants: Grants) -> Principal {
    let identity = Identity::new(PrincipalKind::User, Uuid::from_u128(77).to_string());
    Principal { identity: Arc::new(identity), grants: Arc::new(grants) }
}

/// A gate that asks nothing on one of the ways.
struct Gate<'a> {
    shop: &'a Shop,
    without: Option<Way>,
    /// Ada, as she was decided about when she had a role.
    before: Principal,
}

impl Gate<'_> {
    /// What somebody is answered on a way.
    async fn answer(&self, way: Way, who: &Principal, query: &str, variables: Value) -> Value {
        let app = &self.shop.app;
        let right = app.call_as(who, query, variables.clone()).await.1;
        if self.without != Some(way) {
            return right;
        }
        let all = somebody(Grants::everything());
        match way {
            Way::Kept => app.call_as(&self.before, query, variables).await.1,
            Way::Count => {
                let mut wrong = right;
                let counted = app.call_as(&all, query, variables).await.1;
                let at = "/data/orders/totalCount";
                *wrong.pointer_mut(at).expect("a count") =
                    counted.pointer(at).expect("a count").clone();
                wrong
            }
            Way::Edge | Way::List | Way::Node | Way::Cursor | Way::Told => {
                app.call_as(&all, query, variables).await.1
            }
        }
    }

    /// The same of a subscription.
    async fn told(&self, who: &Principal, query: &str, variables: Value) -> Value {
        let all = somebody(Grants::everything());
        let who = if self.without == Some(Way::Told) { &all } else { who };
        self.shop.app.told_as(who, query, variables).await
    }
}

fn ids(reply: &Value) -> Vec<&Value> {
    let edges = reply.pointer("/data/orders/edges").and_then(Value::as_array);
    edges.into_iter().flatten().map(|edge| &edge["node"]["id"]).collect()
}

/// The ways on which somebody comes to what is not open to him.
async fn leaks(gate: &Gate<'_>, group: &Value) -> Vec<Way> {
    let shop = gate.shop;
    let ada = shop.app.user(&shop.ada);
    let own = [&shop.of_ada];
    let mut found = Vec::new();
    let mut look = |way, leaks: bool| found.extend(leaks.then_some(way));

    let blind = Permissions::all().without(Permission::UsersRead);
    let blind = somebody(Grants::everything().limited_to(blind));
    let members = "query($id: ID!) { group(id: $id) { members { id } } }";
    let told = gate.answer(Way::Edge, &blind, members, json!({"id": group})).await;
    look(Way::Edge, told["data"]["group"]["members"] != json!([]));

    let list = "{ orders { edges { node { id } } } }";
    let told = gate.answer(Way::List, &ada, list, json!({})).await;
    look(Way::List, ids(&told) != own);
    let count = "{ orders { totalCount } }";
    let told = gate.answer(Way::Count, &ada, count, json!({})).await;
    look(Way::Count, told["data"]["orders"]["totalCount"] != 1);

    let of_bob = json!({"id": shop.of_bob});
    let node = "query($id: ID!) { node(id: $id) { id } }";
    let told = gate.answer(Way::Node, &ada, node, of_bob.clone()).await;
    look(Way::Node, told["data"]["node"] != Value::Null);

    let page = "query($before: String) { orders(last: 9, before: $before) {
        edges { cursor node { id } } } }";
    let everything = somebody(Grants::everything());
    let all = shop.app.call_as(&everything, page, json!({})).await.1;
    let edges = all["data"]["orders"]["edges"].as_array().expect("edges").clone();
    let mut leads = false;
    for edge in edges {
        let before = json!({"before": edge["cursor"]});
        let told = gate.answer(Way::Cursor, &ada, page, before).await;
        leads |= ids(&told).iter().any(|id| !own.contains(id));
    }
    look(Way::Cursor, leads);

    let changed = "subscription($id: ID!) { changed(id: $id) { id } }";
    let told = gate.told(&ada, changed, of_bob.clone()).await;
    look(Way::Told, told["data"]["changed"]["id"] == shop.of_bob);

    let order = "query($id: ID!) { order(id: $id) { id } }";
    let told = gate.answer(Way::Kept, &ada, order, of_bob).await;
    look(Way::Kept, told["data"]["order"] != Value::Null);
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_way_around_the_gate_and_each_there_might_be_is_found() {
    let shop = Shop::open().await;
    let app = &shop.app;
    let group = app.done("createGroup", json!({"name": "Sales"}), "id").await["id"].take();
    let member = json!({"groupId": group, "userId": shop.bob});
    shop.known(&app.done("joinGroup", member, "position").await).await;
    shop.assign(&shop.ada, "clerk", "all").await;
    let before = app.user(&shop.ada);
    let revoke = json!({"userId": shop.ada, "role": "clerk", "scope": "all"});
    shop.known(&app.done("revokeRole", revoke, "position").await).await;
    for without in [None].into_iter().chain(WAYS.map(Some)) {
        let gate = Gate { shop: &shop, without, before: before.clone() };
        let expected: Vec<Way> = without.into_iter().collect();
        assert_eq!(leaks(&gate, &group).await, expected);
    }
    shop.app.stop().await;
}
