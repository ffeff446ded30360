"""What a file is made of: functions, constants, defaults, names, values that nobody reads."""

import numpy as np
from generate import case

case("function_of_the_model", "(float[3] x) => (float[3] y)", "z = own.twice<alpha = 3.0>(x) y = own.twice(z)", domains='"own" : 1',
     functions='<domain: "own", opset_import: ["" : 18]> twice<alpha: float = 2.0>(v) => (w) { c = Constant<value_float: float = @alpha>() w = Mul(v, c) }',
     expect=lambda x: [x * 6])
case("constants", "(float[2] x) => (float[2] y)", "a = Constant<value_float = 0.5>() b = Constant<value_floats = [1.0, 2.0]>() c = Constant<value = float[2] {3.0, 4.0}>() y = Sum(x, a, b, c)")
case("default_of_an_input", "(float[2] x, float[2] w) => (float[2] y)", "y = Mul(x, w)", init="float[2] w = {3.0, 4.0}", expect=lambda x: [x * np.array([3, 4], "f4")])
case("unread_values", "(float[2] x, float[3] unread) => (float[2] y)", "z = Sin(unread) y = Cos(x)")
case("input_as_output", "(float[2] x) => (float[2] x, float[2] y)", "y = Identity(x)")
case("scalars", "(float x, int64 k) => (float y)", "f = CastLike(k, x) y = Div(x, f)", k=3)
case("empty_extent", "(float[0,3] x) => (float[3] y, float[0,3] z)", "y = ReduceSum<keepdims = 0>(x, axes) z = Exp(x)", init="int64[1] axes = {0}")
case("many_nodes", "(float[5,7] x) => (float[7,5] y)", " ".join(f"v{k + 1} = {op}(v{k})" for k, op in enumerate(["Sin", "Abs", "Sqrt", "Exp", "Neg", "Tanh", "Floor", "Ceil"] * 3)).replace("(v0)", "(x)") + " y = Transpose(v24)")
