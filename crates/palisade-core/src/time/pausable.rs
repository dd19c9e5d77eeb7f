//! Whether Tokio's time can be paused, which its feature `test-util` adds.
//!
//! A crate cannot see the features of another, but whether it has a name: below, `pause` is Tokio's function where
//! there is one, because a block's imports come before the items around it, and else the function of this module.

/// True if Tokio's time can be paused in this build.
pub(super) const TOKIO: bool = {
    #[allow(
        unused_imports,
        reason = "nothing is taken from it without `test-util`"
    )]
    use tokio::time::*;
    is_tokios(&pause)
};

/// The argument that tells the function of this module from Tokio's, which has none.
struct Ours;

#[allow(dead_code, reason = "stands in for Tokio's where that is missing")]
fn pause(_: Ours) {}

trait Function<Arguments> {
    const IS_TOKIOS: bool;
}

impl<F: Fn()> Function<()> for F {
    const IS_TOKIOS: bool = true;
}

impl<F: Fn(Ours)> Function<(Ours,)> for F {
    const IS_TOKIOS: bool = false;
}

const fn is_tokios<Arguments, F: Function<Arguments>>(_: &F) -> bool {
    F::IS_TOKIOS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokio_in_these_tests_can_pause() {
        const { assert!(TOKIO) }
        let _: fn() = tokio::time::pause;
    }

    #[test]
    fn a_function_of_this_module_is_told_from_one_without_arguments() {
        assert!(!is_tokios(&pause));
        assert!(is_tokios(&|| ()));
    }
}
