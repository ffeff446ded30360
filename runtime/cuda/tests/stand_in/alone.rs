//! Tests of this crate, each in a process of its own.

macro_rules! alone {
    ($($(#[$attribute:meta])* fn $name:ident($($variable:ident = $value:expr),*) $body:block)*) => {
        $(
            $(#[$attribute])*
            #[test]
            fn $name() {
                let path = concat!(module_path!(), "::", stringify!($name));
                let variables: &[(&str, std::ffi::OsString)] = &[$((stringify!($variable), $value.into())),*];
                dlc_stand_in_driver::alone(path, variables, || $body);
            }
        )*
    };
}
pub(crate) use alone;
