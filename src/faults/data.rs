//! Faults in the data: somebody mends the shop's books by hand, past the shop and all that it checks.

use std::time::Duration;

use rust_decimal::Decimal;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::time::timeout;

use super::{Blast, FaultError, FaultSpec, Ground, Late, Layer, Need};

/// One row read or written: milliseconds. This only bounds a starved machine, or a server that is away.
const SQL_LIMIT: Duration = Duration::from_secs(5);

/// What a hand makes of the amount of the newest open bill, by the last part of the fault's id.
const EDITS: [(&str, &str); 5] = [
    ("edited", "with a digit too many"),
    ("hundredfold", "taking its yuan for cents"),
    ("tenth", "with a digit too few"),
    ("cent-off", "by a cent too much"),
    ("negated", "with the wrong sign"),
];
const CENT: (i64, u32) = (1, 2);
/// The business may add to the bill between the look and the order.
const TRIES: usize = 20;

pub(super) fn specs() -> impl Iterator<Item = FaultSpec> {
    EDITS.iter().map(|(what, how)| FaultSpec {
        id: format!("data.bill-amount.{what}"),
        doc: format!("somebody edits the newest open bill in the books by hand, {how}"),
        layer: Layer::Data,
        params: Vec::new(),
        needs: Need::Books,
        blast: Blast::Cell,
        withholds: Vec::new(),
        raises: Vec::new(),
        waits_for_traffic: false,
        late: Late::default(),
    })
}

/// The amount that is typed; none where it is too large.
fn typed(what: &str, amount: Decimal) -> Option<Decimal> {
    match what {
        "edited" => amount.checked_mul(Decimal::from(10)),
        "hundredfold" => amount.checked_mul(Decimal::from(100)),
        "tenth" => amount.checked_div(Decimal::from(10)).map(|tenth| tenth.round_dp(CENT.1)),
        "cent-off" => amount.checked_add(Decimal::new(CENT.0, CENT.1)),
        "negated" => Some(-amount),
        other => unreachable!("the table has no `{other}`"),
    }
}

/// What was edited, with the value from before it was touched.
#[derive(Clone, Debug)]
struct Edit {
    bill: String,
    before: Decimal,
    after: Decimal,
    /// The books took it.
    typed: bool,
    /// What the bill comes to without it, written down before it is taken off: an order whose answer was lost is known
    /// again by it.
    without: Option<Decimal>,
    taken_off: bool,
}

