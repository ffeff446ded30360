"""Quantised tensors, integer products."""

import numpy as np
from generate import case

case("quantize_per_axis", "(float[2,3,5] x) => (uint8[2,3,5] y)", "y = QuantizeLinear<axis = 1>(x, s, z)", opset=13,
     init="float[3] s = {0.01, 0.1, 1.0}, uint8[3] z = {0, 128, 3}")
case("quantize_i4", "(float[7] x) => (int4[7] y)", "y = QuantizeLinear(x, s, z)", opset=21, ir=10, init="float s = {0.25}, int4 z = {1}")
case("dequantize_blocks", "(int8[4,3] x, float[2,3] s) => (float[4,3] y)", "y = DequantizeLinear<axis = 0, block_size = 2>(x, s)", opset=21, ir=10)
case("dequantize_i32", "(int32[5] x) => (float[5] y)", "y = DequantizeLinear(x, s)", opset=13, init="float s = {0.125}", expect=lambda x: [x * np.float32(0.125)])
case("quantize_dynamically", "(float[3,5] x) => (uint8[3,5] y, float s, uint8 z)", "y, s, z = DynamicQuantizeLinear(x)", opset=11)
case("matmul_integer", "(uint8[3,5] a, int8[5,7] b) => (int32[3,7] y)", "y = MatMulInteger(a, b, za, zb)", opset=10, init="uint8 za = {7}, int8 zb = {-3}")
case("conv_integer", "(uint8[1,2,5,5] x, uint8[3,2,3,3] w) => (int32[1,3,A,B] y)", "y = ConvInteger<pads = [1, 0, 1, 0]>(x, w, z)", opset=10, init="uint8 z = {3}")
case("qlinear_matmul", "(uint8[3,5] a, uint8[5,7] b) => (uint8[3,7] y)", "y = QLinearMatMul(a, sa, za, b, sb, zb, sy, zy)", opset=10,
     init="float sa = {0.5}, uint8 za = {4}, float sb = {0.25}, uint8 zb = {5}, float sy = {0.375}, uint8 zy = {100}")
case("qlinear_conv", "(uint8[1,2,5,5] x, uint8[3,2,3,3] w) => (uint8[1,3,3,3] y)", "y = QLinearConv(x, sx, zx, w, sw, zw, sy, zy)", opset=10,
     init="float sx = {0.5}, uint8 zx = {4}, float sw = {0.25}, uint8 zw = {5}, float sy = {1.375}, uint8 zy = {100}")
