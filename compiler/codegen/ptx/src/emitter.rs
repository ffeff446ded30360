//! The text of one kernel as it grows: instructions, fresh registers, labels, and what variables stand for.
//!
//! Registers are virtual and assigned once, but for those that loops carry; `ptxas` allocates, schedules and
//! removes what is computed twice. Numbers that are known stay operands.

use crate::alignment::power_of;
use crate::hazards::Hazards;
use crate::neighbours::Neighbours;
use crate::ranges::Ranges;
use crate::register::{Class, Value};
use crate::team::Team;

use crate::{Options, PtxError};
use dlc_kernel::{IndexVar, Kernel, Var};
use dlc_types::DType;
use std::collections::BTreeMap;

/// The state of a kernel's text.
pub(crate) struct Emitter<'k> {
    pub(crate) kernel: &'k Kernel,
    /// What is emitted: instructions, labels, directives.
    lines: Vec<String>,
    registers: BTreeMap<Class, u32>,
    labels: u32,
    /// The kernel's name in the module.
    pub(crate) name: String,
    /// Declarations in front of the kernel.
    pub(crate) tables: Vec<String>,
    /// Bytes of constant memory that they take.
    pub(crate) constant_bytes: usize,
    /// Whether indices take 64 bits.
    pub(crate) wide: bool,
    pub(crate) options: Options,
    /// Bytes that divide where each operand begins.
    pub(crate) alignments: Vec<usize>,
    /// How many neighbours a thread takes of each lanes loop.
    pub(crate) widths: BTreeMap<IndexVar, usize>,
    /// The neighbours that statements are emitted for, where there are several.
    pub(crate) neighbours: Option<Neighbours>,
    /// The run-time size of the batch.
    pub(crate) batch: Value,
    /// One address per operand.
    pub(crate) pointers: Vec<Value>,
    pub(crate) ranges: Ranges,
    vars: BTreeMap<Var, (DType, Value)>,
    indices: BTreeMap<IndexVar, Value>,
    /// The threads that share a point.
    pub(crate) team: Team,
    /// Whether this place is inside a lanes loop, where every thread has iterations of its own.
    pub(crate) in_lanes: bool,
    pub(crate) hazards: Hazards,
    /// Bytes of shared memory for reductions.
    pub(crate) shared_bytes: u32,
    /// Bytes that divide where shared memory begins.
    pub(crate) shared_alignment: u32,
}

