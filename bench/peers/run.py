#!/usr/bin/env python3
"""Times dlc beside other systems on the same models in the same minutes, and writes one table.

    bench/peers/setup.sh
    cargo build --release
    python3 bench/peers/run.py [--cases mlp,resnet20-cifar:train] [--rounds 5] [OUTPUT]

Results are checked before anything is timed: layers have the same numbers of values, the loss of a few steps
falls, what is exported computes what PyTorch does, and dlc's numbers are the interpreter's (`dlc bench`). Then
dlc and every peer take turns, several short rounds; a cell is the median over rounds of each round's median.
Needs nothing but Python; the peers run in their own environment. On a machine with a GPU:

    python3 bench/peers/run.py --device cuda --math tf32 --batch 512 --cases resnet20-cifar:train,resnet18-cifar:train
"""

import argparse
import contextlib
import datetime
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import case as cases

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ON_GPUS = ["pytorch", "pytorch-channels-last", "pytorch-compiled"]
PEERS = ["pytorch", "pytorch-channels-last", "pytorch-compiled", "jax", "onnxruntime", "openvino"]
OUTPUT = f"bench/results/{datetime.date.today()}-peers.md"


def say(text):
    print(text, file=sys.stderr, flush=True)


class Absent(Exception):
    """Why a cell has no time."""


class Dlc:
    """A process per round: `dlc bench` checks, warms up and times for some three seconds."""

    def __init__(self, options, case):
        self.command = [options.dlc, "bench", case.target, case.file, "--batch", str(case.batch)]
        self.flags = ["--threads", str(options.threads), "--device", options.device]
        self.flags += ["--math", options.math] if options.device != "cpu" else []
        self.command += [*self.flags, "--json"]
        self.peaks = []
        if case.target == "train":
            self.check_training(options, case)

    def check_training(self, options, case):
        with tempfile.TemporaryDirectory() as out:
            command = [options.dlc, "train", case.file, "--json", "--set", "train.epochs=2", "--out", out]
            command += ["--set", f"data.batch={case.batch}", *self.flags]
            lines = output(command).splitlines()
        losses = [line["train"]["loss"] for line in map(json.loads, lines) if "epoch" in line]
        if not losses:
            raise Absent("wrong: a training tells no losses")
        check_loss(losses[0], losses[-1])

    def round(self):
        lines = output(self.command).splitlines()
        if not lines:
            raise Absent("wrong: `dlc bench` tells nothing")
        report = json.loads(lines[0])
        self.peaks += [report["peak_gflops"]] if "peak_gflops" in report else []
        return report["median_ms"]

    def close(self):
        pass


def output(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Absent(f"`{shlex.join(command[1:3])}` failed: {done.stderr.strip().splitlines()[-1:]}")
    return done.stdout


def check_loss(first, last):
    if not last < first:
        raise Absent(f"wrong: the loss went from {first:.4f} to {last:.4f}")


class Peer:
    """A process that lives as long as its case."""

    def __init__(self, options, case, name):
        folder = Path(options.environment).absolute() / "bin"
        python = next((folder / name for name in ("python", "python3") if (folder / name).exists()), None)
        if python is None:
            raise Absent("not installed")
        command = [python, "worker.py", "--peer", name, *case.flags(), "--threads", str(options.threads)]
        command += ["--folder", str(Path(options.environment).absolute() / "onnx")]
        command += ["--device", options.device, "--math", options.math]
        log = None if options.verbose else subprocess.DEVNULL
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log}
        self.process = subprocess.Popen(list(map(str, command)), cwd=HERE, text=True, **pipes)
        try:
            self.check(case, options.seconds)
        except BaseException:
            self.close()
            raise

    def check(self, case, seconds):
        facts = self.answer()
        self.version, self.first_s = facts["version"], facts["first_s"]
        if facts["layers"] != case.layers:
            raise Absent(f"wrong: {sum(facts['layers'])} values in layers, {sum(case.layers)} in dlc's")
        warm = self.ask(5)
        if case.target == "train":
            check_loss(facts["first"], warm["last"])
        self.calls = max(3, min(20_000, round(1e3 * seconds / statistics.median(warm["times_ms"]))))

    def answer(self):
        line = self.process.stdout.readline()
        try:
            message = json.loads(line) if line else {"error": "the process ended"}
        except ValueError:
            message = {"error": f"no answer: {line.strip()}"}
        if "error" in message:
            raise Absent(message["error"])
        return message

    def ask(self, calls):
        try:
            self.process.stdin.write(f"run {calls}\n")
            self.process.stdin.flush()
        except OSError:
            raise Absent("the process ended") from None
        return self.answer()

    def round(self):
        return statistics.median(self.ask(self.calls)["times_ms"])

    def close(self):
        # What the process did not read any more is lost with it.
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def measure(options, case):
    """Per system its times, one per round, or why there are none; and what was learnt beside."""
    rows, subjects, facts = {}, {}, {"versions": {}, "first_s": {}, "peaks": []}
    for name in ["dlc", *options.only]:
        try:
            say(f"{case.title}: {name} is checked")
            subjects[name] = Dlc(options, case) if name == "dlc" else Peer(options, case, name)
            if name != "dlc":
                family = subjects[name].version.rsplit(" ", 1)[0]
                facts["versions"][family] = subjects[name].version
                facts["first_s"][name] = subjects[name].first_s
            rows[name] = []
        except Absent as reason:
            rows[name] = str(reason)
            say(f"{case.title}: {name}: {reason}")
    for number in range(options.rounds):
        for name, subject in list(subjects.items()):
            try:
                rows[name].append(subject.round())
                say(f"{case.title}: round {number + 1}: {name} {rows[name][-1]:.4g} ms")
            except Absent as reason:
                rows[name] = str(reason)
                subjects.pop(name).close()
    if "dlc" in subjects:
        facts["peaks"] = subjects["dlc"].peaks
    for subject in subjects.values():
        subject.close()
    return rows, facts


