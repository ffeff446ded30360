//! A kernel's text on the machine that executes PTX, and what a contraction should come to.

use dlc_codegen_ptx::{Architecture, Math, Options, Source, emit_module};
use dlc_kernel::{Body, Contraction, Kernel};
use dlc_ptx_machine::{Argument, Launch, Memory, Module, Statistics};
use dlc_types::{DType, Dim};

/// How a kernel is emitted and launched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) architecture: Architecture,
    pub(crate) math: Math,
    pub(crate) batch: usize,
    /// Bytes that divide where operands begin.
    pub(crate) alignment: usize,
}

impl Setting {
    pub(crate) const PLAIN: Setting =
        Setting { architecture: Architecture::Sm80, math: Math::F32, batch: 3, alignment: 64 };
}

/// Elements of every operand: numbers around 0 of which no two are alike in a row.
pub(crate) fn operands(kernel: &Kernel, batch: usize) -> Vec<Vec<f32>> {
    let number = |seed: usize| {
        let mixed = (seed as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let length = |operand: usize| match &kernel.body {
        Body::Contraction(contraction) if operand < 3 => reach(contraction, operand, batch),
        _ => 1 << 16,
    };
    (0..kernel.operands.len())
        .map(|operand| (0..length(operand)).map(|at| number(at + 7919 * operand)).collect())
        .collect()
}

fn extent(dim: Dim, batch: usize) -> usize {
    match dim {
        Dim::Fixed(size) => size,
        Dim::Batch(scale) => scale * batch,
    }
}

/// Elements of a factor or of the result.
fn reach(contraction: &Contraction, operand: usize, batch: usize) -> usize {
    let taps = contraction.taps.iter().map(|tap| [tap.lanes, tap.rows, 0][operand]);
    let mut last = contraction.offsets[operand] + taps.max().unwrap_or(0);
    for dim in &contraction.dims {
        last += dim.strides[operand] * (extent(dim.extent, batch) as i64 - 1).max(0);
        if let Some(split) = dim.split.filter(|_| operand == 2) {
            last += split.result_stride * (split.chunks as i64 - 1);
        }
    }
    last as usize + 1
}

/// What all operands hold behind a launch, and what it took.
pub(crate) fn run(kernel: &Kernel, given: &[Vec<f32>], setting: Setting) -> (Vec<Vec<u32>>, Statistics) {
    let Setting { architecture, math, batch, alignment } = setting;
    let alignments = vec![alignment; given.len()];
    let source = Source { name: "k", kernel, alignments: &alignments };
    let module = emit_module("k", &[source], Options { architecture, math, batch_max: 64 }).unwrap();
    let text = Module::parse(&module.text).unwrap_or_else(|fault| panic!("{fault}\n{}", module.text));
    let mut memory = Memory::new();
    // An operand begins where nothing more than was said divides its address.
    let pad = if alignment >= 64 { 0 } else { alignment };
    let stored = |operand: usize, value: f32| match kernel.operands[operand].dtype {
        DType::F32 => value.to_bits().to_le_bytes().to_vec(),
        DType::BF16 => ((value.to_bits() >> 16) as u16).to_le_bytes().to_vec(),
        DType::F16 => 0x3C00_u16.to_le_bytes().to_vec(),
        dtype => vec![u8::from(value > 0.0); dtype.size()],
    };
    let addresses: Vec<(u64, usize)> = given
        .iter()
        .enumerate()
        .map(|(operand, values)| {
            let bytes: Vec<u8> = values.iter().flat_map(|&value| stored(operand, value)).collect();
            let mut padded = vec![0; pad];
            padded.extend(&bytes);
            (memory.store(&padded) + pad as u64, bytes.len())
        })
        .collect();
    let entry = &module.entries[0];
    let parameters: Vec<Argument> = std::iter::once(Argument::U64(batch as u64))
        .chain(addresses.iter().map(|&(address, _)| Argument::U64(address)))
        .collect();
    let blocks = entry.blocks(batch).unwrap() as u32;
    let launch = Launch {
        grid: [blocks, 1, 1],
        block: [entry.threads, 1, 1],
        parameters: &parameters,
        ..Launch::default()
    };
    let statistics = text
        .launch(&entry.name, &launch, &mut memory)
        .unwrap_or_else(|fault| panic!("{} {setting:?}: {fault}\n{}", kernel.name, module.text));
    let mut words = |(address, bytes): (u64, usize)| -> Vec<u32> {
        let read = memory.read(address, bytes).unwrap();
        read.chunks(4)
            .map(|word| word.iter().rev().fold(0, |all, &byte| all << 8 | u32::from(byte)))
            .collect()
    };
    (addresses.iter().map(|&place| words(place)).collect(), statistics)
}

/// For every element of the result that the contraction has: its place, the exact sum, the sum of magnitudes, and the
/// number of products.
pub(crate) fn sums(
    contraction: &Contraction,
    given: &[Vec<f32>],
    batch: usize,
) -> Vec<(usize, f64, f64, usize)> {
    let mut all = Vec::new();
    let dims = &contraction.dims;
    let (kept, reduced): (Vec<usize>, Vec<usize>) = (0..dims.len()).partition(|&at| !dims[at].is_reduced());
    let pieces: Vec<usize> =
        reduced.iter().map(|&at| dims[at].split.map_or(1, |split| split.chunks)).collect();
    let size = |at: &usize| extent(dims[*at].extent, batch);
    let spread: Vec<usize> = pieces.iter().copied().chain(kept.iter().map(size)).collect();
    for point in coordinates(&spread.iter().map(|&size| 0..size).collect::<Vec<_>>()) {
        let mut offsets = contraction.offsets;
        let mut ranges = Vec::new();
        for (&at, &piece) in reduced.iter().zip(&point) {
            match dims[at].split {
                Some(split) => {
                    offsets[2] += split.result_stride * piece as i64;
                    ranges.push(split.piece(size(&at), piece));
                }
                None => ranges.push(0..size(&at)),
            }
        }
        for (&at, &value) in kept.iter().zip(&point[reduced.len()..]) {
            (0..3).for_each(|operand| offsets[operand] += dims[at].strides[operand] * value as i64);
        }
        let (mut sum, mut magnitude, mut count) = (0.0, 0.0, 0);
        if contraction.accumulate {
            sum = f64::from(given[2][offsets[2] as usize]);
            magnitude = sum.abs();
        }
        for step in coordinates(&ranges) {
            let mut places = [offsets[0], offsets[1]];
            for (&at, &value) in reduced.iter().zip(&step) {
                (0..2).for_each(|factor| places[factor] += dims[at].strides[factor] * value as i64);
            }
            for tap in &contraction.taps {
                let lanes = f64::from(given[0][(places[0] + tap.lanes) as usize]);
                let product = lanes * f64::from(given[1][(places[1] + tap.rows) as usize]);
                sum += product;
                magnitude += product.abs();
                count += 1;
            }
        }
        all.push((offsets[2] as usize, sum, magnitude, count));
    }
    all
}

/// All coordinates in ranges, the last one running fastest.
fn coordinates(ranges: &[std::ops::Range<usize>]) -> Vec<Vec<usize>> {
    ranges.iter().fold(vec![vec![]], |all, range| {
        let longer = |begin: &Vec<usize>| {
            let begin = begin.clone();
            range.clone().map(move |last| begin.iter().copied().chain([last]).collect())
        };
        all.iter().flat_map(longer).collect()
    })
}
