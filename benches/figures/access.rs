//! What a decision costs where a million users were given something: what a request is let in by, what
//! `checkPermission` asks, and what a node keeps for it. In memory; no database has a part in it.

use std::hint::black_box;
use std::time::Instant;

use emporium::application::access::grants;
use emporium::application::decisions::reasons;
use emporium::domain::access::belongs::Belongs;
use emporium::domain::access::permission::Permission;
use emporium::domain::access::role_name::RoleName;
use emporium::domain::access::scope::Scope;
use emporium::domain::access::user;
use emporium::domain::id::{AggregateId, LocationId};
use emporium::projections::assignments::Assignments;
use emporium::projections::{Fact, Place, Projection as _};
use uuid::Uuid;

use crate::machine::resident_bytes;
use crate::place::Places;
use crate::samples::Samples;
use crate::settings::Settings;

pub const DECIDED: &str = "a decision about one thing, among 1,000,000 assignments";
pub const CHECKED: &str = "checkPermission about one thing, among 1,000,000 assignments";
pub const KEPT: &str = "what is kept of a user who was given a role";

/// Decisions that are made of each sort.
const LOOKS: u32 = 100_000;
/// The roles that are given, one after the other.
const ROLES: [&str; 3] = ["clerk", "warehouse", "scheduler"];

fn somebody(number: u64) -> Uuid {
    Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0000 | u128::from(number))
}

pub fn measure(settings: &Settings, places: &Places, samples: &mut Samples) {
    let users = settings.assigned_users();
    let before = resident_bytes();
    let mut known = Assignments::default();
    for number in 0..users {
        let scope = match number % 3 {
            0 => Scope::All,
            1 => Scope::Own,
            _ => Scope::Location(LocationId(somebody(number % 1_000))),
        };
        let role = RoleName::read(ROLES[number as usize % ROLES.len()]).expect("it ships");
        let assigned = user::Event::RoleAssigned { role, scope, valid_until: None };
        let aggregate_id = AggregateId(somebody(number));
        let place = Place { aggregate_id, version: 2, recorded_us: 1 };
        known.apply(place, &Fact::User(assigned));
    }
    let kept = resident_bytes().saturating_sub(before) as f64 / users as f64;
    let thing = Belongs::lying_at(LocationId(somebody(2)));
    // Far apart from one to the next, so that no cache has them.
    let user = |look: u32| somebody((u64::from(look) * 7_919) % users);
    let timed = |decide: &dyn Fn(Uuid)| {
        let began = Instant::now();
        (0..LOOKS).for_each(|look| decide(user(look)));
        began.elapsed().as_secs_f64() / f64::from(LOOKS)
    };
    let decided = timed(&|user| {
        black_box(grants(&known, user, 2).may(Permission::StockRead, &thing));
    });
    let checked = timed(&|user| {
        black_box(reasons(&known, user, Permission::StockRead, Some(&thing), 2));
    });
    for kind in places.kinds() {
        samples.push(kind, DECIDED, decided * 1e6);
        samples.push(kind, CHECKED, checked * 1e3);
        samples.push(kind, KEPT, kept);
    }
}