def cell(times):
    return f"{statistics.median(times):.4g}" if isinstance(times, list) and times else "–"


def ratio(options, rows, choose):
    """How many times faster dlc is than the best peer, by the median or the least of the rounds."""
    best = [choose(rows[name]) for name in options.only if isinstance(rows[name], list)]
    return f"{min(best) / choose(rows['dlc']):.2f}" if best and isinstance(rows["dlc"], list) else "–"


def table(options, results):
    """A row per case; the last column is how many times faster dlc is than the best peer."""
    heads = ["case", "dlc", *options.only, "best peer / dlc"]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for case, rows, _ in results:
        cells = [cell(rows[name]) for name in heads[1:-1]]
        lines.append("| " + " | ".join([case.title, *cells, ratio(options, rows, statistics.median)]) + " |")
    return lines


def spread(options, results):
    """The least of each row's rounds: where it is far below the median, somebody else used the machine."""
    lines = []
    for case, rows, _ in results:
        least = [f"{name} {min(rows[name]):.4g}" for name in ["dlc", *options.only] if isinstance(rows[name], list)]
        lines.append(f"- {case.title}: {', '.join(least)}; best peer / dlc {ratio(options, rows, min)}")
    return lines


def page(options, results, command, load):
    versions, peaks = {}, []
    for _, _, facts in results:
        versions |= facts["versions"]
        peaks += facts["peaks"]
    peak = f"FMA peak measured by dlc in the same runs {min(peaks):.0f}–{max(peaks):.0f} GFLOP/s" if peaks else ""
    dlc = subprocess.run([options.dlc, "--version"], capture_output=True, text=True).stdout.strip()
    if Path(options.dlc).resolve().is_relative_to(ROOT):
        dlc += f" (sources at {commit()})"
    arithmetic = "f32" if options.device == "cpu" else f"products in {options.math}, inputs and results in the CPU's memory"
    lines = [
        f"# dlc beside other systems, {datetime.date.today()}",
        "",
        f"Machine: {', '.join([processor(), *graphics(options)])}, {os.cpu_count()} cores, {options.threads} threads used; {peak}.",
        f"Versions: {', '.join([dlc, *versions.values()])}.",
        f"Command: `{command}`. Load of the machine when it began: {load:.1f}.",
        "",
        f"Milliseconds per call, {arithmetic}; medians over {options.rounds} rounds in which all took turns.",
        "",
        *table(options, results),
        "",
        "Least of the rounds' medians, ms:",
        "",
        *spread(options, results),
    ]
    first = [
        f"- {case.title}: " + ", ".join(f"{name} {seconds:.1f}" for name, seconds in facts["first_s"].items())
        for case, _, facts in results
        if facts["first_s"]
    ]
    if first:
        lines += ["", "Seconds of the first call, compilation included:", "", *first]
    absent = [
        f"- {case.title}: {name}: {reason}"
        for case, rows, _ in results
        for name, reason in rows.items()
        if isinstance(reason, str) and reason != "–"
    ]
    if absent:
        lines += ["", "Not measured:", "", *absent]
    return "\n".join(lines) + "\n"


