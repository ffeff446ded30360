"""Gathering, scattering, and results whose shape depends on data."""

import numpy as np
from generate import case

case("gather_negative_indices", "(float[5,3] x, int32[2,2] i) => (float[2,2,3] y)", "y = Gather(x, i)", i=[[0, -1], [-5, 2]])
case("gather_strings", "(string[4] x, int64[3] i) => (string[3] y)", "y = Gather(x, i)", x=np.array(["a", "", "cé", "dd"], object), i=[2, -1, 0])
case("gather_elements_u8", "(uint8[3,5] x, int64[2,5] i) => (uint8[2,5] y)", "y = GatherElements<axis = 0>(x, i)", i=np.array([[0, 1, 2, -1, 0], [2, 2, 1, 0, -3]]))
case("gather_nd_batch", "(float[2,3,5] x, int64[2,1] i) => (float[2,5] y)", "y = GatherND<batch_dims = 1>(x, i)", i=[[1], [-1]])
case("scatter_elements_add", "(float[3,5] x, int64[2,5] i, float[2,5] u) => (float[3,5] y)",
     'y = ScatterElements<axis = 0, reduction = "add">(x, i, u)', i=[[0, 1, 2, 0, 0], [0, 2, 2, 1, -1]])
case("scatter_nd_mul_i64", "(int64[5,2] x, int64[3,1] i, int64[3,2] u) => (int64[5,2] y)", 'y = ScatterND<reduction = "mul">(x, i, u)', i=[[4], [0], [4]])
case("scatter_of_opset_9", "(float[3,5] x, int64[1,2] i, float[1,2] u) => (float[3,5] y)", "y = Scatter<axis = 1>(x, i, u)", opset=9, i=[[1, 3]],
     expect=lambda x, i, u: [np.where(np.isin(np.arange(15).reshape(3, 5), [1, 3]), np.insert(np.zeros((3, 3), "f4"), [1, 2], np.tile(u, (3, 1)), axis=1), x)])
case("one_hot_middle_axis", "(int64[2,3] i, int64 depth, float[2] v) => (float[2,D,3] y)", "y = OneHot<axis = 1>(i, depth, v)", i=[[0, -1, 4], [2, 7, 1]], depth=5, v=[-0.5, 2])
case("non_zero", "(int32[3,5] x) => (int64[2,N] y)", "y = NonZero(x)", x=np.arange(15).reshape(3, 5) % 4 - 1)
case("compress_axis", "(float[3,5] x, bool[4] c) => (float[3,N] y)", "y = Compress<axis = 1>(x, c)", c=[True, False, False, True])
case("unique_unsorted", "(int64[9] x) => (int64[N] y, int64[N] i, int64[9] inv, int64[N] n)", "y, i, inv, n = Unique<sorted = 0>(x)", x=[2, 1, 1, 3, 4, 3, 2, 2, 9])
case("shape_from_data", "(float[7] x) => (float[N] y)", "z = Relu(x) i = NonZero(z) j = Squeeze(i) g = Gather(x, j) y = Mul(g, g)", opset=13)
case("non_max_suppression", "(float[1,4,4] boxes, float[1,1,4] scores) => (int64[N,3] y)", "y = NonMaxSuppression(boxes, scores, most, overlap)", opset=11,
     init="int64[1] most = {3}, float[1] overlap = {0.4}", boxes=[[[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, 10, 1, 11], [0, 10.8, 1, 11.8]]], scores=[[[0.9, 0.75, 0.6, 0.95]]])
