#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use super::{verify, verify_model};
use crate::text::parse;
use crate::{Declaration, Function, Initializer, Model, Op, Parameter, State, Type};
use dlc_types::{DType, Dim, Shape, TensorType};

fn broken(body: &str) -> String {
    let function = parse(&format!("fn f {{\n{body}\n}}")).unwrap();
    verify(&function).map_or_else(|error| error.to_string(), |()| "ok".to_owned())
}

#[test]
fn rules_of_functions() {
    assert_eq!(
        broken("%0: f32[2] = input \"x\"  %1: f32[3] = exp(%0)"),
        "%1 of fn f breaks rule 2 of the graph: exp gives f32[2], not f32[3]"
    );
    assert_eq!(
        broken("%0: f32[2, 2] = input \"x\"  %1: f32[2] = input \"s\"
            %2: (f32[2, 2], f32[2], f32[2]) = batch_norm(%0, %1, %1) axis=1 epsilon=0.0  %3: f32[2, 2] = exp(%2)"),
        "%3 of fn f breaks rule 2 of the graph: exp needs tensors, not the tuple (f32[2, 2], f32[2], f32[2]); \
         project it first"
    );
    assert_eq!(
        broken("%0: f32[2] = input \"x\"  %1: f32[2] = input \"x\""),
        "%1 of fn f breaks rule 3 of the graph: second node for input \"x\""
    );
    assert_eq!(broken("%0: f32[2] = input \"x\"  %1: f32[2] = state \"x\""), "ok");
    assert_eq!(
        broken("%0: f32[2] = input \"x\"  output output \"y\" %0  output output \"y\" %0"),
        "output \"y\" of fn f breaks rule 4 of the graph: second output of that role and name"
    );
    assert_eq!(
        broken("%0: f32[2] = input \"x\"  output loss \"y\" %0"),
        "loss \"y\" of fn f breaks rule 5 of the graph: needs a scalar float, not f32[2]"
    );
    assert_eq!(broken("%0: f32[2] = input \"x\"  output metric \"y\" %0"), "ok");
    assert_eq!(
        broken("%0: i32[] = input \"x\"  output metric \"y\" %0"),
        "metric \"y\" of fn f breaks rule 5 of the graph: needs floats, not i32[]"
    );
    assert_eq!(
        broken("%0: f32[] = input \"x\"  output loss \"a\" %0  output loss \"b\" %0"),
        "loss \"b\" of fn f breaks rule 5 of the graph: second loss"
    );
    assert_eq!(
        broken("%0: f32[2] = parameter \"w\"  %1: f32[] = input \"x\"  output gradient \"w\" %1"),
        "gradient \"w\" of fn f breaks rule 6 of the graph: has type f32[], but %0 reads f32[2]"
    );
}

#[test]
fn operands_and_outputs_stand_before_their_use() {
    let mut function =
        parse("fn f { %0: f32[2] = input \"x\"  %1: f32[2] = exp(%0)  output output \"y\" %1 }").unwrap();
    verify(&function).unwrap();
    let last = function.nodes.indices().next_back().unwrap();
    function.nodes[last].operands = vec![last];
    assert_eq!(verify(&function).unwrap_err().rule, 1);
    let function = Function { nodes: Default::default(), ..function };
    assert_eq!(verify(&function).unwrap_err().rule, 4);
}

fn model() -> Model {
    let loss = "fn train { %0: f32[N, 2] = input \"x\"  %1: f32[2] = parameter \"w\"  %2: i32[] = state \"train.step\"
        %3: f32[] = reduce(%0) kind=sum axes=[0, 1]  output loss \"loss\" %3  output state \"mean\" %1 }";
    let ty = TensorType::new(DType::F32, Shape::fixed(&[2]));
    Model {
        name: "m".to_owned(),
        inputs: vec![Declaration {
            name: "x".to_owned(),
            ty: TensorType::new(DType::F32, Shape(vec![Dim::N, Dim::Fixed(2)])),
        }],
        targets: Vec::new(),
        parameters: vec![Parameter {
            name: "w".to_owned(),
            ty: ty.clone(),
            initializer: Initializer::Constant(0.0),
            trainable: true,
            span: None,
        }],
        states: vec![State { name: "mean".to_owned(), ty, initializer: Initializer::Constant(0.0) }],
        predict: parse("fn predict { %0: f32[N, 2] = input \"x\"  output output \"y\" %0 }").unwrap(),
        evaluate: None,
        forward: Some(parse(loss).unwrap()),
        training: None,
    }
}

#[test]
fn rules_of_models() {
    verify_model(&model()).unwrap();
    let rule = |change: fn(&mut Model)| {
        let mut model = model();
        change(&mut model);
        verify_model(&model).unwrap_err().rule
    };
    assert_eq!(rule(|model| model.targets = model.inputs.clone()), 7);
    assert_eq!(rule(|model| model.states[0].name = "w".to_owned()), 7);
    assert_eq!(rule(|model| model.parameters[0].ty.shape = Shape(vec![Dim::N])), 8);
    assert_eq!(rule(|model| model.parameters[0].ty.dtype = DType::I32), 8);
    assert_eq!(rule(|model| model.states.clear()), 9);
    assert_eq!(rule(|model| model.parameters[0].ty.shape = Shape::fixed(&[3])), 9);
    assert_eq!(rule(|model| model.inputs[0].name = "image".to_owned()), 9);
    assert_eq!(rule(|model| model.evaluate = Some(model.predict.clone())), 10);
    assert_eq!(
        rule(|model| {
            for (_, node) in model.predict.nodes.iter_mut() {
                node.op = Op::Parameter { name: "w".to_owned() };
                node.ty = Type::Tensor(TensorType::scalar(DType::F32));
            }
        }),
        9
    );
}
