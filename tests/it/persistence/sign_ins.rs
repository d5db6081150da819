//! What the tables of sign-ins keep: a login is one user's, a session is renewed once from each generation,
//! and its end is told in order.

use emporium::persistence::sign_ins::{
    API_TOKEN, Credential, END_KEPT_US, PASSKEYS_MAX, Passkey, SecondFactor, Session,
};
use uuid::Uuid;

use super::conformance;
use crate::support::database::TestDatabase;

conformance!(
    a_login_is_of_one_user_and_a_user_has_one,
    a_session_is_renewed_once_from_each_generation,
    what_ends_with_a_session_ends_and_is_told_in_order,
    what_is_over_is_swept_and_nothing_else,
    a_password_is_changed_once_from_each_time,
    a_second_factor_moves_on_once_from_each_code,
    a_passkey_is_one_users_and_is_used_once_from_each_use,
    a_subject_is_linked_once_and_with_nobody_who_signs_in_otherwise,
    what_a_user_signs_in_by_is_forgotten_whole,
);

fn credential(user: u128, login: u8) -> Credential {
    let password = format!("$argon2id$v=19$m=19456,t=2,p=1${}", "x".repeat(66));
    Credential { user: Uuid::from_u128(user), login: [login; 16], password, changed_us: 1 }
}

fn session(id: u128, user: u128, parent: Option<u128>) -> Session {
    Session {
        id: Uuid::from_u128(id),
        user: Uuid::from_u128(user),
        parent: parent.map(Uuid::from_u128),
        client: "manager".to_owned(),
        device: format!("Firefox{}", "é".repeat(28)),
        asked: format!("{{\"nonce\":\"{}\"}}", "é".repeat(1_000)),
        generation: 0,
        began_us: 1_700_000_000_000_000,
        used_us: 1_700_000_000_000_000 + i64::try_from(id).expect("it is small"),
        ends_us: 1_800_000_000_000_000,
    }
}

async fn a_login_is_of_one_user_and_a_user_has_one(database: TestDatabase) {
    let store = &database.sign_ins;
    assert!(!store.has_credentials().await.expect("the database answers"));
    for (user, login, is_kept) in [(1, 1, true), (2, 1, false), (1, 2, false), (2, 2, true)] {
        let kept = store.add_credential(&credential(user, login)).await;
        assert_eq!(kept.expect("the database answers"), is_kept, "{user} {login}");
    }
    assert!(store.has_credentials().await.expect("the database answers"));
    let found =
        async |login: u8| store.credential([login; 16]).await.expect("the database answers");
    assert_eq!(found(1).await, Some(credential(1, 1)));
    assert_eq!(found(3).await, None);
    let user = Uuid::from_u128(2);
    assert!(store.set_password(user, "other", 7).await.expect("the database answers"));
    let changed = found(2).await.expect("it is there");
    assert_eq!((changed.password.as_str(), changed.changed_us), ("other", 7));
    let nobody = store.set_password(Uuid::from_u128(9), "other", 7).await;
    assert!(!nobody.expect("the database answers"));
}

async fn a_session_is_renewed_once_from_each_generation(database: TestDatabase) {
    let begun = session(1, 1, None);
    database.sign_ins.begin_session(&begun).await.expect("the database answers");
    let found = database.sign_ins.session(begun.id).await.expect("the database answers");
    assert_eq!(found.as_ref(), Some(&begun));
    for generation in 0..3 {
        let at_once = (0..8).map(|_| {
            let (store, id) = (database.sign_ins.clone(), begun.id);
            tokio::spawn(
                async move { store.renew_session(id, generation, "{\"b\":1}", 5, 6).await },
            )
        });
        let mut renewed = 0;
        for told in at_once.collect::<Vec<_>>() {
            let told = told.await.expect("nothing panics").expect("the database answers");
            renewed += u32::from(told);
        }
        assert_eq!(renewed, 1, "from {generation}");
    }
    let found = database.sign_ins.session(begun.id).await.expect("the database answers");
    let found = found.expect("it is there");
    assert_eq!((found.generation, found.used_us, found.ends_us), (3, 5, 6));
    assert_eq!(found.asked, "{\"b\":1}");
}

