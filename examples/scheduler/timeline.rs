//! A day as a picture.

use std::fmt::{Result, Write};

use chrono::{DateTime, TimeDelta, Utc};

use super::day::{Bar, End, Row};

const WIDTH: f64 = 1_200.0;
const LEFT: f64 = 262.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 100.0;
const ROW: f64 = 40.0;
const LEGEND: f64 = 58.0;
/// The width of a small letter, more or less.
const LETTER: f64 = 6.0;
/// Half the height of a bar.
const BAR: f64 = 9.0;

/// Colours for light and for dark pages.
const STYLE: &str = r#"
    text { font: 12px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328 }
    .title { font-size: 17px; font-weight: 600 }
    .name { font-size: 13px; font-weight: 600 }
    .soft { font-size: 11px; fill: #656d76 }
    .page { fill: #ffffff; stroke: #d1d9e0 }
    .band { fill: #f6f8fa }
    .hour { stroke: #d1d9e0; stroke-width: 1 }
    .half { stroke: #eaeef2; stroke-width: 1 }
    .tree { stroke: #afb8c1; fill: none }
    .wait { stroke: #b6bec8; stroke-width: 4 }
    .skip { fill: #ffffff }
    .whole { fill: #12805c }
    .partly { fill: #d08700 }
    .failed { fill: #c9252d }
    .stopped { fill: #8c959f }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 }
      .soft { fill: #9198a1 }
      .page { fill: #0d1117; stroke: #3d444d }
      .band { fill: #151b23 }
      .hour { stroke: #3d444d }
      .half { stroke: #21262d }
      .tree { stroke: #656c76 }
      .wait { stroke: #545d68 }
      .skip { fill: #0d1117 }
      .whole { fill: #2fbf8f }
      .partly { fill: #e3b341 }
      .failed { fill: #ff6b68 }
      .stopped { fill: #656c76 }
    }
"#;

/// The picture of a day that begins at this midnight.
pub(crate) struct Timeline<'a> {
    pub(crate) title: &'a str,
    pub(crate) midnight: DateTime<Utc>,
    /// Whose clocks it shows.
    pub(crate) zone: &'a str,
    pub(crate) rows: &'a [Row],
}

impl Timeline<'_> {
    /// An SVG document.
    ///
    /// # Errors
    /// None: a text takes all that is written into it.
    pub(crate) fn svg(&self) -> std::result::Result<String, std::fmt::Error> {
        let mut svg = String::new();
        self.write(&mut svg)?;
        Ok(svg)
    }

    fn write(&self, svg: &mut String) -> Result {
        let bottom = TOP + ROW * self.rows.len() as f64;
        let height = bottom + LEGEND;
        let title = escaped(self.title);
        writeln!(
            svg,
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">"#
        )?;
        writeln!(svg, "  <title>{title}</title>")?;
        writeln!(svg, "  <style>{STYLE}  </style>")?;
        writeln!(
            svg,
            r#"  <rect class="page" x="0.5" y="0.5" width="{}" height="{}" rx="8"/>"#,
            WIDTH - 1.0,
            height - 1.0
        )?;
        text(svg, "title", 24.0, 38.0, self.title)?;
        text(svg, "soft", 24.0, 60.0, &self.about())?;
        self.hours(svg, bottom)?;
        for (at, row) in self.rows.iter().enumerate() {
            let is_first = at
                .checked_sub(1)
                .and_then(|at| self.rows.get(at))
                .is_none_or(|above| !above.is_link);
            self.row(svg, TOP + ROW * at as f64, row, is_first)?;
        }
        legend(svg, bottom + 34.0)?;
        writeln!(svg, "</svg>")
    }

    fn about(&self) -> String {
        let (runs, failed) = (
            self.count(|_| true),
            self.count(|bar| bar.end == End::Failed),
        );
        let zone = self.zone;
        format!(
            "{runs} runs, of which {failed} failed. Each bar is a run, as long as it took, by the clocks of {zone}."
        )
    }

    fn count(&self, which: impl Fn(&Bar) -> bool) -> usize {
        self.rows.iter().map(|row| row.count(&which)).sum()
    }

    fn x(&self, at: DateTime<Utc>) -> f64 {
        let share = (at - self.midnight).as_seconds_f64() / 86_400.0;
        LEFT + (WIDTH - LEFT - RIGHT) * share.clamp(0.0, 1.0)
    }

    fn hours(&self, svg: &mut String, bottom: f64) -> Result {
        for at in (0..self.rows.len()).step_by(2) {
            let top = TOP + ROW * at as f64;
            writeln!(
                svg,
                r#"  <rect class="band" x="1" y="{top}" width="{}" height="{ROW}"/>"#,
                WIDTH - 2.0
            )?;
        }
        for hour in 0..=24 {
            let x = self.x(self.midnight + TimeDelta::hours(hour));
            let class = if hour % 3 == 0 { "hour" } else { "half" };
            writeln!(
                svg,
                r#"  <path class="{class}" d="M{x:.1} {TOP}V{bottom}"/>"#
            )?;
            if hour % 3 == 0 {
                let y = TOP - 10.0;
                writeln!(
                    svg,
                    r#"  <text class="soft" x="{x:.1}" y="{y}" text-anchor="middle">{hour:02}:00</text>"#
                )?;
            }
        }
        Ok(())
    }

    fn row(&self, svg: &mut String, top: f64, row: &Row, is_first: bool) -> Result {
        let middle = top + ROW / 2.0;
        writeln!(svg, "  <g>")?;
        let name = if row.is_link { 44.0 } else { 24.0 };
        if row.is_link {
            // It joins the line of the row above.
            let from = middle - ROW + if is_first { 14.0 } else { 0.0 };
            writeln!(
                svg,
                r#"    <path class="tree" d="M31.5 {from}V{middle}H39"/>"#
            )?;
        }
        text(svg, "name", name, top + 17.0, &row.name)?;
        text(svg, "soft", name, top + 32.0, &row.when)?;
        let runs = match row.bars.len() {
            1 => "1 run".to_owned(),
            runs => format!("{runs} runs"),
        };
        let (x, y) = (LEFT - 14.0, top + 17.0);
        writeln!(
            svg,
            r#"    <text class="soft" x="{x}" y="{y}" text-anchor="end">{runs}</text>"#
        )?;
        for bar in &row.bars {
            let (from, to) = (self.x(bar.waits), self.x(bar.began));
            if to - from > 0.5 {
                writeln!(
                    svg,
                    r#"    <path class="wait" d="M{from:.1} {middle}H{to:.1}"/>"#
                )?;
            }
        }
        for bar in &row.bars {
            self.bar(svg, middle, &row.name, bar)?;
        }
        for at in &row.skipped {
            let (x, time) = (self.x(*at), self.clock(*at));
            writeln!(
                svg,
                r#"    <circle class="skip" cx="{x:.1}" cy="{middle}" r="3"><title>left out at {time}</title></circle>"#
            )?;
        }
        writeln!(svg, "  </g>")
    }

    fn bar(&self, svg: &mut String, middle: f64, name: &str, bar: &Bar) -> Result {
        let (from, to) = (self.x(bar.began), self.x(bar.ended));
        let (class, word) = look(bar.end);
        let (width, tall) = (
            (to - from).max(2.0),
            if bar.end == End::Failed {
                BAR + 4.0
            } else {
                BAR
            },
        );
        let again = if bar.again { ", tried again" } else { "" };
        writeln!(
            svg,
            r#"    <rect class="{class}" x="{from:.1}" y="{}" width="{width:.1}" height="{}" rx="1"><title>{}, {} to {}: {word}{again}</title></rect>"#,
            middle - tall,
            2.0 * tall,
            escaped(name),
            self.clock(bar.began),
            self.clock(bar.ended),
        )
    }

    /// What clocks show there; on this day they are not put forward or back.
    fn clock(&self, at: DateTime<Utc>) -> String {
        let minutes = (at - self.midnight).num_minutes();
        format!(
            "{:02}:{:02}",
            minutes.div_euclid(60),
            minutes.rem_euclid(60)
        )
    }
}

fn look(end: End) -> (&'static str, &'static str) {
    match end {
        End::Whole => ("whole", "all written"),
        End::Partly => ("partly", "some refused"),
        End::Failed => ("failed", "failed"),
        End::Stopped => ("stopped", "stopped"),
    }
}

fn legend(svg: &mut String, y: f64) -> Result {
    let mut x = LEFT;
    let middle = y - 4.0;
    for end in [End::Whole, End::Partly, End::Failed, End::Stopped] {
        let (class, word) = look(end);
        writeln!(
            svg,
            r#"  <rect class="{class}" x="{x}" y="{}" width="10" height="12" rx="1"/>"#,
            middle - 6.0
        )?;
        text(svg, "soft", x + 17.0, y, word)?;
        x += 45.0 + LETTER * word.len() as f64;
    }
    writeln!(svg, r#"  <path class="wait" d="M{x} {middle}h20"/>"#)?;
    let word = "due, or failed, and waits";
    text(svg, "soft", x + 27.0, y, word)?;
    x += 55.0 + LETTER * word.len() as f64;
    writeln!(
        svg,
        r#"  <rect class="whole" x="{x}" y="{}" width="14" height="12" rx="1"/>"#,
        middle - 6.0
    )?;
    writeln!(
        svg,
        r#"  <circle class="skip" cx="{}" cy="{middle}" r="3"/>"#,
        x + 7.0
    )?;
    text(
        svg,
        "soft",
        x + 21.0,
        y,
        "due while it went on, and left out",
    )
}

fn text(svg: &mut String, class: &str, x: f64, y: f64, text: &str) -> Result {
    let text = escaped(text);
    writeln!(
        svg,
        r#"  <text class="{class}" x="{x}" y="{y}">{text}</text>"#
    )
}

/// A text as it may stand in XML. Control characters may not.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}
