//! One row that a hand changes, doubles or removes; its values of before are put back as they were.

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Row};

use super::super::sql::{self, SqlError, within};
use super::hands::{Deed, Hand};

/// Behind the key of a row's double.
const AGAIN: &str = "/again";

/// A row's values as text, in the order of the hand's columns.
type Values = Vec<String>;

/// What was touched.
struct Touch {
    old: Values,
    /// Of a changed row, or of the double; none where the row is removed.
    new: Option<Values>,
}

pub(in crate::faults) struct RowFault {
    hand: &'static Hand,
    text: String,
    books: MySqlConnectOptions,
    touch: Option<Touch>,
}

impl RowFault {
    pub(super) fn new(hand: &'static Hand, text: String, books: MySqlConnectOptions) -> RowFault {
        RowFault { hand, text, books: books.disable_statement_logging(), touch: None }
    }

    pub async fn inject(&mut self) -> Result<String, String> {
        self.touch().await.map_err(|error| error.to_string())
    }

    async fn touch(&mut self) -> Result<String, SqlError> {
        let mut books = sql::open(&self.books).await?;
        if self.touch.is_none() {
            // Kept before the row is touched: half an inject is healed like a whole one.
            self.touch = Some(self.plan(&mut books).await?);
        }
        let Touch { old, new } = self.touch.as_ref().expect("invariant: just kept");
        let table = self.hand.table;
        match (&self.hand.deed, new) {
            (Deed::Change(_) | Deed::Swap(..), Some(new)) => {
                self.replace(&mut books, old, new).await?;
                Ok(format!("{table}: {old:?} was made {new:?}"))
            }
            (_, Some(new)) => {
                self.put(&mut books, new).await?;
                Ok(format!("{table}: {old:?} stands there again as `{}`", new[0]))
            }
            (_, None) => {
                self.remove(&mut books, &old[0]).await?;
                Ok(format!("{table}: {old:?} was removed"))
            }
        }
    }

    /// Which row, and what becomes of it.
    async fn plan(&self, books: &mut MySqlConnection) -> Result<Touch, SqlError> {
        let Hand { table, which, .. } = self.hand;
        let found = self.read(books, which, None).await?;
        let old =
            found.ok_or_else(|| SqlError::Unfit(format!("there is no row of {table} to harm")))?;
        let nothing = || SqlError::Unfit(format!("nothing wrong can be made of {table} {old:?}"));
        let new = match &self.hand.deed {
            Deed::Change(change) => Some(change(&old, &self.text).ok_or_else(nothing)?),
            Deed::Swap(place, query) => {
                let other = sqlx::query_scalar(*query).bind(&old[*place]);
                let other: Option<String> = within(other.fetch_optional(books)).await?;
                let mut new = old.clone();
                new[*place] = other.ok_or_else(nothing)?;
                Some(new)
            }
            Deed::Double => {
                let mut new = old.clone();
                new[0].push_str(AGAIN);
                Some(new)
            }
            Deed::Remove => None,
        };
        Ok(Touch { old, new })
    }

    async fn read(
        &self,
        books: &mut MySqlConnection,
        which: &str,
        key: Option<&str>,
    ) -> Result<Option<Values>, SqlError> {
        let Hand { table, columns, .. } = self.hand;
        let columns = list(columns, |column| format!("CAST({column} AS CHAR)"));
        let query = AssertSqlSafe(format!("SELECT {columns} FROM {table} {which}"));
        let query = match key {
            Some(key) => sqlx::query(query).bind(key),
            None => sqlx::query(query),
        };
        let row = within(query.fetch_optional(books)).await?;
        let values =
            |row: MySqlRow| (0..row.len()).map(|at| row.try_get::<String, _>(at)).collect();
        Ok(row.map(values).transpose()?)
    }

    /// The row of this key as it is now.
    async fn of(&self, key: &str) -> Result<Option<Values>, SqlError> {
        let mut books = sql::open(&self.books).await?;
        let which = format!("WHERE {} = ?", self.hand.columns[0]);
        self.read(&mut books, &which, Some(key)).await
    }

