//! Sources of arrays, pictures and label maps: what is read, and what is told of damaged files.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

mod fake;

use dlc_recipe::{Arrays, Augment, Data, IdxFiles, Source, Transform};
use dlc_runtime::HostTensor;
use dlc_trainer::numpy::write_npy;
use dlc_trainer::{Column, Pass, PreparedData};
use dlc_types::DType;
use fake::{ALL, batches, data, field, floats, open, write_picture};
use std::io::Write;
use std::path::Path;

fn all(source: Source, fields: Vec<dlc_recipe::Field>) -> Data {
    Data { split: ALL, ..data(source, fields, 64) }
}

/// The inputs of one batch of everything.
fn whole(data: &PreparedData, fields: usize) -> Vec<Vec<u8>> {
    let order: Vec<usize> = (0..data.dataset().samples).collect();
    let feed: Vec<usize> = (0..fields).collect();
    let pass = Pass { order: &order, batch: order.len(), feed: &feed, random: None };
    batches(data, &pass).remove(0).1
}

fn told(data: &Data, folder: &Path) -> String {
    open(data, folder).unwrap_err().to_string()
}

fn integers(bytes: &[u8]) -> Vec<i32> {
    bytes.as_chunks().0.iter().map(|&one| i32::from_ne_bytes(one)).collect()
}

fn idx(kind: u8, dims: &[u32], elements: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, kind, dims.len() as u8];
    dims.iter().for_each(|dim| bytes.extend(dim.to_be_bytes()));
    bytes.extend(elements);
    bytes
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn idx_data() -> Data {
    let fields = vec![field("image", DType::F32, &[1, 2, 3]), field("label", DType::I32, &[])];
    all(Source::Idx(Box::new(IdxFiles::usual("mnist"))), fields)
}

#[test]
fn idx_files_are_read_plain_and_zipped() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("mnist");
    std::fs::create_dir(&inner).unwrap();
    let pictures: Vec<u8> = (0..24).collect();
    std::fs::write(inner.join("train-images-idx3-ubyte.gz"), zipped(&idx(8, &[4, 2, 3], &pictures))).unwrap();
    std::fs::write(inner.join("train-labels-idx1-ubyte"), idx(8, &[4], &[3, 0, 1, 2])).unwrap();
    let prepared = open(&idx_data(), folder.path()).unwrap();
    assert_eq!((prepared.parts().training.len(), prepared.parts().test.len()), (4, 0));
    std::fs::write(inner.join("t10k-images-idx3-ubyte"), idx(8, &[1, 2, 3], &[255; 6])).unwrap();
    std::fs::write(inner.join("t10k-labels-idx1-ubyte.gz"), zipped(&idx(8, &[1], &[9]))).unwrap();
    let prepared = open(&idx_data(), folder.path()).unwrap();
    assert_eq!(prepared.parts().test, [4]);
    let inputs = whole(&prepared, 2);
    let images = floats(&inputs[0]);
    assert_eq!((images[7], images[29]), (7.0 / 255.0, 1.0));
    assert_eq!(integers(&inputs[1]), [3, 0, 1, 2, 9]);
}

