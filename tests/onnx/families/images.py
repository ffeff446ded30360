"""Convolution, pooling, and resampling."""

import numpy as np
from generate import case

case("conv_1d_dilated", "(float[2,3,11] x, float[5,3,3] w, float[5] b) => (float[2,5,N] y)", "y = Conv<dilations = [2], pads = [1, 2]>(x, w, b)")
case("conv_2d_groups", "(float[1,4,7,5] x, float[6,2,3,3] w) => (float[1,6,A,B] y)", "y = Conv<group = 2, pads = [0, 1, 2, 0], strides = [2, 1]>(x, w)")
case("conv_2d_depthwise_f64", "(double[1,3,5,5] x, double[3,1,3,3] w) => (double[1,3,A,B] y)", "y = Conv<group = 3>(x, w)")
case("conv_same_upper", "(float[1,2,7,5] x, float[3,2,2,3] w) => (float[1,3,A,B] y)", 'y = Conv<auto_pad = "SAME_UPPER", strides = [2, 2]>(x, w)')
case("conv_3d", "(float[1,2,3,4,5] x, float[2,2,2,2,2] w) => (float[1,2,A,B,C] y)", "y = Conv(x, w)")
case("conv_f16", "(float16[1,2,5,5] x, float16[2,2,3,3] w) => (float16[1,2,3,3] y)", "y = Conv(x, w)", opset=11, near=(1e-2, 1e-2))
case("conv_transpose_output_padding", "(float[1,2,3,5] x, float[2,3,3,3] w, float[3] b) => (float[1,3,A,B] y)",
     "y = ConvTranspose<strides = [2, 3], output_padding = [1, 2], pads = [1, 0, 0, 1]>(x, w, b)")
case("max_pool_ceil", "(float[1,2,7,6] x) => (float[1,2,A,B] y)", "y = MaxPool<kernel_shape = [3, 2], strides = [2, 3], ceil_mode = 1>(x)")
case("max_pool_places", "(float[1,1,5,5] x) => (float[1,1,A,B] y, int64[1,1,A,B] i)", "y, i = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(x)")
case("max_pool_i8", "(int8[1,2,5] x) => (int8[1,2,A] y)", "y = MaxPool<kernel_shape = [3], pads = [1, 1]>(x)", opset=12,
     expect=lambda x: [(lambda p: np.maximum(np.maximum(p[..., :-2], p[..., 1:-1]), p[..., 2:]))(np.pad(x, ((0, 0), (0, 0), (1, 1)), constant_values=-128))])
case("average_pool_with_padding", "(float[1,2,5,5] x) => (float[1,2,A,B] y)", "y = AveragePool<kernel_shape = [3, 3], pads = [1, 1, 1, 1], count_include_pad = 1>(x)", opset=11)
case("average_pool_without_padding", "(float[1,2,5] x) => (float[1,2,A] y)", "y = AveragePool<kernel_shape = [3], pads = [2, 1]>(x)", opset=7)
case("global_pools", "(float[2,3,5,4] x) => (float[2,3,1,1] y)", "a = GlobalAveragePool(x) b = GlobalMaxPool(x) y = Sub(b, a)")
case("lp_pool", "(float[1,2,7] x) => (float[1,2,A] y)", "y = LpPool<kernel_shape = [3], p = 3, strides = [2]>(x)", expect=lambda x: [
     np.stack([(np.abs(x[..., i : i + 3]) ** 3).sum(-1) ** (1 / 3) for i in (0, 2, 4)], -1).astype("f4")])
case("max_unpool", "(float[1,1,2,2] x, int64[1,1,2,2] i) => (float[1,1,4,4] y)", "y = MaxUnpool<kernel_shape = [2, 2], strides = [2, 2]>(x, i)", i=[[[[5, 7], [13, 10]]]])
case("roi_align", "(float[1,2,6,7] x, float[2,4] r, int64[2] b) => (float[2,2,3,2] y)",
     "y = RoiAlign<output_height = 3, output_width = 2, sampling_ratio = 2, spatial_scale = 0.5>(x, r, b)", opset=16, r=[[0, 0, 9, 8], [2, 3, 12, 11]], b=[0, 0])
case("resize_linear", "(float[1,1,4,5] x) => (float[1,1,A,B] y)", 'y = Resize<mode = "linear">(x, "", s)', opset=13, init="float[4] s = {1.0, 1.0, 1.5, 0.6}")
case("resize_cubic_corners", "(float[1,1,4,5] x) => (float[1,1,A,B] y)", 'y = Resize<mode = "cubic", coordinate_transformation_mode = "align_corners">(x, "", "", n)',
     opset=13, init="int64[4] n = {1, 1, 7, 9}")
case("resize_nearest_i32", "(int32[1,1,3,5] x) => (int32[1,1,A,B] y)", 'y = Resize<mode = "nearest", nearest_mode = "floor", coordinate_transformation_mode = "asymmetric">(x, "", "", n)',
     opset=13, init="int64[4] n = {1, 1, 5, 3}")
case("upsample_of_opset_9", "(float[1,1,2,3] x, float[4] s) => (float[1,1,A,B] y)", 'y = Upsample<mode = "nearest">(x, s)', opset=9, s=[1, 1, 2, 3],
     expect=lambda x, s: [x.repeat(2, 2).repeat(3, 3)])
case("grid_sample_border", "(float[1,2,4,5] x, float[1,3,2,2] g) => (float[1,2,3,2] y)", 'y = GridSample<mode = "linear", padding_mode = "border", align_corners = 1>(x, g)', opset=20, ir=9)
case("affine_grid", "(float[2,2,3] t, int64[4] n) => (float[2,A,B,2] y)", "y = AffineGrid<align_corners = 0>(t, n)", opset=20, ir=9, n=[2, 1, 3, 5])
case("deform_conv", "(float[1,1,3,3] x, float[1,1,2,2] w, float[1,8,2,2] o) => (float[1,1,2,2] y)", "y = DeformConv<kernel_shape = [2, 2], pads = [0, 0, 0, 0]>(x, w, o)",
     opset=19, ir=9)
