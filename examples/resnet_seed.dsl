dlc 1

# A wider residual network: stages of 64, 128 and 256 channels, two blocks each.

block basic(x, channels, stride = 1) {
  y    = x |> conv2d(channels, kernel = 3, stride = stride, padding = 1, bias = false) as conv1 |> batch_norm() as bn1 |> relu()
  y    = y |> conv2d(channels, kernel = 3, padding = 1, bias = false) as conv2 |> batch_norm() as bn2
  skip = if stride == 1 and x.channels == channels { x } else {
    x |> conv2d(channels, kernel = 1, stride = stride, bias = false) as project |> batch_norm() as project_bn
  }
  return relu(y + skip)
}

model resnet_seed(image: f32[N, 3, 32, 32], option width = 64, option blocks = 2) -> (logits) {
  x = image |> conv2d(width, kernel = 3, padding = 1, bias = false) as stem |> batch_norm() as stem_bn |> relu()
  for stage in 0..3 {
    for i in 0..blocks {
      x = x |> basic(width * 2^stage, stride = if i == 0 and stage > 0 { 2 } else { 1 }) as "stage{stage}.block{i}"
    }
  }
  logits = x |> global_avg_pool() |> dense(10) as head
}

data cifar10 {
  source    = cifar10("data/cifar-10-batches-bin") -> (image, label)
  transform = image |> normalize(mean = [0.4914, 0.4822, 0.4465], std = [0.247, 0.2435, 0.2616])
  augment   = image |> random_crop(32, padding = 4) |> random_flip()
  batch     = 64
}

train resnet_seed on cifar10 {
  loss      = cross_entropy(logits, label)
  metrics   = accuracy(logits, label)
  optimizer = sgd(lr = one_cycle(max = 0.2, warmup = 0.2), momentum = 0.9, nesterov = true, weight_decay = 5e-4)
  epochs    = 20
}
