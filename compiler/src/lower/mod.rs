//! Lowering: from a graph of tensors to a program of kernels.
//!
//! Input: a verified function without composite ops. Output: a [`Program`] with memory planned and
//! barriers set, and the place of every stored value. Stages, each a module:
//!
//! ```text
//! prepare      copies where a contraction cannot read in place
//! materialize  which values get a buffer; the others are computed where they are used
//! words        how factors of small integers are packed
//! fuse         which values are computed in the kernel of a contraction
//! recompute    which stored values a kernel computes again instead of loading them
//! orders       order of axes and border of zeros of every buffer
//! elementwise, reduction, sliding, movement, indexing, contraction, convolution
//!              one or more kernels for every stored value
//! prologue     what depends on parameters alone first
//! schedule     updates of parameters and states last; barriers
//! memory       places in the arena
//! ```
//!
//! Lowering never looks at the machine: lanes, registers and instructions are the code generators'. It asks whether
//! threads are few and have caches, or many ([`Threads`]).

mod contraction;
mod convolution;
mod elementary;
mod elementwise;
mod error;
mod expression;
mod fuse;
mod indexing;
mod layout;
mod materialize;
mod memory;
mod movement;
mod nest;
mod orders;
mod partials;
mod prepare;
mod product;
mod prologue;
mod recompute;
mod reduction;
mod roles;
mod scan;
mod schedule;
mod sliding;
mod storage;
mod threads;
mod view;
mod window;
mod winograd;
mod words;

pub use error::LowerError;
pub use layout::Layout;
pub use orders::PersistentOrders;
pub use storage::{Constants, PersistentPlaces};
pub use threads::Threads;
pub(crate) use window::phases_of;
pub use winograd::Winograd;

use dlc_ir::{Function, Node, NodeId, Op, Output, OutputRole};
use dlc_kernel::{BufferId, Kernel, KernelId, Launch, Program};
use dlc_types::{IndexVec, TensorType};
use fuse::Fusion;
use prepare::Prepared;
use std::collections::BTreeMap;

/// What lowering may choose by.
#[derive(Clone, Debug)]
pub struct LowerOptions {
    /// Greatest batch.
    pub batch_max: usize,
    /// Into how many pieces a long reduction is split. Part of the numbers' definition: it does not
    /// follow the number of threads.
    pub max_parallel: usize,
    /// What runs the program.
    pub threads: Threads,
    /// Names of inputs in the order of their bindings; inputs without a place here come after these, in
    /// the order of nodes.
    pub inputs: Vec<String>,
    /// Whether values are grouped into kernels beyond elementwise chains: into contractions, by computing again
    /// what is at hand, by updates that share a kernel.
    pub fuse_epilogues: bool,
    /// Whether convolutions may be computed by tiles.
    pub winograd: Winograd,
    /// Computes all convolutions by tiles that can be, whether or not that is faster.
    pub winograd_always: bool,
    /// Whether the machine multiplies bytes: four products of a `u8` and an `i8` are summed by one instruction.
    pub byte_products: bool,
    /// Gives every value a place of its own, so that all of them can be looked at after a run.
    pub keep_all: bool,
}

/// A lowered function.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// Kernels and launches.
    pub program: Program,
    /// The function that was lowered, copies included.
    pub function: Function,
    /// Where the stored values lie, in order of nodes; values that a launch overwrites in place are
    /// those of outputs with role parameter or state.
    pub values: BTreeMap<NodeId, (BufferId, Layout)>,
    /// Inputs in the order of their bindings.
    pub inputs: Vec<(String, TensorType)>,
    /// Outputs in the order of their bindings, which follow those of the inputs.
    pub outputs: Vec<(OutputRole, String, TensorType)>,
    /// For every launch, the value that it computes or helps to compute.
    pub purposes: Vec<NodeId>,
}

/// A place of a stored value.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) buffer: BufferId,
    pub(crate) layout: Layout,
}

/// Everything that the stages share.
pub(crate) struct Lowering<'a> {
    pub(crate) prepared: &'a Prepared,
    pub(crate) options: &'a LowerOptions,
    pub(crate) stored: IndexVec<NodeId, bool>,
    /// Stored values that the kernel of a contraction computes.
    pub(crate) fused: BTreeMap<NodeId, Fusion>,
    pub(crate) places: IndexVec<NodeId, Option<Place>>,
    pub(crate) program: Program,
    pub(crate) purposes: Vec<NodeId>,
    pub(crate) kernel_names: KernelNames,
    /// Kernels by all of their text but names.
    pub(crate) kernel_forms: BTreeMap<String, KernelId>,
    /// Layouts of parameters and states by name.
    pub(crate) persistent_layouts: BTreeMap<String, Layout>,
    /// Read-only data of the module.
    pub(crate) constants: Constants,
    /// What inputs and outputs are bound to.
    pub(crate) ports: Ports,
    /// Where scans keep their carries and results.
    pub(crate) scans: BTreeMap<NodeId, scan::Storages>,
}