#[test]
fn damaged_idx_files_are_told_by_file_and_byte() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("mnist");
    assert!(told(&idx_data(), folder.path()).contains("the data folder"));
    std::fs::create_dir(&inner).unwrap();
    assert!(told(&idx_data(), folder.path()).contains("train-images-idx3-ubyte does not exist"));
    let (images, labels) = (inner.join("train-images-idx3-ubyte"), inner.join("train-labels-idx1-ubyte"));
    let good = idx(8, &[2, 2, 3], &[7; 12]);
    std::fs::write(&labels, idx(8, &[2], &[0, 1])).unwrap();
    let fault = |bytes: &[u8]| {
        std::fs::write(&images, bytes).unwrap();
        told(&idx_data(), folder.path()).split_once("ubyte: ").unwrap().1.to_owned()
    };
    assert_eq!(fault(&[]), "byte 0: the header ends here");
    assert_eq!(fault(&good[..9]), "byte 9: the header ends here");
    assert_eq!(
        fault(&good[..20]),
        "byte 20: [2, 2, 3] of u8 take 28 bytes with the header, but the file ends here"
    );
    let longer = [&good[..], &[0]].concat();
    assert!(fault(&longer).ends_with("take 28 bytes with the header, but the file goes on"));
    assert!(fault(b"\x89PNG....").contains("begins with two zero bytes"));
    assert_eq!(fault(&[0, 0, 7, 1, 0, 0, 0, 1]), "byte 2: 0x07 is no element type");
    assert_eq!(fault(&[0, 0, 8, 0]), "byte 3: it has no axis");
    assert!(fault(&idx(8, &[u32::MAX; 3], &[])).contains("are too large"));
    assert!(fault(&idx(8, &[u32::MAX, 2, 3], &[])).contains("but the file ends here"));
    assert!(fault(&idx(0x0d, &[2, 1, 1], &[0; 8])).contains("pictures are bytes with two axes each"));
    std::fs::write(&images, &good).unwrap();
    std::fs::write(&labels, idx(8, &[3], &[0, 1, 2])).unwrap();
    assert!(told(&idx_data(), folder.path()).ends_with("byte 4: 3 labels for 2 pictures"));
    std::fs::remove_file(&labels).unwrap();
    let cut = zipped(&idx(8, &[2], &[0, 1]));
    std::fs::write(inner.join("train-labels-idx1-ubyte.gz"), &cut[..cut.len() - 9]).unwrap();
    assert!(told(&idx_data(), folder.path()).contains("train-labels-idx1-ubyte.gz: "));
    // Extents whose product is the greatest number that there is.
    std::fs::remove_file(&images).unwrap();
    let extents = [3, 5, 17, 257, 641, 65_537, 6_700_417];
    std::fs::write(inner.join("train-images-idx3-ubyte.gz"), zipped(&idx(8, &extents, &[]))).unwrap();
    assert!(told(&idx_data(), folder.path()).contains("train-images-idx3-ubyte.gz: "));
}

#[test]
fn cifar_100_has_coarse_and_fine_labels() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("data/cifar-100-binary");
    std::fs::create_dir_all(&inner).unwrap();
    let record = |coarse: u8, fine: u8| [vec![coarse, fine], vec![fine; 3072]].concat();
    std::fs::write(inner.join("train.bin"), [record(19, 99), record(0, 5)].concat()).unwrap();
    std::fs::write(inner.join("test.bin"), record(3, 42)).unwrap();
    let names: String = (0..20).map(|number| format!("group{number}\n")).collect();
    std::fs::write(inner.join("coarse_label_names.txt"), names).unwrap();
    let fields = vec![field("image", DType::F32, &[3, 32, 32]), field("label", DType::I32, &[])];
    let source = |coarse| Source::Cifar100 { path: "data".to_owned(), coarse };
    let fine = open(&all(source(false), fields.clone()), folder.path()).unwrap();
    let inputs = whole(&fine, 2);
    assert_eq!(integers(&inputs[1]), [99, 5, 42]);
    assert_eq!(floats(&inputs[0])[3072], 5.0 / 255.0);
    assert!(fine.dataset().class_names.is_empty());
    let coarse = open(&all(source(true), fields.clone()), folder.path()).unwrap();
    assert_eq!(integers(&whole(&coarse, 2)[1]), [19, 0, 3]);
    assert_eq!((coarse.parts().test.len(), coarse.fitted().classes[3].as_str()), (1, "group3"));
    std::fs::write(inner.join("test.bin"), record(20, 42)).unwrap();
    let error = told(&all(source(true), fields), folder.path());
    assert!(error.ends_with("test.bin: record 1 has the label 20, outside 0..20"), "{error}");
}

