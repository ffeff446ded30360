//! One small kernel for each form of code.

use dlc_codegen_ptx::{Architecture, Math, Module, Options, Source, emit_module};
use dlc_kernel::{Kernel, parse_kernel, verify_kernel};

/// The greatest batch of the cases.
pub(crate) const BATCH: usize = 64;

/// A kernel from its text, verified.
pub(crate) fn kernel(name: &str, text: &str) -> Kernel {
    let kernel = parse_kernel(text).unwrap_or_else(|error| panic!("{name}: {error:?}"));
    verify_kernel(&kernel).unwrap_or_else(|error| panic!("{name}: {error}"));
    kernel
}

/// The module of a kernel's text alone.
pub(crate) fn module(name: &str, text: &str, architecture: Architecture) -> Module {
    module_with(name, text, architecture, Math::F32)
}

/// The same with a choice of how contractions are multiplied. Operands begin where blocks of memory do.
pub(crate) fn module_with(name: &str, text: &str, architecture: Architecture, math: Math) -> Module {
    let kernel = kernel(name, text);
    let alignments = vec![64; kernel.operands.len()];
    let source = Source { name, kernel: &kernel, alignments: &alignments };
    emit_module(name, &[source], Options { architecture, math, batch_max: BATCH }).unwrap()
}

/// Names and texts.
pub(crate) const CASES: &[(&str, &str)] = &[
    ("thread_per_point", THREAD_PER_POINT),
    ("elementwise", ELEMENTWISE),
    ("chunks", CHUNKS),
    ("narrow_lanes", NARROW_LANES),
    ("guarded_window", GUARDED_WINDOW),
    ("softmax_of_a_few", SOFTMAX_OF_A_FEW),
    ("layer_norm", LAYER_NORM),
    ("gathered", GATHERED),
    ("wide_indices", WIDE_INDICES),
    ("dense", DENSE),
    ("convolution", CONVOLUTION),
    ("split_reduction", SPLIT_REDUCTION),
    ("depthwise", DEPTHWISE),
    ("ragged_taps", RAGGED_TAPS),
    ("bytes", BYTES),
    ("epilogue_sums", EPILOGUE_SUMS),
    ("one_row", ONE_ROW),
];

/// Names and texts of kernels with tiles that are too long to read: the same code as of the small ones, in more copies.
pub(crate) const LARGE: &[(&str, &str)] = &[
    ("wide_convolution", WIDE_CONVOLUTION),
    ("large_dense", LARGE_DENSE),
    ("weight_gradient", WEIGHT_GRADIENT),
    ("summed_convolution", SUMMED_CONVOLUTION),
    ("batched_product", BATCHED_PRODUCT),
    ("first_layer", FIRST_LAYER),
    ("transposed", TRANSPOSED),
];

const THREAD_PER_POINT: &str = r#"kernel "relu" (x: f32 read, y: f32 write) space [N, 10] {
  at (i0, i1)
  v0 = load x[10*i0 + i1 + 3]
  v1: f32 = relu v0
  store y[10*i0 + i1] = v1
}"#;

const ELEMENTWISE: &str = r#"kernel "sgd" (w: f32 read, g: f32 read, rate: f32 read, y: f32 write) space [] {
  v0 = load rate[0]
  v1: f32 = neg v0
  lanes for i0 in 0 .. 100000 {
    v2 = load w[i0]
    v3 = load g[i0]
    v4: f32 = fma v1, v3, v2
    store y[i0] = v4
  }
}"#;

const CHUNKS: &str = r#"kernel "chunks" (x: f32 read, y: f32 write) space [16] {
  at (i0)
  i1 = chunk i0 of 16 over 768*N
  i2 = chunk i0 + 1 of 16 over 768*N
  lanes for i3 in i1 .. i2 {
    v0 = load x[i3]
    v1: f32 = tanh v0
    store y[i3] = v1
  }
}"#;

const NARROW_LANES: &str = r#"kernel "scale" (x: bf16 read, mask: bool read, y: f16 write) space [N, 7] {
  at (i0, i1)
  lanes for i2 in 0 .. 10 {
    v0 = load x[70*i0 + 10*i1 + i2]
    v1: f32 = cast v0
    v2 = load mask[10*i1 + i2]
    v3: f32 = const 0.0
    v4: f32 = select v2, v1, v3
    v5: f16 = cast v4
    store y[70*i0 + 10*i1 + i2] = v5
  }
}"#;