impl Edit {
    /// What the bill came to when it was taken off.
    fn with(&self) -> Option<Decimal> {
        self.without?.checked_add(self.after - self.before)
    }
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
        let edit = match self.edit.take().filter(|edit| !edit.taken_off) {
            Some(edit) => edit,
            None => newest(&mut books, self.spec.what_happened()).await?,
        };
        // Kept before the row is touched: half an inject is healed like a whole one.
        let edit = self.edit.insert(edit);
        edit.typed |= replace(&mut books, &edit.bill, edit.before, edit.after).await?;
        let Edit { bill, before, after, .. } = edit;
        Ok(format!("bill `{bill}` was set from {before} to {after}"))
    }

    /// What the edited bill comes to now.
    async fn amount(&self, edit: &Edit) -> Result<Option<Decimal>, String> {
        let mut books = self.open().await?;
        let read = sqlx::query_scalar("SELECT amount FROM settle_bill WHERE bill_id = ?");
        let read = read.bind(&edit.bill).fetch_optional(&mut books);
        timeout(SQL_LIMIT, read).await.map_err(late)?.map_err(said)
    }

    /// What the business has added meanwhile stays, and a second time there is nothing to take off.
    async fn take_off(&mut self) -> Result<(), String> {
        for _ in 0..TRIES {
            let Some(edit) = self.edit.clone().filter(|edit| !edit.taken_off) else {
                return Ok(());
            };
            let now = self.amount(&edit).await?;
            let mut books = self.open().await?;
            let edit = self.edit.as_mut().expect("invariant: just seen");
            let done = match now {
                None => true,
                Some(now) if edit.without == Some(now) => true,
                Some(now) if !edit.typed && now != edit.after => true,
                Some(now) => {
                    let without = now - (edit.after - edit.before);
                    edit.without = Some(without);
                    replace(&mut books, &edit.bill, now, without).await?
                }
            };
            edit.taken_off = done;
        }
        Err("the business changes the bill all the time".to_owned())
    }

    pub async fn inject(&mut self) -> Result<String, FaultError> {
        let failed = |reason| FaultError::Inject { fault: self.spec.id.clone(), reason };
        self.set().await.map_err(failed)
    }

    pub async fn bites(&mut self) -> Result<String, FaultError> {
        let no_bite = |reason| FaultError::NoBite { fault: self.spec.id.clone(), reason };
        let Some(edit) = &self.edit else { return Err(no_bite("nothing was edited".to_owned())) };
        match self.amount(edit).await.map_err(no_bite)? {
            // The business only adds.
            Some(amount) if edit.typed && amount >= edit.after => {
                Ok(format!("bill `{}` reads back as {amount}", edit.bill))
            }
            other => Err(no_bite(format!("bill `{}` reads back as {other:?}", edit.bill))),
        }
    }

    pub async fn heal(&mut self) -> Result<(), FaultError> {
        let done = self.take_off().await;
        done.map_err(|reason| FaultError::Heal { fault: self.spec.id.clone(), reason })
    }

    pub async fn healed(&mut self) -> Result<String, FaultError> {
        let Some(edit) = &self.edit else { return Ok("never touched".to_owned()) };
        let unproved = |reason| FaultError::NotHealed { fault: self.spec.id.clone(), reason };
        match self.amount(edit).await.map_err(unproved)? {
            Some(amount) if !edit.taken_off || Some(amount) == edit.with() => {
                Err(unproved(format!("bill `{}` still reads as {amount}", edit.bill)))
            }
            Some(amount) => Ok(format!("bill `{}` reads back as {amount}", edit.bill)),
            None => Ok(format!("bill `{}` is gone", edit.bill)),
        }
    }
}

/// Types an amount over another; false where it is that one no more.
async fn replace(
    books: &mut MySqlConnection,
    bill: &str,
    from: Decimal,
    to: Decimal,
) -> Result<bool, String> {
    let update = "UPDATE settle_bill SET amount = ? WHERE bill_id = ? AND amount = ?";
    let update = sqlx::query(update).bind(to).bind(bill).bind(from);
    let done = timeout(SQL_LIMIT, update.execute(books)).await.map_err(late)?.map_err(said)?;
    Ok(done.rows_affected() > 0)
}

/// The open bill that changed last, and what it comes to as `what` is typed.
async fn newest(books: &mut MySqlConnection, what: &str) -> Result<Edit, String> {
    let read = sqlx::query_as::<_, (String, Decimal)>(
        "SELECT bill_id, amount FROM settle_bill WHERE status = 'OPEN'
         ORDER BY updated_at_ms DESC, bill_id LIMIT 1",
    );
    let row = timeout(SQL_LIMIT, read.fetch_optional(books)).await.map_err(late)?.map_err(said)?;
    let (bill, before) = row.ok_or("there is no open bill to edit")?;
    let after = typed(what, before).filter(|after| *after != before);
    let after =
        after.ok_or_else(|| format!("nothing wrong can be typed for bill `{bill}` of {before}"))?;
    Ok(Edit { bill, before, after, typed: false, without: None, taken_off: false })
}

fn said(error: sqlx::Error) -> String {
    format!("the shop's books: {error}")
}

fn late(_: tokio::time::error::Elapsed) -> String {
    format!("the shop's books gave no answer within {} s", SQL_LIMIT.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hand_types_another_amount() {
        let money = |text: &str| text.parse::<Decimal>().unwrap();
        for (what, before, after) in [
            ("edited", "500.00", "5000.00"),
            ("hundredfold", "500.00", "50000.00"),
            ("tenth", "500.00", "50.00"),
            ("tenth", "0.99", "0.10"),
            ("cent-off", "500.00", "500.01"),
            ("negated", "500.00", "-500.00"),
        ] {
            assert_eq!(typed(what, money(before)), Some(money(after)), "{what}");
        }
        assert_eq!(typed("hundredfold", Decimal::MAX), None);
    }
}
