dlc 1

# Disease progression after one year from ten baseline measurements: regression.

model diabetes(features: f32[N, 10]) -> (progression) {
  x = features |> dense(32) as hidden1 |> relu()
  progression = x |> dense(1) as head
}

data patients {
  source    = csv("data/diabetes.csv", target = "progression") -> (features, target)
  transform = features |> standardize()
  split     = split(validation = 0.1, test = 0.2)
  batch     = 32
}

train diabetes on patients {
  loss      = mse(progression, target)
  metrics   = mae(progression, target)
  optimizer = adam(lr = 0.01)
  epochs    = 60
}