fn write_arrays(folder: &Path, samples: usize) {
    std::fs::create_dir_all(folder).unwrap();
    let numbers: Vec<f64> = (0..samples * 4).map(|value| value as f64 / 2.0).collect();
    let labels: Vec<i64> = (0..samples as i64).map(|sample| sample % 3).collect();
    let x = HostTensor::from_f64(&[samples, 2, 2], &numbers).unwrap();
    let y = HostTensor::from_i64(&[samples, 1], &labels).unwrap();
    std::fs::write(folder.join("x.npy"), write_npy(&x).unwrap()).unwrap();
    std::fs::write(folder.join("y.npy"), write_npy(&y).unwrap()).unwrap();
}

fn array_data(path: &str) -> Data {
    let arrays = Arrays { path: path.to_owned(), training: vec![], validation: vec![], test: vec![] };
    let fields = vec![field("x", DType::F32, &[1, 2, 2]), field("y", DType::I32, &[])];
    all(Source::Numpy(Box::new(arrays)), fields)
}

#[test]
fn arrays_of_a_folder_are_read() {
    let folder = tempfile::tempdir().unwrap();
    write_arrays(&folder.path().join("arrays"), 6);
    let mut data = array_data("arrays");
    data.transform = vec![("x".to_owned(), Transform::Standardize { per_channel: true })];
    let prepared = open(&data, folder.path()).unwrap();
    let inputs = whole(&prepared, 2);
    assert_eq!(floats(&inputs[0]), (0..24).map(|value| value as f32 / 2.0).collect::<Vec<_>>());
    assert_eq!(integers(&inputs[1]), [0, 1, 2, 0, 1, 2]);
    let scaling = prepared.scaling("x").unwrap();
    assert_eq!((scaling.offset.as_slice(), scaling.factor.len()), (&[5.75][..], 1));
    // The same files as a test split of their own.
    let Source::Numpy(arrays) = &mut data.source else { panic!() };
    (arrays.training, arrays.test) = (vec!["x".to_owned(), "y".to_owned()], vec!["x".into(), "y".into()]);
    assert_eq!(open(&data, folder.path()).unwrap().parts().test, (6..12).collect::<Vec<_>>());
}

#[test]
fn damaged_arrays_are_told_by_file_and_name() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("arrays");
    write_arrays(&inner, 6);
    let good = std::fs::read(inner.join("x.npy")).unwrap();
    std::fs::write(inner.join("x.npy"), &good[..good.len() - 1]).unwrap();
    let error = told(&array_data("arrays"), folder.path());
    assert!(error.contains("x.npy: array `x`: the file is damaged: [6, 2, 2] of f64 takes 192"), "{error}");
    let single = write_npy(&HostTensor::scalar_f64(1.0)).unwrap();
    std::fs::write(inner.join("x.npy"), single).unwrap();
    assert!(told(&array_data("arrays"), folder.path()).contains("a single number, which has no samples"));
    let other = HostTensor::from_f32(&[6, 3], &[0.0; 18]).unwrap();
    std::fs::write(inner.join("x.npy"), write_npy(&other).unwrap()).unwrap();
    let error = told(&array_data("arrays"), folder.path());
    assert!(error.ends_with("a sample is [3], but the field `x` is f32[N, 1, 2, 2]"), "{error}");
    let fewer = HostTensor::from_f32(&[5, 2, 2], &[0.0; 20]).unwrap();
    std::fs::write(inner.join("x.npy"), write_npy(&fewer).unwrap()).unwrap();
    let error = told(&array_data("arrays"), folder.path());
    assert!(error.ends_with("y.npy: array `y`: it has 6 samples, `x` has 5"), "{error}");
    std::fs::write(folder.path().join("a.npz"), b"PK").unwrap();
    assert!(told(&array_data("a.npz"), folder.path()).contains("this is not a .npz file"));
    let fraction = HostTensor::from_f32(&[6], &[0.5; 6]).unwrap();
    write_arrays(&inner, 6);
    std::fs::write(inner.join("y.npy"), write_npy(&fraction).unwrap()).unwrap();
    assert!(told(&array_data("arrays"), folder.path()).contains("its array holds fractional numbers"));
}

