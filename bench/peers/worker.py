"""One peer on one case, kept alive: `run K` on stdin gives one line of JSON with K times on stdout.

The first line tells what the peer is, or why it cannot run. What libraries print goes to stderr.
"""

import argparse
import importlib
import json
import os
import sys
import time

PEERS = {  # name: module
    "pytorch": "peer_torch",
    "pytorch-channels-last": "peer_torch",
    "pytorch-compiled": "peer_torch",
    "jax": "peer_jax",
    "onnxruntime": "peer_onnxruntime",
    "openvino": "peer_openvino",
}


class Unavailable(Exception):
    """A peer that cannot run a case, which is no fault."""


def arguments():
    parser = argparse.ArgumentParser()
    for text in ("peer", "case", "shape"):
        parser.add_argument("--" + text, required=True)
    parser.add_argument("--target", choices=("train", "run"), required=True)
    for number in ("batch", "threads", "classes"):
        parser.add_argument("--" + number, type=int, required=True)
    for number in ("lr", "momentum"):
        parser.add_argument("--" + number, type=float, default=0)
    parser.add_argument("--folder", required=True, help="where ONNX files are kept")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--math", choices=("f32", "tf32", "bf16"), default="f32", help="of products on a GPU")
    chosen = parser.parse_args()
    chosen.shape = tuple(int(size) for size in chosen.shape.split(","))
    return chosen


def main():
    # Libraries write to the standard output: the protocol has a copy of it to itself.
    protocol = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def tell(message):
        print(json.dumps(message), file=protocol, flush=True)

    options = arguments()
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(options.threads)
    if options.peer == "jax" and hasattr(os, "sched_setaffinity"):
        # XLA sizes its pool by the cores that the process may use, when it is imported.
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    try:
        peer = importlib.import_module(PEERS[options.peer]).Peer(options)
        started = time.perf_counter()
        first = peer.step()
        facts = {"first_s": time.perf_counter() - started, "first": first}
        tell({"version": peer.version, "layers": peer.layers, **facts})
        for line in sys.stdin:
            times, last = [], None
            for _ in range(int(line.split()[1])):
                started = time.perf_counter()
                last = peer.step()
                times.append(1e3 * (time.perf_counter() - started))
            tell({"times_ms": times, "last": last})
    except ImportError as error:
        tell({"error": f"not installed ({error.name})", "expected": True})
    except Unavailable as error:
        tell({"error": str(error), "expected": True})
    except Exception as error:
        tell({"error": f"{type(error).__name__}: {str(error)[:200]}"})


if __name__ == "__main__":
    sys.modules["worker"] = sys.modules[__name__]
    main()
