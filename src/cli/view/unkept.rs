//! What a plan says of a function that others made, whose callers get `$LATEST`.

use crate::domain::live::Unkept;
use crate::domain::plan::Change;
use crate::ops::deploy::Options;
use crate::output::sanitize;

/// Who serves, and what is kept of it before it changes.
pub(super) fn lines(unkept: &Unkept, change: &Change) -> Vec<String> {
    let (what, alias) = (sanitize(&unkept.what), sanitize(&unkept.alias));
    let mut lines = vec![format!(
        "  the function has no alias `{alias}` yet: its callers get `{what}`, and each change of it at once"
    )];
    if change.existing.is_none() {
        lines.push(format!(
            "  first `{what}` is kept as version {}, with the alias `{alias}` on it",
            unkept.kept_as
        ));
    }
    lines
}

/// The way on which nobody gets what was not tested.
pub(super) fn safer(options: &Options, unkept: &Unkept) -> String {
    format!(
        "  so that its callers get nothing untested, first `{} --adopt-alias`: it keeps `{}` and moves them to the alias",
        options.command(),
        sanitize(&unkept.what)
    )
}

/// What making the alias does, and does not do.
pub(crate) fn kept_first(unkept: &Unkept) -> String {
    let (what, alias) = (sanitize(&unkept.what), sanitize(&unkept.alias));
    format!(
        "  keep `{what}` as version {}, and make the alias `{alias}` on it: nobody gets other code by that",
        unkept.kept_as
    )
}
