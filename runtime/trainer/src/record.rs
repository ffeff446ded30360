//! What a run leaves beside its checkpoints: `metrics.csv`, event files for TensorBoard, statistics, pictures and one
//! page that shows them.

use crate::evaluate::Feed;
use crate::gallery::{filters, samples};
use crate::metrics::Evaluated;
use crate::page::Page;
use crate::pictures::{Line, Lines, Matrix, Picture};
use crate::prepare::PreparedData;
use crate::report::EpochReport;
use crate::statistics::StatisticsTable;
use crate::table::MetricsTable;
use crate::tensorboard::EventFile;
use crate::{Curve, Decide, Engine, Ranking, Result, RunOptions};
use dlc_recipe::Recipe;
use std::path::{Path, PathBuf};

/// The files of one run.
pub(crate) struct Record {
    folder: PathBuf,
    table: MetricsTable,
    pub(crate) statistics: StatisticsTable,
    pub(crate) events: EventFile,
}

impl Record {
    /// Begins the files of a run, or goes on behind its first `done` epochs of so many steps.
    pub(crate) fn open(
        folder: &Path,
        training: &[String],
        validation: Option<&[String]>,
        done: usize,
        steps: usize,
    ) -> Result<Record> {
        let table = MetricsTable::open(&folder.join("metrics.csv"), training, validation, done);
        let statistics = StatisticsTable::open(&folder.join("statistics.csv"), done);
        let events = EventFile::create(folder, done.saturating_mul(steps))?;
        Ok(Record { folder: folder.to_owned(), table, statistics, events })
    }

    /// A finished epoch, `step` steps behind the run's beginning.
    pub(crate) fn epoch(&mut self, report: &EpochReport, step: usize) -> Result<()> {
        self.table.add(report)?;
        let parts = [("train", Some(&report.train)), ("validation", report.validation.as_ref())];
        let measures = parts.into_iter().flat_map(|(part, measures)| {
            let all = measures.into_iter().flat_map(|measures| &measures.0);
            all.map(move |(name, value)| (format!("{name}/{part}"), *value))
        });
        let scalars: Vec<(String, f64)> =
            measures.chain(report.lr.map(|lr| ("learning_rate".to_owned(), lr))).collect();
        self.events.scalars(step, &scalars)
    }

    /// Draws everything and writes the page; gives its path.
    pub(crate) fn draw(
        &mut self,
        step: usize,
        recipe: &Recipe,
        engine: &mut dyn Engine,
        data: &PreparedData,
        shown: Option<(&Feed, &Decide)>,
        tested: &Evaluated,
    ) -> Result<PathBuf> {
        let mut pictures = curves(&self.table)?;
        pictures.extend(of_evaluation(tested)?);
        pictures.extend(filters(engine)?);
        if let Some((feed, decide)) = shown {
            pictures.extend(samples(engine, data, feed, decide)?);
        }
        let folder = self.folder.join("pictures");
        write_all(&pictures, &folder)?;
        for picture in pictures.iter().filter(|picture| !picture.name.starts_with("curve_")) {
            self.events.picture(step, &picture.name, picture.size, &picture.png)?;
        }
        let mut page = Page::new(&format!("{} on {}", recipe.model, recipe.data.name));
        self.tabulate(&mut page, tested);
        page.pictures(&pictures);
        let path = self.folder.join("report.html");
        page.write(&path)?;
        Ok(path)
    }
}

impl Record {
    /// The last epoch beside the test.
    fn tabulate(&self, page: &mut Page, tested: &Evaluated) {
        let columns = self.table.columns();
        let last = |name: &str| {
            let found = columns.iter().find(|(known, _)| known == name);
            found.and_then(|(_, values)| values.last().copied())
        };
        let epochs = columns.first().map_or(0, |(_, epochs)| epochs.len());
        let mut names: Vec<&str> = Vec::new();
        let parts = columns.iter().filter_map(|(name, _)| Some(name.split_once('_')?.1));
        for name in parts.chain(tested.measures.0.iter().map(|(name, _)| name.as_str())) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let row = |name: &&str| {
            let values = vec![
                last(&format!("train_{name}")),
                last(&format!("validation_{name}")),
                tested.measures.get(name),
            ];
            ((*name).to_owned(), values)
        };
        let rows: Vec<_> = names.iter().map(row).collect();
        page.table(&format!("After {epochs} epochs"), &["training", "validation", "test"], &rows);
    }
}

