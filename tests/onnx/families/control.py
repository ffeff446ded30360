"""Branches and loops, which see the values around them."""

import numpy as np
from generate import case

BRANCHES = "<then_branch = a () => (float[3] r) { r = Add(x, w) }, else_branch = b () => (float[3] r) { r = Sub(x, w) }>"
case("if_by_a_result", "(float[3] x) => (float[3] y)", f"s = ReduceSum<keepdims = 0>(x) c = Greater(s, limit) z = If(c){BRANCHES} y = Neg(z)",
     init="float[3] w = {1.0, 2.0, 3.0}, float limit = {0.0}", x=[1, -2, 3])
case("if_fed", "(bool c, float[3] x) => (float[3] y)", f"y = If(c){BRANCHES}", init="float[3] w = {1.0, 2.0, 3.0}", c=False, opset=11)
case("if_of_different_shapes", "(bool c, float[3] x) => (float[N] y)",
     "y = If(c)<then_branch = a () => (float[6] r) { r = Concat<axis = 0>(x, x) }, else_branch = b () => (float[3] r) { r = Identity(x) }>", c=True)
case("loop_collects", "(float[3] x, int64 n) => (float[3] last, float[N,3] rows)",
     """last, rows = Loop(n, "", x)<body = g (int64 i, bool go, float[3] v) => (bool on, float[3] u, float[3] row)
     { on = Identity(go) f = CastLike(i, v) u = Add(v, f) row = Mul(u, x) }>""", n=4,
     expect=lambda x, n: [x + 6, np.stack([(x + k) * x for k in (0, 1, 3, 6)])])
case("loop_until", "(float x) => (float y)",
     """y = Loop("", yes, x)<body = g (int64 i, bool go, float v) => (bool on, float u) { u = Mul(v, two) on = Less(u, limit) }>""",
     init="bool yes = {1}, float two = {2.0}, float limit = {100.0}", x=3.0, expect=lambda x: [np.float32(192)])
case("if_in_a_loop", "(float[3] x, int64 n) => (float[3] y)",
     """y = Loop(n, "", x)<body = g (int64 i, bool go, float[3] v) => (bool on, float[3] u) { on = Identity(go) h = Mod(i, two) c = Cast<to = 9>(h)
     u = If(c)<then_branch = a () => (float[3] r) { r = Add(v, x) }, else_branch = b () => (float[3] r) { r = Mul(v, x) }> }>""",
     init="int64 two = {2}", n=3, expect=lambda x, n: [(x * x + x) * x])
case("scan_axes_and_directions", "(float[2] s, float[3,2] a, float[2,3] b) => (float[2] t, float[2,3] y)",
     """t, y = Scan(s, a, b)<num_scan_inputs = 2, scan_input_axes = [0, 1], scan_input_directions = [1, 0], scan_output_axes = [1], scan_output_directions = [1],
     body = g (float[2] v, float[2] p, float[2] q) => (float[2] u, float[2] row) { m = Mul(p, q) u = Add(v, m) row = Neg(u) }>""", opset=11,
     expect=lambda s, a, b: (lambda steps: [steps[-1], -np.stack(steps[::-1], 1)])(list(s + np.cumsum(a[::-1] * b.T, 0))))
case("scan_of_opset_8_lengths", "(int64[2] n, float[2,1] s, float[2,3,1] x) => (float[2,1] t, float[2,3,1] y)",
     "t, y = Scan(n, s, x)<num_scan_inputs = 1, body = g (float[1] v, float[1] p) => (float[1] u, float[1] row) { u = Add(v, p) row = Identity(u) }>", opset=8, n=[3, 2],
     expect=lambda n, s, x: (lambda sums: [np.stack([sums[0, 2], sums[1, 1]]), np.stack([sums[0], np.where(np.arange(3)[:, None] < 2, sums[1], 0)]).astype("f4")])(s[:, None] + np.cumsum(x, 1)))
case("sequence_map_captures", "(seq(float[N]) s, float[2] w) => (seq(float[N]) y, seq(int64[1]) n)",
     "y, n = SequenceMap(s, w)<body = g (float[N] v, float[2] u) => (float[N] r, int64[1] k) { t = Concat<axis = 0>(v, u) r = Mul(t, two) k = Shape(r) }>",
     init="float two = {2.0}", s=[np.ones(3, "f4"), np.zeros(0, "f4"), np.arange(1, dtype="f4")],
     expect=lambda s, w: [[np.concatenate([v, w]) * np.float32(2) for v in s], [np.array([len(v) + 2]) for v in s]])
