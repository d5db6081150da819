//! How a connection to a MySQL or MariaDB server is opened, and what every session is set to.

use std::time::Duration;

use sqlx::mysql::MySqlConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, MySqlConnection, Row};

use super::Options;
use crate::connections::Open;

/// Batches come in few sizes; each is a prepared statement of the server.
const STATEMENTS_CACHED: usize = 128;

/// What a packet holds beside the parameters, generously.
const PACKET_OVERHEAD_BYTES: usize = 1_024;

#[derive(Clone)]
pub(super) struct Opener {
    connect: MySqlConnectOptions,
    timeout: Duration,
    settings: String,
}

impl Opener {
    pub(super) fn new(connect: MySqlConnectOptions, options: &Options) -> Self {
        // A statement that waits for a lock must end, and be tried again, well before the
        // append is given up as unknown.
        let lock_wait_s = (options.append_timeout.as_secs() / 8).max(1);
        Self {
            connect: connect
                .charset("utf8mb4")
                .timezone(Some("+00:00".to_owned()))
                .pipes_as_concat(false)
                .no_engine_substitution(false)
                .statement_cache_capacity(STATEMENTS_CACHED)
                .disable_statement_logging(),
            timeout: options.connect_timeout,
            settings: format!(
                "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; \
                 SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', \
                 autocommit = 1, innodb_lock_wait_timeout = {lock_wait_s}"
            ),
        }
    }
}

impl Open for Opener {
    type Connection = MySqlConnection;

    async fn open(&self) -> Result<MySqlConnection, sqlx::Error> {
        let open = async {
            let mut connection = self.connect.connect().await?;
            connection.execute(sqlx::raw_sql(AssertSqlSafe(self.settings.as_str()))).await?;
            Ok(connection)
        };
        within(self.timeout, open).await
    }
}

/// What the server is set to, as far as promises depend on it.
pub(super) struct Server {
    /// The largest statement, bytes of parameters.
    pub(super) statement_bytes_max: usize,
}

impl Server {
    /// Reads the server's settings and warns of those that lose what was acknowledged.
    pub(super) async fn examine(connection: &mut MySqlConnection) -> Result<Self, sqlx::Error> {
        let row = sqlx::query(
            "SELECT CAST(@@innodb_flush_log_at_trx_commit AS SIGNED), CAST(@@log_bin AS SIGNED), \
             CAST(@@sync_binlog AS SIGNED), CAST(@@max_allowed_packet AS SIGNED), \
             CAST(@@autocommit AS SIGNED)",
        )
        .fetch_one(&mut *connection)
        .await?;
        let group = sqlx::query("SHOW GLOBAL VARIABLES LIKE 'group\\_replication\\_%'");
        for row in group.fetch_all(connection).await? {
            if let Some(problem) = problem_of_group(row.try_get(0)?, row.try_get(1)?) {
                tracing::warn!("{problem}");
            }
        }
        let (flush, binary_log, sync, packet, autocommit): (i64, i64, i64, i64, i64) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?);
        if flush != 1 {
            tracing::warn!(
                innodb_flush_log_at_trx_commit = flush,
                "the database does not flush at each commit: what is acknowledged may be lost \
                 when it crashes; set innodb_flush_log_at_trx_commit = 1"
            );
        }
        if binary_log == 1 && sync != 1 {
            tracing::warn!(
                sync_binlog = sync,
                "the database does not flush its binary log at each commit: recovery and replicas \
                 may lose what is acknowledged; set sync_binlog = 1"
            );
        }
        if autocommit != 1 {
            return Err(sqlx::Error::Configuration(
                "the session does not commit by itself, although it was asked to".into(),
            ));
        }
        let packet = usize::try_from(packet).unwrap_or(0);
        Ok(Self { statement_bytes_max: packet.saturating_sub(PACKET_OVERHEAD_BYTES) })
    }
}

/// What is to be said of a variable of a replication group: a server that is in none has no such variables.
fn problem_of_group(variable: &str, value: &str) -> Option<&'static str> {
    match (variable, value) {
        // Each of them has a new primary apply what the former one had committed before it answers.
        (
            "group_replication_consistency",
            "BEFORE_ON_PRIMARY_FAILOVER" | "BEFORE" | "AFTER" | "BEFORE_AND_AFTER",
        ) => None,
        ("group_replication_consistency", _) => Some(
            "the replication group lets a new primary answer before it has applied what the former one \
             committed: a log may be read without its end after a failover; set \
             group_replication_consistency = BEFORE_ON_PRIMARY_FAILOVER",
        ),
        ("group_replication_single_primary_mode", "OFF" | "0") => Some(
            "the replication group has several primaries: appends that meet are undone at the commit, and \
             tried again; set group_replication_single_primary_mode = ON",
        ),
        _ => None,
    }
}

/// `work`, or an error of the connection when it takes longer.
pub(super) async fn within<T>(
    timeout: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    match tokio::time::timeout(timeout, work).await {
        Ok(result) => result,
        Err(_) => Err(sqlx::Error::Io(std::io::Error::new(
            std::io::ErrorKind::TimedOut,
            format!("no answer within {} ms", timeout.as_millis()),
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::problem_of_group;

    #[test]
    fn a_group_that_may_answer_before_it_has_caught_up_is_told_of() {
        let consistency = |value| problem_of_group("group_replication_consistency", value);
        assert!(consistency("EVENTUAL").is_some_and(|said| said.contains("BEFORE_ON_PRIMARY")));
        assert_eq!(consistency("BEFORE_ON_PRIMARY_FAILOVER"), None);
        assert_eq!(consistency("AFTER"), None);
        assert!(problem_of_group("group_replication_single_primary_mode", "OFF").is_some());
        assert_eq!(problem_of_group("group_replication_single_primary_mode", "ON"), None);
        assert_eq!(problem_of_group("group_replication_group_name", "x"), None);
    }
}
