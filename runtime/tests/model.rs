//! Models that are linked: their descriptions, weights and mistakes, with hand-written entries.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

mod stand_in;

use dlc_abi::{Description, Entry, FEATURES, Library, VERSION, Variant};
use dlc_runtime::{
    Checkpoint, HostTensor, LinkedModel, LoadPolicy, Model, RuntimeError, persistent_image, weights_file,
    weights_header,
};
use stand_in::{bytes, entries, interface};

const GRAPH: u64 = 0x0123_4567_89ab_cdef;

/// Bytes as an object file aligns them, for as long as the process lives.
fn aligned(contents: &[u8]) -> &'static [u8] {
    #[repr(align(64))]
    #[derive(Clone, Copy)]
    struct Line([u8; 64]);
    let mut lines = vec![Line([0; 64]); contents.len() / 64 + 1].leak().iter_mut();
    let start = lines.as_slice().as_ptr().cast::<u8>();
    for piece in contents.chunks(64) {
        lines.next().unwrap().0[..piece.len()].copy_from_slice(piece);
    }
    // SAFETY: the lines lie one behind the other, and nobody writes them again.
    unsafe { std::slice::from_raw_parts(start, contents.len()) }
}

fn variant(name: &str, features: u64) -> Variant {
    Variant { name: name.to_owned(), features }
}

fn description() -> Description {
    let interface = interface();
    let (weights_header, weights_places) = weights_header(&interface, GRAPH).unwrap();
    Description {
        constant_bytes: interface.constants.len(),
        graph: GRAPH,
        features: 0,
        variants: vec![variant("portable", 0)],
        compiler: "dlc 9".to_owned(),
        weights_header,
        weights_places,
        interface,
    }
}

fn library(description: &[u8], weights: Option<&[u8]>) -> &'static Library {
    // As for two variants: those of the second are another order, which only it may be called by.
    let mut entries: Vec<Entry> = entries().into_iter().map(|(_, entry)| entry).collect();
    entries.extend([entries[2], entries[1], entries[0]]);
    Box::leak(Box::new(Library {
        description: aligned(description).as_ptr(),
        constants: aligned(&interface().constants).as_ptr(),
        weights: weights.map_or(std::ptr::null(), |weights| aligned(weights).as_ptr()),
        entries: entries.leak().as_ptr(),
    }))
}

fn linked(description: &[u8], weights: Option<&[u8]>) -> Result<Model, RuntimeError> {
    // SAFETY: the entries are the stand-in's, in the order of its description.
    unsafe { Model::linked(library(description, weights)) }
}

fn weights() -> Checkpoint {
    let weight = HostTensor::from_f32(&[3, 2], &[1., 2., 3., 4., 5., 6.]).unwrap();
    let step = HostTensor::from_i32(&[], &[4]).unwrap();
    let seed = HostTensor::scalar_i64(7);
    let tensors = [("weight", weight), ("train.step", step), ("train.seed", seed)];
    let tensors = tensors.map(|(name, tensor)| (name.to_owned(), tensor));
    Checkpoint { tensors: tensors.into(), ..Checkpoint::default() }
}

#[test]
fn a_linked_model_is_described_and_computes() {
    let model = linked(&description().encode(), None).unwrap();
    assert_eq!((model.name(), model.graph(), model.compiler()), ("stand_in", GRAPH, "dlc 9"));
    assert_eq!(model.interface().functions, interface().functions);
    let mut session = model.session(2).unwrap();
    session.initialize(5).unwrap();
    let (x, mut y) = (bytes(&[1.0, 2.0]), [0; 8]);
    session.predict(1, &[&x], &mut [&mut y]).unwrap();
    assert_eq!(y.to_vec(), bytes(&[15.0, 30.0]));
    assert!(model.session(0).unwrap().threads() >= 1);
}

