//! What the threads of a team have carried, in one, in an order that depends on the team's size alone.
//!
//! Within a warp, partners swap what they have, by distances of half the team, a quarter, …, 1: every thread has the
//! same sum then, to the bit, since both partners of a swap add the same two numbers (of two zeros that differ in sign,
//! a maximum may be either). A larger team's warps leave
//! theirs in shared memory, where all threads read them and do the same again.

use crate::PtxError;
use crate::emitter::Emitter;
use crate::register::{Class, Value};
use crate::team::WARP;
use dlc_kernel::{Binary, Carry, Combine};
use dlc_types::DType;

/// Bytes of a carry's place per warp.
const SLOT: u32 = 8;

impl Emitter<'_> {
    /// The results of carries, the same in all threads of the team.
    pub(crate) fn combined(&mut self, carries: &[Carry], partial: &[Value]) -> Result<Vec<Value>, PtxError> {
        let team = self.team;
        if team.size == 1 || carries.is_empty() {
            return Ok(partial.to_vec());
        }
        let mut results = Vec::with_capacity(carries.len());
        for (carry, &value) in carries.iter().zip(partial) {
            results.push(self.swapped(carry, value, team.size.min(WARP), team.mask)?);
        }
        if team.size <= WARP {
            return Ok(results);
        }
        let warps = team.size / WARP;
        self.shared_bytes = self.shared_bytes.max(warps * SLOT * carries.len() as u32);
        let (thread, base) = (self.fresh(Class::Word), self.fresh(Class::Word));
        self.put(format!("mov.u32 {thread}, %tid.x;"));
        self.put(format!("mov.u32 {base}, _shared;"));
        let lane = self.ins(Class::Word, "and.b32", &[thread, Value::Integer(i64::from(WARP - 1))]);
        let leads = self.ins(Class::Predicate, "setp.eq.s32", &[lane, Value::Integer(0)]);
        let warp = self.ins(Class::Word, "shr.u32", &[thread, Value::Integer(5)]);
        let own = self.ins(Class::Word, "mad.lo.s32", &[warp, Value::Integer(i64::from(SLOT)), base]);
        let partner = self.ins(Class::Word, "and.b32", &[lane, Value::Integer(i64::from(warps - 1))]);
        let other = self.ins(Class::Word, "mad.lo.s32", &[partner, Value::Integer(i64::from(SLOT)), base]);
        for (number, (carry, &value)) in carries.iter().zip(&results).enumerate() {
            let (kind, place) = (Class::of(carry.dtype).kind(), number as u32 * warps * SLOT);
            self.put(format!("@{leads} st.shared.{kind} [{own}+{place}], {value};"));
        }
        self.put("bar.sync 0;");
        for (number, (carry, result)) in carries.iter().zip(&mut results).enumerate() {
            let (class, place) = (Class::of(carry.dtype), number as u32 * warps * SLOT);
            let value = self.fresh(class);
            self.put(format!("ld.shared.{} {value}, [{other}+{place}];", class.kind()));
            *result = self.swapped(carry, value, warps, Value::Integer(-1))?;
        }
        // The places are free for the next ones once all threads have read them.
        self.put("bar.sync 0;");
        self.hazards.clear();
        Ok(results)
    }

    /// A value combined over neighbouring threads of a warp, as many as a power of two says.
    fn swapped(&mut self, carry: &Carry, value: Value, threads: u32, mask: Value) -> Result<Value, PtxError> {
        let mut value = value;
        let mut distance = threads / 2;
        while distance > 0 {
            let other = self.swap(Class::of(carry.dtype), value, distance, mask);
            value = self.both(carry.combine, carry.dtype, value, other)?;
            distance /= 2;
        }
        Ok(value)
    }

    fn both(
        &mut self,
        combine: Option<Combine>,
        dtype: DType,
        a: Value,
        b: Value,
    ) -> Result<Value, PtxError> {
        let op = match combine {
            Some(Combine::Sum) => Binary::Add,
            Some(Combine::Product) => Binary::Multiply,
            Some(Combine::Max) => Binary::Max,
            Some(Combine::Min) => Binary::Min,
            None => return Err(self.malformed("lanes carry what cannot be combined")),
        };
        self.binary(op, dtype, a, b)
    }

    /// What the thread at a distance has.
    fn swap(&mut self, class: Class, value: Value, distance: u32, mask: Value) -> Value {
        if matches!(class, Class::Long | Class::Double) {
            let [low, high] = self.words(value).map(|word| self.swap(Class::Word, word, distance, mask));
            let joined = self.fresh(class);
            self.put(format!("mov.b64 {joined}, {{{low}, {high}}};"));
            return joined;
        }
        let other = self.fresh(class);
        self.put(format!("shfl.sync.bfly.b32 {other}, {value}, {distance}, 31, {mask};"));
        other
    }
}
