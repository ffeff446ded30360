//! The formatter: one layout, kept by a second run, with all comments.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use dlc_dsl::format;
use expect_test::expect;

#[test]
fn the_examples_are_laid_out() {
    for text in [
        include_str!("programs/dense.dsl"),
        include_str!("programs/resnet.dsl"),
        include_str!("programs/features.dsl"),
    ] {
        assert_eq!(format(text, "test.dsl").unwrap(), text);
    }
}

#[test]
fn spaces_breaks_and_comments() {
    let text = "# head\n\n\ndlc   1\nblock  f( x,k=1 ){\n# inside\n   y=x|>dense( k*2^3 ,bias=false)as a   # one\n\
                 longer   = x[:,0:-1]+(-k) # two\n for i in 0 .. 3{\nz = relu(y\n,\n)\n}\n\n\n  return y @ longer\n      |> relu()\n}\n\n\n";
    let once = format(text, "test.dsl").unwrap();
    expect![[r#"
        # head

        dlc 1
        block f(x, k = 1) {
          # inside
          y      = x |> dense(k * 2^3, bias = false) as a  # one
          longer = x[:, 0:-1] + (-k)                       # two
          for i in 0..3 {
            z = relu(y
              ,
            )
          }

          return y @ longer
            |> relu()
        }
    "#]]
    .assert_eq(&once);
    assert_eq!(format(&once, "test.dsl").unwrap(), once);
}

#[test]
fn bindings_are_aligned_where_the_author_or_the_section_asks() {
    let text = "dlc 1\nmodel m(x: f32[N, 4]) -> (y) {\n  x = relu(x)\n  long = x\n\n  a   = long\n  y = a\n}\ndata d {\n  batch = 1\n  \
                source = synthetic() -> (x)\n}\n";
    expect![[r#"
        dlc 1
        model m(x: f32[N, 4]) -> (y) {
          x = relu(x)
          long = x

          a = long
          y = a
        }
        data d {
          batch  = 1
          source = synthetic() -> (x)
        }
    "#]]
    .assert_eq(&format(text, "test.dsl").unwrap());
}

#[test]
fn faults_are_told_instead() {
    let (_, diagnostics) = format("dlc 1\nmodel m(x: f32[N, 2]) -> (y) { y = ) }\n", "test.dsl").unwrap_err();
    assert_eq!(diagnostics.all[0].code, "DLC0104");
}

#[test]
fn a_file_can_be_made_to_say_what_settings_say() {
    let text = "dlc 1\n\nmodel m(x: f32[N, 4], option width = 8) -> (y) {\n  y = x |> dense(width) as d\n}\n\n\
                data d {\n  source = csv(\"d.csv\", target = \"t\") -> (x, t)   # rows\n  batch = 4\n}\n\n\
                train m on d {\n  loss = mse(y, t)\n  optimizer = sgd(lr = one_cycle(max = 0.1))\n  epochs = 2\n}\n";
    let set = |settings: &[(&str, &str)]| {
        let settings: Vec<(String, String)> =
            settings.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect();
        dlc_dsl::format_with(text, "m.dsl", &settings)
    };
    let all = [
        ("m.width", "16"),
        ("data.batch", "32"),
        ("data.shuffle", "false"),
        ("train.optimizer.lr.max", "0.5"),
        ("train.optimizer.momentum", "0.9"),
        ("train.monitor", "\"loss\""),
    ];
    let written = set(&all).unwrap();
    expect_test::expect![[r#"
        dlc 1

        model m(x: f32[N, 4], option width = 16) -> (y) {
          y = x |> dense(width) as d
        }

        data d {
          source  = csv("d.csv", target = "t") -> (x, t)  # rows
          batch   = 32
          shuffle = false
        }

        train m on d {
          loss      = mse(y, t)
          optimizer = sgd(lr = one_cycle(max = 0.5), momentum = 0.9)
          epochs    = 2
          monitor   = "loss"
        }
    "#]]
    .assert_eq(&written);
    for wrong in [("m.depth", "1"), ("dim.L", "3"), ("train.optimizer", "sgd("), ("train.epochs.x", "1")] {
        let (_, diagnostics) = set(&[wrong]).unwrap_err();
        assert!(diagnostics.has_errors(), "{wrong:?}");
    }
    let only_source = text.replace("  batch = 4\n", "");
    let settings = [("data.batch".to_owned(), "2".to_owned())];
    let written = dlc_dsl::format_with(&only_source, "m.dsl", &settings).unwrap();
    assert!(written.contains("  batch  = 2\n  source = csv("), "{written}");
    // The bracket stands where it stands.
    let apart = text.replace("csv(\"d.csv\", target = \"t\")", "synthetic  ()");
    let settings = [("data.source.samples".to_owned(), "4".to_owned())];
    let written = dlc_dsl::format_with(&apart, "m.dsl", &settings).unwrap();
    assert!(written.contains("synthetic(samples = 4)"), "{written}");
}
