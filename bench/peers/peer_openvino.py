"""OpenVINO on the exported model, in f32."""

import onnx_file
import openvino
from worker import Unavailable


class Peer:
    def __init__(self, options):
        if options.target != "run":
            raise Unavailable("–")
        self.version = f"OpenVINO {openvino.__version__.split('-')[0]}"
        path, self.layers, x = onnx_file.ensure(options)
        settings = {
            "INFERENCE_NUM_THREADS": options.threads,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
        }
        request = openvino.Core().compile_model(path, "CPU", settings).create_infer_request()
        onnx_file.check(path, request.infer({0: x})[0])

        def step():
            request.infer({0: x})

        self.step = step
