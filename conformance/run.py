#!/usr/bin/env python3
"""Runs the standard backend cases of the onnx package through `dlc run`, and tells how each operator fares.

    conformance/setup.sh
    target/conformance/bin/python conformance/run.py --dlc target/release/dlc

A case passes if every output has the right type and shape and is as near to the expected one as the suite asks. Cases
whose expected values come from NumPy's random numbers are judged by type and shape, and counted by themselves. `--manifest
FILE` names the cases that must pass, one a line: the run fails if one of them does not or is not there, or if any
result of any case is wrong. `--renew` writes that file anew, `--scoreboard FILE` a table by operator.
"""

import argparse
import concurrent.futures
import fnmatch
import subprocess
import sys
import tempfile
import warnings
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

warnings.filterwarnings("ignore")

import numpy as np
import onnx
from onnx import OptionalProto, SequenceProto, TensorProto, numpy_helper

#: How a case may end. *Random*: expected values come from NumPy's random numbers, so type and shape are all that is judged.
STATUSES = ("pass", "random", "wrong", "error", "unsupported")
GOOD = ("pass", "random")
RANDOM = {f"test_bernoulli{kind}{form}" for kind in ("", "_double", "_seed") for form in ("", "_expanded")} | {
    f"test_training_dropout{kind}" for kind in ("", "_mask", "_default", "_default_mask")
}


@dataclass
class Case:
    suite: str
    name: str
    model: onnx.ModelProto
    #: (inputs, expected outputs), each a list of messages.
    sets: list = field(default_factory=list)
    relative: float = 1e-3
    absolute: float = 1e-7

    @property
    def operators(self):
        """The operator that a node case is about, or all that a model has."""
        return {f"{node.domain}.{node.op_type}".lstrip(".") for node in self.model.graph.node}


def kind_of(info):
    return info.type.WhichOneof("value") or "tensor_type"


def message(value, info):
    """A value as the message of its kind."""
    if isinstance(value, (TensorProto, SequenceProto, OptionalProto)):
        return value
    if kind_of(info) == "optional_type":
        return numpy_helper.from_optional(value)
    if kind_of(info) == "sequence_type" or isinstance(value, list):
        return numpy_helper.from_list(value)
    return numpy_helper.from_array(np.asarray(value))


def value_of(data, info):
    """The value in a serialised message of the declared kind."""
    kinds = {
        "sequence_type": (SequenceProto, numpy_helper.to_list),
        "optional_type": (OptionalProto, numpy_helper.to_optional),
    }
    proto, convert = kinds.get(kind_of(info), (TensorProto, numpy_helper.to_array))
    parsed = proto()
    parsed.ParseFromString(data)
    return convert(parsed)


def fed_inputs(model, count):
    """The inputs that are fed: all, or those without an initializer where fewer values are given."""
    inputs = list(model.graph.input)
    if count < len(inputs):
        initialized = {tensor.name for tensor in model.graph.initializer}
        inputs = [info for info in inputs if info.name not in initialized]
    return inputs


def node_cases():
    from onnx.backend.test.case.node import collect_testcases

    for case in collect_testcases(None):
        yield Case("node", case.name, case.model, list(case.data_sets or []), case.rtol, case.atol)


def stored_cases(root, suite):
    for folder in sorted((root / suite).iterdir()):
        if not (folder / "model.onnx").exists():
            continue
        model, sets = onnx.load(folder / "model.onnx"), []
        for stored in sorted(folder.glob("test_data_set_*")):
            read = lambda stem, infos: [value_of((stored / f"{stem}_{k}.pb").read_bytes(), info) for k, info in enumerate(infos)]
            count = len(list(stored.glob("input_*.pb")))
            sets.append((read("input", list(model.graph.input)[:count]), read("output", model.graph.output)))
        yield Case(suite, folder.name, model, sets)


def light_cases(root):
    """Networks with small weights: they are fed an even ramp from 0 to 1."""
    for path in sorted((root / "light").glob("light_*.onnx")):
        model = onnx.load(path)
        info = fed_inputs(model, 1)[0]
        shape = [dim.dim_value for dim in info.type.tensor_type.shape.dim]
        ramp = (np.arange(np.prod(shape)).reshape(shape) / np.prod(shape)).astype(np.float32)
        expected = value_of(path.with_name(f"{path.stem}_output_0.pb").read_bytes(), model.graph.output[0])
        yield Case("light", path.stem, model, [([ramp], [expected])], absolute=1e-5)


def all_cases():
    root = Path(onnx.__file__).parent / "backend/test/data"
    yield from node_cases()
    for suite in ("simple", "pytorch-operator", "pytorch-converted"):
        yield from stored_cases(root, suite)
    yield from light_cases(root)


def alike(found, wanted, case):
    """Whether a result is the expected one."""
    if isinstance(wanted, (list, tuple)):
        same_length = isinstance(found, (list, tuple)) and len(found) == len(wanted)
        return same_length and all(alike(a, b, case) for a, b in zip(found, wanted))
    if wanted is None or found is None:
        return wanted is None and found is None
    if isinstance(wanted, TensorProto):
        wanted = numpy_helper.to_array(wanted)
    found, wanted = np.asarray(found), np.asarray(wanted)
    if found.shape != wanted.shape:
        return False
    if wanted.dtype.kind in "OUST":
        text = lambda array: [item.decode() if isinstance(item, bytes) else str(item) for item in array.ravel()]
        return text(found) == text(wanted)
    if found.dtype != wanted.dtype:
        return False
    if case.name in RANDOM:
        return True
    if wanted.dtype.kind in "biu":
        return bool((found == wanted).all())
    wide = np.complex128 if wanted.dtype.kind == "c" else np.float64
    found, wanted = found.astype(wide), wanted.astype(wide)
    return bool(np.allclose(found, wanted, rtol=case.relative, atol=case.absolute, equal_nan=True))


