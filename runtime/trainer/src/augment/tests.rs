#![allow(clippy::unwrap_used, reason = "tests")]
use super::*;
use dlc_recipe::Surround;

const SIZE: (usize, usize) = (3, 4);

fn picture() -> Vec<u8> {
    (1..=24).collect()
}

fn shown(change: &Change) -> Vec<f32> {
    let picture = picture();
    let source = Source { planes: &picture, size: SIZE };
    let mut out = vec![[0; 4]; 2 * change.size.0 * change.size.1];
    render(source, change, f32::from, &Beyond::Values(vec![0.0]), false, &mut out);
    out.into_iter().map(f32::from_ne_bytes).collect()
}

fn numbered(steps: &[Augment]) -> Vec<(usize, Augment)> {
    steps.iter().cloned().enumerate().collect()
}

fn drawn(steps: &[Augment], sample: usize) -> Change {
    Change::drawn(&numbered(steps), SIZE, Draws::new(9, 0), sample)
}

fn of(map: Map, size: (usize, usize)) -> Change {
    Change { map, size, ..Change::none(SIZE) }
}

#[test]
fn a_crop_takes_what_is_there_and_zeros_beyond() {
    let cut = |size, corner: (f64, f64)| shown(&of(Map::moved(corner.0, corner.1), size));
    assert_eq!(cut((2, 2), (1.0, 2.0)), [7., 8., 11., 12., 19., 20., 23., 24.]);
    assert_eq!(cut((3, 4), (-1.0, -1.0))[..12], [0., 0., 0., 0., 0., 1., 2., 3., 0., 5., 6., 7.]);
    assert_eq!(cut((3, 4), (1.0, 1.0))[..12], [6., 7., 8., 0., 10., 11., 12., 0., 0., 0., 0., 0.]);
    assert_eq!(cut((2, 2), (-5.0, -5.0)), [0.0; 8]);
    assert_eq!(cut((2, 2), (0.0, 7.0)), [0.0; 8]);
}

#[test]
fn the_surroundings_of_a_picture_are_told() {
    let around = |surround: Surround, map: Map| {
        let (picture, change) = (picture(), of(map, SIZE));
        let beyond = Beyond::of(&numbered(&[Augment::Surround(surround)]), None);
        let mut out = vec![[0; 4]; 24];
        render(Source { planes: &picture, size: SIZE }, &change, f32::from, &beyond, false, &mut out);
        out.into_iter().map(f32::from_ne_bytes).collect::<Vec<f32>>()
    };
    let corner = Map::moved(-2.0, -2.0);
    let mirrored = around(Surround::Reflect, corner);
    assert_eq!(mirrored[..12], [11., 10., 9., 10., 7., 6., 5., 6., 3., 2., 1., 2.]);
    assert_eq!(around(Surround::Edge, corner)[..12], [1., 1., 1., 2., 1., 1., 1., 2., 1., 1., 1., 2.]);
    let values = around(Surround::Values(vec![0.5, 7.0]), corner);
    assert_eq!((values[0], values[11], values[12], values[23]), (0.5, 2.0, 7.0, 14.0));
    // Mirrored backwards, and far beyond: a mirror repeats with period 2 (side - 1).
    let backwards = Map::moved(0.0, -1.0).after(Map::mirrored(SIZE, false));
    assert_eq!(around(Surround::Reflect, backwards)[..4], [3., 2., 1., 2.]);
    assert_eq!(around(Surround::Reflect, Map::moved(0.0, 12.0)), around(Surround::Reflect, Map::IDENTITY));
    // Between pixels, neighbours beyond the border are those of the surroundings.
    assert_eq!(around(Surround::Edge, Map::moved(0.0, -0.5))[..2], [1.0, 1.5]);
    assert_eq!(around(Surround::Reflect, Map::moved(0.0, -0.5))[..2], [1.5, 1.5]);
    // Class numbers come from the picture or stand for no class.
    let told = |surround| Beyond::of(&numbered(&[Augment::Surround(surround)]), Some(255.0));
    assert_eq!(told(Surround::Values(vec![1.0])), Beyond::Values(vec![255.0]));
    assert_eq!(told(Surround::Reflect), Beyond::Reflect);
    assert!(Beyond::Values(vec![1.0]).fits(3) && !Beyond::Values(vec![1.0, 2.0]).fits(3));
}

