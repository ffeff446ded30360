//! Random loop kernels against the portable code: operations that are exact on small whole numbers, so that
//! results agree to the bit.

use crate::guarded::{Guarded, Side};
use crate::loops::kernel;
use crate::machine::Machine;
use crate::results::levels;
use dlc_codegen_x86::build_kernel;
use dlc_kernel::Kernel;
use dlc_types::random::Stream;
use std::fmt::Write as _;

/// Elements of every operand.
const ELEMENTS: usize = 1024;
/// Lanes, at most.
const LENGTH: u32 = 120;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Float,
    Integer,
    Condition,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Float => "f32",
            Kind::Integer => "i32",
            Kind::Condition => "bool",
        }
    }

    fn operand(self) -> &'static str {
        match self {
            Kind::Float => "f",
            Kind::Integer => "j",
            Kind::Condition => "b",
        }
    }
}

struct Generator {
    stream: Stream,
    next: usize,
    /// Values in sight.
    values: Vec<(usize, Kind)>,
    /// Index variables in sight, with their greatest value; the lane variable is called `lane`.
    indices: Vec<(String, u32)>,
    lane: Option<String>,
    text: String,
    statements: u32,
}

impl Generator {
    fn below(&mut self, bound: u32) -> u32 {
        self.stream.below(bound)
    }

    fn number(&mut self) -> usize {
        self.next += 1;
        self.next
    }

    fn pick(&mut self, kind: Kind) -> usize {
        let of_kind: Vec<usize> =
            self.values.iter().filter(|value| value.1 == kind).map(|value| value.0).collect();
        of_kind[self.below(of_kind.len() as u32) as usize]
    }

    fn any_index(&mut self) -> (String, u32) {
        let position = self.below(self.indices.len() as u32) as usize;
        self.indices[position].clone()
    }

    /// `v = op args`, in sight from here on.
    fn define(&mut self, kind: Kind, operation: &str) -> usize {
        let result = self.number();
        writeln!(self.text, "v{result}: {} = {operation}", kind.name()).unwrap();
        self.values.push((result, kind));
        result
    }

    /// Keeps a number small enough to be exact.
    fn clamped(&mut self, kind: Kind, value: usize) -> usize {
        let constant = |number: i32| match kind {
            Kind::Float => format!("const {number}.0"),
            _ => format!("int {number}"),
        };
        let (low, high) = (constant(-50), constant(50));
        let (low, high) = (self.define(kind, &low), self.define(kind, &high));
        let lower = self.define(kind, &format!("min v{value}, v{high}"));
        self.values.retain(|(number, _)| *number != value && *number != lower);
        self.define(kind, &format!("max v{lower}, v{low}"))
    }

    /// An index within the operands.
    fn index(&mut self) -> String {
        let shift = self.below(9);
        let mut form = format!("{shift}");
        if let Some(lane) = self.lane.clone() {
            match self.below(8) {
                0 => {}
                1 => write!(form, " + 3*{lane}").unwrap(),
                2 => form = format!("-{lane} + {}", LENGTH + shift),
                _ => write!(form, " + {lane}").unwrap(),
            }
        }
        for (index, _) in self.indices.clone() {
            if Some(&index) != self.lane.as_ref() && self.below(3) == 0 {
                write!(form, " + {}*{index}", 1 + self.below(20)).unwrap();
            }
        }
        form
    }

    fn load(&mut self) {
        let kind = [Kind::Float, Kind::Float, Kind::Integer, Kind::Condition][self.below(4) as usize];
        let mut index = self.index();
        if kind == Kind::Condition && (index.contains("3*") || index.starts_with('-')) {
            index = self.lane.clone().unwrap_or_else(|| "0".to_owned());
        }
        let mut guard = String::new();
        if kind != Kind::Condition && self.below(3) == 0 && !index.contains("3*") && !index.starts_with('-') {
            let (name, most) = self.any_index();
            let low = self.below(most + 1);
            let high = low + self.below(most + 2);
            guard = format!(" where {low} <= {name} + 2 < {high} else {}.0", self.below(3));
            if self.below(4) == 0 {
                let (name, most) = self.any_index();
                let range = format!(" where -1 <= {name} - 1 < {},", self.below(most + 1));
                guard = guard.replacen(" where", &range, 1);
            }
        }
        let result = self.number();
        writeln!(self.text, "v{result} = load {}[{index}]{guard}", kind.operand()).unwrap();
        self.values.push((result, kind));
    }