def run_set(dlc, case, inputs, expected, timeout):
    """The status of one set of inputs, and a remark."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "model.onnx").write_bytes(case.model.SerializeToString())
        command = [dlc, "run", str(folder / "model.onnx"), "--output-dir", str(folder / "out")]
        for number, (info, value) in enumerate(zip(fed_inputs(case.model, len(inputs)), inputs)):
            if value is None and kind_of(info) != "optional_type":
                continue
            path = folder / f"input_{number}.pb"
            path.write_bytes(message(value, info).SerializeToString())
            command += ["--input", f"{info.name}=@{path}"]
        try:
            done = subprocess.run(command, capture_output=True, timeout=timeout, text=True, errors="replace")
        except subprocess.TimeoutExpired:
            return "error", "ran out of time"
        remark = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        if done.returncode:
            return ("unsupported" if done.returncode == 4 else "error"), remark
        for info, wanted in zip(case.model.graph.output, expected):
            path = folder / "out" / (info.name.replace("/", "_") + ".pb")
            if not path.exists():
                return "error", f"no output `{info.name}`"
            if not alike(value_of(path.read_bytes(), info), wanted, case):
                return "wrong", f"output `{info.name}`"
    return "pass", ""


def run_case(dlc, case, timeout):
    for inputs, expected in case.sets:
        status, remark = run_set(dlc, case, inputs, expected, timeout)
        if status != "pass":
            return status, remark
    return "random" if case.name in RANDOM else "pass", ""


def scoreboard(results, version):
    by_suite, by_operator = defaultdict(Counter), defaultdict(Counter)
    for case, status, _ in results:
        by_suite[case.suite][status] += 1
        if case.suite == "node":
            for operator in case.operators:
                by_operator[operator][status] += 1
    total = Counter(status for _, status, _ in results)
    lines = [
        "# The standard cases",
        "",
        f"Cases of onnx {version} through `dlc run`, written by `conformance/run.py --scoreboard`. *Unsupported* is told by exit",
        "code 4 with the case's name; *wrong* is a result outside the suite's tolerance; *random* cases are right in type and shape,",
        "which is all that can be judged where expected values come from NumPy's random numbers.",
        "",
        f"| suite | {' | '.join(STATUSES)} | of |",
        "|---|" + "---|" * (len(STATUSES) + 1),
    ]
    row = lambda name, counts: f"| {name} | {' | '.join(str(counts[s]) for s in STATUSES)} | {sum(counts.values())} |"
    lines += [row(suite, counts) for suite, counts in by_suite.items()] + [row("all", total), ""]
    lines += [
        "Node cases by the operators that they use:",
        "",
        f"| operator | {' | '.join(STATUSES)} | of |",
        "|---|" + "---|" * (len(STATUSES) + 1),
    ]
    lines += [row(name, counts) for name, counts in sorted(by_operator.items())]
    lines += ["", "Random cases: " + ", ".join(f"`{name}`" for name in sorted(RANDOM)) + "."]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dlc", required=True, help="the program")
    parser.add_argument("--filter", default="*", help="names of cases, as a shell pattern [default: %(default)s]")
    parser.add_argument("--jobs", type=int, default=2, help="cases at once [default: %(default)s]")
    parser.add_argument("--timeout", type=float, default=60, help="seconds for one call [default: %(default)s]")
    parser.add_argument("--manifest", type=Path, help="cases that must pass")
    parser.add_argument("--renew", action="store_true", help="write the manifest")
    parser.add_argument("--scoreboard", type=Path, help="where a table by operator is written")
    parser.add_argument("--verbose", action="store_true", help="name every case that does not pass")
    options = parser.parse_args()

    cases = [case for case in all_cases() if fnmatch.fnmatch(case.name, options.filter)]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        outcomes = pool.map(lambda case: run_case(options.dlc, case, options.timeout), cases)
        results = [(case, *outcome) for case, outcome in zip(cases, outcomes)]

    label = lambda case: f"{case.suite}/{case.name}"
    status_of = {label(case): (status, remark) for case, status, remark in results}
    counts = Counter(status for _, status, _ in results)
    for name, (status, remark) in status_of.items():
        if status == "wrong" or options.verbose and status not in GOOD:
            print(f"{status:12}{name}: {remark}")
    print(", ".join(f"{counts[status]} {status}" for status in STATUSES), f"of {len(results)}")

    if options.scoreboard:
        options.scoreboard.write_text(scoreboard(results, onnx.__version__))
    passing = sorted(name for name, (status, _) in status_of.items() if status in GOOD)
    broken = []
    if options.manifest and options.renew:
        options.manifest.write_text("\n".join(passing) + "\n")
    elif options.manifest:
        held = [name for name in options.manifest.read_text().split() if fnmatch.fnmatch(name.split("/")[1], options.filter)]
        broken = [name for name in held if status_of.get(name, ("gone", ""))[0] not in GOOD]
        for name in broken:
            print("{:12}{}: {}".format("broken", name, ": ".join(status_of.get(name, ("no such case",)))))
    return 1 if broken or counts["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
