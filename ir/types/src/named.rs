//! Enumerations whose variants have a name in the text forms.

/// Declares an enumeration of plain variants with their names, and the way from one to the other:
/// `named_enum! { /// Signs. Sign { /// Above zero. Plus = "plus", } }`.
#[macro_export]
macro_rules! named_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// Every variant, in the order of declaration.
            pub const ALL: &'static [$name] = &[$($name::$variant),*];

            /// The name in the text form.
            pub const fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }

            /// The variant of that name.
            pub fn from_name(text: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|variant| variant.name() == text)
            }
        }
    };
}
