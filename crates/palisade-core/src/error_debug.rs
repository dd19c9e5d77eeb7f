/// Implements `Debug` for an error by its `Display`.
///
/// A `main` that returns an error shows its `Debug`, which an operator has to read.
///
/// # Example
///
/// ```
/// #[derive(Clone, Copy)]
/// struct Missing;
///
/// impl std::fmt::Display for Missing {
///     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
///         f.write_str("the key is missing")
///     }
/// }
///
/// palisade_core::debug_as_display!(Missing);
///
/// assert_eq!(format!("{Missing:?}"), "the key is missing");
/// ```
#[macro_export]
macro_rules! debug_as_display {
    ($($error:ty),+ $(,)?) => {$(
        impl ::std::fmt::Debug for $error {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Display::fmt(self, f)
            }
        }
    )+};
}
