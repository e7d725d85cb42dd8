//! A notice as people read it: a subject, text and HTML. No I/O, and the same for the same notice.
//!
//! Names and reasons come from specs, outside systems and whoever writes them. In the subject they are one line, in HTML they are text; nothing of them
//! is a header, a tag or an address that a mail program would fetch.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::host::{Notice, NoticeCounts, NoticeItem, NoticeKind};

/// The most characters of a name in a subject.
const LONGEST_NAME: usize = 60;
/// The most codes of rejects that are named for an object.
const MOST_CODES: usize = 5;

const HEAD: &str = "<!DOCTYPE html>\n<html>\n<head><meta charset=\"utf-8\"></head>\n\
    <body style=\"margin:0;padding:16px;font-family:sans-serif;font-size:14px;line-height:1.4;color:#1a1a1a;background:#ffffff\">\n";
const TABLE: &str = "<table role=\"presentation\" cellpadding=\"0\" cellspacing=\"0\" style=\"border-collapse:collapse;margin:0 0 20px 0\">\n";

/// The notice with what is in its items, and in their order.
pub(super) fn rendered(notice: Notice) -> Notice {
    let (subject, text, html) = (subject(&notice), text(&notice), html(&notice));
    notice.with_text(subject, text).with_html(html)
}

fn subject(notice: &Notice) -> String {
    match (notice.items.as_slice(), notice.left_out) {
        ([item], 0) => heading(item, LONGEST_NAME),
        _ => summary(notice),
    }
}

/// How many of each kind there are: `2 failures, 1 success`.
fn summary(notice: &Notice) -> String {
    let kinds = [
        (NoticeKind::Failure, "failure", "failures"),
        (
            NoticeKind::PartialSuccess,
            "partial success",
            "partial successes",
        ),
        (NoticeKind::Change, "change", "changes"),
        (NoticeKind::Success, "success", "successes"),
    ];
    let mut parts = Vec::new();
    for (kind, one, many) in kinds {
        let items = notice.items.iter().filter(|item| item.kind == kind);
        let count: u64 = items.map(|item| item.times).sum();
        match count {
            0 => {}
            1 => parts.push(format!("1 {one}")),
            _ => parts.push(format!("{count} {many}")),
        }
    }
    if notice.left_out > 0 {
        parts.push(format!("{} more", notice.left_out));
    }
    parts.join(", ")
}

/// What happened, in a line.
fn heading(item: &NoticeItem, longest: usize) -> String {
    let name = line(&item.name, longest);
    let what = match (item.kind, item.cause.as_deref()) {
        (NoticeKind::Failure, _) => "failed",
        (NoticeKind::PartialSuccess, _) => "succeeded in part",
        (NoticeKind::Success, _) => "succeeded",
        (NoticeKind::Change, Some("create")) => "was made",
        (NoticeKind::Change, Some("rename")) => "was renamed",
        (NoticeKind::Change, Some("enable")) => "was enabled",
        (NoticeKind::Change, Some("disable")) => "was disabled",
        (NoticeKind::Change, Some("delete")) => "was removed",
        (NoticeKind::Change, _) => "was changed",
    };
    let times = match item.times {
        0 | 1 => String::new(),
        times => format!(" {times} times"),
    };
    // Only a heading begins at the margin.
    format!("{name} {what}{times}").trim().to_owned()
}

/// What is told of an item: labels and values, in order.
fn rows(item: &NoticeItem) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut row = |label: &str, value: String| rows.push((label.to_owned(), value));
    row("What", item.what.word().into());
    row("When", time(item.at));
    if item.times > 1 {
        let first = time(item.first_at);
        row("How often", format!("{} times since {first}", item.times));
    }
    for (label, value) in [
        ("By", &item.actor),
        ("Run", &item.run),
        ("Why", &item.why),
        ("What to do", &item.what_to_do),
    ] {
        let label = match (label, item.kind) {
            ("Why", NoticeKind::Change) => "Details",
            _ => label,
        };
        if let Some(value) = value {
            row(label, lines(value));
        }
    }
    for counts in &item.counts {
        row("Records", records(counts));
    }
    rows
}

