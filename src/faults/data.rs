//! Faults in the data: somebody mends the shop's books by hand, past the shop and all that it checks.

use std::time::Duration;

use rust_decimal::Decimal;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::time::timeout;

use super::{FaultError, FaultSpec, Ground};

/// One row read or written: milliseconds. This only bounds a starved machine, or a server that is away.
const SQL_LIMIT: Duration = Duration::from_secs(5);

/// A digit too many.
const TIMES: i64 = 10;

/// What was edited, with the value from before it was touched.
#[derive(Clone, Debug)]
struct Edit {
    bill: String,
    before: Decimal,
    after: Decimal,
}

/// The amount of the open bill that changed last, as a person with a client would set it.
pub(super) struct DataFault {
    spec: &'static FaultSpec,
    books: MySqlConnectOptions,
    edit: Option<Edit>,
}

impl DataFault {
    pub fn new(spec: &'static FaultSpec, ground: &Ground) -> Result<DataFault, FaultError> {
        let books = ground.books(spec)?.disable_statement_logging();
        Ok(DataFault { spec, books, edit: None })
    }

    /// A connection for one piece of work; it ends with it.
    async fn open(&self) -> Result<MySqlConnection, String> {
        let connected = timeout(SQL_LIMIT, MySqlConnection::connect_with(&self.books)).await;
        connected.map_err(late)?.map_err(said)
    }

    async fn set(&mut self) -> Result<String, String> {
        let mut books = self.open().await?;
        let edit = match &self.edit {
            Some(edit) => edit.clone(),
            None => newest(&mut books).await?,
        };
        // Kept before the row is touched: half an inject is healed like a whole one.
        self.edit = Some(edit.clone());
        let Edit { bill, before, after } = &edit;
        let update = "UPDATE settle_bill SET amount = ? WHERE bill_id = ? AND amount = ?";
        let update = sqlx::query(update).bind(after).bind(bill).bind(before);
        timeout(SQL_LIMIT, update.execute(&mut books)).await.map_err(late)?.map_err(said)?;
        Ok(format!("bill `{bill}` was set from {before} to {after}"))
    }

    /// What the edited bill comes to now.
    async fn amount(&self, edit: &Edit) -> Result<Option<Decimal>, String> {
        let mut books = self.open().await?;
        let read = sqlx::query_scalar("SELECT amount FROM settle_bill WHERE bill_id = ?");
        let read = read.bind(&edit.bill).fetch_optional(&mut books);
        timeout(SQL_LIMIT, read).await.map_err(late)?.map_err(said)
    }

    async fn take_back(&self, edit: &Edit) -> Result<(), String> {
        let mut books = self.open().await?;
        // What the business has added meanwhile stays, and a second time there is nothing to take back.
        let update = "UPDATE settle_bill SET amount = amount - ? WHERE bill_id = ? AND amount >= ?";
        let surplus = edit.after - edit.before;
        let update = sqlx::query(update).bind(surplus).bind(&edit.bill).bind(edit.after);
        let done = timeout(SQL_LIMIT, update.execute(&mut books)).await;
        done.map_err(late)?.map(drop).map_err(said)
    }

    pub async fn inject(&mut self) -> Result<String, FaultError> {
        let failed = |reason| FaultError::Inject { fault: self.spec.id.clone(), reason };
        self.set().await.map_err(failed)
    }

    pub async fn bites(&mut self) -> Result<String, FaultError> {
        let no_bite = |reason| FaultError::NoBite { fault: self.spec.id.clone(), reason };
        let Some(edit) = &self.edit else { return Err(no_bite("nothing was edited".to_owned())) };
        match self.amount(edit).await.map_err(no_bite)? {
            Some(amount) if amount >= edit.after => {
                Ok(format!("bill `{}` reads back as {amount}", edit.bill))
            }
            other => Err(no_bite(format!("bill `{}` reads back as {other:?}", edit.bill))),
        }
    }

    pub async fn heal(&mut self) -> Result<(), FaultError> {
        let Some(edit) = &self.edit else { return Ok(()) };
        let failed = |reason| FaultError::Heal { fault: self.spec.id.clone(), reason };
        self.take_back(edit).await.map_err(failed)
    }

    pub async fn healed(&mut self) -> Result<String, FaultError> {
        let Some(edit) = &self.edit else { return Ok("never touched".to_owned()) };
        let unproved = |reason| FaultError::NotHealed { fault: self.spec.id.clone(), reason };
        match self.amount(edit).await.map_err(unproved)? {
            Some(amount) if amount >= edit.after => {
                Err(unproved(format!("bill `{}` still reads as {amount}", edit.bill)))
            }
            Some(amount) => Ok(format!("bill `{}` reads back as {amount}", edit.bill)),
            None => Ok(format!("bill `{}` is gone", edit.bill)),
        }
    }
}

/// The open bill that changed last, and what it comes to with a digit too many.
async fn newest(books: &mut MySqlConnection) -> Result<Edit, String> {
    let read = sqlx::query_as::<_, (String, Decimal)>(
        "SELECT bill_id, amount FROM settle_bill WHERE status = 'OPEN'
         ORDER BY updated_at_ms DESC, bill_id LIMIT 1",
    );
    let row = timeout(SQL_LIMIT, read.fetch_optional(books)).await.map_err(late)?.map_err(said)?;
    let (bill, before) = row.ok_or("there is no open bill to edit")?;
    let after = before.checked_mul(Decimal::from(TIMES));
    let after = after.ok_or_else(|| format!("bill `{bill}` is too large: {before}"))?;
    Ok(Edit { bill, before, after })
}

fn said(error: sqlx::Error) -> String {
    format!("the shop's books: {error}")
}

fn late(_: tokio::time::error::Elapsed) -> String {
    format!("the shop's books gave no answer within {} s", SQL_LIMIT.as_secs())
}
