"""Activations with their attributes, softmax before and after opset 13."""

import numpy as np
from generate import case


def softmax(x, axes):
    powers = np.exp(x - x.max(axis=axes, keepdims=True))
    return powers / powers.sum(axis=axes, keepdims=True)


def simple(name, nodes, **more):
    case(name, "(float[3,7] x) => (float[3,7] y)", nodes, **more)


simple("leaky_relu", "y = LeakyRelu<alpha = 0.3>(x)")
simple("elu_celu_selu", "a = Elu<alpha = 0.7>(x) b = Celu<alpha = 1.5>(x) c = Selu(x) y = Sum(a, b, c)")
simple("hard_ones", "a = HardSigmoid<alpha = 0.3>(x) b = HardSwish(x) c = ThresholdedRelu<alpha = 0.4>(x) y = Sum(a, b, c)")
simple("soft_ones", "a = Softplus(x) b = Softsign(x) c = Mish(x) d = Sigmoid(x) y = Sum(a, b, c, d)")
simple("gelu_tanh", 'a = Gelu<approximate = "tanh">(x) b = Gelu(x) y = Sub(a, b)', opset=20, ir=9, near=(1e-3, 1e-5))
simple("swish_of_opset_24", "y = Swish<alpha = 1.25>(x)", opset=24, ir=11)
simple("shrink", "y = Shrink<lambd = 0.6, bias = 0.1>(x)")
case("prelu_per_channel", "(float[2,3,5] x, float[3,1] slope) => (float[2,3,5] y)", "y = PRelu(x, slope)", opset=16)
simple("hardmax", "y = Hardmax<axis = 0>(x)")
simple("log_softmax", "y = LogSoftmax(x)")
case("softmax_inner_axis", "(float[2,3,5] x) => (float[2,3,5] y)", "y = Softmax<axis = 1>(x)")
case("softmax_of_opset_11", "(float[2,3,5] x) => (float[2,3,5] y)", "y = Softmax<axis = 1>(x)", opset=11, expect=lambda x: [softmax(x, (1, 2))])
case("softmax_f64", "(double[5] x) => (double[5] y)", "y = Softmax(x)")
