//! Where samples come from. Paths are relative to the model's file.

/// A source of samples.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A table in a CSV file.
    Csv(Box<Table>),
    /// Pictures and labels in IDX files, as the MNIST family has them. Fields: image in 0..=1, label.
    Idx(Box<IdxFiles>),
    /// CIFAR-10's binary files in a folder: `data_batch_1.bin` … `data_batch_5.bin`, `test_batch.bin`.
    /// Fields: image in 0..=1, label.
    Cifar10 {
        /// Path of the folder, or of a folder that holds `cifar-10-batches-bin`.
        path: String,
    },
    /// CIFAR-100's binary files in a folder: `train.bin`, `test.bin`. Fields: image in 0..=1, label.
    Cifar100 {
        /// Path of the folder, or of a folder that holds `cifar-100-binary`.
        path: String,
        /// Whether labels are the 20 coarse classes instead of the 100 fine ones.
        coarse: bool,
    },
    /// `train/CLASS/*.jpg|png`, with `validation/CLASS/*` and `test/CLASS/*` where they are, or `CLASS/*`
    /// alone. Classes are numbered in the order of their names. Fields: image in 0..=1, label.
    ImageFolder {
        /// Path of the folder.
        path: String,
    },
    /// `images/*.jpg|png` with a label map `masks/*.png` of the same stem for each, below `train`,
    /// `validation` and `test` or alone. Fields: image in 0..=1, map of class numbers.
    Segmentation {
        /// Path of the folder.
        path: String,
        /// The number in label maps that stands for no class.
        ignore: Option<u8>,
    },
    /// Arrays of a `.npz` file, or of a folder of `.npy` files. One per field, samples along the first axis.
    Numpy(Box<Arrays>),
    /// Random tensors for a model without data: inputs standard normal, integer targets uniform below
    /// `classes`, float targets standard normal.
    Synthetic {
        /// Number of samples.
        samples: usize,
        /// Bound of integer targets.
        classes: usize,
    },
}

impl Source {
    /// The file or folder that is read.
    pub fn path(&self) -> Option<&str> {
        match self {
            Source::Csv(table) => Some(&table.path),
            Source::Idx(files) => Some(&files.path),
            Source::Numpy(arrays) => Some(&arrays.path),
            Source::Cifar10 { path }
            | Source::Cifar100 { path, .. }
            | Source::ImageFolder { path }
            | Source::Segmentation { path, .. } => Some(path),
            Source::Synthetic { .. } => None,
        }
    }

    /// Whether the first field is made of pictures, whose scaling is fitted per channel.
    pub fn gives_pictures(&self) -> bool {
        !matches!(self, Source::Csv(_) | Source::Numpy(_) | Source::Synthetic { .. })
    }
}

/// A table. Its fields, in order: the features (where a field is left for them), one per column of `index`,
/// one per column of `text`, the target (where there is one).
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Path of the file.
    pub path: String,
    /// File of the validation split, beside the first.
    pub validation: Option<String>,
    /// File of the test split, beside the first.
    pub test: Option<String>,
    /// Target columns; several give one number each.
    pub target: Vec<String>,
    /// Feature columns; `None` for all that have no other use.
    pub features: Option<Vec<String>>,
    /// Columns to leave out.
    pub drop: Vec<String>,
    /// Feature columns of names, each of which becomes one number per category.
    pub one_hot: Vec<String>,
    /// Columns of names that become numbers of categories, each a field of its own.
    pub index: Vec<String>,
    /// Columns of text, each a field of its own.
    pub text: Vec<String>,
    /// How text becomes numbers.
    pub words: WordRules,
    /// What separates cells.
    pub delimiter: u8,
    /// What cells with delimiters in them stand in.
    pub quote: u8,
    /// Whether the first row names the columns; otherwise they are called `1`, `2`, ….
    pub header: bool,
    /// What becomes of missing values.
    pub missing: Missing,
    /// What becomes of rows that equal an earlier one.
    pub duplicates: Duplicates,
    /// Whether a category that is not known has a number of its own (0, one-hot: none is set) instead of
    /// being an error.
    pub unknown_allowed: bool,
}

impl Table {
    /// A table of numbers with commas and a header.
    pub fn new(path: impl Into<String>, target: impl Into<String>) -> Table {
        Table {
            path: path.into(),
            validation: None,
            test: None,
            target: vec![target.into()],
            features: None,
            drop: Vec::new(),
            one_hot: Vec::new(),
            index: Vec::new(),
            text: Vec::new(),
            words: WordRules::default(),
            delimiter: b',',
            quote: b'"',
            header: true,
            missing: Missing::Error,
            duplicates: Duplicates::Keep,
            unknown_allowed: false,
        }
    }

    /// How many fields there are without that of the features.
    pub fn fields_beside_features(&self) -> usize {
        self.index.len() + self.text.len() + usize::from(!self.target.is_empty())
    }
}

/// What becomes of a missing value: an empty cell, `NA`, `N/A`, `NaN`, `null` or `?`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Missing {
    /// It is an error.
    Error,
    /// Its row is left out.
    Drop,
    /// The column's mean over the training split; names get a category of their own.
    Mean,
    /// This number; names get a category of their own.
    Constant(f64),
}

/// What becomes of a row that equals an earlier one in all columns that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicates {
    /// It stays.
    Keep,
    /// It is left out.
    Drop,
    /// It is an error.
    Error,
}

/// How text becomes numbers: 0 is padding, 1 an unknown word, the others count the words of the training
/// split, most frequent first. The field's second extent is the length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WordRules {
    /// Numbers that there are at most, 0 and 1 included.
    pub vocabulary: usize,
    /// How often a word occurs in the training split to have a number.
    pub least_count: usize,
    /// Whether every character is a word.
    pub characters: bool,
    /// Whether padding stands before the words.
    pub padding_before: bool,
}

impl Default for WordRules {
    fn default() -> Self {
        WordRules { vocabulary: 10_000, least_count: 1, characters: false, padding_before: false }
    }
}

/// IDX files in a folder, plain or with `.gz` behind their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdxFiles {
    /// Path of the folder.
    pub path: String,
    /// Pictures to train on.
    pub images: String,
    /// Their labels.
    pub labels: String,
    /// Pictures and labels of the test split; absent files are no error where these are the usual names.
    pub test: Option<(String, String)>,
}

impl IdxFiles {
    /// The names that MNIST and its kin use.
    pub fn usual(path: impl Into<String>) -> IdxFiles {
        IdxFiles {
            path: path.into(),
            images: "train-images-idx3-ubyte".to_owned(),
            labels: "train-labels-idx1-ubyte".to_owned(),
            test: None,
        }
    }

    /// The usual names of the test split.
    pub const TEST: (&'static str, &'static str) = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte");
}

/// Arrays by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrays {
    /// A `.npz` file, or a folder of `.npy` files.
    pub path: String,
    /// One per field; the fields' own names if empty.
    pub training: Vec<String>,
    /// Those of the validation split, if it has its own.
    pub validation: Vec<String>,
    /// Those of the test split, if it has its own.
    pub test: Vec<String>,
}
