//! One kernel as a PTX entry: which point a thread works on, then the body.
//!
//! Names within an entry begin with an underscore, which no entry's does: `ptxas` takes a parameter that is called like
//! another entry for it. Parameters are the size of the batch (64 bits) and a pointer per operand. Blocks are numbered along one direction;
//! [`dlc_abi::DeviceKernel`] says how many there are.

use crate::emitter::Emitter;
use crate::register::{Class, Value};
use crate::team::{Mapping, Team, WARP};
use crate::{Options, PtxError, Source};
use dlc_abi::{DECLARED_SHARED_BYTES, DeviceKernel, Extent, Tiles};
use dlc_kernel::{Affine, Body, LoopBody};
use dlc_types::Dim;

/// Operands of a kernel: its parameters are 8 bytes each, the batch among them, and a launch passes at most 4096.
const MOST_OPERANDS: usize = 4096 / 8 - 1;

/// The text of a kernel and what it takes to launch it.
pub(crate) struct Emitted {
    pub(crate) text: String,
    /// Constant memory that it takes, which the kernels of a module share.
    pub(crate) constant_bytes: usize,
    pub(crate) entry: DeviceKernel,
}

/// An extent as the launch table has it.
pub(crate) fn extent(dim: Dim) -> Extent {
    match dim {
        Dim::Fixed(scale) => Extent { scale, batch: false },
        Dim::Batch(scale) => Extent { scale, batch: true },
    }
}

/// How a kernel is laid on blocks.
pub(crate) struct Layout {
    pub(crate) threads: u32,
    /// Bytes of shared memory that the body asked for itself.
    pub(crate) shared_bytes: u32,
    pub(crate) grid: Vec<Tiles>,
}

/// A kernel under a name that PTX admits.
pub(crate) fn emit(source: Source<'_>, name: &str, options: Options) -> Result<Emitted, PtxError> {
    let kernel = source.kernel;
    limited(name, "operands", kernel.operands.len(), MOST_OPERANDS)?;
    let mut emitter = Emitter::new(kernel, name, options);
    for (known, &alignment) in emitter.alignments.iter_mut().zip(source.alignments) {
        *known = alignment.max(1);
    }
    emitter.parameters();
    let layout = match &kernel.body {
        Body::Loop(body) => emitter.loop_kernel(body)?,
        Body::Contraction(contraction) => emitter.contraction(contraction)?,
    };
    emitter.put("ret;");
    let shared_bytes = layout.shared_bytes.max(emitter.shared_bytes);
    limited(name, "bytes of shared memory", shared_bytes as usize, DECLARED_SHARED_BYTES as usize)?;
    let mut text = String::new();
    for table in &emitter.tables {
        text += table;
        text.push('\n');
    }
    text += &format!(".visible .entry {name}(\n\t.param .u64 _batch");
    for number in 0..kernel.operands.len() {
        text += &format!(",\n\t.param .u64 _operand{number}");
    }
    // Without the second directive `ptxas` may spill for the sake of more blocks.
    text += &format!("\n)\n.reqntid {}, 1, 1\n.minnctapersm 1\n{{\n", layout.threads);
    if shared_bytes > 0 {
        let alignment = emitter.shared_alignment;
        text += &format!("\t.shared .align {alignment} .b8 _shared[{shared_bytes}];\n");
    }
    text += &emitter.text();
    text += "}\n";
    let entry = DeviceKernel {
        name: name.to_owned(),
        threads: layout.threads,
        shared_bytes,
        grid: layout.grid,
        operands: kernel.operands.len(),
    };
    Ok(Emitted { text, constant_bytes: emitter.constant_bytes, entry })
}

/// Refuses a kernel that no device has room for.
fn limited(name: &str, what: &'static str, needed: usize, most: usize) -> Result<(), PtxError> {
    match needed > most {
        true => Err(PtxError::Limit { name: format!("the kernel `{name}`"), what, needed, most }),
        false => Ok(()),
    }
}

