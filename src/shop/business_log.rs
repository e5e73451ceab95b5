//! The service's log: one line of JSON on stderr for each business event, dated in cell time.
//!
//! The catalogue's `log` checks look for these lines. Never logs that a defect acted: a broken
//! service does not know it. Try it: `cargo test --lib shop::business_log`. Not covered: levels,
//! rotation.

use std::io::Write;

use serde_json::{Map, Value};

use crate::clock::{CellTime, rfc3339};

/// Writes `{"event": …, fields …, "at": …}` as one line. A stderr that is gone is no reason to stop
/// a business.
pub fn log(event: &str, at: CellTime, fields: &Value) {
    let mut line = line(event, at, fields);
    line.push('\n');
    drop(std::io::stderr().lock().write_all(line.as_bytes()));
}

fn line(event: &str, at: CellTime, fields: &Value) -> String {
    let mut object = Map::new();
    object.insert("event".to_owned(), Value::from(event));
    if let Value::Object(fields) = fields {
        object.extend(fields.clone());
    }
    object.insert("at".to_owned(), Value::from(rfc3339(at.0)));
    Value::Object(object).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_starts_with_its_event_and_ends_with_its_time() {
        let fields = json!({"order_id": "O-1", "amount": "199.00 CNY"});
        assert_eq!(
            line("refund_paid", CellTime(1_767_578_400_123), &fields),
            r#"{"event":"refund_paid","order_id":"O-1","amount":"199.00 CNY","#.to_owned()
                + r#""at":"2026-01-05T02:00:00.123Z"}"#
        );
    }
}
