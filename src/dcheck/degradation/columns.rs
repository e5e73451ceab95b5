//! Columns by which calls are told and measured, held against the tables as they are.
//!
//! A column that goes, or gets another type, does not make calls unreadable where it stands in `where`: they are nobody's calls any
//! more, and silence reads as health. So it is told as a rule's columns are, and until it is mended nothing says that the service
//! is well. Not covered: fields of messages, whose shape nobody declares.

use std::collections::BTreeMap;

use super::spec::Service;
use super::watch::Degradation;
use crate::clock::CellTime;
use crate::dcheck::alerts::reading::nearest;
use crate::dcheck::engine::port::Tables;
use crate::dcheck::engine::window::Stream;

/// Every column that services name and that these tables lack; of a table that is not there at all nothing is said: it may come.
pub fn misfits(services: &[Service], tables: &Tables) -> Vec<String> {
    let told = |(id, table, column): (&str, &str, &str)| {
        let columns = tables.get(table)?;
        let known: Vec<&str> = columns.keys().map(String::as_str).collect();
        let near = nearest(column, &known).map(|near| format!(": did you mean `{near}`?"));
        let near = near.unwrap_or_default();
        (!columns.contains_key(column)).then(|| {
            format!("service `{id}` names column `{table}.{column}`, which is not there{near}")
        })
    };
    services.iter().flat_map(named).filter_map(told).collect()
}

/// Service, table, column.
fn named(service: &Service) -> impl Iterator<Item = (&str, &str, &str)> {
    let calls = service.measures.iter().flat_map(|measures| &measures.calls);
    calls.flat_map(move |calls| {
        let table = match &calls.stream {
            Stream::Table(table) => Some(table.as_str()),
            Stream::Topic(_) => None,
        };
        let columns = calls.columns.iter().map(String::as_str);
        table.into_iter().flat_map(move |table| {
            columns.clone().map(move |column| (service.id.as_str(), table, column))
        })
    })
}

impl Degradation {
    /// The tables as they are `now`: why each service that is read from tables cannot be measured; none where it can.
    pub fn hold_against(
        &mut self,
        tables: &Tables,
        ddl: Option<&str>,
        now: CellTime,
    ) -> BTreeMap<String, Option<String>> {
        let mut found = BTreeMap::new();
        for service in &self.services {
            let mut broken = Vec::new();
            for (_, table, column) in named(service) {
                let is = tables.get(table).and_then(|columns| columns.get(column));
                let was = self.state.columns.get(table).and_then(|columns| columns.get(column));
                broken.extend(match (was, is) {
                    (Some(was), None) => {
                        Some(format!("column `{table}.{column}` is gone, it was {was}"))
                    }
                    (Some(was), Some(is)) if was != is => {
                        Some(format!("column `{table}.{column}` is {is}, it was {was}"))
                    }
                    (None, None) if tables.contains_key(table) => {
                        Some(format!("column `{table}.{column}` is not there"))
                    }
                    _ => None,
                });
                if let (None, Some(is)) = (was, is) {
                    let columns = self.state.columns.entry(table.to_owned()).or_default();
                    columns.insert(column.to_owned(), is.clone());
                }
            }
            let by = ddl.map_or("while nobody read the log".to_owned(), |ddl| format!("by: {ddl}"));
            let why = format!("service broken by DDL: {}; {by}", broken.join(", "));
            let why = (!broken.is_empty()).then_some(why);
            if named(service).next().is_none() {
                continue;
            }
            if let Some(watched) = self.state.services.get_mut(&service.id) {
                watched.is_measured(why.is_none(), now);
                self.due.remove(&service.id);
                self.moved = true;
            }
            found.insert(service.id.clone(), why);
        }
        found
    }
}
