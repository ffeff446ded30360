//! The codes of diagnostics, as `docs/language.md` lists them.
//!
//! `DLC01xx`: text and grammar; `DLC02xx`: names and paths; `DLC03xx`: shapes and values; `DLC04xx`: the
//! `data` and `train` sections and settings; `DLC05xx`: files.

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        $($(#[$doc])* pub(crate) const $name: &str = $code;)*
        #[cfg(test)]
        pub(crate) const ALL: &[&str] = &[$($code),*];
    };
}

codes! {
    /// A character without meaning.
    CHARACTER = "DLC0101";
    /// A string without end, or with a bad escape or interpolation.
    STRING = "DLC0102";
    /// A number that does not fit.
    NUMBER = "DLC0103";
    /// Something else was expected.
    SYNTAX = "DLC0104";
    /// Nested too deeply.
    NESTING = "DLC0105";
    /// Missing or unknown version line.
    VERSION = "DLC0106";
    /// A statement that computes something for nobody, or stands where it cannot.
    STATEMENT = "DLC0107";

    /// An unknown name.
    NAME = "DLC0201";
    /// An unknown layer, block or function.
    CALLEE = "DLC0202";
    /// An unknown key.
    KEY = "DLC0203";
    /// A missing, surplus or repeated argument.
    ARGUMENT = "DLC0204";
    /// Two equal paths.
    EQUAL_PATHS = "DLC0205";
    /// Trainable values without a path.
    NO_PATH = "DLC0206";
    /// A value that nobody reads.
    UNUSED = "DLC0207";
    /// Recursion.
    RECURSION = "DLC0208";
    /// Two declarations of one name.
    DUPLICATE = "DLC0209";
    /// The wrong number of results.
    RESULTS = "DLC0210";
    /// An unknown attribute.
    ATTRIBUTE = "DLC0211";

    /// A shape that does not fit.
    SHAPE = "DLC0301";
    /// A tensor of the wrong rank.
    RANK = "DLC0302";
    /// A kernel larger than its input.
    KERNEL = "DLC0303";
    /// A value of the wrong kind.
    KIND = "DLC0304";
    /// A value out of its range.
    RANGE = "DLC0305";
    /// Arithmetic that overflows or divides by zero.
    ARITHMETIC = "DLC0306";
    /// A program that unrolls to too much.
    TOO_LARGE = "DLC0307";
    /// Element types that do not fit.
    ELEMENT_TYPE = "DLC0308";

    /// A missing section or key.
    MISSING = "DLC0401";
    /// A field of the data that does not fit the model.
    FIELD = "DLC0402";
    /// A target whose type is not known.
    TARGET = "DLC0403";
    /// A loss or metric that is not a scalar, or is probably not what was meant.
    LOSS = "DLC0404";
    /// A setting that fits nothing.
    SETTING = "DLC0405";
    /// A pattern of paths that fits no parameter, or freezes all.
    PATTERN = "DLC0406";

    /// A file that cannot be read.
    FILE = "DLC0501";
    /// An import from outside the model's folder, of a file that trains, or beyond the most that there may be.
    IMPORT = "DLC0502";
}

#[cfg(test)]
mod tests {
    #[test]
    fn codes_are_unique_and_documented() {
        let mut sorted = super::ALL.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), super::ALL.len());
        let text = include_str!("../../../docs/language.md");
        for code in super::ALL {
            assert!(text.contains(code), "{code} is not in docs/language.md");
        }
    }
}
