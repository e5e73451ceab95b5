//! Record batches (magic 2), taken apart and put together again around the records that are to change.
//!
//! The header of 61 bytes stays as it came but for what must follow from its records: count, last offset delta, base
//! sequence, length and CRC. Everything here is a function of bytes.
//!
//! Not covered: message sets of brokers before 0.11 (they are met by no rule).

use bytes::Bytes;

use super::codec::Codec;
use super::walk::{Lost, Walk, put_varint};

const HEADER_BYTES: usize = 61;
/// Offset and length, which the length does not count.
const PREFIX_BYTES: usize = 12;
/// Where the bytes begin that the CRC is over.
const CRC_FROM: usize = 21;
const MAGIC: u8 = 2;
const IS_CONTROL: i16 = 0x20;
/// Of producers that are not idempotent.
const NO_PRODUCER: i64 = -1;

/// One record; all but its offset, which is its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub attributes: u8,
    pub timestamp_delta: i64,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    /// Their number and all of them, as they came: a name may stand there twice.
    pub headers: Bytes,
}

/// Who writes, in which life, and what number its first record here has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Producer {
    pub id: i64,
    pub epoch: i16,
    pub base_sequence: i32,
}

#[derive(Clone, Debug)]
pub(super) struct Batch {
    header: [u8; HEADER_BYTES],
    codec: Codec,
    pub records: Vec<Record>,
}

type Read<T> = Result<T, Lost>;

/// The length of the batch that `bytes` begin with; none where it is none that can be changed.
pub(super) fn length(bytes: &[u8]) -> Read<usize> {
    let mut walk = Walk::new(bytes);
    walk.bytes(8, "a base offset")?;
    let length = usize::try_from(walk.i32()?).or(walk.lost("a batch's length"))?;
    walk.bytes(length, "a whole batch")?;
    Ok(PREFIX_BYTES + length)
}

/// Is it of the kind that [`Batch::read`] takes?
pub(super) fn holds_records(batch: &[u8]) -> bool {
    let head = batch.get(..HEADER_BYTES);
    head.is_some_and(|head| head[16] == MAGIC && attributes(head) & IS_CONTROL == 0)
}

fn attributes(header: &[u8]) -> i16 {
    i16::from_be_bytes([header[21], header[22]])
}

impl Batch {
    /// One batch of records, whole and with a CRC that holds.
    pub fn read(bytes: &[u8]) -> Read<Batch> {
        let mut walk = Walk::new(bytes);
        let mut header = [0; HEADER_BYTES];
        header.copy_from_slice(walk.bytes(HEADER_BYTES, "a batch's header")?);
        let crc = u32::from_be_bytes([header[17], header[18], header[19], header[20]]);
        if crc32c::crc32c(&bytes[CRC_FROM..]) != crc {
            return Err(Lost { at: 17, expected: "a CRC that holds" });
        }
        let packed = &bytes[HEADER_BYTES..];
        let Some(codec) = Codec::of(attributes(&header), packed) else {
            return Err(Lost { at: CRC_FROM, expected: "a known compression" });
        };
        let plain = codec.unpack(packed);
        let plain = plain.or(walk.lost("records that unpack"))?;
        let count = i32::from_be_bytes([header[57], header[58], header[59], header[60]]);
        let records = records(&Bytes::from(plain), count)?;
        Ok(Batch { header, codec, records })
    }

    #[cfg(test)]
    pub fn around(header: [u8; HEADER_BYTES], codec: Codec, records: Vec<Record>) -> Batch {
        Batch { header, codec, records }
    }

    /// Whose it is, where its producer is idempotent.
    pub fn producer(&self) -> Option<Producer> {
        let mut walk = Walk::new(&self.header[43..57]);
        let id = walk.i64().ok()?;
        let (epoch, base_sequence) = (walk.i16().ok()?, walk.i32().ok()?);
        (id != NO_PRODUCER).then_some(Producer { id, epoch, base_sequence })
    }

    pub fn renumber(&mut self, base_sequence: i32) {
        self.header[53..57].copy_from_slice(&base_sequence.to_be_bytes());
    }

