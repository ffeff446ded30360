"""ONNX Runtime on the exported model."""

import onnx_file
import onnxruntime
from worker import Unavailable


class Peer:
    def __init__(self, options):
        if options.target != "run":
            raise Unavailable("–")
        self.version = f"ONNX Runtime {onnxruntime.__version__}"
        path, self.layers, x = onnx_file.ensure(options)
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = options.threads
        settings.log_severity_level = 3
        session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
        onnx_file.check(path, session.run(None, {"x": x})[0])

        def step():
            session.run(None, {"x": x})

        self.step = step
