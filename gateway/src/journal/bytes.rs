//! How numbers become bytes in what the journal keeps, and back. The reading side takes any bytes and never panics: the
//! disk is not to be trusted.

/// Why bytes are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Damage(pub &'static str);

/// Bytes of a value up to the last that is not zero, big end first: all that is kept of it.
pub(super) fn value_len(value: f64) -> usize {
    (71 - value.to_bits().trailing_zeros() as usize) / 8
}

/// Small numbers of either sign as small numbers.
pub(super) fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)) as u64
}

pub(super) fn unzigzag(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

/// LEB128.
pub(super) fn put_varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Appends the CRC-32 of `out` from `start` on, little endian.
pub(super) fn put_checksum(out: &mut Vec<u8>, start: usize) {
    let crc = crc32fast::hash(out.split_at(start).1);
    out.extend_from_slice(&crc.to_le_bytes());
}

/// The blob without its checksum, if that is right.
pub(super) fn checked(blob: &[u8]) -> Result<&[u8], Damage> {
    let (body, crc) = blob.split_last_chunk::<4>().ok_or(Damage("too short"))?;
    if crc32fast::hash(body) == u32::from_le_bytes(*crc) { Ok(body) } else { Err(Damage("checksum is wrong")) }
}

/// The bytes not read yet.
#[derive(Debug)]
pub(super) struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn byte(&mut self) -> Result<u8, Damage> {
        let (first, rest) = self.0.split_first().ok_or(Damage("ends too early"))?;
        self.0 = rest;
        Ok(*first)
    }

    pub(super) fn take(&mut self, n: usize) -> Result<&'a [u8], Damage> {
        let (part, rest) = self.0.split_at_checked(n).ok_or(Damage("ends too early"))?;
        self.0 = rest;
        Ok(part)
    }

    pub(super) fn varint(&mut self) -> Result<u64, Damage> {
        let mut n = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            n |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(n);
            }
        }
        Err(Damage("a number that does not end"))
    }

    /// A value of which `len` bytes were kept.
    pub(super) fn value(&mut self, len: usize) -> Result<f64, Damage> {
        if len > 8 {
            return Err(Damage("a value of more than 8 bytes"));
        }
        // The eight bytes ahead are nearly always there: one load and a shift instead of a loop.
        if let Some(ahead) = self.0.first_chunk::<8>() {
            let bits = if len == 0 { 0 } else { u64::from_be_bytes(*ahead) & (u64::MAX << (64 - 8 * len)) };
            self.0 = self.0.split_at(len).1;
            return Ok(f64::from_bits(bits));
        }
        let part = self.take(len)?;
        let bits = part.iter().zip((0..8).rev()).fold(0, |bits, (byte, place)| bits | u64::from(*byte) << (8 * place));
        Ok(f64::from_bits(bits))
    }
}