async fn what_ends_with_a_session_ends_and_is_told_in_order(database: TestDatabase) {
    let store = &database.sign_ins;
    let sessions =
        [session(1, 1, None), session(2, 1, Some(1)), session(3, 1, None), session(4, 2, None)];
    for begun in &sessions {
        store.begin_session(begun).await.expect("the database answers");
    }
    let of_user = store.sessions_of(Uuid::from_u128(1)).await.expect("the database answers");
    let ids: Vec<u128> = of_user.iter().map(|session| session.id.as_u128()).collect();
    assert_eq!(ids, [3, 2, 1], "the one used last comes first");
    store.end_session(Uuid::from_u128(1), 9).await.expect("the database answers");
    store.end_session(Uuid::from_u128(1), 9).await.expect("it has ended already");
    let told = store.ended_after(0).await.expect("the database answers");
    let mut ended: Vec<u128> = told.iter().map(|end| end.session.as_u128()).collect();
    ended.sort_unstable();
    assert_eq!(ended, [1, 2]);
    let last = told.last().expect("there are two").number;
    let at_once = (0..2).map(|number| {
        let store = store.clone();
        let user = Uuid::from_u128(1 + number);
        tokio::spawn(async move { store.end_sessions_of(user, 9).await })
    });
    for told in at_once.collect::<Vec<_>>() {
        told.await.expect("nothing panics").expect("the database answers");
    }
    let after = store.ended_after(last).await.expect("the database answers");
    let numbers: Vec<u64> = after.iter().map(|end| end.number).collect();
    assert_eq!(numbers, [last + 1, last + 2]);
    for begun in &sessions {
        assert_eq!(store.session(begun.id).await.expect("the database answers"), None);
    }
}

async fn what_is_over_is_swept_and_nothing_else(database: TestDatabase) {
    let store = &database.sign_ins;
    for (id, ends_us) in [(1, 10), (2, 20)] {
        let begun = Session { ends_us, ..session(id, 1, None) };
        store.begin_session(&begun).await.expect("the database answers");
    }
    let (ordinary, script) = (session(3, 1, None), session(4, 1, None));
    let script = Session { client: API_TOKEN.to_owned(), ends_us: 50, ..script };
    for begun in [&ordinary, &script] {
        store.begin_session(begun).await.expect("the database answers");
        store.end_session(begun.id, 5).await.expect("the database answers");
    }
    store.sweep(15).await.expect("the database answers");
    let found = async |id| store.session(Uuid::from_u128(id)).await.expect("the database answers");
    assert_eq!((found(1).await.is_none(), found(2).await.is_some()), (true, true));
    let left = async |now: i64| {
        store.sweep(now).await.expect("the database answers");
        let ended = store.ended_after(0).await.expect("the database answers");
        ended.iter().map(|end| (end.session.as_u128(), end.until_us)).collect::<Vec<_>>()
    };
    let (day, all) = (END_KEPT_US, vec![(3, 5 + END_KEPT_US), (4, 50 + END_KEPT_US)]);
    assert_eq!(left(5 + day).await, all);
    assert_eq!(left(6 + day).await, all[1..], "an API token could hold still");
    assert_eq!(left(51 + day).await, []);
}

async fn a_password_is_changed_once_from_each_time(database: TestDatabase) {
    let store = &database.sign_ins;
    let user = Uuid::from_u128(1);
    store.add_credential(&credential(1, 1)).await.expect("the database answers");
    let at_once = (0..8).map(|number| {
        let store = store.clone();
        tokio::spawn(async move {
            store.change_password(user, 1, &format!("by {number}"), 2 + number).await
        })
    });
    let mut changed = 0;
    for told in at_once.collect::<Vec<_>>() {
        changed += u32::from(told.await.expect("nothing panics").expect("the database answers"));
    }
    assert_eq!(changed, 1);
    let password = store.password_of(user).await.expect("the database answers");
    assert!(password.is_some_and(|password| password.starts_with("by ")));
    let nobody = store.password_of(Uuid::from_u128(2)).await.expect("the database answers");
    assert_eq!(nobody, None);
}