const GUARDED_WINDOW: &str = r#"kernel "max_pool" (x: f32 read, y: f32 write) space [N, 4, 4] {
  at (i0, i1, i2)
  lanes for i3 in 0 .. 16 {
    v0: f32 = const -inf
    for i4 in 0 .. 3 carry (v1: f32 = v0) {
      for i5 in 0 .. 3 carry (v2: f32 = v1) {
        v3 = load x[1024*i0 + 256*i1 + 32*i2 + i3 + 128*i4 + 16*i5 - 144] where 0 <= 2*i1 + i4 - 1 < 8, 0 <= 2*i2 + i5 - 1 < 8 else -inf
        v4: f32 = max v2, v3
        yield v4 -> v5
      }
      yield v5 -> v6
    }
    store y[256*i0 + 64*i1 + 16*i2 + i3] = v6
  }
}"#;

const SOFTMAX_OF_A_FEW: &str = r#"kernel "softmax" (x: f32 read, y: f32 read write) space [N] {
  at (i0)
  v0: f32 = const -inf
  lanes for i1 in 0 .. 10 carry (v1: f32 = v0) {
    v2 = load x[10*i0 + i1]
    v3: f32 = max v1, v2
    yield v3 max -> v4
  }
  v5: f32 = const 0.0
  lanes for i2 in 0 .. 10 carry (v6: f32 = v5) {
    v7 = load x[10*i0 + i2]
    v8: f32 = sub v7, v4
    v9: f32 = exp v8
    store y[10*i0 + i2] = v9
    v10: f32 = add v6, v9
    yield v10 sum -> v11
  }
  lanes for i3 in 0 .. 10 {
    v12 = load y[10*i0 + i3]
    v13: f32 = div v12, v11
    store y[10*i0 + i3] = v13
  }
}"#;

const LAYER_NORM: &str = r#"kernel "layer_norm" (x: f32 read, y: f32 write, mean: f32 write) space [N] {
  at (i0)
  v0: f32 = const 0.0
  lanes for i1 in 0 .. 768 carry (v1: f32 = v0, v20: f32 = v0) {
    v2 = load x[768*i0 + i1]
    v3: f32 = add v1, v2
    v21: f32 = mul v2, v2
    v22: f32 = add v20, v21
    yield v3 sum -> v4, v22 sum -> v23
  }
  v5: f32 = const 768.0
  v6: f32 = div v4, v5
  v24: f32 = div v23, v5
  v7: f32 = mul v6, v6
  v8: f32 = sub v24, v7
  v9: f32 = rsqrt v8
  store mean[i0] = v6
  lanes for i2 in 0 .. 768 {
    v10 = load x[768*i0 + i2]
    v11: f32 = sub v10, v6
    v12: f32 = mul v11, v9
    store y[768*i0 + i2] = v12
  }
}"#;

const GATHERED: &str = r#"kernel "gather" (table: f32 read, index: i64 read, y: f32 write) space [N] {
  at (i0)
  v0 = load index[i0]
  i1 = clamp v0 below 1000
  i2 = (i0) / 5
  i3 = (i0) % 5
  i4 = chunk i3 of 5 over 40
  lanes for i5 in 0 .. 8 {
    v1 = load table[8*i1 + i5]
    v2: f32 = index i4
    v3: f32 = add v1, v2
    store y[40*i2 + 8*i3 + i5] = v3
  }
}"#;

const WIDE_INDICES: &str = r#"kernel "copy" (x: i8 read, y: i8 write) space [N, 100000] {
  at (i0, i1)
  lanes for i2 in 0 .. 1000 {
    v0 = load x[100000000*i0 + 1000*i1 + i2]
    store y[100000000*i0 + 1000*i1 + i2] = v0
  }
}"#;

const DENSE: &str = r#"kernel "dense" (lanes: f32 read, rows: f32 read, result: f32, bias: f32 read, y: f32 write) space [8] contraction {
  dim o 12 lanes strides [1, 0, 1]
  dim m N rows strides [0, 20, 12] split 8 align 16 result 0
  dim k 20 reduce strides [12, 1, 0]
  offsets [0, 0, 0]
  taps [(0, 0)]
  tile 2 x 4
  epilogue (i0, i1, i2) v0 {
    v1 = load bias[i0]
    v2: f32 = add v0, v1
    v3: f32 = relu v2
    store y[i0 + 12*i1] = v3
  }
}"#;