#[test]
fn maps_show_what_they_should() {
    let left_right = shown(&of(Map::mirrored(SIZE, false), SIZE));
    assert_eq!(left_right[..8], [4., 3., 2., 1., 8., 7., 6., 5.]);
    let top_bottom = shown(&of(Map::mirrored(SIZE, true), SIZE));
    assert_eq!(top_bottom[..4], [9., 10., 11., 12.]);
    // A mirrored crop is a piece of a row, backwards.
    let both = Map::moved(0.0, -1.0).after(Map::mirrored(SIZE, false));
    assert_eq!(shown(&of(both, SIZE))[..4], [3., 2., 1., 0.]);
    // Half a turn is both mirrors.
    let half = shown(&of(Map::turned(SIZE, std::f64::consts::PI), SIZE));
    let expected: Vec<f32> = (1..=12u8).rev().map(f32::from).collect();
    assert!(half.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-4), "{half:?}");
    // A quarter turn clockwise of a square: the left column becomes the top row.
    let square = [1u8, 2, 3, 4];
    let mut out = vec![[0; 4]; 4];
    let quarter = of(Map::turned((2, 2), std::f64::consts::FRAC_PI_2), (2, 2));
    render(
        Source { planes: &square, size: (2, 2) },
        &quarter,
        f32::from,
        &Beyond::Values(vec![0.0]),
        false,
        &mut out,
    );
    let turned: Vec<f32> = out.into_iter().map(|one| f32::from_ne_bytes(one).round()).collect();
    assert_eq!(turned, [3.0, 1.0, 4.0, 2.0]);
    // Enlarged twice: places between pixels are blended.
    let zoomed = shown(&of(Map::zoomed(SIZE, 2.0), SIZE));
    assert_eq!(zoomed[4..8], [5.75, 6.25, 6.75, 7.25]);
}

#[test]
fn draws_follow_seed_epoch_sample_and_step_alone() {
    let steps = [
        Augment::RandomCrop { size: SIZE, padding: 2 },
        Augment::RandomFlip { probability: 0.5, vertical: false },
    ];
    let make =
        |seed, epoch, sample| shown(&Change::drawn(&numbered(&steps), SIZE, Draws::new(seed, epoch), sample));
    let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
    assert_eq!(make(1, 2, 3), make(1, 2, 3));
    let many: std::collections::BTreeSet<_> = (0..5)
        .flat_map(|epoch| (0..20).map(move |sample| (epoch, sample)))
        .map(|(epoch, sample)| bits(make(1, epoch, sample)))
        .collect();
    assert!(many.len() > 20, "{}", many.len());
    let differing = (0..20).filter(|&sample| make(1, 0, sample) != make(2, 0, sample)).count();
    assert!(differing > 10);
    // A step draws the same whatever stands before it.
    let alone = Change::drawn(&[(1, steps[1].clone())], SIZE, Draws::new(1, 0), 5);
    let behind = Change::drawn(&numbered(&steps), SIZE, Draws::new(1, 0), 5);
    assert_eq!(alone.map.whole().unwrap().column.1, behind.map.whole().unwrap().column.1);
}

#[test]
fn flips_come_as_often_as_asked() {
    let flipped = |probability, vertical| {
        let steps = [Augment::RandomFlip { probability, vertical }];
        (0..2000).filter(|&sample| drawn(&steps, sample).map != Map::IDENTITY).count()
    };
    assert_eq!((flipped(0.0, false), flipped(1.0, true)), (0, 2000));
    assert!(flipped(0.3, false).abs_diff(600) < 70);
}

