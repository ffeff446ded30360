dlc 1

# The first layer of ImageNet models: 7x7 at stride 2 over three channels.

model first_layer(image: f32[N, 3, 224, 224]) -> (logits) {
  h = image |> conv2d(64, kernel = 7, stride = 2, padding = 3, bias = false) as stem |> relu() |> max_pool(3, stride = 2, padding = 1)
  logits = h |> global_avg_pool() |> dense(10) as head
}

data random {
  source = synthetic(samples = 8, classes = 10) -> (image, label)
  batch  = 8
}

train first_layer on random {
  loss      = cross_entropy(logits, label)
  optimizer = sgd(lr = 0.01, momentum = 0.9)
  epochs    = 1
}
