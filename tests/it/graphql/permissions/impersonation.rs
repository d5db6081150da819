//! Asking in the place of another user: with what that one may and for as long as it is allowed, seen in every
//! event, by him and by auditors; and in nobody's place who may more.

use reqwest::StatusCode;
use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};

use super::Shop;

const ON_BEHALF_OF: &str = "on-behalf-of";

impl Shop {
    /// What somebody is answered in the place of somebody else.
    async fn in_place_of(&self, by: &Value, user: &Value, query: &str, variables: Value) -> Reply {
        self.app.heads().await;
        let uuid = by.as_str().and_then(|id| id.strip_prefix("user_")).expect("a user's id");
        let request = self
            .app
            .post()
            .header(AUTHORIZATION, format!("Bearer user:{uuid}"))
            .header(ON_BEHALF_OF, user.as_str().expect("an id"))
            .json(&json!({"query": query, "variables": variables}));
        let reply = request.send().await.expect("it is answered");
        Reply(reply.status(), reply.json().await.expect("JSON"))
    }

    async fn begin(&self, by: &Value, user: &Value) -> Value {
        let query = "mutation($input: ImpersonateInput!) { impersonate(input: $input) {
            id userErrors { code path } } }";
        let input = json!({"userId": user, "reason": "ticket 7", "minutes": 60});
        let by = self.app.user(by);
        self.app.data_as(&by, query, json!({"input": input})).await["impersonate"].take()
    }
}

#[derive(Debug)]
struct Reply(StatusCode, Value);

impl Reply {
    fn data(&self, at: &str) -> Value {
        assert_eq!(self.0, StatusCode::OK, "{self:?}");
        self.1["data"].pointer(at).unwrap_or_else(|| panic!("{at}: {self:?}")).clone()
    }

    fn is_refused(&self) -> bool {
        let code = &self.1["errors"][0]["extensions"]["code"];
        self.0 == StatusCode::FORBIDDEN && code == "IMPERSONATION_REQUIRED"
    }
}

