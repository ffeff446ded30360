dlc 1

# 3x3 convolutions on maps of 8x8 and 4x4, 256 and 512 channels.

model small_maps(image: f32[N, 256, 8, 8]) -> (logits) {
  h = image
  for i in 0..2 {
    h = h + (h |> conv2d(256, kernel = 3, padding = 1, bias = false) as "eight{i}" |> relu())
  }
  h = h |> max_pool(2) |> conv2d(512, kernel = 1, bias = false) as widen
  for i in 0..2 {
    h = h + (h |> conv2d(512, kernel = 3, padding = 1, bias = false) as "four{i}" |> relu())
  }
  logits = h |> global_avg_pool() |> dense(10) as head
}

data random {
  source = synthetic(samples = 32, classes = 10) -> (image, label)
  batch  = 32
}

train small_maps on random {
  loss      = cross_entropy(logits, label)
  optimizer = sgd(lr = 0.01, momentum = 0.9)
  epochs    = 1
}
