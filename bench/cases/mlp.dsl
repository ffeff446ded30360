dlc 1

# Dense layers 784-512-256-128-10.

model mlp(x: f32[N, 784]) -> (logits) {
  h = x
  for width in [512, 256, 128] {
    h = h |> dense(width) as "hidden{width}" |> relu()
  }
  logits = h |> dense(10) as head
}

data random {
  source = synthetic(samples = 512, classes = 10) -> (x, label)
  batch  = 64
}

train mlp on random {
  loss      = cross_entropy(logits, label)
  optimizer = sgd(lr = 0.01, momentum = 0.9)
  epochs    = 1
}
