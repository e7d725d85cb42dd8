//! Bars of what runs at the moment.

use std::sync::Arc;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use syncline::host::{Event, Observer};

/// A bar for the day, and one for each run that goes on.
#[derive(Debug)]
pub(crate) struct Screen {
    bars: MultiProgress,
    day: ProgressBar,
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("━━╌")
}

impl Screen {
    /// Shows a day of so many minutes, or nothing at all.
    pub(crate) fn new(minutes: u64, is_shown: bool) -> Self {
        let target = match is_shown {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bars = MultiProgress::with_draw_target(target);
        let day = ProgressBar::new(minutes).with_style(style("{msg:12} {bar:48}"));
        Screen {
            day: bars.add(day),
            bars,
        }
    }

    /// A minute has passed, and the clocks show this.
    pub(crate) fn pass(&self, time: String) {
        self.day.set_message(time);
        self.day.inc(1);
    }

    /// Leaves nothing behind.
    pub(crate) fn clear(&self) {
        self.day.finish_and_clear();
    }

    /// The bar of a run, as long as it lasts.
    pub(crate) fn bar(&self) -> Arc<dyn Observer> {
        let bar = ProgressBar::new(0).with_style(style("{prefix:12} {bar:48} {msg}"));
        Arc::new(Bar(self.bars.add(bar)))
    }
}

#[derive(Debug)]
struct Bar(ProgressBar);

impl Observer for Bar {
    fn observe(&self, event: &Event<'_>) {
        match event {
            // A chain has one bar, with the name of the job that runs.
            Event::RunStarted { job, .. } => {
                self.0.set_prefix((*job).to_owned());
                self.0.set_position(0);
            }
            Event::Progress {
                records,
                bytes,
                bytes_total,
                ..
            } => {
                self.0.set_length(bytes_total.unwrap_or(*bytes));
                self.0.set_position(*bytes);
                self.0.set_message(format!("{records} records"));
            }
            _ => {}
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
