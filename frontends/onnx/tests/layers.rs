//! Operators converted and evaluated by the oracle: sizes, types and faults that the conformance suite leaves out.
//! Expected numbers are worked out by hand or follow from the operator's definition.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use dlc_onnx::Attribute;
use dlc_onnx::convert::Stop;
use dlc_types::DType;
use support::{Case, ints, text};

#[test]
fn a_convolution_with_uneven_padding_in_f64() {
    let case = Case::new("Conv", 22)
        .input(DType::F64, &[1, 1, 3], &[1.0, 2.0, 3.0])
        .input(DType::F64, &[1, 1, 2], &[10.0, 1.0])
        .attribute("pads", ints(&[0, 2]));
    assert_eq!(case.only(), (vec![1, 1, 4], vec![12.0, 23.0, 30.0, 0.0]));
}

#[test]
fn automatic_padding_puts_the_odd_element_where_it_says() {
    for (auto_pad, expected) in [("SAME_UPPER", [3.0, 3.0]), ("SAME_LOWER", [1.0, 5.0])] {
        let case = Case::new("Conv", 22)
            .input(DType::F32, &[1, 1, 3], &[1.0, 2.0, 3.0])
            .input(DType::F32, &[1, 1, 2], &[1.0, 1.0])
            .attribute("strides", ints(&[2]))
            .attribute("auto_pad", text(auto_pad));
        assert_eq!(case.only(), (vec![1, 1, 2], expected.to_vec()));
    }
}

#[test]
fn a_transposed_convolution_of_groups_with_output_padding() {
    let case = Case::new("ConvTranspose", 22)
        .input(DType::F32, &[1, 2, 2], &[1.0, 2.0, 3.0, 4.0])
        .input(DType::F32, &[2, 1, 2], &[1.0, 10.0, 1.0, 100.0])
        .attribute("group", Attribute::Int(2))
        .attribute("strides", ints(&[3]))
        .attribute("output_padding", ints(&[1]));
    let expected = vec![1.0, 10.0, 0.0, 2.0, 20.0, 0.0, 3.0, 300.0, 0.0, 4.0, 400.0, 0.0];
    assert_eq!(case.only(), (vec![1, 2, 6], expected));
}

#[test]
fn places_of_maxima_by_columns() {
    let case = Case::new("MaxPool", 22)
        .input(DType::F64, &[1, 1, 2, 3], &[1.0, 5.0, 2.0, 4.0, 3.0, 6.0])
        .attribute("kernel_shape", ints(&[2, 2]))
        .attribute("storage_order", Attribute::Int(1))
        .outputs(2);
    let results = case.run().unwrap();
    assert_eq!(results[0], (vec![1, 1, 1, 2], vec![5.0, 6.0]));
    assert_eq!(results[1].1, [2.0, 5.0]);
}

#[test]
fn averages_do_not_count_what_ceil_mode_adds() {
    for (include, first) in [(0, 1.5), (1, 1.0)] {
        let case = Case::new("AveragePool", 22)
            .input(DType::F32, &[1, 1, 5], &[1.0, 2.0, 3.0, 4.0, 5.0])
            .attribute("kernel_shape", ints(&[3]))
            .attribute("strides", ints(&[3]))
            .attribute("pads", ints(&[1, 1]))
            .attribute("count_include_pad", Attribute::Int(include))
            .attribute("ceil_mode", Attribute::Int(1));
        // Windows: (padding 1 2) and (3 4 5); none begins in the padding behind.
        assert_eq!(case.only(), (vec![1, 1, 2], vec![first, 4.0]));
    }
}

#[test]
fn products_of_integers_and_vectors() {
    let case = Case::new("MatMul", 13).input(DType::I64, &[2], &[2.0, 3.0]).input(
        DType::I64,
        &[2, 2, 2],
        &[1.0, 0.0, 0.0, 1.0, 1.0, 2.0, 3.0, 4.0],
    );
    assert_eq!(case.only(), (vec![2, 2], vec![2.0, 3.0, 11.0, 16.0]));
}

#[test]
fn einsum_takes_diagonals_and_broadcasts() {
    let case = Case::new("Einsum", 12)
        .input(DType::F64, &[2, 2], &[1.0, 2.0, 3.0, 4.0])
        .input(DType::F64, &[1, 2], &[5.0, 7.0])
        .attribute("equation", text("i i , ...i -> ...i"));
    assert_eq!(case.only(), (vec![1, 2], vec![5.0, 28.0]));
}

#[test]
fn a_determinant_needs_exchanges() {
    let case =
        Case::new("Det", 11).input(DType::F64, &[3, 3], &[0.0, 2.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0]);
    assert_eq!(case.only(), (vec![], vec![-1.0]));
}