/// What the inputs and outputs of a function are bound to.
#[derive(Clone, Debug)]
pub(crate) enum Ports {
    /// What a caller gives: row-major, whatever the greatest batch.
    Caller,
    /// Values of the function that a body's scan stands in: inputs by name, in these layouts; outputs row-major
    /// for the greatest batch.
    Scan(BTreeMap<String, Layout>),
}

/// A function with all its kernels, before memory is planned.
struct Unplanned {
    program: Program,
    purposes: Vec<NodeId>,
    prepared: Prepared,
    places: IndexVec<NodeId, Option<Place>>,
    inputs: Vec<(String, TensorType)>,
}

/// Names that kernels have, shared with the bodies of scans.
type KernelNames = BTreeMap<String, usize>;

impl Lowering<'_> {
    pub(crate) fn function(&self) -> &Function {
        &self.prepared.function
    }

    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.prepared.function.nodes[id]
    }

    pub(crate) fn ty(&self, id: NodeId) -> &TensorType {
        self.prepared.function.tensor_type(id)
    }

    pub(crate) fn place(&self, id: NodeId) -> Result<&Place, LowerError> {
        self.places[id].as_ref().ok_or_else(|| LowerError::Internal(format!("value {id} has no place")))
    }

    pub(crate) fn unsupported(&self, id: NodeId, what: impl Into<String>) -> LowerError {
        LowerError::Unsupported { origin: self.origin(id), what: what.into() }
    }

    pub(crate) fn origin(&self, id: NodeId) -> String {
        let path = &self.node(id).origin.path;
        if path.is_empty() { self.node(id).op.name().to_owned() } else { path.clone() }
    }

    /// A name for a kernel that computes a value: its layer, its op and a number where that repeats.
    pub(crate) fn kernel_name(&mut self, id: NodeId, purpose: &str) -> String {
        let path = &self.node(id).origin.path;
        let stem = if path.is_empty() { purpose.to_owned() } else { format!("{path}.{purpose}") };
        let count = self.kernel_names.entry(stem.clone()).or_insert(0);
        *count += 1;
        if *count == 1 { stem } else { format!("{stem}#{count}") }
    }

    /// Adds a launch of a kernel. A kernel that differs from an earlier one in names alone is that one.
    pub(crate) fn launch(&mut self, purpose: NodeId, kernel: Kernel, arguments: Vec<BufferId>) {
        let kernel = self.kernel(kernel);
        self.program.launches.push(Launch {
            kernel,
            arguments,
            barrier: true,
            part: None,
            rounds: Vec::new(),
        });
        self.purposes.push(purpose);
    }

    /// The number of a kernel, added if there is none like it.
    pub(crate) fn kernel(&mut self, kernel: Kernel) -> KernelId {
        let form = kernel.form();
        let known = self.kernel_forms.get(&form).copied();
        known.unwrap_or_else(|| {
            let id = self.program.kernels.push(kernel);
            self.kernel_forms.insert(form, id);
            id
        })
    }
}

/// The orders that one function would like its parameters and states to have.
pub fn wished_persistent_orders(function: &Function, options: &LowerOptions) -> PersistentOrders {
    let prepared = prepare::prepare(function, options);
    let orders = orders::wished_orders(&prepared, &PersistentOrders::new());
    let mut result = PersistentOrders::new();
    for (id, node) in prepared.function.nodes.iter() {
        if let (Op::Parameter { name } | Op::State { name }, Some(order)) = (&node.op, &orders[id]) {
            result.insert(name.clone(), order.clone());
        }
    }
    result
}

/// Lowers a function.
pub fn lower(
    function: &Function,
    options: &LowerOptions,
    persistent: &PersistentPlaces,
    constants: &mut Constants,
) -> Result<Lowered, LowerError> {
    let mut names = KernelNames::new();
    let unplanned = lower_kernels(function, options, persistent, constants, Ports::Caller, &mut names)?;
    let Unplanned { mut program, purposes, prepared, places, inputs } = unplanned;
    memory::plan(&mut program, options.keep_all)?;
    schedule::set_barriers(&mut program);
    let values = places
        .iter()
        .filter_map(|(id, place)| place.as_ref().map(|place| (id, (place.buffer, place.layout.clone()))));
    Ok(Lowered {
        values: values.collect(),
        program,
        inputs,
        outputs: prepared
            .function
            .outputs
            .iter()
            .filter(|output| !is_persistent(output))
            .map(|output| {
                let ty = prepared.function.tensor_type(output.value).clone();
                (output.role, output.name.clone(), ty)
            })
            .collect(),
        function: prepared.function.clone(),
        purposes,
    })
}

