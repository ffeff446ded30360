dlc 1

# ResNet-20 of He et al., "Deep Residual Learning for Image Recognition", 2015, section 4.2, trained by one
# cycle of the learning rate. Unpack CIFAR-10's binary files into data/cifar-10-batches-bin beside this
# file, or name another place with --data.
# Reaches: accuracy >= 0.8585 on the test split.

block basic(x, channels, stride = 1) {
  y    = x |> conv2d(channels, kernel = 3, stride = stride, padding = 1, bias = false) as conv1 |> batch_norm() as bn1 |> relu()
  y    = y |> conv2d(channels, kernel = 3, padding = 1, bias = false) as conv2 |> batch_norm() as bn2
  skip = if stride == 1 and x.channels == channels { x } else {
    x |> conv2d(channels, kernel = 1, stride = stride, bias = false) as project |> batch_norm() as project_bn
  }
  return relu(y + skip)
}

model resnet20(image: f32[N, 3, 32, 32], option width = 16, option blocks = 3) -> (logits) {
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
  augment   = image |> surround((0.4914, 0.4822, 0.4465)) |> random_crop(32, padding = 4) |> random_flip()
  batch     = 128
}

train resnet20 on cifar10 {
  loss      = cross_entropy(logits, label)
  metrics   = accuracy(logits, label)
  optimizer = sgd(lr = one_cycle(max = 0.4, warmup = 0.2), momentum = 0.9, nesterov = true, weight_decay = 5e-4)
  epochs    = 20
}
