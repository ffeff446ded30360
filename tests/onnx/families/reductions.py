"""Reductions, places of extremes, running sums, order."""

import numpy as np
from generate import case

case("reduce_sum_of_opset_11", "(float[3,5,7] x) => (float[3,1,7] y)", "y = ReduceSum<axes = [-2]>(x)", opset=11, expect=lambda x: [x.sum(1, keepdims=True)])
case("reduce_sum_fed_axes", "(float[3,5,7] x, int64[2] axes) => (float[5] y)", "y = ReduceSum<keepdims = 0>(x, axes)", axes=[0, -1])
case("reduce_mean_no_axes", "(float[3,5] x) => (float[3,5] y)", "y = ReduceMean<noop_with_empty_axes = 1>(x)")
case("reduce_max_i8", "(int8[5,3] x, int64[1] axes) => (int8[1,3] y)", "y = ReduceMax(x, axes)", axes=[0])
case("reduce_min_bool", "(bool[5,3] x, int64[1] axes) => (bool[5] y)", "y = ReduceMin<keepdims = 0>(x, axes)", opset=20, ir=9, axes=[1])
case("reduce_all_of_an_f64", "(double[3,5] x) => (double y)", "y = ReduceProd<keepdims = 0>(x)")
case("reduce_norms", "(float[3,5] x, int64[1] axes) => (float[3] y)",
     "a = ReduceL1<keepdims = 0>(x, axes) b = ReduceL2<keepdims = 0>(x, axes) c = ReduceSumSquare<keepdims = 0>(x, axes) y = Sum(a, b, c)", axes=[1])
case("reduce_log_sum_exp", "(float[3,5] x, int64[1] axes) => (float[3,1] y)", "y = ReduceLogSumExp(x, axes)", axes=[1], near=(1e-4, 1e-4))
case("arg_max_last_of_equal", "(float[2,5] x) => (int64[2,1] y)", "y = ArgMax<axis = 1, select_last_index = 1>(x)", x=[[1, 3, 3, 0, 3], [2, 2, 1, 0, -1]])
case("arg_min_i32", "(int32[3,5] x) => (int64[5] y)", "y = ArgMin<axis = 0, keepdims = 0>(x)")
case("cum_sum_exclusive_reverse", "(double[3,5] x, int64 axis) => (double[3,5] y)", "y = CumSum<exclusive = 1, reverse = 1>(x, axis)", axis=-1)
case("cum_prod_of_opset_26", "(float[2,5] x, int64 axis) => (float[2,5] y)", "y = CumProd(x, axis)", opset=26, ir=13, axis=1, expect=lambda x, axis: [np.cumprod(x, 1)])
case("top_k_smallest_fed_k", "(float[3,7] x, int64[1] k) => (float[3,K] v, int64[3,K] i)", "v, i = TopK<axis = 1, largest = 0>(x, k)", k=[3], opset=11)
case("top_k_of_opset_1", "(float[2,7] x) => (float[2,2] v, int64[2,2] i)", "v, i = TopK<k = 2>(x)", opset=1,
     expect=lambda x: [-np.sort(-x, 1)[:, :2], np.argsort(-x, 1)[:, :2]])
case("top_k_i64", "(int64[9] x, int64[1] k) => (int64[K] v, int64[K] i)", "v, i = TopK<axis = 0>(x, k)", k=[4], x=[3, 9, -2, 7, 1, 0, 8, 4, 5])
