//! Every operator of the table under inputs and attributes that no one checked: whatever they are, the answer is a value or an
//! error of one line. The draws are the same in every run.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use dlc_host::{Attribute, Attributes, Element, OperatorName, Tensor, Value, evaluate, operators};

/// Numbers that look random.
struct Draws(u64);

impl Draws {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.next(choices.len() as u64) as usize]
    }

    fn number(&mut self) -> i64 {
        const ODD: &[i64] =
            &[0, 1, 2, 3, -1, -2, 4, 5, 7, 100, -100, i64::MAX, i64::MIN, 1 << 40, u32::MAX as i64];
        let likely = self.next(3) as usize;
        self.of(&ODD[..[6, 9, ODD.len()][likely]])
    }

    fn float(&mut self) -> f32 {
        self.of(&[0.0, 1.0, -1.5, 0.5, 3.0, f32::NAN, f32::INFINITY, -1e30, 1e-40])
    }

    fn tensor(&mut self) -> Tensor {
        let rank = self.next(4);
        let dims: Vec<usize> = (0..rank).map(|_| self.of(&[1, 2, 3, 2, 0, 4, 1])).collect();
        let count: usize = dims.iter().product();
        let likely = [Element::I64, Element::F32, Element::F32, Element::String, Element::Bool];
        let element = if self.next(3) == 0 { self.of(Element::ALL) } else { self.of(&likely) };
        let bytes = match element {
            Element::String => {
                let texts =
                    (0..count).map(|_| self.of(&["", "a", "b c", " ü", "1.5", "NaN"]).to_owned()).collect();
                return Tensor::of_strings(dims, texts).unwrap();
            }
            Element::I64 => (0..count).flat_map(|_| self.number().to_ne_bytes()).collect(),
            Element::F32 => (0..count).flat_map(|_| self.float().to_ne_bytes()).collect(),
            // Numbers of one byte or of very many, none of which asks for much work.
            _ => (0..count).flat_map(|_| self.pattern(element.width())).collect(),
        };
        Tensor::new(element, dims, bytes).unwrap()
    }

    fn pattern(&mut self, width: usize) -> Vec<u8> {
        let mut bytes = vec![self.of(&[0, 0, 255]); width];
        bytes[if cfg!(target_endian = "little") { 0 } else { width - 1 }] = self.next(256) as u8;
        bytes
    }

    fn value(&mut self) -> Value {
        match self.next(8) {
            0 => Value::Sequence((0..self.next(3)).map(|_| Value::Tensor(self.tensor())).collect()),
            1 => Value::Optional(None),
            2 => Value::Optional(Some(Box::new(Value::Tensor(self.tensor())))),
            _ => Value::Tensor(self.tensor()),
        }
    }

    fn attribute(&mut self, name: &str) -> Attribute {
        let length = self.next(4) as usize;
        let texts = [
            "NONE",
            "SOFTMAX",
            "constant",
            "reflect",
            "wrap",
            "add",
            "BRANCH_LEQ",
            "LEAF",
            "(",
            "a",
            "TF",
            "L2",
        ];
        let listed =
            ["axes", "perm", "shape", "keys", "nodes", "pool", "ngram", "class", "target", "cats", "split"];
        let kinds = if listed.iter().any(|part| name.contains(part)) { 12 } else { 6 };
        match self.next(kinds) {
            0..4 => Attribute::Int(self.number()),
            4 => Attribute::Float(self.float()),
            5 => Attribute::String(self.of(&texts).to_owned()),
            6 | 7 => Attribute::Ints((0..length).map(|_| self.number()).collect()),
            8 => Attribute::Floats((0..length).map(|_| self.float()).collect()),
            9 => Attribute::Strings((0..length).map(|_| self.of(&texts).to_owned()).collect()),
            _ => Attribute::Tensor(self.tensor()),
        }
    }
}

/// Names of the attributes that any operator here reads.
const NAMES: &[&str] = &[
    "axis",
    "axes",
    "to",
    "perm",
    "keepdims",
    "mode",
    "block_size",
    "dtype",
    "k",
    "value",
    "split",
    "num_outputs",
    "shape",
    "allowzero",
    "start",
    "end",
    "batch_axis",
    "time_axis",
    "batch_dims",
    "reduction",
    "sorted",
    "largest",
    "delimiter",
    "maxsplit",
    "pattern",
    "stopwords",
    "min_gram_length",
    "max_gram_length",
    "max_skip_count",
    "ngram_counts",
    "ngram_indexes",
    "pool_int64s",
    "pool_strings",
    "weights",
    "new_axis",
    "seed",
    "sample_size",
    "output_datatype",
    "keys_int64s",
    "values_strings",
    "keys_tensor",
    "values_tensor",
    "cats_int64s",
    "coefficients",
    "intercepts",
    "targets",
    "classlabels_ints",
    "classlabels_int64s",
    "post_transform",
    "nodes_splits",
    "nodes_modes",
    "nodes_featureids",
    "nodes_truenodeids",
    "nodes_falsenodeids",
    "nodes_trueleafs",
    "nodes_falseleafs",
    "leaf_targetids",
    "leaf_weights",
    "tree_roots",
    "n_targets",
    "nodes_treeids",
    "nodes_nodeids",
    "nodes_values",
    "target_treeids",
    "target_nodeids",
    "target_ids",
    "target_weights",
    "class_treeids",
    "class_nodeids",
    "class_ids",
    "class_weights",
    "base_values",
    "imputed_value_floats",
    "norm",
    "offset",
    "scale",
    "periodic",
    "transA",
    "noop_with_empty_axes",
    "onesided",
    "inverse",
];

#[test]
fn no_operator_panics() {
    let mut draws = Draws(5);
    let (mut values, mut errors) = (0, 0);
    for row in operators() {
        for _ in 0..400 {
            let name = OperatorName {
                domain: row.domain.to_owned(),
                op_type: row.name.to_owned(),
                version: row.since.max(13),
            };
            let inputs: Vec<Option<Value>> =
                (0..draws.next(6)).map(|_| (draws.next(9) > 0).then(|| draws.value())).collect();
            let inputs: Vec<Option<&Value>> = inputs.iter().map(Option::as_ref).collect();
            let mut attributes = Attributes::new();
            for &name in NAMES {
                if draws.next(3) == 0 {
                    attributes.insert(name.to_owned(), draws.attribute(name));
                }
            }
            let outputs = 1 + draws.next(3) as usize;
            match evaluate(&name, &attributes, &inputs, outputs) {
                Ok(given) => {
                    assert_eq!(given.len(), outputs);
                    values += 1;
                }
                Err(error) => {
                    let message = error.to_string();
                    assert!(!message.contains('\n') && message.starts_with(&name.to_string()), "{message}");
                    assert!(!message.contains("a bug in dlc"), "{message}");
                    errors += 1;
                }
            }
        }
    }
    assert!(values > 1000 && errors > 1000, "{values} values, {errors} errors");
}