#[test]
fn the_most_demanding_code_that_the_machine_runs_is_called() {
    /// An entry that nobody may call.
    unsafe extern "C" fn never(_: *const dlc_abi::Context, _: i64) {
        std::process::abort();
    }
    let variant = |name: &str, features| Variant { name: name.to_owned(), features };
    let own: Vec<Entry> = entries().into_iter().map(|(_, entry)| entry).collect();
    let others = vec![never as Entry; own.len()];
    let next = variant("next", 1 << 63);
    for (variants, entries) in [
        (vec![variant("portable", 0), next.clone()], [own.clone(), others.clone()].concat()),
        (vec![variant("portable", 0), variant("other", 0), next], [others.clone(), own, others].concat()),
    ] {
        let name = variants[variants.len() - 2].name.clone();
        let described = Description { variants, ..description() };
        let library = Library { entries: entries.leak().as_ptr(), ..*library(&described.encode(), None) };
        // SAFETY: as in `linked`.
        let model = unsafe { Model::linked(Box::leak(Box::new(library))) }.unwrap();
        assert_eq!(model.cpu(), name);
        let mut session = model.session(1).unwrap();
        session.initialize(5).unwrap();
        let (x, mut y) = (bytes(&[1.0, 2.0]), [0; 8]);
        session.predict(1, &[&x], &mut [&mut y]).unwrap();
        assert_eq!(y.to_vec(), bytes(&[15.0, 30.0]));
    }
}

#[test]
fn without_weights_nothing_is_computed() {
    let model = linked(&description().encode(), None).unwrap();
    let mut session = model.session(1).unwrap();
    let (x, mut y) = (bytes(&[1.0, 2.0]), [0; 8]);
    let error = session.predict(1, &[&x], &mut [&mut y]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the model stand_in has no weights yet: load a file, or initialize them by seed"
    );
    assert!(matches!(session.save("nowhere", None), Err(RuntimeError::NoWeights { .. })));
    session.restore(&weights(), LoadPolicy::Exact).unwrap();
    session.predict(1, &[&x], &mut [&mut y]).unwrap();
    assert_eq!(y.to_vec(), bytes(&[9.0, 24.0]));
}

#[test]
fn embedded_weights_are_used_in_place_and_change_for_one_instance_alone() {
    let mut described = description();
    for read_only in [false, true] {
        described.interface.functions.iter_mut().for_each(|one| one.keeps_persistent = read_only);
        let image = persistent_image(&described.interface, &weights()).unwrap();
        let library = library(&described.encode(), Some(&image));
        // SAFETY: as in `linked`.
        let model = unsafe { Model::linked(library) }.unwrap();
        assert!(model.embeds_weights());
        let (mut one, mut two) = (model.session(1).unwrap(), model.session(1).unwrap());
        assert_eq!(one.persistent().unwrap().as_ptr() == library.weights, read_only);
        assert_eq!(one.checkpoint().unwrap().tensors, weights().tensors);
        one.set_tensor("weight", &HostTensor::from_f32(&[3, 2], &[1.0; 6]).unwrap()).unwrap();
        let (x, mut y) = (bytes(&[1.0, 2.0]), [0; 8]);
        one.predict(1, &[&x], &mut [&mut y]).unwrap();
        assert_eq!(y.to_vec(), bytes(&[3.0, 6.0]));
        two.predict(1, &[&x], &mut [&mut y]).unwrap();
        assert_eq!(y.to_vec(), bytes(&[9.0, 24.0]));
        two.initialize(1).unwrap();
        assert_eq!(model.session(1).unwrap().checkpoint().unwrap().tensors, weights().tensors);
    }
}

#[test]
fn files_of_weights_name_the_graph_they_are_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let model = linked(&description().encode(), None).unwrap();
    let mut session = model.session(1).unwrap();
    let ours = weights_file(&interface(), GRAPH, &weights()).unwrap();
    std::fs::write(&path, &ours).unwrap();
    session.load(&path, LoadPolicy::Exact).unwrap();
    session.save(&path, None).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), ours);
    // A file that names none is held against names, types and shapes.
    weights().write(&path).unwrap();
    session.load(&path, LoadPolicy::IgnoreExtra).unwrap();
    let theirs = weights_file(&interface(), 1, &weights()).unwrap();
    session.set_scalar_i64("train.step", 9).unwrap();
    let error = session.load_bytes(&theirs, LoadPolicy::IgnoreExtra).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the weights are those of the model stand_in (graph 0000000000000001), the library is stand_in (graph \
         0123456789abcdef): weights go with the library that was compiled from the same model"
    );
    assert_eq!(session.tensor("train.step").unwrap().i32_values().unwrap(), [9]);
    for length in 0..ours.len() {
        assert!(session.load_bytes(&ours[..length], LoadPolicy::Exact).is_err(), "{length}");
    }
    std::fs::write(&path, []).unwrap();
    assert!(matches!(session.load(&path, LoadPolicy::Exact), Err(RuntimeError::DamagedCheckpoint(_))));
    assert!(matches!(session.load(folder.path(), LoadPolicy::Exact), Err(RuntimeError::File { .. })));
}

