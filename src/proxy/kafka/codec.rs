//! The compressions of record batches: read with a bound, written as they came.
//!
//! The level cannot be known from the wire: what is promised is the codec, and for snappy its framing.

use std::io::{self, Read, Write};

/// Records of one batch, unpacked. A broker takes 1 MiB packed by default; this only bounds what a lying batch may grow to.
pub(super) const RECORDS_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How snappy's blocks are framed by Java, and its block size.
const XERIAL: &[u8; 16] = b"\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01";
const XERIAL_BLOCK_BYTES: usize = 32 * 1024;
/// The densest element of snappy: 3 bytes that repeat 64.
const SNAPPY_GROWTH_MAX: usize = 22;
/// As the magic number of any header is made: its first eight bytes.
const XERIAL_MAGIC_BYTES: usize = 8;
/// As kafka-clients and librdkafka do unless told otherwise.
const ZSTD_LEVEL: i32 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    Plain,
    Gzip,
    Snappy { is_framed: bool },
    Lz4,
    Zstd,
}

impl Codec {
    /// By the attributes of a batch and the packed bytes.
    pub fn of(attributes: i16, packed: &[u8]) -> Option<Codec> {
        Some(match attributes & 0x07 {
            0 => Codec::Plain,
            1 => Codec::Gzip,
            2 => Codec::Snappy { is_framed: packed.starts_with(&XERIAL[..XERIAL_MAGIC_BYTES]) },
            3 => Codec::Lz4,
            4 => Codec::Zstd,
            _ => return None,
        })
    }

    pub fn unpack(self, packed: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Codec::Plain => Ok(packed.to_vec()),
            Codec::Gzip => bounded(flate2::read::MultiGzDecoder::new(packed)),
            Codec::Snappy { is_framed: false } => {
                let mut out = Vec::new();
                unpack_block(packed, &mut out)?;
                Ok(out)
            }
            Codec::Snappy { is_framed: true } => unpack_blocks(packed),
            Codec::Lz4 => bounded(lz4_flex::frame::FrameDecoder::new(packed)),
            Codec::Zstd => bounded(zstd::stream::read::Decoder::with_buffer(packed)?),
        }
    }

    pub fn pack(self, plain: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Codec::Plain => Ok(plain.to_vec()),
            Codec::Gzip => {
                let mut encoder =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(plain)?;
                encoder.finish()
            }
            Codec::Snappy { is_framed: false } => {
                Ok(snap::raw::Encoder::new().compress_vec(plain)?)
            }
            Codec::Snappy { is_framed: true } => {
                let mut out = XERIAL.to_vec();
                for block in plain.chunks(XERIAL_BLOCK_BYTES) {
                    let packed = snap::raw::Encoder::new().compress_vec(block)?;
                    out.extend_from_slice(&(packed.len() as u32).to_be_bytes());
                    out.extend_from_slice(&packed);
                }
                Ok(out)
            }
            Codec::Lz4 => {
                let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
                encoder.write_all(plain)?;
                encoder.finish().map_err(io::Error::other)
            }
            Codec::Zstd => zstd::stream::encode_all(plain, ZSTD_LEVEL),
        }
    }
}

fn too_long<T>() -> io::Result<T> {
    Err(io::Error::other(format!("records unpack to more than {RECORDS_BYTES_MAX} bytes")))
}

fn bounded(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let read = reader.take(RECORDS_BYTES_MAX as u64 + 1).read_to_end(&mut out)?;
    if read > RECORDS_BYTES_MAX { too_long() } else { Ok(out) }
}

fn unpack_block(packed: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let length = snap::raw::decompress_len(packed)?;
    if length > RECORDS_BYTES_MAX - out.len() {
        return too_long();
    }
    // The length is only said: room is made for no more than the bytes can hold.
    if length > packed.len().saturating_mul(SNAPPY_GROWTH_MAX) {
        return Err(io::Error::other("a block of snappy says more than it can hold"));
    }
    let start = out.len();
    out.resize(start + length, 0);
    snap::raw::Decoder::new().decompress(packed, &mut out[start..])?;
    Ok(())
}

fn unpack_blocks(packed: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = packed.get(XERIAL.len()..).unwrap_or_default();
    while !rest.is_empty() {
        let block = rest
            .split_first_chunk::<4>()
            .and_then(|(length, rest)| rest.split_at_checked(u32::from_be_bytes(*length) as usize));
        let Some((block, after)) = block else {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a block of snappy is cut"));
        };
        unpack_block(block, &mut out)?;
        rest = after;
    }
    Ok(out)
}

#[cfg(test)]
pub(super) const ALL: [Codec; 6] = [
    Codec::Plain,
    Codec::Gzip,
    Codec::Snappy { is_framed: false },
    Codec::Snappy { is_framed: true },
    Codec::Lz4,
    Codec::Zstd,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_codec_gives_back_what_it_took() {
        let long: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
        for plain in [&b""[..], b"{\"amount\":\"199.00 CNY\"}", &long] {
            for codec in ALL {
                let packed = codec.pack(plain).unwrap();
                assert_eq!(codec.unpack(&packed).unwrap(), plain, "{codec:?}");
            }
        }
    }

    #[test]
    fn what_grows_without_end_is_refused() {
        let plain = vec![0; RECORDS_BYTES_MAX + 1];
        for codec in &ALL[1..] {
            let packed = codec.pack(&plain).unwrap();
            let error = codec.unpack(&packed).unwrap_err().to_string();
            assert!(error.contains("more than"), "{codec:?}: {error}");
        }
        // A length that lies about 4 GB.
        let lying = [0xff, 0xff, 0xff, 0xff, 0x0f];
        assert!(Codec::Snappy { is_framed: false }.unpack(&lying).is_err());
        let cut = [&XERIAL[..], &[0xff; 4]].concat();
        assert!(Codec::Snappy { is_framed: true }.unpack(&cut).is_err());
    }
}