/// A palette PNG of 4 bits.
fn palette_map(path: &Path, width: u32, height: u32, number: impl Fn(u32, u32) -> u8) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = std::fs::File::create(path).unwrap();
    let mut encoder = png::Encoder::new(file, width, height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Four);
    encoder.set_palette(vec![9; 16 * 3]);
    let mut writer = encoder.write_header().unwrap();
    let mut packed = Vec::new();
    for y in 0..height {
        for x in (0..width).step_by(2) {
            let second = if x + 1 < width { number(x + 1, y) } else { 0 };
            packed.push(number(x, y) << 4 | second);
        }
    }
    writer.write_image_data(&packed).unwrap();
}

fn segmentation_data() -> Data {
    let source = Source::Segmentation { path: "scenes".to_owned(), ignore: Some(15) };
    let fields = vec![field("image", DType::F32, &[3, 6, 5]), field("map", DType::I32, &[6, 5])];
    all(source, fields)
}

#[test]
fn label_maps_move_with_their_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let scenes = folder.path().join("scenes");
    for (name, seed) in [("a", 0), ("b", 1)] {
        // Red is ten times the column, and so is the map times ten.
        write_picture(&scenes.join(format!("train/images/{name}.png")), 5, 6, 0);
        palette_map(&scenes.join(format!("train/masks/{name}.png")), 5, 6, |x, _| x as u8 + seed);
    }
    let mut data = segmentation_data();
    let plain = open(&data, folder.path()).unwrap();
    let inputs = whole(&plain, 2);
    assert_eq!(integers(&inputs[1])[..5], [0, 1, 2, 3, 4]);
    assert_eq!(integers(&inputs[1])[30..35], [1, 2, 3, 4, 5]);
    data.augment = [
        Augment::RandomCrop { size: (6, 5), padding: 2 },
        Augment::RandomFlip { probability: 0.5, vertical: false },
        Augment::RandomBrightness { by: 0.0 },
    ]
    .map(|step| ("image".to_owned(), step))
    .to_vec();
    let prepared = open(&data, folder.path()).unwrap();
    let mut moved = 0;
    for epoch in 0..20 {
        let pass = Pass { order: &[0], batch: 1, feed: &[0, 1], random: Some((3, epoch)) };
        let inputs = batches(&prepared, &pass).remove(0).1;
        let (image, map) = (floats(&inputs[0]), integers(&inputs[1]));
        moved += usize::from(map != integers(&whole(&plain, 2)[1])[..30]);
        for (red, class) in image[..30].iter().zip(&map) {
            // Outside, the picture is black and the map says that nothing is known.
            let red = (red * 255.0).round() as i32;
            assert!(*class == red / 10 || *class == 15 && red == 0, "{red} {class}");
        }
    }
    assert!(moved > 10, "{moved}");
}