fn records(counts: &NoticeCounts) -> String {
    let mut text = format!("{}: ", line(&counts.object, usize::MAX));
    let records = counts.records.iter();
    let records: Vec<String> = records
        .map(|(word, count)| format!("{word} {count}"))
        .collect();
    match records.is_empty() {
        true => text.push_str("none"),
        false => text.push_str(&records.join(", ")),
    }
    let mut rejects: Vec<(&String, &u64)> = counts.rejects.iter().collect();
    rejects.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let more = rejects.len().saturating_sub(MOST_CODES);
    rejects.truncate(MOST_CODES);
    if !rejects.is_empty() {
        let codes = rejects
            .iter()
            .map(|(code, count)| format!("{code} {count}"));
        let codes: Vec<String> = codes.collect();
        let _ = write!(text, "\nrejected for: {}", codes.join(", "));
    }
    if more > 0 {
        let _ = write!(text, " and {more} other reasons");
    }
    text
}

fn left_out(notice: &Notice) -> Option<String> {
    (notice.left_out > 0).then(|| {
        format!(
            "And {} more, for which there was no room. They are in the history of the workspace.",
            notice.left_out
        )
    })
}

fn text(notice: &Notice) -> String {
    let mut text = String::new();
    if notice.items.len() != 1 || notice.left_out > 0 {
        let _ = writeln!(text, "{}\n", summary(notice));
    }
    for item in &notice.items {
        let _ = writeln!(text, "{}\n", heading(item, usize::MAX));
        for (label, value) in rows(item) {
            let mut label = label.as_str();
            for line in value.lines() {
                let _ = writeln!(text, "  {label:<11} {line}");
                label = "";
            }
        }
        text.push('\n');
    }
    if let Some(left_out) = left_out(notice) {
        let _ = writeln!(text, "{left_out}\n");
    }
    let _ = writeln!(
        text,
        "Workspace {}",
        line(notice.tenant.as_ref(), usize::MAX)
    );
    text
}

