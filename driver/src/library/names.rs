//! Names of C for what a model calls otherwise.

/// Words that neither C nor C++ takes as a name.
const RESERVED: &str = " alignas alignof and and_eq asm auto bitand bitor bool break case catch char class compl concept \
    const constexpr const_cast continue decltype default delete do double dynamic_cast else enum explicit export extern \
    false float for friend goto if inline int long main mutable namespace new noexcept not not_eq nullptr operator or \
    or_eq private protected public register reinterpret_cast requires restrict return short signed sizeof static \
    static_assert static_cast struct switch template this throw true try typedef typeid typename union unsigned using \
    virtual void volatile wchar_t while xor xor_eq ";

/// Whether C takes this as a name that no word of it is.
pub(super) fn is_identifier(name: &str) -> bool {
    let letters = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    letters && !RESERVED.contains(&format!(" {name} "))
}

/// Names for the parameters of a function, in the order of its ports and different from each other and from `taken`.
pub(super) fn parameters<'a>(ports: impl Iterator<Item = &'a str>, taken: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for port in ports {
        let mut name: String =
            port.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            name.insert_str(0, "value_");
        }
        while !is_identifier(&name) || taken.contains(&name.as_str()) || names.contains(&name) {
            name.push('_');
        }
        names.push(name);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_one_of_c() {
        let ports = ["image", "int", "layer.0/out", "layer_0_out", "7", "batch", ""];
        let names = parameters(ports.into_iter(), &["model", "batch"]);
        assert_eq!(names, ["image", "int_", "layer_0_out", "layer_0_out_", "value_7", "batch_", "value_"]);
        assert!(
            is_identifier("digits")
                && !is_identifier("2d")
                && !is_identifier("double")
                && !is_identifier("a-b")
        );
    }
}
