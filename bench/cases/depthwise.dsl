dlc 1

# Inverted bottlenecks of MobileNet-v2 (Sandler et al., 2018): 1x1, depthwise 3x3, 1x1.

model depthwise(image: f32[N, 24, 56, 56]) -> (logits) {
  h = image
  for i in 0..2 {
    expanded = h |> conv2d(144, kernel = 1, bias = false) as "expand{i}" |> relu()
    h = h + (expanded |> conv2d(144, kernel = 3, padding = 1, groups = 144, bias = false) as "depth{i}" |> relu()
      |> conv2d(24, kernel = 1, bias = false) as "project{i}")
  }
  h = h |> conv2d(144, kernel = 1, bias = false) as widen |> relu()
  h = h |> conv2d(144, kernel = 3, stride = 2, padding = 1, groups = 144, bias = false) as down
  logits = h |> global_avg_pool() |> dense(10) as head
}

data random {
  source = synthetic(samples = 16, classes = 10) -> (image, label)
  batch  = 16
}

train depthwise on random {
  loss      = cross_entropy(logits, label)
  optimizer = sgd(lr = 0.01, momentum = 0.9)
  epochs    = 1
}
