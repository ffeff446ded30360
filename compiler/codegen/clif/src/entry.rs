//! The entry of a program: every thread of a team runs it with its own number.
//!
//! For each launch: the barrier where asked, then this thread's contiguous share of the kernel's points.
//! Shares follow from (thread, threads) alone; the barrier is called by every thread, share or not.

use crate::ClifError;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    AbiParam, FuncRef, Function, InstBuilder, MemFlagsData, SigRef, Signature, UserFuncName, Value, types,
};
use cranelift_codegen::isa::{CallConv, TargetIsa};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use dlc_abi::offset;
use dlc_kernel::{KernelId, Launch, Program, Storage};
use dlc_types::Dim;
use std::collections::BTreeMap;

/// The signature of [`dlc_abi::Entry`].
pub fn entry_signature(call_conv: CallConv) -> Signature {
    let mut signature = Signature::new(call_conv);
    signature.params.extend([AbiParam::new(types::I64); 2]);
    signature
}

struct Entry<'e, 'f> {
    builder: &'e mut FunctionBuilder<'f>,
    program: &'e Program,
    thread: Value,
    arena: Value,
    persistent: Value,
    constants: Value,
    bindings: Value,
    batch: Value,
    threads: Value,
    barrier: Value,
    barrier_data: Value,
    barrier_signature: SigRef,
    kernels: BTreeMap<KernelId, FuncRef>,
}

/// A program's entry as a function of Cranelift IR. `import` declares a kernel's function in it.
///
/// # Errors
///
/// [`ClifError::Malformed`] where the program breaks an invariant.
pub fn build_entry(
    program: &Program,
    isa: &dyn TargetIsa,
    builder_context: &mut FunctionBuilderContext,
    import: &mut dyn FnMut(&mut Function, KernelId) -> FuncRef,
) -> Result<Function, ClifError> {
    let call_conv = isa.default_call_conv();
    let mut function = Function::with_name_signature(UserFuncName::default(), entry_signature(call_conv));
    let mut kernels = BTreeMap::new();
    for launch in &program.launches {
        kernels.entry(launch.kernel).or_insert_with(|| import(&mut function, launch.kernel));
    }
    let mut builder = FunctionBuilder::new(&mut function, builder_context);
    let result = emit(program, call_conv, kernels, &mut builder);
    if result.is_err() {
        *builder_context = FunctionBuilderContext::new();
        return result.map(|()| function);
    }
    builder.seal_all_blocks();
    builder.finalize(isa.frontend_config());
    Ok(function)
}

fn emit(
    program: &Program,
    call_conv: CallConv,
    kernels: BTreeMap<KernelId, FuncRef>,
    builder: &mut FunctionBuilder<'_>,
) -> Result<(), ClifError> {
    let block = builder.create_block();
    builder.append_block_params_for_function_params(block);
    builder.switch_to_block(block);
    let &[context, thread] = builder.block_params(block) else {
        return Err(malformed(program, "an entry has two parameters"));
    };
    let mut signature = Signature::new(call_conv);
    signature.params.push(AbiParam::new(types::I64));
    let barrier_signature = builder.import_signature(signature);
    let mut field =
        |offset: usize| builder.ins().load(types::I64, MemFlagsData::trusted(), context, offset as i32);
    let [arena, persistent, constants, bindings] =
        [offset::ARENA, offset::PERSISTENT, offset::CONSTANTS, offset::BINDINGS].map(&mut field);
    let [batch, threads, barrier, barrier_data] =
        [offset::BATCH, offset::THREADS, offset::BARRIER, offset::BARRIER_DATA].map(&mut field);
    let mut entry = Entry {
        builder,
        program,
        thread,
        arena,
        persistent,
        constants,
        bindings,
        batch,
        threads,
        barrier,
        barrier_data,
        barrier_signature,
        kernels,
    };
    let (prologue, main) = program
        .launches
        .split_at_checked(program.prologue)
        .ok_or_else(|| malformed(program, "the prologue is longer than the program"))?;
    if !prologue.is_empty() {
        entry.prologue(context, prologue)?;
    }
    for launch in main {
        entry.launch(launch)?;
    }
    entry.builder.ins().return_(&[]);
    Ok(())
}

fn malformed(program: &Program, reason: impl Into<String>) -> ClifError {
    ClifError::Malformed { kernel: program.name.clone(), reason: reason.into() }
}

impl Entry<'_, '_> {
    /// Launches that the context may leave out.
    fn prologue(&mut self, context: Value, launches: &[Launch]) -> Result<(), ClifError> {
        let (needed, done) = (self.builder.create_block(), self.builder.create_block());
        let place = offset::PREPARE as i32;
        let prepare = self.builder.ins().load(types::I64, MemFlagsData::trusted(), context, place);
        self.builder.ins().brif(prepare, needed, &[], done, &[]);
        self.builder.switch_to_block(needed);
        for launch in launches {
            self.launch(launch)?;
        }
        self.builder.ins().jump(done, &[]);
        self.builder.switch_to_block(done);
        Ok(())
    }