    fn statement(&mut self) {
        let kind = if self.below(3) == 0 { Kind::Integer } else { Kind::Float };
        let (a, b) = (self.pick(kind), self.pick(kind));
        let condition = self.pick(Kind::Condition);
        match self.below(14) {
            0..=2 => self.load(),
            3 => {
                let comparison = ["eq", "ne", "lt", "le", "gt", "ge"][self.below(6) as usize];
                self.define(Kind::Condition, &format!("{comparison} v{a}, v{b}"));
            }
            4 => {
                self.define(kind, &format!("select v{condition}, v{a}, v{b}"));
            }
            5 => {
                let unary = ["neg", "abs", "sign", "relu", "floor", "round", "ceil"][self.below(7) as usize];
                self.define(kind, &format!("{unary} v{a}"));
            }
            6 => {
                let from = [Kind::Float, Kind::Integer, Kind::Condition][self.below(3) as usize];
                let a = self.pick(from);
                self.define(kind, &format!("cast v{a}"));
            }
            7 => {
                let both = self.pick(Kind::Condition);
                let op = ["and", "or"][self.below(2) as usize];
                let joined = self.define(Kind::Condition, &format!("{op} v{condition}, v{both}"));
                self.define(Kind::Condition, &format!("not v{joined}"));
            }
            8 => {
                let (index, _) = self.any_index();
                let alias = self.number();
                writeln!(self.text, "i{alias} = {index} + 1").unwrap();
                let value = self.define(kind, &format!("index i{alias}"));
                self.clamped(kind, value);
            }
            9 => {
                let from = self.pick(kind);
                let value = self.define(Kind::Condition, &format!("ne v{from}, v{a}"));
                self.define(kind, &format!("cast v{value}"));
            }
            10 if kind == Kind::Float => {
                let c = self.pick(kind);
                let value = self.define(kind, &format!("fma v{a}, v{b}, v{c}"));
                self.clamped(kind, value);
            }
            _ => {
                let op = ["add", "sub", "mul", "max", "min"][self.below(5) as usize];
                let value = self.define(kind, &format!("{op} v{a}, v{b}"));
                self.clamped(kind, value);
            }
        }
        self.statements += 1;
    }

    fn block(&mut self, statements: u32) {
        for _ in 0..statements {
            self.statement();
            if self.statements % 11 == 5 {
                self.rolled_sum();
            }
        }
    }

    /// A short loop with two carries.
    fn rolled_sum(&mut self) {
        let (a, b) = (self.pick(Kind::Float), self.pick(Kind::Integer));
        let [index, c, d, s, t, r, u] = [(); 7].map(|()| self.number());
        let end = self.below(5);
        writeln!(self.text, "for i{index} in 0 .. {end} carry (v{c}: f32 = v{a}, v{d}: i32 = v{b}) {{")
            .unwrap();
        let sight = (self.values.clone(), self.indices.clone());
        self.values.extend([(c, Kind::Float), (d, Kind::Integer)]);
        self.indices.push((format!("i{index}"), 5));
        let statements = 1 + self.below(4);
        for _ in 0..statements {
            self.statement();
        }
        let (term, other) = (self.pick(Kind::Float), self.pick(Kind::Integer));
        writeln!(self.text, "v{s}: f32 = add v{c}, v{term}").unwrap();
        writeln!(self.text, "v{t}: i32 = max v{d}, v{other}").unwrap();
        writeln!(self.text, "yield v{s} -> v{r}, v{t} -> v{u}\n}}").unwrap();
        (self.values, self.indices) = sight;
        self.values.push((r, Kind::Float));
        self.clamped(Kind::Float, r);
        self.values.push((u, Kind::Integer));
    }