def commit():
    try:
        command = ["git", "rev-parse", "--short", "HEAD"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "an unknown commit"


def processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def graphics(options):
    """The GPU, in the words of its driver's tool."""
    if options.device == "cpu":
        return []
    command = ["nvidia-smi", "--query-gpu=name,driver_version,clocks.max.sm", "--format=csv,noheader", "--id=0"]
    try:
        return [subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()]
    except (OSError, subprocess.CalledProcessError):
        return ["a GPU"]


def wanted(options):
    """The chosen cases: `NAME` for both targets, `NAME:train` or `NAME:run` for one."""
    files = {file.stem: str(file.relative_to(ROOT)) for file in sorted((ROOT / "bench/cases").glob("*.dsl"))}
    known = [(name, target) for target in ("train", "run") for name in files]
    known = [(name, target) for name, target in known if target == "train" or name in cases.RUN_BATCHES]
    chosen = options.cases.split(",") if options.cases else []
    for text in chosen:
        if not any(text in (name, f"{name}:{target}") for name, target in known):
            sys.exit(f"no case is called {text}; there are {', '.join(f'{name}:{target}' for name, target in known)}")
    known = [one for one in known if not chosen or one[0] in chosen or ":".join(one) in chosen]
    return [cases.read(options.dlc, files[name], target, options.batch) for name, target in known]


def missing(options, results):
    """What there is no time of though somebody asked for it: dlc's, and on a GPU all peers'."""
    for case, rows, _ in results:
        measured = [name for name in rows if isinstance(rows[name], list)]
        if "dlc" not in measured:
            yield f"{case.title}: dlc: {rows['dlc']}"
        elif options.device != "cpu" and measured == ["dlc"]:
            yield f"{case.title}: no peer was measured"


def arguments():
    parser = argparse.ArgumentParser(description="dlc beside other systems, in turns")
    parser.add_argument("output", nargs="?", default=OUTPUT, help="the page to write [default: %(default)s]")
    parser.add_argument("--cases", help="NAME, NAME:train or NAME:run, separated by commas [default: all]")
    parser.add_argument("--rounds", type=int, default=5, help="turns of every system [default: %(default)s]")
    parser.add_argument("--seconds", type=float, default=3, help="of a peer's turn [default: %(default)s]")
    parser.add_argument("--threads", type=int, default=2, help="of every system [default: %(default)s]")
    parser.add_argument("--batch", type=int, help="of every case [default: the case's]")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="[default: %(default)s]")
    parser.add_argument("--math", choices=("f32", "tf32", "bf16"), default="f32", help="of products on a GPU [default: %(default)s]")
    parser.add_argument("--only", help=f"peers, separated by commas, of {', '.join(PEERS)} [default: all]")
    parser.add_argument("--dlc", default="target/release/dlc", help="the binary [default: %(default)s]")
    parser.add_argument("--environment", default="target/peers", help="the peers' [default: %(default)s]")
    parser.add_argument("--verbose", action="store_true", help="show what peers write to stderr")
    options = parser.parse_args()
    peers = PEERS if options.device == "cpu" else ON_GPUS
    options.only = options.only.split(",") if options.only else peers
    if unknown := [name for name in options.only if name not in peers]:
        parser.error(f"no peer on {options.device} is called {unknown[0]}; there are {', '.join(peers)}")
    if options.device == "cpu" and options.math != "f32":
        parser.error("--math is of products on a GPU")
    if min(options.rounds, options.threads) < 1:
        parser.error("--rounds and --threads must be at least 1")
    return options


def main():
    os.chdir(ROOT)
    options = arguments()
    if not Path(options.dlc).exists():
        sys.exit(f"{options.dlc} is not there: `cargo build --release` makes it, or --dlc names another")
    # The name alone of a path from elsewhere: where it lay says nothing.
    named = [Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:]]
    command = shlex.join(["python3", "bench/peers/run.py", *named])
    load = os.getloadavg()[0]
    results = []
    Path(options.output).parent.mkdir(parents=True, exist_ok=True)
    for case in wanted(options):
        results.append((case, *measure(options, case)))
        # What is measured stays, whatever ends the rest.
        Path(options.output).write_text(page(options, results, command, load))
        say(f"wrote {options.output}")
    if lacking := list(missing(options, results)):
        sys.exit("\n".join(lacking))


if __name__ == "__main__":
    main()
