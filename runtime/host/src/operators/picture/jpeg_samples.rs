//! From coefficients of a JPEG file to colours, with the arithmetic of libjpeg: the exact integer transform (`jidctint`), triangular
//! interpolation of halved planes (`jdsample`), and YCbCr in 16 fractional bits (`jdcolor`).

/// Samples of a component, in whole blocks.
pub(super) struct Plane {
    pub(super) factors: (usize, usize),
    /// How often a sample is repeated across and down to fill the picture.
    ratio: (usize, usize),
    /// Samples that belong to the picture.
    size: (usize, usize),
    /// Groups of blocks, all components of which stand together.
    units: (usize, usize),
    samples: Vec<u8>,
}

impl Plane {
    /// A plane for a picture of this size. `most` has the greatest factors of any component.
    pub(super) fn new(size: (usize, usize), factors: (usize, usize), most: (usize, usize)) -> Plane {
        let units = (size.0.div_ceil(8 * most.0), size.1.div_ceil(8 * most.1));
        let samples = vec![0; units.0 * factors.0 * units.1 * factors.1 * 64];
        let own = ((size.0 * factors.0).div_ceil(most.0), (size.1 * factors.1).div_ceil(most.1));
        Plane { factors, ratio: (most.0 / factors.0, most.1 / factors.1), size: own, units, samples }
    }

    /// Groups of blocks across and down.
    pub(super) fn units(&self) -> (usize, usize) {
        self.units
    }

    /// Blocks across and down that have samples of the picture.
    pub(super) fn own_blocks(&self) -> (usize, usize) {
        (self.size.0.div_ceil(8), self.size.1.div_ceil(8))
    }

    fn stride(&self) -> usize {
        self.units.0 * self.factors.0 * 8
    }

    /// Writes the samples of a block.
    pub(super) fn put(&mut self, (column, row): (usize, usize), block: &[u8; 64]) {
        let stride = self.stride();
        for (line, samples) in block.chunks_exact(8).enumerate() {
            let start = (row * 8 + line) * stride + column * 8;
            self.samples[start..start + 8].copy_from_slice(samples);
        }
    }

    /// A row of samples; the rows before the first and behind the last are like them.
    fn row(&self, row: isize) -> &[u8] {
        let row = row.clamp(0, self.size.1 as isize - 1) as usize;
        &self.samples[row * self.stride()..][..self.size.0]
    }

    /// A row of the picture, as wide as the picture or wider.
    fn wide_row(&self, row: usize) -> Vec<u8> {
        let source = (row / self.ratio.1) as isize;
        let lower = !row.is_multiple_of(2);
        let near = self.row(source);
        let far = self.row(if lower { source + 1 } else { source - 1 });
        // Planes of one or two columns are repeated, not interpolated.
        if self.ratio.0 == 2 && near.len() <= 2 {
            return near.iter().flat_map(|&sample| [sample; 2]).collect();
        }
        let mixed = near.iter().zip(far).map(|(&near, &far)| 3 * i32::from(near) + i32::from(far));
        match self.ratio {
            (1, 1) => near.to_vec(),
            (1, _) => mixed.map(|sum| ((sum + if lower { 2 } else { 1 }) >> 2) as u8).collect(),
            (_, 1) => twice(&near.iter().map(|&sample| i32::from(sample)).collect::<Vec<_>>(), 2, [1, 2]),
            _ => twice(&mixed.collect::<Vec<_>>(), 4, [8, 7]),
        }
    }
}

/// Twice as many samples: three quarters of each and one of its neighbour, in units of `1 << shift`, rounded as libjpeg does to the
/// left and right.
fn twice(sums: &[i32], shift: u32, rounding: [i32; 2]) -> Vec<u8> {
    let mut wide = Vec::with_capacity(2 * sums.len());
    for (at, &sum) in sums.iter().enumerate() {
        let left = at.checked_sub(1).map_or(sum, |at| sums[at]);
        let right = sums.get(at + 1).copied().unwrap_or(sum);
        wide.push(((3 * sum + left + rounding[0]) >> shift) as u8);
        wide.push(((3 * sum + right + rounding[1]) >> shift) as u8);
    }
    wide
}

/// The colours of a picture, three bytes each.
pub(super) fn colours(planes: &[&Plane], width: usize, height: usize) -> Option<Vec<u8>> {
    let mut colours = Vec::with_capacity(width * height * 3);
    for row in 0..height {
        match planes {
            [grey] => colours.extend(grey.wide_row(row).iter().take(width).flat_map(|&sample| [sample; 3])),
            [light, blue, red] => {
                let (light, blue, red) = (light.wide_row(row), blue.wide_row(row), red.wide_row(row));
                let pixels = light.iter().zip(&blue).zip(&red).take(width);
                colours.extend(pixels.flat_map(|((&light, &blue), &red)| colour(light, blue, red)));
            }
            _ => return None,
        }
    }
    Some(colours)
}