impl<'k> Emitter<'k> {
    pub(crate) fn new(kernel: &'k Kernel, name: &str, options: Options) -> Emitter<'k> {
        let ranges = Ranges::new(kernel, options.batch_max);
        let wide = !ranges.fit();
        Emitter {
            kernel,
            lines: Vec::new(),
            registers: BTreeMap::new(),
            labels: 0,
            name: name.to_owned(),
            tables: Vec::new(),
            constant_bytes: 0,
            wide,
            options,
            alignments: kernel.operands.iter().map(|operand| operand.dtype.size()).collect(),
            widths: BTreeMap::new(),
            neighbours: None,
            batch: Value::Integer(0),
            pointers: Vec::new(),
            ranges,
            vars: BTreeMap::new(),
            indices: BTreeMap::new(),
            team: Team::single(),
            in_lanes: false,
            hazards: Hazards::default(),
            shared_bytes: 0,
            shared_alignment: 128,
        }
    }

    pub(crate) fn malformed(&self, reason: impl Into<String>) -> PtxError {
        PtxError::Malformed { kernel: self.kernel.name.clone(), reason: reason.into() }
    }

    /// A register that nothing has been written to.
    pub(crate) fn fresh(&mut self, class: Class) -> Value {
        let count = self.registers.entry(class).or_insert(0);
        *count += 1;
        Value::Register(class, *count)
    }

    /// One line of the body.
    pub(crate) fn put(&mut self, line: impl Into<String>) {
        self.lines.push(format!("\t{}", line.into()));
    }

    /// An instruction with a fresh register for its result.
    pub(crate) fn ins(&mut self, class: Class, name: &str, args: &[Value]) -> Value {
        let result = self.fresh(class);
        self.assign(result, name, args);
        result
    }

    /// An instruction that writes a register.
    pub(crate) fn assign(&mut self, result: Value, name: &str, args: &[Value]) {
        let args: Vec<String> = args.iter().map(Value::to_string).collect();
        self.put(format!("{name} {result}, {};", args.join(", ")));
    }

    /// A register of its own with the value.
    pub(crate) fn copy(&mut self, class: Class, value: Value) -> Value {
        self.ins(class, &format!("mov.{}", class.kind()), &[value])
    }

    /// Writes a value into a register.
    pub(crate) fn set(&mut self, register: Value, value: Value) {
        if let Value::Register(class, _) = register
            && register != value
        {
            self.assign(register, &format!("mov.{}", class.kind()), &[value]);
        }
    }

    /// A label that is not placed yet.
    pub(crate) fn label(&mut self) -> String {
        self.labels += 1;
        format!("_L{}", self.labels)
    }

    /// Places a label here.
    pub(crate) fn place(&mut self, label: &str) {
        self.lines.push(format!("{label}:"));
    }

    /// Goes to a label where the condition holds, or does not.
    pub(crate) fn branch(&mut self, condition: Value, holds: bool, label: &str) {
        let not = if holds { "" } else { "!" };
        self.put(format!("@{not}{condition} bra {label};"));
    }

    /// The declarations of registers and the body.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for class in Class::ALL {
            if let Some(count) = self.registers.get(&class) {
                text += &format!("\t.reg .{} {}<{}>;\n", class.kind(), class.prefix(), count + 1);
            }
        }
        for line in &self.lines {
            text += line;
            text.push('\n');
        }
        text
    }

    /// The number as an operand of this type; of `bool` a predicate.
    pub(crate) fn number(&mut self, dtype: DType, number: f64) -> Value {
        match dtype {
            DType::Bool => {
                let args = [Value::Integer(i64::from(number != 0.0)), Value::Integer(0)];
                self.ins(Class::Predicate, "setp.ne.s32", &args)
            }
            DType::F64 => Value::Double(number.to_bits()),
            DType::F32 => Value::Single((number as f32).to_bits()),
            DType::F16 | DType::BF16 => {
                let bits = match self.memory_constant(dtype, number) {
                    Value::Integer(bits) => bits as u16,
                    _ => 0,
                };
                Value::Single(widened(dtype, bits).to_bits())
            }
            DType::U64 => Value::Integer(number as u64 as i64),
            DType::U32 => Value::Integer(i64::from(number as u32 as i32)),
            _ => {
                let (least, greatest) = dtype.integer_range();
                Value::Integer((number as i64).clamp(least, greatest))
            }
        }
    }

    pub(crate) fn define(&mut self, var: Var, dtype: DType, value: Value) {
        match &mut self.neighbours {
            Some(neighbours) => neighbours.define(var, dtype, value),
            None => drop(self.vars.insert(var, (dtype, value))),
        }
    }

    pub(crate) fn var(&self, var: Var) -> Result<(DType, Value), PtxError> {
        let own = self.neighbours.as_ref().and_then(|neighbours| neighbours.var(var));
        own.or_else(|| self.vars.get(&var).copied())
            .ok_or_else(|| self.malformed(format!("{var} is not defined")))
    }

    /// Elements of a size that divide where an operand begins: a power of two.
    pub(crate) fn operand_multiple(&self, operand: usize, size: i64) -> i64 {
        let bytes = self.alignments.get(operand).map_or(1, |&bytes| power_of(bytes as i64));
        (bytes / size).max(1)
    }

    pub(crate) fn define_index(&mut self, index: IndexVar, value: Value) {
        match &mut self.neighbours {
            Some(neighbours) => neighbours.define_index(index, value),
            None => drop(self.indices.insert(index, value)),
        }
    }

    pub(crate) fn index(&self, index: IndexVar) -> Result<Value, PtxError> {
        let own = self.neighbours.as_ref().and_then(|neighbours| neighbours.index(index));
        own.or_else(|| self.indices.get(&index).copied())
            .ok_or_else(|| self.malformed(format!("{index} is not defined")))
    }

    pub(crate) fn operand_type(&self, operand: usize) -> Result<DType, PtxError> {
        let found = self.kernel.operands.get(operand).map(|operand| operand.dtype);
        found.ok_or_else(|| self.malformed(format!("there is no operand {operand}")))
    }
}

/// The value of the bits of a 16-bit float.
fn widened(dtype: DType, bits: u16) -> f32 {
    if dtype == DType::BF16 {
        return f32::from_bits(u32::from(bits) << 16);
    }
    let (sign, exponent, fraction) = (bits >> 15, (bits >> 10) & 31, f32::from(bits & 0x3FF));
    let magnitude = match exponent {
        0 => fraction * (-24_f32).exp2(),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * (f32::from(exponent) - 25.0).exp2(),
    };
    if sign == 0 { magnitude } else { -magnitude }
}
