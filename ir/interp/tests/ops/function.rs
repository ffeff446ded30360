use dlc_interp::{InterpError, Tensor, Values, evaluate, evaluate_nodes};
use dlc_ir::{Function, NodeId, Op, text::parse};
use std::time::Instant;

fn function() -> Function {
    parse(
        "fn f {
            %0: f32[N] = input \"x\"
            %1: f32[] = parameter \"w\"
            %2: f32[N] = broadcast(%1) axes=[]
            %3: f32[N] = mul(%0, %2)
            %4: f32[N] = input \"unused\"
            output output \"y\" %3
            output output \"again\" %3
            output parameter \"w\" %1
        }",
    )
    .unwrap()
}

fn feed(op: &Op) -> Option<Tensor> {
    match op {
        Op::Input { name } if name == "x" => Tensor::from_f32(&[2], &[3.0, 4.0]).ok(),
        Op::Parameter { .. } => Tensor::from_f32(&[], &[2.0]).ok(),
        _ => None,
    }
}

#[test]
fn outputs_come_in_order_and_dead_nodes_are_not_asked_for() {
    let results = evaluate(&function(), 2, &feed).unwrap();
    let values: Vec<Vec<f32>> = results.iter().map(Tensor::to_f32).collect();
    assert_eq!(values, [vec![6.0, 8.0], vec![6.0, 8.0], vec![2.0]]);
}

#[test]
fn what_is_fed_is_checked() {
    let missing = evaluate(&function(), 2, &|_| None).unwrap_err();
    assert_eq!(missing, InterpError::MissingExternal { kind: "input", name: "x".to_owned() });
    assert_eq!(missing.to_string(), "input \"x\" is not fed");
    let mismatch = evaluate(&function(), 3, &feed).unwrap_err();
    assert_eq!(mismatch.to_string(), "input \"x\" needs f32[3], not f32[2]");
    let huge = evaluate(&function(), usize::MAX, &feed).unwrap_err();
    assert!(matches!(huge, InterpError::TooLarge { .. }), "{huge}");
    assert!(Tensor::from_f32(&[3], &[1.0]).is_err());
}

#[test]
fn known_nodes_are_taken_as_given() {
    let function = function();
    let ids: Vec<NodeId> = function.nodes.indices().collect();
    let known: Values = [
        (ids[0], vec![Tensor::from_f32(&[2], &[1.0, 10.0]).unwrap()]),
        (ids[2], vec![Tensor::from_f32(&[2], &[5.0, 7.0]).unwrap()]),
    ]
    .into();
    let found = evaluate_nodes(&function, 2, &known, &[ids[3], ids[2]]).unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[&ids[3]][0].to_f32(), [5.0, 70.0]);
    assert_eq!(found[&ids[2]][0].to_f32(), [5.0, 7.0]);
    let missing = evaluate_nodes(&function, 2, &known, &[ids[1]]).unwrap_err();
    assert!(matches!(missing, InterpError::MissingExternal { kind: "parameter", .. }));
    let wrong: Values = [(ids[2], vec![])].into();
    assert!(matches!(
        evaluate_nodes(&function, 2, &wrong, &[ids[3]]).unwrap_err(),
        InterpError::FedMismatch { .. }
    ));
}

/// A stage of ResNet-20 has six such convolutions; the whole step at batch 2 is some sixty of them.
#[test]
fn a_layer_of_a_small_resnet_takes_a_fraction_of_a_second() {
    let nodes = "fn f { %0: f32[N, 16, 32, 32] = input \"x\"  %1: f32[16, 16, 3, 3] = parameter \"w\"
        %2: f32[N, 16, 32, 32] = convolve(%0, %1) strides=[1, 1] padding=[(1, 1), (1, 1)] input_dilation=[1, 1]
            kernel_dilation=[1, 1] groups=1
        output output \"y\" %2 }";
    let function = parse(nodes).unwrap();
    let feed = |op: &Op| {
        let dims: &[usize] = if op.name() == "input" { &[2, 16, 32, 32] } else { &[16, 16, 3, 3] };
        Tensor::from_f32(dims, &vec![1.0; dims.iter().product()]).ok()
    };
    let start = Instant::now();
    let result = evaluate(&function, 2, &feed).unwrap().remove(0).to_f32();
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(result[0], 64.0);
    assert_eq!(result[33], 144.0);
    assert!(seconds < 1.0, "{seconds} s");
}

/// The graph's own test function has a node for each op; every one evaluates to its type.
#[test]
fn every_op_evaluates_to_its_type() {
    let function = parse(include_str!("../../../graph/src/text/every_op.txt")).unwrap();
    for batch in [2, 1] {
        let known: Values = function
            .externals()
            .map(|(id, _)| {
                let ty = function.tensor_type(id);
                (id, vec![Tensor::zeros(ty.dtype, &ty.shape.at(batch))])
            })
            .collect();
        let ids: Vec<NodeId> = function.nodes.indices().collect();
        let found = evaluate_nodes(&function, batch, &known, &ids).unwrap();
        for (id, node) in function.nodes.iter() {
            let types = match &node.ty {
                dlc_ir::Type::Tensor(ty) => std::slice::from_ref(ty),
                dlc_ir::Type::Tuple(types) => types.as_slice(),
            };
            let found: Vec<_> = found[&id].iter().map(|tensor| (tensor.dtype, tensor.dims.clone())).collect();
            let expected: Vec<_> = types.iter().map(|ty| (ty.dtype, ty.shape.at(batch))).collect();
            assert_eq!(found, expected, "{id}");
        }
    }
}
