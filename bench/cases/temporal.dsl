dlc 1

# 1-D convolutions with growing dilation over a sequence of 1024 steps (Bai, Kolter, Koltun, 2018).

model temporal(image: f32[N, 64, 1024]) -> (logits) {
  h = image
  for i, rate in enumerate([1, 2, 4, 8]) {
    h = h + (h |> conv1d(64, kernel = 3, padding = (2 * rate, 0), dilation = rate, bias = false) as "causal{i}" |> relu())
  }
  logits = h |> global_avg_pool() |> dense(10) as head
}

data random {
  source = synthetic(samples = 16, classes = 10) -> (image, label)
  batch  = 16
}

train temporal on random {
  loss      = cross_entropy(logits, label)
  optimizer = sgd(lr = 0.01, momentum = 0.9)
  epochs    = 1
}
