dlc 1

# CIFAR ResNet-18: widths 64, 128, 256, 512, two blocks each.

block basic(x, channels, stride = 1) {
  y    = x |> conv2d(channels, kernel = 3, stride = stride, padding = 1, bias = false) as conv1 |> batch_norm() as bn1 |> relu()
  y    = y |> conv2d(channels, kernel = 3, padding = 1, bias = false) as conv2 |> batch_norm() as bn2
  skip = if stride == 1 and x.channels == channels { x } else {
    x |> conv2d(channels, kernel = 1, stride = stride, bias = false) as project |> batch_norm() as project_bn
  }
  return relu(y + skip)
}

model resnet18(image: f32[N, 3, 32, 32]) -> (logits) {
  x = image |> conv2d(64, kernel = 3, padding = 1, bias = false) as stem |> batch_norm() as stem_bn |> relu()
  for stage in 0..4 {
    for i in 0..2 {
      x = x |> basic(64 * 2^stage, stride = if i == 0 and stage > 0 { 2 } else { 1 }) as "stage{stage}.block{i}"
    }
  }
  logits = x |> global_avg_pool() |> dense(10) as head
}

data random {
  source = synthetic(samples = 512, classes = 10) -> (image, label)
  batch  = 64
}

train resnet18 on random {
  loss      = cross_entropy(logits, label)
  optimizer = sgd(lr = 0.01, momentum = 0.9)
  epochs    = 1
}