fn factor(user: u128, step: i64) -> SecondFactor {
    let (secret, spare) = (vec![7; 128], vec![9; 512]);
    SecondFactor { user: Uuid::from_u128(user), secret, confirmed_us: 0, step, spare }
}

async fn a_second_factor_moves_on_once_from_each_code(database: TestDatabase) {
    let store = &database.sign_ins;
    let begun = factor(1, 0);
    let user = begun.user;
    assert!(store.begin_second_factor(&factor(1, 5)).await.expect("the database answers"));
    assert!(
        store.begin_second_factor(&begun).await.expect("one that was not confirmed is replaced")
    );
    let found = async || store.second_factor(user).await.expect("the database answers");
    assert_eq!(found().await.as_ref(), Some(&begun));
    let holds = SecondFactor { confirmed_us: 3, step: 1, spare: vec![1], ..begun.clone() };
    let at_once = (0..8).map(|_| {
        let (store, begun, holds) = (store.clone(), begun.clone(), holds.clone());
        tokio::spawn(async move { store.move_second_factor(&begun, &holds).await })
    });
    let mut moved = 0;
    for told in at_once.collect::<Vec<_>>() {
        moved += u32::from(told.await.expect("nothing panics").expect("the database answers"));
    }
    assert_eq!(moved, 1);
    assert_eq!(found().await.as_ref(), Some(&holds));
    assert!(!store.begin_second_factor(&begun).await.expect("the database answers"), "it holds");
    assert_eq!(found().await, Some(holds));
    store.remove_second_factor(user).await.expect("the database answers");
    assert_eq!(found().await, None);
}

fn passkey(number: u8, user: u128) -> Passkey {
    Passkey {
        id: [number; 32],
        credential: vec![number; 1_023],
        user: Uuid::from_u128(user),
        key: vec![4; 65],
        counter: u32::MAX - 1,
        may_be_copied: number % 2 == 1,
        device: format!("Firefox{}", "é".repeat(28)),
        made_us: 1_700_000_000_000_000 + i64::from(number),
        used_us: 0,
    }
}

async fn a_passkey_is_one_users_and_is_used_once_from_each_use(database: TestDatabase) {
    let store = &database.sign_ins;
    let add =
        async |passkey: &Passkey| store.add_passkey(passkey, i64::MAX).await.expect("it answers");
    let first = passkey(1, 1);
    assert!(add(&first).await);
    assert!(!add(&Passkey { user: Uuid::from_u128(2), ..first.clone() }).await, "it is another's");
    assert_eq!(store.passkey(first.id).await.expect("it answers"), Some(first.clone()));
    let second = passkey(99, 1);
    for (asked_us, is_kept) in [(first.made_us, false), (first.made_us + 1, true)] {
        let told = store.add_passkey(&second, asked_us).await.expect("it answers");
        assert_eq!(told, is_kept, "one was made since it was asked for, or was not");
    }
    // As many as there may be, and of many at once no more.
    let at_once = (2..=30).map(|number| {
        let store = store.clone();
        tokio::spawn(async move { store.add_passkey(&passkey(number, 1), i64::MAX).await })
    });
    let mut added = 2;
    for told in at_once.collect::<Vec<_>>() {
        added += usize::from(told.await.expect("nothing panics").expect("the database answers"));
    }
    assert_eq!(added, PASSKEYS_MAX);
    let of =
        async |user| store.passkeys_of(Uuid::from_u128(user)).await.expect("the database answers");
    let listed = of(1).await;
    assert_eq!((listed.len(), &listed[0]), (PASSKEYS_MAX, &first));
    assert!(listed.is_sorted_by_key(|it| it.made_us));
    assert!(add(&passkey(40, 2)).await);
    let at_once = (0..8).map(|_| {
        let (store, known) = (store.clone(), first.clone());
        tokio::spawn(async move { store.use_passkey(&known, u32::MAX, 7).await })
    });
    let mut used = 0;
    for told in at_once.collect::<Vec<_>>() {
        used += u32::from(told.await.expect("nothing panics").expect("the database answers"));
    }
    assert_eq!(used, 1);
    let after = Passkey { counter: u32::MAX, used_us: 7, ..first.clone() };
    assert_eq!(store.passkey(first.id).await.expect("it answers"), Some(after));
    store.remove_passkey(Uuid::from_u128(2), first.id).await.expect("it answers");
    assert_eq!(of(1).await.len(), PASSKEYS_MAX, "he has none of that name");
    store.remove_passkey(first.user, first.id).await.expect("it answers");
    assert_eq!(of(1).await.len(), PASSKEYS_MAX - 1);
    store.remove_passkeys_of(first.user).await.expect("it answers");
    assert_eq!((of(1).await.len(), of(2).await.len()), (0, 1));
}

