//! Cron expressions.

use super::days::DayRule;
use super::times::Times;

/// The longest expression that is looked at.
const LONGEST: usize = 1_024;

/// What an expression says.
#[derive(Debug)]
pub(super) struct Cron {
    pub(super) days: DayRule,
    pub(super) times: Times,
    /// Whether its seconds, minutes or hours have a `*` or a step: it runs whenever the clocks show one of its times.
    pub(super) wildcard: bool,
}

/// A field: what it is called, its least and greatest number, and the names of its numbers from the least on.
struct Field {
    name: &'static str,
    least: u32,
    most: u32,
    names: &'static [&'static str],
}

const SECOND: Field = Field::new("second", 0, 59, &[]);
const MINUTE: Field = Field::new("minute", 0, 59, &[]);
const HOUR: Field = Field::new("hour", 0, 23, &[]);
const DATE: Field = Field::new("day of the month", 1, 31, &[]);
const MONTH: Field = Field::new(
    "month",
    1,
    12,
    &[
        "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
    ],
);
/// Sunday is 0 and 7.
const WEEKDAY: Field = Field::new(
    "day of the week",
    0,
    7,
    &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
);

/// Numbers of a field, as bits.
#[derive(Default)]
struct Numbers {
    bits: u64,
    wildcard: bool,
}

impl Cron {
    /// Reads an expression of five fields, or of six with seconds in front; or says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("it has more than {LONGEST} characters"));
        }
        let upper = text.trim().to_ascii_uppercase();
        let text = match upper.strip_prefix('@') {
            Some(nickname) => nicknamed(nickname)?,
            None => &upper,
        };
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let (second, [minute, hour, date, month, weekday]) = match *fields {
            [minute, hour, date, month, weekday] => ("0", [minute, hour, date, month, weekday]),
            [second, minute, hour, date, month, weekday] => {
                (second, [minute, hour, date, month, weekday])
            }
            _ => {
                return Err(format!(
                    "it has {} fields; write minute, hour, day of the month, month and day of the week, with the second in front if it \
                     is needed",
                    fields.len()
                ));
            }
        };
        let [second, minute, hour, month] = [
            (SECOND, second),
            (MINUTE, minute),
            (HOUR, hour),
            (MONTH, month),
        ]
        .map(|(field, text)| field.numbers(text));
        let (second, minute, hour) = (second?, minute?, hour?);
        let mut days = DayRule {
            #[allow(clippy::cast_possible_truncation, reason = "bits 1 to 12")]
            months: month?.bits as u32,
            ..DayRule::default()
        };
        dates(date, &mut days)?;
        weekdays(weekday, &mut days)?;
        Ok(Cron {
            days,
            wildcard: second.wildcard || minute.wildcard || hour.wildcard,
            times: Times::Product {
                hours: hour.bits,
                minutes: minute.bits,
                seconds: second.bits,
            },
        })
    }
}

fn nicknamed(nickname: &str) -> Result<&'static str, String> {
    Ok(match nickname {
        "YEARLY" | "ANNUALLY" => "0 0 1 1 *",
        "MONTHLY" => "0 0 1 * *",
        "WEEKLY" => "0 0 * * 0",
        "DAILY" | "MIDNIGHT" => "0 0 * * *",
        "HOURLY" => "0 * * * *",
        _ => {
            return Err(format!(
                "there is no `@{nickname}`; write the fields, or @yearly, @monthly, @weekly, @daily, @hourly"
            ));
        }
    })
}