    /// A loop over lanes that stores three results and may carry two.
    fn lanes(&mut self, statements: u32) {
        let index = self.number();
        let most = [1, 3, 5, 7, 8, 15, 16, 17, 31, 33, 64, 100, 119, LENGTH][self.below(14) as usize];
        let end = match self.below(4) {
            0 => "17*N".to_owned(),
            _ => most.to_string(),
        };
        let start = if self.below(4) == 0 { 1.min(most - 1) } else { 0 };
        let carries = self.below(2) == 0;
        let (a, b) = (self.pick(Kind::Float), self.pick(Kind::Integer));
        let [c, d, s, t, r, u] = [(); 6].map(|()| self.number());
        write!(self.text, "lanes for i{index} in {start} .. {end}").unwrap();
        if carries {
            write!(self.text, " carry (v{c}: f32 = v{a}, v{d}: i32 = v{b})").unwrap();
        }
        self.text.push_str(" {\n");
        let sight = (self.values.clone(), self.indices.clone());
        self.indices.push((format!("i{index}"), LENGTH));
        self.lane = Some(format!("i{index}"));
        self.block(statements);
        let results = [Kind::Float, Kind::Integer, Kind::Condition].map(|kind| (kind, self.pick(kind)));
        let row = self.below(2) * 3;
        for (kind, result) in results {
            let (name, result) = (kind.operand().to_uppercase(), result);
            let apart = if kind == Kind::Integer && self.below(4) == 0 { 2 } else { 1 };
            writeln!(
                self.text,
                "store {name}[{}*i0 + {apart}*i{index} + {row}] = v{result}",
                2 * LENGTH + 30
            )
            .unwrap();
        }
        if carries {
            let (term, other) = (self.pick(Kind::Float), self.pick(Kind::Integer));
            let (sum, most) = (["add", "sum"], [["max", "max"], ["min", "min"]][self.below(2) as usize]);
            writeln!(self.text, "v{s}: f32 = {} v{c}, v{term}", sum[0]).unwrap();
            writeln!(self.text, "v{t}: i32 = {} v{d}, v{other}", most[0]).unwrap();
            writeln!(self.text, "yield v{s} {} -> v{r}, v{t} {} -> v{u}", sum[1], most[1]).unwrap();
        }
        self.text.push_str("}\n");
        (self.values, self.indices) = sight;
        self.lane = None;
        if carries {
            self.values.extend([(r, Kind::Float), (u, Kind::Integer)]);
            self.clamped(Kind::Float, r);
        }
    }
}

/// A kernel of a few loops over lanes, the second of them perhaps inside of a rolled one.
pub(crate) fn generate(seed: u64) -> Kernel {
    let mut generator = Generator {
        stream: Stream::new(seed, 7, 7),
        next: 0,
        values: Vec::new(),
        indices: vec![("i0".to_owned(), 2)],
        lane: None,
        text: String::new(),
        statements: 0,
    };
    let one = &mut generator;
    one.define(Kind::Float, "const 1.0");
    one.define(Kind::Integer, "int 2");
    one.define(Kind::Condition, "const 1.0");
    one.load();
    let statements = [2, 6, 12, 30, 80][(seed % 5) as usize];
    one.lanes(statements);
    if one.below(2) == 0 {
        let [index, c, s, r] = [(); 4].map(|()| one.number());
        let (a, rounds) = (one.pick(Kind::Float), one.below(4));
        writeln!(one.text, "for i{index} in 0 .. {rounds} carry (v{c}: f32 = v{a}) {{").unwrap();
        let sight = one.values.clone();
        one.values.push((c, Kind::Float));
        one.indices.push((format!("i{index}"), 4));
        one.lanes(statements / 2);
        one.load();
        let value = one.pick(Kind::Float);
        writeln!(one.text, "v{s}: f32 = max v{c}, v{value}\nyield v{s} -> v{r}\n}}").unwrap();
        one.values = sight;
        one.indices.pop();
        one.values.push((r, Kind::Float));
        one.lanes(3);
    }
    for kind in [Kind::Float, Kind::Integer, Kind::Condition] {
        let value = one.pick(kind);
        writeln!(one.text, "store {}[i0 + {}] = v{value}", kind.operand().to_uppercase(), ELEMENTS - 3)
            .unwrap();
    }
    let head = "(f: f32 read, j: i32 read, b: bool read, F: f32 write, J: i32 write, B: bool write)";
    let text = format!("kernel \"generated {seed}\" {head} space [3] {{\nat (i0)\n{}}}", one.text);
    kernel(&text)
}

