"""Arithmetic, comparison, bits, conversion: odd extents, broadcast, all kinds of element types."""

import numpy as np
from generate import case

case("add_broadcast", "(float[3,1,5] a, float[7,1] b) => (float[3,7,5] y)", "y = Add(a, b)")
case("add_axis_of_opset_6", "(float[2,3,5] a, float[3] b) => (float[2,3,5] y)", "y = Add<axis = 1, broadcast = 1>(a, b)",
     opset=6, expect=lambda a, b: [a + b[:, None]])
case("add_bf16", "(bfloat16[3,5] a, bfloat16[5] b) => (bfloat16[3,5] y)", "y = Add(a, b)",
     expect=lambda a, b: [a + b])
case("add_i8_wraps", "(int8[7] a, int8[7] b) => (int8[7] y)", "y = Add(a, b)", opset=14,
     a=[127, -128, 100, 3, -1, 64, 0], b=[1, -1, 100, 4, -127, 64, 0])
case("sub_u16", "(uint16[11] a, uint16[1] b) => (uint16[11] y)", "y = Sub(a, b)", opset=14)
case("mul_u64", "(uint64[3,3] a, uint64[3,3] b) => (uint64[3,3] y)", "y = Mul(a, b)", a=np.full((3, 3), 2**40 + 3))
case("div_i32_truncates", "(int32[6] a, int32[6] b) => (int32[6] y)", "y = Div(a, b)",
     a=[7, -7, 7, -7, 1, 0], b=[2, 2, -2, -2, 3, 5], expect=lambda a, b: [np.trunc(a / b).astype(np.int32)])
case("mod_i32_sign_of_divisor", "(int32[6] a, int32[6] b) => (int32[6] y)", "y = Mod(a, b)",
     a=[7, -7, 7, -7, 1, 0], b=[2, 2, -2, -3, 3, 5])
case("mod_f32_sign_of_dividend", "(float[5] a, float[5] b) => (float[5] y)", "y = Mod<fmod = 1>(a, b)",
     a=[5.5, -5.5, 5.5, 0.25, -7], b=[2, 2, -2, 3, 3])
case("pow_mixed_types", "(float[2,5] a, int64[5] b) => (float[2,5] y)", "y = Pow(a, b)", b=[0, 1, 2, 3, -1])
case("bits_of_u8", "(uint8[9] a, uint8[9] b) => (uint8[9] y)",
     "c = BitwiseAnd(a, b) d = BitwiseXor(c, a) e = BitwiseNot(d) y = BitwiseOr(e, b)")
case("shifts_of_u32", "(uint32[5] a, uint32[5] b) => (uint32[5] y, uint32[5] z)",
     'y = BitShift<direction = "LEFT">(a, b) z = BitShift<direction = "RIGHT">(a, b)', a=[1, 2, 2**31, 77, 2**32 - 1], b=[0, 3, 1, 31, 4])
case("comparisons_f16", "(float16[3,3] a, float16[3] b) => (bool[3,3] y, bool[3,3] z, bool[3,3] w)",
     "y = GreaterOrEqual(a, b) z = Less(a, b) w = Equal(a, a)")
case("logic", "(bool[2,7] a, bool[7] b) => (bool[2,7] y)", "c = And(a, b) d = Xor(c, a) e = Not(d) y = Or(e, b)")
case("min_max_of_three", "(double[3,1] a, double[5] b, double[1] c) => (double[3,5] y, double[3,5] z)",
     "y = Max(a, b, c) z = Min(a, b, c)")
case("mean_of_three", "(float[3,1] a, float[5] b, float[1] c) => (float[3,5] y)", "y = Mean(a, b, c)", expect=lambda a, b, c: [(a + b + c) / np.float32(3)])
case("where_i64", "(bool[3,1] c, int64[5] a, int64[3,5] b) => (int64[3,5] y)", "y = Where(c, a, b)")
case("clip_of_opset_6", "(float[13] x) => (float[13] y)", "y = Clip<min = -0.5, max = 0.75>(x)", opset=6,
     expect=lambda x: [np.clip(x, -0.5, 0.75)])
case("clip_above_only", "(int32[13] x, int32 top) => (int32[13] y)", 'y = Clip(x, "", top)', top=3)
case("round_half_to_even", "(double[9] x) => (double[9] y)", "y = Round(x)", x=[0.5, 1.5, 2.5, -0.5, -1.5, 0.4, 2.6, 1e17, -2.5])
case("signs_i16", "(int16[7] x) => (int16[7] y)", "a = Neg(x) b = Abs(a) c = Sign(x) y = Mul(b, c)")
case("trigonometry_f64", "(double[11] x) => (double[11] y)",
     "a = Asin(x) b = Acos(x) c = Atan(x) d = Tan(x) e = Sin(b) f = Cos(a) y = Sum(a, b, c, d, e, f)", x=np.linspace(-0.95, 0.95, 11))
case("hyperbolic_f32", "(float[11] x) => (float[11] y)",
     "a = Sinh(x) b = Cosh(x) c = Tanh(x) d = Atanh(x) e = Asinh(x) f = Acosh(b) y = Sum(a, b, c, d, e, f)", x=np.linspace(-0.9, 0.9, 11))
case("roots_and_logs_f16", "(float16[9] x) => (float16[9] y)", "a = Sqrt(x) b = Log(x) c = Reciprocal(x) d = Exp(c) y = Sum(a, b, c, d)",
     x=np.linspace(0.5, 4, 9), near=(5e-3, 5e-3))
case("erf_f64", "(double[9] x) => (double[9] y)", "y = Erf(x)", x=np.linspace(-3, 3, 9), near=(1e-6, 1e-7))
case("not_a_number", "(float[6] x) => (bool[6] y, bool[6] z, float[6] w)", "y = IsNaN(x) z = IsInf<detect_negative = 0>(x) w = Relu(x)",
     x=[np.nan, np.inf, -np.inf, 0, -1, 2], expect=lambda x: [np.isnan(x), np.isposinf(x), np.array([np.nan, np.inf, 0, 0, 0, 2], "f4")])
case("cast_f32_to_i32_to_f64", "(float[7] x) => (double[7] y)", "i = Cast<to = 6>(x) y = Cast<to = 11>(i)", x=[-2.9, -0.1, 0, 0.9, 1.5, 1e6, -1e6])
case("cast_to_f8", "(float[7] x) => (float8e4m3fn[7] y)", "y = Cast<to = 17>(x)", opset=19, ir=9, x=[0, 1, -0.4, 3.3, 500, -1e4, 0.002])
case("cast_like_u8", "(int32[5] x, uint8[1] like) => (uint8[5] y)", "y = CastLike(x, like)", x=[0, 3, 255, 7, 100])