fn html(notice: &Notice) -> String {
    let mut html = HEAD.to_owned();
    if notice.items.len() != 1 || notice.left_out > 0 {
        let _ = writeln!(
            html,
            "<p style=\"margin:0 0 16px 0\">{}</p>",
            escaped(&summary(notice))
        );
    }
    for item in &notice.items {
        let color = match item.kind {
            NoticeKind::Failure => "#b00020",
            NoticeKind::PartialSuccess => "#8a5a00",
            NoticeKind::Change => "#1a4f8a",
            NoticeKind::Success => "#1b6e3c",
        };
        let heading = escaped(&heading(item, usize::MAX));
        let _ = writeln!(
            html,
            "<h2 style=\"margin:0 0 8px 0;font-size:16px;color:{color}\">{heading}</h2>"
        );
        html.push_str(TABLE);
        for (label, value) in rows(item) {
            let value = escaped(&value).replace('\n', "<br>");
            let _ = writeln!(
                html,
                "<tr><td style=\"padding:2px 12px 2px 0;vertical-align:top;color:#666666;white-space:nowrap\">{label}</td>\
                 <td style=\"padding:2px 0;vertical-align:top\">{value}</td></tr>"
            );
        }
        html.push_str("</table>\n");
    }
    if let Some(left_out) = left_out(notice) {
        let _ = writeln!(
            html,
            "<p style=\"margin:0 0 16px 0\">{}</p>",
            escaped(&left_out)
        );
    }
    let tenant = escaped(&line(notice.tenant.as_ref(), usize::MAX));
    let _ = writeln!(
        html,
        "<p style=\"margin:0;color:#666666\">Workspace {tenant}</p>"
    );
    html.push_str("</body>\n</html>\n");
    html
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Whether a character only says how others are shown: a name with such could look like another one.
fn is_direction(letter: char) -> bool {
    matches!(letter, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text in one line, cut to so many characters.
fn line(text: &str, longest: usize) -> String {
    let letters = text.chars().filter(|letter| !is_direction(*letter));
    let plain = |letter: char| match letter {
        '\u{2028}' | '\u{2029}' => ' ',
        letter if letter.is_control() => ' ',
        letter => letter,
    };
    let mut line: String = letters.clone().take(longest).map(plain).collect();
    if letters.count() > longest {
        line.push('…');
    }
    line
}

/// The text in its lines.
fn lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|part| line(part, usize::MAX)).collect();
    lines.join("\n")
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use indexmap::IndexMap;
    use proptest::prelude::*;

    use super::*;
    use crate::Tenant;
    use crate::host::NoticeSubject;

    fn at(text: &str) -> DateTime<Utc> {
        format!("2026-03-01T{text}Z").parse().unwrap()
    }

    fn notice(items: Vec<NoticeItem>) -> Notice {
        let tenant = Tenant::new("acme").unwrap();
        let notice = Notice::new("n-1", tenant, "ops@example.com", at("06:00:12"));
        notice.with_items(items)
    }

    fn failure() -> NoticeItem {
        let (kind, job) = (NoticeKind::Failure, NoticeSubject::Job);
        let mut item = NoticeItem::new("1", kind, job, "j-7", "people", at("06:00:12"));
        (item.times, item.first_at) = (3, at("04:00:10"));
        item.run = Some("2026-03-01T06:00:00Z".into());
        item.why = Some("open: the mapping is wrong\n  fields[0]: no such field <email>".into());
        item.what_to_do = Some("Correct the job & run it.".into());
        let mut counts = NoticeCounts {
            object: "person".into(),
            records: IndexMap::from([("read".to_owned(), 120), ("rejected".to_owned(), 15)]),
            ..NoticeCounts::default()
        };
        for (code, count) in [("bad_value", 9), ("no_match", 6)] {
            counts.rejects.insert(code.into(), count);
        }
        item.counts = vec![counts];
        item
    }

    fn success(id: &str) -> NoticeItem {
        let (kind, chain) = (NoticeKind::Success, NoticeSubject::Chain);
        NoticeItem::new(id, kind, chain, "c-1", "nightly", at("05:00:00"))
    }

    #[test]
    fn one_failure_as_text_and_as_html() {
        let told = rendered(notice(vec![failure()]));
        assert_eq!(told.subject, "people failed 3 times");
        assert_eq!(
            told.text,
            "\
people failed 3 times

  What        job
  When        2026-03-01T06:00:12Z
  How often   3 times since 2026-03-01T04:00:10Z
  Run         2026-03-01T06:00:00Z
  Why         open: the mapping is wrong
                fields[0]: no such field <email>
  What to do  Correct the job & run it.
  Records     person: read 120, rejected 15
              rejected for: bad_value 9, no_match 6

Workspace acme
"
        );
        let label = "<tr><td style=\"padding:2px 12px 2px 0;vertical-align:top;color:#666666;white-space:nowrap\">";
        let value = "</td><td style=\"padding:2px 0;vertical-align:top\">";
        let expected = format!(
            "{HEAD}\
<h2 style=\"margin:0 0 8px 0;font-size:16px;color:#b00020\">people failed 3 times</h2>
{TABLE}\
{label}What{value}job</td></tr>
{label}When{value}2026-03-01T06:00:12Z</td></tr>
{label}How often{value}3 times since 2026-03-01T04:00:10Z</td></tr>
{label}Run{value}2026-03-01T06:00:00Z</td></tr>
{label}Why{value}open: the mapping is wrong<br>  fields[0]: no such field &lt;email&gt;</td></tr>
{label}What to do{value}Correct the job &amp; run it.</td></tr>
{label}Records{value}person: read 120, rejected 15<br>rejected for: bad_value 9, no_match 6</td></tr>
</table>
<p style=\"margin:0;color:#666666\">Workspace acme</p>
</body>
</html>
"
        );
        assert_eq!(told.html, expected);
    }

    #[test]
    fn a_digest_says_how_many_of_each_and_what_had_no_room() {
        let (kind, job) = (NoticeKind::Change, NoticeSubject::Job);
        let mut change = NoticeItem::new("2", kind, job, "j-8", "accounts", at("05:30:00"));
        change.cause = Some("change".into());
        change.why = Some("changed: settings.schedule".into());
        change.actor = Some("ada@example.com".into());
        let items = vec![failure(), change, success("3")];
        let told = rendered(notice(items).with_left_out(37));
        assert_eq!(told.subject, "3 failures, 1 change, 1 success, 37 more");
        let expected = "\
accounts was changed

  What        job
  When        2026-03-01T05:30:00Z
  By          ada@example.com
  Details     changed: settings.schedule

nightly succeeded

  What        chain
  When        2026-03-01T05:00:00Z

And 37 more, for which there was no room. They are in the history of the workspace.

Workspace acme
";
        assert!(told.text.ends_with(expected), "{}", told.text);
        assert!(
            told.text
                .starts_with("3 failures, 1 change, 1 success, 37 more\n\npeople failed 3 times\n")
        );
        assert!(told.html.contains(
            "<p style=\"margin:0 0 16px 0\">3 failures, 1 change, 1 success, 37 more</p>"
        ));
        assert!(told.html.contains("And 37 more"));
    }

    #[test]
    fn a_long_name_is_cut_in_the_subject_only() {
        let mut item = success("1");
        item.name = "ä".repeat(200);
        let told = rendered(notice(vec![item]));
        assert_eq!(told.subject, format!("{}… succeeded", "ä".repeat(60)));
        assert!(told.text.contains(&"ä".repeat(200)));
    }

    /// The tags of an HTML document, without what is in them.
    fn tags(html: &str) -> Vec<String> {
        let parts = html.split('<').skip(1);
        parts
            .map(|part| part.split(['>', ' ']).next().unwrap_or_default().to_owned())
            .collect()
    }

    /// Texts that would break out of something.
    fn hostile() -> impl Strategy<Value = String> {
        let pieces = prop::sample::select(vec![
            "<script>alert(1)</script>",
            "\" onload=\"x",
            "'",
            "</td></table>",
            "\r\nBcc: all@example.com",
            "\n",
            "&amp;",
            "<!--",
            "]]>",
            "\u{202e}",
            "\u{2028}",
            "\u{0}",
            "\u{1b}[31m",
            "<img src=//evil>",
            "é",
            "people",
            "\u{85}",
        ]);
        let piece = prop_oneof![pieces.prop_map(str::to_owned), any::<String>()];
        prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn no_text_breaks_out_of_its_place(name in hostile(), why in hostile(), actor in hostile(), object in hostile()) {
            let plain = |name: &str, why: &str, actor: &str, object: &str| {
                let mut item = failure();
                (item.name, item.why, item.actor) = (name.into(), Some(why.into()), Some(actor.into()));
                item.counts[0].object = object.into();
                rendered(notice(vec![item]))
            };
            let told = plain(&name, &why, &actor, &object);
            // One line, that nothing else can be made of.
            prop_assert!(!told.subject.contains(|letter: char| letter.is_control() || is_direction(letter) || ('\u{2028}'..='\u{2029}').contains(&letter)), "{:?}", told.subject);
            // The same tags, whatever the texts: line breaks aside.
            let expected = plain("a", "a", "a", "a");
            let without_breaks = |html: &str| tags(html).into_iter().filter(|tag| tag != "br").collect::<Vec<_>>();
            prop_assert_eq!(without_breaks(&told.html), without_breaks(&expected.html));
            // Nor does one change what a tag has: no quote of a text is in the document.
            let quotes = |html: &str| html.matches(['"', '\'']).count();
            prop_assert_eq!(quotes(&told.html), quotes(&expected.html));
            prop_assert!(!told.text.contains(|letter: char| letter.is_control() && letter != '\n'), "{:?}", told.text);
            // No line of a text can look like a heading: only those begin at the margin.
            let headings = |text: &str| text.lines().filter(|line| !line.is_empty() && !line.starts_with("  ")).count();
            prop_assert_eq!(headings(&told.text), headings(&expected.text));
        }
    }
}
