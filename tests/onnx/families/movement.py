"""Shapes and the movement of elements."""

import numpy as np
from generate import case

case("reshape_zero_and_minus_one", "(float[3,4,5] x, int64[3] shape) => (float[A,B,C] y)", "y = Reshape(x, shape)", shape=[0, -1, 2])
case("reshape_of_opset_1", "(float[3,4] x) => (float[2,6] y)", "y = Reshape<shape = [2, -1]>(x)", opset=1, expect=lambda x: [x.reshape(2, 6)])
case("transpose_i8", "(int8[2,3,5] x) => (int8[5,2,3] y)", "y = Transpose<perm = [2, 0, 1]>(x)")
case("squeeze_of_opset_11", "(float[1,3,1] x) => (float[3] y)", "y = Squeeze<axes = [0, -1]>(x)", opset=11, expect=lambda x: [x.reshape(3)])
case("unsqueeze_f16", "(float16[3] x, int64[2] axes) => (float16[A,B,C] y)", "y = Unsqueeze(x, axes)", axes=[0, -1])
case("flatten_negative_axis", "(float[2,3,5] x) => (float[6,5] y)", "y = Flatten<axis = -1>(x)")
case("expand_fed_shape", "(int32[3,1] x, int64[3] shape) => (int32[A,B,C] y)", "y = Expand(x, shape)", shape=[2, 1, 5])
case("tile_u8", "(uint8[2,3] x, int64[2] n) => (uint8[A,B] y)", "y = Tile(x, n)", n=[3, 2])
case("concat_negative_axis", "(double[2,1] a, double[2,3] b, double[2,2] c) => (double[2,6] y)", "y = Concat<axis = -1>(a, b, c)")
case("split_uneven", "(float[7,2] x) => (float[3,2] a, float[3,2] b, float[1,2] c)", "a, b, c = Split<axis = 0, num_outputs = 3>(x)")
case("split_of_opset_2", "(float[2,7] x) => (float[2,5] a, float[2,2] b)", "a, b = Split<axis = 1, split = [5, 2]>(x)", opset=2,
     expect=lambda x: [x[:, :5], x[:, 5:]])
case("slice_backwards", "(float[7,5] x, int64[2] from, int64[2] to, int64[2] axes, int64[2] by) => (float[A,B] y)", "y = Slice(x, from, to, axes, by)",
     **{"from": [-1, 0], "to": [-100, 100], "axes": [0, 1], "by": [-2, 3]})
case("slice_of_opset_1", "(float[7,5] x) => (float[3,4] y)", "y = Slice<starts = [2, 0], ends = [5, -1]>(x)", opset=1, expect=lambda x: [x[2:5, :-1]])
case("slice_to_nothing", "(float[5] x) => (float[0] y)", "y = Slice(x, at, at)", init="int64[1] at = {3}")
case("pad_reflect", "(float[3,5] x, int64[4] p) => (float[A,B] y)", 'y = Pad<mode = "reflect">(x, p)', p=[1, 2, 1, 3])
case("pad_edge_i32", "(int32[3,5] x, int64[4] p) => (int32[A,B] y)", 'y = Pad<mode = "edge">(x, p)', p=[0, 2, 1, 0])
case("pad_wrap_axes", "(float[2,5] x, int64[2] p, int64[1] axes) => (float[A,B] y)", 'y = Pad<mode = "wrap">(x, p, "", axes)', opset=19, ir=9, p=[2, 3], axes=[1])
case("pad_cuts_opset_2", "(float[3,5] x) => (float[4,3] y)", "y = Pad<pads = [1, -1, 0, -1], value = 1.5>(x)", opset=2,
     expect=lambda x: [np.pad(x[:, 1:-1], [(1, 0), (0, 0)], constant_values=1.5)])
case("depth_to_space_crd", "(float[1,8,2,3] x) => (float[1,2,4,6] y)", 'y = DepthToSpace<blocksize = 2, mode = "CRD">(x)')
case("space_to_depth", "(float[1,2,4,6] x) => (float[1,8,2,3] y)", "y = SpaceToDepth<blocksize = 2>(x)")
case("shape_part", "(float[2,3,5,7] x) => (int64[2] y, int64 n)", "y = Shape<start = 1, end = -1>(x) n = Size(x)")
case("constant_of_shape_i8", "(int64[2] s) => (int8[A,B] y)", "y = ConstantOfShape<value = int8[1] {-7}>(s)", s=[3, 5])
case("range_f64", "(double a, double b, double c) => (double[N] y)", "y = Range(a, b, c)", a=3.0, b=-1.25, c=-0.5)
case("eye_like", "(int32[3,5] x) => (float[3,5] y)", "y = EyeLike<dtype = 1, k = 1>(x)")
case("trilu_upper", "(int64[2,3,5] x, int64 k) => (int64[2,3,5] y)", "y = Trilu<upper = 1>(x, k)", k=-1)
case("reverse_sequence", "(float[5,3] x, int64[3] n) => (float[5,3] y)", "y = ReverseSequence<time_axis = 0, batch_axis = 1>(x, n)", n=[5, 1, 3])
case("center_crop_pad", "(float[5,3,7] x, int64[2] s) => (float[A,B,7] y)", "y = CenterCropPad<axes = [0, 1]>(x, s)", s=[2, 6])
case("col2im", "(float[1,8,6] x) => (float[1,2,3,4] y)", "y = Col2Im(x, image, block)", init="int64[2] image = {3, 4}, int64[2] block = {2, 2}")
