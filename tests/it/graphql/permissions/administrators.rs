//! One administrator stays, by whatever way somebody ceases to be one, and whoever takes it from whom at the same
//! time: ways that are drawn, by two at once, and after each the aggregates themselves are looked at.

use serde_json::{Value, json};

use super::{Shop, registered};
use emporium::domain::access::administrators::{Administrators, administrators_id};
use emporium::domain::access::user::User;
use emporium::domain::id::AggregateId;
use emporium::domain::question::Whole;

/// Rounds of two each.
const ROUNDS: usize = 40;

/// Numbers from a seed (xorshift).
struct Drawn(u64);

impl Drawn {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// What may end that somebody is an administrator, or begin it, and with what it is asked for.
fn asked(way: u64, user: &Value) -> (&'static str, Value) {
    let role = "administrator";
    let reason = "a coup";
    match way {
        0 | 1 => ("assignRole", json!({"userId": user, "role": role})),
        2 => (
            "assignRole",
            json!({"userId": user, "role": role, "validUntil": "2190-01-01T00:00:00Z"}),
        ),
        3 | 4 => ("revokeRole", json!({"userId": user, "role": role})),
        5 => ("suspendUser", json!({"userId": user, "reason": reason})),
        6 => ("reinstateUser", json!({"userId": user})),
        _ => ("closeUser", json!({"userId": user, "reason": reason})),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_whatever_ways_and_at_whatever_time_one_administrator_stays() {
    let shop = Shop::open().await;
    let app = &shop.app;
    let engine = &app.program.node.engine;
    let mut users = vec![shop.ada.clone(), shop.bob.clone()];
    for name in ["cy", "dee"] {
        users.push(registered(app, name).await);
    }
    let id = |user: &Value| -> AggregateId {
        let uuid = user.as_str().and_then(|id| id.strip_prefix("user_")).expect("an id");
        AggregateId(uuid.parse().expect("a UUID"))
    };
    shop.assign(&shop.ada, "administrator", "all").await;
    let seed = uuid::Uuid::new_v4().as_u128() as u64;
    println!("seed {seed}");
    let mut drawn = Drawn(seed | 1);
    let (mut refused, mut done) = (0, Vec::new());
    for _ in 0..ROUNDS {
        let calls = [(); 2].map(|()| {
            let user = drawn.below(users.len() as u64) as usize;
            asked(drawn.below(8), &users[user])
        });
        let [(one, input), (other, others)] = calls.clone();
        let (one, other) =
            tokio::join!(app.mutate(one, input, "id"), app.mutate(other, others, "id"));
        for (payload, (mutation, _)) in [one, other].iter().zip(&calls) {
            match payload["userErrors"][0]["code"].as_str() {
                Some("ADMINISTRATOR_REQUIRED") => refused += 1,
                Some(code) => assert_ne!(code, "RELEASE_REQUIRED", "{calls:?}"),
                None => done.push(*mutation),
            }
        }
        let counted = engine.aggregate::<Administrators>(administrators_id());
        let counted = counted.read(&Whole).await.expect("they are read").answer.users;
        let mut are = Vec::new();
        for user in &users {
            let state = engine.aggregate::<User>(id(user)).read(&Whole).await.expect("a user");
            if state.answer.is_administrator() {
                are.push(id(user));
            }
        }
        assert!(!are.is_empty(), "nobody is left after {calls:?}; done before: {done:?}");
        // Whoever is counted is one.
        assert!(counted.iter().all(|user| are.contains(user)), "{counted:?} {are:?} {calls:?}");
        // Closed is for good: so that something goes on, a closed one is followed by another.
        for user in &mut users {
            let state = engine.aggregate::<User>(id(user)).read(&Whole).await.expect("a user");
            let is_closed =
                state.answer.status() == Some(emporium::domain::access::user::Status::Closed);
            if is_closed {
                *user = registered(app, &uuid::Uuid::now_v7().simple().to_string()).await;
            }
        }
    }
    assert!(refused > 0, "nothing was refused: {done:?}");
    // Erasing is a way too.
    for user in &users {
        let input = json!({"person": {"userId": user}, "reason": "asked for it"});
        app.mutate("erasePerson", input, "position").await;
    }
    let last = app.data("{ administrators { id status } }", json!({})).await;
    let last = last["administrators"].as_array().expect("a list").clone();
    assert_eq!(last.len(), 1, "{last:?}");
    assert_eq!(last[0]["status"], "ACTIVE");
    shop.app.stop().await;
}
