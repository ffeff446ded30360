//! The function of one kernel: `(batch, begin, end, a pointer per operand)`.
//!
//! Points `begin..end` of the parallel space, numbered row-major, are visited in order. The first number is
//! taken apart by division; from point to point the coordinates count up with carry.

use crate::ClifError;
use crate::emitter::{Emitter, IndexForm, Target, scalar_type};
use crate::nest::arguments;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    AbiParam, Function, InstBuilder, Signature, StackSlotData, StackSlotKind, UserFuncName, Value, types,
};
use cranelift_codegen::isa::{CallConv, TargetIsa};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use dlc_kernel::{Affine, Body, Guard, Kernel, Statement};
use dlc_types::Dim;

/// The signature of a kernel's function.
pub fn kernel_signature(kernel: &Kernel, call_conv: CallConv) -> Signature {
    let mut signature = Signature::new(call_conv);
    let parameters = 3 + kernel.operands.len();
    signature.params.extend(std::iter::repeat_n(AbiParam::new(types::I64), parameters));
    signature
}

fn target(isa: &dyn TargetIsa) -> Target {
    let has =
        |name: &str| isa.isa_flags().iter().any(|flag| flag.name == name && flag.as_bool() == Some(true));
    let x64 = isa.name() == "x64";
    Target {
        fused: !x64 || has("has_fma"),
        hides_broadcasts: x64 && has("has_avx"),
        unsigned_first: !x64,
        vectors: isa.name() != "riscv64" || has("has_v"),
    }
}

/// A kernel as a function of Cranelift IR.
///
/// # Errors
///
/// [`ClifError`] where the kernel asks for a type or an operation that has no form here, or is malformed.
pub fn build_kernel(
    kernel: &Kernel,
    isa: &dyn TargetIsa,
    builder_context: &mut FunctionBuilderContext,
) -> Result<Function, ClifError> {
    let signature = kernel_signature(kernel, isa.default_call_conv());
    let mut function = Function::with_name_signature(UserFuncName::default(), signature);
    let mut builder = FunctionBuilder::new(&mut function, builder_context);
    let result = emit(kernel, target(isa), &mut builder);
    if result.is_err() {
        // An unfinished function must not reach the checks of `finalize`.
        *builder_context = FunctionBuilderContext::new();
        return result.map(|()| function);
    }
    builder.seal_all_blocks();
    builder.finalize(isa.frontend_config());
    Ok(function)
}

fn emit(kernel: &Kernel, target: Target, builder: &mut FunctionBuilder<'_>) -> Result<(), ClifError> {
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    let parameters = builder.block_params(entry).to_vec();
    let &[batch, begin, end, ref pointers @ ..] = parameters.as_slice() else {
        return Err(ClifError::Malformed { kernel: kernel.name.clone(), reason: "no parameters".into() });
    };
    let mut emitter = Emitter::new(builder, kernel, target, batch, pointers.to_vec());
    let statements = match &kernel.body {
        Body::Loop(body) => body.statements.as_slice(),
        Body::Contraction(contraction) => {
            contraction.epilogue.as_ref().map_or(&[] as &[Statement], |epilogue| &epilogue.statements)
        }
    };
    emitter.fill_slots(statements)?;
    let start = emitter.builder.create_block();
    let done = emitter.builder.create_block();
    let any = emitter.builder.ins().icmp(IntCC::SignedLessThan, begin, end);
    emitter.builder.ins().brif(any, start, &[], done, &[]);
    emitter.builder.switch_to_block(start);
    emitter.points(begin, end)?;
    emitter.builder.ins().jump(done, &[]);
    emitter.builder.switch_to_block(done);
    emitter.builder.ins().return_(&[]);
    Ok(())
}

