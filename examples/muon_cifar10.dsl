dlc 1

# A network without residuals for CIFAR-10 after Keller Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024:
# each block halves the picture right behind its first convolution, so that most of the work is done on few pixels, and
# Muon takes the convolutions' gradients for matrices. Unpack CIFAR-10's binary files into
# data/cifar-10-batches-bin beside this file, or name another place with --data. What is said of a picture is the mean of
# what is said of it, its mirror image and both moved by a pixel, as there.
# Reaches: accuracy >= 0.918 on the test split.

block half(x, channels) {
  x = x |> conv2d(channels, kernel = 3, padding = 1, bias = false) as down |> max_pool(2) |> batch_norm() as down_bn |> gelu()
  return x |> conv2d(channels, kernel = 3, padding = 1, bias = false) as conv |> batch_norm() as bn |> gelu()
}

model fast(image: f32[N, 3, 32, 32], option width = 64) -> (logits) {
  x = image |> conv2d(24, kernel = 2, bias = false) as stem |> batch_norm() as stem_bn |> gelu()
  x = x |> half(width) as b1 |> half(4 * width) as b2 |> half(4 * width) as b3
  logits = (x |> max_pool(3) |> flatten() |> dense(10, bias = false) as head) * 0.125
}

data cifar10 {
  source    = cifar10("data/cifar-10-batches-bin") -> (image, label)
  transform = image |> normalize(mean = [0.4914, 0.4822, 0.4465], std = [0.247, 0.2435, 0.2616])
  augment   = image |> surround("reflect") |> random_crop(32, padding = 4) |> random_flip() |> random_erasing(p = 1, area = (0.1, 0.1), ratio = (1, 1))
  views     = image |> flip() |> shift(1)
  batch     = 512
}

train fast on cifar10 {
  loss      = cross_entropy(logits, label, label_smoothing = 0.2)
  metrics   = accuracy(logits, label)
  optimizer = muon(lr = one_cycle(max = 0.1, warmup = 0.2, momentum = none), momentum = 0.6, weight_decay = 0.05, except = ["stem.*", "head.*"], adam_lr = 0.01)
  epochs    = 34
}
