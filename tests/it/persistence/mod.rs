//! What every journal and every snapshot store must do: the same tests on each database, and
//! beside them the tests of what only one of them can meet.

mod acting;
pub mod entries;
mod journal;
mod mysql_faults;
mod mysql_plans;
mod ownership;
mod secrets;
mod sign_ins;
mod slots;
mod quarantines;
mod read_tables;
mod snapshots;
mod sqlite_file;
mod versions;

/// Runs each test on an SQLite file and on a database of the MySQL or MariaDB server under test.
macro_rules! conformance {
    ($($test:ident),+ $(,)?) => {
        mod on_sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    crate::support::database::on_sqlite(super::$test).await;
                }
            )+
        }

        mod on_mysql {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    crate::support::database::on_mysql(super::$test).await;
                }
            )+
        }
    };
}
use conformance;