fn run(machine: &Machine, batch: i64, side: Side, seed: u64) -> Vec<Vec<u8>> {
    let mut stream = Stream::new(seed, 9, 9);
    let mut bytes = |kind: Kind| -> Vec<u8> {
        let mut number = || stream.below(21) as i32 - 10;
        match kind {
            Kind::Float => (0..ELEMENTS).flat_map(|_| (number() as f32).to_ne_bytes()).collect(),
            Kind::Integer => (0..ELEMENTS).flat_map(|_| number().to_ne_bytes()).collect(),
            Kind::Condition => (0..ELEMENTS).map(|_| u8::from(number() > 0)).collect(),
        }
    };
    let kinds = [Kind::Float, Kind::Integer, Kind::Condition];
    let mut buffers: Vec<Guarded> =
        [kinds, kinds].concat().into_iter().map(|kind| Guarded::of_bytes(&bytes(kind), side)).collect();
    let pointers: Vec<*mut f32> = buffers.iter().map(Guarded::pointer).collect();
    machine.run(batch, 0, 1, &pointers);
    machine.run(batch, 1, 3, &pointers);
    buffers.iter_mut().map(|buffer| buffer.bytes_mut().to_vec()).collect()
}

/// How many kernels are tried.
fn rounds() -> u64 {
    std::env::var("DLC_RANDOM_KERNELS").ok().and_then(|text| text.parse().ok()).unwrap_or(150)
}

#[test]
fn generated_kernels_agree_exactly() {
    let levels = levels();
    let mut wide_forms = 0;
    for seed in 0..rounds() {
        let kernel = generate(seed);
        let portable = Machine::portable(&kernel);
        for &level in &levels {
            // Few lanes, or elements apart with little to compute, have no form.
            let Some(bytes) = build_kernel(&kernel, level).unwrap() else { continue };
            wide_forms += 1;
            let wide = Machine::of_bytes(&bytes);
            for (batch, side) in [(1, Side::Back), (3, Side::Front), (6, Side::Back)] {
                let expected = run(&portable, batch, side, seed);
                let found = run(&wide, batch, side, seed);
                for (operand, (expected, found)) in expected.iter().zip(&found).enumerate() {
                    let same = |at: usize| match operand {
                        3 => {
                            let float = |bytes: &[u8]| {
                                f32::from_ne_bytes(bytes[4 * at..4 * at + 4].try_into().unwrap())
                            };
                            float(expected) == float(found)
                        }
                        4 => expected[4 * at..4 * at + 4] == found[4 * at..4 * at + 4],
                        5 => expected[at] == found[at],
                        _ => true,
                    };
                    let wrong = (0..ELEMENTS).find(|&at| !same(at));
                    assert!(
                        wrong.is_none(),
                        "{level:?}, batch {batch}: element {wrong:?} of operand {operand} differs in {kernel}"
                    );
                }
            }
        }
    }
    let tried = rounds() * levels.len() as u64;
    assert!(wide_forms * 10 >= tried * 7, "{wide_forms} of {tried} kernels have wide forms");
}
