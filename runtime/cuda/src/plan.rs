//! Where everything of a model lies on the GPU, known before any of it is allocated, and proof that a launch table keeps
//! to it.
//!
//! One block holds the scratch of the function with the most, parameters and states, constants, and the inputs and
//! outputs of the function with the most at their greatest sizes, one behind the other and each aligned to
//! [`ALIGNMENT`].

use crate::driver::Address;
use crate::error::{CudaError, Result, size};
use dlc_abi::{
    DeviceFunction, DeviceLaunch, DeviceMemory, DeviceModule, DeviceStep, FunctionInterface, Interface, Port,
};
use std::fmt::{self, Display, Formatter};
use std::ops::Range;

/// Alignment of everything on the GPU, that of the driver's own blocks.
pub(crate) const ALIGNMENT: usize = 256;
/// Most blocks along the first direction of a grid.
const MOST_BLOCKS: usize = i32::MAX as usize;
/// Most threads of a block.
const MOST_THREADS: u32 = 1024;

/// Memory of the GPU that a model needs, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Scratch of the function with the most.
    pub arena: usize,
    /// Parameters and states.
    pub persistent: usize,
    /// Constants of all functions.
    pub constants: usize,
    /// Inputs and outputs of the function with the most, for the greatest batch.
    pub bindings: usize,
}

impl Needs {
    /// All of it.
    pub fn total(&self) -> usize {
        [self.arena, self.persistent, self.constants, self.bindings]
            .into_iter()
            .fold(0, usize::saturating_add)
    }
}

impl Display for Needs {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Needs { arena, persistent, constants, bindings } = *self;
        let all = size(self.total());
        let (arena, persistent) = (size(arena), size(persistent));
        let (constants, bindings) = (size(constants), size(bindings));
        write!(
            f,
            "{all} ({arena} for values on the way, {persistent} for parameters and states, {constants} for constants, \
             {bindings} for inputs and outputs)"
        )
    }
}

/// An input or output.
#[derive(Debug)]
pub(crate) struct Binding {
    port: Port,
    /// First byte among inputs and outputs on the GPU.
    pub(crate) byte: usize,
    /// First byte among the inputs, or among the outputs, on this machine.
    pub(crate) host: usize,
    /// Bytes for the greatest batch.
    pub(crate) most: usize,
}

impl Binding {
    /// Bytes for a batch of at most the greatest.
    pub(crate) fn bytes(&self, batch: usize) -> usize {
        bytes(&self.port, batch).unwrap_or(usize::MAX)
    }
}

/// Bytes of a port; `None` where they are too many for a machine word.
fn bytes(port: &Port, batch: usize) -> Option<usize> {
    port.dims.iter().try_fold(port.element.size(), |product, dim| {
        let extent = if dim.batch { dim.scale.checked_mul(batch)? } else { dim.scale };
        product.checked_mul(extent)
    })
}

/// What a call of a function has to know.
#[derive(Debug)]
pub(crate) struct FunctionPlan {
    pub(crate) name: String,
    pub(crate) inputs: Vec<Binding>,
    pub(crate) outputs: Vec<Binding>,
    pub(crate) cleared: Vec<(usize, usize)>,
    arena_bytes: usize,
    /// Bytes on this machine, of inputs and outputs.
    host: [usize; 2],
    bytes: usize,
}

/// Where everything lies.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) needs: Needs,
    pub(crate) batch_max: usize,
    pub(crate) persistent_bytes: usize,
    constants_bytes: usize,
    pub(crate) functions: Vec<FunctionPlan>,
}

fn malformed<T>(what: String) -> Result<T> {
    Err(CudaError::Malformed(what))
}

fn aligned(bytes: usize) -> Result<usize> {
    let sum = bytes.checked_next_multiple_of(ALIGNMENT);
    sum.ok_or_else(|| CudaError::Malformed("a size is too large for this machine".to_owned()))
}

impl FunctionPlan {
    fn new(function: &FunctionInterface, batch_max: usize) -> Result<FunctionPlan> {
        let name = function.name.clone();
        let too_large = || CudaError::Malformed(format!("inputs and outputs of `{name}` are too large"));
        let mut end = 0_usize;
        let mut place = |ports: &[Port]| {
            let first = end;
            let bindings = ports.iter().map(|port| {
                let most = bytes(port, batch_max).ok_or_else(too_large)?;
                let byte = end;
                end = end.checked_add(aligned(most)?).ok_or_else(too_large)?;
                Ok(Binding { port: port.clone(), byte, host: byte - first, most })
            });
            let bindings = bindings.collect::<Result<Vec<_>>>()?;
            Ok::<_, CudaError>((bindings, end - first))
        };
        let (inputs, input_bytes) = place(&function.inputs)?;
        let (outputs, output_bytes) = place(&function.outputs)?;
        let arena_bytes = function.arena_bytes;
        for &(start, bytes) in &function.cleared {
            if start.checked_add(bytes).is_none_or(|end| end > arena_bytes) {
                return malformed(format!(
                    "`{name}` has {bytes} bytes to clear at {start} of its {arena_bytes}"
                ));
            }
        }
        let (host, bytes) = ([input_bytes, output_bytes], end);
        Ok(FunctionPlan {
            name,
            inputs,
            outputs,
            cleared: function.cleared.clone(),
            arena_bytes,
            host,
            bytes,
        })
    }

