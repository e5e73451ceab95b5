//! A walk over one frame with every length checked; pieces may be replaced on the way, the rest is
//! copied as it is.

/// The frame is not what its API and version promise: where, and what was expected.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lost {
    pub at: usize,
    pub expected: &'static str,
}

pub(super) struct Walk<'a> {
    input: &'a [u8],
    at: usize,
    /// Replaced input so far, and how much of the input it stands for.
    out: Vec<u8>,
    taken: usize,
}

type Walked<T> = Result<T, Lost>;

impl<'a> Walk<'a> {
    pub fn new(input: &'a [u8]) -> Walk<'a> {
        Walk { input, at: 0, out: Vec::new(), taken: 0 }
    }

    pub fn at(&self) -> usize {
        self.at
    }

    pub fn lost<T>(&self, expected: &'static str) -> Walked<T> {
        Err(Lost { at: self.at, expected })
    }

    pub fn bytes(&mut self, length: usize, expected: &'static str) -> Walked<&'a [u8]> {
        let Some(bytes) = self.input[self.at..].get(..length) else { return self.lost(expected) };
        self.at += length;
        Ok(bytes)
    }

    fn fixed<const N: usize>(&mut self, expected: &'static str) -> Walked<[u8; N]> {
        let mut fixed = [0; N];
        fixed.copy_from_slice(self.bytes(N, expected)?);
        Ok(fixed)
    }

    pub fn i16(&mut self) -> Walked<i16> {
        Ok(i16::from_be_bytes(self.fixed("a 16-bit number")?))
    }

    pub fn i32(&mut self) -> Walked<i32> {
        Ok(i32::from_be_bytes(self.fixed("a 32-bit number")?))
    }

    pub fn i64(&mut self) -> Walked<i64> {
        Ok(i64::from_be_bytes(self.fixed("a 64-bit number")?))
    }

    /// A signed varint of at most 64 bits, as records have them.
    pub fn varint(&mut self) -> Walked<i64> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let [byte] = self.fixed("a varint")?;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or_default();
            if byte & 0x80 == 0 {
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        self.lost("a varint of at most 10 bytes")
    }

    /// An unsigned varint of at most 32 bits.
    pub fn uvarint(&mut self) -> Walked<u32> {
        let mut value = 0_u64;
        for shift in (0..35).step_by(7) {
            let [byte] = self.fixed("a varint")?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).or(self.lost("a varint of 32 bits"));
            }
        }
        self.lost("a varint of at most 5 bytes")
    }

    fn length(&mut self, flexible: bool) -> Walked<Option<usize>> {
        if flexible {
            return Ok((self.uvarint()? as usize).checked_sub(1));
        }
        match self.i16()? {
            -1 => Ok(None),
            length => usize::try_from(length).map(Some).or(self.lost("a string's length")),
        }
    }

