//! Windows of signals: HannWindow, HammingWindow, BlackmanWindow.
//!
//! History: opset 17, unchanged since.

use super::{Context, Operator, Stop};
use crate::Element;
use std::f64::consts::PI;

pub(super) const OPERATORS: &[Operator] = &[
    // Sums of cosines of 0, 1 and 2 periods.
    Operator::new("HannWindow", 17, |context| window(context, [0.5, -0.5, 0.0])),
    Operator::new("HammingWindow", 17, |context| window(context, [25.0 / 46.0, -21.0 / 46.0, 0.0])),
    Operator::new("BlackmanWindow", 17, |context| window(context, [0.42, -0.5, 0.08])),
];

/// Elements of a window that is made at once.
const LIMIT: usize = 1 << 22;

fn window(context: &mut Context<'_, '_>, [constant, one, two]: [f64; 3]) -> Result<(), Stop> {
    let size = context.need_int(0)?;
    let size = usize::try_from(size).map_err(|_| context.invalid(format!("{size} is no size")))?;
    if size > LIMIT {
        return Err(context.not_done(format!("a window of {size} elements")));
    }
    let dtype = context.element("output_datatype")?.unwrap_or(Element::F32).dtype().ok_or(Stop::Host)?;
    let period = if context.flag("periodic", true)? { size as f64 } else { size as f64 - 1.0 };
    let value = |index: usize| {
        let angle = if period > 0.0 { 2.0 * PI * index as f64 / period } else { 0.0 };
        constant + one * angle.cos() + two * (2.0 * angle).cos()
    };
    let values: Vec<f64> = (0..size).map(value).collect();
    let result = if dtype.is_float() {
        context.float_tensor(dtype, &[size], &values)?
    } else {
        let wide = context.float_tensor(dlc_types::DType::F64, &[size], &values)?;
        context.builder().cast(wide, dtype)?
    };
    context.set_output(0, result)
}