    /// The batch around its records as they are now; it has some.
    pub fn write(&self) -> Read<Vec<u8>> {
        let mut plain = Vec::new();
        for (offset, record) in self.records.iter().enumerate() {
            record.write(offset as i64, &mut plain);
        }
        let unwritable = Lost { at: HEADER_BYTES, expected: "records that a batch can hold" };
        let packed = self.codec.pack(&plain).map_err(|_| unwritable)?;
        let mut out = self.header.to_vec();
        out.extend_from_slice(&packed);
        let fits = |length: usize| i32::try_from(length);
        let (Ok(count), Ok(length)) = (fits(self.records.len()), fits(out.len() - PREFIX_BYTES))
        else {
            return Err(Lost { at: HEADER_BYTES, expected: "records that a batch can hold" });
        };
        out[8..12].copy_from_slice(&length.to_be_bytes());
        out[23..27].copy_from_slice(&(count - 1).to_be_bytes());
        out[57..61].copy_from_slice(&count.to_be_bytes());
        let crc = crc32c::crc32c(&out[CRC_FROM..]);
        out[17..21].copy_from_slice(&crc.to_be_bytes());
        Ok(out)
    }
}

/// As many records as the header says, and nothing behind them.
fn records(plain: &Bytes, count: i32) -> Read<Vec<Record>> {
    let mut walk = Walk::new(plain);
    let mut all = Vec::new();
    for _ in 0..count {
        let length = usize::try_from(walk.varint()?).or(walk.lost("a record's length"))?;
        let start = walk.at();
        walk.bytes(length, "a whole record")?;
        all.push(Record::read(&plain.slice(start..start + length))?);
    }
    if walk.at() < plain.len() {
        return walk.lost("the end of the records");
    }
    Ok(all)
}

/// Bytes with their length before them; −1 is null.
fn field(walk: &mut Walk<'_>, whole: &Bytes) -> Read<Option<Bytes>> {
    let length = walk.varint()?;
    if length == -1 {
        return Ok(None);
    }
    let length = usize::try_from(length).or(walk.lost("a field's length"))?;
    let start = walk.at();
    walk.bytes(length, "a whole field")?;
    Ok(Some(whole.slice(start..start + length)))
}

fn put_field(out: &mut Vec<u8>, field: Option<&Bytes>) {
    match field {
        None => put_varint(out, -1),
        Some(field) => {
            put_varint(out, field.len() as i64);
            out.extend_from_slice(field);
        }
    }
}

impl Record {
    fn read(bytes: &Bytes) -> Read<Record> {
        let mut walk = Walk::new(bytes);
        let attributes = walk.bytes(1, "a record's attributes")?[0];
        let timestamp_delta = walk.varint()?;
        // Its place says it, on the way to a broker.
        walk.varint()?;
        let (key, value) = (field(&mut walk, bytes)?, field(&mut walk, bytes)?);
        let headers = bytes.slice(walk.at()..);
        let record = Record { attributes, timestamp_delta, key, value, headers };
        record.named_headers().map(|_| record)
    }

    fn write(&self, offset: i64, out: &mut Vec<u8>) {
        let mut body = vec![self.attributes];
        put_varint(&mut body, self.timestamp_delta);
        put_varint(&mut body, offset);
        put_field(&mut body, self.key.as_ref());
        put_field(&mut body, self.value.as_ref());
        body.extend_from_slice(&self.headers);
        put_varint(out, body.len() as i64);
        out.extend_from_slice(&body);
    }

    /// Name and value of each header, in order.
    pub fn named_headers(&self) -> Read<Vec<(Bytes, Option<Bytes>)>> {
        let mut walk = Walk::new(&self.headers);
        let count = walk.varint()?;
        let mut all = Vec::new();
        for _ in 0..count {
            let name = field(&mut walk, &self.headers)?;
            let name = name.ok_or(Lost { at: walk.at(), expected: "a header's name" })?;
            all.push((name, field(&mut walk, &self.headers)?));
        }
        Ok(all)
    }
}