const CONVOLUTION: &str = r#"kernel "conv" (lanes: f32 read, rows: f32 read, result: f32 write) space [N, 8] contraction {
  dim n N parallel strides [0, 1600, 1024]
  dim p 8 parallel strides [0, 160, 128]
  dim o 16 lanes strides [1, 0, 1]
  dim q 8 rows strides [0, 16, 16]
  dim c 16 reduce strides [16, 1, 0]
  offsets [0, 0, 0]
  taps [(0, 0), (256, 16), (512, 32), (768, 160), (1024, 176), (1280, 192), (1536, 320), (1792, 336), (2048, 352)]
  tile 2 x 4
}"#;

const SPLIT_REDUCTION: &str = r#"kernel "dw" (lanes: f64 read, rows: f64 read, result: f64 read write) space [4] contraction {
  dim n N reduce_outer strides [40, 15, 0] split 4 align 2 result 24
  dim o 8 lanes strides [1, 0, 1]
  dim i 3 rows strides [0, 1, 8]
  dim p 5 reduce strides [8, 3, 0]
  offsets [0, 0, 0]
  taps [(0, 0)]
  tile 1 x 3
  accumulate
}"#;

const DEPTHWISE: &str = r#"kernel "depthwise" (lanes: f32 read, rows: f32 read, result: f32 write) space [N, 6] contraction {
  dim n N parallel strides [0, 256, 144]
  dim p 6 parallel strides [0, 32, 24]
  dim c 4 lanes strides [1, 1, 1]
  dim q 6 rows strides [0, 4, 4]
  offsets [0, 0, 0]
  taps [(0, 0), (4, 4), (8, 8), (12, 32), (16, 36), (20, 40), (24, 64), (28, 68), (32, 72)]
  tile 1 x 6
}"#;

const RAGGED_TAPS: &str = r#"kernel "ragged" (lanes: f32 read, rows: f32 read, result: f32 write) space [] contraction {
  dim o 8 lanes strides [1, 0, 1]
  dim q 6 rows strides [0, 4, 8]
  dim c 4 reduce strides [8, 1, 0]
  offsets [0, 2, 0]
  taps [(64, 8), (32, 4), (0, 0), (96, 17)]
  tile 2 x 6
}"#;

const BYTES: &str = r#"kernel "bytes" (lanes: i8 read, rows: u8 read, result: i32 write) space [] contraction {
  dim o 16 lanes strides [1, 0, 1]
  dim m N rows strides [0, 8, 16]
  dim k 8 reduce strides [16, 1, 0]
  offsets [0, 0, 0]
  taps [(0, 0)]
  tile 2 x 4
  turns_rows
}"#;

const EPILOGUE_SUMS: &str = r#"kernel "sums" (lanes: f32 read, rows: f32 read, result: f32 write, total: f32 write) space [N] contraction {
  dim n N parallel strides [0, 256, 512]
  dim p 4 sequential strides [0, 64, 128]
  dim o 32 lanes strides [1, 0, 1]
  dim q 4 rows strides [0, 16, 32]
  dim c 16 reduce strides [32, 1, 0]
  offsets [0, 0, 0]
  taps [(0, 0)]
  tile 2 x 4
  epilogue (i0, i1, i2, i3, i4) v0 {
    store result[512*i0 + 128*i1 + i2 + 32*i3] = v0
    v1: f32 = mul v0, v0
  }
  sum total[32*i0 + i2] = v1
}"#;

const WIDE_CONVOLUTION: &str = r#"kernel "wide" (lanes: f32 read, rows: f32 read, result: f32 write) space [N, 32] contraction {
  dim n N parallel strides [0, 73984, 65536]
  dim p 32 parallel strides [0, 2176, 2048]
  dim o 64 lanes strides [1, 0, 1]
  dim q 32 rows strides [0, 64, 64]
  dim c 64 reduce strides [64, 1, 0]
  offsets [0, 0, 0]
  taps [(0, 0), (4096, 64), (8192, 128), (12288, 2176), (16384, 2240), (20480, 2304), (24576, 4352), (28672, 4416), (32768, 4480)]
  tile 2 x 4
}"#;

