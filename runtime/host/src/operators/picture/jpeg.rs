//! Sequential JPEG with Huffman codes, 8 bits, grey or YCbCr: what cameras and most programs write.
//!
//! All other kinds, and every fault, give `None`; the caller asks another decoder then. Written from ITU-T T.81.

use super::Picture;
use super::jpeg_samples::{Plane, colours, transform};

/// The order in which the coefficients of a block are stored.
const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// A Huffman code: for each length the first code, the first place of its symbols, and their number.
#[derive(Clone, Default)]
struct Code {
    lengths: Vec<(u32, usize, u32)>,
    symbols: Vec<u8>,
}

struct Component {
    id: u8,
    quantization: usize,
    plane: Plane,
}

#[derive(Default)]
struct Decoder {
    quantization: [Option<[u16; 64]>; 4],
    /// Codes of first and of all other coefficients.
    codes: [[Option<Code>; 4]; 2],
    restart: usize,
    size: (usize, usize),
    components: Vec<Component>,
}

/// Reads a picture whose samples take no more than `memory` bytes.
pub(super) fn read(bytes: &[u8], memory: u64) -> Option<Picture> {
    let mut rest = bytes.strip_prefix(b"\xff\xd8")?;
    let mut decoder = Decoder::default();
    let mut done = 0;
    while done == 0 || done < decoder.components.len() {
        let (&[0xff, marker], behind) = rest.split_first_chunk::<2>()? else { return None };
        let (length, behind) = behind.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (segment, behind) = behind.split_at_checked(length.checked_sub(2)?)?;
        rest = behind;
        match marker {
            0xc0 | 0xc1 => decoder.frame(segment, memory)?,
            0xc4 => decoder.huffman(segment)?,
            0xdb => decoder.quantization(segment)?,
            0xdd => decoder.restart = usize::from(u16::from_be_bytes(segment.try_into().ok()?)),
            0xda => {
                let (components, behind) = decoder.scan(segment, rest)?;
                done += components;
                rest = behind;
            }
            // Adobe's segment names colours that are not YCbCr.
            0xee if segment.starts_with(b"Adobe") && segment.get(11) != Some(&1) => return None,
            0xe0..=0xef | 0xfe => {}
            _ => return None,
        }
    }
    let (width, height) = decoder.size;
    let planes: Vec<&Plane> = decoder.components.iter().map(|component| &component.plane).collect();
    Some((width, height, colours(&planes, width, height)?))
}

impl Decoder {
    fn quantization(&mut self, mut segment: &[u8]) -> Option<()> {
        while let Some((&kind, behind)) = segment.split_first() {
            let width = 1 + usize::from(kind >> 4);
            let (values, behind) = behind.split_at_checked(64 * width)?;
            let mut table = [0; 64];
            for (&place, value) in ZIGZAG.iter().zip(values.chunks_exact(width)) {
                table[place] = value.iter().fold(0u16, |whole, &byte| whole << 8 | u16::from(byte));
            }
            *self.quantization.get_mut(usize::from(kind & 15))? = Some(table);
            segment = behind;
        }
        Some(())
    }

    fn huffman(&mut self, mut segment: &[u8]) -> Option<()> {
        while let Some((&kind, behind)) = segment.split_first() {
            let (counts, behind) = behind.split_first_chunk::<16>()?;
            let total = counts.iter().map(|&count| usize::from(count)).sum();
            let (symbols, behind) = behind.split_at_checked(total)?;
            let mut code = Code { lengths: Vec::new(), symbols: symbols.to_vec() };
            let (mut next, mut place) = (0u32, 0);
            for &count in counts {
                code.lengths.push((next, place, u32::from(count)));
                next = (next + u32::from(count)) << 1;
                place += usize::from(count);
            }
            *self.codes.get_mut(usize::from(kind >> 4))?.get_mut(usize::from(kind & 15))? = Some(code);
            segment = behind;
        }
        Some(())
    }

    fn frame(&mut self, segment: &[u8], memory: u64) -> Option<()> {
        let (&[8, a, b, c, d, count], components) = segment.split_first_chunk::<6>()? else { return None };
        let (height, width) =
            (usize::from(u16::from_be_bytes([a, b])), usize::from(u16::from_be_bytes([c, d])));
        let known = matches!(count, 1 | 3)
            && components.len() == 3 * usize::from(count)
            && self.components.is_empty();
        if !known || width == 0 || height == 0 || (width + 32) as u64 * (height + 32) as u64 * 12 > memory {
            return None;
        }
        self.size = (width, height);
        let factors = |component: &[u8]| (usize::from(component[1] >> 4), usize::from(component[1] & 15));
        let all: Vec<(usize, usize)> = components.chunks_exact(3).map(factors).collect();
        let across = all.iter().map(|factors| factors.0).max()?;
        let down = all.iter().map(|factors| factors.1).max()?;
        for (component, (h, v)) in components.chunks_exact(3).zip(all) {
            let known = matches!((h, v), (1..=2, 1..=2)) && (count > 1 || (h, v) == (1, 1));
            if !known || component[0] == b'R' {
                return None;
            }
            let plane = Plane::new(self.size, (h, v), (across, down));
            self.components.push(Component {
                id: component[0],
                quantization: usize::from(component[2]),
                plane,
            });
        }
        Some(())
    }

