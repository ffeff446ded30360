"""Products of matrices, attention, transforms."""

import numpy as np
from generate import case

case("matmul_vectors", "(float[7] a, float[7] b) => (float y)", "y = MatMul(a, b)")
case("matmul_batches_broadcast", "(float[3,1,5,7] a, float[2,7,3] b) => (float[3,2,5,3] y)", "y = MatMul(a, b)")
case("matmul_i32", "(int32[3,5] a, int32[5,7] b) => (int32[3,7] y)", "y = MatMul(a, b)")
case("matmul_f64", "(double[5,3] a, double[3] b) => (double[5] y)", "y = MatMul(a, b)")
case("matmul_bf16", "(bfloat16[3,5] a, bfloat16[5,7] b) => (bfloat16[3,7] y)", "y = MatMul(a, b)",
     expect=lambda a, b: [(a.astype("f4") @ b.astype("f4")).astype(a.dtype)])
case("gemm_transposed", "(float[5,3] a, float[7,5] b, float[7] c) => (float[3,7] y)", "y = Gemm<transA = 1, transB = 1, alpha = 0.5, beta = 2.0>(a, b, c)")
case("gemm_of_opset_6", "(float[3,5] a, float[5,7] b, float[1] c) => (float[3,7] y)", "y = Gemm<broadcast = 1>(a, b, c)", opset=6, expect=lambda a, b, c: [a @ b + c])
case("gemm_no_bias_f16", "(float16[3,5] a, float16[5,7] b) => (float16[3,7] y)", "y = Gemm(a, b)", near=(5e-3, 5e-3))
case("einsum_trace_and_ellipsis", "(float[2,3,3,5] a, float[5,7] b) => (float[2,7] y)", 'y = Einsum<equation = "nii k,kj->nj">(a, b)',
     expect=lambda a, b: [np.einsum("niik,kj->nj", a, b)])
case("det_batch", "(double[3,4,4] x) => (double[3] y)", "y = Det(x)", near=(1e-6, 1e-9))
case("attention_causal", "(float[1,2,3,4] q, float[1,2,5,4] k, float[1,2,5,4] v) => (float[1,2,3,4] y)", "y = Attention<is_causal = 1>(q, k, v)", opset=23, ir=11)
case("rotary_embedding", "(float[1,2,3,4] x, float[5,2] c, float[5,2] s, int64[1,3] p) => (float[1,2,3,4] y)", "y = RotaryEmbedding(x, c, s, p)", opset=23, ir=11, p=[[0, 4, 2]])
case("dft_onesided", "(float[1,9,1] x, int64 axis) => (float[1,5,2] y)", 'y = DFT<onesided = 1>(x, "", axis)', opset=20, ir=9, axis=1, near=(1e-4, 1e-4))
case("dft_complex_f64", "(double[2,7,2] x, int64 axis) => (double[2,7,2] y)", 'y = DFT<inverse = 1>(x, "", axis)', opset=20, ir=9, axis=1,
     expect=lambda x, axis: [(lambda z: np.stack([z.real, z.imag], -1))(np.fft.ifft(x[..., 0] + 1j * x[..., 1], axis=1))])
case("stft_window", "(float[1,15,1] x, float[6] w) => (float[1,4,4,2] y)", "y = STFT(x, step, w)", init="int64 step = {3}", opset=17, near=(1e-3, 1e-4),
     expect=lambda x, w: [(lambda z: np.stack([z.real, z.imag], -1)[None].astype("f4"))(np.fft.rfft(np.stack([x[0, 3 * i : 3 * i + 6, 0] * w for i in range(4)]), axis=1))])
case("hann_window", "(int32 n) => (float[N] y)", "y = HannWindow<periodic = 0>(n)", n=7)
