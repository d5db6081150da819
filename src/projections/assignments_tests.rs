//! What is kept of who was given what, fact by fact.

use super::*;
use crate::testing::{History, id, round_trip};
use domain::access::permission::Permission::{OrdersRead, StockRead, StockWrite};
use domain::access::role::Details;

const ADA: u128 = 1;

fn clerk() -> RoleName {
    RoleName::read("clerk").expect("it ships")
}

fn assigned(role: RoleName, scope: Scope) -> Fact {
    Fact::User(user::Event::RoleAssigned { role, scope, valid_until: None })
}

fn suspended() -> Fact {
    Fact::User(user::Event::UserSuspended { reason: "fraud".to_owned() })
}

#[test]
fn who_has_no_more_than_everybody_has_no_row() {
    let mut history = History::<Assignments>::default();
    let revoked = user::Event::RoleRevoked { role: clerk(), scope: Scope::All };
    history.happens(id(ADA), assigned(clerk(), Scope::All));
    history.happens(id(ADA), suspended());
    assert_eq!(history.view.rows(), 1);
    history.happens(id(ADA), Fact::User(user::Event::UserReinstated {}));
    let has = history.view.of_user(id(ADA).0).expect("a role");
    assert_eq!((has.is_barred, has.assigned.len()), (false, 1));
    history.happens(id(ADA), Fact::User(revoked));
    assert_eq!(history.view.rows(), 0);
}

#[test]
fn who_asks_in_anothers_place_does_so_until_it_ends() {
    let mut history = History::<Assignments>::default();
    let begun = |by, until: &str| {
        let (by, reason) = (id(by), "a call".to_owned());
        let at = "1970-01-01T00:00:00Z".parse().expect("a time");
        let until = until.parse().expect("a time");
        Fact::User(user::Event::UserImpersonated { by, reason, at, until })
    };
    // Each fact is a second behind the one before it.
    history.happens(id(ADA), begun(7, "1970-01-01T00:00:01.500Z"));
    history.happens(id(ADA), begun(8, "1970-01-01T00:01:00Z"));
    history.happens(id(ADA), begun(9, "1970-01-01T00:01:00Z"));
    let by = |view: &Assignments, by, now_us| view.impersonates(id(by).0, id(ADA).0, now_us);
    for view in [&history.view, &round_trip(&history.view)] {
        assert!(by(view, 8, 59_999_999) && by(view, 9, 4_000_000));
        assert!(!by(view, 8, 60_000_000) && !by(view, 7, 0), "what has ended is forgotten");
        assert!(!view.impersonates(id(ADA).0, id(8).0, 0), "it goes one way");
    }
    let at = "1970-01-01T00:00:04Z".parse().expect("a time");
    history.happens(id(ADA), Fact::User(user::Event::ImpersonationEnded { by: id(8), at }));
    assert!(!by(&history.view, 8, 5_000_000) && by(&history.view, 9, 5_000_000));
}

#[test]
fn a_role_assigned_again_in_its_scope_is_one_and_newer() {
    let mut history = History::<Assignments>::default();
    history.happens(id(ADA), assigned(clerk(), Scope::All));
    history.happens(id(ADA), assigned(clerk(), Scope::Own));
    let until = "1970-01-01T00:01:00Z".parse().ok();
    let again = user::Event::RoleAssigned { role: clerk(), scope: Scope::All, valid_until: until };
    history.happens(id(ADA), Fact::User(again));
    for view in [&history.view, &round_trip(&history.view)] {
        let has = view.of_user(id(ADA).0).expect("roles");
        let all: Vec<_> = has.assigned.iter().map(|a| (a.scope, a.since_us, a.until_us)).collect();
        assert_eq!(all, [(Scope::Own, 2_000_000, None), (Scope::All, 3_000_000, Some(60_000_000))]);
        assert!(has.assigned[1].holds_at(59_999_999) && !has.assigned[1].holds_at(60_000_000));
        assert_eq!(has.assigned[0].role.name(), clerk());
    }
}

#[test]
fn a_made_role_permits_what_it_was_granted_until_it_is_retired() {
    let mut history = History::<Assignments>::default();
    let details = Details { name: "Counter".to_owned(), purpose: String::new() };
    let role = RoleKey::Made(id(9).0);
    assert!(history.view.permissions(role).is_empty());
    history.happens(id(9), Fact::Role(role::Event::RoleDefined { details }));
    for permission in [StockRead, StockWrite, OrdersRead] {
        history.happens(id(9), Fact::Role(role::Event::PermissionGranted { permission }));
    }
    let revoked = role::Event::PermissionRevoked { permission: StockWrite };
    history.happens(id(9), Fact::Role(revoked));
    assert_eq!(history.view.permissions(role), Permissions::of(&[StockRead, OrdersRead]));
    history.happens(id(9), Fact::Role(role::Event::RoleRetired {}));
    assert!(history.view.permissions(role).is_empty());
}

#[test]
fn members_of_inner_groups_are_members_in_whatever_order_it_is_heard() {
    let created = |within: &[u128]| {
        let within = within.iter().copied().map(id).collect();
        Fact::Group(group::Event::GroupCreated {
            details: group::Details { name: "g".to_owned(), within },
        })
    };
    let joined = |user| Fact::Group(group::Event::GroupJoined { user: id(user) });
    let mut history = History::<Assignments>::default();
    history.happens(id(12), created(&[10, 11]));
    history.happens(id(12), joined(ADA));
    history.happens(id(11), created(&[10]));
    history.happens(id(10), created(&[]));
    let has = |history: &History<Assignments>, group| {
        history.view.members(id(group)).iter().any(|set| set.contains(&id(ADA).0))
    };
    assert!([10, 11, 12].into_iter().all(|group| has(&history, group)));
    assert!(!has(&history, 13));
    history.happens(id(11), Fact::Group(group::Event::GroupDissolved {}));
    assert_eq!([10, 11, 12].map(|group| has(&history, group)), [true, false, true]);
    history.happens(id(12), Fact::Group(group::Event::GroupLeft { user: id(ADA) }));
    assert!(!has(&history, 10));
}

#[test]
fn only_open_accounts_count() {
    let mut history = History::<Assignments>::default();
    let admitted = account::Event::MemberAdmitted { user: id(ADA) };
    history.happens(id(20), Fact::Account(account::Event::AccountOpened { name: "A".to_owned() }));
    history.happens(id(20), Fact::Account(admitted));
    let accounts = |history: &History<Assignments>| history.view.accounts_of(id(ADA).0).count();
    assert_eq!(accounts(&history), 1);
    let reason = "unpaid".to_owned();
    history.happens(id(20), Fact::Account(account::Event::AccountSuspended { reason }));
    assert_eq!(accounts(&history), 0);
    history.happens(id(20), Fact::Account(account::Event::AccountReinstated {}));
    history.happens(id(20), Fact::Account(account::Event::MemberDismissed { user: id(ADA) }));
    assert_eq!((accounts(&history), history.view.memberships.len()), (0, 0));
}
