//! What only a server behind a network can do: lose an answer, wait for locks, end a connection.

use std::time::Duration;

use emporium::persistence::journal::{
    Appended, Appender, AppenderSource, Entry, JournalError, LogReader, PageLimit, ShardLeases,
};
use emporium::persistence_sql::entry_checksum;
use emporium::persistence_sql::mysql::{Database, Options};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::entries::{claim, claims, commit, entry, owner, run_of, whole};
use crate::support::database::{Location, Operator, TestDatabase, on_mysql};
use crate::support::eventually;
use crate::support::proxy::{Mode, Proxy};

/// A database that is reached by way of a proxy, with little patience.
async fn behind_proxy(location: &Location) -> (Proxy, Database) {
    let proxy = Proxy::to(location.upstream()).await;
    let options = Options {
        append_timeout: Duration::from_secs(2),
        call_timeout: Duration::from_secs(2),
        connect_timeout: Duration::from_secs(2),
        ..Options::default()
    };
    let database = Database::connect(&location.mysql_url(Some(proxy.address())), options)
        .await
        .expect("the server answers by way of the proxy");
    (proxy, database)
}

/// An appender that has sent a batch of this size before, so that the next one is one packet.
async fn warm(database: &Database, size: u64) -> Box<dyn Appender> {
    let mut appender = database.appender().await.expect("the journal answers");
    assert_eq!(appender.append(&run_of(9, 1..=size, 1)).await, Appended::Committed);
    appender
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_lost_on_its_way_has_an_unknown_outcome_and_is_absent() {
    on_mysql(|database| async move {
        let (proxy, through) = behind_proxy(&database.location).await;
        let mut appender = warm(&through, 3).await;
        let batch = run_of(0, 1..=3, 1);

        proxy.set(Mode::CutBeforeForward);
        let outcome = appender.append(&batch).await;
        assert!(matches!(outcome, Appended::Unknown(_)), "{outcome:?}");
        assert_eq!(proxy.losses(), 1);

        proxy.set(Mode::Pass);
        assert_eq!(through.heads(&[0]).await.expect("an answer"), [(0, 0)]);
        // The next append makes a new connection by itself.
        assert_eq!(appender.append(&batch).await, Appended::Committed);
        assert_eq!(whole(&*database.journal, 0).await, batch);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_has_an_unknown_outcome_and_the_entries_are_there() {
    on_mysql(|database| async move {
        let (proxy, through) = behind_proxy(&database.location).await;
        let mut appender = warm(&through, 3).await;
        let batch = run_of(0, 1..=3, 1);

        proxy.set(Mode::CutAfterAnswer);
        let outcome = appender.append(&batch).await;
        assert!(matches!(outcome, Appended::Unknown(_)), "{outcome:?}");
        assert_eq!(proxy.losses(), 1);

        proxy.set(Mode::Pass);
        assert_eq!(through.heads(&[0]).await.expect("an answer"), [(0, 3)]);
        assert_eq!(whole(&through, 0).await, batch, "attempt and epoch tell whose they are");
        assert_eq!(appender.append(&batch).await, Appended::Duplicate);
        assert_eq!(appender.append(&run_of(0, 4..=6, 1)).await, Appended::Committed);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_is_an_unknown_outcome_after_a_bounded_time() {
    on_mysql(|database| async move {
        let (proxy, through) = behind_proxy(&database.location).await;
        let mut appender = warm(&through, 1).await;

        proxy.set(Mode::Blackhole);
        let outcome = appender.append(&[entry(0, 1, 1)]).await;
        assert!(matches!(outcome, Appended::Unknown(_)), "{outcome:?}");
        // A new connection is not answered either: certainly nothing was sent.
        let outcome = appender.append(&[entry(0, 1, 1)]).await;
        assert!(matches!(outcome, Appended::NotSent(_)), "{outcome:?}");
        let read = through.read_shard(0, 0, u64::MAX, PageLimit::default()).await;
        assert!(matches!(read, Err(JournalError::Unreachable(_))), "{read:?}");

        proxy.set(Mode::Pass);
        assert_eq!(appender.append(&[entry(0, 1, 1)]).await, Appended::Committed);
        assert_eq!(whole(&through, 0).await.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_was_sent_nothing() {
    on_mysql(|database| async move {
        let (proxy, through) = behind_proxy(&database.location).await;
        let mut appender = warm(&through, 1).await;
        proxy.set(Mode::CutBeforeForward);
        assert!(matches!(appender.append(&[entry(0, 1, 1)]).await, Appended::Unknown(_)));
        drop(proxy);
        let outcome = appender.append(&[entry(0, 1, 1)]).await;
        assert!(matches!(outcome, Appended::NotSent(_)), "{outcome:?}");
        let taken = through.take(&[claim(0)], &owner("one")).await;
        assert!(matches!(taken, Err(JournalError::Unreachable(_))), "{taken:?}");
        assert!(whole(&*database.journal, 0).await.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_connection_is_never_called_a_refusal() {
    on_mysql(|database| async move {
        let mut operator = database.location.operator().await;
        let mut appender = database.journal.appender().await.expect("the journal answers");
        for round in 1..=3 {
            // Given that the append waits for a lock
            operator.execute("START TRANSACTION").await;
            insert(&mut operator, &entry(0, round, 9)).await;
            let waiting = tokio::spawn(async move {
                let outcome = appender.append(&[entry(0, round, 1)]).await;
                (appender, outcome)
            });
            let mut watcher = database.location.operator().await;
            let (_, connection) = lock_wait(&mut watcher, None).await;
            // when its connection is killed
            watcher.execute(&format!("KILL {connection}")).await;
            let (back, outcome) = waiting.await.expect("the appender does not panic");
            appender = back;
            // then nobody knows.
            assert!(matches!(outcome, Appended::Unknown(_)), "{outcome:?}");
            operator.execute("COMMIT").await;
        }
        assert_eq!(appender.append(&[entry(0, 4, 1)]).await, Appended::Committed);
    })
    .await;
}

/// Inserts an entry as somebody else, in whatever transaction is open.
async fn insert(operator: &mut Operator, entry: &Entry) {
    let entry = Entry { attempt: 0, events: "[]".to_owned(), recorded_us: 0, ..entry.clone() };
    operator
        .execute(&format!(
            "INSERT INTO journal VALUES ({}, {}, {}, 0, '{}', x'{}', {}, {}, '[]', 0, {})",
            entry.shard,
            entry.seq,
            entry.epoch,
            entry.aggregate_type,
            entry.aggregate_id.simple(),
            entry.version,
            entry.count,
            entry_checksum(&entry)
        ))
        .await;
}

/// MariaDB refreshes its list of transactions only for whoever comes 100 ms after the last
/// reader, and readers that come sooner see the same old list for ever: all tests take turns.
static LAST_LOOK: Mutex<Option<Instant>> = Mutex::const_new(None);
const BETWEEN_LOOKS: Duration = Duration::from_millis(130);

/// Transactions of this database that wait for a lock, as `transaction connection`. The query
/// for MariaDB fails on MySQL where a waiting statement holds bytes that are no text, and the
/// table that MySQL offers instead is unknown to MariaDB.
const WAITS_ON_MARIADB: &str = "SELECT CONCAT(t.trx_id, ' ', t.trx_mysql_thread_id) \
     FROM information_schema.innodb_trx AS t \
     JOIN information_schema.processlist AS p ON p.id = t.trx_mysql_thread_id \
     WHERE t.trx_state = 'LOCK WAIT' AND p.db = DATABASE()";
const WAITS_ON_MYSQL: &str = "SELECT CONCAT(w.requesting_engine_transaction_id, ' ', t.processlist_id) \
     FROM performance_schema.data_lock_waits AS w \
     JOIN performance_schema.threads AS t ON t.thread_id = w.requesting_thread_id \
     WHERE t.processlist_db = DATABASE()";

/// Waits until a transaction of this database, other than `known`, waits for a lock: the id of
/// the transaction and of its connection.
async fn lock_wait(watcher: &mut Operator, known: Option<&str>) -> (String, String) {
    let version = watcher.texts("SELECT VERSION()").await;
    let query = if version[0].contains("MariaDB") { WAITS_ON_MARIADB } else { WAITS_ON_MYSQL };
    let watcher = Mutex::new(watcher);
    let found = eventually("a wait for a lock", || async {
        let mut last_look = LAST_LOOK.lock().await;
        if let Some(last) = *last_look {
            tokio::time::sleep_until(last + BETWEEN_LOOKS).await;
        }
        let waits = watcher.lock().await.texts(query).await;
        *last_look = Some(Instant::now());
        waits.into_iter().find(|wait| Some(wait.as_str()) != known)
    })
    .await;
    let connection = found.split(' ').nth(1).expect("two numbers").to_owned();
    (found, connection)
}

/// A journal whose sessions wait one second for a lock.
async fn impatient(database: &TestDatabase) -> Database {
    let options = Options { append_timeout: Duration::from_secs(8), ..Options::default() };
    database.location.connect_mysql(options).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_is_waited_for_in_vain_is_tried_again() {
    on_mysql(|database| async move {
        let journal = impatient(&database).await;
        let mut operator = database.location.operator().await;
        operator.execute("START TRANSACTION").await;
        insert(&mut operator, &entry(0, 1, 9)).await;

        let batch = run_of(0, 1..=3, 1);
        let mut appender = journal.appender().await.expect("the journal answers");
        let sent = batch.clone();
        let waiting = tokio::spawn(async move { appender.append(&sent).await });
        let mut watcher = database.location.operator().await;
        let (first, _) = lock_wait(&mut watcher, None).await;
        lock_wait(&mut watcher, Some(&first)).await;
        operator.execute("ROLLBACK").await;

        assert_eq!(waiting.await.expect("no panic"), Appended::Committed);
        assert_eq!(whole(&journal, 0).await, batch);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_is_never_released_is_a_refusal() {
    on_mysql(|database| async move {
        let journal = impatient(&database).await;
        let mut operator = database.location.operator().await;
        operator.execute("START TRANSACTION").await;
        insert(&mut operator, &entry(0, 1, 9)).await;

        let mut appender = journal.appender().await.expect("the journal answers");
        let outcome = appender.append(&run_of(0, 1..=3, 1)).await;
        assert!(
            matches!(&outcome, Appended::Refused(cause) if cause.to_string().contains("1205")),
            "{outcome:?}"
        );

        operator.execute("ROLLBACK").await;
        assert!(whole(&journal, 0).await.is_empty(), "nothing of it was written");
        assert_eq!(appender.append(&run_of(0, 1..=3, 1)).await, Appended::Committed);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_is_tried_again() {
    on_mysql(|database| async move {
        let mut operator = database.location.operator().await;
        operator.execute("START TRANSACTION").await;
        // The server gives up the transaction that wrote less: this one wrote more.
        for seq in 1..=50 {
            insert(&mut operator, &entry(2, seq, 9)).await;
        }
        let batch = [entry(1, 1, 1), entry(2, 1, 1)];
        let mut appender = database.journal.appender().await.expect("the journal answers");
        let sent = batch.clone();
        let waiting = tokio::spawn(async move { appender.append(&sent).await });
        let mut watcher = database.location.operator().await;
        lock_wait(&mut watcher, None).await;
        // The append holds shard 1 and waits for shard 2; now this waits for shard 1.
        insert(&mut operator, &entry(1, 1, 9)).await;
        operator.execute("ROLLBACK").await;

        assert_eq!(waiting.await.expect("no panic"), Appended::Committed);
        let seen = whole(&*database.journal, 1).await;
        assert_eq!(seen, batch[..1]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taker_waits_for_an_append_in_flight_and_stands_behind_it() {
    on_mysql(|database| async move {
        let journal = database.journal.clone();
        let one = owner("one");
        journal.take(&[claim(0)], &one).await.expect("an answer");
        // Given an append of the old owner that has not committed yet
        let mut operator = database.location.operator().await;
        operator.execute("START TRANSACTION").await;
        insert(&mut operator, &entry(0, 2, 1)).await;
        let taker = journal.clone();
        let seen = claims(&*journal, &[0]).await;
        let taking = tokio::spawn(async move { taker.take(&seen, &owner("two")).await });
        let mut watcher = database.location.operator().await;
        lock_wait(&mut watcher, None).await;
        // when it commits after all
        operator.execute("COMMIT").await;
        // then the takeover record stands behind it.
        let taken = taking.await.expect("no panic").expect("an answer");
        let log = whole(&*journal, 0).await;
        let epochs: Vec<u64> = log.iter().map(|entry| entry.epoch).collect();
        assert_eq!(epochs, [1, 1, 2], "{taken:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_zone_of_the_server_changes_nothing() {
    on_mysql(|database| async move {
        let mut operator = database.location.operator().await;
        let former = operator.texts("SELECT CONCAT('', @@global.time_zone)").await;
        operator.execute("SET GLOBAL time_zone = '+09:00'").await;
        let result = tokio::spawn(in_another_time_zone(database)).await;
        operator.execute(&format!("SET GLOBAL time_zone = '{}'", former[0])).await;
        if let Err(failure) = result {
            std::panic::resume_unwind(failure.into_panic());
        }
    })
    .await;
}

async fn in_another_time_zone(database: TestDatabase) {
    // Given a journal whose sessions began after the change
    let journal = database.location.connect_mysql(Options::default()).await;
    let written = entry(0, 1, 1);
    commit(&journal, std::slice::from_ref(&written)).await;
    assert_eq!(whole(&*database.journal, 0).await, [written]);

    // And an operator reads UTC, whatever the session's zone.
    let mut operator = database.location.operator().await;
    assert_eq!(operator.texts("SELECT CONCAT('', @@time_zone)").await, ["+09:00"]);
    assert_eq!(
        operator.texts("SELECT recorded_at FROM events WHERE shard = 0").await,
        ["2023-11-14T22:13:20.123456Z"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_cut_short_by_bytes_leave_no_rows_behind() {
    on_mysql(|database| async move {
        let mut written = run_of(0, 1..=20, 1);
        for entry in &mut written[1..] {
            entry.events = super::entries::events(1, &"y".repeat(1 << 20));
        }
        for entry in &written {
            commit(&*database.journal, std::slice::from_ref(entry)).await;
        }
        let limit = PageLimit { rows: 1_024, bytes: 3 << 20 };
        for _ in 0..20 {
            let page = database.journal.read_shard(0, 0, u64::MAX, limit).await.expect("a page");
            assert!(page == written[..3], "{} entries", page.len());
        }
    })
    .await;
}