const SEEN: &str = "query($id: ID!) { me { id } order(id: $id) { id } orders { totalCount } }";

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_in_anothers_place_sees_what_that_one_sees_and_is_seen() {
    let shop = Shop::open().await;
    let app = &shop.app;
    shop.assign(&shop.ada, "administrator", "all").await;
    let of_bob = json!({"id": shop.of_bob});
    assert!(shop.in_place_of(&shop.ada, &shop.bob, SEEN, of_bob.clone()).await.is_refused());
    let begun = shop.begin(&shop.ada, &shop.bob).await;
    assert_eq!(begun["userErrors"], json!([]));
    // She sees his, and nothing that she alone might see.
    let told = shop.in_place_of(&shop.ada, &shop.bob, SEEN, of_bob.clone()).await;
    assert_eq!(told.data("/me/id"), shop.bob);
    assert_eq!(told.data("/order/id"), shop.of_bob);
    assert_eq!(told.data("/orders/totalCount"), 1);
    let of_ada = json!({"id": shop.of_ada});
    let told = shop.in_place_of(&shop.ada, &shop.bob, SEEN, of_ada).await;
    assert_eq!(told.data("/order"), Value::Null);
    // What she does says so, in the log and in the audit, and he sees that she could.
    let of = super::emporium_input("cancelOrder");
    let cancel = format!(
        "mutation($input: {of}) {{ cancelOrder(input: $input) {{ userErrors {{ code }} }} }}"
    );
    let input =
        json!({"input": {"orderId": shop.of_bob, "reason": "he asked", "idempotencyKey": "c"}});
    let told = shop.in_place_of(&shop.ada, &shop.bob, &cancel, input).await;
    assert_eq!(told.data("/cancelOrder/userErrors"), json!([]));
    app.heads().await;
    let seen = "query($id: ID!, $thing: String!) {
        history(id: $id, last: 1) { edges { node { name by { subject onBehalfOf } } } }
        audit(where: {thing: {eq: $thing}}, first: 1) { edges { node { action actor onBehalfOf } } } }";
    let told = app.data(seen, json!({"id": shop.of_bob, "thing": shop.of_bob})).await;
    let uuid = |user: &Value| user.as_str().expect("an id").replace("user_", "");
    let event = &told["history"]["edges"][0]["node"];
    assert_eq!(event["by"], json!({"subject": uuid(&shop.ada), "onBehalfOf": uuid(&shop.bob)}));
    let entry = &told["audit"]["edges"][0]["node"];
    let actor = format!("user:{}", uuid(&shop.ada));
    assert_eq!((&entry["actor"], &entry["onBehalfOf"]), (&json!(actor), &json!(uuid(&shop.bob))));
    let own = "{ me { impersonations { byId reason } } }";
    let told = app.data_as(&app.user(&shop.bob), own, json!({})).await;
    let expected = json!([{"byId": shop.ada, "reason": "ticket 7"}]);
    assert_eq!(told["me"]["impersonations"], expected);
    // By what he signs in, whether he is known at all, and whoever is a third: that she does not do for him.
    for (mutation, input) in [
        ("updateUserProfile", json!({"userId": shop.bob, "displayName": "Eve"})),
        ("changeUserEmail", json!({"userId": shop.bob, "email": "eve@example.org"})),
        ("erasePerson", json!({"person": {"userId": shop.bob}, "reason": "x"})),
        ("impersonate", json!({"userId": shop.ada, "reason": "x"})),
    ] {
        let of = super::emporium_input(mutation);
        let query = format!(
            "mutation($input: {of}) {{ {mutation}(input: $input) {{ userErrors {{ code }} }} }}"
        );
        let input = json!({"input": input});
        let Reply(status, reply) = shop.in_place_of(&shop.ada, &shop.bob, &query, input).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{mutation}: {reply}");
    }
    let end = json!({"input": {"userId": shop.bob}});
    let query = "mutation($input: EndImpersonationInput!) { endImpersonation(input: $input) {
        userErrors { code } } }";
    app.data_as(&app.user(&shop.ada), query, end).await;
    assert!(shop.in_place_of(&shop.ada, &shop.bob, SEEN, of_bob).await.is_refused());
    shop.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_asks_in_the_place_of_who_may_more_and_it_ends_with_what_permits_it() {
    let shop = Shop::open().await;
    let app = &shop.app;
    let define = json!({"name": "Support", "permissions": ["users.impersonate", "orders.read"]});
    let support = app.done("defineRole", define, "id").await["id"].take();
    let support = support.as_str().expect("an id").to_owned();
    // Whoever may not at all is told so before anything else.
    let (outcome, _) = app
        .call_as(
            &app.user(&shop.ada),
            "mutation($input: ImpersonateInput!) { impersonate(input: $input) { id } }",
            json!({"input": {"userId": shop.bob, "reason": "x"}}),
        )
        .await;
    assert_eq!(outcome, emporium::graphql::Outcome::Forbidden);
    shop.assign(&shop.ada, &support, "all").await;
    shop.assign(&shop.bob, "clerk", "all").await;
    let beyond = json!([{"code": "PERMISSION_REQUIRED", "path": ["input", "userId"]}]);
    assert_eq!(shop.begin(&shop.ada, &shop.bob).await["userErrors"], beyond);
    let himself = shop.begin(&shop.ada, &shop.ada).await;
    assert_eq!(himself["userErrors"][0]["code"], "INVALID_IMPERSONATION");
    let never = json!("user_00000000-0000-8000-8000-00000000abcd");
    let nobody = shop.begin(&shop.ada, &never).await;
    assert_eq!(nobody["userErrors"][0]["code"], "USER_NOT_FOUND");
    let revoke = async |user: &Value, role: &str| {
        let input = json!({"userId": user, "role": role});
        shop.known(&app.done("revokeRole", input, "position").await).await;
    };
    revoke(&shop.bob, "clerk").await;
    let may = async || {
        !shop.in_place_of(&shop.ada, &shop.bob, "{ me { id } }", json!({})).await.is_refused()
    };
    assert_eq!(shop.begin(&shop.ada, &shop.bob).await["userErrors"], json!([]));
    assert!(may().await);
    // He may more; he is suspended; her role permits it no more, and then again; she has it no more.
    shop.assign(&shop.bob, "clerk", "all").await;
    assert!(!may().await);
    revoke(&shop.bob, "clerk").await;
    assert!(may().await);
    let suspend = json!({"userId": shop.bob, "reason": "fraud"});
    shop.known(&app.done("suspendUser", suspend, "position").await).await;
    assert!(!may().await);
    let done = app.done("reinstateUser", json!({"userId": shop.bob}), "position").await;
    shop.known(&done).await;
    assert!(may().await);
    for (mutation, then) in [("revokePermission", false), ("grantPermission", true)] {
        let permission = json!({"roleId": support, "permission": "users.impersonate"});
        shop.known(&app.done(mutation, permission, "position").await).await;
        assert_eq!(may().await, then, "{mutation}");
    }
    revoke(&shop.ada, &support).await;
    assert!(!may().await);
    shop.app.stop().await;
}
