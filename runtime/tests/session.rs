//! Sessions over hand-written entries that stand in for compiled code.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

mod stand_in;

use dlc_runtime::{HostTensor, RuntimeError, Session};
use stand_in::{bytes, program};

#[test]
fn a_step_gives_the_same_numbers_for_any_number_of_threads() {
    let mut reports = Vec::new();
    for threads in [1, 2, 3, 7] {
        let mut session = Session::new(program(), threads).unwrap();
        session.initialize(5).unwrap();
        let x: Vec<f32> = (0..8).map(|i| i as f32).collect();
        let mut report = [0.0; 2];
        for _ in 0..50 {
            session.train_step(4, &[&bytes(&x)], &mut report).unwrap();
        }
        assert_eq!(session.tensor("train.step").unwrap().i32_values().unwrap(), [50]);
        reports.push((report.map(f32::to_bits), session.tensor("weight").unwrap()));
    }
    assert!(reports.iter().all(|report| *report == reports[0]));
    // Each step adds the columns' sums, 12 and 16, to the rows of the weight, which began at the seed.
    let expected = [605.0, 805.0, 605.0, 805.0, 605.0, 805.0];
    assert_eq!(reports[0].1.f32_values().unwrap(), expected);
    assert_eq!(reports[0].0, [28.0f32.to_bits(), 4.0f32.to_bits()]);
}

#[test]
fn permuted_tensors_come_and_go_in_the_plain_order() {
    let mut session = Session::new(program(), 1).unwrap();
    let weight = HostTensor::from_f32(&[3, 2], &[1., 2., 3., 4., 5., 6.]).unwrap();
    session.set_tensor("weight", &weight).unwrap();
    assert_eq!(session.tensor("weight").unwrap(), weight);
    let mut row = [0u8; 8];
    session.run("predict", 1, &[("x", &bytes(&[1.0, 10.0]))], &mut [("y", &mut row)]).unwrap();
    // The stand-in computes the sum over rows of the weight, times x.
    assert_eq!(row.to_vec(), bytes(&[9.0, 120.0]));
}

#[test]
fn buffers_without_alignment_work() {
    let mut session = Session::new(program(), 2).unwrap();
    session.set_tensor("weight", &HostTensor::from_f32(&[3, 2], &[1.0; 6]).unwrap()).unwrap();
    let mut input = vec![0u8];
    input.extend(bytes(&[2.0, 4.0]));
    let mut output = [0u8; 12];
    for shift in 0..4 {
        input.splice(0..input.len() - 8, vec![0u8; shift]);
        let result = &mut output[shift..shift + 8];
        session.predict(1, &[&input[shift..]], &mut [result]).unwrap();
        assert_eq!(output[shift..shift + 8], bytes(&[6.0, 12.0]));
    }
}

#[test]
fn wrong_calls_are_errors() {
    let mut session = Session::new(program(), 1).unwrap();
    let x = bytes(&[0.0; 8]);
    let mut report = [0.0; 2];
    let batch = |result| matches!(result, Err(RuntimeError::Batch { batch_max: 4, .. }));
    assert!(batch(session.train_step(0, &[&[]], &mut report)));
    assert!(batch(session.train_step(5, &[&bytes(&[0.0; 10])], &mut report)));
    let error = session.train_step(3, &[&x], &mut report).unwrap_err();
    assert_eq!(error.to_string(), "`x` of `train` takes 24 bytes for a batch of 3; the buffer has 32");
    assert!(matches!(session.train_step(4, &[], &mut report), Err(RuntimeError::Count { .. })));
    assert!(matches!(session.train_step(4, &[&x], &mut report[..1]), Err(RuntimeError::Count { .. })));
    assert!(matches!(session.evaluate(4, &[&x], &mut report), Err(RuntimeError::NoFunction { .. })));
    assert!(matches!(session.run("predict", 4, &[], &mut []), Err(RuntimeError::MissingInput { .. })));
    let unknown = session.run("predict", 4, &[("x", &x), ("z", &x)], &mut []);
    assert!(matches!(unknown, Err(RuntimeError::NoPort { what: "input", .. })));
    let unknown = session.run("predict", 4, &[("x", &x)], &mut [("z", &mut [])]);
    assert!(matches!(unknown, Err(RuntimeError::NoPort { what: "output", .. })));
    let misfit = session.set_tensor("weight", &HostTensor::from_f32(&[2, 3], &[0.0; 6]).unwrap());
    assert_eq!(misfit.unwrap_err().to_string(), "`weight` is f32[3, 2] in the model, not f32[2, 3]");
    assert!(matches!(session.set_scalar_i64("train.step", i64::MAX), Err(RuntimeError::Value { .. })));
    assert!(matches!(session.tensor("nothing"), Err(RuntimeError::NoTensor { .. })));
}

#[test]
fn outputs_by_handle_and_by_name_agree() {
    let mut session = Session::new(program(), 3).unwrap();
    session.initialize(1).unwrap();
    let x = bytes(&[1.0, 2.0, 3.0, 4.0]);
    let handle = session.prepare("predict").unwrap();
    let (mut by_handle, mut by_name) = ([0u8; 16], [0u8; 16]);
    session.call(handle, 2, &[&x], &mut [&mut by_handle]).unwrap();
    session.run("predict", 2, &[("x", &x)], &mut [("y", &mut by_name)]).unwrap();
    assert_eq!(by_handle, by_name);
    assert_eq!(by_handle.to_vec(), bytes(&[3.0, 6.0, 9.0, 12.0]));
    assert_eq!(session.report_names("train").unwrap(), ["loss", "accuracy"]);
}
