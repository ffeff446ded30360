dlc 1

# 3x3 convolutions of 32 groups, 4 and 8 channels each, as in ResNeXt (Xie et al., 2017).

model grouped(image: f32[N, 128, 32, 32]) -> (logits) {
  h = image |> conv2d(128, kernel = 3, padding = 1, groups = 32, bias = false) as narrow |> relu()
  h = h |> conv2d(256, kernel = 1, bias = false) as widen |> relu()
  h = h |> conv2d(256, kernel = 3, padding = 1, groups = 32, bias = false) as wide
  logits = h |> global_avg_pool() |> dense(10) as head
}

data random {
  source = synthetic(samples = 8, classes = 10) -> (image, label)
  batch  = 8
}

train grouped on random {
  loss      = cross_entropy(logits, label)
  optimizer = sgd(lr = 0.01, momentum = 0.9)
  epochs    = 1
}
