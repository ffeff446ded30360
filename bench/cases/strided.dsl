dlc 1

# 3x3 convolutions at stride 2 with their 1x1 projections, 64 to 512 channels, 64x64 to 8x8.

model strided(image: f32[N, 64, 64, 64]) -> (logits) {
  h = image
  for i in 0..3 {
    shortcut = h |> conv2d(64 * 2 ^ (i + 1), kernel = 1, stride = 2, bias = false) as "project{i}"
    h = relu(shortcut + (h |> conv2d(64 * 2 ^ (i + 1), kernel = 3, stride = 2, padding = 1, bias = false) as "down{i}"))
  }
  logits = h |> global_avg_pool() |> dense(10) as head
}

data random {
  source = synthetic(samples = 16, classes = 10) -> (image, label)
  batch  = 16
}

train strided on random {
  loss      = cross_entropy(logits, label)
  optimizer = sgd(lr = 0.01, momentum = 0.9)
  epochs    = 1
}
