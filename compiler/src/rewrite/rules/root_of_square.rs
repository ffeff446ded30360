//! The root of a square is a magnitude.
//! ```ir
//! # root_of_square
//! fn f {
//!   %0: f32[N] = input "x"
//!   %1: f32[N] = mul(%0, %0)
//!   %2: f32[N] = sqrt(%1)
//!   output output "y" %2
//! }
//! fn f {
//!   %0: f32[N] = input "x"
//!   %1: f32[N] = abs(%0)
//!   output output "y" %1
//! }
//! ```
use super::{Rule, Tag};
use dlc_ir::{Binary, Unary};

pub(super) const RULES: &[Rule] = &[Rule {
    name: "root_of_square",
    tag: Tag::Rounding,
    law: "sqrt(x * x) = |x|",
    ops: &["sqrt"],
    apply: |terms, _, operands, _| {
        let (a, b) = terms.binary_of(operands[0], Binary::Multiply)?;
        if terms.same(a, b) { terms.unary(Unary::Abs, a) } else { None }
    },
}];
