"""Sequences, optionals, strings, and classical models."""

import numpy as np
from generate import case

text = lambda *values: np.array(values, object)

case("sequence_building", "(float[2] a, float[3] b, int64 at) => (float[N] y, int64 n)",
     "s = SequenceConstruct(a, b) t = SequenceInsert(s, b, at) u = SequenceErase(t, at) y = SequenceAt(t, at) n = SequenceLength(u)", opset=13, at=-1)
case("sequence_split_and_join", "(float[5,3] x) => (seq(float[N,3]) s, float[3,5] y)",
     "s = SplitToSequence<axis = 0>(x, two) t = SplitToSequence<axis = 1, keepdims = 0>(x) y = ConcatFromSequence<axis = 0, new_axis = 1>(t)", init="int64 two = {2}", opset=13)
case("sequence_of_strings", "(seq(string[N]) s, int64 at) => (string[N] y)", "y = SequenceAt(s, at)", at=1, s=[text("a"), text("bc", "")])
case("sequence_empty", "(int32[2] x) => (seq(int32[N]) y)", "e = SequenceEmpty<dtype = 6>() y = SequenceInsert(e, x)", opset=11)
case("optional_value", "(optional(float[3]) x) => (float[3] y, bool b)", "b = OptionalHasElement(x) y = OptionalGetElement(x)", x=np.array([1, 2, 3], "f4"))
case("strings_joined", "(string[2,1] a, string[3] b) => (string[2,3] y)", "y = StringConcat(a, b)", opset=20, ir=9, a=text("x", "é").reshape(2, 1), b=text("1", "", "3"))
case("strings_split", "(string[2] x) => (string[2,N] y, int64[2] n)", 'y, n = StringSplit<delimiter = "-", maxsplit = 1>(x)', opset=20, ir=9, x=text("a-b-c", "d"))
case("strings_normalized", "(string[4] x) => (string[N] y)", 'y = StringNormalizer<case_change_action = "UPPER", stopwords = ["b"]>(x)', x=text("a", "b", "Cd", "e"), opset=10)
case("strings_matched", "(string[3] x) => (bool[3] y)", 'y = RegexFullMatch<pattern = "[a-c]+[0-9]?">(x)', opset=20, ir=9, x=text("abc1", "d", "a"))
case("strings_equal", "(string[3] a, string[3] b) => (bool[3] y)", "y = Equal(a, b)", opset=19, ir=9, a=text("x", "y", ""), b=text("x", "Y", ""))
case("strings_to_numbers", "(string[4] x) => (float[4] y, string[3] z)", "y = Cast<to = 1>(x) z = Cast<to = 8>(k)", init="int64[3] k = {-1, 0, 77}", x=text("1.5", "-2e3", "0", "INF"),
     expect=lambda x: [np.array([1.5, -2000, 0, np.inf], "f4"), text("-1", "0", "77")])
ML = 'ai.onnx.ml'
case("ml_scaler", "(float[2,3] x) => (float[2,3] y)", f"y = {ML}.Scaler<offset = [1.0, 2.0, 3.0], scale = [0.5, 2.0, 1.0]>(x)", domains=f'"{ML}" : 1')
case("ml_linear_regressor", "(float[2,3] x) => (float[2,1] y)", f"y = {ML}.LinearRegressor<coefficients = [1.0, -2.0, 0.5], intercepts = [0.25]>(x)", domains=f'"{ML}" : 1')
case("ml_label_encoder", "(string[3] x) => (int64[3] y)", f'y = {ML}.LabelEncoder<keys_strings = ["a", "b"], values_int64s = [5, 7], default_int64 = -9>(x)', domains=f'"{ML}" : 2', x=text("b", "?", "a"))
case("ml_binarizer_normalizer", "(float[2,3] x) => (float[2,3] y)", f'b = {ML}.Binarizer<threshold = 0.1>(x) a = Add(x, b) y = {ML}.Normalizer<norm = "L2">(a)', domains=f'"{ML}" : 1')
case("ml_tree", "(float[3,2] x) => (float[3,1] y)", f"""y = {ML}.TreeEnsembleRegressor<n_targets = 1, nodes_featureids = [0, 1, 0, 0, 0], nodes_values = [0.5, -0.5, 0.0, 0.0, 0.0],
     nodes_modes = ["BRANCH_LEQ", "BRANCH_GT", "LEAF", "LEAF", "LEAF"], nodes_nodeids = [0, 1, 2, 3, 4], nodes_treeids = [0, 0, 0, 0, 0],
     nodes_truenodeids = [1, 3, 0, 0, 0], nodes_falsenodeids = [2, 4, 0, 0, 0], target_ids = [0, 0, 0], target_nodeids = [2, 3, 4], target_treeids = [0, 0, 0],
     target_weights = [1.0, 2.0, 4.0]>(x)""", domains=f'"{ML}" : 3', x=[[1, 0], [0, 0], [0.5, -1]], expect=lambda x: [np.array([[1], [2], [4]], "f4")])