const LARGE_DENSE: &str = r#"kernel "dense" (lanes: f32 read, rows: f32 read, result: f32, bias: f32 read, y: f32 write) space [8] contraction {
  dim o 4096 lanes strides [1, 0, 1]
  dim m 4096 rows strides [0, 4096, 4096] split 8 align 16 result 0
  dim k 4096 reduce strides [4096, 1, 0]
  offsets [0, 0, 0]
  taps [(0, 0)]
  tile 2 x 4
  epilogue (i0, i1, i2) v0 {
    v1 = load bias[i0]
    v2: f32 = add v0, v1
    v3: f32 = relu v2
    store y[i0 + 4096*i1] = v3
  }
}"#;

const WEIGHT_GRADIENT: &str = r#"kernel "dw" (lanes: f32 read, rows: f32 read, result: f32 read write) space [16] contraction {
  dim r 16 reduce_outer strides [16384, 18432, 0] split 16 align 1 result 36864
  dim p 3 sequential strides [0, 1152, 12288]
  dim q 3 sequential strides [0, 64, 4096]
  dim o 64 lanes strides [1, 0, 1]
  dim i 64 rows strides [0, 1, 64]
  dim s 16 reduce strides [1024, 64, 0]
  dim n N reduce strides [262144, 331776, 0]
  offsets [0, 0, 0]
  taps [(0, 0)]
  tile 2 x 4
  accumulate
}"#;

const SUMMED_CONVOLUTION: &str = r#"kernel "sums" (lanes: f32 read, rows: f32 read, result: f32 write, total: f32 write, squares: f32 write) space [N] contraction {
  dim n N parallel strides [0, 4624, 6272]
  dim p 14 sequential strides [0, 272, 448]
  dim o 32 lanes strides [1, 0, 1]
  dim q 14 rows strides [0, 16, 32]
  dim c 16 reduce strides [32, 1, 0]
  offsets [0, 0, 0]
  taps [(0, 0), (512, 16), (1024, 32), (1536, 272), (2048, 288), (2560, 304)]
  tile 2 x 4
  epilogue (i0, i1, i2, i3, i4) v0 {
    store result[6272*i0 + 448*i1 + i2 + 32*i3] = v0
    v1: f32 = mul v0, v0
  }
  sum total[32*i0 + i2] = v0
  sum squares[32*i0 + i2] = v1
}"#;

const FIRST_LAYER: &str = r#"kernel "first" (lanes: f32 read, rows: f32 read, result: f32 write) space [N, 16] contraction {
  dim n N parallel strides [0, 972, 4096]
  dim p 16 parallel strides [0, 54, 256]
  dim o 16 lanes strides [1, 0, 1]
  dim q 16 rows strides [0, 3, 16]
  dim c 3 reduce strides [16, 1, 0]
  offsets [0, 0, 0]
  taps [(0, 0), (48, 3), (96, 6), (144, 54), (192, 57), (240, 60), (288, 108), (336, 111), (384, 114)]
  tile 1 x 4
}"#;

const TRANSPOSED: &str = r#"kernel "transposed" (lanes: f32 read, rows: f32 read, result: f32 write) space [] contraction {
  dim o 2048 lanes strides [512, 0, 1]
  dim m 4096 rows strides [0, 512, 2048]
  dim k 512 reduce strides [1, 1, 0]
  offsets [0, 0, 0]
  taps [(0, 0)]
  tile 2 x 4
}"#;

const BATCHED_PRODUCT: &str = r#"kernel "attention" (lanes: i8 read, rows: u8 read, result: i32 write) space [N, 4] contraction {
  dim n N parallel strides [4000, 4000, 40000]
  dim h 4 parallel strides [1000, 1000, 10000]
  dim o 100 lanes strides [10, 0, 1]
  dim m 100 rows strides [0, 10, 100]
  dim k 10 reduce strides [1, 1, 0]
  offsets [0, 0, 0]
  taps [(0, 0)]
  tile 2 x 4
  turns_rows
}"#;

const ONE_ROW: &str = r#"kernel "vector" (lanes: f32 read, rows: f32 read, result: f32 write) space [] contraction {
  dim o 1000 lanes strides [1, 0, 1]
  dim m 1 rows strides [0, 0, 0]
  dim k 512 reduce strides [1000, 1, 0]
  offsets [0, 0, 0]
  taps [(0, 0)]
  tile 2 x 1
}"#;
