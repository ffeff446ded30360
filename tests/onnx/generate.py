#!/usr/bin/env python3
"""Writes the small ONNX cases of `tests/tests/onnx_cases.rs`: run by hand when a case is added.

    pip install onnx==1.23.2 numpy ml_dtypes
    python tests/onnx/generate.py

Cases are declared in `families/`, one file per family of operators, in ONNX's own text form. Each becomes a folder
`cases/NAME` with `model.onnx`, `input_K.pb` and `output_K.pb`. Inputs that a case does not give are drawn from a generator that
is seeded with its name. Expected results come from onnx's reference evaluator, or from a function in NumPy where that
has no such operator, not in that version, or not as the standard says. `manifest.txt` lists all cases with the tolerances
that results are held to: relative, absolute.
"""

import importlib
import shutil
import sys
import warnings
import zlib
from pathlib import Path

warnings.filterwarnings("ignore")

import ml_dtypes  # noqa: F401 (NumPy's names of the narrow types)
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, parser
from onnx.reference import ReferenceEvaluator

HERE = Path(__file__).parent
FAMILIES = (
    "elementwise",
    "activations",
    "reductions",
    "movement",
    "indexing",
    "linear",
    "images",
    "normalizations",
    "quantized",
    "recurrent",
    "control",
    "hosted",
    "training",
    "structure",
)
#: name -> (model, inputs, function or None, relative, absolute)
CASES = {}
#: Tolerances by what is computed: rounding of the inputs' type.
TOLERANCES = {"float16": (2e-3, 1e-3), "bfloat16": (1e-2, 1e-2), "float64": (1e-9, 1e-12)}


def case(name, signature, nodes, opset=18, domains="", init="", functions="", expect=None, near=None, ir=8, **given):
    """Declares a case: `signature` is `(float[2,3] x) => (float[2,3] y)`, `nodes` are `y = Relu(x)`.

    `given` are values of inputs, `expect` a function of all inputs that gives a list of results, `near` the tolerance.
    """
    assert name not in CASES, name
    opsets = ", ".join([f'"" : {opset}'] + ([domains] if domains else []))
    values = f"<{init}>" if init else ""
    text = f"<ir_version: {ir}, opset_import: [{opsets}]> main {signature} {values} {{ {nodes} }} {functions}"
    try:
        CASES[name] = (parser.parse_model(text), given, expect, near)
    except Exception as error:
        raise SystemExit(f"{name}: {error}\n{text}") from error


def drawn(info, rng):
    """A value for a tensor with fixed extents."""
    kind = info.type.tensor_type
    dims = [dim.dim_value for dim in kind.shape.dim]
    dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type)
    if dtype == np.bool_:
        return rng.integers(0, 2, dims).astype(np.bool_)
    if dtype.kind == "u":
        return rng.integers(0, 10, dims).astype(dtype)
    if dtype.kind == "i":
        return rng.integers(-9, 10, dims).astype(dtype)
    return rng.standard_normal(dims).astype(np.float32).astype(dtype)


def message(value, info):
    kind = info.type.WhichOneof("value")
    if kind == "sequence_type":
        return numpy_helper.from_list([np.asarray(item) for item in value], info.name)
    if kind == "optional_type":
        return numpy_helper.from_optional(value, info.name)
    array = np.asarray(value)
    if array.dtype.kind in "UO":
        return helper.make_tensor(info.name, TensorProto.STRING, array.shape, [str(s).encode() for s in array.ravel()])
    # The evaluator and NumPy widen here and there; the declared type is what the standard asks for.
    return numpy_helper.from_array(array.astype(helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type)), info.name)


def tolerance(inputs):
    names = {str(np.asarray(value).dtype) for value in inputs.values() if not isinstance(value, list)}
    return next((TOLERANCES[name] for name in TOLERANCES if name in names), (1e-4, 1e-5))


def write(name, model, given, expect, near):
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    fixed = {tensor.name for tensor in model.graph.initializer}
    inputs = {}
    for info in model.graph.input:
        if info.name in given:
            kind = info.type.tensor_type
            plain = info.type.HasField("tensor_type") and kind.elem_type != TensorProto.STRING
            dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type) if plain else None
            value = given[info.name]
            inputs[info.name] = np.asarray(value).astype(dtype) if plain else value
        elif info.name not in fixed:
            inputs[info.name] = drawn(info, rng)
    outputs = expect(*inputs.values()) if expect else ReferenceEvaluator(model).run(None, inputs)
    folder = HERE / "cases" / name
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    declared = [info for info in model.graph.input if info.name in inputs]
    for stem, infos, values in (("input", declared, inputs.values()), ("output", model.graph.output, outputs)):
        for place, (info, value) in enumerate(zip(infos, values, strict=True)):
            (folder / f"{stem}_{place}.pb").write_bytes(message(value, info).SerializeToString(deterministic=True))
    relative, absolute = near or tolerance(inputs)
    return f"{name} {relative:g} {absolute:g}"


def main():
    sys.path.insert(0, str(HERE))
    # Families import `case` from this module, which is the one that runs.
    sys.modules["generate"] = sys.modules["__main__"]
    for family in FAMILIES:
        importlib.import_module(f"families.{family}")
    shutil.rmtree(HERE / "cases", ignore_errors=True)
    lines, faults = [], []
    for name, declared in sorted(CASES.items()):
        try:
            lines.append(write(name, *declared))
        except Exception as error:
            faults.append(f"{name}: {type(error).__name__}: {error}")
    if faults:
        raise SystemExit("\n".join(faults))
    (HERE / "manifest.txt").write_text("\n".join(lines) + "\n")
    size = sum(path.stat().st_size for path in (HERE / "cases").rglob("*.*"))
    print(f"{len(lines)} cases, {size} bytes")


if __name__ == "__main__":
    main()