/// The pictures of an evaluation and a page that shows them.
pub(crate) fn draw_evaluation(
    recipe: &Recipe,
    engine: &mut dyn Engine,
    data: &PreparedData,
    feed: &Feed,
    part: &str,
    evaluated: &Evaluated,
    options: &RunOptions,
) -> Result<()> {
    let mut pictures = of_evaluation(evaluated)?;
    pictures.extend(filters(engine)?);
    pictures.extend(samples(engine, data, feed, &options.decide)?);
    let folder = &options.out;
    write_all(&pictures, &folder.join("pictures"))?;
    let mut page = Page::new(&format!("{} on {}", recipe.model, recipe.data.name));
    let rows: Vec<_> =
        evaluated.measures.0.iter().map(|(name, value)| (name.clone(), vec![Some(*value)])).collect();
    page.table("Evaluation", &[part], &rows);
    page.pictures(&pictures);
    page.write(&folder.join("report.html"))
}

/// Writes pictures into a folder, which is made if absent.
pub(crate) fn write_all(pictures: &[Picture], folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)
        .map_err(|cause| crate::TrainError::File { path: folder.to_owned(), cause })?;
    pictures.iter().try_for_each(|picture| picture.write(folder))
}

/// A file's name made of a metric's.
pub(crate) fn file_name(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    text.chars().map(plain).collect()
}

/// Loss, metrics and learning rate over the epochs.
fn curves(table: &MetricsTable) -> Result<Vec<Picture>> {
    let columns = table.columns();
    let Some((_, epochs)) = columns.first().filter(|(_, epochs)| !epochs.is_empty()) else {
        return Ok(Vec::new());
    };
    let mut frames: Vec<(String, Vec<Line>)> = Vec::new();
    for (name, values) in &columns[1..] {
        let (label, metric) = match name.split_once('_') {
            Some((part @ ("train" | "validation"), metric)) => (part, metric),
            _ => ("", "learning rate"),
        };
        if values.iter().all(|value| !value.is_finite()) {
            continue;
        }
        let points = epochs.iter().copied().zip(values.iter().copied()).collect();
        let line = Line { label: label.to_owned(), points };
        match frames.iter_mut().find(|(known, _)| known == metric) {
            Some((_, lines)) => lines.push(line),
            None => frames.push((metric.to_owned(), vec![line])),
        }
    }
    // The rate comes first in the table, and last in what is looked at.
    if frames.first().is_some_and(|(name, _)| name == "learning rate") {
        frames.rotate_left(1);
    }
    let draw = |(name, lines): (String, Vec<Line>)| {
        let lines = Lines { lines, x: "epoch".to_owned(), y: name.clone(), whole: true, ..Lines::default() };
        Picture::of(&format!("curve_{}", file_name(&name)), &name, &lines)
    };
    frames.into_iter().map(draw).collect()
}

/// Classes beyond which a confusion matrix is no picture.
const MOST_DRAWN: usize = 1000;

/// Confusion matrices and the curves of scores.
pub(crate) fn of_evaluation(evaluated: &Evaluated) -> Result<Vec<Picture>> {
    let mut pictures = Vec::new();
    // A cell is some pixels, and their number grows with the square of the classes'.
    if let Some(confusion) = evaluated.confusion().filter(|confusion| confusion.classes <= MOST_DRAWN) {
        pictures.push(Picture::of("confusion_matrix", "Confusion matrix", &Matrix(confusion))?);
    }
    if let Some((_, ranking)) = evaluated.rankings.first() {
        pictures.extend(of_ranking(ranking)?);
    }
    Ok(pictures)
}

fn of_ranking(ranking: &Ranking) -> Result<Vec<Picture>> {
    let picture = |name: &str, title: &str, (x, y, chance): (&str, &str, bool), curves: Vec<Curve>| {
        let line = |curve: Curve| Line {
            label: format!("{} ({:.3})", curve.class, curve.value),
            points: curve.points,
        };
        let lines = curves.into_iter().filter(|curve| curve.value.is_finite()).take(10).map(line).collect();
        let lines =
            Lines { lines, x: x.to_owned(), y: y.to_owned(), shares: true, chance, ..Lines::default() };
        Picture::of(name, title, &lines)
    };
    let axes = ("share of the others taken", "share of the class found", true);
    Ok(vec![
        picture("roc", "Receiver operating characteristic (area)", axes, ranking.characteristics())?,
        picture(
            "precision_recall",
            "Precision over recall (average precision)",
            ("recall", "precision", false),
            ranking.precision_over_recall(),
        )?,
    ])
}
