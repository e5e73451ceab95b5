//! What a hand makes of the amounts of bills: of the newest open one, or, with the condition forgotten, of all.
//!
//! The business adds to a bill meanwhile, so that an edit is taken off again as the difference that it made.

use rust_decimal::Decimal;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{Acquire, ConnectOptions};

use super::super::sql::{self, SqlError, within};
use super::super::{FaultError, FaultSpec, Ground};

/// What a hand makes of the amount, by the last part of the fault's id.
pub(super) const EDITS: [(&str, &str); 8] = [
    ("edited", "somebody edits the newest open bill in the books by hand, with a digit too many"),
    (
        "hundredfold",
        "somebody edits the newest open bill in the books by hand, taking its yuan for cents",
    ),
    ("tenth", "somebody edits the newest open bill in the books by hand, with a digit too few"),
    ("cent-off", "somebody edits the newest open bill in the books by hand, by a cent too much"),
    ("negated", "somebody edits the newest open bill in the books by hand, with the wrong sign"),
    ("overflowing", "the newest open bill is set to the largest amount that its column holds"),
    (
        "beyond-float",
        "the newest open bill is set to an amount whose cents a float of 64 bits loses",
    ),
    (
        EVERYWHERE,
        "an edit of the newest open bill, a digit too many, is typed without its WHERE: all bills get it",
    ),
];
const EVERYWHERE: &str = "edited-everywhere";
/// So many bills are edited at most: all of them are looked at again one by one.
const BILLS_MAX: usize = 500;
/// DECIMAL(18,2) in cents: the largest, and 2 to the 53rd plus one.
const LARGEST: (i64, u32) = (999_999_999_999_999_999, 2);
const BEYOND_FLOAT: (i64, u32) = (9_007_199_254_740_993, 2);
const CENT: (i64, u32) = (1, 2);
/// The business may add to the bill between the look and the order.
const TRIES: usize = 20;

