dlc 1

# Stripes, checks, rings or dots? A small convolutional network on a folder of pictures of many sizes, brought to 224x224
# as ImageNet's are: the shorter side to 256 pixels, then a piece of 224, drawn in training and the middle one else, in
# ImageNet's colours. With 72 pictures for training and 28 for the test the accuracy lies between 0.75 and 1 by seed.
#
# Reaches: accuracy >= 0.75 on the test split.

model textures(image: f32[N, 3, 224, 224], option width = 16) -> (logits) {
  x = image |> conv2d(width, kernel = 7, stride = 4, padding = 3, bias = false) as stem |> batch_norm() as stem_norm |> relu()
  for i in 0..3 {
    x = x |> conv2d(width * 2^i, kernel = 3, stride = 2, padding = 1, bias = false) as "conv{i}" |> batch_norm() as "norm{i}" |> relu()
  }
  logits = x |> global_avg_pool() |> dense(4) as head
}

data pictures {
  source    = image_folder("data/textures") -> (image, label)
  transform = image |> resize_shorter(256) |> center_crop(256) |> normalize(mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225])
  augment   = image |> random_crop(224) |> random_flip() |> random_vertical_flip() |> random_rotation(90)
  batch     = 12
}

train textures on pictures {
  loss      = cross_entropy(logits, label)
  metrics   = accuracy(logits, label), confusion_matrix(logits, label)
  optimizer = adam(lr = one_cycle(max = 0.02))
  epochs    = 60
}