    fn binding(&self, number: usize) -> Option<&Binding> {
        match number.checked_sub(self.inputs.len()) {
            None => self.inputs.get(number),
            Some(output) => self.outputs.get(output),
        }
    }
}

impl Plan {
    /// Places everything, and checks the launch table against it.
    pub(crate) fn new(interface: &Interface, module: &DeviceModule, constants: usize) -> Result<Plan> {
        let (functions, launched) = (interface.functions.len(), module.functions.len());
        if functions != launched {
            return malformed(format!(
                "the interface has {functions} functions, the launch table {launched}"
            ));
        }
        let batch_max = interface.batch_max;
        let functions = interface.functions.iter().map(|function| FunctionPlan::new(function, batch_max));
        let functions = functions.collect::<Result<Vec<_>>>()?;
        let most = |bytes: fn(&FunctionPlan) -> usize| functions.iter().map(bytes).max().unwrap_or(0);
        let needs = Needs {
            arena: aligned(most(|function| function.arena_bytes))?,
            persistent: aligned(interface.persistent_bytes)?,
            constants: aligned(constants)?,
            bindings: most(|function| function.bytes),
        };
        if needs.total() > isize::MAX as usize {
            return malformed(format!("it asks for {needs}"));
        }
        let persistent_bytes = interface.persistent_bytes;
        let plan = Plan { needs, batch_max, persistent_bytes, constants_bytes: constants, functions };
        plan.check(module)?;
        Ok(plan)
    }

    /// Bytes on this machine for inputs, and for outputs, of any function.
    pub(crate) fn host_bytes(&self) -> [usize; 2] {
        self.functions.iter().fold([0, 0], |[inputs, outputs], function| {
            [inputs.max(function.host[0]), outputs.max(function.host[1])]
        })
    }

    /// The first byte of parameters and states.
    pub(crate) fn persistent_start(&self) -> usize {
        self.needs.arena
    }

    /// The first byte of the constants.
    pub(crate) fn constants_start(&self) -> usize {
        self.needs.arena + self.needs.persistent
    }

    /// The first byte of inputs and outputs.
    pub(crate) fn bindings_start(&self) -> usize {
        self.constants_start() + self.needs.constants
    }

    /// A block of memory as bytes of the whole; `None` where the function has no such binding.
    fn region(&self, function: usize, memory: DeviceMemory) -> Option<Range<usize>> {
        let function = self.functions.get(function)?;
        let (start, bytes) = match memory {
            DeviceMemory::Arena => (0, function.arena_bytes),
            DeviceMemory::Persistent => (self.persistent_start(), self.persistent_bytes),
            DeviceMemory::Constants => (self.constants_start(), self.constants_bytes),
            DeviceMemory::Binding(number) => {
                let binding = function.binding(number)?;
                (self.bindings_start() + binding.byte, binding.most)
            }
        };
        Some(start..start + bytes)
    }

    fn check(&self, module: &DeviceModule) -> Result<()> {
        for kernel in &module.kernels {
            let (name, threads) = (&kernel.name, kernel.threads);
            if threads == 0 || threads > MOST_THREADS {
                return malformed(format!("`{name}` has {threads} threads in a block"));
            }
            if kernel.blocks(self.batch_max).is_none_or(|blocks| blocks > MOST_BLOCKS) {
                return malformed(format!("`{name}` has more than {MOST_BLOCKS} blocks"));
            }
        }
        let mut functions = self.functions.iter().zip(&module.functions).enumerate();
        functions
            .try_for_each(|(number, (plan, function))| self.check_function(number, plan, function, module))
    }

    fn check_function(
        &self,
        number: usize,
        plan: &FunctionPlan,
        function: &DeviceFunction,
        module: &DeviceModule,
    ) -> Result<()> {
        for launch in
            [&function.prologue, &function.steps].into_iter().flat_map(|steps| DeviceStep::written(steps))
        {
            let Some(kernel) = module.kernels.get(launch.kernel) else {
                return malformed(format!(
                    "`{}` launches kernel {}, which is none",
                    plan.name, launch.kernel
                ));
            };
            if launch.operands.len() != kernel.operands {
                let (name, given, needed) = (&kernel.name, launch.operands.len(), kernel.operands);
                return malformed(format!(
                    "`{}` gives {given} operands to `{name}`, not {needed}",
                    plan.name
                ));
            }
            self.pointers(number, launch, &[], 0, &mut Vec::new())?;
        }
        Ok(())
    }

    /// Adds the address of every operand in these rounds, where the whole begins at `base`.
    pub(crate) fn pointers(
        &self,
        function: usize,
        launch: &DeviceLaunch,
        rounds: &[usize],
        base: Address,
        pointers: &mut Vec<Address>,
    ) -> Result<()> {
        for operand in &launch.operands {
            let start = operand.start(rounds);
            let region = self.region(function, operand.memory);
            let place = region.filter(|region| start <= region.len()).map(|region| region.start + start);
            let Some(place) = place else {
                let kernel = launch.kernel;
                return malformed(format!("kernel {kernel} reaches byte {start} of {:?}", operand.memory));
            };
            // Fits: all of it fits into the address space of this machine.
            pointers.push(base + place as Address);
        }
        Ok(())
    }
}