#[test]
fn pairs_that_do_not_fit_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let scenes = folder.path().join("scenes");
    assert!(told(&segmentation_data(), folder.path()).contains("does not exist"));
    std::fs::create_dir_all(&scenes).unwrap();
    assert!(told(&segmentation_data(), folder.path()).contains("pictures are expected in images/"));
    write_picture(&scenes.join("images/a.png"), 5, 6, 0);
    palette_map(&scenes.join("masks/b.png"), 5, 6, |_, _| 0);
    assert!(told(&segmentation_data(), folder.path()).ends_with("images/a has no label map masks/a.png"));
    palette_map(&scenes.join("masks/a.png"), 5, 6, |_, _| 0);
    assert!(told(&segmentation_data(), folder.path()).ends_with("masks/b.png has no picture in images/"));
    std::fs::remove_file(scenes.join("masks/b.png")).unwrap();
    write_picture(&scenes.join("masks/a.png"), 5, 6, 0);
    assert!(told(&segmentation_data(), folder.path()).contains("a label map is a palette or grey PNG"));
    palette_map(&scenes.join("masks/a.png"), 10, 12, |_, _| 3);
    let error = told(&segmentation_data(), folder.path());
    assert!(error.contains("pictures are 6x5, label maps 12x10"), "{error}");
    let mut data = segmentation_data();
    data.transform = vec![("image".to_owned(), Transform::Resize { height: 6, width: 5 })];
    let prepared = open(&data, folder.path()).unwrap();
    assert_eq!(integers(&whole(&prepared, 2)[1]), [3; 30]);
    let whole_png = std::fs::read(scenes.join("masks/a.png")).unwrap();
    std::fs::write(scenes.join("masks/a.png"), &whole_png[..whole_png.len() - 20]).unwrap();
    assert!(told(&data, folder.path()).contains("masks/a.png: "));
}

#[test]
fn pictures_are_resized_by_their_shorter_side_and_cut() {
    let folder = tempfile::tempdir().unwrap();
    for (name, width, height) in [("a", 12, 8), ("b", 8, 16)] {
        write_picture(&folder.path().join(format!("pets/cat/{name}.png")), width, height, 3);
    }
    write_picture(&folder.path().join("pets/dog/a.png"), 20, 20, 3);
    let fields = vec![field("image", DType::F32, &[3, 4, 4]), field("label", DType::I32, &[])];
    let mut data = all(Source::ImageFolder { path: "pets".to_owned() }, fields);
    data.transform = [Transform::ResizeShorter { side: 5 }, Transform::CenterCrop { height: 4, width: 4 }]
        .map(|step| ("image".to_owned(), step))
        .to_vec();
    let prepared = open(&data, folder.path()).unwrap();
    let Column::Pictures(pictures) = &prepared.dataset().columns[0] else { panic!() };
    assert_eq!((pictures.size, prepared.dataset().samples), ((4, 4), 3));
    // Columns 2..6 of what is left of twelve columns: red grows from left to right by more than a step of 10.
    let image = &floats(&whole(&prepared, 2)[0])[..4];
    assert!(image.windows(2).all(|pair| pair[1] - pair[0] > 12.0 / 255.0), "{image:?}");
    data.transform.truncate(1);
    assert!(told(&data, folder.path()).contains("5x7"), "{}", told(&data, folder.path()));
}

#[test]
fn pictures_that_are_none_are_told_by_file() {
    let folder = tempfile::tempdir().unwrap();
    write_picture(&folder.path().join("pets/cat/good.png"), 4, 4, 0);
    let good = std::fs::read(folder.path().join("pets/cat/good.png")).unwrap();
    let fields = vec![field("image", DType::F32, &[3, 4, 4]), field("label", DType::I32, &[])];
    let data = all(Source::ImageFolder { path: "pets".to_owned() }, fields);
    let fault = |bytes: &[u8]| {
        std::fs::write(folder.path().join("pets/cat/odd.png"), bytes).unwrap();
        let error = told(&data, folder.path());
        error.split_once("odd.png: ").unwrap_or_else(|| panic!("{error}")).1.to_owned()
    };
    assert!(!fault(&[]).is_empty());
    assert!(!fault(&good[..good.len() / 2]).is_empty());
    assert!(!fault(b"GIF89a").is_empty());
    // A header that asks for 30,000 x 30,000 pixels, its sum of the chunk right.
    let mut huge = good.clone();
    huge[16..24].copy_from_slice(&[0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30]);
    let mut sum = flate2::Crc::new();
    sum.update(&huge[12..29]);
    huge[29..33].copy_from_slice(&sum.sum().to_be_bytes());
    let error = fault(&huge);
    assert!(error.to_lowercase().contains("limit") || error.contains("large"), "{error}");
}