    /// A string that may be null; `flexible`: compact.
    pub fn string(&mut self, flexible: bool) -> Walked<Option<&'a str>> {
        let Some(length) = self.length(flexible)? else { return Ok(None) };
        let bytes = self.bytes(length, "a string")?;
        std::str::from_utf8(bytes).map(Some).or(self.lost("UTF-8"))
    }

    /// Bytes that may be null; `flexible`: compact.
    pub fn blob(&mut self, flexible: bool) -> Walked<Option<&'a [u8]>> {
        let length = if flexible {
            (self.uvarint()? as usize).checked_sub(1)
        } else {
            match self.i32()? {
                -1 => None,
                length => Some(usize::try_from(length).or(self.lost("a length of bytes"))?),
            }
        };
        length.map(|length| self.bytes(length, "whole bytes")).transpose()
    }

    /// The number of an array's elements, 0 for null. Each takes at least a byte, so a lying count
    /// ends in [`Lost`].
    pub fn count(&mut self, flexible: bool) -> Walked<usize> {
        let count = if flexible {
            self.uvarint()?.saturating_sub(1) as usize
        } else {
            usize::try_from(self.i32()?.max(0)).unwrap_or_default()
        };
        if count > self.input.len() - self.at {
            self.lost("an array's elements")
        } else {
            Ok(count)
        }
    }

    /// Tagged fields, skipped; none in a version that is not flexible.
    pub fn tags(&mut self, flexible: bool) -> Walked<()> {
        if flexible {
            self.tags_with(|_, _| Ok(None))?;
        }
        Ok(())
    }

    /// Tagged fields, each shown as (tag, content); content is replaced where `change` returns
    /// some.
    pub fn tags_with(
        &mut self,
        mut change: impl FnMut(u32, &'a [u8]) -> Walked<Option<Vec<u8>>>,
    ) -> Walked<()> {
        for _ in 0..self.uvarint()? {
            let tag = self.uvarint()?;
            let start = self.at;
            let length = self.uvarint()? as usize;
            let content = self.bytes(length, "a tagged field")?;
            if let Some(content) = change(tag, content)? {
                let mut field = Vec::with_capacity(content.len() + 5);
                put_uvarint(&mut field, content.len());
                field.extend_from_slice(&content);
                self.replace(start, &field);
            }
        }
        Ok(())
    }

    /// Puts `with` where the input from `start` to here stood.
    pub fn replace(&mut self, start: usize, with: &[u8]) {
        self.out.extend_from_slice(&self.input[self.taken..start]);
        self.out.extend_from_slice(with);
        self.taken = self.at;
    }

    /// Everything, with the replacements; none where there were none.
    pub fn finish(mut self) -> Option<Vec<u8>> {
        if self.taken == 0 {
            return None;
        }
        self.out.extend_from_slice(&self.input[self.taken..]);
        Some(self.out)
    }
}

pub(super) fn put_uvarint(out: &mut Vec<u8>, value: usize) {
    let mut left = value;
    while left >= 0x80 {
        out.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

/// As [`Walk::varint`] reads it.
pub(super) fn put_varint(out: &mut Vec<u8>, value: i64) {
    let mut left = ((value << 1) ^ (value >> 63)) as u64;
    while left >= 0x80 {
        out.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

/// A string, not null, as the wire has it.
pub(super) fn put_string(out: &mut Vec<u8>, text: &str, flexible: bool) {
    if flexible {
        put_uvarint(out, text.len() + 1);
    } else {
        let length = i16::try_from(text.len()).expect("invariant: a name is short");
        out.extend_from_slice(&length.to_be_bytes());
    }
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_that_lie_are_lost_and_never_reserved() {
        for (input, at) in [
            (&[0xff, 0xff, 0xff, 0xff, 0x0f][..], 5),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0x01][..], 5),
            (&[0x05][..], 1),
            (&[][..], 0),
        ] {
            assert_eq!(Walk::new(input).count(true).unwrap_err().at, at, "{input:?}");
        }
        assert!(Walk::new(&[0x7f, 0xff, 0xff, 0xff]).count(false).is_err());
        assert_eq!(Walk::new(&[0xff, 0xff, 0xff, 0xff]).count(false), Ok(0), "null");
        assert!(Walk::new(&[0x00, 0x05, b'a']).string(false).is_err());
        assert_eq!(Walk::new(&[0x02, b'a']).string(true), Ok(Some("a")));
        assert_eq!(Walk::new(&[0x00]).string(true), Ok(None));
        assert!(Walk::new(&[0x02, 0xff]).string(true).is_err());
    }

    #[test]
    fn varints_both_ways() {
        for value in [0_usize, 1, 127, 128, 300, 1 << 21, (1 << 32) - 1] {
            let mut out = Vec::new();
            put_uvarint(&mut out, value);
            assert_eq!(Walk::new(&out).uvarint(), Ok(value as u32), "{value}");
        }
        for value in [0, 1, -1, 63, -64, 64, 1 << 40, i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(Walk::new(&out).varint(), Ok(value), "{value}");
        }
        assert!(Walk::new(&[0xff; 11]).varint().is_err());
    }
}