#[test]
fn old_batch_normalization_in_training_has_five_outputs() {
    let vector = |case: Case, value: f64| case.input(DType::F64, &[1], &[value]);
    let case = Case::new("BatchNormalization", 9)
        .input(DType::F64, &[2, 1], &[1.0, 3.0])
        .attribute("momentum", Attribute::Float(0.5))
        .attribute("epsilon", Attribute::Float(0.0))
        .outputs(5);
    let case = [2.0, 1.0, 4.0, 8.0].into_iter().fold(case, vector);
    let results: Vec<Vec<f64>> = case.run().unwrap().into_iter().map(|(_, values)| values).collect();
    assert_eq!(results, [vec![-1.0, 3.0], vec![3.0], vec![4.5], vec![2.0], vec![1.0]]);
}

#[test]
fn group_normalization_knows_scales_per_group() {
    let case = Case::new("GroupNormalization", 18)
        .input(DType::F64, &[1, 4], &[1.0, 3.0, 1.0, 5.0])
        .input(DType::F64, &[2], &[1.0, 10.0])
        .input(DType::F64, &[2], &[0.0, 1.0])
        .attribute("num_groups", Attribute::Int(2))
        .attribute("epsilon", Attribute::Float(0.0));
    assert_eq!(case.only(), (vec![1, 4], vec![-1.0, 1.0, -9.0, 11.0]));
}

#[test]
fn a_vector_of_zeros_has_a_normal_form() {
    let case = Case::new("LpNormalization", 22).input(DType::F64, &[2, 2], &[0.0, 0.0, 3.0, 4.0]);
    assert_eq!(case.only(), (vec![2, 2], vec![0.0, 0.0, 0.6, 0.8]));
}

#[test]
fn pads_cut_before_they_mirror() {
    let case = Case::new("Pad", 21)
        .input(DType::I32, &[4], &[1.0, 2.0, 3.0, 4.0])
        .known(DType::I64, &[2], &[2.0, -1.0])
        .attribute("mode", text("reflect"));
    assert_eq!(case.only(), (vec![5], vec![3.0, 2.0, 1.0, 2.0, 3.0]));
}

#[test]
fn a_pad_of_a_computed_value() {
    let case = Case::new("Pad", 21)
        .input(DType::F64, &[2], &[1.0, 2.0])
        .known(DType::I64, &[2], &[1.0, 2.0])
        .input(DType::F64, &[], &[9.0]);
    assert_eq!(case.only(), (vec![5], vec![9.0, 1.0, 2.0, 9.0, 9.0]));
}

#[test]
fn resize_of_opset_10_counts_from_the_corner() {
    let case = Case::new("Resize", 10)
        .input(DType::F64, &[1, 1, 3], &[0.0, 1.0, 2.0])
        .known(DType::F32, &[3], &[1.0, 1.0, 2.0])
        .attribute("mode", text("linear"));
    assert_eq!(case.only(), (vec![1, 1, 6], vec![0.0, 0.5, 1.0, 1.5, 2.0, 2.0]));
}

#[test]
fn columns_overlap_with_dilation() {
    // Blocks of 2 elements with one between, at places 0, 1 and 2 of 5.
    let case = Case::new("Col2Im", 18)
        .input(DType::F64, &[1, 2, 3], &[1.0, 2.0, 3.0, 10.0, 20.0, 30.0])
        .known(DType::I64, &[1], &[5.0])
        .known(DType::I64, &[1], &[2.0])
        .attribute("dilations", ints(&[2]));
    assert_eq!(case.only(), (vec![1, 1, 5], vec![1.0, 2.0, 13.0, 20.0, 30.0]));
}

#[test]
fn overlapping_windows_name_an_element_twice() {
    let case = Case::new("MaxUnpool", 22)
        .input(DType::F64, &[1, 1, 2], &[7.0, 7.0])
        .input(DType::I64, &[1, 1, 2], &[1.0, 1.0])
        .attribute("kernel_shape", ints(&[2]));
    assert_eq!(case.only(), (vec![1, 1, 3], vec![0.0, 7.0, 0.0]));
}

#[test]
fn a_transform_of_one_side_and_back() {
    let signal = [1.0, -2.0, 4.0, 0.5, 3.0];
    let case =
        Case::new("DFT", 20).input(DType::F64, &[1, 5, 1], &signal).attribute("onesided", Attribute::Int(1));
    let (dims, spectrum) = case.only();
    assert_eq!(dims, [1, 3, 2]);
    let back = Case::new("DFT", 20)
        .input(DType::F64, &dims, &spectrum)
        .known(DType::I64, &[], &[5.0])
        .attribute("onesided", Attribute::Int(1))
        .attribute("inverse", Attribute::Int(1));
    let (dims, values) = back.only();
    assert_eq!(dims, [1, 5, 1]);
    assert!(values.iter().zip(signal).all(|(value, was)| (value - was).abs() < 1e-12), "{values:?}");
}

