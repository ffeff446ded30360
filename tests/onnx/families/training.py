"""Losses, optimizers, gradients, and layers in training mode."""

import numpy as np
from generate import case

PREVIEW = "ai.onnx.preview.training"
case("loss_with_weights_and_ignored", "(float[3,5,2] x, int64[3,2] t, float[5] w) => (float y, float[3,5,2] p)", "y, p = SoftmaxCrossEntropyLoss<ignore_index = 2>(x, t, w)",
     opset=13, t=[[0, 2], [4, 1], [2, 3]], w=[1, 0.5, 2, 1.5, 0.25])
case("negative_log_likelihood_sum", "(float[3,5] x, int64[3] t) => (float y)", 'y = NegativeLogLikelihoodLoss<reduction = "sum">(x, t)', opset=13, t=[0, 4, 2])
case("batch_norm_training", "(float[5,3] x, float[3] s, float[3] b, float[3] m, float[3] v) => (float[5,3] y, float[3] n, float[3] u)",
     "y, n, u = BatchNormalization<training_mode = 1, momentum = 0.75>(x, s, b, m, v)", opset=15, v=[1, 2, 3])
case("dropout_at_rest", "(float[3,5] x) => (float[3,5] y, bool[3,5] m)", "y, m = Dropout(x, half)", init="float half = {0.5}", opset=13)
case("adam_two_steps", "(float r, int64 t, float[3] x, float[3] g, float[3] v, float[3] h) => (float[3] y, float[3] p, float[3] q)",
     f"y, p, q = {PREVIEW}.Adam<alpha = 0.9, beta = 0.99, epsilon = 0.001, norm_coefficient = 0.01>(r, t, x, g, v, h)", domains=f'"{PREVIEW}" : 1', r=0.1, t=2, h=[0.1, 0.2, 0.3])
case("momentum_nesterov", "(float r, int64 t, float[3] x, float[3] g, float[3] v) => (float[3] y, float[3] p)",
     f'y, p = {PREVIEW}.Momentum<alpha = 0.9, beta = 1.0, norm_coefficient = 0.01, mode = "nesterov">(r, t, x, g, v)', domains=f'"{PREVIEW}" : 1', r=0.1, t=1)
case("adagrad", "(float r, int64 t, float[3] x, float[3] g, float[3] h) => (float[3] y, float[3] q)",
     f"y, q = {PREVIEW}.Adagrad<epsilon = 0.001, decay_factor = 0.1, norm_coefficient = 0.01>(r, t, x, g, h)", domains=f'"{PREVIEW}" : 1', r=0.1, t=3, h=[0.5, 1, 2])
case("gradient_of_a_product", "(float[3] a, float[3] b) => (float[3] y, float[3] da, float[3] db)",
     f'c = Mul(a, b) y = Mul(c, a) da, db = {PREVIEW}.Gradient<xs = ["a", "b"], y = "y">(a, b)', domains=f'"{PREVIEW}" : 1',
     expect=lambda a, b: [a * a * b, 2 * a * b, a * a])
