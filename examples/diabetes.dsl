dlc 1

# Disease progression after one year from ten baseline measurements: regression, 64-64-1, ended early.
#
# Reaches: mae <= 48, r2 >= 0.3 on the test split (a mean has mae 66).

model diabetes(features: f32[N, 10]) -> (progression) {
  x = features |> dense(64) as hidden1 |> relu()
  x = x |> dense(64) as hidden2 |> relu()
  progression = x |> dense(1) as head
}

data patients {
  source    = csv("data/diabetes.csv", target = "progression") -> (features, target)
  transform = features |> standardize()
  split     = split(validation = 0.1, test = 0.2)
  batch     = 32
}

train diabetes on patients {
  loss       = mse(progression, target) + l2("*.weight", 0.1)
  metrics    = mae(progression, target), r2(progression, target)
  optimizer  = adam(lr = 0.003)
  early_stop = early_stop(patience = 25, metric = mae)
  epochs     = 200
}
