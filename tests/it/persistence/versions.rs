//! Versions of the program side by side on one database, and databases that none of them can read.

use emporium::persistence::cause::chain;
use emporium::persistence::cluster_version::{ClusterVersion, FORM};
use emporium::persistence::journal::JournalError;
use emporium::persistence_sql::{Migrations, mysql, sqlite};
use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use super::conformance;
use crate::support::database::{Location, Operator, TestDatabase, on_mysql};

conformance!(
    a_new_database_has_the_form_of_its_program,
    a_database_one_form_ahead_is_served_and_left_as_it_is,
    a_database_two_forms_ahead_is_refused,
    what_is_written_in_a_form_of_later_is_refused,
    a_database_of_before_is_refused_with_what_to_do,
);

/// The program's own way in, whatever the database.
enum Program {
    Sqlite(Box<sqlite::Database>),
    Mysql(Box<mysql::Database>),
}

impl Program {
    async fn at(location: &Location) -> Self {
        match location {
            Location::Sqlite(directory) => {
                let file = directory.path().join("emporium.db");
                let opened = sqlite::Database::open(&file, sqlite::Options::default()).await;
                Self::Sqlite(Box::new(opened.expect("the file can be opened")))
            }
            Location::Mysql { .. } => {
                Self::Mysql(Box::new(location.connect_mysql(mysql::Options::default()).await))
            }
        }
    }

    fn migrate(&self) -> Result<ClusterVersion, JournalError> {
        match self {
            Self::Sqlite(database) => here(database.migrate()),
            Self::Mysql(database) => here(database.migrate()),
        }
    }

    fn admit(&self) -> Result<(), JournalError> {
        match self {
            Self::Sqlite(database) => here(database.admit()),
            Self::Mysql(database) => here(database.admit()),
        }
    }

    fn raise(&self) -> Result<ClusterVersion, JournalError> {
        match self {
            Self::Sqlite(database) => here(database.raise()),
            Self::Mysql(database) => here(database.raise()),
        }
    }
}

/// Waits on this thread: the future of a migration cannot change threads.
fn here<T>(doing: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(doing))
}

const NOW: ClusterVersion = ClusterVersion { tables: FORM, written: FORM };

/// What a program leaves behind that is so many forms ahead: a table that this one does not know.
async fn newer(operator: &mut Operator, forms: u32) {
    operator.execute("CREATE TABLE of_a_later_version (id INTEGER PRIMARY KEY)").await;
    operator
        .execute(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, \
             execution_time) VALUES (900, 'later', TRUE, x'00', 1)",
        )
        .await;
    let tables = FORM + forms;
    operator.execute(&format!("UPDATE cluster_version SET tables_form = {tables}")).await;
}

#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, JournalError>, words: &str) {
    let Err(error @ JournalError::Refused(_)) = answer else { panic!("{answer:?}") };
    let told = chain(&error).to_string();
    assert!(told.contains(words), "{told}");
}

async fn a_new_database_has_the_form_of_its_program(database: TestDatabase) {
    let program = Program::at(&database.location).await;
    assert_eq!(program.migrate().expect("it is served"), NOW);
    assert_eq!(program.raise().expect("there is nothing to raise"), NOW);
}

async fn a_database_one_form_ahead_is_served_and_left_as_it_is(database: TestDatabase) {
    newer(&mut database.location.operator().await, 1).await;
    let program = Program::at(&database.location).await;
    let ahead = ClusterVersion { tables: FORM + 1, written: FORM };
    for _ in 0..2 {
        assert_eq!(program.migrate().expect("it is served"), ahead);
        program.admit().expect("it is read");
    }
    assert_eq!(program.raise().expect("it is served"), ahead, "never back");
}

async fn a_database_two_forms_ahead_is_refused(database: TestDatabase) {
    newer(&mut database.location.operator().await, 2).await;
    let program = Program::at(&database.location).await;
    refused(program.migrate(), "serves at most one form more");
    refused(program.admit(), "serves at most one form more");
    refused(program.raise(), "serves at most one form more");
}

async fn what_is_written_in_a_form_of_later_is_refused(database: TestDatabase) {
    let mut operator = database.location.operator().await;
    newer(&mut operator, 1).await;
    let written = FORM + 1;
    operator.execute(&format!("UPDATE cluster_version SET written_form = {written}")).await;
    let program = Program::at(&database.location).await;
    refused(program.migrate(), "start a newer version");
    refused(program.admit(), "start a newer version");
}

/// As the versions did that made all tables under the number 1.
async fn a_database_of_before_is_refused_with_what_to_do(database: TestDatabase) {
    let mut operator = database.location.operator().await;
    operator.execute("DROP TABLE cluster_version").await;
    operator.execute("DROP TABLE _sqlx_migrations").await;
    let table = "CREATE TABLE before_slots (id INTEGER PRIMARY KEY)".into_sql_str();
    let before = Migration::new(1, "journal".into(), MigrationType::Simple, table, false);
    let before = Migrator::with_migrations(vec![before]);
    match &mut operator {
        Operator::Sqlite(connection) => here(before.run(connection)),
        Operator::Mysql(connection) => here(before.run(connection)),
    }
    .expect("the tables of before are made");
    let program = Program::at(&database.location).await;
    refused(program.migrate(), "begin with an empty database");
}

/// The server takes back no table that a file has made: whoever comes after a node that died over one runs
/// the file again, and those that start together run them one after the other.
#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_start_together_make_the_tables_once_after_one_that_died_over_them_too() {
    on_mysql(|database| async move {
        let mut operator = database.location.operator().await;
        operator.execute("DROP TABLE cluster_version").await;
        operator.execute("DELETE FROM _sqlx_migrations WHERE version IN (7, 9)").await;
        operator.execute("UPDATE _sqlx_migrations SET success = FALSE WHERE version = 6").await;
        let begun: Vec<_> = (0..4)
            .map(|_| {
                let location = database.location.clone();
                tokio::task::spawn_blocking(move || {
                    tokio::runtime::Handle::current().block_on(async {
                        location.connect_mysql(mysql::Options::default()).await.migrate().await
                    })
                })
            })
            .collect();
        for migrating in begun {
            let version = migrating.await.expect("it does not panic").expect("it makes the tables");
            assert_eq!(version, ClusterVersion { tables: FORM, written: FORM });
        }
    })
    .await;
}
