//! Functions of a device image: their steps as one list of records, in which a repetition says how many of the records
//! behind it are its own.

use super::{
    DeviceFunction, DeviceKernel, DeviceLaunch, DeviceMemory, DeviceOperand, DeviceStep, DeviceStride,
};
use crate::records::{Malformed, Reader, Writer, size};
use crate::{Description, FunctionInterface};
use alloc::vec::Vec;

const FUNCTION: usize = 4;
const STEP: usize = 4;
const OPERAND: usize = 5;
const STRIDE: usize = 2;

/// What a record of a step is.
const LAUNCH: u64 = 0;
const REPEAT: u64 = 1;

/// Most repetitions around a launch: scans in scans of a model are few.
const DEEPEST: usize = 64;

impl Writer {
    pub(super) fn device_function(&mut self, function: &DeviceFunction) -> [u64; FUNCTION] {
        let [prologue, steps] = [&function.prologue, &function.steps].map(|steps| {
            let mut records = Vec::new();
            self.steps(steps, &mut records);
            [self.words(records.as_flattened()), records.len() as u64]
        });
        [prologue[0], prologue[1], steps[0], steps[1]]
    }

    fn steps(&mut self, steps: &[DeviceStep], records: &mut Vec<[u64; STEP]>) {
        for step in steps {
            match step {
                DeviceStep::Launch(launch) => {
                    let operands: Vec<u64> =
                        launch.operands.iter().flat_map(|operand| self.operand(operand)).collect();
                    let place = self.words(&operands);
                    records.push([LAUNCH, launch.kernel as u64, place, launch.operands.len() as u64]);
                }
                DeviceStep::Repeat { times, steps } => {
                    let own = records.len();
                    records.push([0; STEP]);
                    self.steps(steps, records);
                    records[own] = [REPEAT, *times as u64, (records.len() - own - 1) as u64, 0];
                }
            }
        }
    }

    fn operand(&mut self, operand: &DeviceOperand) -> [u64; OPERAND] {
        let (kind, number) = match operand.memory {
            DeviceMemory::Arena => (0, 0),
            DeviceMemory::Persistent => (1, 0),
            DeviceMemory::Constants => (2, 0),
            DeviceMemory::Binding(number) => (3, number),
        };
        let strides: Vec<u64> = operand
            .strides
            .iter()
            .flat_map(|stride| [stride.step.cast_unsigned(), stride.period as u64])
            .collect();
        let place = self.words(&strides);
        [kind, number as u64, operand.byte as u64, place, operand.strides.len() as u64]
    }
}

impl Reader<'_> {
    pub(super) fn device_function(
        &self,
        record: &[u64; FUNCTION],
        kernels: &[DeviceKernel],
        description: &Description,
        function: &FunctionInterface,
    ) -> Result<DeviceFunction, Malformed> {
        let within = Within { reader: self, kernels, description, function };
        let steps = |at: usize| within.steps(&self.table(record[at], record[at + 1])?, &mut Vec::new());
        Ok(DeviceFunction { prologue: steps(0)?, steps: steps(2)? })
    }
}

/// What steps are read within.
struct Within<'a> {
    reader: &'a Reader<'a>,
    kernels: &'a [DeviceKernel],
    description: &'a Description,
    function: &'a FunctionInterface,
}

impl Within<'_> {
    /// The steps of these records, which stand in so many rounds of repetitions.
    fn steps(
        &self,
        mut records: &[[u64; STEP]],
        rounds: &mut Vec<usize>,
    ) -> Result<Vec<DeviceStep>, Malformed> {
        let mut steps = Vec::new();
        while let Some((&[kind, ..], rest)) = records.split_first() {
            let [_, number, place, count] = records[0];
            let (step, rest) = match kind {
                LAUNCH => (DeviceStep::Launch(self.launch(number, place, count, rounds)?), rest),
                REPEAT if rounds.len() < DEEPEST && number > 0 => {
                    let (own, rest) = rest.split_at_checked(size(place)?).ok_or(Malformed)?;
                    let times = size(number)?;
                    rounds.push(times);
                    let steps = self.steps(own, rounds)?;
                    rounds.pop();
                    (DeviceStep::Repeat { times, steps }, rest)
                }
                _ => return Err(Malformed),
            };
            steps.push(step);
            records = rest;
        }
        Ok(steps)
    }

    fn launch(
        &self,
        kernel: u64,
        place: u64,
        count: u64,
        rounds: &[usize],
    ) -> Result<DeviceLaunch, Malformed> {
        let kernel = size(kernel)?;
        let operands = self.reader.table::<OPERAND>(place, count)?;
        if self.kernels.get(kernel).is_none_or(|kernel| kernel.operands != operands.len()) {
            return Err(Malformed);
        }
        let operands = operands.iter().map(|record| self.operand(record, rounds));
        Ok(DeviceLaunch { kernel, operands: operands.collect::<Result<_, _>>()? })
    }

    fn operand(&self, record: &[u64; OPERAND], rounds: &[usize]) -> Result<DeviceOperand, Malformed> {
        let [kind, number, byte, place, count] = *record;
        let memory = match kind {
            0 => DeviceMemory::Arena,
            1 => DeviceMemory::Persistent,
            2 => DeviceMemory::Constants,
            3 => DeviceMemory::Binding(size(number)?),
            _ => return Err(Malformed),
        };
        let strides = self.reader.table::<STRIDE>(place, count)?;
        let strides = strides.iter().map(|&[step, period]| {
            Ok(DeviceStride { step: step.cast_signed(), period: size(period)?.max(1) })
        });
        let operand =
            DeviceOperand { memory, byte: size(byte)?, strides: strides.collect::<Result<_, _>>()? };
        let all_or_none = operand.strides.is_empty() || operand.strides.len() == rounds.len();
        if all_or_none && self.holds(&operand, rounds) { Ok(operand) } else { Err(Malformed) }
    }

    /// Whether an operand begins in its block, or right behind an empty one, in every round.
    fn holds(&self, operand: &DeviceOperand, rounds: &[usize]) -> bool {
        let interface = &self.description.interface;
        let length = match operand.memory {
            DeviceMemory::Arena => self.function.arena_bytes,
            DeviceMemory::Persistent => interface.persistent_bytes,
            DeviceMemory::Constants => self.description.constant_bytes,
            DeviceMemory::Binding(number) => {
                let ports = &self.function;
                let Some(port) = ports.inputs.iter().chain(&ports.outputs).nth(number) else { return false };
                let size = |extent: &crate::Extent| match extent.batch {
                    true => extent.scale.saturating_mul(interface.batch_max),
                    false => extent.scale,
                };
                port.dims.iter().map(size).fold(port.element.size(), usize::saturating_mul)
            }
        };
        let [mut low, mut high] = [operand.byte as i128; 2];
        for (stride, &times) in operand.strides.iter().zip(rounds) {
            let moved = i128::from(stride.step) * (stride.period.min(times) - 1) as i128;
            low = low.saturating_add(moved.min(0));
            high = high.saturating_add(moved.max(0));
        }
        low >= 0 && high <= length as i128
    }
}
