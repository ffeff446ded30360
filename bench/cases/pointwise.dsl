dlc 1

# 1x1 convolutions of bottleneck blocks (256 to 64 and back, 32x32).

model pointwise(image: f32[N, 256, 32, 32]) -> (logits) {
  h = image
  for i in 0..2 {
    h = h + (h |> conv2d(64, kernel = 1, bias = false) as "reduce{i}" |> relu() |> conv2d(256, kernel = 1, bias = false) as "expand{i}")
  }
  logits = h |> global_avg_pool() |> dense(10) as head
}

data random {
  source = synthetic(samples = 16, classes = 10) -> (image, label)
  batch  = 16
}

train pointwise on random {
  loss      = cross_entropy(logits, label)
  optimizer = sgd(lr = 0.01, momentum = 0.9)
  epochs    = 1
}
