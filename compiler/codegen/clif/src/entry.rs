//! The entry of a program: every thread of a team runs it with its own number.
//!
//! For each launch: the barrier where asked, then this thread's contiguous share of the kernel's points.
//! Shares follow from (thread, threads) alone; the barrier is called by every thread, share or not. Launches of a
//! sequence stand in a loop over parts of the batch ([`super::sequence`]), those of a repetition in one over
//! rounds ([`super::repetition`]).

use crate::ClifError;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    AbiParam, FuncRef, Function, InstBuilder, MemFlagsData, SigRef, Signature, UserFuncName, Value, types,
};
use cranelift_codegen::isa::{CallConv, TargetIsa};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use dlc_abi::offset;
use dlc_kernel::{Kernel, KernelId, Launch, Program, Storage};
use dlc_types::Dim;
use std::collections::BTreeMap;

/// The signature of [`dlc_abi::Entry`].
pub fn entry_signature(call_conv: CallConv) -> Signature {
    let mut signature = Signature::new(call_conv);
    signature.params.extend([AbiParam::new(types::I64); 2]);
    signature
}

pub(crate) struct Entry<'e, 'f> {
    pub(crate) builder: &'e mut FunctionBuilder<'f>,
    pub(crate) program: &'e Program,
    pub(crate) thread: Value,
    /// This thread's own scratch.
    scratch: Value,
    arena: Value,
    persistent: Value,
    constants: Value,
    bindings: Value,
    pub(crate) batch: Value,
    threads: Value,
    barrier: Value,
    barrier_data: Value,
    barrier_signature: SigRef,
    kernels: BTreeMap<KernelId, FuncRef>,
    /// Counters of the repetitions around this place, outermost first.
    pub(crate) rounds: Vec<Value>,
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
    let [scratch, scratch_bytes] = [offset::SCRATCH, offset::SCRATCH_BYTES].map(&mut field);
    let skipped = builder.ins().imul(scratch_bytes, thread);
    let scratch = builder.ins().iadd(scratch, skipped);
    let mut entry = Entry {
        builder,
        program,
        thread,
        scratch,
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
        rounds: Vec::new(),
    };
    let prologue = program
        .launches
        .get(..program.prologue)
        .ok_or_else(|| malformed(program, "the prologue is longer than the program"))?;
    if !prologue.is_empty() {
        entry.prologue(context, prologue)?;
    }
    entry.launches(program.prologue..program.launches.len(), 0)?;
    entry.builder.ins().return_(&[]);
    Ok(())
}

pub(crate) fn malformed(program: &Program, reason: impl Into<String>) -> ClifError {
    ClifError::Malformed { kernel: program.name.clone(), reason: reason.into() }
}

impl<'e> Entry<'e, '_> {
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

    /// Does launches and sequences that are in no more repetitions than are open.
    pub(crate) fn in_order(&mut self, launches: &[Launch]) -> Result<(), ClifError> {
        let mut rest = launches;
        while let Some(launch) = rest.first() {
            let sequence = |launch: &Launch| launch.part.as_ref().map(|part| part.sequence);
            let count = match sequence(launch) {
                Some(id) => rest.iter().take_while(|other| sequence(other) == Some(id)).count(),
                None => 1,
            };
            let (now, later) = rest.split_at(count);
            match self.program.sequence(launch) {
                Some(sequence) => self.sequence(sequence, now)?,
                None => self.launch(launch)?,
            }
            rest = later;
        }
        Ok(())
    }

    fn launch(&mut self, launch: &Launch) -> Result<(), ClifError> {
        if launch.barrier {
            self.meet();
        }
        let batch = self.batch;
        let total = self.total(&self.kernel(launch)?.space, batch)?;
        let (begin, end) = self.shares(total);
        self.where_some(begin, end, |entry| entry.call(launch, [batch, begin, end], &[]))
    }

    /// The kernel of a launch.
    pub(crate) fn kernel(&self, launch: &Launch) -> Result<&'e Kernel, ClifError> {
        let none = || malformed(self.program, format!("there is no kernel {}", launch.kernel));
        let kernel = self.program.kernels.get(launch.kernel).ok_or_else(none)?;
        if launch.arguments.len() != kernel.operands.len() {
            let reason = format!("`{}` is launched with a wrong number of buffers", kernel.name);
            return Err(malformed(self.program, reason));
        }
        Ok(kernel)
    }

    /// Waits for all threads.
    pub(crate) fn meet(&mut self) {
        self.builder.ins().call_indirect(self.barrier_signature, self.barrier, &[self.barrier_data]);
    }

    /// Emits what is done where `begin` is below `end`.
    pub(crate) fn where_some(
        &mut self,
        begin: Value,
        end: Value,
        emit: impl FnOnce(&mut Self) -> Result<(), ClifError>,
    ) -> Result<(), ClifError> {
        let (work, done) = (self.builder.create_block(), self.builder.create_block());
        let any = self.builder.ins().icmp(IntCC::SignedLessThan, begin, end);
        self.builder.ins().brif(any, work, &[], done, &[]);
        self.builder.switch_to_block(work);
        emit(self)?;
        self.builder.ins().jump(done, &[]);
        self.builder.switch_to_block(done);
        Ok(())
    }

    /// Calls the kernel of a launch for `[batch, begin, end]`, with operands that begin `starts` bytes later than
    /// those of the round; none are 0.
    pub(crate) fn call(
        &mut self,
        launch: &Launch,
        range: [Value; 3],
        starts: &[Option<Value>],
    ) -> Result<(), ClifError> {
        let mut arguments = range.to_vec();
        for (position, &buffer) in launch.arguments.iter().enumerate() {
            let none = || malformed(self.program, format!("there is no buffer {buffer}"));
            let (storage, dtype) = self
                .program
                .buffers
                .get(buffer)
                .map(|buffer| (buffer.storage, buffer.dtype))
                .ok_or_else(none)?;
            let mut pointer = self.pointer(storage)?;
            if let Some(start) = self.round_start(launch, position, dtype.size())? {
                pointer = self.builder.ins().iadd(pointer, start);
            }
            arguments.push(match starts.get(position).copied().flatten() {
                Some(start) => self.builder.ins().iadd(pointer, start),
                None => pointer,
            });
        }
        let none = || malformed(self.program, "a kernel was not imported");
        let function = self.kernels.get(&launch.kernel).copied().ok_or_else(none)?;
        self.builder.ins().call(function, &arguments);
        Ok(())
    }

    /// Points of a space.
    pub(crate) fn total(&mut self, space: &[Dim], batch: Value) -> Result<Value, ClifError> {
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

    /// The first of this thread's share of `total`, and the first of the next one's.
    pub(crate) fn shares(&mut self, total: Value) -> (Value, Value) {
        let following = self.builder.ins().iadd_imm_s(self.thread, 1);
        (self.share(total, self.thread), self.share(total, following))
    }

    /// `total * thread / threads`
    fn share(&mut self, total: Value, thread: Value) -> Value {
        let product = self.builder.ins().imul(total, thread);
        self.builder.ins().udiv(product, self.threads)
    }

    fn pointer(&mut self, storage: Storage) -> Result<Value, ClifError> {
        let (base, bytes) = match storage {
            Storage::Arena(usize::MAX) | Storage::Thread(usize::MAX) => {
                return Err(malformed(self.program, "a buffer has no place"));
            }
            Storage::Arena(bytes) => (self.arena, bytes),
            Storage::Thread(bytes) => (self.scratch, bytes),
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