    fn launch(&mut self, launch: &Launch) -> Result<(), ClifError> {
        let kernel = self
            .program
            .kernels
            .get(launch.kernel)
            .ok_or_else(|| malformed(self.program, format!("there is no kernel {}", launch.kernel)))?;
        if launch.arguments.len() != kernel.operands.len() {
            return Err(malformed(
                self.program,
                format!("`{}` is launched with a wrong number of buffers", kernel.name),
            ));
        }
        if launch.barrier {
            self.builder.ins().call_indirect(self.barrier_signature, self.barrier, &[self.barrier_data]);
        }
        let batch = self.part_of_batch(launch);
        let total = self.total(&kernel.space, batch)?;
        let begin = self.share(total, self.thread);
        let following = self.builder.ins().iadd_imm_s(self.thread, 1);
        let end = self.share(total, following);
        let work = self.builder.create_block();
        let done = self.builder.create_block();
        let mut any = self.builder.ins().icmp(IntCC::SignedLessThan, begin, end);
        if launch.part.is_some() {
            let images = self.builder.ins().icmp_imm_s(IntCC::SignedGreaterThan, batch, 0);
            any = self.builder.ins().band(any, images);
        }
        self.builder.ins().brif(any, work, &[], done, &[]);
        self.builder.switch_to_block(work);
        let mut arguments = vec![batch, begin, end];
        for (position, &buffer) in launch.arguments.iter().enumerate() {
            let buffer = self
                .program
                .buffers
                .get(buffer)
                .ok_or_else(|| malformed(self.program, format!("there is no buffer {buffer}")))?;
            let start = launch.part.as_ref().map_or(0, |part| part.start(position));
            let bytes = start.saturating_mul(buffer.dtype.size());
            let bytes = i64::try_from(bytes).map_err(|_| malformed(self.program, "a part is too far"))?;
            let pointer = self.pointer(buffer.storage)?;
            arguments.push(if bytes == 0 { pointer } else { self.builder.ins().iadd_imm_s(pointer, bytes) });
        }
        let function = self
            .kernels
            .get(&launch.kernel)
            .copied()
            .ok_or_else(|| malformed(self.program, "a kernel was not imported"))?;
        self.builder.ins().call(function, &arguments);
        self.builder.ins().jump(done, &[]);
        self.builder.switch_to_block(done);
        Ok(())
    }

    /// The batch that a launch sees, less than one where nothing is left for it.
    fn part_of_batch(&mut self, launch: &Launch) -> Value {
        let Some(part) = &launch.part else { return self.batch };
        let left = self.builder.ins().iadd_imm_s(self.batch, -(part.first as i64));
        let most = self.builder.ins().iconst(types::I64, part.count as i64);
        self.builder.ins().smin(left, most)
    }

    /// Points of a space.
    fn total(&mut self, space: &[Dim], batch: Value) -> Result<Value, ClifError> {
        let mut fixed = 1_i64;
        let mut batches = 0;
        for dim in space {
            let size = match *dim {
                Dim::Fixed(size) => size,
                Dim::Batch(scale) => {
                    batches += 1;
                    scale
                }
            };
            fixed = i64::try_from(size)
                .ok()
                .and_then(|size| fixed.checked_mul(size))
                .ok_or_else(|| malformed(self.program, "a parallel space is too large"))?;
        }
        let mut total = self.builder.ins().iconst(types::I64, fixed);
        for _ in 0..batches {
            total = self.builder.ins().imul(total, batch);
        }
        Ok(total)
    }

    /// `total * thread / threads`
    fn share(&mut self, total: Value, thread: Value) -> Value {
        let product = self.builder.ins().imul(total, thread);
        self.builder.ins().udiv(product, self.threads)
    }

    fn pointer(&mut self, storage: Storage) -> Result<Value, ClifError> {
        let (base, bytes) = match storage {
            Storage::Arena(usize::MAX) => {
                return Err(malformed(self.program, "a buffer has no place in the arena"));
            }
            Storage::Arena(bytes) => (self.arena, bytes),
            Storage::Persistent(bytes) => (self.persistent, bytes),
            Storage::Constants(bytes) => (self.constants, bytes),
            Storage::Binding(number) => {
                let offset = i32::try_from(number * 8)
                    .map_err(|_| malformed(self.program, "a program has too many bindings"))?;
                return Ok(self.builder.ins().load(
                    types::I64,
                    MemFlagsData::trusted(),
                    self.bindings,
                    offset,
                ));
            }
        };
        Ok(if bytes == 0 { base } else { self.builder.ins().iadd_imm_s(base, bytes as i64) })
    }
}
