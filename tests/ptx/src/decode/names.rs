//! What the names of an entry stand for: registers, parameters, variables and labels.

use crate::fault::Fault;
use crate::parse::syntax::{Operand, RawEntry, RawModule, Space, Statement, Variable};
use crate::parse::tokens::malformed;
use crate::program::{Instruction, Operation, Placed, Program, Slot, Special, WarpgroupMultiply};
use crate::types::Type;
use std::collections::{BTreeMap, BTreeSet};

/// What a name is bound to. Variables have their address in their own space.
#[derive(Debug, Clone, Copy)]
pub(super) enum Binding {
    Register { slot: Slot, ty: Type },
    Predicate { slot: Slot },
    Parameter { offset: u64 },
    Symbol { address: u64, space: Space },
}

/// Decodes one entry.
pub(super) struct Decoder<'a> {
    pub(super) source: &'a str,
    /// Line of the instruction that is decoded.
    pub(super) line: u32,
    scopes: Vec<BTreeMap<String, Binding>>,
    pub(super) labels: BTreeMap<String, u32>,
    registers: Slot,
    predicates: Slot,
    constants: BTreeMap<u64, Slot>,
    specials: BTreeMap<Special, Slot>,
    /// Registers that the instruction names, but those of addresses.
    pub(super) touched: Vec<Slot>,
}

/// Where variables come to lie in a space.
#[derive(Default)]
struct Layout {
    bytes: usize,
}

impl Layout {
    fn place(&mut self, align: usize, bytes: usize) -> u64 {
        let start = self.bytes.next_multiple_of(align);
        self.bytes = start + bytes;
        start as u64
    }
}

/// All entries, and the bytes of constant memory.
pub(crate) fn decode(source: &str, module: &RawModule) -> Result<(Vec<Program>, Vec<u8>), Fault> {
    let mut constant = Vec::new();
    let mut symbols = BTreeMap::new();
    for variable in module.variables.iter().filter(|variable| variable.space == Space::Constant) {
        constant.resize(constant.len().next_multiple_of(variable.align), 0);
        let binding = Binding::Symbol { address: constant.len() as u64, space: Space::Constant };
        symbols.insert(variable.name.clone(), binding);
        let end = constant.len() + variable.bytes;
        constant.extend(&variable.initial);
        constant.resize(end, 0);
    }
    if constant.len() > 64 << 10 {
        return Err(malformed(source, 1, "more than 64 KiB of .const"));
    }
    let programs =
        module.entries.iter().map(|entry| Decoder::new(source, symbols.clone()).entry(module, entry));
    Ok((programs.collect::<Result<_, _>>()?, constant))
}

/// Names that instructions of the entry use.
fn used(entry: &RawEntry) -> BTreeSet<&str> {
    fn visit<'a>(operand: &'a Operand, names: &mut BTreeSet<&'a str>) {
        match operand {
            Operand::Name(name) | Operand::Address { base: Some(name), .. } => {
                names.insert(name);
            }
            Operand::Vector(elements) => elements.iter().for_each(|element| visit(element, names)),
            _ => {}
        }
    }
    let mut names = BTreeSet::new();
    for statement in &entry.body {
        if let Statement::Instruction(instruction) = statement {
            instruction.operands.iter().for_each(|operand| visit(operand, &mut names));
        }
    }
    names
}

/// Of the registers that instructions touch, leaves those of `wgmma`'s fragments.
fn keep_fragments(instructions: &mut [Instruction]) {
    let registers = |multiply: &WarpgroupMultiply| [multiply.left(), &multiply.d].concat();
    let all: BTreeSet<Slot> = instructions
        .iter()
        .filter_map(|instruction| match &instruction.operation {
            Operation::WarpgroupMultiply(multiply) => Some(registers(multiply)),
            _ => None,
        })
        .flatten()
        .collect();
    for instruction in instructions {
        instruction.fragments.retain(|slot| all.contains(slot));
        instruction.fragments.shrink_to_fit();
    }
}

impl<'a> Decoder<'a> {
    fn new(source: &'a str, symbols: BTreeMap<String, Binding>) -> Self {
        Self {
            source,
            line: 1,
            scopes: vec![symbols, BTreeMap::new()],
            labels: BTreeMap::new(),
            registers: 1,
            predicates: 0,
            constants: BTreeMap::new(),
            specials: BTreeMap::new(),
            touched: Vec::new(),
        }
    }

    pub(super) fn fault(&self, message: impl Into<String>) -> Fault {
        malformed(self.source, self.line, message)
    }