impl Emitter<'_> {
    fn parameters(&mut self) {
        let batch = self.fresh(Class::Long);
        self.put(format!("ld.param.u64 {batch}, [_batch];"));
        self.batch = if self.wide { batch } else { self.ins(Class::Word, "cvt.u32.u64", &[batch]) };
        for number in 0..self.kernel.operands.len() {
            let pointer = self.fresh(Class::Long);
            self.put(format!("ld.param.u64 {pointer}, [_operand{number}];"));
            self.pointers.push(pointer);
        }
    }

    /// A special register as an index.
    pub(crate) fn special(&mut self, name: &str) -> Value {
        let word = self.fresh(Class::Word);
        self.put(format!("mov.u32 {word}, {name};"));
        if self.wide { self.ins(Class::Long, "cvt.u64.u32", &[word]) } else { word }
    }

    /// The number of the block along each part of the grid, the last one running fastest.
    pub(crate) fn block_numbers(&mut self, counts: &[Value]) -> Vec<Value> {
        let block = self.special("%ctaid.x");
        self.divided_up(block, counts)
    }

    /// A number taken apart by extents, the last one running fastest; the first may be left out of account.
    pub(crate) fn divided_up(&mut self, number: Value, extents: &[Value]) -> Vec<Value> {
        let mut rest = number;
        let mut parts = vec![Value::Integer(0); extents.len()];
        for (position, &extent) in extents.iter().enumerate().rev() {
            if position == 0 {
                parts[0] = rest;
            } else if extent != Value::Integer(1) {
                let quotient = self.index_quotient(rest, extent);
                parts[position] = self.index_remainder(rest, extent, quotient);
                rest = quotient;
            }
        }
        parts
    }

    /// The values of extents; those of none at all count as one, so that they divide.
    pub(crate) fn extents(&mut self, dims: &[Dim]) -> Result<Vec<Value>, PtxError> {
        dims.iter().map(|&dim| self.form(&Affine::extent(dim))).collect()
    }

    /// The product of values.
    pub(crate) fn product(&mut self, values: &[Value]) -> Value {
        values.iter().fold(Value::Integer(1), |product, &value| self.index_product(product, value))
    }

    /// Ends the thread where its number is not below a count.
    pub(crate) fn leave_beyond(&mut self, number: Value, count: Value) {
        let beyond = self.index_test("ge.s", number, count);
        self.put(format!("@{beyond} ret;"));
    }

    fn loop_kernel(&mut self, body: &LoopBody) -> Result<Layout, PtxError> {
        let kernel = self.kernel;
        let places = self.operand_places();
        let (mapping, widths) = Mapping::of(kernel, body, &mut self.ranges, &places);
        self.widths = widths;
        let teams = mapping.teams();
        let mut grid = vec![Tiles {
            extents: kernel.space.iter().copied().map(extent).collect(),
            per_block: teams as usize,
        }];
        let mut counts = vec![Value::Integer(0)];
        if let Some((dim, per_block)) = mapping.shared_lanes {
            grid.push(Tiles { extents: vec![extent(dim)], per_block });
            let lanes = self.form(&Affine::extent(dim))?;
            let above = self.index_sum(lanes, Value::Integer(per_block as i64 - 1));
            counts.push(self.index_quotient(above, Value::Integer(per_block as i64)));
        }
        let thread = self.special("%tid.x");
        let blocks = self.block_numbers(&counts);
        let team_of_block = self.index_quotient(thread, Value::Integer(i64::from(mapping.team)));
        let mut point = blocks[0];
        if teams > 1 {
            point = self.index_mad(blocks[0], i64::from(teams), team_of_block);
        }
        let extents = self.extents(&kernel.space)?;
        if teams > 1 {
            let total = self.product(&extents);
            self.leave_beyond(point, total);
        }
        self.enter_team(mapping, thread, team_of_block, blocks.get(1).copied().zip(counts.get(1).copied()));
        if body.coordinates.len() != extents.len() {
            return Err(self.malformed("coordinates and space differ in number"));
        }
        let coordinates = self.divided_up(point, &extents);
        for ((&index, value), dim) in body.coordinates.iter().zip(coordinates).zip(&kernel.space) {
            self.define_index(index, if *dim == Dim::Fixed(1) { Value::Integer(0) } else { value });
        }
        self.statements(&body.statements)?;
        Ok(Layout { threads: mapping.threads, shared_bytes: 0, grid })
    }

    /// Sets up the team that this thread is of. `piece` is the block's number among those that share a point, and
    /// their count.
    fn enter_team(
        &mut self,
        mapping: Mapping,
        thread: Value,
        team_of_block: Value,
        piece: Option<(Value, Value)>,
    ) {
        let size = i64::from(mapping.team);
        if size == 1 {
            return;
        }
        let own = if mapping.teams() == 1 {
            thread
        } else {
            self.index_remainder(thread, Value::Integer(size), team_of_block)
        };
        let (rank, stride) = match piece {
            None => (own, Value::Integer(size)),
            Some((piece, count)) => {
                (self.index_mad(piece, size, own), self.index_product(count, Value::Integer(size)))
            }
        };
        let first = self.index_test("eq.s", rank, Value::Integer(0));
        let mask = if mapping.team >= WARP { Value::Integer(-1) } else { self.segment(mapping.team) };
        self.team = Team { size: mapping.team, rank, stride, first: Some(first), mask };
    }

    /// The lanes of this thread's team within its warp.
    fn segment(&mut self, size: u32) -> Value {
        let thread = self.fresh(Class::Word);
        self.put(format!("mov.u32 {thread}, %tid.x;"));
        let start = self.ins(Class::Word, "and.b32", &[thread, Value::Integer(i64::from(WARP - size))]);
        let mask = self.copy(Class::Word, Value::Integer((1 << size) - 1));
        self.ins(Class::Word, "shl.b32", &[mask, start])
    }
}
