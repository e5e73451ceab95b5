//! The books: a small lazy pool, and one transaction at a time for each act.
//!
//! READ COMMITTED, because sums are read after a row lock and must see what the lock waited for (a
//! snapshot taken before the lock would not). Knows no table. Try it: `tests/shop.rs`. Not covered:
//! read replicas.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::Connection;
use sqlx::mysql::{
    MySqlConnectOptions, MySqlConnection, MySqlPool, MySqlPoolOptions, MySqlSslMode,
};

use super::super::refusal::Refusal;
use super::tables;

/// Connections of one shop: more would only queue at the same rows.
const CONNECTIONS_MAX: u32 = 4;
/// How long a request waits for a connection while MySQL is away, before it answers 503.
const CONNECT_LIMIT: Duration = Duration::from_millis(1500);
/// A connection that was used so lately is taken as it is; one that rested longer is asked first whether it still lives.
const FRESH: Duration = Duration::from_millis(250);
/// How long one transaction may take: a paused server must not hold requests for ever.
const BOOKING_LIMIT: Duration = Duration::from_secs(5);
/// How often a transaction is run again after a deadlock: the lock order makes even one rare.
const DEADLOCK_RETRIES: u32 = 8;

/// One unit of work, all or nothing. It may run again after a deadlock, so it touches nothing but
/// the books.
pub trait Booking: Sync {
    type Out: Send;

    fn book(
        &self,
        books: &mut MySqlConnection,
    ) -> impl Future<Output = Result<Self::Out, Refusal>> + Send;
}

/// Access to the schema `shop`.
#[derive(Clone, Debug)]
pub struct Books {
    pool: MySqlPool,
    /// All tables were there once: from then on only the server is asked.
    complete: Arc<AtomicBool>,
}

impl Books {
    /// Reads the URL and connects when first used. An URL without a password leaves it unset.
    pub fn open(url: &str) -> Result<Books, Refusal> {
        let options = MySqlConnectOptions::from_str(url)?.ssl_mode(MySqlSslMode::Disabled);
        if options.get_database().is_none() {
            return Err(Refusal::invalid(format!(
                "mysql url `{url}` names no schema: write for example \
                 mysql://root@127.0.0.1:3306/shop"
            )));
        }
        let pool = MySqlPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(CONNECT_LIMIT)
            .test_before_acquire(false)
            .before_acquire(|connection, rested| {
                Box::pin(async move {
                    if rested.idle_for >= FRESH {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .after_connect(|connection, _| {
                Box::pin(async move {
                    sqlx::raw_sql("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
                        .execute(connection)
                        .await
                        .map(drop)
                })
            })
            .connect_lazy_with(options);
        Ok(Books { pool, complete: Arc::default() })
    }

    /// For single statements that read.
    pub fn pool(&self) -> &MySqlPool {
        &self.pool
    }

    /// Runs `booking` in a transaction; again after a deadlock.
    pub async fn book<B: Booking>(&self, booking: &B) -> Result<B::Out, Refusal> {
        let mut retries = 0;
        loop {
            let outcome = tokio::time::timeout(BOOKING_LIMIT, self.attempt(booking)).await;
            match outcome {
                Err(_) => return Err(Refusal::away("mysql", "no answer within 5 s")),
                Ok(Err(error)) if error.may_run_again() && retries < DEADLOCK_RETRIES => {
                    retries += 1;
                    // Growing pauses part the rivals.
                    tokio::time::sleep(Duration::from_millis(2 * u64::from(retries))).await;
                }
                Ok(outcome) => return outcome,
            }
        }
    }

    async fn attempt<B: Booking>(&self, booking: &B) -> Result<B::Out, Refusal> {
        let mut transaction = self.pool.begin().await?;
        match booking.book(&mut transaction).await {
            Ok(out) => {
                transaction.commit().await?;
                Ok(out)
            }
            Err(refusal) => {
                // Unlock before answering; where the server is away the connection is dropped
                // anyway.
                drop(transaction.rollback().await);
                Err(refusal)
            }
        }
    }

    /// Which tables of the schema are not there; asked until none is missing, for the server reads its whole
    /// dictionary for the answer.
    pub async fn missing_tables(&self) -> Result<Vec<&'static str>, Refusal> {
        let ask = async {
            if self.complete.load(Ordering::Acquire) {
                sqlx::raw_sql("SELECT 1").execute(&self.pool).await?;
                return Ok(Vec::new());
            }
            let present = sqlx::query_scalar::<_, String>(
                "SELECT CAST(table_name AS CHAR) FROM information_schema.tables
                 WHERE table_schema = DATABASE()",
            )
            .fetch_all(&self.pool)
            .await?;
            Ok(tables::missing(&present))
        };
        let missing: Result<Vec<&'static str>, sqlx::Error> =
            tokio::time::timeout(BOOKING_LIMIT, ask)
                .await
                .map_err(|_| Refusal::away("mysql", "no answer within 5 s"))?;
        let missing = missing?;
        self.complete.fetch_or(missing.is_empty(), Ordering::AcqRel);
        Ok(missing)
    }
}