#[test]
fn old_regions_are_not_moved_by_half_an_element() {
    let region = |opset: i64| {
        Case::new("RoiAlign", opset)
            .input(DType::F64, &[1, 1, 4, 4], &(0..16).map(f64::from).collect::<Vec<f64>>())
            .input(DType::F64, &[1, 4], &[0.0, 0.0, 2.0, 2.0])
            .input(DType::I64, &[1], &[0.0])
            .attribute("sampling_ratio", Attribute::Int(1))
            .only()
            .1
    };
    assert_eq!((region(10), region(16)), (vec![5.0], vec![2.5]));
}

#[test]
fn reflections_go_back_and_forth() {
    // -1 … 1 is 0 … 2; the places are -1, 4 and 2.5.
    let case = Case::new("GridSample", 20)
        .input(DType::F64, &[1, 1, 1, 3], &[10.0, 20.0, 30.0])
        .input(DType::F64, &[1, 1, 3, 2], &[-2.0, 0.0, 3.0, 0.0, 1.5, 0.0])
        .attribute("align_corners", Attribute::Int(1))
        .attribute("padding_mode", text("reflection"));
    assert_eq!(case.only(), (vec![1, 1, 1, 3], vec![20.0, 10.0, 25.0]));
}

#[test]
fn windows_follow_the_batch() {
    let image =
        |case: Case| case.batch_input(DType::F64, &[1, 2, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    let kernel = |case: Case| case.input(DType::F64, &[1, 1, 2, 2], &[1.0; 4]);
    let sums = (vec![2, 1, 1, 1], vec![10.0, 26.0]);
    assert_eq!(kernel(image(Case::new("Conv", 22))).only(), sums);
    let pool = image(Case::new("MaxPool", 22)).attribute("kernel_shape", ints(&[2, 2])).outputs(2);
    assert_eq!(pool.run().unwrap(), [(vec![2, 1, 1, 1], vec![4.0, 8.0]), (vec![2, 1, 1, 1], vec![3.0, 7.0])]);
    let resized = image(Case::new("Resize", 19)).missing().known(DType::F32, &[4], &[1.0, 1.0, 0.5, 0.5]);
    assert_eq!(resized.attribute("mode", text("linear")).only(), (vec![2, 1, 1, 1], vec![2.5, 6.5]));
}

#[test]
fn faults_are_told() {
    let conv = |dims: &[usize]| Case::new("Conv", 22).input(DType::F32, &[1, 2, 3], &[0.0; 6]).zeros(dims);
    let faults = [
        conv(&[1, 2, 5]),
        conv(&[1, 2, 2]).attribute("pads", ints(&[1])),
        conv(&[1, 2, 2]).attribute("auto_pad", text("SAME")),
        conv(&[1, 2, 2]).attribute("kernel_shape", ints(&[3])),
        Case::new("MaxPool", 22).zeros(&[1, 1, 4]),
        Case::new("MatMul", 13).zeros(&[2, 3]).zeros(&[2, 3]),
        Case::new("Einsum", 12).zeros(&[2, 3]).attribute("equation", text("ij->k")),
        Case::new("Det", 11).zeros(&[40, 40]),
        Case::new("Resize", 19).zeros(&[2]),
        Case::new("Pad", 21).zeros(&[2]).known(DType::I64, &[1], &[1.0]),
        Case::new("BlackmanWindow", 17).known(DType::I64, &[], &[-3.0]),
    ];
    let told: Vec<String> = faults
        .into_iter()
        .map(|case| match case.run() {
            Err(Stop::Invalid(what)) => format!("invalid: {what}"),
            Err(Stop::NotDone(what)) => format!("not done: {what}"),
            other => panic!("{other:?}"),
        })
        .collect();
    expect_test::expect![[r#"
        invalid: convolve needs a kernel that fits: along spatial axis 0 the kernel of 5 at dilation 1 spans 5, but the padded input has 3 (input f32[1, 2, 3], kernel f32[1, 2, 5], padding (0, 0))
        invalid: its pads must be 2 numbers, not [1]
        invalid: `SAME` is no auto_pad
        invalid: its kernel_shape is [3], but the kernel has [2]
        invalid: its attribute `kernel_shape` is missing
        invalid: f32[2, 3] and f32[2, 3] have no product: 3 is not 2
        invalid: `k` in the result of `ij->k` is in no term
        not done: matrices of 40 rows
        invalid: it needs 1 scales, or 1 sizes, and not both
        invalid: its pads must be 2 numbers, not [1]
        invalid: -3 is no size"#]].assert_eq(&told.join("\n"));
}
