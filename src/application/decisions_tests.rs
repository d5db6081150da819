//! What is told of a decision is what is decided: for every permission, scope and thing.

use super::*;
use crate::access::grants;
use domain::access::group;
use domain::access::permission::Permissions;
use domain::access::user;
use domain::id::{AggregateId, LocationId};
use projections::{Fact, Place, Projection};

const USERS: u128 = 6;

fn id(number: u128) -> AggregateId {
    AggregateId(Uuid::from_u128(number))
}

/// Numbers that look drawn, and are the same in each run (a linear congruence of Knuth's).
struct Drawn(u64);

impl Drawn {
    fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

fn scope(drawn: &mut Drawn) -> Scope {
    let of = id(100 + u128::from(drawn.below(2)));
    match drawn.below(5) {
        0 => Scope::All,
        1 => Scope::Own,
        2 => Scope::Account(of),
        3 => Scope::Group(of),
        _ => Scope::Location(LocationId(of.0)),
    }
}

fn happened(drawn: &mut Drawn) -> (AggregateId, Fact) {
    use domain::access::account::Event::{AccountOpened, AccountSuspended, MemberAdmitted};
    let someone = id(u128::from(drawn.below(USERS as u64)));
    let of = id(100 + u128::from(drawn.below(2)));
    let roles = domain::access::shipped::SHIPPED;
    let role = roles[drawn.below(roles.len() as u64) as usize].name;
    let role = RoleName::read(role).expect("it ships");
    let reason = String::new();
    match drawn.below(10) {
        0 => (someone, Fact::User(user::Event::UserSuspended { reason })),
        1 => (someone, Fact::User(user::Event::UserReinstated {})),
        2 => (of, Fact::Group(group::Event::GroupJoined { user: someone })),
        3 => (of, Fact::Account(AccountOpened { name: String::new() })),
        4 => (of, Fact::Account(MemberAdmitted { user: someone })),
        5 => (of, Fact::Account(AccountSuspended { reason })),
        6 => {
            let scope = scope(drawn);
            (someone, Fact::User(user::Event::RoleRevoked { role, scope }))
        }
        _ => {
            let scope = scope(drawn);
            let seconds = i64::try_from(drawn.below(20)).expect("small");
            let valid_until = (drawn.below(2) == 0).then(|| DateTime::from_timestamp(seconds, 0));
            let valid_until = valid_until.flatten();
            (someone, Fact::User(user::Event::RoleAssigned { role, scope, valid_until }))
        }
    }
}

fn things() -> Vec<Belongs> {
    let users = (0..USERS).map(|user| Belongs::to_user(id(user)));
    let others =
        [Belongs::NOBODY, Belongs::to_account(id(100)), Belongs::lying_at(LocationId(id(101).0))];
    users.chain(others).collect()
}

#[test]
fn what_is_told_is_what_is_decided() {
    let (mut granted, mut refused) = (0_u32, 0_u32);
    for seed in 0..40 {
        let (mut drawn, mut known) = (Drawn(seed), Assignments::default());
        for version in 1..40 {
            let (aggregate_id, fact) = happened(&mut drawn);
            known.apply(Place { aggregate_id, version, recorded_us: 0 }, &fact);
        }
        let now_us = 10_000_000;
        for user in (0..USERS).map(|user| id(user).0) {
            let grants = grants(&known, user, now_us);
            for permission in Permission::ALL {
                let told = reasons(&known, user, *permission, None, now_us);
                assert_eq!(grants.may_somewhere(*permission), !told.is_empty(), "seed {seed}");
                for thing in things() {
                    let told = reasons(&known, user, *permission, Some(&thing), now_us);
                    let may = grants.may(*permission, &thing);
                    assert_eq!(may, !told.is_empty(), "seed {seed}: {permission} {thing:?}");
                    *if may { &mut granted } else { &mut refused } += 1;
                }
            }
        }
    }
    assert!(granted > 1_000 && refused > 1_000, "{granted} and {refused}: both are tried");
}

#[test]
fn nobody_has_more_than_was_given() {
    let known = Assignments::default();
    let grants = grants(&known, id(1).0, 0);
    assert_eq!(grants.everywhere(), PUBLIC.and(KNOWN));
    assert!(Permissions::all().covers(grants.everywhere()));
    assert!(!grants.may(Permission::OrdersRead, &Belongs::to_user(id(2))));
}