fn colour(light: u8, blue: u8, red: u8) -> [u8; 3] {
    let (light, blue, red) = (i32::from(light), i32::from(blue) - 128, i32::from(red) - 128);
    let half = 1 << 15;
    let channels = [
        light + ((91_881 * red + half) >> 16),
        light + ((-22_554 * blue - 46_802 * red + half) >> 16),
        light + ((116_130 * blue + half) >> 16),
    ];
    channels.map(|channel| channel.clamp(0, 255) as u8)
}

/// One pass of the inverse transform over eight numbers, in 13 fractional bits (Loeffler, Ligtenberg, Moschytz).
fn pass(input: [i64; 8]) -> [i64; 8] {
    let [i0, i1, i2, i3, i4, i5, i6, i7] = input;
    let z1 = (i2 + i6) * 4_433;
    let (even2, even3) = (z1 - i6 * 15_137, z1 + i2 * 6_270);
    let (even0, even1) = ((i0 + i4) << 13, (i0 - i4) << 13);
    let evens = [even0 + even3, even1 + even2, even1 - even2, even0 - even3];
    let z5 = (i7 + i3 + i5 + i1) * 9_633;
    let (z1, z2) = ((i7 + i1) * -7_373, (i5 + i3) * -20_995);
    let (z3, z4) = ((i7 + i3) * -16_069 + z5, (i5 + i1) * -3_196 + z5);
    let odds = [i1 * 12_299 + z1 + z4, i3 * 25_172 + z2 + z3, i5 * 16_819 + z2 + z4, i7 * 2_446 + z1 + z3];
    let mut output = [0; 8];
    for at in 0..4 {
        output[at] = evens[at] + odds[at];
        output[7 - at] = evens[at] - odds[at];
    }
    output
}

/// The samples of a block of coefficients.
pub(super) fn transform(coefficients: &[i64; 64]) -> [u8; 64] {
    let mut columns = [0i64; 64];
    for column in 0..8 {
        let values = pass(std::array::from_fn(|row| coefficients[row * 8 + column]));
        for (row, value) in values.into_iter().enumerate() {
            columns[row * 8 + column] = (value + (1 << 10)) >> 11;
        }
    }
    let mut samples = [0u8; 64];
    for row in 0..8 {
        let values = pass(std::array::from_fn(|column| columns[row * 8 + column]));
        for (column, value) in values.into_iter().enumerate() {
            samples[row * 8 + column] = (((value + (1 << 17)) >> 18) + 128).clamp(0, 255) as u8;
        }
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_coefficient_is_a_level() {
        let mut coefficients = [0; 64];
        coefficients[0] = 83;
        assert_eq!(transform(&coefficients), [128 + 10; 64]);
        coefficients[0] = -20_000;
        assert_eq!(transform(&coefficients), [0; 64]);
    }

    #[test]
    fn a_cosine_has_the_signs_of_its_axis() {
        let mut coefficients = [0; 64];
        coefficients[1] = 100;
        // 100 / 8 * sqrt(2) * cos((2 x + 1) pi / 16), rounded.
        let row = [145, 143, 138, 131, 125, 118, 113, 111];
        assert_eq!(transform(&coefficients)[..8], row);
        assert_eq!(transform(&coefficients)[56..], row);
    }

    #[test]
    fn halved_planes_are_interpolated() {
        let mut plane = Plane::new((6, 4), (1, 1), (2, 2));
        let mut block = [0; 64];
        block[..3].copy_from_slice(&[0, 100, 40]);
        block[8..11].copy_from_slice(&[80, 20, 60]);
        plane.put((0, 0), &block);
        // Rows mixed three to one, (0, 100, 40) and (80, 20, 60), then columns likewise, 8 or 7 added before the shift by 4.
        assert_eq!(plane.wide_row(0), [0, 25, 75, 85, 55, 40]);
        assert_eq!(plane.wide_row(1), [20, 35, 65, 71, 54, 45]);
        assert_eq!(plane.wide_row(3), [80, 65, 35, 30, 50, 60]);
    }

    #[test]
    fn colours_of_the_standard() {
        assert_eq!(colour(76, 85, 255), [254, 0, 0]);
        assert_eq!(colour(255, 128, 128), [255; 3]);
    }
}
