//! What a read costs the server in rows, whatever its optimizer thinks of the statement.

use emporium::persistence::journal::{ENTRIES_PER_APPEND_MAX, Entry, PageLimit};
use emporium::persistence::last_versions::LOGS_PER_QUESTION_MAX;
use sqlx::{AssertSqlSafe, Executor, MySqlConnection, Row};
use uuid::Uuid;

use super::entries::{commit, run_of};
use crate::support::database::{Operator, on_mysql};

/// Entries of one aggregate.
const HISTORY: u64 = 8_000;

/// Rows of this database's journal that the server has read by an index so far.
async fn rows_read(connection: &mut MySqlConnection, mariadb: bool) -> i64 {
    let counter = if mariadb {
        "SELECT CAST(COALESCE(SUM(rows_read), 0) AS SIGNED) FROM information_schema.index_statistics \
         WHERE table_schema = DATABASE() AND table_name = 'journal'"
    } else {
        "SELECT CAST(COALESCE(SUM(count_read), 0) AS SIGNED) FROM \
         performance_schema.table_io_waits_summary_by_index_usage \
         WHERE object_schema = DATABASE() AND object_name = 'journal'"
    };
    connection.fetch_one(counter).await.expect("the server counts").get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_on_far_into_a_history_costs_what_is_read() {
    on_mysql(|database| async move {
        let id = Uuid::new_v4();
        let written: Vec<Entry> = run_of(0, 1..=HISTORY, 1)
            .into_iter()
            .map(|entry| Entry { aggregate_id: id, version: 2 * entry.seq - 1, count: 2, ..entry })
            .collect();
        for batch in written.chunks(ENTRIES_PER_APPEND_MAX) {
            commit(&*database.journal, batch).await;
        }
        let kind = &written[0].aggregate_type;
        let Operator::Mysql(mut operator) = database.location.operator().await else {
            unreachable!("the database is on a server")
        };
        let version: String =
            operator.fetch_one("SELECT CAST(@@version AS CHAR)").await.expect("a version").get(0);
        let mariadb = version.contains("MariaDB");
        if mariadb {
            operator.execute(AssertSqlSafe("SET GLOBAL userstat = 1")).await.expect("allowed");
        }
        let limit = PageLimit { rows: 64, bytes: usize::MAX };
        let before = rows_read(&mut operator, mariadb).await;
        // An even version: its entry begins one before it.
        let from = 2 * (HISTORY - 1_000);
        let page = database.journal.read_aggregate(kind, id, from, u64::MAX, limit).await;
        let page = page.expect("a page");
        assert_eq!((page.len(), page[0].version), (64, from - 1));
        let read = rows_read(&mut operator, mariadb).await - before;
        assert!((64..200).contains(&read), "{read} rows were read for a page of 64");
        let names = vec![(&**kind, id); LOGS_PER_QUESTION_MAX];
        let last = database.journal.last_versions(&names).await.expect("versions");
        assert_eq!(last, vec![2 * HISTORY; LOGS_PER_QUESTION_MAX]);
        let read = rows_read(&mut operator, mariadb).await - before - read;
        let logs = LOGS_PER_QUESTION_MAX as i64;
        assert!(read < 4 * logs, "{read} rows were read for the ends of {logs} histories");
        // Of a long history only what is asked for, however many others are asked for beside it.
        let before = rows_read(&mut operator, mariadb).await;
        let mut ids: Vec<Uuid> = (1..100).map(|_| Uuid::new_v4()).collect();
        ids.push(id);
        let read = database.journal.read_logs(kind, &ids, 64).await.expect("an answer");
        let entries = read.expect("little").last().map_or(0, Vec::len);
        assert_eq!(entries, 32);
        let read = rows_read(&mut operator, mariadb).await - before;
        assert!(read < 32 + 2 * 128, "{read} rows were read for one log of 32 among 128");
    })
    .await;
}
