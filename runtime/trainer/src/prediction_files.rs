//! What a prediction leaves in a folder: a table, label maps, samples with what was decided of them, one page.

use crate::decision::{Decide, Decided};
use crate::label_map;
use crate::page::Page;
use crate::pictures::{Picture, Tile, Tiles};
use crate::predict::Predictions;
use crate::record::{file_name, write_all};
use crate::{Result, TrainError};
use dlc_recipe::Recipe;
use dlc_runtime::write_atomically;
use std::collections::BTreeSet;
use std::path::Path;

/// Values of an output that the table holds at most, each in a column.
const COLUMNS: usize = 1024;

/// Writes everything; `tiles` show some samples, so many each.
pub(crate) fn write(
    recipe: &Recipe,
    predictions: &Predictions,
    decide: &Decide,
    tiles: Vec<Vec<Tile>>,
    folder: &Path,
) -> Result<()> {
    let failed = |cause| TrainError::File { path: folder.to_owned(), cause };
    std::fs::create_dir_all(folder).map_err(failed)?;
    write_table(predictions, decide, folder)?;
    let mut pictures = Vec::new();
    if let Some(first) = tiles.first() {
        let per_row = first.len() * (8 / first.len().max(1)).max(1);
        let tiles = Tiles { tiles: tiles.into_iter().flatten().collect(), per_row, width: 88 };
        pictures.push(Picture::of("samples", "Samples: what the model says of them", &tiles)?);
    }
    write_all(&pictures, &folder.join("pictures"))?;
    let mut page = Page::new(&format!("{}: {} predictions", recipe.model, predictions.rows.len()));
    page.pictures(&pictures);
    page.write(&folder.join("report.html"))
}

/// Writes `predictions.csv`, and `maps/*.png` where classes are decided by pixel.
fn write_table(predictions: &Predictions, decide: &Decide, folder: &Path) -> Result<()> {
    let name =
        |class: usize| predictions.class_names.get(class).cloned().unwrap_or_else(|| class.to_string());
    let mut taken = BTreeSet::new();
    let mut table = csv::Writer::from_writer(Vec::new());
    for (number, row) in predictions.rows.iter().enumerate() {
        let decided = (decide.0)(row.values.first().map_or(&[], Vec::as_slice));
        let mut cells = vec![("source".to_owned(), row.source.clone())];
        let mut put = |column: String, value: String| cells.push((column, value));
        match &decided {
            Decided::Class { class, probabilities } => {
                put("class".to_owned(), name(*class));
                put(
                    "probability".to_owned(),
                    probabilities.get(*class).map_or(String::new(), f64::to_string),
                );
                for (class, probability) in probabilities.iter().enumerate() {
                    put(format!("p_{}", name(class)), probability.to_string());
                }
            }
            Decided::Map(map) => {
                let file = map_name(&row.source, &mut taken);
                put("map".to_owned(), format!("maps/{file}"));
                for (class, share) in map.shares().iter().enumerate() {
                    put(format!("share_{}", name(class)), share.to_string());
                }
                let maps = folder.join("maps");
                let failed = |cause| TrainError::File { path: maps.clone(), cause };
                std::fs::create_dir_all(&maps).map_err(failed)?;
                let png = label_map::png(map)
                    .map_err(|problem| TrainError::Picture { name: file.clone(), problem })?;
                write_atomically(&maps.join(file), &png)?;
            }
            Decided::Values => {}
        }
        let said = usize::from(decided != Decided::Values);
        for (output, values) in predictions.outputs.iter().zip(&row.values).skip(said) {
            for (place, value) in values.iter().enumerate().filter(|_| values.len() <= COLUMNS) {
                let column = if values.len() == 1 { output.clone() } else { format!("{output}.{place}") };
                put(column, number_text(*value));
            }
        }
        let (columns, values): (Vec<String>, Vec<String>) = cells.into_iter().unzip();
        let heading = (number == 0).then_some(columns);
        heading
            .into_iter()
            .chain([values])
            .try_for_each(|cells| table.write_record(cells))
            .map_err(unwritten)?;
    }
    let bytes = table.into_inner().map_err(|error| unwritten(error.into_error().into()))?;
    Ok(write_atomically(&folder.join("predictions.csv"), &bytes)?)
}

/// The fewest digits that read back as the number: as one of `f32`, where it is one.
fn number_text(value: f64) -> String {
    let single = value as f32;
    if f64::from(single) == value { single.to_string() } else { value.to_string() }
}

fn unwritten(error: csv::Error) -> TrainError {
    TrainError::Picture { name: "predictions.csv".to_owned(), problem: error.to_string() }
}

/// A file's name for a sample's map, another one for each.
fn map_name(source: &str, taken: &mut BTreeSet<String>) -> String {
    let stem = Path::new(source).file_stem().unwrap_or_default().to_string_lossy();
    let stem = file_name(&stem);
    let numbered = (2..).map(|number| format!("{stem}-{number}.png"));
    let name = std::iter::once(format!("{stem}.png")).chain(numbered).find(|name| !taken.contains(name));
    let name = name.unwrap_or_default();
    taken.insert(name.clone());
    name
}

#[cfg(test)]
mod tests {
    use super::number_text;

    #[test]
    fn numbers_have_the_digits_that_they_need() {
        let texts = [206.373_382_568_359_38, 0.1, f64::from(0.1_f32), 16_777_217.0, -3.0].map(number_text);
        assert_eq!(texts, ["206.37338", "0.1", "0.1", "16777217", "-3"]);
        assert_eq!(number_text(f64::NAN), "NaN");
    }
}
