dlc 1

# Which pixels show a disk, which a square? A U-Net (Ronneberger, Fischer, Brox, "U-Net: Convolutional Networks for
# Biomedical Image Segmentation", 2015) whose bottom looks wide by dilated convolutions.
#
# Reaches: mean_iou >= 0.85, accuracy >= 0.97 on the test split.

block twice(x, channels, dilation = 1) {
  y = x |> conv2d(channels, kernel = 3, padding = same, dilation = dilation, bias = false) as conv1 |> batch_norm() as norm1 |> relu()
  y = y |> conv2d(channels, kernel = 3, padding = same, dilation = dilation, bias = false) as conv2 |> batch_norm() as norm2 |> relu()
  return y
}

model segmentation(image: f32[N, 3, 32, 32], option width = 16) -> (logits) {
  fine   = image |> twice(width) as fine
  middle = fine |> max_pool(2) |> twice(2 * width) as middle
  bottom = middle |> max_pool(2) |> twice(4 * width) as bottom |> twice(4 * width, dilation = 2) as wide
  x      = bottom |> conv_transpose2d(2 * width, kernel = 2, stride = 2) as up1
  x      = concat(x, middle) |> twice(2 * width) as middle_up
  x      = x |> conv_transpose2d(width, kernel = 2, stride = 2) as up2
  logits = concat(x, fine) |> twice(width) as fine_up |> conv2d(3, kernel = 1) as head
}

data shapes {
  source    = segmentation("data/shapes") -> (image, label)
  transform = image |> standardize()
  augment   = image |> random_flip() |> random_vertical_flip()
  batch     = 8
}

train segmentation on shapes {
  loss      = cross_entropy(logits, label)
  metrics   = accuracy(logits, label), mean_iou(logits, label)
  optimizer = adam(lr = one_cycle(max = 0.005))
  epochs    = 12
}