#[test]
fn shifts_zooms_and_turns_stay_within_their_bounds() {
    let steps = [Augment::RandomShift { height: 0.4, width: 0.5 }];
    let seen: std::collections::BTreeSet<_> = (0..200)
        .map(|sample| {
            let map = drawn(&steps, sample).map.whole().unwrap();
            (map.row.0, map.column.0)
        })
        .collect();
    let expected = (-1..=1).flat_map(|down| (-2..=2).map(move |right| (down, right))).collect();
    assert_eq!(seen, expected);
    for sample in 0..200 {
        let zoomed = drawn(&[Augment::RandomZoom { least: 0.5, most: 2.0 }], sample).map;
        let step = zoomed.place(0, 1).1 - zoomed.place(0, 0).1;
        assert!((0.5..=2.0).contains(&step));
        let turned = drawn(&[Augment::RandomRotation { degrees: 30.0 }], sample).map;
        let slope = turned.place(0, 1).0 - turned.place(0, 0).0;
        assert!(slope.abs() <= 0.5 + 1e-9);
    }
}

#[test]
fn light_is_bounded_where_pictures_are() {
    let mut light = Light::default();
    assert!(light.is_empty() && !light.needs_mean());
    light.brighten(2.0);
    light.contrast(0.5);
    assert!(light.needs_mean());
    // 2 * 0.2 = 0.4, halfway to the mean 2 * 0.3 = 0.6.
    assert!((light.apply(0.2, 0.3, true) - 0.5).abs() < 1e-6);
    assert!((light.apply(0.8, 0.3, true) - 0.8).abs() < 1e-6);
    assert!((light.apply(0.8, 0.3, false) - 1.1).abs() < 1e-6);
}

#[test]
fn erased_rectangles_move_with_what_follows() {
    let erase = Augment::RandomErasing { probability: 1.0, area: (0.2, 0.2), ratio: (0.5, 0.5) };
    let flip = Augment::RandomFlip { probability: 1.0, vertical: false };
    for sample in 0..50 {
        let alone = shown(&drawn(std::slice::from_ref(&erase), sample));
        let gaps = alone[..12].iter().filter(|&&value| value == 0.0).count();
        assert!((1..=4).contains(&gaps), "{gaps}");
        let flipped = shown(&drawn(&[erase.clone(), flip.clone()], sample));
        let back: Vec<f32> = flipped.chunks(4).flat_map(|row| row.iter().rev().copied()).collect();
        assert_eq!(back, alone);
    }
}

#[test]
fn evaluation_takes_the_middle() {
    let steps = numbered(&[Augment::RandomCrop { size: (1, 2), padding: 0 }]);
    assert_eq!(shown(&Change::middle(&steps, SIZE)), [6., 7., 18., 19.]);
    assert_eq!(size_after(&steps, SIZE, false).unwrap(), (1, 2));
    let larger = numbered(&[Augment::RandomCrop { size: (5, 5), padding: 1 }]);
    assert_eq!(size_after(&larger, SIZE, true).unwrap(), (5, 5));
    assert_eq!(size_after(&larger, SIZE, false).unwrap(), SIZE);
    let wrong = |step| size_after(&numbered(&[step]), SIZE, true).unwrap_err().to_string();
    assert!(wrong(Augment::RandomCrop { size: (6, 5), padding: 1 }).contains("cannot cut 6x5 out of 3x4"));
    assert!(wrong(Augment::RandomCrop { size: (6, 5), padding: usize::MAX }).contains("random_crop"));
    assert!(wrong(Augment::RandomZoom { least: 0.0, most: 1.0 }).contains("random_zoom's least"));
    assert!(wrong(Augment::RandomZoom { least: 2.0, most: 1.0 }).contains("outside 2..=100"));
    assert!(wrong(Augment::Mixup { alpha: f64::NAN }).contains("mixup"));
}