impl Emitter<'_, '_> {
    /// Memory for guarded loads to read where nothing exists, one piece per type and value.
    fn fill_slots(&mut self, statements: &[Statement]) -> Result<(), ClifError> {
        for statement in statements {
            match statement {
                Statement::Load { operand, guard: Some(guard), .. } => self.fill_slot(*operand, guard)?,
                Statement::For(nest) => self.fill_slots(&nest.body)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn fill_slot(&mut self, operand: usize, guard: &Guard) -> Result<(), ClifError> {
        /// The widest guarded load: six vectors, beside a contraction's tile.
        const BYTES: u32 = 96;
        let Some(operand) = self.kernel.operands.get(operand) else {
            return Err(self.malformed("there is no such operand"));
        };
        let dtype = operand.dtype;
        scalar_type(dtype)?;
        let key = (dtype, guard.fill.to_bits());
        if self.fills.contains_key(&key) {
            return Ok(());
        }
        let slot =
            self.builder.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, BYTES, 4));
        let value = self.constant(dtype, guard.fill)?;
        let address = self.builder.ins().stack_addr(types::I64, slot, 0);
        for offset in (0..BYTES).step_by(dtype.size()) {
            self.store_element(dtype, value, address, offset as i32);
        }
        self.fills.insert(key, slot);
        Ok(())
    }

    /// The body at every point of `begin..end`, which is not empty.
    fn points(&mut self, begin: Value, end: Value) -> Result<(), ClifError> {
        let space = self.kernel.space.clone();
        let mut extents = Vec::with_capacity(space.len());
        for &dim in &space {
            extents.push(self.uniform_sum(&Affine::extent(dim))?);
        }
        let mut rest = begin;
        let mut first = vec![begin; space.len()];
        for (position, &dim) in space.iter().enumerate().rev() {
            if position == 0 {
                first[position] = rest;
                break;
            }
            let quotient = match dim {
                Dim::Fixed(size) => self.divided(rest, size as i64),
                Dim::Batch(_) => {
                    let one = self.int(1);
                    let divisor = self.builder.ins().umax(extents[position], one);
                    self.builder.ins().udiv(rest, divisor)
                }
            };
            let whole = self.builder.ins().imul(quotient, extents[position]);
            first[position] = self.builder.ins().isub(rest, whole);
            rest = quotient;
        }
        let point = self.builder.create_block();
        let exit = self.builder.create_block();
        let number = self.builder.append_block_param(point, types::I64);
        let coordinates: Vec<Value> =
            space.iter().map(|_| self.builder.append_block_param(point, types::I64)).collect();
        self.builder.ins().jump(point, &arguments(std::iter::once(begin).chain(first)));
        self.builder.switch_to_block(point);
        let scope = self.open();
        self.point(&space, &coordinates)?;
        self.close(scope);
        let following = self.builder.ins().iadd_imm_s(number, 1);
        let next = self.step(&coordinates, &extents);
        let more = self.builder.ins().icmp(IntCC::SignedLessThan, following, end);
        let again = arguments(std::iter::once(following).chain(next));
        self.builder.ins().brif(more, point, &again, exit, &[]);
        self.builder.switch_to_block(exit);
        Ok(())
    }

    /// The coordinates of the next point.
    fn step(&mut self, coordinates: &[Value], extents: &[Value]) -> Vec<Value> {
        let mut next = coordinates.to_vec();
        let mut carry = None;
        for position in (0..coordinates.len()).rev() {
            let stepped = match carry {
                None => self.builder.ins().iadd_imm_s(coordinates[position], 1),
                Some(carry) => self.builder.ins().iadd(coordinates[position], carry),
            };
            if position == 0 {
                next[0] = stepped;
                break;
            }
            let wraps = self.builder.ins().icmp(IntCC::Equal, stepped, extents[position]);
            let zero = self.int(0);
            next[position] = self.builder.ins().select(wraps, zero, stepped);
            carry = Some(self.builder.ins().uextend(types::I64, wraps));
        }
        next
    }

    fn point(&mut self, space: &[Dim], coordinates: &[Value]) -> Result<(), ClifError> {
        let forms: Vec<IndexForm> = space
            .iter()
            .zip(coordinates)
            .map(
                |(&dim, &value)| {
                    if dim == Dim::Fixed(1) { IndexForm::Constant(0) } else { IndexForm::Uniform(value) }
                },
            )
            .collect();
        let kernel = self.kernel;
        match &kernel.body {
            Body::Loop(body) => {
                if body.coordinates.len() != forms.len() {
                    return Err(self.malformed("coordinates and space differ in number"));
                }
                for (&var, form) in body.coordinates.iter().zip(forms) {
                    self.define_index(var, form);
                }
                self.statements(&body.statements)
            }
            Body::Contraction(contraction) => self.contraction(contraction, &forms),
        }
    }
}
