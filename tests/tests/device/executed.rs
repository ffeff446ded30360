//! A runtime of device modules on the machine that executes PTX: memory, and the launches of a call in order, as
//! `dlc_abi::DeviceModule` says.
//!
//! Stricter than it has to be: whenever another function has used the arena, nobody has written what is not said to be
//! zero, so that a function that reads what it did not write is found out.

use dlc_abi::{DeviceLaunch, DeviceMemory, DeviceModule, FunctionInterface, Interface};
use dlc_compiler::Compilation;
use dlc_compiler::emit::{Architecture, DeviceOptions, Math, device};
use dlc_ptx_machine::{Argument, Launch, Memory, Module};
use dlc_runtime::HostTensor;

/// Most blocks along the first direction of a grid.
const MOST_BLOCKS: usize = (1 << 31) - 1;

/// The number of blocks of a launch, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blocks(pub(crate) u32);

impl Blocks {
    /// The blocks of a launch that takes place; `None` where there is no work.
    pub(crate) fn checked(count: Option<usize>) -> Result<Option<Blocks>, String> {
        match count {
            Some(0) => Ok(None),
            Some(count @ 1..=MOST_BLOCKS) => Ok(Some(Blocks(count as u32))),
            _ => Err(format!("{count:?} blocks are too many for a grid")),
        }
    }
}

/// A device on which one compilation is loaded.
pub(crate) struct Device {
    interface: Interface,
    module: DeviceModule,
    text: Module,
    memory: Memory,
    arena: u64,
    persistent: u64,
    constants: u64,
    /// The function that used the arena last.
    arena_user: Option<usize>,
    /// Whether parameters and states are what that function saw.
    persistent_seen: bool,
}

impl Device {
    /// With all parameters and states zero.
    pub(crate) fn new(compilation: &Compilation) -> Result<Device, String> {
        let options = DeviceOptions { architecture: Architecture::Sm80, math: Math::F32 };
        let module = device(compilation, options).map_err(|error| error.to_string())?;
        let text = Module::parse(&module.text).map_err(|fault| format!("{fault}\n{}", module.text))?;
        let interface = compilation.interface.clone();
        let mut memory = Memory::new();
        let persistent = memory.store(&vec![0; interface.persistent_bytes]);
        let constants = memory.store(&interface.constants);
        Ok(Device {
            interface,
            module,
            text,
            memory,
            arena: 0,
            persistent,
            constants,
            arena_user: None,
            persistent_seen: false,
        })
    }

    /// What a function takes and gives.
    pub(crate) fn function(&self, name: &str) -> Result<(usize, FunctionInterface), String> {
        let number = self.interface.functions.iter().position(|function| function.name == name);
        let number = number.ok_or_else(|| format!("there is no {name}"))?;
        Ok((number, self.interface.functions[number].clone()))
    }

    /// Calls a function; the outputs as bytes.
    pub(crate) fn call(
        &mut self,
        name: &str,
        batch: usize,
        inputs: &[Vec<u8>],
    ) -> Result<Vec<Vec<u8>>, String> {
        let (number, function) = self.function(name)?;
        let other = self.arena_user.replace(number) != Some(number);
        let prepare = other || !self.persistent_seen;
        self.persistent_seen = function.keeps_persistent;
        if other {
            self.arena = self.memory.allocate(function.arena_bytes);
            for &(start, bytes) in &function.cleared {
                let zeros = vec![0; bytes];
                self.memory.write(self.arena + start as u64, &zeros).map_err(|fault| fault.to_string())?;
            }
        }
        let mut bindings: Vec<u64> = inputs.iter().map(|bytes| self.memory.store(bytes)).collect();
        let sizes: Vec<usize> =
            function.outputs.iter().map(|port| port.elements(batch) * port.element.size()).collect();
        bindings.extend(sizes.iter().map(|&bytes| self.memory.allocate(bytes)));
        let device_function = self.module.functions[number].clone();
        device_function.walk(prepare, &mut |turn| self.launch(turn.launch, turn.rounds, &bindings, batch))?;
        let outputs = bindings[inputs.len()..].iter().zip(sizes);
        outputs.map(|(&address, bytes)| self.read(address, bytes)).collect()
    }

    fn read(&mut self, address: u64, bytes: usize) -> Result<Vec<u8>, String> {
        self.memory.read(address, bytes).map(<[u8]>::to_vec).map_err(|fault| fault.to_string())
    }

    fn launch(
        &mut self,
        launch: &DeviceLaunch,
        rounds: &[usize],
        bindings: &[u64],
        batch: usize,
    ) -> Result<(), String> {
        let kernel = &self.module.kernels[launch.kernel];
        let Some(Blocks(blocks)) = Blocks::checked(kernel.blocks(batch))? else { return Ok(()) };
        let pointers = launch.operands.iter().map(|operand| {
            let base = match operand.memory {
                DeviceMemory::Arena => self.arena,
                DeviceMemory::Persistent => self.persistent,
                DeviceMemory::Constants => self.constants,
                DeviceMemory::Binding(number) => bindings[number],
            };
            Argument::U64(base + operand.start(rounds) as u64)
        });
        let parameters: Vec<Argument> =
            std::iter::once(Argument::U64(batch as u64)).chain(pointers).collect();
        let grid = Launch {
            grid: [blocks, 1, 1],
            block: [kernel.threads, 1, 1],
            parameters: &parameters,
            ..Launch::default()
        };
        let launched = self.text.launch(&kernel.name, &grid, &mut self.memory);
        launched.map(drop).map_err(|fault| format!("`{}`: {fault}", kernel.name))
    }

    /// Writes a parameter or state, whose value is plain.
    pub(crate) fn set_tensor(&mut self, name: &str, value: &HostTensor) -> Result<(), String> {
        self.persistent_seen = false;
        let size = value.element.size();
        for (place, element) in self.places(name)?.into_iter().zip(value.bytes.chunks(size)) {
            self.memory.write(place, element).map_err(|fault| fault.to_string())?;
        }
        Ok(())
    }

    /// Reads a parameter or state; the bytes are plain.
    pub(crate) fn tensor(&mut self, name: &str) -> Result<Vec<u8>, String> {
        let places = self.places(name)?;
        let tensor = self.interface.tensors.iter().find(|tensor| tensor.name == name);
        let size = tensor.map_or(1, |tensor| tensor.element.size());
        let elements = places.into_iter().map(|place| self.read(place, size));
        Ok(elements.collect::<Result<Vec<_>, _>>()?.concat())
    }

    /// Where the elements of a parameter or state lie, in their plain order.
    fn places(&self, name: &str) -> Result<Vec<u64>, String> {
        let tensor = self.interface.tensors.iter().find(|tensor| tensor.name == name);
        let tensor = tensor.ok_or_else(|| format!("there is no {name}"))?;
        let along = tensor.dims.iter().zip(&tensor.strides);
        let elements = along.fold(vec![0_usize], |starts, (&count, &stride)| {
            starts.into_iter().flat_map(|start| (0..count).map(move |place| start + place * stride)).collect()
        });
        let start = self.persistent + tensor.offset as u64;
        Ok(elements.into_iter().map(|element| start + (element * tensor.element.size()) as u64).collect())
    }
}
