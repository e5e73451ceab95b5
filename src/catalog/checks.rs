//! The six process checks of a loss point, read. They are executed elsewhere, later.

use super::loss_point::{
    AlertCheck, Checks, CodeCheck, Column, DeployCheck, DesignCheck, LogCheck, SqlCheck, UniqueKey,
};
use crate::config::Percent;
use crate::config::yaml::{Node, Reader};

pub fn read_checks(reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<Checks> {
    let what = format!("checks of {what}");
    let known = ["design", "code", "log", "alert", "sql", "deploy"];
    let fields = reader.fields(node, &what, &known);
    let need = |reader: &mut Reader<'_>, key: &str| fields.need(reader, &what, key);
    let design = need(reader, "design").and_then(|n| read_design(reader, n));
    let code = need(reader, "code").and_then(|n| read_code(reader, n));
    let log = need(reader, "log").and_then(|n| read_log(reader, n));
    let alert = need(reader, "alert").and_then(|n| read_alert(reader, n));
    let sql = need(reader, "sql").and_then(|n| read_sql(reader, n));
    let deploy = need(reader, "deploy").and_then(|n| read_deploy(reader, n));
    Some(Checks {
        design: design?,
        code: code?,
        log: log?,
        alert: alert?,
        sql: sql?,
        deploy: deploy?,
    })
}

fn read_design(reader: &mut Reader<'_>, node: &Node) -> Option<DesignCheck> {
    let fields = reader.fields(node, "checks.design", &["doc"]);
    let doc = fields.need(reader, "checks.design", "doc")?;
    Some(DesignCheck { doc: reader.text(doc, "doc")? })
}

fn read_code(reader: &mut Reader<'_>, node: &Node) -> Option<CodeCheck> {
    let fields = reader.fields(node, "checks.code", &["forbid", "require", "in"]);
    let files = fields.need(reader, "checks.code", "in");
    let files = files.and_then(|n| reader.text(n, "in"));
    let mut pattern = |key: &str| {
        let node = fields.get(key)?;
        let text = reader.text(node, key)?;
        if let Err(error) = regex::Regex::new(&text) {
            let reason = error.to_string();
            let reason = reason.lines().last().unwrap_or_default().trim().to_owned();
            reader.error(node, "bad-value", format!("{key} is no regular expression: {reason}"));
        }
        Some(text)
    };
    let (forbid, require) = (pattern("forbid"), pattern("require"));
    if forbid.is_none() && require.is_none() {
        reader.error(node, "missing-key", "checks.code has neither `forbid` nor `require`");
        return None;
    }
    Some(CodeCheck { forbid, require, files: files? })
}

fn read_log(reader: &mut Reader<'_>, node: &Node) -> Option<LogCheck> {
    let fields = reader.fields(node, "checks.log", &["event", "fields"]);
    let event = fields.need(reader, "checks.log", "event");
    let event = event.and_then(|n| reader.text(n, "event"));
    let named = fields.need(reader, "checks.log", "fields");
    let named = named.map(|n| reader.texts(n, "fields"));
    Some(LogCheck { event: event?, fields: named? })
}

fn read_alert(reader: &mut Reader<'_>, node: &Node) -> Option<AlertCheck> {
    let fields = reader.fields(node, "checks.alert", &["rule", "route"]);
    let rule = fields.need(reader, "checks.alert", "rule");
    let rule = rule.and_then(|n| reader.text(n, "rule"));
    let route = fields.need(reader, "checks.alert", "route");
    let route = route.and_then(|n| reader.text(n, "route"));
    Some(AlertCheck { rule: rule?, route: route? })
}

fn read_sql(reader: &mut Reader<'_>, node: &Node) -> Option<SqlCheck> {
    let fields = reader.fields(node, "checks.sql", &["unique", "exact"]);
    let unique = fields.get("unique").and_then(|n| read_unique(reader, n));
    let exact = fields.get("exact").and_then(|n| read_column(reader, n));
    if fields.get("unique").is_none() && fields.get("exact").is_none() {
        reader.error(node, "missing-key", "checks.sql has neither `unique` nor `exact`");
        return None;
    }
    Some(SqlCheck { unique, exact })
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn read_unique(reader: &mut Reader<'_>, node: &Node) -> Option<UniqueKey> {
    let text = reader.text(node, "unique")?;
    let parts = text.strip_suffix(')').and_then(|rest| rest.split_once('('));
    let key = parts.map(|(table, columns)| UniqueKey {
        table: table.trim().to_owned(),
        columns: columns.split(',').map(|column| column.trim().to_owned()).collect(),
    });
    let sound = |key: &UniqueKey| {
        is_identifier(&key.table) && key.columns.iter().all(|column| is_identifier(column))
    };
    let key = key.filter(sound);
    if key.is_none() {
        let message = format!("unique `{text}` must be like `refund_order(order_id, request_no)`");
        reader.error(node, "bad-value", message);
    }
    key
}

fn read_column(reader: &mut Reader<'_>, node: &Node) -> Option<Column> {
    let text = reader.text(node, "exact")?;
    match text.split_once('.') {
        Some((table, column)) if is_identifier(table) && is_identifier(column) => {
            Some(Column { table: table.to_owned(), column: column.to_owned() })
        }
        _ => {
            let message = format!("exact `{text}` must be like `refund_order.amount`");
            reader.error(node, "bad-value", message);
            None
        }
    }
}

fn read_deploy(reader: &mut Reader<'_>, node: &Node) -> Option<DeployCheck> {
    let fields = reader.fields(node, "checks.deploy", &["gray", "starts_at"]);
    let gray = fields.need(reader, "checks.deploy", "gray");
    let gray = gray.and_then(|n| reader.text(n, "gray"));
    let starts_at = fields.need(reader, "checks.deploy", "starts_at")?;
    let share = reader.parse::<Percent>(starts_at, "starts_at")?;
    if share.0 > rust_decimal::Decimal::ONE_HUNDRED {
        reader.error(starts_at, "bad-value", format!("starts_at {share} is above 100%"));
    }
    Some(DeployCheck { gray: gray?, starts_at: share })
}
