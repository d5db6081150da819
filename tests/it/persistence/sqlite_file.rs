//! What only a database in a file can meet.

use emporium::persistence::journal::{Appended, AppenderSource, ShardLeases};
use emporium::persistence_sql::Migrations;
use emporium::persistence_sql::sqlite::{Database, Options};

use super::entries::{commit, entry, run_of, whole};
use crate::support::database::on_sqlite;

#[tokio::test]
async fn a_database_is_found_again_after_a_restart() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("emporium.db");
    let written = run_of(0, 1..=50, 1);
    for start in 1..=2 {
        let database = Database::open(&path, Options::default()).await.expect("it opens");
        database.migrate().await.expect("it is migrated");
        database.prepare(4).await.expect("it is prepared");
        if start == 1 {
            commit(&database, &written).await;
        }
        assert_eq!(whole(&database, 0).await, written, "start {start}");
    }
}

#[tokio::test]
async fn a_writer_of_another_process_is_waited_for_and_then_refused() {
    on_sqlite(|database| async move {
        let mut other = database.location.operator().await;
        let crate::support::database::Location::Sqlite(directory) = &database.location else {
            unreachable!("this is a file");
        };
        let options =
            Options { busy_timeout: std::time::Duration::from_millis(50), ..Options::default() };
        let impatient =
            Database::open(&directory.path().join("emporium.db"), options).await.expect("it opens");
        let mut appender = impatient.appender().await.expect("it answers");
        other.execute("BEGIN IMMEDIATE").await;
        let outcome = appender.append(&[entry(0, 1, 1)]).await;
        assert!(matches!(outcome, Appended::Refused(_)), "{outcome:?}");
        other.execute("COMMIT").await;
        assert_eq!(appender.append(&[entry(0, 1, 1)]).await, Appended::Committed);
    })
    .await;
}