    /// Decodes a scan; the number of its components, and what stands behind its data.
    fn scan<'a>(&mut self, segment: &[u8], data: &'a [u8]) -> Option<(usize, &'a [u8])> {
        let (&count, named) = segment.split_first()?;
        let (named, [0, 63, 0]) = named.split_at_checked(2 * usize::from(count))? else { return None };
        let mut parts = Vec::new();
        for pair in named.chunks_exact(2) {
            let at = self.components.iter().position(|component| component.id == pair[0])?;
            let first = self.codes[0].get(usize::from(pair[1] >> 4))?.clone()?;
            let others = self.codes[1].get(usize::from(pair[1] & 15))?.clone()?;
            let table = (*self.quantization.get(self.components[at].quantization)?)?;
            parts.push((at, first, others, table));
        }
        let mut bits = Bits { bytes: data, window: 0, count: 0 };
        let mut before = vec![0i32; parts.len()];
        let alone = parts.len() == 1;
        let (columns, rows) = match parts.first() {
            Some(&(at, ..)) if alone => self.components[at].plane.own_blocks(),
            _ => self.components.first()?.plane.units(),
        };
        for unit in 0..columns * rows {
            if self.restart > 0 && unit > 0 && unit % self.restart == 0 {
                bits.restart()?;
                before.fill(0);
            }
            for ((at, first, others, table), before) in parts.iter().zip(&mut before) {
                let plane = &mut self.components[*at].plane;
                let (h, v) = if alone { (1, 1) } else { plane.factors };
                for block in 0..h * v {
                    let coefficients = bits.block(first, others, before, table)?;
                    let place = (unit % columns * h + block % h, unit / columns * v + block / h);
                    plane.put(place, &transform(&coefficients));
                }
            }
        }
        Some((parts.len(), bits.rest()))
    }
}

/// Bits of entropy-coded data, in which a zero follows every byte of ones.
struct Bits<'a> {
    bytes: &'a [u8],
    window: u32,
    count: u32,
}

/// A coefficient; no sound file has one that is cut here.
fn scaled(number: i32, step: u16) -> i64 {
    (i64::from(number) * i64::from(step)).clamp(-(1 << 24), 1 << 24)
}

impl<'a> Bits<'a> {
    fn take(&mut self, wanted: u32) -> Option<u32> {
        while self.count < wanted {
            let (byte, rest) = match self.bytes {
                [0xff, 0, rest @ ..] => (0xff, rest),
                [0xff, _, ..] | [] => return None,
                [byte, rest @ ..] => (*byte, rest),
            };
            self.bytes = rest;
            self.window = self.window << 8 | u32::from(byte);
            self.count += 8;
        }
        self.count -= wanted;
        Some(self.window >> self.count & ((1 << wanted) - 1))
    }

    fn symbol(&mut self, code: &Code) -> Option<u32> {
        let mut word = 0;
        for &(first, place, count) in &code.lengths {
            word = word << 1 | self.take(1)?;
            if word >= first && word - first < count {
                return code.symbols.get(place + (word - first) as usize).map(|&symbol| u32::from(symbol));
            }
        }
        None
    }

    /// A number of so many bits, whose upper half is positive.
    fn number(&mut self, bits: u32) -> Option<i32> {
        if bits > 15 {
            return None;
        }
        let value = self.take(bits)? as i32;
        let negative = bits > 0 && value < 1 << (bits - 1);
        Some(if negative { value - (1 << bits) + 1 } else { value })
    }

    /// The coefficients of a block, times their steps. `before` is the first coefficient of the block before.
    fn block(
        &mut self,
        first: &Code,
        others: &Code,
        before: &mut i32,
        table: &[u16; 64],
    ) -> Option<[i64; 64]> {
        let mut coefficients = [0; 64];
        let bits = self.symbol(first)?;
        *before = before.wrapping_add(self.number(bits)?);
        coefficients[0] = scaled(*before, table[0]);
        let mut at = 1;
        while at < 64 {
            let symbol = self.symbol(others)?;
            let (zeros, bits) = ((symbol >> 4) as usize, symbol & 15);
            match (zeros, bits) {
                (15, 0) => at += 16,
                (_, 0) => break,
                _ => {
                    let place = *ZIGZAG.get(at + zeros)?;
                    coefficients[place] = scaled(self.number(bits)?, table[place]);
                    at += zeros + 1;
                }
            }
        }
        Some(coefficients)
    }

    fn restart(&mut self) -> Option<()> {
        let (&[0xff, 0xd0..=0xd7], rest) = self.bytes.split_first_chunk::<2>()? else { return None };
        *self = Bits { bytes: rest, window: 0, count: 0 };
        Some(())
    }

    fn rest(self) -> &'a [u8] {
        self.bytes
    }
}