/// The amount that is typed; none where it is too large.
fn typed(what: &str, amount: Decimal) -> Option<Decimal> {
    match what {
        "edited" | EVERYWHERE => amount.checked_mul(Decimal::from(10)),
        "hundredfold" => amount.checked_mul(Decimal::from(100)),
        "tenth" => amount.checked_div(Decimal::from(10)).map(|tenth| tenth.round_dp(CENT.1)),
        "cent-off" => amount.checked_add(Decimal::new(CENT.0, CENT.1)),
        "negated" => Some(-amount),
        "overflowing" => Some(Decimal::new(LARGEST.0, LARGEST.1)),
        "beyond-float" => Some(Decimal::new(BEYOND_FLOAT.0, BEYOND_FLOAT.1)),
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
pub(in crate::faults) struct AmountFault {
    pub(super) spec: &'static FaultSpec,
    books: MySqlConnectOptions,
    /// The bill that was meant is the first.
    edits: Vec<Edit>,
}

impl AmountFault {
    pub fn new(spec: &'static FaultSpec, ground: &Ground) -> Result<AmountFault, FaultError> {
        let books = ground.books(spec)?.disable_statement_logging();
        Ok(AmountFault { spec, books, edits: Vec::new() })
    }

    async fn set(&mut self) -> Result<String, SqlError> {
        let mut books = sql::open(&self.books).await?;
        if self.edits.is_empty() || self.edits.iter().all(|edit| edit.taken_off) {
            // Kept before a row is touched: half an inject is healed like a whole one.
            self.edits = vec![newest(&mut books, self.spec.what_happened()).await?];
        }
        let Edit { bill, before, after, .. } = self.edits[0].clone();
        if self.spec.what_happened() == EVERYWHERE {
            let others = everywhere(&mut books, &mut self.edits).await?;
            return Ok(format!(
                "bill `{bill}`, {before} before, and {others} others were set to {after}"
            ));
        }
        self.edits[0].typed |= replace(&mut books, &bill, before, after).await?;
        Ok(format!("bill `{bill}` was set from {before} to {after}"))
    }

    /// What the edited bill comes to now.
    async fn amount(&self, bill: &str) -> Result<Option<Decimal>, SqlError> {
        let mut books = sql::open(&self.books).await?;
        let read = sqlx::query_scalar("SELECT amount FROM settle_bill WHERE bill_id = ?");
        within(read.bind(bill).fetch_optional(&mut books)).await
    }

    /// The same, behind whoever waits to write it: an order that nobody waits for any more is carried out all the same.
    async fn amount_in_turn(&self, bill: &str) -> Result<Option<Decimal>, SqlError> {
        let mut books = sql::open(&self.books).await?;
        let read =
            sqlx::query_scalar("SELECT amount FROM settle_bill WHERE bill_id = ? FOR UPDATE");
        within(read.bind(bill).fetch_optional(&mut books)).await
    }

    /// What the business has added meanwhile stays, and a second time there is nothing to take off.
    async fn take_off(&mut self, at: usize) -> Result<(), String> {
        for _ in 0..TRIES {
            let edit = self.edits[at].clone();
            if edit.taken_off {
                return Ok(());
            }
            let now = match edit.typed {
                true => self.amount(&edit.bill).await,
                false => self.amount_in_turn(&edit.bill).await,
            };
            let now = now.map_err(|error| error.to_string())?;
            let done = match now {
                None => true,
                Some(now) if edit.without == Some(now) => true,
                Some(now) if !edit.typed && now != edit.after => true,
                Some(now) => {
                    let without = now - (edit.after - edit.before);
                    self.edits[at].without = Some(without);
                    let books = sql::open(&self.books).await;
                    let mut books = books.map_err(|error| error.to_string())?;
                    let replaced = replace(&mut books, &edit.bill, now, without).await;
                    replaced.map_err(|error| error.to_string())?
                }
            };
            self.edits[at].taken_off = done;
        }
        Err("the business changes the bill all the time".to_owned())
    }

    pub async fn inject(&mut self) -> Result<String, String> {
        self.set().await.map_err(|error| error.to_string())
    }

    /// Each of them reads back as typed, or as more: the business only adds.
    pub async fn bites(&self) -> Result<String, String> {
        let Some(first) = self.edits.first() else { return Err("nothing was edited".to_owned()) };
        for edit in &self.edits {
            match self.amount(&edit.bill).await.map_err(|error| error.to_string())? {
                Some(amount) if edit.typed && amount >= edit.after => {}
                other => return Err(format!("bill `{}` reads back as {other:?}", edit.bill)),
            }
        }
        let (bill, after, others) = (&first.bill, first.after, self.edits.len() - 1);
        Ok(match others {
            0 => format!("bill `{bill}` reads back as {after}, or more"),
            _ => format!("bill `{bill}` and {others} others read back as {after}, or more"),
        })
    }

    pub async fn heal(&mut self) -> Result<(), String> {
        for at in (0..self.edits.len()).rev() {
            self.take_off(at).await?;
        }
        Ok(())
    }

    pub async fn healed(&self) -> Result<String, String> {
        let mut told = Vec::new();
        for edit in &self.edits {
            match self.amount(&edit.bill).await.map_err(|error| error.to_string())? {
                Some(amount) if !edit.taken_off || Some(amount) == edit.with() => {
                    return Err(format!("bill `{}` still reads as {amount}", edit.bill));
                }
                Some(amount) => told.push(format!("bill `{}` reads back as {amount}", edit.bill)),
                None => told.push(format!("bill `{}` is gone", edit.bill)),
            }
        }
        let others = told.len().saturating_sub(1);
        let first = told.into_iter().next().unwrap_or_else(|| "never touched".to_owned());
        Ok(if others == 0 { first } else { format!("{first}, and {others} others as before") })
    }
}

/// Types an amount over another; false where it is that one no more.
async fn replace(
    books: &mut MySqlConnection,
    bill: &str,
    from: Decimal,
    to: Decimal,
) -> Result<bool, SqlError> {
    let update = "UPDATE settle_bill SET amount = ? WHERE bill_id = ? AND amount = ?";
    let update = sqlx::query(update).bind(to).bind(bill).bind(from);
    Ok(within(update.execute(books)).await?.rows_affected() > 0)
}

/// Types the first one's amount over all there are, each kept before; how many others there are.
async fn everywhere(books: &mut MySqlConnection, edits: &mut Vec<Edit>) -> Result<usize, SqlError> {
    let (meant, after) = (edits[0].bill.clone(), edits[0].after);
    let mut books = within(books.begin()).await?;
    // Nobody adds a bill, or to one, until the order is carried out.
    let read = "SELECT bill_id, amount FROM settle_bill ORDER BY bill_id FOR UPDATE";
    let all: Vec<(String, Decimal)> = within(sqlx::query_as(read).fetch_all(&mut *books)).await?;
    if all.len() > BILLS_MAX {
        return Err(SqlError::Unfit(format!(
            "there are {} bills, more than {BILLS_MAX}",
            all.len()
        )));
    }
    let edit = |(bill, before)| Edit {
        bill,
        before,
        after,
        typed: false,
        without: None,
        taken_off: false,
    };
    // What reads so already is left as it is: nothing would be taken off it.
    let is_new = |edit: &Edit| edit.before != edit.after;
    let mut fresh: Vec<Edit> = all.into_iter().map(edit).filter(is_new).collect();
    fresh.sort_by_key(|edit| edit.bill != meant);
    *edits = fresh;
    let update = sqlx::query("UPDATE settle_bill SET amount = ?").bind(after);
    within(update.execute(&mut *books)).await?;
    within(books.commit()).await?;
    edits.iter_mut().for_each(|edit| edit.typed = true);
    Ok(edits.len() - 1)
}

/// The open bill that changed last, and what it comes to as `what` is typed.
async fn newest(books: &mut MySqlConnection, what: &str) -> Result<Edit, SqlError> {
    let read = sqlx::query_as::<_, (String, Decimal)>(
        "SELECT bill_id, amount FROM settle_bill WHERE status = 'OPEN'
         ORDER BY updated_at_ms DESC, bill_id LIMIT 1",
    );
    let row = within(read.fetch_optional(books)).await?;
    let unfit = |why: String| SqlError::Unfit(why);
    let (bill, before) = row.ok_or_else(|| unfit("there is no open bill to edit".to_owned()))?;
    let after = typed(what, before).filter(|after| *after != before);
    let nothing = || unfit(format!("nothing wrong can be typed for bill `{bill}` of {before}"));
    let after = after.ok_or_else(nothing)?;
    Ok(Edit { bill, before, after, typed: false, without: None, taken_off: false })
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
            ("overflowing", "500.00", "9999999999999999.99"),
            ("beyond-float", "500.00", "90071992547409.93"),
            (EVERYWHERE, "500.00", "5000.00"),
        ] {
            assert_eq!(typed(what, money(before)), Some(money(after)), "{what}");
        }
        assert_eq!(typed("hundredfold", Decimal::MAX), None);
    }

    #[test]
    fn a_float_loses_the_cent() {
        let cents = BEYOND_FLOAT.0;
        assert_eq!(cents as f64, (cents - 1) as f64);
    }
}