/// The kernels and launches of a function, whose memory nobody has planned yet.
fn lower_kernels(
    function: &Function,
    options: &LowerOptions,
    persistent: &PersistentPlaces,
    constants: &mut Constants,
    ports: Ports,
    kernel_names: &mut KernelNames,
) -> Result<Unplanned, LowerError> {
    let prepared = prepare::prepare(&function.without_dead_nodes(), options);
    let mut stored = materialize::materialize(&prepared);
    let fused = if options.fuse_epilogues { fuse::fuse(&prepared, &mut stored) } else { BTreeMap::new() };
    let mut lowering = Lowering {
        places: prepared.function.nodes.indices().map(|_| None).collect(),
        prepared: &prepared,
        options,
        stored,
        fused,
        program: Program { name: function.name.clone(), ..Program::default() },
        purposes: Vec::new(),
        kernel_names: std::mem::take(kernel_names),
        kernel_forms: BTreeMap::new(),
        persistent_layouts: persistent
            .places
            .iter()
            .map(|(name, (_, _, layout))| (name.clone(), layout.clone()))
            .collect(),
        constants: std::mem::take(constants),
        ports,
        scans: BTreeMap::new(),
    };
    let outputs = storage::assign(&mut lowering, persistent)?;
    for group in schedule::groups(&lowering, &outputs) {
        lower_group(&mut lowering, &group)?;
    }
    for (output, buffer) in &outputs.copies {
        elementwise::copy_to_output(&mut lowering, output, *buffer)?;
    }
    let Lowering { mut program, mut purposes, places, .. } = lowering;
    *constants = lowering.constants;
    *kernel_names = lowering.kernel_names;
    prologue::hoist(&mut program, &mut purposes);
    Ok(Unplanned { program, purposes, places, inputs: outputs.inputs, prepared })
}

/// Whether an output is the next value of a parameter or state.
pub(crate) fn is_persistent(output: &Output) -> bool {
    matches!(output.role, OutputRole::Parameter | OutputRole::State)
}

/// The kernels that compute stored values which belong together.
fn lower_group(lowering: &mut Lowering<'_>, group: &[NodeId]) -> Result<(), LowerError> {
    match (group, &lowering.node(group[0]).op) {
        (_, Op::Reduce { kind, axes }) => {
            let (kind, axes) = (*kind, axes.clone());
            reduction::lower_reduce(lowering, group, kind, &axes)
        }
        ([id], _) => lower_value(lowering, *id),
        ([first, second], _) => elementwise::lower_pair(lowering, *first, *second),
        _ => Err(LowerError::Internal("values share a kernel that cannot".to_owned())),
    }
}

/// The kernels that compute one stored value.
fn lower_value(lowering: &mut Lowering<'_>, id: NodeId) -> Result<(), LowerError> {
    if let Some(fusion) = lowering.fused.get(&id).cloned() {
        return match lowering.node(fusion.source).op.clone() {
            Op::Contract(op) => contraction::lower_contract(lowering, &fusion, &op),
            Op::Convolve(op) => convolution::lower_convolve(lowering, &fusion, &op),
            other => Err(LowerError::Internal(format!("{} has no epilogue", other.name()))),
        };
    }
    match lowering.node(id).op.clone() {
        Op::Input { .. } | Op::Parameter { .. } | Op::State { .. } => Ok(()),
        Op::Constant(literal) if literal.ty.shape.rank() > 0 => Ok(()),
        Op::Reduce { kind, axes } => reduction::lower_reduce(lowering, &[id], kind, &axes),
        Op::ArgReduce { kind, axis } => reduction::lower_arg_reduce(lowering, id, kind, axis),
        Op::Cumulative { kind, axis, reverse } => {
            reduction::lower_cumulative(lowering, id, kind, axis, reverse)
        }
        Op::ArgSort { axis, descending } => indexing::lower_arg_sort(lowering, id, axis, descending),
        Op::Concat { axis } => movement::lower_concat(lowering, id, axis),
        Op::Contract(contraction) => contraction::lower_contract(lowering, &Fusion::none(id), &contraction),
        Op::Convolve(convolution) => convolution::lower_convolve(lowering, &Fusion::none(id), &convolution),
        Op::ReduceWindow { kind, window } => sliding::lower_reduce_window(lowering, id, kind, &window),
        Op::WindowArgMax { window } => sliding::lower_window_arg_max(lowering, id, &window),
        Op::WindowScatter { window } => sliding::lower_window_scatter(lowering, id, &window),
        Op::Scatter { axis, kind } => indexing::lower_scatter(lowering, id, axis, kind),
        Op::Scan(scan) => scan::lower_scan(lowering, id, &scan),
        // A place in what its scan gives.
        Op::Project(_) => Ok(()),
        Op::BatchNorm { .. } | Op::Softmax { .. } | Op::LogSoftmax { .. } => Err(LowerError::Internal(
            format!("composite op {} reached lowering", lowering.node(id).op.name()),
        )),
        Op::Constant(_)
        | Op::Iota { .. }
        | Op::Extent(_)
        | Op::Random { .. }
        | Op::Unary(_)
        | Op::Binary(_)
        | Op::Compare(_)
        | Op::Select
        | Op::Cast(_)
        | Op::Bitcast(_)
        | Op::Broadcast { .. }
        | Op::Reshape
        | Op::Transpose { .. }
        | Op::Slice { .. }
        | Op::Pad { .. }
        | Op::Dilate { .. }
        | Op::Reverse { .. }
        | Op::Gather { .. }
        | Op::GatherAlong { .. } => elementwise::lower_elementwise(lowering, id),
    }
}
