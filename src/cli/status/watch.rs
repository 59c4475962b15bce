//! `squad status --watch`: the same again whenever something changes.

use std::time::Duration;

use super::{Args, exit_code, print, rows, unknown};
use crate::cli::context::Context;
use crate::cli::signals::{Signals, unless_asked};
use crate::cli::view::status as view;
use crate::domain::environment::Environment;
use crate::domain::name::ServiceName;
use crate::error::{Kind, Result};
use crate::ops::status::Row;
use crate::output::Style;
use crate::output::canvas::Canvas;

/// How often the platforms are asked.
const INTERVAL: Duration = Duration::from_millis(500);

/// Shows `first`, and what comes after it, until it is asked to end, nobody reads it any more, or `--timeout`; the exit
/// code.
pub(super) async fn watch(
    context: &Context,
    args: &Args,
    environments: &[Environment],
    only: Option<&[ServiceName]>,
    first: Vec<Row>,
) -> Result<u8> {
    let mut signals = Signals::listen_and_watch(&context.output)?;
    let deadline = args
        .timeout
        .map(|timeout| context.clock().monotonic() + timeout);
    let mut canvas = Canvas::default();
    show(context, &mut canvas, &first);
    let mut last = first;
    loop {
        let next = async {
            tokio::time::sleep(INTERVAL).await;
            rows(context, environments, only).await
        };
        let Some(rows) = unless_asked(Some(&mut signals), next).await else {
            if context.output.is_closed() {
                return Ok(0);
            }
            context.output.drawn(canvas.leave());
            return Ok(exit_code(&last));
        };
        let rows = rows?;
        if rows != last {
            show(context, &mut canvas, &rows);
            last = rows;
        }
        if deadline.is_some_and(|deadline| context.clock().monotonic() >= deadline) {
            return Ok(Kind::Timeout.exit_code());
        }
        if context.output.is_closed() {
            return Ok(0);
        }
    }
}

/// In its place on a terminal that can draw, else below what was there before.
fn show(context: &Context, canvas: &mut Canvas, rows: &[Row]) {
    let output = &context.output;
    if output.is_json() || !output.can_redraw() {
        print(context, rows);
        return;
    }
    let size = output.size();
    let mut text = String::new();
    if !rows.is_empty() {
        text = view::table(rows, context.now(), Some(size.0));
    }
    for unknown in unknown(rows) {
        // A line that wraps would be counted as one.
        let line: String = format!("warning: {unknown}")
            .chars()
            .take(size.0.saturating_sub(1))
            .collect();
        text.push('\n');
        text.push_str(&output.paint_out(Style::Warning, &line));
    }
    let screen = canvas.draw(&text, size);
    output.drawn(&screen);
}
