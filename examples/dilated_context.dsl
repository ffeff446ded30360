dlc 1

# The context module of Yu and Koltun, "Multi-Scale Context Aggregation by Dilated Convolutions", 2016:
# 3x3 convolutions whose reach grows to 67 pixels while the maps keep their size. Every pixel is classified.

model dilated_context(image: f32[N, 3, 64, 64], option width = 32) -> (logits) {
  x = image
  for i in 0..7 {
    rates = [1, 1, 2, 4, 8, 16, 1]
    x = x |> conv2d(width, kernel = 3, padding = rates[i], dilation = rates[i], bias = false) as "context{i}"
      |> batch_norm() as "norm{i}" |> relu()
  }
  logits = x |> conv2d(21, kernel = 1) as head
}

data scenes {
  source = synthetic(samples = 64, classes = 21) -> (image, label)
  batch  = 8
}

train dilated_context on scenes {
  loss      = cross_entropy(logits, label)
  metrics   = accuracy(logits, label)
  optimizer = sgd(lr = 0.01, momentum = 0.9)
  epochs    = 2
}