    fn entry(mut self, module: &RawModule, entry: &RawEntry) -> Result<Program, Fault> {
        self.line = entry.line;
        let (parameters, parameter_bytes) = self.parameters(entry)?;
        let shared_bytes = self.shared(module, entry)?;
        self.find_labels(entry)?;
        let mut local = Layout::default();
        let mut instructions = Vec::new();
        for statement in &entry.body {
            match statement {
                Statement::Open => self.scopes.push(BTreeMap::new()),
                Statement::Close => drop(self.scopes.pop()),
                Statement::Label { .. } => {}
                Statement::Registers { ty, names } => self.declare(*ty, names)?,
                Statement::Variable(variable) if variable.space == Space::Local => {
                    let address = local.place(variable.align, variable.bytes);
                    self.line = variable.line;
                    if local.bytes > 512 << 10 {
                        return Err(self.fault("more than 512 KiB of local memory"));
                    }
                    self.bind(&variable.name, Binding::Symbol { address, space: Space::Local })?;
                }
                Statement::Variable(variable) if variable.space == Space::Constant => {
                    self.line = variable.line;
                    return Err(self.fault("a .const variable stands outside of entries"));
                }
                Statement::Variable(_) => {}
                Statement::Instruction(raw) => instructions.push(self.instruction(raw)?),
            }
        }
        // Control that falls off the end returns.
        let line = self.line;
        instructions.push(Instruction {
            guard: None,
            operation: Operation::Exit,
            line,
            fragments: Vec::new(),
        });
        keep_fragments(&mut instructions);
        Ok(Program {
            name: entry.name.clone(),
            instructions,
            registers: self.registers as usize,
            predicates: self.predicates as usize,
            constants: self.constants.into_iter().map(|(value, slot)| (slot, value)).collect(),
            specials: self.specials.into_iter().map(|(special, slot)| (slot, special)).collect(),
            parameters,
            parameter_bytes,
            shared_bytes,
            local_bytes: local.bytes.next_multiple_of(16),
            required: entry.required,
            most: entry.most,
        })
    }

    fn parameters(&mut self, entry: &RawEntry) -> Result<(Vec<Placed>, usize), Fault> {
        let mut layout = Layout::default();
        let mut placed = Vec::new();
        for parameter in &entry.parameters {
            let offset = layout.place(parameter.align, parameter.bytes);
            self.bind(&parameter.name, Binding::Parameter { offset })?;
            placed.push(Placed { parameter: parameter.clone(), offset: offset as usize });
        }
        Ok((placed, layout.bytes))
    }

    /// Places the shared variables that the entry uses: those of a fixed size, and dynamic ones after them.
    fn shared(&mut self, module: &RawModule, entry: &RawEntry) -> Result<usize, Fault> {
        let used = used(entry);
        let own = entry.body.iter().filter_map(|statement| match statement {
            Statement::Variable(variable) => Some(variable),
            _ => None,
        });
        let all: Vec<&Variable> = module
            .variables
            .iter()
            .filter(|variable| used.contains(variable.name.as_str()))
            .chain(own)
            .filter(|variable| variable.space == Space::Shared)
            .collect();
        let mut layout = Layout::default();
        for variable in all.iter().filter(|variable| !variable.dynamic) {
            let address = layout.place(variable.align, variable.bytes);
            self.line = variable.line;
            self.bind(&variable.name, Binding::Symbol { address, space: Space::Shared })?;
            if layout.bytes > 48 << 10 {
                return Err(self.fault("more than 48 KiB of shared memory of fixed size"));
            }
        }
        let dynamic: Vec<_> = all.iter().filter(|variable| variable.dynamic).collect();
        let align = dynamic.iter().map(|variable| variable.align).max().unwrap_or(1);
        let address = layout.place(align, 0);
        for variable in dynamic {
            self.bind(&variable.name, Binding::Symbol { address, space: Space::Shared })?;
        }
        Ok(layout.bytes)
    }

    fn find_labels(&mut self, entry: &RawEntry) -> Result<(), Fault> {
        let mut at = 0;
        for statement in &entry.body {
            match statement {
                Statement::Instruction(_) => at += 1,
                Statement::Label { name, line } if self.labels.insert(name.clone(), at).is_some() => {
                    self.line = *line;
                    return Err(self.fault(format!("label {name} stands twice")));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn declare(&mut self, ty: Type, names: &[(String, Option<u32>)]) -> Result<(), Fault> {
        for (name, count) in names {
            match count {
                None => self.register(ty, name)?,
                Some(count) => {
                    for number in 0..*count {
                        self.register(ty, &format!("{name}{number}"))?;
                    }
                }
            }
        }
        Ok(())
    }

    fn register(&mut self, ty: Type, name: &str) -> Result<(), Fault> {
        let binding = match ty {
            Type::Predicate => {
                self.predicates += 1;
                Binding::Predicate { slot: self.predicates - 1 }
            }
            _ => Binding::Register { slot: self.fresh(), ty },
        };
        self.bind(name, binding)
    }

    fn bind(&mut self, name: &str, binding: Binding) -> Result<(), Fault> {
        let scope = self.scopes.last_mut();
        match scope.and_then(|scope| scope.insert(name.to_owned(), binding)) {
            Some(_) => Err(self.fault(format!("{name} is declared twice"))),
            None => Ok(()),
        }
    }

    fn fresh(&mut self) -> Slot {
        self.registers += 1;
        self.registers - 1
    }

    pub(super) fn binding(&self, name: &str) -> Option<Binding> {
        self.scopes.iter().rev().find_map(|scope| scope.get(name).copied())
    }

    pub(super) fn constant(&mut self, value: u64) -> Slot {
        if let Some(slot) = self.constants.get(&value) {
            return *slot;
        }
        let slot = self.fresh();
        self.constants.insert(value, slot);
        slot
    }

    pub(super) fn special(&mut self, special: Special) -> Slot {
        if let Some(slot) = self.specials.get(&special) {
            return *slot;
        }
        let slot = self.fresh();
        self.specials.insert(special, slot);
        slot
    }
}