impl Field {
    const fn new(
        name: &'static str,
        least: u32,
        most: u32,
        names: &'static [&'static str],
    ) -> Self {
        Field {
            name,
            least,
            most,
            names,
        }
    }

    fn wrong(&self, part: &str, because: impl std::fmt::Display) -> String {
        let Field {
            name, least, most, ..
        } = self;
        format!("`{part}` in the field {name} {because}; its numbers are {least} to {most}")
    }

    fn number(&self, text: &str, part: &str) -> Result<u32, String> {
        if let Some(position) = self.names.iter().position(|name| *name == text) {
            #[allow(clippy::cast_possible_truncation, reason = "a name of twelve at most")]
            return Ok(self.least + position as u32);
        }
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(number) if digits && (self.least..=self.most).contains(&number) => Ok(number),
            Ok(_) if digits => Err(self.wrong(part, "is out of range")),
            _ => Err(self.wrong(part, "is no number, range, list or step")),
        }
    }

    /// One part of a list: `*`, `n`, `a-b`, each with `/step` or not.
    fn part(&self, part: &str) -> Result<Numbers, String> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (self.least, self.most),
            Some((from, to)) => {
                let (from, to) = (self.number(from, part)?, self.number(to, part)?);
                // A range may end on a Sunday.
                let ends_on_sunday = self.most == 7 && to == 0 && from > 0;
                (from, if ends_on_sunday { 7 } else { to })
            }
            None => {
                let from = self.number(range, part)?;
                (from, if step.is_some() { self.most } else { from })
            }
        };
        if from > to {
            return Err(self.wrong(part, "goes backwards; write two ranges"));
        }
        let step_by = match step {
            None => 1,
            Some(step) => match step.parse::<u32>() {
                Ok(0) => return Err(self.wrong(part, "has a step of 0")),
                Ok(n) if step.bytes().all(|b| b.is_ascii_digit()) && n <= self.most => n,
                _ => {
                    return Err(self.wrong(part, "has a step that leads out of the field at once"));
                }
            },
        };
        let numbers = (from..=to).step_by(usize::try_from(step_by).unwrap_or(1));
        Ok(Numbers {
            bits: numbers.fold(0, |bits, n| bits | 1 << n),
            wildcard: range == "*" || step.is_some(),
        })
    }

    fn numbers(&self, text: &str) -> Result<Numbers, String> {
        let mut all = Numbers::default();
        for part in text.split(',') {
            let found = self.part(part)?;
            all.bits |= found.bits;
            all.wildcard |= found.wildcard;
        }
        Ok(all)
    }
}

/// Whether a field of days says nothing.
fn says_nothing(text: &str) -> bool {
    matches!(text, "*" | "?")
}

#[allow(clippy::cast_possible_truncation, reason = "bits 1 to 31")]
fn dates(text: &str, days: &mut DayRule) -> Result<(), String> {
    days.any_date = says_nothing(text);
    if days.any_date {
        return Ok(());
    }
    for part in text.split(',') {
        if part == "L" {
            days.before_last |= 1;
        } else if part == "LW" {
            days.last_working = true;
        } else if let Some(before) = part.strip_prefix("L-") {
            match before.parse::<u32>() {
                Ok(n) if before.bytes().all(|b| b.is_ascii_digit()) && n <= 30 => {
                    days.before_last |= 1 << n;
                }
                _ => return Err(DATE.wrong(part, "is more days before the last than a month has")),
            }
        } else if let Some(date) = part.strip_suffix('W') {
            days.nearest |= 1 << DATE.number(date, part)?;
        } else {
            days.dates |= DATE.part(part)?.bits as u32;
        }
    }
    Ok(())
}

/// Bits of Sunday 0 to Sunday 7 as bits from Monday 0 on.
#[allow(clippy::cast_possible_truncation, reason = "bits 0 to 7")]
fn from_monday(bits: u64) -> u8 {
    ((bits >> 1) & 0b111_1111 | (bits & 1) << 6) as u8
}

fn weekdays(text: &str, days: &mut DayRule) -> Result<(), String> {
    let text = match text.strip_prefix('+') {
        Some(rest) => {
            days.both = true;
            rest
        }
        None => text,
    };
    days.any_weekday = says_nothing(text);
    if days.any_weekday {
        return Ok(());
    }
    for part in text.split(',') {
        if let Some((range, nth)) = part.split_once('#') {
            let bits = from_monday(WEEKDAY.part(range)?.bits);
            match nth {
                "L" => days.last |= bits,
                "1" | "2" | "3" | "4" | "5" => {
                    let place = nth.parse::<usize>().unwrap_or(1) - 1;
                    if let Some(of_nth) = days.nth.get_mut(place) {
                        *of_nth |= bits;
                    }
                }
                _ => return Err(WEEKDAY.wrong(part, "is no first to fifth, and not the last `#L`")),
            }
        } else if let Some(weekday) = part.strip_suffix('L').filter(|rest| !rest.is_empty()) {
            days.last |= from_monday(WEEKDAY.part(weekday)?.bits);
        } else {
            days.weekdays |= from_monday(WEEKDAY.part(part)?.bits);
        }
    }
    Ok(())
}
