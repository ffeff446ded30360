//! Every way to call.

use crate::alone::alone;
use crate::model::*;
use dlc_cuda::CudaDevice;
use dlc_runtime::{Ahead, Call, Device};
use dlc_stand_in_driver::counted;

fn train(device: &mut CudaDevice, expected: &mut Expected, batch: usize, number: usize) {
    let x = samples(batch, number);
    device.call(call(TRAIN, batch), &[&bytes(&x)], &[0]).unwrap();
    assert_eq!(floats(device.output(0)), expected.train(&x), "batch {batch}, call {number}");
}

/// All of a run's bits.
fn run(stepwise: bool, timed: bool) -> (Vec<Vec<f32>>, Vec<f32>) {
    let (mut device, mut expected) = (loaded(), Expected::new());
    device.set_stepwise(stepwise);
    device.time_launches(timed);
    device.upload(&bytes(&expected.persistent)).unwrap();
    let mut outputs = Vec::new();
    for (number, batch) in [3, 20, 3, 1, 20, 17].into_iter().enumerate() {
        train(&mut device, &mut expected, batch, number);
        outputs.push(floats(device.output(0)));
    }
    assert_eq!(downloaded(&device), expected.persistent);
    (outputs, downloaded(&device))
}

alone! {
    fn graphs_and_single_launches_give_the_same_bits() {
        let graphs = run(false, false);
        assert_eq!(run(false, false), graphs);
        assert_eq!(run(true, false), graphs);
    }

    fn without_memory_for_graphs_launches_are_single_ones(DLC_STAND_IN_GRAPHS = "1") {
        let (mut device, mut expected) = (loaded(), Expected::new());
        device.upload(&bytes(&expected.persistent)).unwrap();
        let before = counted();
        for (number, batch) in [2, 7, 2, 5].into_iter().enumerate() {
            train(&mut device, &mut expected, batch, number);
        }
        assert_eq!(downloaded(&device), expected.persistent);
        if let (Some(before), Some(after)) = (before, counted()) {
            // The first batch alone has a graph, which no later call looks for.
            assert_eq!((after.graphs - before.graphs, after.graph_launches - before.graph_launches), (1, 1));
            assert_eq!(after.launches - before.launches, 4 * 6);
        }
    }

    fn parameters_come_back_as_they_went() {
        let mut device = loaded();
        assert_eq!(downloaded(&device), [0.0; PERSISTENT]);
        let values: Vec<f32> = (0..PERSISTENT).map(|at| at as f32 + 0.5).collect();
        device.upload(&bytes(&values)).unwrap();
        assert_eq!(downloaded(&device), values);
        let error = device.upload(&[0; 4]).unwrap_err().to_string();
        assert!(error.ends_with("parameters and states have 48 bytes, not 4"), "{error}");
        assert!(device.download(&mut [0; 49]).is_err());
        // A mistake of the caller's is no fault of the GPU.
        assert_eq!(downloaded(&device), values);
    }

    fn a_graph_is_recorded_once_for_a_batch() {
        let (mut device, mut expected) = (loaded(), Expected::new());
        device.upload(&bytes(&expected.persistent)).unwrap();
        let before = counted();
        for number in 0..12 {
            train(&mut device, &mut expected, [2, 7][number % 2], number);
        }
        if let (Some(before), Some(after)) = (before, counted()) {
            assert_eq!((after.graphs - before.graphs, after.graph_launches - before.graph_launches), (2, 12));
            // A prologue, the scaling, four rounds; and one time of waiting for each call.
            assert_eq!((after.launches - before.launches, after.waits - before.waits), (12 * 6, 12));
        }
    }

    fn more_batches_than_are_kept_are_recorded_again() {
        let (mut device, mut expected) = (loaded(), Expected::new());
        device.upload(&bytes(&expected.persistent)).unwrap();
        let before = counted();
        for number in 0..40 {
            train(&mut device, &mut expected, 1 + number % 10, number);
        }
        assert_eq!(downloaded(&device), expected.persistent);
        if let (Some(before), Some(after)) = (before, counted()) {
            assert_eq!(after.graphs - before.graphs, 40);
            // Those that were given up are gone.
            assert_eq!(after.living - before.living, 8);
        }
    }

    fn the_prologue_is_done_when_it_is_asked_for() {
        let (mut device, expected) = (loaded(), Expected::new());
        device.upload(&bytes(&expected.persistent)).unwrap();
        let x = samples(5, 0);
        let predict = |device: &mut CudaDevice, prepare| {
            let call = Call { function: PREDICT, batch: 5, prepare, clear: false, staged: false };
            device.call(call, &[&bytes(&x)], &[1, 0]).unwrap();
            (floats(device.output(0)), floats(device.output(1)))
        };
        // The arena is zero at first.
        assert_eq!(predict(&mut device, false).1, [0.0; 4]);
        let right = (expected.scaled(&x), expected.factors().to_vec());
        assert_eq!(predict(&mut device, true), right);
        device.upload(&bytes(&[0.0; PERSISTENT])).unwrap();
        assert_eq!(predict(&mut device, false), right);
        assert_eq!(predict(&mut device, true).1, [0.0; 4]);
    }

    fn parts_of_the_arena_are_cleared_when_asked() {
        let mut device = loaded();
        let tally = |device: &mut CudaDevice, clear| {
            let call = Call { function: TALLY, batch: 1, prepare: false, clear, staged: false };
            device.call(call, &[], &[0]).unwrap();
            floats(device.output(0))
        };
        assert_eq!(tally(&mut device, false), [1.0; 8]);
        assert_eq!(tally(&mut device, false), [2.0; 8]);
        assert_eq!(tally(&mut device, true), [1.0; 8]);
        let mut arena = [0xAA; 128];
        device.scratch(&mut arena).unwrap();
        assert_eq!(floats(&arena), [[0.0; 16], [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]].concat());
        assert!(device.scratch(&mut [0; 4096]).is_err());
    }

    fn blocks_have_more_shared_memory_than_a_module_declares() {
        let mut device = loaded();
        device.call(call(FAR, 1), &[], &[0]).unwrap();
        assert_eq!(floats(device.output(0)), [3.0, 2.0, 1.0, 0.0]);
    }

    fn large_inputs_arrive_whole() {
        let x: Vec<f32> = (0..3_000_000).map(|at| at as f32).collect();
        let fed = bytes(&x);
        for byte in [4 << 20, 8 << 20, fed.len() - 16] {
            let (interface, module) = with_large_input(x.len(), byte);
            let mut device = load(0, &interface, &module).unwrap();
            device.call(call(interface.functions.len() - 1, 1), &[&fed], &[0]).unwrap();
            assert_eq!(floats(device.output(0)), x[byte / 4 - 4..byte / 4 + 4]);
        }
    }

    fn only_wanted_outputs_come_back() {
        let (mut device, expected) = (loaded(), Expected::new());
        device.upload(&bytes(&expected.persistent)).unwrap();
        let x = bytes(&samples(2, 0));
        device.call(call(PREDICT, 2), &[&x], &[1]).unwrap();
        assert_eq!((device.output(0).len(), floats(device.output(1))), (0, expected.factors().to_vec()));
        device.call(call(PREDICT, 2), &[&x], &[0]).unwrap();
        assert_eq!((device.output(0).len(), device.output(1).len()), (32, 0));
        assert!(device.output(7).is_empty());
    }

    fn calls_without_wanted_outputs_do_not_wait() {
        let (mut device, mut expected) = (loaded(), Expected::new());
        device.upload(&bytes(&expected.persistent)).unwrap();
        let before = counted();
        for number in 0..9 {
            let x = samples(4, number);
            device.call(call(TRAIN, 4), &[&bytes(&x)], &[]).unwrap();
            expected.train(&x);
        }
        if let (Some(before), Some(after)) = (before, counted()) {
            assert_eq!(after.waits, before.waits);
        }
        assert_eq!(downloaded(&device), expected.persistent);
    }

    fn two_models_share_a_gpu() {
        let (mut one, mut other) = (loaded(), loaded());
        let (mut first, mut second) = (Expected::new(), Expected::new());
        second.persistent[2] = 9.0;
        one.upload(&bytes(&first.persistent)).unwrap();
        other.upload(&bytes(&second.persistent)).unwrap();
        for number in 0..3 {
            train(&mut one, &mut first, 3, number);
            train(&mut other, &mut second, 4, number);
        }
        drop(one);
        train(&mut other, &mut second, 4, 9);
        assert_eq!(downloaded(&other), second.persistent);
    }

    fn a_model_moves_between_threads() {
        let (mut device, mut expected) = (loaded(), Expected::new());
        device.upload(&bytes(&expected.persistent)).unwrap();
        train(&mut device, &mut expected, 3, 0);
        let moved = std::thread::spawn(move || {
            train(&mut device, &mut expected, 3, 1);
            (device, expected)
        });
        let (mut device, mut expected) = moved.join().unwrap();
        train(&mut device, &mut expected, 3, 2);
    }

    fn everything_is_given_back() {
        let (mut device, mut expected) = (loaded(), Expected::new());
        device.upload(&bytes(&expected.persistent)).unwrap();
        train(&mut device, &mut expected, 3, 0);
        device.call(call(TRAIN, 3), &[&bytes(&samples(3, 1))], &[]).unwrap();
        drop(device);
        assert!(load(1_000, &interface(), &module()).is_err());
        let _ = dlc_cuda::devices().unwrap();
        if let Some(counted) = counted() {
            assert_eq!((counted.living, counted.refused), (0, 0));
        }
    }

    fn calls_and_launches_are_timed() {
        let mut device = loaded();
        assert_eq!(device.last_times().unwrap(), None);
        let x = bytes(&samples(3, 0));
        device.call(call(TRAIN, 3), &[&x], &[0]).unwrap();
        let times = device.last_times().unwrap().unwrap();
        assert!(times.kernels > 0.0 && times.inputs >= 0.0 && times.outputs >= 0.0, "{times:?}");
        assert!(times.launches.is_empty() && device.last_launches().is_empty());
        for (stepwise, timed) in [(true, false), (false, true), (true, true), (false, true)] {
            device.set_stepwise(stepwise);
            assert!(device.time_launches(timed));
            device.call(call(TRAIN, 3), &[&x], &[]).unwrap();
            let times = device.last_times().unwrap().unwrap();
            let launched: Vec<usize> = times.launches.iter().map(|launch| launch.number).collect();
            assert_eq!(launched, [0, 1, 2, 2, 2, 2]);
            assert!(times.launches.iter().all(|launch| launch.milliseconds > 0.0));
            assert!(stepwise || times.mark > 0.0);
            let sum: f32 = times.launches.iter().map(|launch| launch.milliseconds).sum();
            assert!(sum <= times.kernels * 1.01, "{sum} of {}", times.kernels);
        }
        device.set_stepwise(false);
        assert!(device.time_launches(false));
        device.call(call(TRAIN, 3), &[&x], &[]).unwrap();
        assert!(device.last_times().unwrap().unwrap().launches.is_empty());
        let names: Vec<String> = device.kernels().into_iter().map(|kernel| kernel.name).collect();
        assert_eq!(names, ["product", "scale", "gather", "count", "copy", "stray", "copy", "far"]);
    }

    fn inputs_sent_ahead_are_those_of_the_next_call() {
        let (mut device, mut expected) = (loaded(), Expected::new());
        device.upload(&bytes(&expected.persistent)).unwrap();
        let calls = [(3, 0), (20, 1), (20, 2), (1, 3), (17, 4)];
        let mut staged = false;
        for (at, &(batch, number)) in calls.iter().enumerate() {
            let x = samples(batch, number);
            let mut sent = bytes(&x);
            device.start(Call { staged, ..call(TRAIN, batch) }, &[&sent], &[0]).unwrap();
            // Taken over by then.
            sent.fill(0xff);
            if let Some(&(batch, number)) = calls.get(at + 1) {
                let mut next = bytes(&samples(batch, number));
                device.stage(Ahead { function: TRAIN, batch, inputs: &[&next] }).unwrap();
                next.fill(0xff);
            }
            device.finish().unwrap();
            assert_eq!(floats(device.output(0)), expected.train(&x), "call {number}");
            staged = true;
        }
        assert_eq!(downloaded(&device), expected.persistent);
    }

    fn inputs_sent_ahead_for_another_call_are_not_taken() {
        let (mut device, mut expected) = (loaded(), Expected::new());
        device.upload(&bytes(&expected.persistent)).unwrap();
        let other = bytes(&samples(5, 9));
        let stage = |device: &mut CudaDevice, batch| {
            device.stage(Ahead { function: TRAIN, batch, inputs: &[&other[..other.len() / 5 * batch]] }).unwrap();
        };
        // Another batch than was told, with and without a claim that it was.
        for (number, staged) in [(0, false), (1, true)] {
            let x = samples(4, number);
            stage(&mut device, 5);
            device.call(Call { staged, ..call(TRAIN, 4) }, &[&bytes(&x)], &[0]).unwrap();
            assert_eq!(floats(device.output(0)), expected.train(&x));
        }
        // What was told is overwritten by the call between.
        stage(&mut device, 5);
        let x = samples(5, 2);
        train(&mut device, &mut expected, 5, 3);
        device.call(Call { staged: true, ..call(TRAIN, 5) }, &[&bytes(&x)], &[0]).unwrap();
        assert_eq!(floats(device.output(0)), expected.train(&x));
        assert!(device.stage(Ahead { function: TRAIN, batch: 5, inputs: &[] }).is_err());
        train(&mut device, &mut expected, 5, 4);
    }

    fn timed_launches_give_the_same_bits() {
        let plain = run(false, false);
        assert_eq!(run(false, true), plain);
    }

    fn launches_are_timed_without_memory_for_graphs(DLC_STAND_IN_GRAPHS = "0") {
        let mut device = loaded();
        device.time_launches(true);
        device.call(call(TRAIN, 3), &[&bytes(&samples(3, 0))], &[0]).unwrap();
        assert_eq!(device.last_launches().len(), 6);
    }

    fn the_gpu_says_what_it_is() {
        let device = loaded();
        let listed = dlc_cuda::devices().unwrap();
        assert_eq!(listed[0].name, device.name());
        assert_eq!((device.info().ordinal, device.info().major), (0, listed[0].major));
        let needs = device.needs();
        assert_eq!((needs.arena, needs.persistent, needs.constants, needs.bindings), (256, 256, 256, 512 * 2 + 256));
        if counted().is_some() {
            let told = dlc_cuda::device(0).unwrap().to_string();
            assert_eq!(told, "dlc stand-in, sm_80, 8.0 GiB, driver for CUDA 12.8");
        }
    }
}
