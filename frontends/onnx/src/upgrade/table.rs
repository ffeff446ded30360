//! Which operators had other forms, and until which opset.

use super::{Rewrite, attributes, broadcast, inputs, softmax, upsample};

/// The steps of an operator of ONNX's own domain, in ascending order.
pub(super) fn steps(op_type: &str) -> Vec<(i64, Rewrite)> {
    // Until opset 6 many operators could name inputs whose memory they might take.
    let mut steps: Vec<(i64, Rewrite)> = vec![(6, attributes::drop_consumed_inputs)];
    let own: &[(i64, Rewrite)] = match op_type {
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "And" | "Or" | "Xor" | "Equal" | "Less" | "Greater" => {
            &[(7, broadcast::drop_flag)]
        }
        "Gemm" => &[(7, broadcast::drop_flag)],
        "PRelu" => &[(7, broadcast::slope_of_channels)],
        "BatchNormalization" => {
            &[(9, attributes::batch_normalization), (14, attributes::batch_normalization_outputs)]
        }
        "Cast" => &[(6, attributes::cast_target)],
        "Clip" => &[(11, inputs::clip)],
        "Concat" => &[(4, attributes::concat_axis)],
        "DFT" => &[(20, attributes::dft_axis)],
        "Dropout" => &[(7, attributes::dropout_is_test), (12, inputs::dropout)],
        "Pad" => &[(11, inputs::pad)],
        "ReduceSum" | "Squeeze" | "Unsqueeze" => &[(13, inputs::axes)],
        "ReduceMax" | "ReduceMin" | "ReduceMean" | "ReduceProd" | "ReduceL1" | "ReduceL2"
        | "ReduceLogSum" | "ReduceLogSumExp" | "ReduceSumSquare" => &[(18, inputs::axes)],
        "Reshape" => &[(5, inputs::reshape)],
        "Resize" => &[(11, upsample::first_resize)],
        "RoiAlign" => &[(16, attributes::roi_align)],
        "Scatter" => &[(NEVER, attributes::scatter)],
        "Slice" => &[(10, inputs::slice)],
        "Softmax" | "LogSoftmax" | "Hardmax" => &[(13, softmax::flattened)],
        "Split" => &[(13, inputs::split)],
        "TopK" => &[(10, inputs::top_k)],
        "Upsample" => &[(9, upsample::scales), (NEVER, upsample::upsample)],
        _ => &[],
    };
    steps.extend(own);
    steps
}

/// For operators that the newest opset has no more.
const NEVER: i64 = i64::MAX;
