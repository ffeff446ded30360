//! Scans: a function that is done step by step, each step with what the one before left.
//!
//! The *body* is a function of its own, which sees nothing but its inputs, each by the name that
//! [`Scan::input`] gives it:
//!
//! - `carry.i`, what the step before left; before the first step operand `i`. The body's output of role state and
//!   that name is what it leaves itself.
//! - `slice.i`, this step's part of a stacked operand `[steps, …]`.
//! - `invariant.i`, an operand that is the same in all steps.
//!
//! Outputs `result.j` of the body's are stacked into results `[steps, …]`. A body need not read all of its inputs.
//! Step `t` of `steps` takes and gives slices `t`; a reverse scan begins with the last of them.

use crate::infer::InferError;
use crate::{Builder, Function, NodeId, Op, OutputRole, Type};
use dlc_types::{Dim, Shape, TensorType};

macro_rules! refuse {
    ($($message:tt)*) => { return Err(InferError::new(format!($($message)*))) };
}

/// Attributes of a scan.
#[derive(Clone, Debug, PartialEq)]
pub struct Scan {
    /// What a step computes.
    pub body: Function,
    /// How often, at least once.
    pub steps: usize,
    /// How many of the operands are first carries; these come first.
    pub carries: usize,
    /// How many of the operands are stacked; these come next, and invariants after them.
    pub slices: usize,
    /// Whether the last slices come first.
    pub reverse: bool,
}

impl Scan {
    /// The name of a body. A scan is known by its node, so all bodies have this one.
    pub const BODY: &'static str = "step";

    /// The name that the body has for an operand.
    pub fn input(&self, operand: usize) -> String {
        match operand.checked_sub(self.carries) {
            None => Scan::carry(operand),
            Some(slice) if slice < self.slices => format!("slice.{slice}"),
            Some(slice) => format!("invariant.{}", slice - self.slices),
        }
    }

    /// The name of a carry, as input and as output.
    pub fn carry(number: usize) -> String {
        format!("carry.{number}")
    }

    /// The name of an output that is stacked.
    pub fn result(number: usize) -> String {
        format!("result.{number}")
    }

    /// The body's node that reads an operand, if it does.
    pub fn reader(&self, operand: usize) -> Option<NodeId> {
        let name = self.input(operand);
        self.body.externals().find(|&(_, external)| external == name).map(|(id, _)| id)
    }

    /// The body's value that is the next carry.
    pub fn next(&self, carry: usize) -> Option<NodeId> {
        self.body.output(OutputRole::State, &Scan::carry(carry)).map(|output| output.value)
    }

    /// The body's values that are stacked, in order.
    pub fn results(&self) -> Vec<NodeId> {
        let results = self.body.outputs.iter().filter(|output| output.role == OutputRole::Output);
        results.map(|output| output.value).collect()
    }

    /// The type of an operand, or of its slice, as the body reads it.
    pub fn read_type(&self, operand: usize, ty: &TensorType) -> Option<TensorType> {
        let sliced = (self.carries..self.carries + self.slices).contains(&operand);
        match ty.shape.dims() {
            [first, rest @ ..] if sliced => {
                (*first == Dim::Fixed(self.steps)).then(|| TensorType::new(ty.dtype, Shape(rest.to_vec())))
            }
            _ => (!sliced).then(|| ty.clone()),
        }
    }

    /// `[steps, …]` of a step's result.
    pub fn stacked(&self, ty: &TensorType) -> TensorType {
        let dims = std::iter::once(Dim::Fixed(self.steps)).chain(ty.shape.dims().iter().copied());
        TensorType::new(ty.dtype, Shape(dims.collect()))
    }
}

/// A scan under construction: operands are named as the body begins to read them.
#[derive(Clone, Debug, Default)]
pub struct ScanBuilder {
    /// The body so far.
    pub step: Builder,
    steps: usize,
    reverse: bool,
    carries: Vec<NodeId>,
    slices: Vec<NodeId>,
    invariants: Vec<NodeId>,
    results: usize,
}

type Result<T> = std::result::Result<T, InferError>;

impl ScanBuilder {
    /// A scan without operands yet.
    pub fn new(steps: usize, reverse: bool) -> ScanBuilder {
        ScanBuilder { step: Builder::new(Scan::BODY), steps, reverse, ..ScanBuilder::default() }
    }

    /// The body's view of a carry that begins as a value of the outer function.
    pub fn carry(&mut self, outer: &Builder, first: NodeId) -> Result<NodeId> {
        self.carries.push(first);
        self.step.input(&Scan::carry(self.carries.len() - 1), outer.ty(first).clone())
    }

    /// The body's view of a step's part of a stacked value `[steps, …]` of the outer function.
    pub fn slice(&mut self, outer: &Builder, stacked: NodeId) -> Result<NodeId> {
        self.slices.push(stacked);
        let TensorType { dtype, shape } = outer.ty(stacked);
        let rest = shape.dims().get(1..).unwrap_or_default();
        let ty = TensorType::new(*dtype, Shape(rest.to_vec()));
        self.step.input(&format!("slice.{}", self.slices.len() - 1), ty)
    }