    /// The one's values over the other's, where they are still those.
    async fn replace(
        &self,
        books: &mut MySqlConnection,
        from: &[String],
        to: &[String],
    ) -> Result<(), SqlError> {
        let Hand { table, columns, .. } = self.hand;
        let sets = columns[1..].iter().map(|column| format!("{column} = ?"));
        let sets = sets.collect::<Vec<_>>();
        let (set, held) = (sets.join(", "), sets.join(" AND "));
        let update = format!("UPDATE {table} SET {set} WHERE {} = ? AND {held}", columns[0]);
        let update = sqlx::query(AssertSqlSafe(update));
        let binds = to[1..].iter().chain([&from[0]]).chain(&from[1..]);
        let update = binds.fold(update, |update, value| update.bind(value));
        within(update.execute(books)).await.map(drop)
    }

    /// Puts a row in where its key is free.
    async fn put(&self, books: &mut MySqlConnection, values: &[String]) -> Result<(), SqlError> {
        let Hand { table, columns, .. } = self.hand;
        let (names, marks) = (columns.join(", "), list(columns, |_| "?".to_owned()));
        let key = columns[0];
        let insert = format!(
            "INSERT INTO {table} ({names}) VALUES ({marks}) ON DUPLICATE KEY UPDATE {key} = {key}"
        );
        let insert = sqlx::query(AssertSqlSafe(insert));
        let insert = values.iter().fold(insert, |insert, value| insert.bind(value));
        within(insert.execute(books)).await.map(drop)
    }

    async fn remove(&self, books: &mut MySqlConnection, key: &str) -> Result<(), SqlError> {
        let Hand { table, columns, .. } = self.hand;
        let delete = format!("DELETE FROM {table} WHERE {} = ?", columns[0]);
        let delete = sqlx::query(AssertSqlSafe(delete)).bind(key);
        within(delete.execute(books)).await.map(drop)
    }

    pub async fn bites(&self) -> Result<String, String> {
        let Some(Touch { old, new }) = &self.touch else {
            return Err("nothing was touched".to_owned());
        };
        let key = new.as_ref().map_or(&old[0], |new| &new[0]);
        let now = self.of(key).await.map_err(|error| error.to_string())?;
        let told = format!("{} `{key}` reads back as {now:?}", self.hand.table);
        if now == *new { Ok(told) } else { Err(told) }
    }

    pub async fn heal(&mut self) -> Result<(), String> {
        let Some(Touch { old, new }) = &self.touch else { return Ok(()) };
        let back = async {
            let mut books = sql::open(&self.books).await?;
            match (&self.hand.deed, new) {
                (Deed::Double, Some(new)) => self.remove(&mut books, &new[0]).await,
                (_, Some(new)) => self.replace(&mut books, new, old).await,
                (_, None) => self.put(&mut books, old).await,
            }
        };
        back.await.map_err(|error: SqlError| error.to_string())
    }

    pub async fn healed(&self) -> Result<String, String> {
        let Some(Touch { old, new }) = &self.touch else { return Ok("never touched".to_owned()) };
        let said = |error: SqlError| error.to_string();
        let table = self.hand.table;
        if let (Deed::Double, Some(new)) = (&self.hand.deed, new)
            && let Some(double) = self.of(&new[0]).await.map_err(said)?
        {
            return Err(format!("{table} {double:?} is still there"));
        }
        let now = self.of(&old[0]).await.map_err(said)?;
        let told = format!("{table} `{}` reads back as {now:?}", old[0]);
        // What somebody else has made of it meanwhile is theirs.
        if now.is_some() && now == *new || now.is_none() && new.is_none() {
            Err(told)
        } else {
            Ok(told)
        }
    }
}

/// `text` of each column, as a list.
fn list(columns: &[&str], text: impl Fn(&str) -> String) -> String {
    columns.iter().map(|column| text(column)).collect::<Vec<_>>().join(", ")
}
