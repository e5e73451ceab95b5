//! How many rows go into one statement.
//!
//! Owns the two bounds of it. Knows no table. Not covered: a single row that no packet holds.

use mysql_async::Value;

/// Rows in one INSERT: far below the 65,535 placeholders of the protocol.
pub const ROWS_PER_INSERT: usize = 200;
/// And so many bytes, unless one row alone has more: a server refuses a packet above its `max_allowed_packet`.
const BYTES_PER_INSERT: usize = 1 << 20;

/// As many rows together as one statement may have.
pub fn chunks(rows: &[Vec<Value>]) -> Vec<&[Vec<Value>]> {
    let size = |row: &Vec<Value>| row.iter().map(|value| value.bin_len() as usize).sum::<usize>();
    let (mut chunks, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (number, row) in rows.iter().enumerate() {
        let own = size(row);
        let is_full = number - start == ROWS_PER_INSERT || bytes + own > BYTES_PER_INSERT;
        if is_full && number > start {
            chunks.push(&rows[start..number]);
            (start, bytes) = (number, 0);
        }
        bytes += own;
    }
    if start < rows.len() {
        chunks.push(&rows[start..]);
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_bounded_in_rows_and_bytes() {
        let row = |bytes: usize| vec![Value::Bytes(vec![b'x'; bytes]), Value::Int(1)];
        let half = BYTES_PER_INSERT / 2;
        for (rows, expect) in [
            (vec![], vec![]),
            (vec![row(10); ROWS_PER_INSERT], vec![ROWS_PER_INSERT]),
            (vec![row(10); 2 * ROWS_PER_INSERT + 1], vec![ROWS_PER_INSERT, ROWS_PER_INSERT, 1]),
            (vec![row(half); 3], vec![1, 1, 1]),
            (vec![row(half / 2); 4], vec![3, 1]),
            (vec![row(10), row(2 * BYTES_PER_INSERT), row(10)], vec![1, 1, 1]),
        ] {
            let found: Vec<usize> = chunks(&rows).iter().map(|chunk| chunk.len()).collect();
            assert_eq!(found, expect);
            assert_eq!(chunks(&rows).concat(), rows, "none is lost");
        }
    }
}
