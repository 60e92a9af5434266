//! A bar for streams whose items carry `done` and `total`.
//!
//! Drawn on standard error, and only when that is a terminal: indicatif writes to no other. It
//! appears with the first item that carries a `done`; while `total` is null only the count is
//! shown.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mesh_core::Value;

const BAR: &str = "{bar:30} {pos}/{len} {percent}% {eta}";
const COUNT: &str = "{spinner} {pos}";

/// The bar, if there is anything to draw it on.
#[derive(Debug)]
pub(crate) struct Progress {
    wanted: bool,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// No bar yet; never one if `quiet`.
    pub(crate) fn new(quiet: bool) -> Self {
        Self { wanted: !quiet && std::io::stderr().is_terminal(), bar: None }
    }

    /// Moves the bar as the item says.
    pub(crate) fn show(&mut self, item: &Value) {
        if !self.wanted {
            return;
        }
        let Some((done, total)) = amounts(item) else { return };
        let bar = self.bar.get_or_insert_with(|| {
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
        });
        if bar.length() != total || bar.position() == 0 {
            let style = ProgressStyle::with_template(if total.is_some() { BAR } else { COUNT });
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        }
        match total {
            Some(total) => bar.set_length(total),
            None => bar.unset_length(),
        }
        bar.set_position(done);
    }

    /// Runs `print` with the bar out of the way.
    pub(crate) fn aside<R>(&self, print: impl FnOnce() -> R) -> R {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Takes the bar off the screen.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// What is done and, once it is known, of how much.
fn amounts(item: &Value) -> Option<(u64, Option<u64>)> {
    let done = item.get("done")?.as_u64()?;
    match item.get("total")? {
        Value::Null => Some((done, None)),
        total => Some((done, Some(total.as_u64()?))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_with_done_and_total_move_the_bar() {
        let item = |done: Value, total: Value| Value::from([("done", done), ("total", total)]);
        assert_eq!(amounts(&item(3.into(), 10.into())), Some((3, Some(10))));
        assert_eq!(amounts(&item(3.into(), Value::Null)), Some((3, None)));
        assert_eq!(amounts(&item("3".into(), 10.into())), None);
        assert_eq!(amounts(&item(3.into(), "x".into())), None);
        assert_eq!(amounts(&Value::from([("done", 3)])), None);
        assert_eq!(amounts(&Value::from(3)), None);
    }
}