async fn a_subject_is_linked_once_and_with_nobody_who_signs_in_otherwise(database: TestDatabase) {
    let store = &database.sign_ins;
    let id = Uuid::from_u128;
    store.add_credential(&credential(1, 1)).await.expect("the database answers");
    let unless_known = async |subject, user| {
        let linked = store.link_unless_known(id(subject), id(user), 7).await;
        linked.expect("the database answers")
    };
    let linked = async |subject| store.linked(id(subject)).await.expect("the database answers");
    assert!(!unless_known(11, 1).await, "he has a password here");
    assert_eq!(linked(11).await, None);
    let at_once = (0..8).map(|number| {
        let store = store.clone();
        tokio::spawn(async move { store.link_unless_known(id(20 + number), id(2), 7).await })
    });
    let mut won = 0;
    for told in at_once.collect::<Vec<_>>() {
        won += u32::from(told.await.expect("nothing panics").expect("the database answers"));
    }
    assert_eq!(won, 1, "of several subjects one is he");
    let can = async |user| store.can_sign_in(id(user)).await.expect("the database answers");
    assert_eq!((can(1).await, can(2).await, can(3).await), (true, true, false));
    // An operator links whom he likes, and once.
    let link = async |subject, user| {
        store.link(id(subject), id(user), 7).await.expect("the database answers")
    };
    assert!(link(30, 1).await && !link(30, 3).await);
    assert_eq!(linked(30).await, Some(id(1)));
    assert!(store.unlink(id(30)).await.expect("the database answers"));
    assert!(!store.unlink(id(30)).await.expect("the database answers"));
    assert_eq!(linked(30).await, None);
    // What was said of his roles goes forwards.
    let told = async || store.roles_told(id(30)).await.expect("the database answers");
    assert_eq!(told().await, 0);
    for (at, known) in [(5, 5), (3, 5), (9, 9)] {
        store.note_roles_told(id(30), id(1), at).await.expect("the database answers");
        assert_eq!(told().await, known);
    }
}

async fn what_a_user_signs_in_by_is_forgotten_whole(database: TestDatabase) {
    let store = &database.sign_ins;
    let (user, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
    for (number, id) in [(1, user), (2, other)] {
        store.add_credential(&credential(number, number as u8)).await.expect("it answers");
        store.begin_second_factor(&factor(number, 0)).await.expect("it answers");
        store.link(Uuid::from_u128(10 + number), id, 7).await.expect("it answers");
        store.add_passkey(&passkey(number as u8, number), i64::MAX).await.expect("it answers");
    }
    for (subject, user) in [(11, user), (12, other)] {
        let noted = store.note_roles_told(Uuid::from_u128(subject), user, 7).await;
        noted.expect("the database answers");
    }
    store.remove_credential(user).await.expect("the database answers");
    for (subject, told) in [(11, 0), (12, 7)] {
        let known = store.roles_told(Uuid::from_u128(subject)).await;
        assert_eq!(known.expect("the database answers"), told);
    }
    assert!(!store.can_sign_in(user).await.expect("the database answers"));
    assert_eq!(store.second_factor(user).await.expect("the database answers"), None);
    assert_eq!(store.passkeys_of(user).await.expect("the database answers"), []);
    assert_eq!(store.passkeys_of(other).await.expect("the database answers").len(), 1);
    assert!(store.can_sign_in(other).await.expect("the database answers"));
    assert!(store.second_factor(other).await.expect("the database answers").is_some());
}
