"""Normalizations, each over its own axes."""

import numpy as np
from generate import case

case("batch_norm", "(float[2,3,5] x, float[3] s, float[3] b, float[3] m, float[3] v) => (float[2,3,5] y)", "y = BatchNormalization<epsilon = 0.01>(x, s, b, m, v)",
     opset=15, v=[0.5, 1, 2])
case("batch_norm_of_opset_9", "(float[2,3,5] x, float[3] s, float[3] b, float[3] m, float[3] v) => (float[2,3,5] y)", "y = BatchNormalization(x, s, b, m, v)",
     opset=9, v=[0.5, 1, 2], expect=lambda x, s, b, m, v: [((x.swapaxes(1, 2) - m) / np.sqrt(v + 1e-5) * s + b).swapaxes(1, 2)])
case("instance_norm", "(float[2,3,5,3] x, float[3] s, float[3] b) => (float[2,3,5,3] y)", "y = InstanceNormalization(x, s, b)")
case("layer_norm_two_axes", "(float[3,5,4] x, float[5,4] s, float[5,4] b) => (float[3,5,4] y, float[3,1,1] m, float[3,1,1] d)", "y, m, d = LayerNormalization<axis = 1>(x, s, b)", opset=17)
case("group_norm", "(float[2,4,5] x, float[4] s, float[4] b) => (float[2,4,5] y)", "y = GroupNormalization<num_groups = 2>(x, s, b)", opset=21, ir=10,
     expect=lambda x, s, b: [(lambda g: (((g - g.mean((2, 3), keepdims=True)) / np.sqrt(g.var((2, 3), keepdims=True) + 1e-5)).reshape(x.shape) * s[:, None] + b[:, None]).astype("f4"))(x.reshape(2, 2, 2, 5))])
case("rms_norm", "(float[3,7] x, float[7] s) => (float[3,7] y)", "y = RMSNormalization(x, s)", opset=23, ir=11)
case("local_response_norm", "(float[1,7,3] x) => (float[1,7,3] y)", "y = LRN<size = 3, alpha = 0.1, beta = 0.5, bias = 2.0>(x)",
     expect=lambda x: [x / np.sqrt(2 + 0.1 / 3 * (lambda q: q[:, :-2] + q[:, 1:-1] + q[:, 2:])(np.pad(x * x, ((0, 0), (1, 1), (0, 0)))))])
case("mean_variance_norm", "(float[2,3,5,3] x) => (float[2,3,5,3] y)", "y = MeanVarianceNormalization<axes = [0, 2, 3]>(x)", near=(1e-3, 1e-4))
case("lp_norm", "(float[3,5] x) => (float[3,5] y)", "y = LpNormalization<axis = 0, p = 1>(x)", expect=lambda x: [x / np.abs(x).sum(0)])