    /// The body's view of a value of the outer function.
    pub fn invariant(&mut self, outer: &Builder, value: NodeId) -> Result<NodeId> {
        if let Some(number) = self.invariants.iter().position(|&known| known == value) {
            let name = format!("invariant.{number}");
            let known = self.step.function().externals().find(|&(_, external)| external == name);
            return known.map(|(id, _)| id).ok_or_else(|| InferError::new("a scan has lost an invariant"));
        }
        self.invariants.push(value);
        self.step.input(&format!("invariant.{}", self.invariants.len() - 1), outer.ty(value).clone())
    }

    /// What a step leaves as a carry, by the order in which carries were named.
    pub fn leave(&mut self, carry: usize, value: NodeId) {
        self.step.output(OutputRole::State, Scan::carry(carry), value);
    }

    /// Stacks a value of every step; returns the number of that result.
    pub fn result(&mut self, value: NodeId) -> usize {
        self.step.output(OutputRole::Output, Scan::result(self.results), value);
        self.results += 1;
        self.results - 1
    }

    /// Adds the scan to the outer function: its last carries, and its stacked results.
    pub fn finish(self, outer: &mut Builder) -> Result<(Vec<NodeId>, Vec<NodeId>)> {
        let (carries, slices) = (self.carries.len(), self.slices.len());
        let operands = [self.carries, self.slices, self.invariants].concat();
        let body = self.step.finish();
        let scan = Scan { body, steps: self.steps, carries, slices, reverse: self.reverse };
        let tuple = outer.add_node(Op::Scan(Box::new(scan)), &operands)?;
        let mut project = |range: std::ops::Range<usize>| range.map(|at| outer.project(tuple, at)).collect();
        let last: Result<Vec<NodeId>> = project(0..carries);
        Ok((last?, project(carries..carries + self.results)?))
    }
}

impl Builder {
    /// Gives a scan another body, whose results begin with those that there were.
    ///
    /// # Errors
    /// A node that is no scan, or results that do not agree.
    pub fn widen_scan(&mut self, id: NodeId, scan: Scan) -> Result<()> {
        let node = &self.function().nodes[id];
        let operands: Vec<&TensorType> = node.operands.iter().map(|&operand| self.ty(operand)).collect();
        let types = infer(&scan, &operands)?;
        match (&node.op, &node.ty) {
            (Op::Scan(_), Type::Tuple(before)) if types.starts_with(before) => {}
            _ => refuse!("{id} is no scan that gives what another one does"),
        }
        self.replace(id, Op::Scan(Box::new(scan)), Type::Tuple(types));
        Ok(())
    }
}

/// The types of the results of a scan over operands of these types. What the body does with its inputs is the
/// verifier's affair.
pub(crate) fn infer(scan: &Scan, operands: &[&TensorType]) -> Result<Vec<TensorType>> {
    let Scan { body, steps, carries, slices, .. } = scan;
    if *steps == 0 {
        refuse!("scan needs one step at least");
    }
    if carries.checked_add(*slices).is_none_or(|least| operands.len() < least) {
        refuse!(
            "scan with {carries} carries and {slices} slices needs as many operands, not {}",
            operands.len()
        );
    }
    let mut known = 0;
    for (operand, ty) in operands.iter().enumerate() {
        let Some(read) = scan.read_type(operand, ty) else {
            refuse!("scan of {steps} steps needs operand {operand} stacked, not {ty}");
        };
        let Some(id) = scan.reader(operand) else { continue };
        known += 1;
        if body.nodes[id].ty.tensor() != Some(&read) || !matches!(body.nodes[id].op, Op::Input { .. }) {
            refuse!("scan gives its body {read} as {}, not {}", scan.input(operand), body.nodes[id].ty);
        }
    }
    if known < body.externals().count() {
        refuse!("the body of a scan reads what is none of its {} operands", operands.len());
    }
    let mut types = Vec::new();
    for (carry, ty) in operands.iter().enumerate().take(*carries) {
        let next = scan.next(carry).and_then(|next| body.nodes.get(next)).and_then(|node| node.ty.tensor());
        if next != Some(*ty) {
            let next = next.map_or("nothing".to_owned(), ToString::to_string);
            refuse!("the body of a scan leaves {next} as {}, not {ty}", Scan::carry(carry));
        }
        types.push((*ty).clone());
    }
    let results = scan.results();
    for (number, &value) in results.iter().enumerate() {
        let named = body.output(OutputRole::Output, &Scan::result(number)).map(|output| output.value);
        let ty = body.nodes.get(value).map(|node| &node.ty);
        let (Some(Type::Tensor(ty)), true) = (ty, named == Some(value)) else {
            refuse!("the results of a scan's body are tensors, in order result.0, result.1 and so on");
        };
        types.push(scan.stacked(ty));
    }
    if types.is_empty() || body.outputs.len() != types.len() {
        refuse!("the body of a scan has carries and results as its outputs, and one at least");
    }
    Ok(types)
}