#[test]
fn what_cannot_run_here_is_refused() {
    let told = |described: &[u8]| linked(described, None).unwrap_err().to_string();
    let good = description().encode();
    let mut other = good.clone();
    other[8] = 99;
    assert_eq!(
        told(&other),
        format!(
            "the program follows version 99 of the runtime contract, this runtime follows {VERSION}; compile it again by \
             dlc of the runtime's version"
        )
    );
    let mut damaged = good.clone();
    damaged[0] ^= 1;
    assert_eq!(
        told(&damaged),
        "the program's interface is inconsistent: its description is damaged (this is a bug in dlc)"
    );
    // No machine has a bit that no extension is called by.
    let variants = vec![variant("portable", 1 << 63)];
    assert!(FEATURES.len() < 63);
    assert_eq!(
        told(&Description { variants, ..description() }.encode()),
        "the model stand_in was compiled for instructions that this machine lacks: an extension unknown to this runtime; \
         compile it with `--cpu portable`, or another `--cpu` that this machine has"
    );
    let nothing = Library {
        description: std::ptr::null(),
        constants: std::ptr::null(),
        weights: std::ptr::null(),
        entries: std::ptr::null(),
    };
    // SAFETY: null pointers are looked at alone.
    let none: &'static LinkedModel = Box::leak(Box::new(unsafe { LinkedModel::new(nothing) }));
    assert!(matches!(none.model(), Err(RuntimeError::Interface(_))));
}

#[test]
fn a_linked_model_is_checked_once() {
    // SAFETY: as in `linked`.
    let model = unsafe { LinkedModel::new(*library(&description().encode(), None)) };
    let model: &'static LinkedModel = Box::leak(Box::new(model));
    assert!(std::ptr::eq(model.model().unwrap(), model.model().unwrap()));
}

#[test]
fn what_fits_is_taken_from_another_models_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.safetensors");
    let model = linked(&description().encode(), None).unwrap();
    let mut session = model.session(1).unwrap();
    std::fs::write(&path, weights_file(&interface(), 1, &weights()).unwrap()).unwrap();
    assert!(matches!(session.load_matching(&path), Err(RuntimeError::NoWeights { .. })));
    session.initialize(5).unwrap();
    // The step and the seed belong to a run.
    assert_eq!(session.load_matching(&path).unwrap(), ["weight"]);
    assert_eq!(session.tensor("weight").unwrap(), weights().tensors["weight"]);
    assert_eq!(session.tensor("train.seed").unwrap(), HostTensor::scalar_i64(5));
    let mut other = weights();
    other.tensors.insert("weight".to_owned(), HostTensor::from_f32(&[2], &[1.0; 2]).unwrap());
    other.write(&path).unwrap();
    assert_eq!(
        session.load_matching(&path).unwrap_err().to_string(),
        "the checkpoint is of another model than stand_in: it has no parameter of the model by name, type and shape"
    );
    assert_eq!(session.tensor("weight").unwrap(), weights().tensors["weight"]);
}

#[test]
fn of_several_codes_the_most_demanding_that_runs_is_taken() {
    let mut described = description();
    // The functions of the second variant, in its order.
    let names = ["predict", "train", "initialize"];
    described.variants = vec![variant("portable", 0), variant("wide", 1 << 63)];
    let model = linked(&described.encode(), None).unwrap();
    assert_eq!((model.cpu(), model.cpus()), ("portable", &["portable".to_owned(), "wide".to_owned()][..]));
    assert!(matches!(model.for_cpu("wide"), Err(RuntimeError::Instructions { .. })));
    assert_eq!(
        model.for_cpu("wider").unwrap_err().to_string(),
        "the model stand_in has no code for `wider`; it has code for portable, wide"
    );
    described.variants[1].features = 0;
    let first = described.interface.functions.clone();
    described.interface.functions = names
        .iter()
        .map(|name| first.iter().find(|function| function.name == *name).unwrap().clone())
        .collect();
    let model = linked(&described.encode(), None).unwrap();
    assert_eq!(model.cpu(), "wide");
    let mut session = model.session(1).unwrap();
    session.initialize(5).unwrap();
    let (x, mut y) = (bytes(&[1.0, 2.0]), [0; 8]);
    session.predict(1, &[&x], &mut [&mut y]).unwrap();
    assert_eq!(y.to_vec(), bytes(&[15.0, 30.0]));
    assert_eq!(model.for_cpu("portable").unwrap().cpu(), "portable");
}
